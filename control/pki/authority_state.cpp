// The authority's directory: making it, opening it, changing its root.
#include <algorithm>

#include "control/pki/authority.h"

namespace penstock::pki {
namespace {

constexpr unsigned kPrivateMode = 0600, kPublicMode = 0644;
constexpr std::string_view kRetired = "retired-";

base::Result<void> check_lifetime(const std::string& directory, Seconds lifetime) {
  if (lifetime >= kMinRootLifetime && lifetime <= kMaxRootLifetime) return {};
  return base::Error{directory + ": a root for " + std::to_string(lifetime) + " seconds, want " +
                     std::to_string(kMinRootLifetime / 86400) + " to " + std::to_string(kMaxRootLifetime / 86400) +
                     " days"};
}

}  // namespace

base::Result<Authority> Authority::enter(const std::string& directory) {
  if (auto made = make_private_directory(directory); !made) return base::Error{made.error()};
  auto lock = FileLock::take(directory + "/lock");
  if (!lock) return base::Error{lock.error()};
  remove_leftovers(directory);
  return Authority(directory, std::move(lock).value());
}

base::Result<Authority> Authority::init(const std::string& directory, const std::string& trust_domain,
                                        RootOptions options, Seconds now) {
  if (auto valid = check_trust_domain(trust_domain); !valid) return base::Error{valid.error()};
  if (auto valid = check_lifetime(directory, options.lifetime); !valid) return base::Error{valid.error()};
  auto entered = enter(directory);
  if (!entered) return entered;
  Authority& authority = *entered;
  // next.key with no ca.key is an init that did not come to its end; its index is of nothing.
  const bool unfinished = file_exists(authority.path("next.key"));
  for (const char* name : {"ca.key", "ca.crt", "index"})
    if (file_exists(authority.path(name)) && !(unfinished && std::string_view(name) == "index"))
      return base::Error{authority.path(name) + ": is there already: nothing was changed. Take another directory, or" +
                         " move this one away"};
  auto root = make_root(trust_domain, options.kind, now, options.lifetime);
  if (!root) return base::Error{directory + ": " + root.error()};
  if (auto staged = authority.stage(*root, {}); !staged) return base::Error{staged.error()};
  if (auto written = authority.write_index({.trust_domain = trust_domain}, now); !written)
    return base::Error{written.error()};
  if (auto done = authority.commit_staged(); !done) return base::Error{done.error()};
  if (auto loaded = authority.load(); !loaded) return base::Error{loaded.error()};
  if (auto published = authority.publish(now); !published) return base::Error{published.error()};
  return entered;
}

base::Result<Authority> Authority::open(const std::string& directory) {
  // Before enter(), which would make a directory for a mistyped name.
  if (!file_exists(directory + "/ca.key"))
    return base::Error{directory + "/ca.key: is not there: want the directory of an authority (penstock ca init)"};
  auto entered = enter(directory);
  if (!entered) return entered;
  if (auto settled = entered->settle(); !settled) return base::Error{settled.error()};
  if (auto loaded = entered->load(); !loaded) return base::Error{loaded.error()};
  return entered;
}

// next.key first and away last: as long as it is there, nothing has happened yet.
base::Result<void> Authority::stage(const Signer& root, const std::vector<Certificate>& chain) {
  const Secret key = root.key.pem();
  if (key.view().empty()) return base::Error{path("next.key") + ": the key cannot be written: out of memory"};
  if (auto done = write_file(path("next.key"), key.view(), kPrivateMode); !done) return done;
  if (auto done = write_file(path("next-chain.crt"), to_pem(chain), kPublicMode); !done) return done;
  return write_file(path("next.crt"), root.certificate.pem(), kPublicMode);
}

base::Result<void> Authority::commit_staged() {
  if (auto done = rename_file(path("next.key"), path("ca.key")); !done) return done;
  return settle();
}

// Finishes what was committed, or removes what was not.
base::Result<void> Authority::settle() {
  if (file_exists(path("next.key"))) {
    for (const char* name : {"next.crt", "next-chain.crt", "next.key"})
      if (auto done = remove_file(path(name)); !done) return done;
    return {};
  }
  if (file_exists(path("next-chain.crt")))
    if (auto done = rename_file(path("next-chain.crt"), path("chain.crt")); !done) return done;
  if (file_exists(path("next.crt"))) return rename_file(path("next.crt"), path("ca.crt"));
  return {};
}

base::Result<Signer> Authority::load_root(const std::string& name) const {
  auto certificates = load_certificates(path(name + ".crt"), 1);
  if (!certificates) return base::Error{certificates.error()};
  auto key = load_key(path(name + ".key"));
  if (!key) return base::Error{key.error()};
  const Certificate& certificate = certificates->front();
  if (!certificate.is_authority()) return base::Error{path(name + ".crt") + ": is not the certificate of an authority"};
  if (!key->matches(certificate)) return base::Error{path(name + ".key") + ": is not the key of " + name + ".crt"};
  return Signer{certificate, std::move(key).value()};
}

base::Result<void> Authority::load() {
  auto root = load_root("ca");
  if (!root) return base::Error{root.error()};
  current_.emplace(std::move(root).value());
  const auto chain = read_file(path("chain.crt"), Privacy::kPublic);
  if (!chain) return base::Error{chain.error()};
  chain_.clear();
  if (!chain->view().empty()) {
    auto parsed = parse_certificates(chain->view(), path("chain.crt"), kMaxRoots);
    if (!parsed) return base::Error{parsed.error()};
    chain_ = std::move(parsed).value();
  }
  retired_.clear();
  for (std::string name : names_in(directory_, kRetired)) {
    if (!name.ends_with(".crt")) continue;
    name.resize(name.size() - 4);
    auto retired = load_root(name);
    if (!retired) return base::Error{retired.error()};
    // A rotation that did not come to its end leaves a copy of the root that still signs.
    if (retired->certificate.fingerprint() != current_->certificate.fingerprint())
      retired_.push_back(std::move(retired).value());
  }
  const auto text = read_file(path("index"), Privacy::kPublic, kMaxIndexBytes);
  if (!text) return base::Error{text.error()};
  auto index = parse_index(text->view(), path("index"));
  if (!index) return base::Error{index.error()};
  index_ = std::move(index).value();
  return {};
}

base::Result<void> Authority::rotate(RootOptions options, Seconds now) {
  if (auto valid = check_lifetime(directory_, options.lifetime); !valid) return valid;
  if (bundle(now).size() >= kMaxRoots)
    return base::Error{directory_ + ": has " + std::to_string(bundle(now).size()) +
                       " roots that have not expired, which is the most: rotate when the oldest has"};
  auto fresh = make_root(trust_domain(), options.kind, now, options.lifetime);
  if (!fresh) return base::Error{directory_ + ": " + fresh.error()};
  std::vector<Certificate> chain;
  if (root().not_after() > now) {
    auto cross = cross_sign(*current_, *fresh, trust_domain(), now);
    if (!cross) return base::Error{directory_ + ": " + cross.error()};
    chain.push_back(std::move(cross).value());
    std::copy_if(chain_.begin(), chain_.end(), std::back_inserter(chain),
                 [now](const Certificate& each) { return each.not_after() > now; });
  }
  const std::string retired = path(kRetired) + root().serial();
  const Secret key = current_->key.pem();
  // The key first: a .crt without its .key would not load.
  if (auto done = write_file(retired + ".key", key.view(), kPrivateMode); !done) return done;
  if (auto done = write_file(retired + ".crt", root().pem(), kPublicMode); !done) return done;
  if (auto done = stage(*fresh, chain); !done) return done;
  if (auto done = commit_staged(); !done) return done;
  if (auto done = load(); !done) return done;
  return publish(now);
}

base::Result<void> Authority::publish(Seconds now) {
  for (auto each = retired_.begin(); each != retired_.end();) {
    if (each->certificate.not_after() > now) {
      ++each;
      continue;
    }
    const std::string name = path(kRetired) + each->certificate.serial();
    if (auto done = remove_file(name + ".crt"); !done) return done;
    if (auto done = remove_file(name + ".key"); !done) return done;
    each = retired_.erase(each);
  }
  // The number is spent before the lists that carry it: no two lists ever have the same one.
  Index next = index_;
  ++next.list_number;
  if (auto written = write_index(std::move(next), now); !written) return written;
  std::vector<Crl> lists;
  auto list = list_of(*current_, index_, now);
  for (size_t i = 0; list.ok(); ++i) {
    lists.push_back(*list);
    if (i == retired_.size()) break;
    list = list_of(retired_[i], index_, now);
  }
  if (!list) return base::Error{path("crl.pem") + ": " + list.error()};
  if (auto written = write_file(path("crl.pem"), to_pem(lists), kPublicMode); !written) return written;
  return write_file(path("bundle.crt"), to_pem(bundle(now)), kPublicMode);
}

base::Result<void> Authority::write_index(Index next, Seconds now) {
  next.forget_expired(now);
  if (next.entries.size() > kMaxEntries)
    return base::Error{path("index") + ": holds " + std::to_string(kMaxEntries) +
                       " certificates, which is the most: shorter lifetimes are forgotten earlier"};
  const std::string text = next.text();
  if (text.size() > kMaxIndexBytes)
    return base::Error{path("index") + ": would have more than " + std::to_string(kMaxIndexBytes) + " bytes"};
  if (auto written = write_file(path("index"), text, kPrivateMode); !written) return written;
  index_ = std::move(next);
  return {};
}

}  // namespace penstock::pki
