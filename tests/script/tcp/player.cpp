#include "script/tcp/player.h"

#include <cmath>
#include <functional>

namespace penstock::tcp::script {

namespace {

using Words = std::vector<std::string>;
constexpr base::Nanos kTolerance = 1'500'000;  // a tick of the wheel late, milliseconds of timestamps

std::runtime_error failure(const std::string& text) { return std::runtime_error(text); }

base::Nanos seconds(const std::string& text) {
  size_t used = 0;
  const double value = std::stod(text, &used);
  if (used != text.size() || value < 0) throw failure("time \"" + text + "\"; valid: +S, +S~S, @S");
  return static_cast<base::Nanos>(std::llround(value * 1e9));
}

Setup usual() {  // small round numbers, no options but SACK: a story names what it needs
  Setup s;
  s.tuning.mss = 1000;
  s.tuning.receive_buffer = 20000;
  s.tuning.send_buffer = 100000;
  s.tuning.timestamps = s.tuning.window_scale = s.tuning.ecn = s.tuning.pacing = false;
  s.tuning.congestion = CongestionKind::kNewReno;
  return s;
}

class Player {
 public:
  Player(const Story& story, const Origin& origin) : story_(story), origin_(origin), setup_(usual()) {}

  void play() {
    for (const Line& line : story_.lines) {
      try {
        step(words(line.text));
      } catch (const std::exception& e) {
        throw ScriptError(line.where, describe(line) + "\n  " + e.what());
      }
    }
    const Line last{story_.lines.empty() ? story_.where : story_.lines.back().where, "(end of the story)"};
    try {
      world().advance(world().now());
      expect_silence();
    } catch (const std::exception& e) {
      throw ScriptError(last.where, describe(last) + "\n  " + e.what());
    }
  }

 private:
  struct When {
    base::Nanos from, to;
    bool range;
  };

  World& world() {
    if (!world_) {
      world_ = std::make_unique<World>(setup_, origin_);
      clock_ = world_->start();
    }
    return *world_;
  }

  std::string describe(const Line& line) {
    std::string text = "story " + story_.name + ": " + line.text;
    if (!line.where.via.empty()) text += "  [" + line.where.via + "]";
    if (world_) text += "\n  at " + std::to_string(static_cast<double>(world_->now() - world_->start()) * 1e-9) + " s";
    if (world_) text += ", initial numbers " + std::to_string(origin_.ours) + " and " + std::to_string(origin_.theirs);
    return text;
  }

  void expect_silence() {
    if (world().sent().empty()) return;
    const Sent& s = world().sent().front();
    throw failure("expected nothing, sent was at " +
                  std::to_string(static_cast<double>(s.at - world().start()) * 1e-9) + " s: > " + world().text_of(s));
  }

  When time_of(Words& w) {
    base::Nanos from = 0;
    const std::string text = w[0];
    if (text[0] != '+' && text[0] != '@') return {clock_, clock_, false};
    const size_t tilde = text.find('~');
    const base::Nanos base = text[0] == '+' ? clock_ : world().start();
    from = base + seconds(text.substr(1, tilde == std::string::npos ? tilde : tilde - 1));
    const base::Nanos to = tilde == std::string::npos ? from : base + seconds(text.substr(tilde + 1));
    w.erase(w.begin());
    return {from, to, tilde != std::string::npos};
  }

  void step(Words w) {
    if (w[0] == "option") {
      if (world_) throw failure("options come first");
      if (w.size() != 3 || !set_option(setup_, w[1], w[2])) throw failure("no such option or value");
      return;
    }
    world();
    if (w[0] == "let") {
      variables_[w.at(1)] = num(w, 2);
      return;
    }
    const When when = time_of(w);
    if (w.empty()) throw failure("a time and nothing that happens");
    if (w[0] == ">") return expect(when, {w.begin() + 1, w.end()});
    if (when.range) throw failure("a range of time is for > only");
    clock_ = std::max(clock_, when.from);
    world().advance(clock_);
    if (w[0] == "drain") return world().drain();
    expect_silence();
    const auto command = commands().find(w[0]);
    if (command == commands().end()) throw failure("no such command: " + w[0]);
    command->second(*this, w);
  }

