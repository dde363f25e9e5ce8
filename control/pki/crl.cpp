#include "control/pki/crl.h"

#include <algorithm>

#include "control/pki/pem.h"

namespace penstock::pki {
namespace {

bool seconds_of(const ASN1_TIME* time, Seconds& out) {
  tm parts = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return false;
  out = timegm(&parts);
  return true;
}

}  // namespace

base::Result<Crl> Crl::from_crl(CrlPtr crl, const std::string& name) {
  const QuietErrors quiet;
  const auto fault = [&name](const std::string& reason) {
    return base::Error{name + ": the revocation list " + reason};
  };
  if (!crl) return fault("is missing");
  auto facts = std::make_shared<Facts>();
  char* issuer = X509_NAME_oneline(X509_CRL_get_issuer(crl.get()), nullptr, 0);
  if (issuer != nullptr) facts->issuer = issuer;
  OPENSSL_free(issuer);
  if (!seconds_of(X509_CRL_get0_lastUpdate(crl.get()), facts->this_update)) return fault("has no time of its making");
  if (!seconds_of(X509_CRL_get0_nextUpdate(crl.get()), facts->next_update))
    return fault("has no nextUpdate: nobody could tell when it is out of date");
  for (int i = 0; i < X509_CRL_get_ext_count(crl.get()); ++i)
    if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl.get(), i)) != 0)
      return fault("has a critical extension (a partition, a delta or an indirect list), want a complete list");
  const IntegerPtr number(
      static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl.get(), NID_crl_number, nullptr, nullptr)));
  if (number) facts->number = serial_text(number.get());
  return Crl(std::shared_ptr<X509_CRL>(crl.release(), X509_CRL_free), std::move(facts));
}

base::Result<Crl> Crl::from_der(base::Bytes der, const std::string& name) {
  const QuietErrors quiet;
  const unsigned char* at = der.data();
  CrlPtr crl(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  if (!crl) return base::Error{name + ": the revocation list is damaged (" + openssl_reason() + ")"};
  if (at != der.data() + der.size()) return base::Error{name + ": bytes follow the revocation list in its block"};
  return from_crl(std::move(crl), name);
}

size_t Crl::size() const {
  return static_cast<size_t>(std::max(0, sk_X509_REVOKED_num(X509_CRL_get_REVOKED(native()))));
}

bool Crl::is_from(const Certificate& authority) const {
  const QuietErrors quiet;
  X509* issuer = authority.native();
  return X509_NAME_cmp(X509_CRL_get_issuer(native()), X509_get_subject_name(issuer)) == 0 &&
         (X509_get_key_usage(issuer) & KU_CRL_SIGN) != 0 && X509_CRL_verify(native(), X509_get0_pubkey(issuer)) == 1;
}

bool Crl::lists(const Certificate& certificate) const {
  const QuietErrors quiet;
  X509_REVOKED* entry = nullptr;
  return X509_CRL_get0_by_cert(native(), &entry, certificate.native()) == 1;  // 2: was on it, is no longer
}

std::string Crl::pem() const {
  const QuietErrors quiet;
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!out || PEM_write_bio_X509_CRL(out.get(), native()) != 1) return "";
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<size_t>(length)};
}

base::Result<std::vector<Crl>> parse_crls(std::string_view pem, const std::string& name) {
  const QuietErrors quiet;
  auto blocks = read_pem(pem, name, kMaxLists);
  if (!blocks) return base::Error{blocks.error()};
  std::vector<Crl> out;
  for (const PemBlock& block : *blocks) {
    const std::string where = name + ": line " + std::to_string(block.line);
    if (block.label != "X509 CRL") return base::Error{where + ": a " + block.label + ", want only X509 CRL"};
    const std::string_view der = block.bytes.view();
    auto list = Crl::from_der({reinterpret_cast<const uint8_t*>(der.data()), der.size()}, where);
    if (!list) return base::Error{list.error()};
    out.push_back(std::move(list).value());
  }
  return out;
}

base::Result<std::vector<Crl>> load_crls(const std::string& path) {
  const auto text = read_file(path, Privacy::kPublic);
  if (!text) return base::Error{text.error()};
  return parse_crls(text->view(), path);
}

std::string to_pem(const std::vector<Crl>& lists) {
  std::string out;
  for (const Crl& list : lists) out += list.pem();
  return out;
}

}  // namespace penstock::pki
