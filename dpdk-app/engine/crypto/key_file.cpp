#include "engine/crypto/key_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace penstock::crypto {

namespace {

struct Wiped {  // whatever way it goes out of scope
  std::string& text;
  ~Wiped() { explicit_bzero(text.data(), text.size()); }
};

std::string_view next_word(std::string_view& line) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t begin = line.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  const size_t end = std::min(line.find_first_of(kBlank, begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

base::Result<Key> key_of(std::string_view word) {
  std::array<uint8_t, kMaxKeyLength> bytes;
  if (word.starts_with("0x")) word.remove_prefix(2);
  if (word.empty() || word.size() % 2 != 0 || word.size() > 2 * bytes.size())
    return base::Error{"a key is 1 to " + std::to_string(bytes.size()) + " bytes in hexadecimal"};
  for (size_t i = 0; i < word.size() / 2; ++i) {
    const int high = digit_of(word[2 * i]), low = digit_of(word[2 * i + 1]);
    if (high < 0 || low < 0) {
      explicit_bzero(bytes.data(), bytes.size());
      return base::Error{"a key has a character that is not hexadecimal"};
    }
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return Key::take({bytes.data(), word.size() / 2});
}

base::Result<uint32_t> spi_of(std::string_view word) {
  const bool hex = word.starts_with("0x");
  const std::string_view digits = hex ? word.substr(2) : word;
  uint32_t spi = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), spi, hex ? 16 : 10);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    return base::Error{"the SPI is not a number of 32 bits"};
  return spi;
}

// A key that two associations share gives the same IV twice (RFC 4106 §3.1), and takes what one sent for the other's.
bool is_used(const KeyFile& file, const Key& key) {
  const auto uses = [&](const KeyLine& line) { return line.key.same_as(key); };
  return std::any_of(file.inbound.begin(), file.inbound.end(), uses) ||
         std::any_of(file.outbound.begin(), file.outbound.end(), uses);
}

base::Result<void> read_line(std::string_view line, KeyFile& out) {
  const std::string_view direction = next_word(line);
  if (direction.empty()) return {};
  if (direction != "in" && direction != "out") return base::Error{"want \"in\" or \"out\" first"};
  auto& list = direction == "in" ? out.inbound : out.outbound;
  if (list.size() == kMaxKeyLines) return base::Error{"more than 64 lines of one direction"};
  KeyLine entry;
  auto spi = spi_of(next_word(line));
  if (!spi) return base::Error{spi.error()};
  entry.spi = *spi;
  auto key = key_of(next_word(line));
  if (!key) return base::Error{key.error()};
  if (is_used(out, *key)) return base::Error{"the key is another line's: every association needs its own"};
  entry.key = std::move(*key);
  if (const std::string_view second = next_word(line); !second.empty()) {
    auto integrity = key_of(second);
    if (!integrity) return base::Error{integrity.error()};
    entry.integrity_key = std::move(*integrity);
  }
  if (!next_word(line).empty()) return base::Error{"more words than direction, SPI and two keys"};
  list.push_back(std::move(entry));
  return {};
}

base::Result<void> check_owner(int file) {
  struct stat facts;
  if (fstat(file, &facts) != 0) return base::Error{strerror(errno)};
  if (!S_ISREG(facts.st_mode)) return base::Error{"is not a regular file"};
  if ((facts.st_mode & (S_IRWXG | S_IRWXO)) != 0) return base::Error{"others than its owner may use it: chmod 600"};
  if (facts.st_uid != geteuid() && facts.st_uid != 0) return base::Error{"belongs to another user"};
  if (static_cast<uint64_t>(facts.st_size) > kMaxKeyFile) return base::Error{"is larger than 64 KiB"};
  return {};
}

}  // namespace

base::Result<KeyFile> parse_key_file(std::string& text) {
  const Wiped wiped{text};
  KeyFile file;
  std::string_view rest = text;
  for (size_t number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    line = line.substr(0, line.find('#'));
    if (auto read = read_line(line, file); !read)
      return base::Error{"line " + std::to_string(number) + ": " + read.error()};
  }
  return file;
}

base::Result<KeyFile> read_key_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not hold us up
  if (file < 0) return base::Error{path + ": " + strerror(errno)};
  std::string text;
  const Wiped wiped{text};
  base::Result<void> good = check_owner(file);
  if (good) {
    text.resize(kMaxKeyFile + 1);
    size_t length = 0;
    ssize_t got = 0;
    while (length < text.size() && (got = read(file, text.data() + length, text.size() - length)) > 0)
      length += static_cast<size_t>(got);
    if (got < 0) good = base::Error{strerror(errno)};
    if (length > kMaxKeyFile) good = base::Error{"is larger than 64 KiB"};
    text.resize(length);  // shorter: the memory stays where it is
  }
  close(file);
  if (!good) return base::Error{path + ": " + good.error()};
  auto keys = parse_key_file(text);
  if (!keys) return base::Error{path + ": " + keys.error()};
  return keys;
}

}  // namespace penstock::crypto