  void expect(const When& when, const Words& w) {
    const base::Nanos slack = when.range ? 0 : kTolerance;
    const Written expected = parse(w, variables_);
    world().advance_until_sent(when.to + slack);
    if (world().sent().empty()) throw failure("expected this, nothing was sent");
    const base::Nanos at = world().sent().front().at;
    if (at + slack < when.from || at > when.to + slack)
      throw failure("sent at " + std::to_string(static_cast<double>(at - world().start()) * 1e-9) +
                    " s, not when expected: > " + world().text_of(world().sent().front()));
    variables_["ts"] = world().expect(expected);
    clock_ = std::max(clock_, at);
  }

  int64_t num(const Words& w, size_t at) {
    if (at >= w.size()) throw failure("a number is missing behind " + w[0]);
    return number(w[at], variables_).value;
  }

  void same(const char* what, int64_t expected, int64_t got) {
    if (expected != got)
      throw failure("expected " + std::string(what) + " " + std::to_string(expected) + ", it is " +
                    std::to_string(got));
  }
  void same(const char* what, const std::string& expected, const std::string& got) {
    if (expected != got) throw failure("expected " + std::string(what) + " " + expected + ", it is " + got);
  }

  using Command = std::function<void(Player&, const Words&)>;
  static const std::map<std::string, Command>& commands();
  void listen(const Words& w);
  void events(const Words& w);
  void times(const Words& w);

