#include "engine/crypto/key_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace penstock::crypto {

namespace {

// What Wireshark calls them.
struct Names {
  const char *encryption, *authentication;
  bool known = true;  // to Wireshark 4.0; with another name it reads no line that follows
};
Names names_of(Cipher cipher) {
  switch (cipher) {
    case Cipher::kAesGcm128:
    case Cipher::kAesGcm256:
      return {"AES-GCM with 16 octet ICV [RFC4106]", "NULL"};
    case Cipher::kChaCha20Poly1305:
      return {"ChaCha20 with Poly1305 [RFC7634]", "NULL", false};
    case Cipher::kAesCbc128Sha256:
    case Cipher::kAesCbc256Sha256:
      return {"AES-CBC [RFC3602]", "HMAC-SHA-256-128 [RFC4868]"};
    case Cipher::kNullSha256:
      return {"NULL", "HMAC-SHA-256-128 [RFC4868]"};
  }
  return {"NULL", "NULL"};
}

void append_key(std::string& line, const Key& key) {
  line += ",\"";
  if (!key.empty()) line += "0x";
  for (const uint8_t byte : key.secret()) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    line += digits;
  }
  line += '"';
}

}  // namespace

base::Result<std::unique_ptr<KeyLog>> KeyLog::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return base::Error{path + ": " + std::strerror(errno)};
  return std::unique_ptr<KeyLog>(new KeyLog(file));
}

KeyLog::~KeyLog() { end(); }

void KeyLog::end() {
  if (file_ >= 0) close(file_);
  file_ = -1;
}

void KeyLog::write(const SaSpec& spec) {
  if (file_ < 0) return;
  const Names names = names_of(spec.cipher);
  char spi[16];
  std::snprintf(spi, sizeof spi, "0x%08x", spec.spi);
  std::string line;
  line.reserve(512);  // a line never moves: no copy of a key is left behind
  // A peer has several addresses: the SPI alone must do.
  line += std::string(names.known ? "\"" : "# \"") + (spec.local.is_v4() ? "IPv4" : "IPv6") + "\",\"*\",\"*\",\"" +
          spi + "\",\"" + names.encryption + '"';
  append_key(line, spec.key);
  line += std::string(",\"") + names.authentication + '"';
  append_key(line, spec.integrity_key);
  line += '\n';
  if (::write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) end();
  explicit_bzero(line.data(), line.size());
}

}  // namespace penstock::crypto
