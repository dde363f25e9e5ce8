// What a connection of l7/tcp costs in memory: a million idle ones that have exchanged bytes, as the kernel counts
// resident pages; and how long a SYN, a handshake and a segment take among them.
//
//   build/release/perf/tcp_memory_bench
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <vector>

#include "base/time.h"
#include "l7/tcp/stack.h"

namespace penstock::tcp {
namespace {

constexpr uint32_t kConnections = 1'000'000;

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

Tuple tuple_of(uint32_t n) {
  return {.local = base::IpAddress::v4(0x0a000001),
          .remote = base::IpAddress::v4(0x0a010000 + n / 50000),
          .local_port = 80,
          .remote_port = static_cast<uint16_t>(1024 + n % 50000)};
}

void flush(Stack& stack, base::Nanos now, Seq& isn) {
  Tuple tuple;
  Outgoing out;
  while (stack.next_segment({}, now, tuple, out))
    if (out.flags & wire::kTcpSyn) isn = out.seq;
}

void run() {
  const base::Nanos now = base::monotonic_now();
  const uint64_t before = resident_bytes();
  Stack stack({}, {}, kConnections, {.low = 1, .high = 2}, now);
  const uint32_t listener = stack.listen({.address = base::IpAddress::v4(0x0a000001),
                                          .first_port = 80,
                                          .last_port = 80,
                                          .backlog = 4096,
                                          .half_open = 4096,
                                          .half_open_per_source = 4096});
  const std::vector<uint8_t> request(200, 'x');
  const base::Cycles begin = base::read_cycles();
  for (uint32_t n = 0; n < kConnections; ++n) {
    const Tuple tuple = tuple_of(n);
    Segment syn;
    syn.seq = n;
    syn.flags = wire::kTcpSyn;
    syn.window = 65535;
    syn.options.mss = 1460;
    syn.options.window_scale = 7;
    syn.options.sack_permitted = true;
    stack.absorb(tuple, syn, now);
    Seq isn = 0;
    flush(stack, now, isn);
    Segment data;
    data.seq = n + 1;
    data.ack = isn + 1;
    data.flags = wire::kTcpAck | wire::kTcpPsh;
    data.window = 512;
    data.payload = request;
    stack.absorb(tuple, data, now);
    const uint32_t id = stack.accept(listener);
    stack.at(id).consume(request.size(), now);
    stack.at(id).write(request, now);
    stack.touch(id);
    for (Ready ready; stack.next_event(ready);) continue;
    flush(stack, now, isn);
    Segment ack;
    ack.seq = data.end();
    ack.ack = isn + 1 + static_cast<uint32_t>(request.size());
    ack.flags = wire::kTcpAck;
    ack.window = 512;
    stack.absorb(tuple, ack, now);
    flush(stack, now, isn);
  }
  const double cycles = static_cast<double>(base::read_cycles() - begin) / kConnections;
  std::printf(
      "%u connections: %.0f bytes each resident (%zu of them in the table's entry), %.0f cycles to open one and "
      "exchange 200 bytes\n",
      stack.connections(), static_cast<double>(resident_bytes() - before) / kConnections, Stack::entry_bytes(), cycles);
}

}  // namespace
}  // namespace penstock::tcp

int main() { penstock::tcp::run(); }
