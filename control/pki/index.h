// What an authority has issued: one line of text for each certificate, so that it can be read, renewed and revoked.
//
//   penstock-ca 1 <trust domain> <number of the last revocation list>
//   <serial> <serial of the root> <not before> <not after> <revoked at, or 0> <SPIFFE ID>
//
// Read strictly: a line that is not of this form is a fault with its number, not a certificate less.
#pragma once

#include "control/pki/certificate.h"

namespace penstock::pki {

constexpr size_t kMaxEntries = 100'000;           // a thousand gateways with daily certificates, for three months
constexpr size_t kMaxRevoked = 10'000;            // keeps the lists within kMaxFileBytes
constexpr size_t kMaxIndexBytes = 64 << 20;       // kMaxEntries of 600 bytes
constexpr Seconds kKeptAfterExpiry = 30 * 86400;  // then a certificate is forgotten

struct Entry {
  std::string serial, root;
  Seconds not_before = 0, not_after = 0, revoked = 0;  // revoked 0: it is not
  SpiffeId id;
};

struct Index {
  std::string trust_domain;
  uint64_t list_number = 0;
  std::vector<Entry> entries;  // in the order of their making

  void forget_expired(Seconds now);
  size_t revoked() const;
  std::string text() const;
};

base::Result<Index> parse_index(std::string_view text, const std::string& name);

}  // namespace penstock::pki
