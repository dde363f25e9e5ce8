// flows add, del, dump, explain, load.
#include <google/protobuf/arena.h>

#include <deque>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "control/api/flows.grpc.pb.h"
#include "tools/penstock/cli.h"
#include "tools/penstock/load.h"
#include "tools/penstock/words.h"

namespace penstock::cli {

namespace {

constexpr size_t kBatch = 4096;

// ---- add ----

const char* reason_of(const v1::FlowError& error) {
  switch (error.code()) {
    case v1::FlowError::ALREADY_EXISTS:
      return "exists already (--replace changes it)";
    case v1::FlowError::NOT_FOUND:
      return "does not exist";
    case v1::FlowError::TABLE_FULL:
      return "no room in the table";
    case v1::FlowError::BUSY:
      return "the worker did not take it in time";
    default:
      return "is invalid";
  }
}

int program(const Shared& shared, const std::vector<v1::FlowOperation>& operations) {
  grpc::ClientContext context;
  const Interruptible guard(context);
  const auto service = stub<v1::Flows>(shared);
  const auto stream = service->Program(&context);
  uint64_t done = 0, failed = 0;
  for (size_t begin = 0; begin < operations.size(); begin += kBatch) {
    v1::ProgramRequest request;
    for (size_t i = begin; i < std::min(begin + kBatch, operations.size()); ++i)
      *request.add_operations() = operations[i];
    v1::ProgramResponse response;
    if (!stream->Write(request) || !stream->Read(&response)) break;
    done += response.done();
    for (const v1::FlowError& error : response.errors()) {
      constexpr uint64_t kMostShown = 20;
      if (++failed > kMostShown) continue;
      std::cerr << "flow " << begin + error.index() + 1 << ": "
                << (error.reason().empty() ? reason_of(error) : error.reason()) << "\n";
    }
  }
  stream->WritesDone();
  if (const int status = report(shared, stream->Finish()); status != kOk) return status;
  if (shared.output == Output::kTable) {
    std::cout << done << " done" << (failed ? ", " + std::to_string(failed) + " refused" : "") << "\n";
  } else {
    api::Tree tree = api::Tree::map();
    tree.add("done", api::Tree::plain(std::to_string(done)));
    tree.add("refused", api::Tree::plain(std::to_string(failed)));
    print_tree(shared, tree);
  }
  return failed ? kRefused : kOk;
}

struct Add {
  Words words;
  std::string file;
  bool replace = false;
};

std::vector<v1::FlowOperation> read_flows(Add& add) {
  std::vector<v1::FlowOperation> operations;
  add.words.read();
  if (add.file.empty()) {
    operations.push_back(operation_from(add.words));
  } else {
    std::ifstream file;
    if (add.file != "-") file.open(add.file);
    if (add.file != "-" && !file) throw CLI::ValidationError("-f", "\"" + add.file + "\" cannot be read");
    std::istream& stream = add.file == "-" ? std::cin : file;
    std::string line;
    for (size_t number = 1; std::getline(stream, line); ++number) {
      if (line.empty() || line[0] == '#') continue;
      try {
        add.words.read_line(line);
        operations.push_back(operation_from(add.words));
      } catch (const CLI::ValidationError& error) {
        throw CLI::ValidationError(add.file + ":" + std::to_string(number), error.what());
      }
    }
  }
  if (add.replace)
    for (v1::FlowOperation& operation : operations) operation.set_kind(v1::FlowOperation::REPLACE);
  return operations;
}

// ---- dump ----

std::string endpoint_text(const std::string& address, uint32_t port) {
  const std::string text = address_text(address);
  if (port == 0) return text;
  return (address.size() == 16 ? "[" + text + "]" : text) + ":" + std::to_string(port);
}

std::string protocol_text(uint32_t protocol) {
  return protocol == 6    ? "tcp"
         : protocol == 17 ? "udp"
         : protocol == 1  ? "icmp"
         : protocol == 58 ? "icmpv6"
                          : std::to_string(protocol);
}

std::string action_text(const v1::FlowAction& action) {
  std::string out = v1::FlowAction::Verb_Name(action.verb());
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  if (!action.redirect_interface().empty()) out += " out=" + action.redirect_interface();
  if (!action.redirect_via().empty()) out += " via=" + address_text(action.redirect_via());
  if (!action.nat_source().empty() || action.nat_source_port())
    out += " source=" + endpoint_text(action.nat_source(), action.nat_source_port());
  if (!action.nat_destination().empty() || action.nat_destination_port())
    out += " destination=" + endpoint_text(action.nat_destination(), action.nat_destination_port());
  if (action.has_dscp()) out += " dscp=" + std::to_string(action.dscp());
  if (!action.mirror().empty()) out += " mirror=" + action.mirror();
  if (action.limit().has_packets_per_second()) out += " pps=" + rate_text(action.limit().packets_per_second());
  if (action.limit().has_bits_per_second()) out += " bps=" + rate_text(action.limit().bits_per_second());
  return out;
}

std::string hex_text(uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%lx", number);
  return text;
}

void print_exact(const v1::ExactFlow& flow) {
  const v1::FlowKey& key = flow.key();
  std::cout << protocol_text(key.protocol()) << " " << endpoint_text(key.src(), key.src_port()) << " > "
            << endpoint_text(key.dst(), key.dst_port()) << (key.interface().empty() ? "" : " in=" + key.interface())
            << "  " << coloured(Colour::kBold, action_text(flow.action())) << "  cookie=" << hex_text(flow.cookie())
            << " packets=" << flow.packets() << " bytes=" << flow.bytes() << " age=" << seconds_text(flow.age())
            << " idle=" << seconds_text(flow.idle()) << " worker=" << flow.worker() << "\n";
}

void print_tracked(const v1::TrackedFlow& flow) {
  const v1::FlowKey &original = flow.original(), &reply = flow.reply();
  std::cout << protocol_text(original.protocol()) << " " << coloured(Colour::kBold, flow.state()) << "  "
            << endpoint_text(original.src(), original.src_port()) << " > "
            << endpoint_text(original.dst(), original.dst_port()) << "  reply "
            << endpoint_text(reply.src(), reply.src_port()) << " > " << endpoint_text(reply.dst(), reply.dst_port());
  if (!flow.service().empty()) std::cout << "  service=" << flow.service() << " endpoint=" << flow.endpoint();
  if (!flow.egress().empty()) std::cout << "  egress=" << flow.egress();
  std::cout << "  packets=" << flow.original_packets() << "/" << flow.reply_packets()
            << " bytes=" << flow.original_bytes() << "/" << flow.reply_bytes() << " age=" << seconds_text(flow.age())
            << " expires=" << seconds_text(flow.expires()) << " worker=" << flow.worker() << "\n";
}

struct Dump {
  Words words;
  bool tracked = false;
  uint64_t limit = 0;
};

int run_dump(const Shared& shared, Dump& dump) {
  dump.words.read();
  v1::DumpRequest request;
  request.set_table(dump.tracked ? v1::DumpRequest::TRACKED : v1::DumpRequest::EXACT);
  *request.mutable_filter() = filter_from(dump.words);
  request.set_limit(dump.limit);
  grpc::ClientContext context;
  const Interruptible guard(context);
  const auto service = stub<v1::Flows>(shared);
  const auto stream = service->Dump(&context, request);
  v1::DumpResponse chunk, all;
  while (stream->Read(&chunk)) {
    if (shared.output != Output::kTable) {
      all.MergeFrom(chunk);
      continue;
    }
    for (const v1::ExactFlow& flow : chunk.exact()) print_exact(flow);
    for (const v1::TrackedFlow& flow : chunk.tracked()) print_tracked(flow);
  }
  std::cout << std::flush;
  const int status = report(shared, stream->Finish());
  if (status == kOk && shared.output != Output::kTable) print_message(shared, all);
  return status;
}

int run_delete(const Shared& shared, Words& words, bool all) {
  words.read();
  v1::DeleteFlowsRequest request;
  *request.mutable_filter() = filter_from(words);
  request.set_all(all);
  v1::DeleteFlowsResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Flows>(shared)->Delete(context.get(), request, &response);
  if (!status.ok()) return report(shared, status);
  if (shared.output == Output::kTable) {
    std::cout << response.deleted() << " deleted\n";
  } else {
    print_message(shared, response);
  }
  return kOk;
}

// ---- explain ----

int run_explain(const Shared& shared, Words& words, const std::string& pcap) {
  words.read();
  v1::ExplainRequest request;
  request.set_interface(words.text("in"));
  if (pcap.empty()) {
    *request.mutable_description() = packet_from(words);
  } else {
    std::ifstream file(pcap, std::ios::binary);
    if (!file) throw CLI::ValidationError("--pcap", "\"" + pcap + "\" cannot be read");
    request.set_pcap(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  v1::ExplainResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Flows>(shared)->Explain(context.get(), request, &response);
  if (!status.ok()) return report(shared, status);
  if (shared.output != Output::kTable) {
    print_message(shared, response);
    return kOk;
  }
  for (const v1::PacketExplanation& packet : response.packets()) {
    std::cout << coloured(Colour::kBold, packet.packet()) << "\n";
    Table table({"STAGE", "VERDICT", "WHY"});
    for (const v1::TraceStep& step : packet.steps())
      table.add({step.stage(),
                 step.reason().empty() ? step.verdict() : coloured(Colour::kRed, step.verdict() + " " + step.reason()),
                 step.detail()});
    table.print();
    if (!packet.egress_interface().empty())
      std::cout << coloured(Colour::kGreen, "out of " + packet.egress_interface()) << ": " << packet.output_packet()
                << "\n";
  }
  std::cout << "generation " << response.generation() << "\n";
  return kOk;
}

void add_add_and_delete(CLI::App& flows, Shared& shared) {
  auto add = std::make_shared<Add>();
  auto* add_command = flows.add_subcommand("add", "Installs exact flows")->fallthrough();
  add_command->footer(
      "Examples:\n  penstock flows add src=10.0.0.1 dst=10.0.0.2 proto=tcp sport=1000 dport=80 action=drop idle=30s\n"
      "  penstock flows add -f flows.txt --replace     # a flow a line");
  add->words.add_to(*add_command, flow_words());
  add_command->add_option("-f,--filename", add->file, "file with a flow a line, in these words; - for standard input");
  add_command->add_flag("--replace", add->replace, "change flows that exist");
  add_command->callback([&shared, add] { shared.status = program(shared, read_flows(*add)); });

  auto words = std::make_shared<Words>();
  auto all = std::make_shared<bool>(false);
  auto* remove = flows.add_subcommand("del", "Deletes exact flows that match")->fallthrough();
  remove->footer(
      "Examples:\n  penstock flows del cookie=7\n  penstock flows del src=10.0.0.0/8 dport=80\n"
      "  penstock flows del --all");
  words->add_to(*remove, filter_words());
  remove->add_flag("--all", *all, "every exact flow");
  remove->callback([&shared, words, all] { shared.status = run_delete(shared, *words, *all); });
}

}  // namespace

void add_flows_commands(CLI::App& app, Shared& shared) {
  auto* flows = app.add_subcommand("flows", "Exact flows, tracked flows, and what would happen to a packet");
  flows->fallthrough()->require_subcommand(1);
  add_add_and_delete(*flows, shared);

  auto dump = std::make_shared<Dump>();
  auto* dump_command = flows->add_subcommand("dump", "Lists flows that match")->fallthrough();
  dump_command->footer(
      "Examples:\n  penstock flows dump\n  penstock flows dump --tracked dport=80 service=default/web");
  dump->words.add_to(*dump_command, filter_words());
  dump_command->add_flag("--tracked", dump->tracked, "connections that the gateway follows, instead of exact flows");
  dump_command->add_option("--limit", dump->limit, "at most this many");
  dump_command->callback([&shared, dump] { shared.status = run_dump(shared, *dump); });

  auto words = std::make_shared<Words>();
  auto pcap = std::make_shared<std::string>();
  auto* explain = flows->add_subcommand("explain", "What would happen to a packet, stage by stage")->fallthrough();
  explain->footer(
      "Examples:\n  penstock flows explain in=wan src=198.51.100.2 dst=203.0.113.10 dport=80\n"
      "  penstock flows explain in=wan --pcap packets.pcap");
  words->add_to(*explain, packet_words());
  explain->add_option("--pcap", *pcap, "file with the packets (pcap or pcapng), instead of words");
  explain->callback([&shared, words, pcap] { shared.status = run_explain(shared, *words, *pcap); });

  auto load = std::make_shared<Load>();
  auto* load_command = flows->add_subcommand("load", "Measures how fast exact flows are programmed")->fallthrough();
  load_command->footer("Example:\n  penstock flows load --count 1000000 --batch 4000 --delete");
  load_command->add_option("--count", load->count, "flows")->check(CLI::Range(1u, 1u << 26))->capture_default_str();
  load_command->add_option("--batch", load->batch, "flows a message")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  load_command->add_option("--window", load->window, "messages on their way")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  load_command->add_flag("--v6", load->v6, "IPv6 flows");
  load_command->add_flag("--delete", load->remove, "delete them afterwards, measured too");
  load_command->callback([&shared, load] { shared.status = run_load(shared, *load); });
}

}  // namespace penstock::cli
