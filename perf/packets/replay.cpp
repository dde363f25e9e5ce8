#include "packets/replay.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <filesystem>

#include "packets/sizes.h"

namespace penstock::load {

base::Result<std::shared_ptr<const Replay>> Replay::open(const std::string& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return base::Error{file + " is not a file"};
  char reason[PCAP_ERRBUF_SIZE] = "";
  const std::unique_ptr<pcap_t, void (*)(pcap_t*)> reader(
      pcap_open_offline_with_tstamp_precision(file.c_str(), PCAP_TSTAMP_PRECISION_NANO, reason), pcap_close);
  if (!reader) return base::Error{file + " is no recording: " + reason};
  if (pcap_datalink(reader.get()) != DLT_EN10MB) return base::Error{file + " is not of Ethernet"};
  auto made = std::make_shared<Replay>();
  pcap_pkthdr* head = nullptr;
  const u_char* bytes = nullptr;
  uint64_t first = 0, last = 0, before = 0;
  int status;
  while ((status = pcap_next_ex(reader.get(), &head, &bytes)) == 1) {
    const std::string which = file + ": packet " + std::to_string(made->count() + 1);
    if (head->caplen != head->len)
      return base::Error{which + " was recorded in part: " + std::to_string(head->caplen) + " of " +
                         std::to_string(head->len) + " bytes"};
    if (head->len < 14 || head->len > kLargestFrame - kCrcLength)
      return base::Error{which + " has " + std::to_string(head->len) + " bytes; 14 to 9212 can be sent"};
    const auto length = static_cast<uint16_t>(std::max<uint32_t>(head->len, kLeastFrame - kCrcLength));
    if (made->count() == kMostPackets || made->bytes_.size() + length > kMostBytes)
      return base::Error{which + " is beyond what is read, 4000000 packets or 1 GiB"};
    // With this precision tv_usec holds nanoseconds.
    const uint64_t time =
        static_cast<uint64_t>(head->ts.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(head->ts.tv_usec);
    if (made->packets_.empty()) first = time;
    if (time < before && made->backwards_ == 0) made->backwards_ = made->count() + 1;
    before = time;
    last = std::max(last, time > first ? time - first : 0);
    made->packets_.push_back({made->bytes_.size(), length, last});
    made->bytes_.insert(made->bytes_.end(), bytes, bytes + head->len);
    made->bytes_.resize(made->packets_.back().at + length);
    made->largest_ = std::max<uint16_t>(made->largest_, static_cast<uint16_t>(length + kCrcLength));
  }
  if (status == PCAP_ERROR) return base::Error{file + ": " + pcap_geterr(reader.get())};
  const size_t count = made->count();
  if (count == 0) return base::Error{file + " has no packets"};
  made->period_ = count == 1 ? 0 : last + last / (count - 1);
  made->mean_size_ = static_cast<double>(made->bytes_.size()) / static_cast<double>(count) + kCrcLength;
  return std::shared_ptr<const Replay>(std::move(made));
}

}  // namespace penstock::load
