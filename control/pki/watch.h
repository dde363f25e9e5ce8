// The files of a gateway's identity, followed while somebody renews them.
//
// poll() looks at the files, and when one has changed reads all of them into one consistent Material: a certificate
// with its own key, roots, revocation lists. What cannot be read, or does not fit together, is not taken: the last good
// Material stays, and fault() says why. A file is replaced in its own moment, so a new certificate may meet the old
// key: poll() reads again a few times, and again when it is called next.
//
// No thread, no clock, no wait: the caller polls, once a second. poll() costs four stat calls when nothing happened.
// current() is immutable and may be given to other threads; it lives as long as anybody has it.
#pragma once

#include <array>

#include "control/pki/verify.h"

namespace penstock::pki {

struct WatchPaths {
  std::string certificate, key, bundle;
  std::string lists;  // empty: no revocation lists
  bool operator==(const WatchPaths&) const = default;
};

struct Material {
  Svid svid;
  TrustBundle trust;
  uint64_t number = 0;  // 1, 2, 3 ...
};

class Watch {
 public:
  explicit Watch(WatchPaths paths) : paths_(std::move(paths)) {}

  // True: current() is another than before. Content decides; a file that was only touched changes nothing.
  bool poll();
  std::shared_ptr<const Material> current() const { return current_; }  // null: nothing good was ever there
  const std::string& fault() const { return fault_; }                   // empty: the files and current() agree

  // Half of the certificate's life is over. False when there is none.
  bool renewal_due(Seconds now) const;

 private:
  static constexpr size_t kFiles = 4;
  using Texts = std::array<Secret, kFiles>;

  const std::string& path_of(size_t file) const;
  std::array<FileStamp, kFiles> stamps() const;
  base::Result<Texts> read() const;
  base::Result<Material> make(const Texts& texts) const;

  const WatchPaths paths_;
  std::array<FileStamp, kFiles> seen_;  // when the files were last read
  bool read_again_ = true;
  std::string digest_;  // of the content of current_
  std::shared_ptr<const Material> current_;
  std::string fault_;
};

}  // namespace penstock::pki
