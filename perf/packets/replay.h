// A recording (pcap or pcapng, Ethernet) held in memory, to be sent again.
//
// Bounds: kMostPackets, kMostBytes, frames as a stream's may be; a frame that was recorded in part is an error, one
// shorter than 60 bytes is padded. Times that run backwards count as the time before. Const once read; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::load {

class Replay {
 public:
  static constexpr size_t kMostPackets = 4'000'000, kMostBytes = 1u << 30;

  // An error is a message without the field's name.
  static base::Result<std::shared_ptr<const Replay>> open(const std::string& file);

  size_t count() const { return packets_.size(); }
  base::Bytes frame(size_t index) const { return {bytes_.data() + packets_[index].at, packets_[index].length}; }
  uint64_t nanos(size_t index) const { return packets_[index].nanos; }  // since the first packet
  // From the first packet of one round to that of the next: all gaps, and one mean gap. 0: all have one time.
  uint64_t period() const { return period_; }
  // The first packet, counted from 1, that was recorded at an earlier time than the one before; 0: there is none.
  size_t backwards() const { return backwards_; }
  uint16_t largest() const { return largest_; }    // with CRC
  double mean_size() const { return mean_size_; }  // with CRC

 private:
  struct Packet {
    size_t at;
    uint16_t length;
    uint64_t nanos;
  };

  std::vector<uint8_t> bytes_;
  std::vector<Packet> packets_;
  uint64_t period_ = 0;
  size_t backwards_ = 0;
  uint16_t largest_ = 0;
  double mean_size_ = 0;
};

}  // namespace penstock::load
