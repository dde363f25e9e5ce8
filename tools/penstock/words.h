// Packets and flows as words: "src=10.0.0.1 dst=10.0.0.2 proto=tcp dport=80 in=wan". The same words may be given as
// options (--src 10.0.0.1), which is how shells complete them.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "control/api/flows.pb.h"

namespace penstock::cli {

struct Word {
  const char* key;     // "sport"
  const char* option;  // "--src-port"
  const char* help;
};

class Words {
 public:
  // Adds a positional list and an option for each word. The words must outlive the command.
  void add_to(CLI::App& command, std::span<const Word> words);
  // Reads what was given. Throws CLI::ValidationError.
  void read();
  // Reads one line of a file instead.
  void read_line(const std::string& line);

  bool empty() const { return values_.empty(); }
  bool has(const std::string& key) const { return values_.contains(key); }
  std::string text(const std::string& key) const;
  uint64_t number(const std::string& key, uint64_t most) const;  // 0x.. too; 0 when absent
  double scaled(const std::string& key) const;                   // "10M"; 0 when absent
  uint32_t seconds(const std::string& key) const;                // "10s"; 0 when absent
  uint32_t protocol() const;                                     // "proto": name or number; 0 when absent
  std::string address(const std::string& key) const;             // 4 or 16 bytes; empty when absent

 private:
  void read_word(const std::string& word);

  std::span<const Word> words_;
  std::vector<std::string> positional_;
  std::map<std::string, std::string> options_, values_;
};

std::span<const Word> filter_words();  // flows dump, flows del
std::span<const Word> packet_words();  // flows explain
std::span<const Word> flow_words();    // flows add

v1::FlowFilter filter_from(const Words& words);
v1::PacketDescription packet_from(const Words& words);
v1::FlowOperation operation_from(const Words& words);

}  // namespace penstock::cli
