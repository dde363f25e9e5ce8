#include "engine/fragment.h"

#include <algorithm>
#include <cstring>

#include "wire/checksum.h"

namespace penstock::engine {

namespace {

constexpr uint16_t kMoreFragmentsBit = 0x2000;

// Options that are copied into every fragment have the top bit of their type set (RFC 791 §3.1); the others stay in the
// first. For the later ones we blank them to no-operation, which keeps the header length and every offset.
void blank_uncopied_options(uint8_t* ip, unsigned header_length) {
  for (unsigned at = 20; at < header_length;) {
    const uint8_t type = ip[at];
    if (type == 0) break;
    const unsigned length = type == 1 ? 1 : (at + 1 < header_length ? ip[at + 1] : 0);
    if (length == 0 || at + length > header_length) break;
    if ((type & 0x80) == 0) std::memset(ip + at, 1, length);
    at += length;
  }
}

}  // namespace

bool cut_ipv4(const Packet& p, uint16_t mtu, Fragments& out) {
  const unsigned l2 = p.headers.l2_length;
  const uint8_t* ip = p.data + l2;
  const unsigned header_length = (ip[0] & 0xf) * 4u;
  const unsigned payload = p.headers.end - l2 - header_length;
  const unsigned step = (mtu - header_length) & ~7u;
  const uint16_t first_field = base::load_be16(ip + 6);
  out.count = 0;
  if (step == 0 || (payload + step - 1) / step > kMaxFragments) return false;
  for (unsigned at = 0; at < payload; at += step) {
    const unsigned length = std::min(step, payload - at);
    rte_mbuf* m = rte_pktmbuf_alloc(p.mbuf->pool);
    auto* frame =
        m == nullptr
            ? nullptr
            : reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, static_cast<uint16_t>(l2 + header_length + length)));
    if (frame == nullptr) {
      rte_pktmbuf_free(m);
      rte_pktmbuf_free_bulk(out.mbufs.data(), out.count);
      return false;
    }
    carry_of(m) = Carry{};
    carry_of(m).in = p.in;
    carry_of(m).from_peer = p.from_peer;
    m->port = p.mbuf->port;
    std::memcpy(frame, p.data, l2 + header_length);
    std::memcpy(frame + l2 + header_length, ip + header_length + at, length);
    uint8_t* h = frame + l2;
    if (at != 0) blank_uncopied_options(h, header_length);
    const bool more = at + length < payload || (first_field & kMoreFragmentsBit) != 0;
    base::store_be16(h + 2, static_cast<uint16_t>(header_length + length));
    base::store_be16(h + 6, static_cast<uint16_t>((more ? kMoreFragmentsBit : 0) | ((first_field & 0x1fff) + at / 8)));
    base::store_be16(h + 10, 0);
    base::store_raw<uint16_t>(h + 10, static_cast<uint16_t>(~wire::fold(wire::sum_bytes({h, header_length}))));
    out.mbufs[out.count++] = m;
  }
  return true;
}

}  // namespace penstock::engine
