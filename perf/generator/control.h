// How penstock-lab talks to its generators: a line of JSON each way, on the generator's standard input and output.
// A generator ends when its input ends, so that none is left behind by whoever started it. Not for the hot thread: poll
// between trials, or a few times a second within one.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace penstock::load {

class Control {
 public:
  static constexpr size_t kLongestLine = 1 << 20;

  bool over() const { return over_; }  // input has ended, or a line was too long

  // The next command that is not an object of JSON is answered with an error event and skipped.
  std::optional<nlohmann::json> next(int wait_milliseconds) {
    for (;;) {
      if (const size_t end = text_.find('\n'); end != std::string::npos) {
        auto command = nlohmann::json::parse(text_.substr(0, end), nullptr, false);
        text_.erase(0, end + 1);
        if (command.is_object()) return command;
        error("command", "a line must be a JSON object");
        continue;
      }
      pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      if (over_ || ::poll(&input, 1, wait_milliseconds) <= 0) return std::nullopt;
      char bytes[4096];
      const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
      if (got > 0) text_.append(bytes, static_cast<size_t>(got));
      over_ = got <= 0 || text_.size() > kLongestLine;
    }
  }

  // Bytes that are not UTF-8 (a file's name may have them) are said as U+FFFD.
  static void say(const nlohmann::json& event) {
    std::printf("%s\n", event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    std::fflush(stdout);
  }
  // `field` as a path into the specification ("streams[0].size"), `message` with what would be valid.
  static void error(const std::string& field, const std::string& message) {
    say({{"event", "error"}, {"field", field}, {"message", message}});
  }

 private:
  std::string text_;
  bool over_ = false;
};

}  // namespace penstock::load
