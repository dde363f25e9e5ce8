// Associations agreed by hand, from a file that only its owner may read:
//
//   # direction  SPI         key (with the salt behind it)            integrity key
//   out          0x00010001  000102030405060708090a0b0c0d0e0f01020304
//   in           0x00020001  101112131415161718191a1b1c1d1e1f05060708
//
// A line each; blank lines and what follows '#' do not count. The n-th "out" line of one side is the n-th "in" line of
// the other, and no two lines have the same key. Keys go from the file into locked memory (key.h) and every buffer on
// the way is wiped. Control thread. Failure: an Error with the file and the line, never with a key. Does not: know
// ciphers; lengths are judged where the association is made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/crypto/key.h"

namespace penstock::crypto {

constexpr size_t kMaxKeyFile = 64 * 1024;  // 128 lines are some 24 KiB
constexpr size_t kMaxKeyLines = 64;        // of each direction

struct KeyLine {
  uint32_t spi = 0;
  Key key, integrity_key;
};
struct KeyFile {
  std::vector<KeyLine> outbound, inbound;
};

base::Result<KeyFile> read_key_file(const std::string& path);
// `text` is wiped.
base::Result<KeyFile> parse_key_file(std::string& text);

}  // namespace penstock::crypto
