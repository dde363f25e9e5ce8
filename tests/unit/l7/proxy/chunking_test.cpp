// However bytes are cut, delayed and held up, the same requests and answers arrive; and nobody's slowness costs memory.
#include <random>

#include "unit/l7/proxy/story.h"

namespace penstock::proxy {
namespace {

struct Case {
  std::string request, content;
  std::string response, answer;
};

std::string chunked(const std::string& content, size_t piece) {
  std::string out;
  char size[16];
  for (size_t at = 0; at < content.size(); at += piece) {
    const std::string part = content.substr(at, piece);
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    out += size + part + "\r\n";
  }
  return out + "0\r\n\r\n";
}

Case make_case(std::mt19937_64& random, size_t number) {
  const auto text = [&](size_t most) {
    std::string out(random() % (most + 1), ' ');
    for (char& c : out) c = static_cast<char>('a' + random() % 26);
    return out;
  };
  Case made;
  const std::string path = "/" + std::to_string(number);
  const std::string fields = " HTTP/1.1\r\nHost: a\r\nX-F: " + text(200) + "\r\n";
  made.content = random() % 2 ? text(5000) : "";
  if (made.content.empty()) {
    made.request = "GET " + path + fields + "\r\n";
  } else if (random() % 2) {
    made.request =
        "POST " + path + fields + "Content-Length: " + std::to_string(made.content.size()) + "\r\n\r\n" + made.content;
  } else {
    made.request =
        "POST " + path + fields + "Transfer-Encoding: chunked\r\n\r\n" + chunked(made.content, 1 + random() % 900);
  }
  made.answer = std::to_string(number) + ":" + text(8000);
  made.response = random() % 2 ? answer(200, made.answer)
                               : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                     chunked(made.answer, 1 + random() % 3000);
  if (random() % 8 == 0) made.response = "HTTP/1.1 103 Early Hints\r\n\r\n" + made.response;
  return made;
}

// Plays the cases on one connection of a client, pipelined, with everything cut by `random`; small windows, too.
void play(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Case> cases;
  std::string input, output;
  for (size_t i = 0; i < 6; ++i) {
    cases.push_back(make_case(random, i));
    input += cases.back().request;
  }
  Rig rig;
  rig.net.piece_bytes = 1 + random() % 3000;
  const size_t window = 600 + random() % 4000;
  const size_t most = 1 + random() % 4000;
  rig.net.window = window;
  const uint32_t client = rig.client();
  std::string asked, answering;
  size_t next = 0;
  for (int turns = 0; turns < 100'000; ++turns) {
    if (!input.empty() && random() % 2) {
      const size_t size = 1 + random() % most;
      rig.send(client, input.substr(0, size));
      input.erase(0, size);
    }
    output += rig.take(client, random() % 3 * (1 + random() % most));
    if (rig.net.connects.empty()) continue;
    ASSERT_EQ(rig.net.connects.size(), 1u) << "seed " << seed;
    const uint32_t backend = rig.backend();
    asked += rig.take(backend, random() % 3 * (1 + random() % most));
    if (const Read read = read_request(asked); read.whole && answering.empty() && next < cases.size()) {
      EXPECT_EQ(read.path, "/" + std::to_string(next)) << "seed " << seed;
      EXPECT_EQ(read.content, cases[next].content) << "seed " << seed;
      asked.erase(0, read.consumed);
      answering = cases[next++].response;
    }
    if (!answering.empty()) {
      const size_t size = 1 + random() % most;
      rig.send(backend, answering.substr(0, size));
      answering.erase(0, size);
    }
    if (next == cases.size() && answering.empty() && rig.proxy.exchanges() == 0 && rig.net.at(client).out.empty())
      break;
  }
  EXPECT_EQ(asked, "");
  for (const Case& each : cases) {
    const Read read = read_response(output, http::Method::kGet, false, false);
    ASSERT_TRUE(read.whole) << "seed " << seed << " " << output;
    EXPECT_EQ(read.content, each.answer) << "seed " << seed;
    output.erase(0, read.consumed);
  }
  EXPECT_EQ(output, "") << "seed " << seed;
  EXPECT_LE(rig.net.written_most, window) << "seed " << seed;
  rig.expect_no_leak();
}

TEST(Chunking, TheResultDoesNotDependOnHowBytesCome) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    play(seed);
    if (HasFailure()) return;
  }
}

// Back-pressure: what nobody reads stays where it came from, unread, and no byte more is held.
TEST(Chunking, ASlowClientHoldsUpItsEndpointAlone) {
  Rig rig;
  const uint32_t slow = rig.client(), other = rig.client();
  rig.net.at(slow).window = 4096;
  rig.send(slow, get("/big"));
  const uint32_t to = rig.backend();
  rig.send(to, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
  const std::string piece(1000, 'x');
  for (int i = 0; i < 1000; ++i) rig.send(to, piece);
  EXPECT_LE(rig.net.at(slow).out.size(), 4096u);
  EXPECT_GT(rig.net.readable(to), 990'000u);  // in the transport: its window is shut
  EXPECT_EQ(body_of(rig.exchange(other, get("/"), answer(200, "ok"))), "ok");
  size_t got = 0;
  while (true) {
    const std::string taken = rig.take(slow);
    if (taken.empty()) break;
    got += taken.size();
  }
  EXPECT_GT(got, 1'000'000u);
  rig.expect_no_leak();
}

TEST(Chunking, ASlowEndpointHoldsUpItsClientAlone) {
  Rig rig;
  rig.net.window = 4096;
  const uint32_t upload = rig.client();
  rig.send(upload, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  const std::string piece(1000, 'x');
  for (int i = 0; i < 1000; ++i) rig.send(upload, piece);
  EXPECT_LE(rig.net.at(rig.backend()).out.size(), 4096u);
  EXPECT_GT(rig.net.readable(upload), 990'000u);
}

// A tunnel and a TCP connection, too.
TEST(Chunking, TunnelsHoldBackBothWays) {
  ConfigBuilder builder;
  builder.action(ConfigBuilder::to(builder.cluster(1)));
  Rig rig(builder.build());
  const uint32_t client = rig.client(1);
  rig.net.at(client).window = 1000;
  rig.net.at(rig.backend()).window = 1000;
  const std::string bytes(50'000, 'y');
  rig.send(client, bytes);
  rig.send(rig.backend(), bytes);
  rig.finish(client);
  rig.finish(rig.backend());
  EXPECT_EQ(rig.net.at(client).out.size(), 1000u);
  std::string up, down;
  while (!rig.over(client) || !rig.net.at(client).out.empty() || !rig.net.at(rig.backend()).out.empty()) {
    const size_t before = up.size() + down.size();
    up += rig.take(rig.backend());
    down += rig.take(client);
    ASSERT_GT(up.size() + down.size(), before);
  }
  EXPECT_EQ(up, bytes);
  EXPECT_EQ(down, bytes);
}

// Steady traffic holds what it held before: the leak check of a million requests in small.
TEST(Chunking, NothingGrows) {
  Rig rig;
  const uint32_t client = rig.client();
  for (int i = 0; i < 20'000; ++i) {
    rig.send(client, get("/"));
    rig.take(rig.backend());
    rig.send(rig.backend(), answer(200, "ok"));
    rig.take(client);
    rig.record();
  }
  EXPECT_EQ(rig.net.connects.size(), 1u);
  EXPECT_EQ(rig.proxy.clients() + rig.proxy.upstreams(), 2u);
  rig.expect_no_leak();
}

}  // namespace
}  // namespace penstock::proxy
