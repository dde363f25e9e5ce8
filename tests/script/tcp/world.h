// What a story plays in: a stack of ours (l7/tcp/stack.h) in virtual time, and peers that say what the story has them
// say.
//
// Throws std::runtime_error with what was expected and what came. Seconds are nanoseconds here. One thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "l7/tcp/stack.h"
#include "script/tcp/notation.h"

namespace penstock::tcp::script {

// Where the numbers of one run begin, so that a story also happens across the wraps.
struct Origin {
  Seq ours;
  Seq theirs;
  uint32_t their_time;
};

struct Setup {
  Tuning tuning;
  Limits limits{8192, 8192, 1024};
  uint32_t capacity = 64;
  uint32_t offload = 0;
  bool accept = true;  // the application takes connections at once
};
// Sets one `option NAME VALUE`; false: no such option, or not such a value.
bool set_option(Setup& setup, const std::string& name, const std::string& value);

struct Sent {
  base::Nanos at = 0;
  uint16_t port = 0;
  Ecn ecn = Ecn::kNotEct;
  std::vector<uint8_t> bytes;
  Segment segment() const {
    Segment s;
    parse_segment(bytes, ecn, s);
    return s;
  }
};

class World {
 public:
  World(const Setup& setup, const Origin& origin);

  base::Nanos now() const { return now_; }
  base::Nanos start() const { return start_; }
  void advance(base::Nanos to);               // what is due happens on the way
  void advance_until_sent(base::Nanos to);    // or until something was sent
  void choose_peer(uint16_t port);            // whom the next lines are about
  std::deque<Sent>& sent() { return sent_; }  // oldest first
  std::string text_of(const Sent& sent);

  void listen(const ListenSpec& spec);
  void open();
  void receive(const Written& written);
  int32_t expect(const Written& expected);  // of the oldest of sent(); returns its timestamp, relative
  void drain();                             // all of sent() are ACKs that say exactly what has arrived (RFC 2018, 5681)
  size_t write(size_t bytes);
  void read(size_t bytes, std::optional<uint8_t> fill);
  bool icmp(uint16_t mss, Seq relative);
  bool unreachable(bool hard, Seq relative);
  void release();
  template <typename Act>
  void act(Act&& what) {
    what(connection());
    stack_->touch(id());
    pump();
  }

  const char* state();
  Connection& connection();  // throws when there is none
  Shared& shared() { return stack_->shared(); }
  Stack& stack() { return *stack_; }
  uint64_t counted(const std::string& name);  // of connections or of the listener; throws for an unknown name
  uint8_t take_events();
  void check_rest();  // no promise is broken by what is left: memory, deadlines

 private:
  struct Peer {
    Seq ours = 0, theirs = 0;
    uint32_t our_time = 0, their_time = 0;
    uint32_t id = kNone;
    uint16_t window = 20000;
    uint64_t read = 0;
    uint8_t events = 0;
    std::map<int64_t, int64_t> arrived;  // begin to end, merged
    int64_t newest = 0;                  // where the latest bytes began
    bool owes_ack = false;               // out of order, or a gap filled: at once (RFC 5681 §4.2)
  };
  static constexpr uint16_t kFirstPort = 1000;

  Peer& peer() { return peers_.at(port_); }
  uint32_t id();
  Tuple tuple(uint16_t port) const;
  Bases bases_out(uint16_t port);
  void pump();
  void note(const Written& written);
  void check_ack_of_data(const Segment& s);

  Setup setup_;
  Origin origin_;
  base::Nanos start_ = 0, now_ = 0;
  std::unique_ptr<Stack> stack_;
  uint32_t listener_ = kNone;
  uint16_t port_ = kFirstPort;
  std::map<uint16_t, Peer> peers_;
  std::deque<Sent> sent_;
};

}  // namespace penstock::tcp::script
