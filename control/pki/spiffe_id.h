// Who a workload is: spiffe://trust-domain/path, as SPIFFE-ID sections 2 to 2.3 have it.
//
// One name has one spelling: what the standard leaves to normalisation (upper case in the trust domain,
// percent-encoding, empty segments, "." and "..") is refused, so that equal identities are equal bytes. Owns its text;
// any thread. Failure: a sentence that names the part and what would be valid. What it does not do: say whether anybody
// may carry it.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::pki {

constexpr size_t kMaxSpiffeIdBytes = 2048;    // section 2.3
constexpr size_t kMaxTrustDomainBytes = 255;  // section 2.3
constexpr std::string_view kSpiffePrefix = "spiffe://";

base::Result<void> check_trust_domain(std::string_view name);

class SpiffeId {
 public:
  SpiffeId() = default;  // nobody
  static base::Result<SpiffeId> parse(std::string_view text);

  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }
  std::string_view trust_domain() const;
  std::string_view path() const;  // with its first slash; empty: the trust domain itself

  auto operator<=>(const SpiffeId& other) const { return text_ <=> other.text_; }
  bool operator==(const SpiffeId& other) const { return text_ == other.text_; }

 private:
  std::string text_;
  size_t domain_end_ = 0;  // in text_
};

// `text` as part of a message: printable, and not longer than a line.
std::string quoted(std::string_view text);

}  // namespace penstock::pki
