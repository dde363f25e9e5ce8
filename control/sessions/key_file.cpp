#include "control/sessions/key_file.h"

#include "control/sessions/key_text.h"

namespace penstock::sessions {
namespace {

base::Result<std::vector<config::SessionKey>> read(const std::string& path) {
  auto text = pki::read_file(path, pki::Privacy::kPrivate, kMaxKeyFileBytes);
  if (!text) return base::Error{text.error()};
  auto keys = parse_key_file(text->view());
  if (!keys) return base::Error{path + ": " + keys.error()};
  return keys;
}

}  // namespace

base::Result<KeyFile> KeyFile::open(const std::string& path) {
  const auto stamp = pki::stamp_of(path);
  if (!stamp) return base::Error{stamp.error()};
  auto keys = read(path);
  if (!keys) return base::Error{keys.error()};
  return KeyFile(path, *stamp, std::move(keys).value());
}

bool KeyFile::poll() {
  const auto stamp = pki::stamp_of(path_);
  const pki::FileStamp now = stamp ? *stamp : pki::FileStamp{};
  if (now == seen_ && !read_again_) return false;
  // Once more at the next look: what is written within the resolution of a timestamp leaves the stamp as it is.
  read_again_ = now != seen_;
  seen_ = now;
  auto keys = read(path_);
  if (!keys) {
    fault_ = keys.error();
    return false;
  }
  fault_.clear();
  if (*keys == keys_) return false;
  written_ = now.modified;
  keys_ = std::move(keys).value();
  return true;
}

uint32_t KeyFile::since() const { return static_cast<uint32_t>(written_ / 1'000'000'000); }

}  // namespace penstock::sessions
