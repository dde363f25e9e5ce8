#include "tools/penstock/cli.h"

#include <grpc/support/log.h>
#include <signal.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/address.h"
#include "control/api/message_tree.h"

namespace penstock::cli {

namespace {

constexpr int kMaxMessageBytes = 64 << 20;  // as the gateway's own bound

std::string read_pem(const std::string& option, const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw CLI::ValidationError(option, "\"" + path + "\" cannot be read");
  return text.str();
}

std::shared_ptr<grpc::ChannelCredentials> credentials(const Shared& shared) {
  if (shared.tls_ca.empty() && shared.tls_certificate.empty() && shared.tls_key.empty())
    return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = read_pem("--tls-ca", shared.tls_ca);
  tls.pem_cert_chain = read_pem("--tls-cert", shared.tls_certificate);
  tls.pem_private_key = read_pem("--tls-key", shared.tls_key);
  return grpc::SslCredentials(tls);
}

// gRPC's own name for what people write.
std::string target_of(const std::string& address) {
  return address.starts_with("/") || address.starts_with("./") ? "unix:" + address : address;
}

std::mutex stream_lock;
grpc::ClientContext* stream = nullptr;  // that an interrupt cancels
bool was_interrupted = false;

}  // namespace

std::shared_ptr<grpc::Channel> channel(const Shared& shared) {
  gpr_set_log_function([](gpr_log_func_args*) {});  // what matters is in the status of the call
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  return grpc::CreateCustomChannel(target_of(shared.address), credentials(shared), arguments);
}

std::unique_ptr<grpc::ClientContext> call_context(const Shared& shared) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::milliseconds(static_cast<int64_t>(shared.timeout * 1000)));
  return context;
}

int report(const Shared& shared, const grpc::Status& status) {
  if (status.ok()) return kOk;
  if (status.error_code() == grpc::StatusCode::CANCELLED && Interruptible::interrupted()) return kOk;
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    // Said by a gateway that is going, or by gRPC, whose message says which way it failed.
    std::cerr << "penstock: no answer from the gateway at " << shared.address << ": " << status.error_message() << "\n";
    return kUnreachable;
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    std::cerr << "penstock: no answer within " << shared.timeout << " s (--timeout-seconds)\n";
    return kUnreachable;
  }
  std::cerr << "penstock: " << status.error_message() << "\n";
  return kRefused;
}

void print_message(const Shared& shared, const google::protobuf::Message& message, bool with_zeros) {
  print_tree(shared, api::write_message(message, with_zeros ? api::Defaults::kWrite : api::Defaults::kOmit));
}

void print_tree(const Shared& shared, const api::Tree& tree) {
  std::cout << (shared.output == Output::kJson ? api::to_json(tree) : api::to_yaml(tree)) << std::flush;
}

void handle_interrupts() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // TryCancel takes locks, which a signal handler may not.
  std::thread([set] {
    int signal = 0;
    while (sigwait(&set, &signal) == 0) {
      const std::lock_guard lock(stream_lock);
      if (!stream || was_interrupted) _exit(128 + signal);
      was_interrupted = true;
      stream->TryCancel();
    }
  }).detach();
}

Interruptible::Interruptible(grpc::ClientContext& context) {
  const std::lock_guard lock(stream_lock);
  stream = &context;
}

Interruptible::~Interruptible() {
  const std::lock_guard lock(stream_lock);
  stream = nullptr;
}

bool Interruptible::interrupted() {
  const std::lock_guard lock(stream_lock);
  return was_interrupted;
}

bool use_colour() {
  static const bool use = [] {
    const char* term = std::getenv("TERM");
    return isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR") && term && std::strcmp(term, "dumb") != 0;
  }();
  return use;
}

std::string coloured(Colour colour, const std::string& text) {
  static constexpr const char* kCodes[] = {"", "\033[32m", "\033[33m", "\033[31m", "\033[1m", "\033[2m"};
  if (!use_colour() || colour == Colour::kNone) return text;
  return kCodes[static_cast<int>(colour)] + text + "\033[0m";
}

namespace {

// Columns on a terminal: escape sequences take none, neither do the later bytes of UTF-8.
size_t width_of(const std::string& text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      i = std::min(text.find('m', i), text.size());
    } else if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      ++width;
    }
  }
  return width;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789.+-%kMGTe ") == std::string::npos &&
         text.find_first_of("0123456789") != std::string::npos;
}

}  // namespace

