#include "wire/pcapng.h"

#include <algorithm>

namespace penstock::wire {

namespace {

// Block types (§4.1–4.3) and option codes (§3.5, §4).
constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kInterfaceDescription = 1;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint16_t kLinkTypeEthernet = 1;
constexpr uint16_t kOptEnd = 0;
constexpr uint16_t kOptComment = 1;
constexpr uint16_t kShbHardware = 2;
constexpr uint16_t kShbOs = 3;
constexpr uint16_t kShbUserApplication = 4;
constexpr uint16_t kIfName = 2;
constexpr uint16_t kIfDescription = 3;
constexpr uint16_t kIfTsResolution = 9;
constexpr uint16_t kEpbFlags = 2;
constexpr uint8_t kNanoseconds = 9;  // 10^-9 s

template <typename T>
void put(std::string& out, T value) {
  char raw[sizeof value];
  base::store_raw(raw, value);
  out.append(raw, sizeof raw);
}

void pad(std::string& out, size_t written) { out.append((4 - written % 4) % 4, '\0'); }

void put_option(std::string& out, uint16_t code, std::string_view value) {
  value = value.substr(0, 0xffff);
  put(out, code);
  put(out, static_cast<uint16_t>(value.size()));
  out += value;
  pad(out, value.size());
}

void put_text(std::string& out, uint16_t code, std::string_view text) {
  if (!text.empty()) put_option(out, code, text);
}

void end_options(std::string& out) {
  put(out, kOptEnd);
  put(out, uint16_t{0});
}

// Every block: type, length, body, length again (§3.1).
size_t begin_block(std::string& out, uint32_t type) {
  const size_t start = out.size();
  put(out, type);
  put(out, uint32_t{0});
  return start;
}

void end_block(std::string& out, size_t start) {
  const auto length = static_cast<uint32_t>(out.size() - start + 4);
  base::store_raw(&out[start + 4], length);
  put(out, length);
}

}  // namespace

void append_section(std::string& out, const PcapngSection& section) {
  const size_t start = begin_block(out, kSectionHeader);
  put(out, kByteOrderMagic);
  put(out, uint16_t{1});  // version 1.0
  put(out, uint16_t{0});
  put(out, ~uint64_t{0});  // section length not given
  put_text(out, kShbHardware, section.hardware);
  put_text(out, kShbOs, section.os);
  put_text(out, kShbUserApplication, section.application);
  end_options(out);
  end_block(out, start);
}

void append_interface(std::string& out, const PcapngInterface& interface) {
  const size_t start = begin_block(out, kInterfaceDescription);
  put(out, kLinkTypeEthernet);
  put(out, uint16_t{0});
  put(out, interface.snap_length);
  put_text(out, kIfName, interface.name);
  put_text(out, kIfDescription, interface.description);
  put_option(out, kIfTsResolution, {reinterpret_cast<const char*>(&kNanoseconds), 1});
  end_options(out);
  end_block(out, start);
}

void append_packet(std::string& out, const PcapngPacket& packet) {
  const auto captured = static_cast<uint32_t>(std::min<size_t>(packet.bytes.size(), kMaxCapture));
  const size_t start = begin_block(out, kEnhancedPacket);
  put(out, packet.interface);
  put(out, static_cast<uint32_t>(packet.time >> 32));
  put(out, static_cast<uint32_t>(packet.time));
  put(out, captured);
  put(out, packet.original_length != 0 ? packet.original_length : static_cast<uint32_t>(packet.bytes.size()));
  out.append(reinterpret_cast<const char*>(packet.bytes.data()), captured);
  pad(out, captured);
  const auto flags = static_cast<uint32_t>(packet.direction);
  if (flags != 0) put_option(out, kEpbFlags, {reinterpret_cast<const char*>(&flags), sizeof flags});
  put_text(out, kOptComment, packet.comment);
  end_options(out);
  end_block(out, start);
}

}  // namespace penstock::wire
