#include "control/pki/watch.h"

namespace penstock::pki {
namespace {

constexpr int kAttempts = 3;  // in one poll(): whoever writes is between two renames for microseconds
enum File : size_t { kCertificate, kKey, kBundle, kLists };

template <typename Texts>
std::string digest_of(const Texts& texts) {
  std::string digests;
  for (const Secret& text : texts) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_Digest(text.view().data(), text.view().size(), digest, &length, EVP_sha256(), nullptr) != 1) return "";
    digests.append(reinterpret_cast<const char*>(digest), length);
  }
  return digests;
}

}  // namespace

const std::string& Watch::path_of(size_t file) const {
  switch (file) {
    case kCertificate:
      return paths_.certificate;
    case kKey:
      return paths_.key;
    case kBundle:
      return paths_.bundle;
    default:
      return paths_.lists;
  }
}

// A file that cannot be looked at has the stamp of nothing, which differs from that of any file.
std::array<FileStamp, Watch::kFiles> Watch::stamps() const {
  std::array<FileStamp, kFiles> out;
  for (size_t file = 0; file < kFiles; ++file) {
    if (path_of(file).empty()) continue;
    if (const auto stamp = stamp_of(path_of(file))) out[file] = *stamp;
  }
  return out;
}

base::Result<Watch::Texts> Watch::read() const {
  Texts texts;
  for (size_t file = 0; file < kFiles; ++file) {
    if (file == kLists && paths_.lists.empty()) continue;
    auto text = read_file(path_of(file), file == kKey ? Privacy::kPrivate : Privacy::kPublic);
    if (!text) return base::Error{text.error()};
    texts[file] = std::move(text).value();
  }
  return texts;
}

base::Result<Material> Watch::make(const Texts& texts) const {
  auto chain = parse_certificates(texts[kCertificate].view(), paths_.certificate, kMaxChain);
  if (!chain) return base::Error{chain.error()};
  auto key = PrivateKey::from_pem(texts[kKey].view(), paths_.key);
  if (!key) return base::Error{key.error()};
  auto svid = make_svid(std::move(chain).value(), std::move(key).value(), paths_.certificate, paths_.key);
  if (!svid) return base::Error{svid.error()};
  auto roots = parse_certificates(texts[kBundle].view(), paths_.bundle);
  if (!roots) return base::Error{roots.error()};
  std::vector<Crl> lists;
  if (!paths_.lists.empty()) {
    auto parsed = parse_crls(texts[kLists].view(), paths_.lists);
    if (!parsed) return base::Error{parsed.error()};
    lists = std::move(parsed).value();
  }
  auto trust = TrustBundle::make(std::string(svid->id.trust_domain()), std::move(roots).value(), std::move(lists),
                                 paths_.bundle);
  if (!trust) return base::Error{trust.error()};
  return Material{std::move(svid).value(), std::move(trust).value(), current_ ? current_->number + 1 : 1};
}

bool Watch::poll() {
  auto now = stamps();
  if (now == seen_ && !read_again_) return false;
  // Once more when next called: what is written within the resolution of a timestamp leaves the stamp as it is.
  read_again_ = now != seen_;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    seen_ = now;
    const auto texts = read();
    now = stamps();
    if (!texts) {
      fault_ = texts.error();
      continue;
    }
    if (now != seen_) {
      fault_ = paths_.certificate + ": the files change while they are read";
      continue;
    }
    const std::string digest = digest_of(*texts);
    if (current_ && digest == digest_) {
      fault_.clear();
      return false;
    }
    auto material = make(*texts);
    if (!material) {
      fault_ = material.error();
      continue;
    }
    current_ = std::make_shared<const Material>(std::move(material).value());
    digest_ = digest;
    fault_.clear();
    return true;
  }
  read_again_ = true;
  return false;
}

bool Watch::renewal_due(Seconds now) const {
  if (!current_) return false;
  const Certificate& leaf = current_->svid.leaf();
  return now >= leaf.not_before() + (leaf.not_after() - leaf.not_before()) / 2;
}

}  // namespace penstock::pki
