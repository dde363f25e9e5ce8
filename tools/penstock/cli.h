// What every command of the CLI has: the options that all share, the connection, exit codes, and output in three forms.
//
// A command is a function add_<group>(app, shared) that describes its options to CLI11 and gives a callback; the
// callback sets Shared::status. Messages go to stderr, what was asked for to stdout. One thread.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "control/api/tree.h"

namespace penstock::cli {

enum ExitStatus : int {
  kOk = 0,
  kRefused = 1,      // the gateway said no, or it failed
  kUsage = 2,        // the command line is wrong
  kUnreachable = 3,  // nobody answers
};

enum class Output { kTable, kJson, kYaml };

struct Shared {
  std::string address = "unix:/run/penstock/penstock.sock";
  std::string tls_ca, tls_certificate, tls_key;  // PEM files; all or none
  Output output = Output::kTable;
  double timeout = 60;  // seconds of one call; streams have none
  int status = kOk;     // of the command that ran
};

// Makes the channel on first use. An error of the options (unreadable PEM) throws CLI::ValidationError.
std::shared_ptr<grpc::Channel> channel(const Shared& shared);

template <typename Service>
std::unique_ptr<typename Service::Stub> stub(const Shared& shared) {
  return Service::NewStub(channel(shared));
}

// A call's context with the deadline of --timeout-seconds.
std::unique_ptr<grpc::ClientContext> call_context(const Shared& shared);

// Says what went wrong; the exit status that goes with it. Ok: kOk.
int report(const Shared& shared, const grpc::Status& status);

// The message as JSON or YAML. Only with these outputs.
void print_message(const Shared& shared, const google::protobuf::Message& message, bool with_zeros = true);
// What no message of the contract says, in the same two forms.
void print_tree(const Shared& shared, const api::Tree& tree);

// Once, before any other thread: Ctrl-C and SIGTERM cancel the stream that runs, or end the process.
void handle_interrupts();

// While it lives, an interrupt cancels `context`: the command prints what it has and succeeds.
class Interruptible {
 public:
  explicit Interruptible(grpc::ClientContext& context);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  static bool interrupted();
};

// ---- tables ----

bool use_colour();  // stdout is a terminal that takes it, and NO_COLOR is not set
enum class Colour { kNone, kGreen, kYellow, kRed, kBold, kDim };
std::string coloured(Colour colour, const std::string& text);

class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  std::string to_string() const;  // columns as wide as their widest cell; columns of numbers to the right
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string count_text(uint64_t number);                 // "1234567"
std::string rate_text(double per_second);                // "1.23M"
std::string time_text(uint64_t nanoseconds_since_1970);  // "2024-01-02 03:04:05"
std::string seconds_text(uint64_t seconds);              // "3h12m"
std::string address_text(const std::string& bytes);      // of 4 or 16 bytes

// "10M" = 10,000,000; "1.5k". Throws CLI::ValidationError naming `what`.
double parse_scaled(const std::string& text, const std::string& what);
// "500ms", "10s", "1m30s" in milliseconds. Throws CLI::ValidationError naming `what`.
uint32_t parse_milliseconds(const std::string& text, const std::string& what);

// ---- the command groups, one file each ----

void add_ca_commands(CLI::App& app, Shared& shared);         // ca ...
void add_config_commands(CLI::App& app, Shared& shared);     // apply diff validate get delete history rollback
void add_explain_command(CLI::App& app, Shared& shared);     // explain
void add_flows_commands(CLI::App& app, Shared& shared);      // flows ...
void add_limits_commands(CLI::App& app, Shared& shared);     // limits ...
void add_node_commands(CLI::App& app, Shared& shared);       // node ..., version
void add_peer_commands(CLI::App& app, Shared& shared);       // peer ...
void add_telemetry_commands(CLI::App& app, Shared& shared);  // stats, trace, capture
void add_top_command(CLI::App& app, Shared& shared);         // top
void add_completion_command(CLI::App& app, Shared& shared);  // completion

}  // namespace penstock::cli
