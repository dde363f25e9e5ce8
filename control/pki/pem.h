// PEM text (RFC 7468) as blocks of bytes.
//
// OpenSSL's own reader takes whatever it does not understand for a comment: a certificate whose first line is damaged
// disappears from a bundle without a word. Here text between blocks may be anything printable, as `openssl x509 -text`
// writes it, but a line with five dashes is a boundary that must pair up, and a block must be base64 to its last line.
// Failure: name, line and fault. Bounded by the size of the text and by `most` blocks. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/pki/files.h"

namespace penstock::pki {

struct PemBlock {
  std::string label;  // "CERTIFICATE"
  Secret bytes;       // DER
  size_t line = 0;    // of its first boundary
};

// `name` begins every message; at least one block.
base::Result<std::vector<PemBlock>> read_pem(std::string_view text, const std::string& name, size_t most);

}  // namespace penstock::pki
