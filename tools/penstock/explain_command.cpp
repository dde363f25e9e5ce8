// explain: the reference of kinds and their fields, out of the comments of the .proto files.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <iostream>

#include "control/api/manifest.h"
#include "tools/penstock/cli.h"

namespace penstock::cli {

extern const unsigned char kDescriptors[];  // embed.cmake
extern const std::size_t kDescriptorsSize;

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

class Reference {
 public:
  Reference() {
    google::protobuf::FileDescriptorSet set;
    set.ParseFromArray(kDescriptors, static_cast<int>(kDescriptorsSize));
    for (const auto& file : set.file()) pool_.BuildFile(file);
  }

  const Descriptor* kind(const std::string& name) const {
    for (const char* package : {"penstock.v1alpha1.", "penstock.kubernetes.", "penstock.gateway."})
      if (const auto* found = pool_.FindMessageTypeByName(package + name)) return found;
    return nullptr;
  }

 private:
  google::protobuf::DescriptorPool pool_;
};

// The comment above a message or field, its lines joined to one paragraph.
template <typename T>
std::string comment_of(const T* element) {
  google::protobuf::SourceLocation location;
  if (!element->GetSourceLocation(&location)) return "";
  std::string out;
  bool blank = true;
  for (const char c : location.leading_comments) {
    const bool space = c == '\n' || c == ' ';
    if (!space) out += c;
    if (space && !blank) out += ' ';
    blank = space;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string type_of(const FieldDescriptor* field) {
  std::string type;
  if (field->is_map()) return "map of text";
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      type = field->message_type()->full_name() == "google.protobuf.Value" ? "number or text" : "fields";
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      type = "text";
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      type = "true or false";
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      type = "number";
      break;
    default:
      type = "whole number";
  }
  return field->is_repeated() ? "list of " + type : type;
}

void print_wrapped(const std::string& text, size_t indent) {
  constexpr size_t kWidth = 100;
  const std::string blanks(indent, ' ');
  std::string line = blanks;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (line.size() > indent && line.size() + 1 + (end - at) > kWidth) {
      std::cout << line << "\n";
      line = blanks;
    }
    line += (line.size() > indent ? " " : "") + text.substr(at, end - at);
    at = end + 1;
  }
  if (line.size() > indent) std::cout << line << "\n";
}

bool has_fields(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map() &&
         field->message_type()->full_name() != "google.protobuf.Value";
}

void print_fields(const Descriptor* message, size_t indent, bool deep) {
  for (int i = 0; i < message->field_count(); ++i) {
    const FieldDescriptor* field = message->field(i);
    std::cout << std::string(indent, ' ') << coloured(Colour::kBold, field->json_name()) << "  "
              << coloured(Colour::kDim, "(" + type_of(field) + ")") << "\n";
    print_wrapped(comment_of(field), indent + 4);
    if (!has_fields(field)) continue;
    if (deep) {
      print_wrapped(comment_of(field->message_type()), indent + 4);
      print_fields(field->message_type(), indent + 4, deep);
    }
  }
}

const FieldDescriptor* field_named(const Descriptor* message, const std::string& name) {
  for (int i = 0; i < message->field_count(); ++i)
    if (message->field(i)->json_name() == name) return message->field(i);
  return nullptr;
}

api::Tree tree_of(const Descriptor* message, bool deep) {
  api::Tree fields = api::Tree::list();
  for (int i = 0; i < message->field_count(); ++i) {
    const FieldDescriptor* field = message->field(i);
    api::Tree& each = fields.items.emplace_back(api::Tree::map());
    each.add("name", api::Tree::string(field->json_name()));
    each.add("type", api::Tree::string(type_of(field)));
    each.add("description", api::Tree::string(comment_of(field)));
    if (deep && has_fields(field)) each.add("fields", tree_of(field->message_type(), deep));
  }
  return fields;
}

int print_kinds(const Shared& shared, const Reference& reference) {
  if (shared.output != Output::kTable) {
    api::Tree kinds = api::Tree::list();
    for (const api::KindInfo& info : api::kinds()) {
      api::Tree& each = kinds.items.emplace_back(api::Tree::map());
      each.add("kind", api::Tree::string(info.kind));
      each.add("apiVersion", api::Tree::string(info.api_version));
      each.add("description", api::Tree::string(comment_of(reference.kind(info.kind))));
    }
    print_tree(shared, kinds);
    return kOk;
  }
  Table table({"KIND", "APIVERSION", "WHAT"});
  for (const api::KindInfo& info : api::kinds()) {
    const std::string comment = comment_of(reference.kind(info.kind));
    table.add({info.kind, info.api_version, comment.substr(0, comment.find(". "))});
  }
  table.print();
  return kOk;
}

int run_explain(const Shared& shared, const std::string& path, bool recursive) {
  const Reference reference;
  if (path.empty()) return print_kinds(shared, reference);
  size_t dot = std::min(path.find('.'), path.size());
  const std::string kind = api::kind_named(path.substr(0, dot));
  if (kind.empty()) {
    std::cerr << "penstock: there is no kind \"" << path.substr(0, dot) << "\"; `penstock explain` lists them\n";
    return kUsage;
  }
  const Descriptor* message = reference.kind(kind);
  std::string title = kind, about = comment_of(message);
  while (dot < path.size()) {
    const size_t end = std::min(path.find('.', dot + 1), path.size());
    const std::string name = path.substr(dot + 1, end - dot - 1);
    const FieldDescriptor* field = message ? field_named(message, name) : nullptr;
    if (!field) {
      std::cerr << "penstock: " << title << " has no field \"" << name << "\"\n";
      return kUsage;
    }
    title += "." + name;
    about = "(" + type_of(field) + ") " + comment_of(field);
    message = has_fields(field) ? field->message_type() : nullptr;
    if (message) about += " " + comment_of(message);
    dot = end;
  }
  if (shared.output != Output::kTable) {
    api::Tree tree = api::Tree::map();
    tree.add("name", api::Tree::string(title));
    tree.add("description", api::Tree::string(about));
    if (message) tree.add("fields", tree_of(message, recursive));
    print_tree(shared, tree);
    return kOk;
  }
  std::cout << coloured(Colour::kBold, title) << "\n";
  print_wrapped(about, 0);
  if (message) {
    std::cout << "\n";
    print_fields(message, 2, recursive);
  }
  return kOk;
}

}  // namespace

void add_explain_command(CLI::App& app, Shared& shared) {
  auto path = std::make_shared<std::string>();
  auto recursive = std::make_shared<bool>(false);
  auto* command = app.add_subcommand("explain", "What kinds and their fields mean")->fallthrough();
  command->footer(
      "Examples:\n  penstock explain\n  penstock explain RateLimit --recursive\n"
      "  penstock explain Node.spec.interfaces.reversePath");
  command->add_option("field", *path, "Kind or Kind.field.field; all kinds when absent");
  command->add_flag("-r,--recursive", *recursive, "fields of fields too");
  command->callback([&shared, path, recursive] { shared.status = run_explain(shared, *path, *recursive); });
}

}  // namespace penstock::cli