  const Story& story_;
  Origin origin_;
  Setup setup_;
  std::unique_ptr<World> world_;
  base::Nanos clock_ = 0;
  Variables variables_;
};

void Player::listen(const Words& w) {
  ListenSpec spec;
  spec.first_port = spec.last_port = 80;
  for (size_t i = 1; i < w.size(); ++i) {
    if (w[i] == "cookies") {
      spec.always_cookies = true;
    } else if (w[i] == "half_open") {
      spec.half_open = static_cast<uint32_t>(num(w, ++i));
    } else if (w[i] == "half_open_per_source") {
      spec.half_open_per_source = static_cast<uint32_t>(num(w, ++i));
    } else if (w[i] == "backlog") {
      spec.backlog = static_cast<uint32_t>(num(w, ++i));
    } else {
      throw failure("valid: listen [cookies] [half_open N] [half_open_per_source N] [backlog N]");
    }
  }
  world().listen(spec);
}

// events NAME...: exactly these since they were last asked for.
void Player::events(const Words& w) {
  static const std::map<std::string, uint8_t> kNames = {{"connected", kConnected},
                                                        {"readable", kReadable},
                                                        {"writable", kWritable},
                                                        {"peer_finished", kPeerFinished},
                                                        {"ended", kEnded}};
  const uint8_t got = world().take_events();
  uint8_t expected = 0;
  for (size_t i = 1; i < w.size(); ++i) {
    if (!kNames.contains(w[i])) throw failure("no such event: " + w[i]);
    expected |= kNames.at(w[i]);
  }
  std::string text;
  for (const auto& [name, bit] : kNames)
    if (got & bit) text += " " + name;
  if (got != expected) throw failure("the events were:" + (text.empty() ? " none" : text));
}

// times N < SEGMENT: N arrive, what is sent gathers for `sent N`.
void Player::times(const Words& w) {
  if (w.size() < 5 || w[2] != "<") throw failure("valid: times N < SEGMENT");
  const Written segment = parse({w.begin() + 3, w.end()}, variables_);
  for (int64_t i = num(w, 1); i > 0; --i) world().receive(segment);
  const auto sent = static_cast<int64_t>(world().sent().size());
  world().sent().clear();
  variables_["sent"] = sent;
}

const std::map<std::string, Player::Command>& Player::commands() {
  using P = Player;
  using W = const Words&;
  static const auto at = [](W w, size_t i) { return i < w.size() ? w[i] : std::string(); };
  static const std::map<std::string, Command> kCommands = {
      {"<",
       [](P& p, W w) {
         p.world().receive(parse({w.begin() + 1, w.end()}, p.variables_));
       }},
      {"nothing", [](P&, W) {}},
      {"listen", [](P& p, W w) { p.listen(w); }},
      {"open", [](P& p, W) { p.world().open(); }},
      {"write",
       [](P& p, W w) {
         const auto taken = static_cast<int64_t>(p.world().write(static_cast<size_t>(p.num(w, 1))));
         p.same("bytes taken", w.size() > 3 ? p.num(w, 3) : p.num(w, 1), taken);  // write N takes M
       }},
      {"read",
       [](P& p, W w) {
         const bool filled = at(w, 2) == "fill";
         p.world().read(static_cast<size_t>(p.num(w, 1)),
                        filled ? std::optional(static_cast<uint8_t>(p.num(w, 3))) : std::nullopt);
       }},
      {"finish", [](P& p, W) { p.world().act([&](Connection& c) { c.finish(p.world().now()); }); }},
      {"close", [](P& p, W) { p.world().act([&](Connection& c) { c.close(p.world().now()); }); }},
      {"abort", [](P& p, W) { p.world().act([](Connection& c) { c.abort(); }); }},
      {"release", [](P& p, W) { p.world().release(); }},
      {"nagle", [](P& p, W w) { p.world().act([&](Connection& c) { c.set_nagle(at(w, 1) == "on"); }); }},
      {"user_timeout", [](P& p, W w) { p.world().act([&](Connection& c) { c.set_user_timeout(seconds(w.at(1))); }); }},
      {"keepalive",
       [](P& p, W w) { p.world().act([&](Connection& c) { c.set_keepalive(seconds(w.at(1)), p.world().now()); }); }},
      {"icmp",  // icmp mtu N seq N [refused] | icmp hard|soft seq N [refused]
       [](P& p, W w) {
         if (at(w, 1) == "hard" || at(w, 1) == "soft") {
           if (at(w, 2) != "seq") throw failure("valid: icmp hard|soft seq N [refused]");
           const bool ended = p.world().unreachable(at(w, 1) == "hard", static_cast<Seq>(p.num(w, 3)));
           return p.same("ICMP", at(w, 4) == "refused" ? "refused" : "taken", ended ? "taken" : "refused");
         }
         if (at(w, 1) != "mtu" || at(w, 3) != "seq") throw failure("valid: icmp mtu N seq N [refused]");
         const bool taken = p.world().icmp(static_cast<uint16_t>(p.num(w, 2) - 40), static_cast<Seq>(p.num(w, 4)));
         p.same("ICMP", at(w, 5) == "refused" ? "refused" : "taken", taken ? "taken" : "refused");
       }},
      {"peer", [](P& p, W w) { p.world().choose_peer(static_cast<uint16_t>(p.num(w, 1))); }},
      {"times", [](P& p, W w) { p.times(w); }},
      {"sent", [](P& p, W w) { p.same("segments sent", p.num(w, 1), p.variables_["sent"]); }},
      {"state", [](P& p, W w) { p.same("state", at(w, 1), p.world().state()); }},
      {"end", [](P& p, W w) { p.same("end", at(w, 1), to_string(p.world().connection().end())); }},
      {"events", [](P& p, W w) { p.events(w); }},
      {"connections", [](P& p, W w) { p.same("connections", p.num(w, 1), p.world().stack().connections()); }},
      {"count", [](P& p, W w) { p.same(w.at(1).c_str(), p.num(w, 2), static_cast<int64_t>(p.world().counted(w[1]))); }},
      {"readable",
       [](P& p, W w) { p.same("readable", p.num(w, 1), static_cast<int64_t>(p.world().connection().readable())); }},
      {"writable",
       [](P& p, W w) { p.same("writable", p.num(w, 1), static_cast<int64_t>(p.world().connection().writable())); }},
      {"peer_window", [](P& p, W w) { p.same("window", p.num(w, 1), p.world().connection().peer_window()); }},
      {"cwnd", [](P& p, W w) { p.same("cwnd", p.num(w, 1), p.world().connection().congestion().window()); }},
      {"ssthresh", [](P& p, W w) { p.same("ssthresh", p.num(w, 1), p.world().connection().congestion().threshold()); }},
      {"mss", [](P& p, W w) { p.same("mss", p.num(w, 1), p.world().connection().segment_size()); }},
      {"rto",
       [](P& p, W w) {
         p.same("RTO in ms", p.num(w, 1), static_cast<int64_t>(p.world().connection().rtt().rto() / kMillisecond));
       }},
      {"deadline",
       [](P& p, W w) {
         p.same("deadline", at(w, 1), p.world().connection().deadline() == Connection::kNever ? "none" : "some");
       }},
      {"buffers",  // chunks of stream bytes that are held
       [](P& p, W w) { p.same("chunks held", p.num(w, 1), p.world().shared().chunks.taken()); }},
  };
  return kCommands;
}

}  // namespace

void play(const Story& story, const Origin& origin) { Player(story, origin).play(); }

}  // namespace penstock::tcp::script
