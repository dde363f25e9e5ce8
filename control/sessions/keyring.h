// All keys of sessions that a gateway has at the moment: those of the file that its Node names, then its own. The first
// of them seals.
//
// open() takes what the store kept, or makes the first key; keys_of() gives the keys under a configuration, which reads
// its file if it is another one; follow() says which configuration holds; poll(), once a second, sets the clock and
// exchanges keys as time passes. The caller keeps what `keep` is given, durably.
//
// Thread: the control thread; the clock in what keys_of() returns is for all.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "control/sessions/key_file.h"
#include "control/sessions/own_keys.h"

namespace penstock::sessions {

class Keyring {
 public:
  using Keep = std::function<base::Result<void>(const std::string& text)>;

  explicit Keyring(Keep keep) : keep_(std::move(keep)), clock_(std::make_shared<std::atomic<uint32_t>>(0)) {}

  // `kept`: the text last given to `keep`; empty: none. Failure: it is not to be read.
  base::Result<void> open(std::string_view kept, uint32_t now);

  // `path`: of the key file; empty: none. Failure: the file cannot be used.
  base::Result<config::SessionKeys> keys_of(const std::string& path);
  void follow(const std::string& path);  // after keys_of() of the same path

  // True: keys_of() the followed path is different now.
  bool poll(uint32_t now);
  // What is wrong with the file or with keeping keys, while it is; empty: nothing. All goes on with the keys before.
  std::string fault() const;
  // When the key that seals was made, or its file written; seconds since 1970.
  uint32_t sealing_since() const { return file_ ? file_->since() : own_.since; }

 private:
  bool keep(const OwnKeys& keys);
  bool exchange_own(uint32_t now);

  const Keep keep_;
  const std::shared_ptr<std::atomic<uint32_t>> clock_;
  OwnKeys own_;
  bool own_kept_ = true;                     // else they end with the process
  std::optional<KeyFile> file_, next_file_;  // followed; read by keys_of() for a configuration that may come
  std::string own_fault_;
};

}  // namespace penstock::sessions
