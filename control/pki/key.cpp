// Private keys, and the files that certificates and keys come from.
#include <openssl/ec.h>

#include "control/pki/certificate.h"
#include "control/pki/pem.h"

namespace penstock::pki {
namespace {

bool is_private_key(const std::string& label) {
  return label == "PRIVATE KEY" || label == "EC PRIVATE KEY" || label == "RSA PRIVATE KEY";
}

bool is_known_curve(EVP_PKEY* key) {
  char group[64] = {};
  size_t length = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &length) != 1) return false;
  const std::string_view name(group, length);
  return name == "prime256v1" || name == "P-256" || name == "secp384r1" || name == "P-384" || name == "secp521r1" ||
         name == "P-521";
}

}  // namespace

const char* to_string(KeyKind kind) {
  switch (kind) {
    case KeyKind::kP256:
      return "P-256";
    case KeyKind::kP384:
      return "P-384";
  }
  return "?";
}

base::Result<void> check_key(EVP_PKEY* key, const std::string& name) {
  const QuietErrors quiet;
  if (EVP_PKEY_is_a(key, "EC") == 1) {
    if (is_known_curve(key)) return {};
    return base::Error{name + ": the key is on another curve than P-256, P-384 and P-521"};
  }
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return {};
  if (EVP_PKEY_is_a(key, "RSA") != 1)
    return base::Error{name + ": the key is of a kind that is not used here, want EC, Ed25519 or RSA"};
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < kMinRsaBits || bits > kMaxRsaBits)
    return base::Error{name + ": the RSA key has " + std::to_string(bits) + " bits, want " +
                       std::to_string(kMinRsaBits) + " to " + std::to_string(kMaxRsaBits)};
  return {};
}

base::Result<PrivateKey> PrivateKey::generate(KeyKind kind) {
  const QuietErrors quiet;
  KeyPtr key(EVP_EC_gen(to_string(kind)));
  if (!key) return base::Error{"a key cannot be made: " + openssl_reason()};
  return PrivateKey(std::move(key));
}

base::Result<PrivateKey> PrivateKey::from_pem(std::string_view pem, const std::string& name) {
  const QuietErrors quiet;
  auto blocks = read_pem(pem, name, 4);
  if (!blocks) return base::Error{blocks.error()};
  KeyPtr key;
  for (PemBlock& block : *blocks) {
    const std::string where = name + ": line " + std::to_string(block.line);
    if (block.label == "EC PARAMETERS") continue;  // as openssl ecparam -genkey writes; the key names its curve itself
    if (block.label == "ENCRYPTED PRIVATE KEY")
      return base::Error{where + ": the key is encrypted with a passphrase, which nobody is there to type"};
    if (!is_private_key(block.label))
      return base::Error{where + ": a " + block.label + ", want one PRIVATE KEY and nothing else"};
    if (key) return base::Error{where + ": a second private key"};
    const auto* at = reinterpret_cast<const unsigned char*>(block.bytes.view().data());
    const unsigned char* end = at + block.bytes.view().size();
    key.reset(d2i_AutoPrivateKey(nullptr, &at, end - at));
    if (!key) return base::Error{where + ": the private key is damaged (" + openssl_reason() + ")"};
    if (at != end) return base::Error{where + ": bytes follow the private key in its block"};
  }
  if (!key) return base::Error{name + ": holds no PRIVATE KEY"};
  if (auto valid = check_key(key.get(), name); !valid) return base::Error{valid.error()};
  return PrivateKey(std::move(key));
}

bool PrivateKey::matches(const Certificate& certificate) const {
  const QuietErrors quiet;
  return X509_check_private_key(certificate.native(), native()) == 1;
}

Secret PrivateKey::pem() const {
  const QuietErrors quiet;
  const BioPtr out(BIO_new(BIO_s_secmem()));
  if (!out || PEM_write_bio_PKCS8PrivateKey(out.get(), native(), nullptr, nullptr, 0, nullptr, nullptr) != 1) return {};
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return Secret(std::string(text, static_cast<size_t>(length)));
}

base::Result<std::vector<Certificate>> parse_certificates(std::string_view pem, const std::string& name, size_t most) {
  const QuietErrors quiet;
  auto blocks = read_pem(pem, name, most);
  if (!blocks) return base::Error{blocks.error()};
  std::vector<Certificate> out;
  for (const PemBlock& block : *blocks) {
    const std::string where = name + ": line " + std::to_string(block.line);
    if (block.label.ends_with("PRIVATE KEY"))
      return base::Error{where + ": a private key among certificates: keep it in a file of its own, mode 600"};
    if (block.label != "CERTIFICATE") return base::Error{where + ": a " + block.label + ", want only CERTIFICATE"};
    const std::string_view der = block.bytes.view();
    auto certificate = Certificate::from_der({reinterpret_cast<const uint8_t*>(der.data()), der.size()}, where);
    if (!certificate) return base::Error{certificate.error()};
    out.push_back(std::move(certificate).value());
  }
  return out;
}

base::Result<std::vector<Certificate>> load_certificates(const std::string& path, size_t most) {
  const auto text = read_file(path, Privacy::kPublic);
  if (!text) return base::Error{text.error()};
  return parse_certificates(text->view(), path, most);
}

base::Result<PrivateKey> load_key(const std::string& path) {
  const auto text = read_file(path, Privacy::kPrivate);
  if (!text) return base::Error{text.error()};
  return PrivateKey::from_pem(text->view(), path);
}

std::string to_pem(const std::vector<Certificate>& certificates) {
  std::string out;
  for (const Certificate& certificate : certificates) out += certificate.pem();
  return out;
}

base::Result<Svid> make_svid(std::vector<Certificate> chain, PrivateKey key, const std::string& chain_name,
                             const std::string& key_name) {
  if (chain.empty()) return base::Error{chain_name + ": holds no certificate"};
  auto id = chain.front().identity();
  if (!id) return base::Error{chain_name + ": the first certificate " + id.error()};
  if (!key.matches(chain.front()))
    return base::Error{key_name + ": is not the key of the first certificate in " + chain_name};
  return Svid{.chain = std::move(chain), .key = std::move(key), .id = std::move(id).value()};
}

base::Result<Svid> load_svid(const std::string& chain_path, const std::string& key_path) {
  auto chain = load_certificates(chain_path, kMaxChain);
  if (!chain) return base::Error{chain.error()};
  auto key = load_key(key_path);
  if (!key) return base::Error{key.error()};
  return make_svid(std::move(chain).value(), std::move(key).value(), chain_path, key_path);
}

}  // namespace penstock::pki
