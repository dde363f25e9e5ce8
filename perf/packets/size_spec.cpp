#include "packets/spec.h"

namespace penstock::load {

namespace {

// The customary mixture of 7 frames of 64, 4 of 594 and 1 of 1518 bytes.
Sizes imix() { return Sizes::weighted({{64, 7}, {594, 4}, {1518, 1}}); }

// The whole character, of UTF-8, that begins at `at`.
std::string character(const std::string& text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && (text[end] & 0xc0) == 0x80) ++end;
  return text.substr(at, end - at);
}

// The letters of a genome: RFC 6985 §4, table 1.
Sizes read_emix(const Node& node) {
  constexpr uint16_t kLetters[] = {64, 128, 256, 512, 1024, 1280, 1518, 2112, 9000};
  const std::string genome = node.text();
  std::vector<uint16_t> sizes;
  for (size_t i = 0; i < genome.size(); ++i) {
    if (genome[i] < 'a' || genome[i] > 'i') {
      node.fault("\"" + character(genome, i) +
                 "\" is not a size here; a 64, b 128, c 256, d 512, e 1024, f 1280, g 1518, h 2112, i 9000 (j, 16000, "
                 "is above the largest frame, 9216)");
      return Sizes::fixed(kLeastFrame);
    }
    sizes.push_back(kLetters[genome[i] - 'a']);
  }
  if (sizes.empty()) return Sizes::fixed(kLeastFrame);
  if (sizes.size() <= 1024) return Sizes::sequence(std::move(sizes));
  node.fault("has more than 1024 letters");
  return Sizes::fixed(kLeastFrame);
}

uint16_t read_size(const Node& node) { return static_cast<uint16_t>(node.integer(kLeastFrame, kLargestFrame)); }

Sizes read_weights(const Node& node) {
  std::vector<Sizes::Share> shares;
  uint64_t total = 0;
  for (const Node& each : node.items(1, 1024)) {
    if (!each.object({"size", "weight"})) continue;
    shares.push_back({read_size(each["size"]), static_cast<uint32_t>(each["weight"].integer(0, 1'000'000'000))});
    total += shares.back().weight;
  }
  if (total != 0) return Sizes::weighted(std::move(shares));
  if (!shares.empty()) node.fault("has no weight above 0");
  return Sizes::fixed(kLeastFrame);
}

}  // namespace

Sizes read_sizes(const Node& node) {
  if (node.is_number()) return Sizes::fixed(read_size(node));
  if (node.is_array()) return read_weights(node);
  if (node.is_text()) return node.choice({"imix"}), imix();
  if (node.has("emix") && node.object({"emix"})) return read_emix(node["emix"]);
  if (node.has("min") && node.object({"min", "max"})) {
    const uint16_t min = read_size(node["min"]), max = read_size(node["max"]);
    if (min <= max) return Sizes::range(min, max);
    node["max"].fault("is below min");
    return Sizes::fixed(kLeastFrame);
  }
  node.fault("must be a number of bytes, \"imix\", {emix: letters}, {min, max} or a list of {size, weight}");
  return Sizes::fixed(kLeastFrame);
}

}  // namespace penstock::load
