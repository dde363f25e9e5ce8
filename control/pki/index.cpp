#include "control/pki/index.h"

#include <algorithm>
#include <charconv>

namespace penstock::pki {
namespace {

constexpr std::string_view kFormat = "penstock-ca 1 ";

std::string_view next_word(std::string_view& line) {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

template <typename Number>
bool read_number(std::string_view word, Number& out) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  return error == std::errc() && end == word.data() + word.size() && out >= 0;
}

bool read_serial(std::string_view word, std::string& out) {
  out = word;
  return !word.empty() && normal_serial(word) == word;
}

bool read_entry(std::string_view line, Entry& entry) {
  const bool read = read_serial(next_word(line), entry.serial) && read_serial(next_word(line), entry.root) &&
                    read_number(next_word(line), entry.not_before) && read_number(next_word(line), entry.not_after) &&
                    read_number(next_word(line), entry.revoked);
  auto id = SpiffeId::parse(line);
  if (!read || !id) return false;
  entry.id = std::move(id).value();
  return true;
}

}  // namespace

void Index::forget_expired(Seconds now) {
  std::erase_if(entries, [now](const Entry& entry) { return entry.not_after + kKeptAfterExpiry < now; });
}

size_t Index::revoked() const {
  return static_cast<size_t>(
      std::count_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.revoked != 0; }));
}

std::string Index::text() const {
  std::string out = std::string(kFormat) + trust_domain + " " + std::to_string(list_number) + "\n";
  for (const Entry& entry : entries) {
    out.append(entry.serial).append(" ").append(entry.root).append(" ");
    for (const Seconds time : {entry.not_before, entry.not_after, entry.revoked})
      out.append(std::to_string(time)).append(" ");
    out.append(entry.id.text()).append("\n");
  }
  return out;
}

base::Result<Index> parse_index(std::string_view text, const std::string& name) {
  Index index;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const auto fault = [&](const std::string& reason) {
      std::string message = name;
      message.append(": line ").append(std::to_string(number)).append(": ").append(reason);
      return base::Error{std::move(message)};
    };
    ++number;
    if (end == std::string_view::npos) return fault("is cut short");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1) {
      if (!line.starts_with(kFormat)) return fault("want \"" + std::string(kFormat) + "...\"");
      line.remove_prefix(kFormat.size());
      index.trust_domain = next_word(line);
      if (auto valid = check_trust_domain(index.trust_domain); !valid) return fault(valid.error());
      if (!read_number(line, index.list_number)) return fault("the number of the list is no number");
      continue;
    }
    if (index.entries.size() == kMaxEntries) return fault("more than " + std::to_string(kMaxEntries) + " certificates");
    Entry entry;
    if (!read_entry(line, entry)) return fault("is no entry of a certificate: " + quoted(line));
    index.entries.push_back(std::move(entry));
  }
  if (number == 0) return base::Error{name + ": is empty"};
  return index;
}

}  // namespace penstock::pki
