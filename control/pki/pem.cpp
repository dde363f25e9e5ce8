#include "control/pki/pem.h"

#include <openssl/evp.h>

#include <algorithm>

#include "control/pki/spiffe_id.h"

namespace penstock::pki {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kDashes = "-----";
constexpr size_t kMaxKeyTextBytes = 16384;  // an RSA key of 8192 bits has 6.4 kB

// The label of a boundary line, or empty.
std::string_view label_of(std::string_view line, std::string_view opening) {
  if (!line.starts_with(opening) || !line.ends_with(kDashes) || line.size() <= opening.size() + kDashes.size())
    return {};
  const std::string_view label = line.substr(opening.size(), line.size() - opening.size() - kDashes.size());
  return label.find('-') == std::string_view::npos ? label : std::string_view();
}

bool is_base64(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

// EVP_DecodeBlock takes padding anywhere and leaves it in the output: the form is judged before.
bool decode(std::string_view base64, std::string& out) {
  size_t padding = 0;
  while (padding < 2 && padding < base64.size() && base64[base64.size() - 1 - padding] == '=') ++padding;
  for (const char c : base64.substr(0, base64.size() - padding))
    if (!is_base64(c)) return false;
  if (base64.empty() || base64.size() % 4 != 0) return false;
  out.resize(base64.size() / 4 * 3);
  const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(base64.data()), static_cast<int>(base64.size()));
  if (n < 0) return false;
  out.resize(static_cast<size_t>(n) - padding);
  return true;
}

class Reader {
 public:
  Reader(const std::string& name, size_t most) : name_(name), most_(most) {}

  base::Result<void> take(std::string_view line) {
    ++line_;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    for (const char c : line)
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
        return fault("a control character: want PEM text (a DER file is made text by openssl x509 -inform DER)");
    if (line.find(kDashes) != std::string_view::npos) return boundary(line);
    if (inside_) return body(line);
    return {};
  }

  base::Result<std::vector<PemBlock>> finish() {
    if (inside_) return fault_at(block_.line, "BEGIN " + block_.label + " has no END: the text is cut short");
    if (blocks_.empty()) return base::Error{name_ + ": holds no PEM block (-----BEGIN ...-----)"};
    return std::move(blocks_);
  }
  void reserve(size_t bytes) { room_ = bytes; }

 private:
  base::Error fault_at(size_t line, const std::string& reason) const {
    return base::Error{name_ + ": line " + std::to_string(line) + ": " + reason};
  }
  base::Error fault(const std::string& reason) const { return fault_at(line_, reason); }

  base::Result<void> boundary(std::string_view line) {
    if (const std::string_view label = label_of(line, kBegin); !label.empty()) {
      if (inside_) return fault("BEGIN inside of BEGIN " + block_.label + ": the block before it is cut short");
      if (blocks_.size() == most_) return fault("more than " + std::to_string(most_) + " PEM blocks");
      inside_ = true;
      block_ = PemBlock{.label = std::string(label), .line = line_};
      body_ = Secret();
      body_.text().reserve(std::min(room_, kMaxKeyTextBytes));
      return {};
    }
    const std::string_view label = label_of(line, kEnd);
    if (label.empty()) return fault(quoted(line) + " is no boundary of a PEM block");
    if (!inside_) return fault("END " + std::string(label) + " without BEGIN");
    if (label != block_.label) return fault("END " + std::string(label) + " ends BEGIN " + block_.label);
    if (!decode(body_.view(), block_.bytes.text()))
      return fault_at(block_.line, "the " + block_.label + " is damaged: not base64");
    blocks_.push_back(std::move(block_));
    inside_ = false;
    return {};
  }

  base::Result<void> body(std::string_view line) {
    if (line.find(':') != std::string_view::npos && line.find("ENCRYPTED") != std::string_view::npos)
      return fault("the " + block_.label + " is encrypted with a passphrase, which nobody is there to type");
    body_.text() += line;
    return {};
  }

  const std::string& name_;
  const size_t most_;
  size_t line_ = 0, room_ = 0;
  bool inside_ = false;
  PemBlock block_;
  Secret body_;
  std::vector<PemBlock> blocks_;
};

}  // namespace

base::Result<std::vector<PemBlock>> read_pem(std::string_view text, const std::string& name, size_t most) {
  if (text.size() > kMaxFileBytes)
    return base::Error{name + ": has " + std::to_string(text.size()) + " bytes, at most " +
                       std::to_string(kMaxFileBytes)};
  Reader reader(name, most);
  reader.reserve(text.size());
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (auto taken = reader.take(text.substr(0, end)); !taken) return base::Error{taken.error()};
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return reader.finish();
}

}  // namespace penstock::pki
