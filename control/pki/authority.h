// A small authority for sites that have none: it makes a root, issues short-lived X.509-SVIDs, renews and revokes them,
// and changes its root without a moment in which peers do not believe each other.
//
// Its state is a directory that only its owner may enter (0700), kept by one run at a time (`lock`):
//   ca.key ca.crt         the root that signs; the key has mode 0600 from its first byte
//   chain.crt             this root's key signed by the roots before it, sent along with every SVID after a rotation
//   retired-<serial>.*    roots before it, until they expire: they sign revocation lists, and issue nothing
//   bundle.crt crl.pem    for the gateways: roots to believe, and one list for each
//   index                 what was issued
// Every file is replaced whole. The rename of next.key to ca.key is what makes a new root the root; a run that ends
// before it changed nothing, one that ends after it is finished by the next open().
//
// Rotation: SVIDs of the new root carry the new root signed by the old one, so that a gateway whose bundle has only the
// old root follows; SVIDs of the old root stay good until they expire, as the bundle holds both.
//
// One thread. The time is an argument. Failure: a line that begins with the path; nothing was changed, unless it says
// so. What it does not do: decide who may have which identity; keep the keys it makes for others.
#pragma once

#include <optional>

#include "control/pki/index.h"
#include "control/pki/signing.h"

namespace penstock::pki {

constexpr Seconds kDefaultSvidLifetime = 24 * 3600;
constexpr Seconds kMinSvidLifetime = 300;         // a renewal at half-life needs minutes, not seconds
constexpr Seconds kMaxSvidLifetime = 90 * 86400;  // longer ones belong to an authority with people behind it
constexpr Seconds kDefaultRootLifetime = 730 * 86400;
constexpr Seconds kMinRootLifetime = 86400;
constexpr Seconds kMaxRootLifetime = 20 * 366 * 86400;
constexpr Seconds kListLifetime = 7 * 86400;  // `penstock ca crl` makes the next one
constexpr size_t kMaxRoots = 4;               // that have not expired: what a chain has room for

struct RootOptions {
  KeyKind kind = KeyKind::kP256;
  Seconds lifetime = kDefaultRootLifetime;
};

struct Issued {
  std::vector<Certificate> chain;  // the SVID first
  std::optional<PrivateKey> key;   // absent: the request's owner has it
  const Certificate& svid() const { return chain.front(); }
};

class Authority {
 public:
  // In a new or empty directory; one that holds an authority is refused.
  static base::Result<Authority> init(const std::string& directory, const std::string& trust_domain,
                                      RootOptions options, Seconds now);
  static base::Result<Authority> open(const std::string& directory);
  Authority(Authority&&) = default;
  Authority& operator=(Authority&&) = default;

  // An SVID with a key made for it.
  base::Result<Issued> issue(const SpiffeId& id, Seconds lifetime, Seconds now, KeyKind kind = KeyKind::kP256);
  // An SVID for the key of a PKCS #10 request; `name` is the request's in messages.
  base::Result<Issued> issue_for(std::string_view request, const std::string& name, const SpiffeId& id,
                                 Seconds lifetime, Seconds now);
  // The same identity under a new key and serial; the certificate before it stays good until it expires. Lifetime 0: as
  // long as that one. Refused for an identity that was never issued or whose last certificate was revoked.
  base::Result<Issued> renew(const SpiffeId& id, Seconds lifetime, Seconds now, KeyKind kind = KeyKind::kP256);
  // The newest certificate of the identity.
  const Entry* find(const SpiffeId& id) const;

  // Puts it on the list and writes crl.pem. Again: only writes crl.pem. How many certificates were revoked by this
  // call.
  base::Result<size_t> revoke_serial(std::string_view serial, Seconds now);
  base::Result<size_t> revoke_id(const SpiffeId& id, Seconds now);  // all that have not expired

  base::Result<void> rotate(RootOptions options, Seconds now);
  // Writes bundle.crt and crl.pem anew; roots that have expired go.
  base::Result<void> publish(Seconds now);

  const std::string& directory() const { return directory_; }
  const std::string& trust_domain() const { return index_.trust_domain; }
  const Certificate& root() const { return current_->certificate; }
  const std::vector<Entry>& entries() const { return index_.entries; }
  std::vector<Certificate> bundle(Seconds now) const;  // roots that have not expired, the one that signs first
  base::Result<std::vector<Crl>> lists() const;        // as crl.pem has them

 private:
  Authority(std::string directory, FileLock lock) : directory_(std::move(directory)), lock_(std::move(lock)) {}
  static base::Result<Authority> enter(const std::string& directory);
  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }
  base::Result<void> stage(const Signer& root, const std::vector<Certificate>& chain);
  base::Result<void> commit_staged();
  base::Result<void> settle();
  base::Result<Signer> load_root(const std::string& name) const;
  base::Result<void> load();
  base::Result<void> write_index(Index next, Seconds now);
  base::Result<void> check_request(const SpiffeId& id, Seconds lifetime, Seconds now) const;
  base::Result<Issued> sign(EVP_PKEY* key, const SpiffeId& id, Seconds lifetime, Seconds now);
  base::Result<size_t> revoke(Index next, size_t revoked, Seconds now);
  base::Result<Crl> list_of(const Signer& root, const Index& index, Seconds now) const;

  std::string directory_;
  FileLock lock_;
  std::optional<Signer> current_;
  std::vector<Signer> retired_;
  std::vector<Certificate> chain_;
  Index index_;
};

}  // namespace penstock::pki
