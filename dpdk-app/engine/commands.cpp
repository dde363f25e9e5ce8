#include "engine/commands.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "engine/probe.h"
#include "engine/stages/reply.h"
#include "engine/tracking.h"
#include "engine/worker.h"

namespace penstock::engine {

namespace {

bool program(WorkerState& w, flow::ProgramCommand& command) {
  const size_t count = std::min<size_t>(command.ops.size() - command.next, kProgramPerRound);
  w.exact.apply(std::span(command.ops).subspan(command.next, count),
                std::span(command.statuses).subspan(command.next, count), w.now_ms);
  command.next += count;
  w.counters->exact_flows.set(w.exact.size());
  return command.next == command.ops.size();
}

void dump_exact(WorkerState& w, flow::DumpExactCommand& command) {
  if (command.one) {
    command.count = w.exact.view(command.key, w.now_ms, command.entries[0]) ? 1 : 0;
    command.cursor = flow::DumpExactCommand::kEnd;
    return;
  }
  command.count = w.exact.dump(command.cursor, command.entries, kDumpPerRound, w.now_ms);
}

void dump_tracked(WorkerState& w, flow::DumpTrackedCommand& command) {
  command.count = 0;
  if (command.one) {
    command.count = find_flow_view(w, command.key, command.entries[0]) ? 1 : 0;
    command.cursor = flow::DumpTrackedCommand::kEnd;
    return;
  }
  for (unsigned looked = 0; looked < kDumpPerRound && command.count < command.entries.size(); ++looked) {
    if (command.cursor >= w.flows.high()) {
      command.cursor = flow::DumpTrackedCommand::kEnd;
      return;
    }
    const flow::Flow* f = w.flows.at(static_cast<uint32_t>(command.cursor++));
    if (f != nullptr) fill_view(w, *f, command.entries[command.count++]);
  }
}

void inject(WorkerState& w, const flow::InjectCommand& command) {
  const auto& interfaces = w.generation == nullptr ? nullptr : w.generation->interfaces.get();
  if (interfaces == nullptr) return;
  rte_mbuf* m = rte_pktmbuf_alloc(w.pool);
  char* frame = m == nullptr ? nullptr : rte_pktmbuf_append(m, static_cast<uint16_t>(command.frame.size()));
  if (frame == nullptr) {
    rte_pktmbuf_free(m);
    return count_drop(w, flow::DropReason::no_buffers);
  }
  std::memcpy(frame, command.frame.data(), command.frame.size());
  carry_of(m) = Carry{};
  w.counters->from_control.add(1);
  if (command.as == flow::InjectAs::kPacket) return add_own(w, m);
  if (command.interface >= interfaces->by_id.size() || interfaces->by_id[command.interface].port >= flow::kMaxPorts) {
    count_drop(w, flow::DropReason::interface_down);
    return rte_pktmbuf_free(m);
  }
  const flow::Interface& out = interfaces->by_id[command.interface];
  if (out.vlan != 0) {  // control builds untagged frames
    auto* head = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(m, 4));
    if (head == nullptr) {
      rte_pktmbuf_free(m);
      return count_drop(w, flow::DropReason::no_buffers);
    }
    std::memmove(head, head + 4, 12);
    base::store_be16(head + 12, 0x8100);
    base::store_be16(head + 14, out.vlan);
  }
  w.counters->interfaces[out.id].tx.add(rte_pktmbuf_pkt_len(m));
  w.transmit.send(out.port, m);
}

}  // namespace

bool run_command_part(WorkerState& w, flow::Command& command) {
  switch (command.kind) {
    case flow::CommandKind::kProgram:
      return program(w, static_cast<flow::ProgramCommand&>(command));
    case flow::CommandKind::kDumpExact:
      dump_exact(w, static_cast<flow::DumpExactCommand&>(command));
      break;
    case flow::CommandKind::kDumpTracked:
      dump_tracked(w, static_cast<flow::DumpTrackedCommand&>(command));
      break;
    case flow::CommandKind::kNeighbour:
      w.neighbours.learn(static_cast<flow::NeighbourCommand&>(command), w.now_ms,
                         [&w](rte_mbuf* frame) { answer_unreachable(w, frame); });
      break;
    case flow::CommandKind::kInject:
      inject(w, static_cast<flow::InjectCommand&>(command));
      break;
    case flow::CommandKind::kProbe:
      send_probe(w, static_cast<flow::ProbeCommand&>(command));
      break;
    case flow::CommandKind::kCapture:
      w.watch.install(static_cast<flow::CaptureCommand&>(command));
      break;
    case flow::CommandKind::kTrace:
      w.watch.install(static_cast<flow::TraceCommand&>(command));
      break;
  }
  return true;
}

}  // namespace penstock::engine