std::string Table::to_string() const {
  std::vector<size_t> widths(rows_[0].size());
  std::vector<bool> right(rows_[0].size(), rows_.size() > 1);
  for (size_t r = 0; r < rows_.size(); ++r) {
    for (size_t c = 0; c < widths.size(); ++c) {
      widths[c] = std::max(widths[c], width_of(rows_[r][c]));
      if (r > 0 && !rows_[r][c].empty() && !is_number(rows_[r][c])) right[c] = false;
    }
  }
  std::string out;
  for (size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (size_t c = 0; c < widths.size(); ++c) {
      const std::string blanks(widths[c] - width_of(rows_[r][c]), ' ');
      const std::string cell = r == 0 ? coloured(Colour::kDim, rows_[r][c]) : rows_[r][c];
      line += right[c] ? blanks + cell : c + 1 < widths.size() ? cell + blanks : cell;
      if (c + 1 < widths.size()) line += "  ";
    }
    out += line + "\n";
  }
  return out;
}

void Table::print() const { std::cout << to_string() << std::flush; }

std::string count_text(uint64_t number) { return std::to_string(number); }

std::string rate_text(double per_second) {
  static constexpr std::pair<double, const char*> kScales[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  char text[32];
  for (const auto& [scale, letter] : kScales) {
    if (per_second < scale) continue;
    std::snprintf(text, sizeof text, "%.3g%s", per_second / scale, letter);
    // 999.6 of a unit is 1000 in three digits: "1e+03".
    if (!std::strchr(text, 'e')) return text;
    std::snprintf(text, sizeof text, "%.0f%s", per_second / scale, letter);
    return text;
  }
  std::snprintf(text, sizeof text, per_second < 10 ? "%.3g" : "%.0f", per_second);
  return text;
}

std::string time_text(uint64_t nanoseconds_since_1970) {
  const auto seconds = static_cast<time_t>(nanoseconds_since_1970 / 1'000'000'000);
  tm parts{};
  localtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

std::string seconds_text(uint64_t seconds) {
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (seconds < 7200) return std::to_string(seconds / 60) + "m" + std::to_string(seconds % 60) + "s";
  if (seconds < 172800) return std::to_string(seconds / 3600) + "h" + std::to_string(seconds / 60 % 60) + "m";
  return std::to_string(seconds / 86400) + "d" + std::to_string(seconds / 3600 % 24) + "h";
}

std::string address_text(const std::string& bytes) {
  if (bytes.size() == 4) return base::IpAddress::v4_from(bytes.data()).to_string();
  if (bytes.size() == 16) return base::IpAddress::v6_from(bytes.data()).to_string();
  return "";
}

double parse_scaled(const std::string& text, const std::string& what) {
  static constexpr std::pair<char, double> kScales[] = {{'k', 1e3}, {'M', 1e6}, {'G', 1e9}, {'T', 1e12}};
  char* end = nullptr;
  double number = std::strtod(text.c_str(), &end);
  bool ok = end != text.c_str() && std::isfinite(number) && number >= 0;
  if (*end) {
    bool known = false;
    for (const auto& [letter, scale] : kScales) {
      if (*end != letter || end[1]) continue;
      number *= scale;
      known = true;
    }
    ok &= known;
  }
  if (!ok) throw CLI::ValidationError(what, "\"" + text + "\" is no number such as 1500, 1.5k, 10M, 2G");
  return number;
}

uint32_t parse_milliseconds(const std::string& text, const std::string& what) {
  static constexpr std::pair<const char*, double> kUnits[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}};
  double sum = 0;
  const char* at = text.c_str();
  bool ok = *at != 0;
  while (ok && *at) {
    char* end = nullptr;
    const double number = std::strtod(at, &end);
    size_t letters = 0;
    while (end[letters] >= 'a' && end[letters] <= 'z') ++letters;
    ok = end != at && std::isfinite(number) && number >= 0 && letters > 0;
    double scale = 0;
    for (const auto& [unit, milliseconds] : kUnits)
      if (std::string_view(end, letters) == unit) scale = milliseconds;
    ok &= scale > 0;
    sum += number * scale;
    at = end + letters;
  }
  if (!ok || sum > 4e9) throw CLI::ValidationError(what, "\"" + text + "\" is no duration such as 500ms, 10s, 1m30s");
  return static_cast<uint32_t>(sum);
}

}  // namespace penstock::cli
