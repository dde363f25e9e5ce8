// Trees to YAML and JSON text.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <set>

#include "control/api/tree.h"

namespace penstock::api {

namespace {

// Only ASCII control characters, '"' and '\' need it (RFC 8259 §7); the rest of UTF-8 goes as it is.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          char escape[8];
          std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
          out += escape;
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

// Whether readers of YAML 1.1 and 1.2 alike take the text for this string without quotes.
bool is_plain_yaml(std::string_view text) {
  if (text.empty() || text.size() > 200) return false;
  static const std::set<std::string, std::less<>> kWords = {"true", "false", "yes", "no",  "on",
                                                            "off",  "y",     "n",   "null"};
  std::string lower;
  bool only_digits = true;  // with what numbers and times of YAML 1.1 are made of
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool inside = i > 0 && i + 1 < text.size();
    const bool allowed =
        std::isalnum(c) || c == '_' || c == '/' || c == '.' ||
        (inside && (c == '-' || c == '@' || c == '+' || c == '=' || c == ',' || c == '(' || c == ')')) ||
        (inside && c == ':' && text[i + 1] != ' ') || (inside && c == ' ' && text[i + 1] != ' ');
    if (!allowed) return false;
    only_digits &= std::isdigit(c) || c == ':' || c == '_' || c == '-' || c == ',' || c == '.';
    lower += static_cast<char>(std::tolower(c));
  }
  if (kWords.contains(lower)) return false;
  if (only_digits) {
    // "10.0.0.1" is an address and "8000-8080" a range to everybody; "10.0" is a number and "2024-01-02" a date.
    const auto dots = std::count(text.begin(), text.end(), '.'), dashes = std::count(text.begin(), text.end(), '-');
    if (!(dots >= 2 && dashes == 0) && !(dots == 0 && dashes == 1)) return false;
  }
  char* end = nullptr;
  std::strtod(lower.c_str(), &end);
  return *end != 0;
}

void append_scalar(std::string& out, const Tree& tree, bool yaml) {
  if (tree.type == Tree::Type::kNull) {
    out += "null";
  } else if (!tree.quoted || (yaml && is_plain_yaml(tree.scalar))) {
    out += tree.scalar;
  } else {
    append_quoted(out, tree.scalar);
  }
}

bool is_leaf(const Tree& tree) { return tree.items.empty() && tree.members.empty(); }

void append_leaf(std::string& out, const Tree& tree, bool yaml) {
  if (tree.type == Tree::Type::kList) {
    out += "[]";
  } else if (tree.type == Tree::Type::kMap) {
    out += "{}";
  } else {
    append_scalar(out, tree, yaml);
  }
}

// Writes what follows "key:" or "- "; `fresh`: at the beginning of a line that is already indented.
void append_yaml(std::string& out, const Tree& tree, unsigned indent, bool fresh) {
  if (is_leaf(tree)) {
    append_leaf(out, tree, true);
    out += '\n';
    return;
  }
  const auto begin_line = [&] {
    if (!fresh) out.append(indent, ' ');
    fresh = false;
  };
  for (const Tree& item : tree.items) {
    begin_line();
    out += "- ";
    append_yaml(out, item, indent + 2, true);
  }
  for (const auto& [key, value] : tree.members) {
    begin_line();
    append_scalar(out, Tree::string(key), true);
    out += ':';
    if (is_leaf(value)) {
      out += ' ';
      append_yaml(out, value, 0, true);
    } else {
      out += '\n';
      // Lists stand under their key, as kubectl prints them.
      append_yaml(out, value, value.type == Tree::Type::kList ? indent : indent + 2, false);
    }
  }
}

void append_json(std::string& out, const Tree& tree, unsigned indent) {
  if (is_leaf(tree)) {
    append_leaf(out, tree, false);
    return;
  }
  const bool list = tree.type == Tree::Type::kList;
  out += list ? "[" : "{";
  const char* comma = "\n";
  const auto begin_line = [&] {
    out += comma;
    comma = ",\n";
    out.append(indent + 2, ' ');
  };
  for (const Tree& item : tree.items) {
    begin_line();
    append_json(out, item, indent + 2);
  }
  for (const auto& [key, value] : tree.members) {
    begin_line();
    append_quoted(out, key);
    out += ": ";
    append_json(out, value, indent + 2);
  }
  out += '\n';
  out.append(indent, ' ');
  out += list ? "]" : "}";
}

}  // namespace

std::string to_yaml(const Tree& tree) {
  std::string out;
  append_yaml(out, tree, 0, false);
  return out;
}

std::string to_json(const Tree& tree) {
  std::string out;
  append_json(out, tree, 0);
  out += '\n';
  return out;
}

}  // namespace penstock::api
