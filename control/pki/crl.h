// A certificate revocation list (RFC 5280, 5): which serials of one authority no longer count.
//
// Complete lists only. One with a critical extension (a partition, a delta, an indirect list) is refused: who read it
// as complete would find nobody revoked. Immutable; copies share. Any thread. Signatures are verify.h's business.
#pragma once

#include "control/pki/certificate.h"

namespace penstock::pki {

constexpr size_t kMaxLists = 64;  // one for each root and intermediate

class Crl {
 public:
  static base::Result<Crl> from_crl(CrlPtr crl, const std::string& name);
  static base::Result<Crl> from_der(base::Bytes der, const std::string& name);

  X509_CRL* native() const { return crl_.get(); }
  const std::string& issuer() const { return facts_->issuer; }
  Seconds this_update() const { return facts_->this_update; }
  Seconds next_update() const { return facts_->next_update; }
  const std::string& number() const { return facts_->number; }  // hex; empty: it has none
  bool is_stale(Seconds now) const { return now > next_update(); }
  size_t size() const;

  bool is_from(const Certificate& authority) const;  // by name and signature; the authority may sign lists
  bool lists(const Certificate& certificate) const;  // which must be of the same issuer
  std::string pem() const;

 private:
  struct Facts {
    std::string issuer, number;
    Seconds this_update = 0, next_update = 0;
  };
  Crl(std::shared_ptr<X509_CRL> crl, std::shared_ptr<const Facts> facts)
      : crl_(std::move(crl)), facts_(std::move(facts)) {}

  std::shared_ptr<X509_CRL> crl_;
  std::shared_ptr<const Facts> facts_;
};

base::Result<std::vector<Crl>> parse_crls(std::string_view pem, const std::string& name);
base::Result<std::vector<Crl>> load_crls(const std::string& path);
std::string to_pem(const std::vector<Crl>& lists);

}  // namespace penstock::pki
