#include "flow/filter.h"

#include <rte_acl.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <functional>

namespace penstock::flow {

namespace {

// ---- what rte_acl is shown of a packet ------------------------------------------------------------------------------
// One byte first, then groups of four (rte_acl.h). Everything in network byte order.

struct Tail {                  // the same for both families
  uint8_t ports[4];            // source, destination
  uint8_t state_interface[2];  // flow state in the upper 4 bits, one of them set; interface id in the lower 12
  uint8_t tcp_flags;
  uint8_t icmp_type;
  uint8_t classes[4];  // of the identities: source, destination; looked at only where some rule names one
};

template <size_t AddressBytes>
struct Key {
  uint8_t protocol;
  uint8_t unused[3];
  uint8_t src[AddressBytes];
  uint8_t dst[AddressBytes];
  Tail tail;
};
using Key4 = Key<4>;
using Key6 = Key<16>;
static_assert(sizeof(Key4) == 24 && sizeof(Key6) == 48);

constexpr size_t kMaxContexts = 16;  // of one family; each is another lookup for every packet that is classified

constexpr size_t kFewRules = 64;  // do not multiply into much, and are not worth a lookup of their own

constexpr uint16_t kInterfaceBits = 0xfff;  // kMaxInterfaces is 256; no interface is 0xffff, which stays apart

template <typename K>
void fill_key(K& key, const FilterInput& input) {
  constexpr size_t kBytes = sizeof key.src;
  key.protocol = input.protocol;
  std::memcpy(key.src, input.src.bytes.data() + 16 - kBytes, kBytes);
  std::memcpy(key.dst, input.dst.bytes.data() + 16 - kBytes, kBytes);
  base::store_be16(&key.tail.ports[0], input.src_port);
  base::store_be16(&key.tail.ports[2], input.dst_port);
  const auto state = static_cast<uint16_t>(static_cast<unsigned>(input.state) << 12);
  base::store_be16(key.tail.state_interface, state | (input.interface & kInterfaceBits));
  key.tail.tcp_flags = input.tcp_flags;
  key.tail.icmp_type = input.icmp_type;
  base::store_be16(&key.tail.classes[0], input.from_class);
  base::store_be16(&key.tail.classes[2], input.to_class);
}

// ---- rules as rte_acl wants them ------------------------------------------------------------------------------------

template <typename K>
constexpr size_t kAddressWords = sizeof(K::src) / 4;
template <typename K>
constexpr size_t kPlainFields = 1 + 2 * kAddressWords<K> + 2 + 3;
template <typename K>
constexpr size_t kFields = kPlainFields<K> + 2;  // and the identities'

template <typename K>
RTE_ACL_RULE_DEF(AclRule, kFields<K>);

// The fields in the order in which the tries look at them; field_index is their place in an AclRule. The address that
// rules say more about comes first: below one that most leave open, everything after it would be repeated.
template <typename K>
rte_acl_config layout_of(bool destination_first, bool identities) {
  constexpr size_t kWords = kAddressWords<K>, kTail = offsetof(K, tail);
  rte_acl_config config{};
  config.num_categories = 1;
  uint8_t group = 0;
  const auto add = [&](size_t field_index, uint8_t type, uint8_t size, size_t offset, bool opens_group) {
    if (opens_group) ++group;
    config.defs[config.num_fields++] = {type, size, static_cast<uint8_t>(field_index), group,
                                        static_cast<uint32_t>(offset)};
  };
  const auto add_address = [&](size_t field_index, size_t offset) {
    for (size_t word = 0; word < kWords; ++word)
      add(field_index + word, RTE_ACL_FIELD_TYPE_MASK, 4, offset + 4 * word, true);
  };
  add(0, RTE_ACL_FIELD_TYPE_BITMASK, 1, offsetof(K, protocol), false);
  if (destination_first) add_address(1 + kWords, offsetof(K, dst));
  add_address(1, offsetof(K, src));
  if (!destination_first) add_address(1 + kWords, offsetof(K, dst));
  constexpr size_t kAfter = 1 + 2 * kWords;
  add(kAfter, RTE_ACL_FIELD_TYPE_RANGE, 2, kTail + offsetof(Tail, ports), true);
  add(kAfter + 1, RTE_ACL_FIELD_TYPE_RANGE, 2, kTail + offsetof(Tail, ports) + 2, false);
  add(kAfter + 2, RTE_ACL_FIELD_TYPE_BITMASK, 2, kTail + offsetof(Tail, state_interface), true);
  add(kAfter + 3, RTE_ACL_FIELD_TYPE_BITMASK, 1, kTail + offsetof(Tail, tcp_flags), false);
  add(kAfter + 4, RTE_ACL_FIELD_TYPE_BITMASK, 1, kTail + offsetof(Tail, icmp_type), false);
  if (identities) {
    add(kAfter + 5, RTE_ACL_FIELD_TYPE_RANGE, 2, kTail + offsetof(Tail, classes), true);
    add(kAfter + 6, RTE_ACL_FIELD_TYPE_RANGE, 2, kTail + offsetof(Tail, classes) + 2, false);
  }
  return config;
}

template <typename K>
AclRule<K> acl_rule_of(const RuleMatch& match, uint32_t rule, int32_t priority) {
  AclRule<K> out{};
  out.data = {.category_mask = 1, .priority = priority, .userdata = rule + 1};  // 0 is "nothing matched"
  rte_acl_field* field = out.field;
  const auto bits8 = [&](uint8_t value, uint8_t mask) {
    field->value.u8 = value;
    field++->mask_range.u8 = mask;
  };
  const auto range = [&](uint16_t first, uint16_t last) {
    field->value.u16 = first;
    field++->mask_range.u16 = last;
  };
  const auto address = [&](const base::Prefix& prefix) {
    const base::Prefix network = prefix.network();
    for (size_t word = 0; word < kAddressWords<K>; ++word) {
      // A prefix of length 0 may be written in the other family.
      const int left = static_cast<int>(prefix.length) - static_cast<int>(32 * word);
      const auto length = static_cast<uint32_t>(std::clamp(left, 0, 32));
      const size_t at = 16 - sizeof(K::src) + 4 * word;
      field->value.u32 = length == 0 ? 0 : base::load_be32(&network.address.bytes[at]);
      field++->mask_range.u32 = length;
    }
  };
  bits8(match.protocol, match.protocol != 0 ? 0xff : 0);
  address(match.src);
  address(match.dst);
  range(match.src_port_first, match.src_port_last);
  range(match.dst_port_first, match.dst_port_last);
  // A packet has one state: it is in the set exactly when none of the others is its.
  const uint16_t other_states = match.states == 0 ? 0 : static_cast<uint16_t>((~match.states & 0xf) << 12);
  const bool any_interface = match.interface == 0xffff;
  field->value.u16 = any_interface ? 0 : match.interface & kInterfaceBits;
  field++->mask_range.u16 = static_cast<uint16_t>(other_states | (any_interface ? 0 : kInterfaceBits));
  bits8(match.tcp_flags, match.tcp_mask);
  bits8(static_cast<uint8_t>(std::max<int16_t>(match.icmp_type, 0)), match.icmp_type >= 0 ? 0xff : 0);
  range(match.from_class_first, match.from_class_last);
  range(match.to_class_first, match.to_class_last);
  return out;
}

bool is_v4(const RuleMatch& match) { return match.src.is_v4() || match.dst.is_v4(); }

bool holds(const base::Prefix& prefix, const base::IpAddress& address) {  // of the same family, or open
  if (prefix == base::Prefix{}) return true;
  const unsigned bits = prefix.length + (prefix.is_v4() ? 96u : 0u);
  const uint64_t high = base::load_be64(&prefix.address.bytes[0]) ^ base::load_be64(&address.bytes[0]);
  if (bits <= 64) return bits == 0 || high >> (64 - bits) == 0;
  const uint64_t low = base::load_be64(&prefix.address.bytes[8]) ^ base::load_be64(&address.bytes[8]);
  return high == 0 && low >> (128 - bits) == 0;
}

bool is_sound(const base::Prefix& prefix, bool v4) {
  return prefix == base::Prefix{} || (prefix.is_v4() == v4 && prefix.length <= (v4 ? 32 : 128));
}

// Matches that no packet can have, which rte_acl must not see.
bool can_match(const RuleMatch& match) {
  return match.src_port_first <= match.src_port_last && match.dst_port_first <= match.dst_port_last &&
         match.from_class_first <= match.from_class_last && match.to_class_first <= match.to_class_last &&
         (match.tcp_flags & ~match.tcp_mask) == 0 && match.icmp_type <= 0xff &&
         (match.interface == 0xffff || match.interface < kInterfaceBits) &&
         (match.states == 0 || (match.states & 0xf) != 0) && is_sound(match.src, is_v4(match)) &&
         is_sound(match.dst, is_v4(match));
}

// The address that rules say more about. It comes first in the tries: below one that most leave open, everything after
// it would be repeated.
template <typename K>
bool is_destination_first(std::span<const AclRule<K>> rules) {
  uint64_t src_bits = 0, dst_bits = 0;
  for (const AclRule<K>& rule : rules) {
    for (size_t word = 0; word < kAddressWords<K>; ++word) {
      src_bits += rule.field[1 + word].mask_range.u32;
      dst_bits += rule.field[1 + kAddressWords<K> + word].mask_range.u32;
    }
  }
  return dst_bits > src_bits;
}

// Which parts a rule leaves open, most telling first: rules alike in this share tries well, others multiply each other.
template <typename K>
uint32_t openness(const AclRule<K>& rule) {
  constexpr size_t kWords = kAddressWords<K>;
  const rte_acl_field* field = rule.field;
  uint32_t open = (field[1].mask_range.u32 == 0 ? 2u : 0u) + (field[1 + kWords].mask_range.u32 == 0 ? 1u : 0u);
  for (field += 1 + 2 * kWords; field < rule.field + 3 + 2 * kWords; ++field) {
    const unsigned width = field->mask_range.u16 - field->value.u16;
    open = open << 2 | (width == 0 ? 0u : width == 0xffff ? 1u : 2u);
  }
  for (; field < rule.field + kPlainFields<K>; ++field) open = open << 1 | (field->mask_range.u16 == 0 ? 1u : 0u);
  return open << 1 | (rule.field[0].mask_range.u8 == 0 ? 1u : 0u);
}

template <typename K>
bool names_identities(const AclRule<K>& rule) {
  const rte_acl_field* field = rule.field + kPlainFields<K>;
  return std::any_of(field, field + 2, [](const auto& f) { return f.value.u16 != 0 || f.mask_range.u16 != 0xffff; });
}

template <typename K>
base::Result<rte_acl_ctx*> build_context(std::span<const AclRule<K>> rules) {
  static std::atomic<uint32_t> number{0};  // contexts are known by name, process-wide
  char name[RTE_ACL_NAMESIZE];
  std::snprintf(name, sizeof name, "filter%zu-%u", sizeof(K), number.fetch_add(1, std::memory_order_relaxed));
  const rte_acl_param param{name, SOCKET_ID_ANY, sizeof(AclRule<K>), static_cast<uint32_t>(rules.size())};
  rte_acl_ctx* context = rte_acl_create(&param);  // with the widest classifier that the CPU and the EAL allow
  if (context == nullptr) return base::Error{rte_strerror(rte_errno)};
  const rte_acl_config config =
      layout_of<K>(is_destination_first<K>(rules), std::any_of(rules.begin(), rules.end(), names_identities<K>));
  int failure = rte_acl_add_rules(context, reinterpret_cast<const rte_acl_rule*>(rules.data()),
                                  static_cast<uint32_t>(rules.size()));
  if (failure == 0) failure = rte_acl_build(context, &config);
  if (failure == 0) return context;
  rte_acl_free(context);
  return base::Error{rte_strerror(-failure)};
}

// Rules that overlap in too many ways for one context (rte_acl gives up at eight tries) are halved until they fit.
template <typename K>
base::Result<void> build_halves(std::span<AclRule<K>> rules, std::vector<rte_acl_ctx*>& contexts) {
  auto context = build_context<K>(rules);
  if (context) {
    contexts.push_back(*context);
    if (contexts.size() <= kMaxContexts) return {};
    return base::Error{"the rules overlap in too many ways"};
  }
  if (rules.size() < 2) return base::Error{context.error()};
  std::stable_sort(rules.begin(), rules.end(),
                   [](const AclRule<K>& a, const AclRule<K>& b) { return openness<K>(a) < openness<K>(b); });
  const size_t half = rules.size() / 2;
  const auto first = build_halves<K>(rules.first(half), contexts);
  return first ? build_halves<K>(rules.subspan(half), contexts) : first;
}

// Rules that leave open what the others begin with (sources shut out among services opened, say) would be repeated
// under each of those: when they are many they get a context of their own.
template <typename K>
base::Result<void> build_contexts(std::span<AclRule<K>> rules, std::vector<rte_acl_ctx*>& contexts) {
  const size_t first_word = 1 + (is_destination_first<K>(rules) ? kAddressWords<K> : 0);
  const auto open = std::stable_partition(rules.begin(), rules.end(), [first_word](const AclRule<K>& rule) {
    return rule.field[first_word].mask_range.u32 != 0;
  });
  const auto split = static_cast<size_t>(open - rules.begin());
  if (split < kFewRules || rules.size() - split < kFewRules) return build_halves<K>(rules, contexts);
  const auto first = build_halves<K>(rules.first(split), contexts);
  return first ? build_halves<K>(rules.subspan(split), contexts) : first;
}

template <typename K>
base::Result<void> build_family(const std::vector<FilterRule>& rules, bool with_shadow,
                                std::vector<rte_acl_ctx*>& contexts) {
  constexpr bool kIsV4 = sizeof(K) == sizeof(Key4);
  std::vector<AclRule<K>> acl_rules;
  for (uint32_t i = 0; i < rules.size(); ++i) {
    if (rules[i].shadow && !with_shadow) continue;
    const auto priority = static_cast<int32_t>(rules.size() - i);  // the first rule has the highest
    for (const RuleMatch& match : rules[i].matches)
      if (is_v4(match) == kIsV4 && can_match(match)) acl_rules.push_back(acl_rule_of<K>(match, i, priority));
  }
  if (acl_rules.empty()) return {};
  const auto built = build_contexts<K>(acl_rules, contexts);
  if (built) return {};
  return base::Error{"cannot build a filter of " + std::to_string(acl_rules.size()) +
                     (kIsV4 ? " IPv4 matches: " : " IPv6 matches: ") + built.error()};
}

template <typename K>
void classify_family(const std::vector<rte_acl_ctx*> (&contexts)[2], const FilterInput* const* inputs,
                     const uint8_t* which, unsigned count, FilterResult* results) {
  K keys[kFilterBurst];
  const uint8_t* pointers[kFilterBurst];
  uint32_t found[kFilterBurst];
  for (unsigned i = 0; i < count; ++i) {
    fill_key(keys[i], *inputs[which[i]]);
    pointers[i] = reinterpret_cast<const uint8_t*>(&keys[i]);
  }
  // 0 is "nothing matched", which becomes kNoRule; of several contexts the first rule wins.
  for (const rte_acl_ctx* context : contexts[0]) {
    rte_acl_classify(context, pointers, found, count, 1);
    for (unsigned i = 0; i < count; ++i) results[which[i]].rule = std::min(results[which[i]].rule, found[i] - 1);
  }
  for (const rte_acl_ctx* context : contexts[1]) {
    rte_acl_classify(context, pointers, found, count, 1);
    for (unsigned i = 0; i < count; ++i) results[which[i]].shadow = std::min(results[which[i]].shadow, found[i] - 1);
  }
  // Another than the one that decides: one in shadow comes before it.
  for (unsigned i = 0; i < count; ++i)
    if (FilterResult& result = results[which[i]]; result.shadow == result.rule) result.shadow = kNoRule;
}

}  // namespace

bool matches(const RuleMatch& match, const FilterInput& input) {
  return (match.protocol == 0 || match.protocol == input.protocol) &&
         (match.interface == 0xffff || match.interface == input.interface) &&
         (match.states == 0 || (match.states & static_cast<uint8_t>(input.state)) != 0) &&
         (input.tcp_flags & match.tcp_mask) == match.tcp_flags &&
         (match.icmp_type < 0 || match.icmp_type == input.icmp_type) && input.from_class >= match.from_class_first &&
         input.from_class <= match.from_class_last && input.to_class >= match.to_class_first &&
         input.to_class <= match.to_class_last && input.src_port >= match.src_port_first &&
         input.src_port <= match.src_port_last && input.dst_port >= match.dst_port_first &&
         input.dst_port <= match.dst_port_last && is_v4(match) == input.src.is_v4() && holds(match.src, input.src) &&
         holds(match.dst, input.dst);
}

base::Result<std::shared_ptr<const Filter>> Filter::build(std::vector<FilterRule> rules,
                                                          std::vector<MirrorMatch> mirrors) {
  std::shared_ptr<Filter> filter(new Filter);
  size_t rule_matches = 0, mirror_matches = 0;
  const auto look_at = [&](const RuleMatch& match, size_t& count) {
    ++count;
    filter->varies_within_flow_ |= match.tcp_mask != 0 || match.icmp_type >= 0;
    filter->uses_state_ |= match.states != 0;
    filter->uses_identities_ |= match.names_identities();
  };
  for (const FilterRule& rule : rules) {
    filter->has_shadow_ |= rule.shadow;
    for (const RuleMatch& match : rule.matches) look_at(match, rule_matches);
  }
  for (const MirrorMatch& mirror : mirrors) {
    for (const RuleMatch& match : mirror.matches) look_at(match, mirror_matches);
    if (mirror.slot >= 64) return base::Error{"mirror slot " + std::to_string(mirror.slot) + " is not below 64"};
  }
  if (rule_matches > kMaxRuleMatches)
    return base::Error{"filter of " + std::to_string(rule_matches) + " matches: at most " +
                       std::to_string(kMaxRuleMatches)};
  if (mirror_matches > kMaxMirrorMatches)
    return base::Error{"mirrors of " + std::to_string(mirror_matches) + " matches: at most " +
                       std::to_string(kMaxMirrorMatches)};
  filter->has_mirrors_ = mirror_matches != 0;
  filter->mirrors_ = std::move(mirrors);
  filter->rules_ = std::move(rules);

  for (const bool with_shadow : {false, true}) {
    if (with_shadow && !filter->has_shadow_) break;
    const auto v4 = build_family<Key4>(filter->rules_, with_shadow, filter->v4_[with_shadow]);
    if (!v4) return base::Error{v4.error()};
    const auto v6 = build_family<Key6>(filter->rules_, with_shadow, filter->v6_[with_shadow]);
    if (!v6) return base::Error{v6.error()};
  }
  return std::shared_ptr<const Filter>(std::move(filter));
}

Filter::~Filter() {
  for (const auto& contexts : {std::cref(v4_), std::cref(v6_)})
    for (const auto& list : contexts.get())
      for (rte_acl_ctx* context : list) rte_acl_free(context);
}

uint64_t Filter::mirrors_of(const FilterInput& input) const {
  uint64_t set = 0;
  for (const MirrorMatch& mirror : mirrors_)
    for (const RuleMatch& match : mirror.matches)
      if (matches(match, input)) {
        set |= 1ull << mirror.slot;
        break;
      }
  return set;
}

void Filter::classify(std::span<const FilterInput* const> inputs, FilterResult* results) const {
  uint8_t who4[kFilterBurst], who6[kFilterBurst];
  unsigned count4 = 0, count6 = 0;
  for (unsigned i = 0; i < inputs.size(); ++i) {
    results[i] = {};
    if (inputs[i]->src.is_v4()) {
      who4[count4++] = static_cast<uint8_t>(i);
    } else {
      who6[count6++] = static_cast<uint8_t>(i);
    }
  }
  if (count4 != 0) classify_family<Key4>(v4_, inputs.data(), who4, count4, results);
  if (count6 != 0) classify_family<Key6>(v6_, inputs.data(), who6, count6, results);
  if (!has_mirrors_) return;
  for (unsigned i = 0; i < inputs.size(); ++i) results[i].mirrors = mirrors_of(*inputs[i]);
}

FilterResult Filter::classify(const FilterInput& input) const {
  FilterResult result;
  const FilterInput* one = &input;
  classify({&one, 1}, &result);
  return result;
}

}  // namespace penstock::flow
