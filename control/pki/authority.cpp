// What the authority does with what it has.
#include "control/pki/authority.h"

#include <algorithm>

namespace penstock::pki {

base::Result<void> Authority::check_request(const SpiffeId& id, Seconds lifetime, Seconds now) const {
  if (id.trust_domain() != trust_domain())
    return base::Error{directory_ + ": " + quoted(id.text()) + " is not of trust domain " + trust_domain()};
  if (id.path().empty())
    return base::Error{directory_ + ": " + quoted(id.text()) + " names the trust domain, want a path behind it"};
  if (lifetime < kMinSvidLifetime || lifetime > kMaxSvidLifetime)
    return base::Error{directory_ + ": a certificate for " + std::to_string(lifetime) + " seconds, want " +
                       std::to_string(kMinSvidLifetime) + " to " + std::to_string(kMaxSvidLifetime)};
  if (now + lifetime > root().not_after())
    return base::Error{path("ca.crt") + ": the root expires at " + time_text(root().not_after()) +
                       ", before the certificate would: penstock ca rotate"};
  if (now < root().not_before())
    return base::Error{path("ca.crt") + ": the root begins at " + time_text(root().not_before()) +
                       ": is the clock right?"};
  return {};
}

base::Result<Issued> Authority::sign(EVP_PKEY* key, const SpiffeId& id, Seconds lifetime, Seconds now) {
  auto svid = sign_svid(*current_, key, id, now, lifetime);
  if (!svid) return base::Error{directory_ + ": " + svid.error()};
  Index next = index_;
  next.entries.push_back({.serial = svid->serial(),
                          .root = root().serial(),
                          .not_before = svid->not_before(),
                          .not_after = svid->not_after(),
                          .id = id});
  // Written before anybody has it: what is not in the index could never be revoked.
  if (auto written = write_index(std::move(next), now); !written) return base::Error{written.error()};
  Issued issued;
  issued.chain.push_back(std::move(svid).value());
  std::copy_if(chain_.begin(), chain_.end(), std::back_inserter(issued.chain),
               [now](const Certificate& each) { return each.not_after() > now; });
  return issued;
}

base::Result<Issued> Authority::issue(const SpiffeId& id, Seconds lifetime, Seconds now, KeyKind kind) {
  if (auto valid = check_request(id, lifetime, now); !valid) return base::Error{valid.error()};
  auto key = PrivateKey::generate(kind);
  if (!key) return base::Error{key.error()};
  auto issued = sign(key->native(), id, lifetime, now);
  if (issued) issued->key.emplace(std::move(key).value());
  return issued;
}

base::Result<Issued> Authority::issue_for(std::string_view request, const std::string& name, const SpiffeId& id,
                                          Seconds lifetime, Seconds now) {
  if (auto valid = check_request(id, lifetime, now); !valid) return base::Error{valid.error()};
  const auto key = request_key(request, name);
  if (!key) return base::Error{key.error()};
  return sign(key->get(), id, lifetime, now);
}

const Entry* Authority::find(const SpiffeId& id) const {
  const auto found = std::find_if(index_.entries.rbegin(), index_.entries.rend(),
                                  [&id](const Entry& entry) { return entry.id == id; });
  return found == index_.entries.rend() ? nullptr : &*found;
}

base::Result<Issued> Authority::renew(const SpiffeId& id, Seconds lifetime, Seconds now, KeyKind kind) {
  const Entry* last = find(id);
  if (last == nullptr)
    return base::Error{path("index") + ": " + quoted(id.text()) + " was not issued here: penstock ca issue"};
  if (last->revoked != 0)
    return base::Error{path("index") + ": the certificate of " + id.text() + " was revoked at " +
                       time_text(last->revoked) + ": it is not renewed, penstock ca issue makes a new one"};
  return issue(id, lifetime == 0 ? last->not_after - last->not_before - kBackdate : lifetime, now, kind);
}

base::Result<size_t> Authority::revoke(Index next, size_t revoked, Seconds now) {
  if (next.revoked() > kMaxRevoked)
    return base::Error{path("index") + ": more than " + std::to_string(kMaxRevoked) +
                       " revoked certificates: rotate the root instead"};
  // The index first: from then on every list has it, whatever happens to this one.
  if (revoked > 0) {
    if (auto written = write_index(std::move(next), now); !written) return base::Error{written.error()};
  }
  if (auto published = publish(now); !published)
    return base::Error{published.error() + " (the certificate is revoked; penstock ca crl makes the list)"};
  return revoked;
}

base::Result<size_t> Authority::revoke_serial(std::string_view serial, Seconds now) {
  const std::string wanted = normal_serial(serial);
  if (wanted.empty()) return base::Error{"serial " + quoted(serial) + ": want up to 40 hexadecimal digits"};
  Index next = index_;
  size_t known = 0, revoked = 0;
  for (Entry& entry : next.entries) {
    if (entry.serial != wanted) continue;
    ++known;
    if (entry.revoked == 0) {
      entry.revoked = now;
      ++revoked;
    }
  }
  if (known == 0) return base::Error{path("index") + ": no certificate with serial " + wanted + " (penstock ca list)"};
  return revoke(std::move(next), revoked, now);
}

base::Result<size_t> Authority::revoke_id(const SpiffeId& id, Seconds now) {
  Index next = index_;
  size_t known = 0, revoked = 0;
  for (Entry& entry : next.entries) {
    if (entry.id != id) continue;
    ++known;
    if (entry.revoked == 0 && entry.not_after >= now) {
      entry.revoked = now;
      ++revoked;
    }
  }
  if (known == 0)
    return base::Error{path("index") + ": no certificate of " + quoted(id.text()) + " (penstock ca list)"};
  return revoke(std::move(next), revoked, now);
}

std::vector<Certificate> Authority::bundle(Seconds now) const {
  std::vector<Certificate> out;
  if (root().not_after() > now) out.push_back(root());
  for (const Signer& each : retired_)
    if (each.certificate.not_after() > now) out.push_back(each.certificate);
  return out;
}

base::Result<std::vector<Crl>> Authority::lists() const { return load_crls(path("crl.pem")); }

base::Result<Crl> Authority::list_of(const Signer& root, const Index& index, Seconds now) const {
  std::vector<Revoked> revoked;
  for (const Entry& entry : index.entries)
    if (entry.revoked != 0 && entry.root == root.certificate.serial()) revoked.push_back({entry.serial, entry.revoked});
  return sign_list(root, revoked, index.list_number, now, kListLifetime);
}

}  // namespace penstock::pki
