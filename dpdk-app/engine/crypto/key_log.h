// The keys of associations, written down for whoever must read a capture of the fabric: a file of lines as Wireshark
// keeps them (esp_sa in its configuration directory), one for each association made while the log is open.
//
// For debugging only, and only where an operator asks for it by name: whoever reads the file reads the traffic. It is
// made anew with mode 0600, never written through a link or over a file that is there.
// Control thread. Failure: open() gives an Error; with a line that cannot be written the log ends.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "engine/crypto/sa_spec.h"

namespace penstock::crypto {

class KeyLog {
 public:
  static base::Result<std::unique_ptr<KeyLog>> open(const std::string& path);
  ~KeyLog();
  KeyLog(const KeyLog&) = delete;
  KeyLog& operator=(const KeyLog&) = delete;

  void write(const SaSpec& spec);

 private:
  explicit KeyLog(int file) : file_(file) {}

  void end();

  int file_;  // -1: it has ended
};

}  // namespace penstock::crypto
