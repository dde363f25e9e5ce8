// The file of keys that several gateways share (Node spec.sessions.keyFile), followed while somebody exchanges them.
//
// open() reads it or says why not; poll() looks whether it has changed, and reads it again. What cannot be used is not
// taken: the keys before stay, and fault() says why. No thread, no clock, no wait. Failure: one line that begins with
// the path and shows nothing of a key.
#pragma once

#include <string>
#include <vector>

#include "control/pki/files.h"
#include "l7/config/session.h"

namespace penstock::sessions {

constexpr size_t kMaxKeyFileBytes = 64 << 10;

class KeyFile {
 public:
  static base::Result<KeyFile> open(const std::string& path);

  bool poll();  // true: keys() are others than before
  const std::string& path() const { return path_; }
  const std::vector<config::SessionKey>& keys() const { return keys_; }  // at least one
  uint32_t since() const;                              // when the file was written, in seconds since 1970
  const std::string& fault() const { return fault_; }  // empty: the file and keys() agree

 private:
  KeyFile(std::string path, pki::FileStamp seen, std::vector<config::SessionKey> keys)
      : path_(std::move(path)), seen_(seen), written_(seen.modified), keys_(std::move(keys)) {}

  std::string path_;
  pki::FileStamp seen_;  // when it was read last
  int64_t written_;      // nanoseconds; of the content that counts
  bool read_again_ = true;
  std::vector<config::SessionKey> keys_;
  std::string fault_;
};

}  // namespace penstock::sessions
