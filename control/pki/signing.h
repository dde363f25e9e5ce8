// What an authority signs: roots, cross-certificates, SVIDs, revocation lists. Pure: no files, no clock; random numbers
// only for keys and serials. Any thread.
#pragma once

#include <span>

#include "control/pki/crl.h"

namespace penstock::pki {

constexpr Seconds kBackdate = 60;  // certificates begin a minute ago: the clocks of peers differ
constexpr int kSerialBits = 128;   // not to be guessed, and never the same twice

struct Signer {
  Certificate certificate;
  PrivateKey key;
};

// A self-signed root of the trust domain with a key of its own.
base::Result<Signer> make_root(const std::string& trust_domain, KeyKind kind, Seconds now, Seconds lifetime);
// The key and name of `fresh`, signed by `old`: who knows only the old root can follow the new one.
base::Result<Certificate> cross_sign(const Signer& old, const Signer& fresh, const std::string& trust_domain,
                                     Seconds now);
// An SVID for somebody's public key, from a minute ago to now + lifetime.
base::Result<Certificate> sign_svid(const Signer& signer, EVP_PKEY* subject_key, const SpiffeId& id, Seconds now,
                                    Seconds lifetime);

struct Revoked {
  std::string serial;
  Seconds time = 0;
};
base::Result<Crl> sign_list(const Signer& signer, std::span<const Revoked> revoked, uint64_t number, Seconds now,
                            Seconds lifetime);

// The public key of a PKCS #10 request, which must be signed by it. Names and extensions it asks for do not count: who
// somebody is is said by the authority.
base::Result<KeyPtr> request_key(std::string_view pem, const std::string& name);

}  // namespace penstock::pki
