#include "l7/http/field_id.h"

#include <array>
#include <cstring>

namespace penstock::http {

namespace {

constexpr std::array<std::string_view, static_cast<size_t>(FieldId::kCount)> kNames{
    "",
#define PENSTOCK_HTTP_FIELD_NAME(id, name) name,
    PENSTOCK_HTTP_FIELDS(PENSTOCK_HTTP_FIELD_NAME)
#undef PENSTOCK_HTTP_FIELD_NAME
};

constexpr size_t kBuckets = 512;
constexpr size_t kShortest = 2;
constexpr size_t kLongest = 19;

// Length and four characters tell the known names apart; the factor that spreads them is searched by the compiler.
constexpr size_t bucket_of(std::string_view name, unsigned factor) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(name[i]); };
  const unsigned mixed = static_cast<unsigned>(name.size()) * 7 + byte(0) * 31u + byte(name.size() / 2) * 131u +
                         byte(name.size() * 3 / 4) * 4099u + byte(name.size() - 1) * 1031u;
  return (mixed * factor >> 12) % kBuckets;
}

constexpr bool separates(unsigned factor) {
  std::array<bool, kBuckets> taken{};
  for (size_t i = 1; i < kNames.size(); ++i) {
    bool& slot = taken[bucket_of(kNames[i], factor)];
    if (slot) return false;
    slot = true;
  }
  return true;
}

constexpr unsigned find_factor() {
  for (unsigned factor = 0x9e3779b1u, tries = 0; tries < 2000; factor += 0x3c6ef372u, ++tries)
    if (separates(factor)) return factor;
  return 0;
}

constexpr unsigned kFactor = find_factor();
static_assert(kFactor != 0, "the known names need another hash");

constexpr std::array<uint8_t, kBuckets> make_table() {
  std::array<uint8_t, kBuckets> table{};
  for (size_t i = 1; i < kNames.size(); ++i) table[bucket_of(kNames[i], kFactor)] = static_cast<uint8_t>(i);
  return table;
}
constexpr std::array<uint8_t, kBuckets> kTable = make_table();

}  // namespace

FieldId field_id_of(std::string_view lowered) {
  if (lowered.size() < kShortest || lowered.size() > kLongest) return FieldId::kUnknown;
  const uint8_t index = kTable[bucket_of(lowered, kFactor)];
  const std::string_view known = kNames[index];
  if (known.size() != lowered.size() || std::memcmp(known.data(), lowered.data(), known.size()) != 0)
    return FieldId::kUnknown;
  return static_cast<FieldId>(index);
}

std::string_view name_of(FieldId id) { return kNames[static_cast<size_t>(id)]; }

}  // namespace penstock::http
