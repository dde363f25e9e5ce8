// Every byte at which a conversation can break, from either side, in every way. Whatever happens, the client gets the
// answer, a prefix of it whose end it can tell from the whole, or an answer of the gateway's; another client's bytes
// never; and nothing is held afterwards.
#include <random>

#include "unit/l7/proxy/story.h"

namespace penstock::proxy {
namespace {

constexpr base::Nanos kAllTimeouts = kLinger + 1000 * kMs;

enum class Break { kReset, kResetAndLost, kFinish, kStall };
enum class Side { kClient, kBackend };

std::shared_ptr<const route::L7Config> config_of(uint8_t attempts) {
  ConfigBuilder builder;
  builder.http().timeouts = {.header = 400 * kMs, .idle = 700 * kMs, .stream = 600 * kMs};
  config::Action action = ConfigBuilder::to(builder.cluster(2, {.idle = 800 * kMs}));
  action.timeouts = {.request = 500 * kMs, .backend = 200 * kMs};
  action.retry = {.attempts = attempts, .backoff = kMs, .codes = {503}};
  builder.route("/", builder.action(action));
  return builder.build();
}

void break_now(FakeNet& net, uint32_t id, Break how) {
  if (how == Break::kReset || how == Break::kResetAndLost) net.peer_reset(id, how == Break::kResetAndLost);
  if (how == Break::kFinish) net.peer_finish(id);
}

std::string without_interim(std::string text) {
  for (const char* interim : {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"})
    if (text.starts_with(interim)) text.erase(0, std::string_view(interim).size());
  return text;
}

// What the client would get if nothing broke.
std::string undisturbed(const Story& story) {
  Rig rig(config_of(0));
  const uint32_t client = rig.client();
  rig.send(client, story.request);
  rig.send(rig.backend(), story.response);
  rig.finish(rig.backend());
  return without_interim(rig.take(client));
}

// Ours and well-formed, with the statuses that say such things.
bool is_own_answer(const std::string& text) {
  const int status = status_of(text);
  return (status == 400 || status == 408 || status == 502 || status == 503 || status == 504) &&
         has(text, "content-length: 0\r\n") && text.ends_with("\r\n\r\n");
}

void judge(Rig& rig, uint32_t client, const std::string& got, const std::string& whole, bool ends_by_close,
           const std::string& what) {
  SCOPED_TRACE(what + " got <" + got + ">");
  const FakeNet::Connection& at = rig.net.at(client);
  EXPECT_FALSE(has(got, "stranger"));
  std::string own = without_interim(got);
  // Where the end of the request is not known yet, the answer says that it is the last one.
  const std::string close = "connection: close\r\n";
  if (!has(whole, close) && has(own, close) && !is_own_answer(own)) own.erase(own.find(close), close.size());
  if (own == whole || is_own_answer(own)) return;
  // A chunked answer's framing follows how it came; its content is compared where it is whole (chunking_test.cpp).
  const bool chunked = has(whole, "chunked");
  EXPECT_TRUE(whole.starts_with(own) || (chunked && own.starts_with(whole.substr(0, whole.find("\r\n\r\n")))));
  EXPECT_TRUE(at.aborted || at.closed || at.finished || at.dead);
  const bool by_close = !has(whole, "content-length") && !chunked && !has(whole, " 204 ");
  EXPECT_TRUE(at.aborted || at.dead || got.empty() || !by_close || ends_by_close) << "a cut answer that looks whole";
}

// The conversation up to `requested` and `answered` bytes, then the break; then everything's time-outs; then a
// stranger.
void play(const Story& story, size_t requested, size_t answered, Side side, Break how, uint8_t attempts,
          const std::string& whole) {
  static const std::vector<std::shared_ptr<const route::L7Config>> kConfigs = {config_of(0), config_of(2)};
  const std::string what = std::string(story.name) + " " + std::to_string(requested) + "/" + std::to_string(answered) +
                           (side == Side::kClient ? " client " : " backend ") + std::to_string(static_cast<int>(how)) +
                           " attempts " + std::to_string(attempts);
  Rig rig(kConfigs[attempts != 0]);
  const uint32_t client = rig.client();
  rig.send(client, story.request.substr(0, requested));
  std::string got;
  if (!rig.net.connects.empty()) rig.send(rig.backend(), story.response.substr(0, answered));
  if (side == Side::kClient || !rig.net.connects.empty())
    break_now(rig.net, side == Side::kClient ? client : rig.backend(), how);
  rig.run();
  if (side == Side::kBackend && how != Break::kStall) rig.send(client, story.request.substr(requested));
  rig.pass(kAllTimeouts);
  got += rig.take(client);
  rig.finish(client);
  rig.pass(1 * kMs);
  judge(rig, client, got, whole, side == Side::kBackend && how == Break::kFinish, what);
  EXPECT_TRUE(rig.over(client)) << what;
  rig.expect_no_leak();

  const uint32_t stranger = rig.client();
  rig.send(stranger, get("/stranger"));
  const uint32_t to = rig.backend();
  rig.send(to, answer(200, "stranger"));
  EXPECT_EQ(body_of(rig.take(stranger)), "stranger") << what;
  rig.finish(stranger);
  rig.pass(kAllTimeouts);
  EXPECT_EQ(rig.proxy.clients() + rig.proxy.upstreams(), 0u) << what;
  for (const uint32_t each : rig.net.connects) EXPECT_TRUE(rig.over(each)) << what;
}

class Exhaustive : public testing::TestWithParam<size_t> {};

TEST_P(Exhaustive, EveryByteOfARequest) {
  const Story& story = stories()[GetParam()];
  const std::string whole = undisturbed(story);
  for (size_t i = 0; i <= story.request.size(); ++i)
    for (const Side side : {Side::kClient, Side::kBackend})
      for (const Break how : {Break::kReset, Break::kResetAndLost, Break::kFinish, Break::kStall})
        for (const uint8_t attempts : {0, 2}) {
          play(story, i, 0, side, how, attempts, whole);
          if (HasFailure()) return;
        }
}

TEST_P(Exhaustive, EveryByteOfAnAnswer) {
  const Story& story = stories()[GetParam()];
  const std::string whole = undisturbed(story);
  for (size_t i = 0; i <= story.response.size(); ++i)
    for (const Side side : {Side::kClient, Side::kBackend})
      for (const Break how : {Break::kReset, Break::kResetAndLost, Break::kFinish, Break::kStall})
        for (const uint8_t attempts : {0, 2})
          for (const size_t requested : {story.request.size(), story.request.size() - 1}) {
            play(story, requested, i, side, how, attempts, whole);
            if (HasFailure()) return;
          }
}

std::string name_of_story(const testing::TestParamInfo<size_t>& info) {
  std::string name = stories()[info.param].name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Stories, Exhaustive, testing::Range(size_t{0}, stories().size()), name_of_story);

// Answers with a byte changed, left out, doubled or put in: a right answer, an answer of ours, or a clean end.
TEST(Garbage, AnswersThatAreAlmostRight) {
  std::mt19937_64 random(20261121);
  const auto config = config_of(0);
  for (int round = 0; round < 4000; ++round) {
    const Story& story = stories()[random() % stories().size()];
    std::string response = story.response;
    for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      const size_t at = random() % response.size();
      const auto byte = static_cast<char>(random());
      switch (random() % 4) {
        case 0:
          response[at] = byte;
          break;
        case 1:
          response.erase(at, 1 + random() % 4);
          break;
        case 2:
          response.insert(at, 1, byte);
          break;
        default:
          response.insert(at, response.substr(at, 1 + random() % 9));
      }
      if (response.empty()) response = "x";
    }
    Rig rig(config);
    const uint32_t client = rig.client();
    rig.send(client, story.request);
    rig.send(rig.backend(), response);
    if (random() % 2) rig.finish(rig.backend());
    rig.pass(kAllTimeouts);
    const std::string got = rig.take(client);
    EXPECT_TRUE(got.empty() || got.starts_with("HTTP/1.1 ")) << got;
    rig.finish(client);
    rig.pass(kAllTimeouts);
    EXPECT_TRUE(rig.over(client)) << response;
    EXPECT_EQ(rig.proxy.clients() + rig.proxy.upstreams() + rig.proxy.exchanges() + rig.proxy.messages(), 0u)
        << response;
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace penstock::proxy
