// scapy's IPsec layer as the other end, both ways, for every cipher, with and without ESN and UDP encapsulation, over
// IPv4 and IPv6, at sizes around padding and MTU. Its answers come from tests/esp_scapy.py over a pair of pipes.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "esp_fixture.h"

namespace penstock::crypto {
namespace {

std::string hex(base::Bytes bytes) {
  if (bytes.empty()) return "-";
  std::string text;
  char pair[3];
  for (const uint8_t byte : bytes) {
    std::snprintf(pair, sizeof pair, "%02x", byte);
    text += pair;
  }
  return text;
}

std::vector<uint8_t> octets(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

// The script as a child; one question, one answer.
class Scapy {
 public:
  Scapy() {
    int to[2];
    int from[2];
    if (pipe(to) != 0 || pipe(from) != 0) return;
    child_ = fork();
    if (child_ == 0) {
      dup2(to[0], 0);
      dup2(from[1], 1);
      close(to[1]);
      close(from[0]);
      execl("/usr/bin/python3", "python3", "-B", PENSTOCK_ESP_SCAPY, nullptr);
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    questions_ = fdopen(to[1], "w");
    answers_ = fdopen(from[0], "r");
    greeting_ = answer();
  }
  ~Scapy() {
    std::fclose(questions_);
    std::fclose(answers_);
    waitpid(child_, nullptr, 0);
  }
  const std::string& greeting() const { return greeting_; }

  std::string ask(const std::string& question) {
    std::fprintf(questions_, "%s\n", question.c_str());
    std::fflush(questions_);
    return answer();
  }

 private:
  std::string answer() {
    std::string line;
    for (int c = 0; (c = std::fgetc(answers_)) != EOF && c != '\n';) line += static_cast<char>(c);
    return line;
  }

  pid_t child_ = 0;
  std::FILE* questions_ = nullptr;
  std::FILE* answers_ = nullptr;
  std::string greeting_;
};

class Interop : public testing::TestWithParam<Cipher> {};

std::string question(const char* verb, const SaSpec& s, uint64_t sequence, const std::vector<uint8_t>& packet) {
  return std::string(verb) + " " + traits_of(s.cipher).name + " " + hex(s.key.secret()) + " " +
         hex(s.integrity_key.secret()) + " " + (s.esn ? "1 " : "0 ") + (s.udp_encapsulation ? "1 " : "0 ") +
         s.local.to_string() + " " + s.remote.to_string() + " " + std::to_string(sequence) + " " + hex(packet);
}

TEST_P(Interop, ScapyOpensOursAndWeOpenItsOwn) {
  Scapy scapy;
  if (scapy.greeting() != "ready") GTEST_SKIP() << scapy.greeting();
  CryptoDevice* d = device(traits_of(GetParam()).aead && GetParam() != Cipher::kChaCha20Poly1305 ? "crypto_aesni_gcm"
                                                                                                 : "crypto_aesni_mb");
  TestLane lane({d});
  for (const bool esn : {false, true})
    for (const bool outer_v6 : {false, true})
      for (const bool udp : {false, true}) {
        // scapy 2.5 leaves the high half of the number out of an ICV that is not the cipher's own (RFC 4303 2.2.1).
        if (esn && !traits_of(GetParam()).aead) continue;
        const Outline o{.cipher = GetParam(), .esn = esn, .outer_v6 = outer_v6, .udp = udp};
        const uint64_t first = esn ? (uint64_t{3} << 32) + 7 : 7;
        Tunnel ours = tunnel_of(o, {d}, first);
        const SaSpec spec = spec_of(o);
        ASSERT_EQ(ours.in->window().mark(first - 1), ReplayWindow::Place::kNew);
        uint64_t sequence = first;
        for (const bool inner_v6 : {false, true})
          for (const size_t size : {60u, 61u, 62u, 63u, 64u, 65u, 576u, unsigned{ours.out->inner_mtu()}}) {
            const auto inner = inner_packet(inner_v6, size);
            const auto sealed = lane.encrypt(*ours.out, inner);
            ASSERT_EQ(sealed.verdict, EspVerdict::done);
            ASSERT_EQ(scapy.ask(question("open", spec, sequence, sealed.bytes)), hex(inner))
                << "esn " << esn << " v6 " << outer_v6 << " udp " << udp << " size " << size;
            const auto theirs = octets(scapy.ask(question("seal", spec, sequence, inner)));
            const auto opened = lane.decrypt(*ours.in, theirs);
            ASSERT_EQ(opened.verdict, EspVerdict::done)
                << to_string(opened.verdict) << " esn " << esn << " v6 " << outer_v6 << " udp " << udp << " " << size;
            ASSERT_EQ(opened.bytes, inner);
            ++sequence;
          }
      }
}

INSTANTIATE_TEST_SUITE_P(Ciphers, Interop,
                         testing::Values(Cipher::kAesGcm128, Cipher::kAesGcm256, Cipher::kChaCha20Poly1305,
                                         Cipher::kAesCbc128Sha256, Cipher::kAesCbc256Sha256, Cipher::kNullSha256));

}  // namespace
}  // namespace penstock::crypto
