// Kinds RequestAccessPolicy and RequestInspection.
#include "control/api/translate_kinds.h"
#include "l7/config/route.h"

namespace penstock::api {

namespace {

using config::TextKind;
using config::TextMatch;
using config::TextMatches;
using Texts = google::protobuf::RepeatedPtrField<std::string>;
using Targets = google::protobuf::RepeatedPtrField<v1alpha1::RequestTargetRef>;

constexpr Choice<bool> kTargets[] = {{"Gateway", false}, {"HTTPRoute", true}};
constexpr Choice<config::AccessAction> kActions[] = {{"ALLOW", config::AccessAction::kAllow},
                                                     {"DENY", config::AccessAction::kDeny}};
constexpr Choice<config::InspectionAction> kInspectionActions[] = {{"log", config::InspectionAction::kLog},
                                                                   {"deny", config::InspectionAction::kDeny},
                                                                   {"tag", config::InspectionAction::kTag},
                                                                   {"limit", config::InspectionAction::kLimit}};
constexpr Choice<config::InspectionAction> kUninspectable[] = {{"log", config::InspectionAction::kLog},
                                                               {"deny", config::InspectionAction::kDeny}};
constexpr Choice<uint8_t> kParts[] = {{"path", config::kInspectPath},
                                      {"query", config::kInspectQuery},
                                      {"headers", config::kInspectHeaders},
                                      {"body", config::kInspectBody}};
constexpr std::string_view kHeaderPart = "header:";

void read_targets(const Targets& messages, const std::string& space, const Path& spec,
                  std::vector<model::RequestTarget>& out, Fields& fields) {
  for (int i = 0; i < messages.size(); ++i) {
    const Path at{&spec, "targetRefs", i};
    model::RequestTarget& target = out.emplace_back();
    if (messages[i].has_group() && messages[i].group() != model::kGatewayGroup)
      fields.fault({&at, "group"}, Fields::quoted(messages[i].group()) + " is not " + model::kGatewayGroup);
    fields.choice({&at, "kind"}, messages[i].kind(), kTargets, target.route);
    target.name = {space, messages[i].name()};
    target.section = messages[i].section_name();
  }
}

void write_targets(const std::vector<model::RequestTarget>& targets, Targets& out) {
  for (const model::RequestTarget& each : targets) {
    v1alpha1::RequestTargetRef& message = *out.Add();
    message.set_kind(name_of(each.route, kTargets));
    message.set_name(each.name.name);
    message.set_section_name(each.section);
  }
}

// "*", "x*", "*x" or a whole text.
TextMatch text_match(std::string_view text) {
  if (text == "*") return {TextKind::kPresent, ""};
  if (text.ends_with('*')) return {TextKind::kPrefix, std::string(text.substr(0, text.size() - 1))};
  if (text.starts_with('*')) return {TextKind::kSuffix, std::string(text.substr(1))};
  return {TextKind::kExact, std::string(text)};
}

void read_texts(const Texts& texts, TextMatches& out) {
  for (const std::string& each : texts) out.push_back(text_match(each));
}

void read_expressions(const Texts& texts, TextMatches& out) {
  for (const std::string& each : texts) out.push_back({TextKind::kRegex, each});
}

void write_texts(const TextMatches& matches, Texts& out, Texts* expressions = nullptr) {
  for (const TextMatch& each : matches) {
    switch (each.kind) {
      case TextKind::kExact:
        *out.Add() = each.value;
        break;
      case TextKind::kPrefix:
        *out.Add() = each.value + "*";
        break;
      case TextKind::kSuffix:
        *out.Add() = "*" + each.value;
        break;
      case TextKind::kPresent:
        *out.Add() = "*";
        break;
      case TextKind::kRegex:
        if (expressions != nullptr) *expressions->Add() = each.value;
        break;
    }
  }
}

void lower(TextMatches& matches) {
  for (TextMatch& each : matches) each.value = config::lowered(each.value);
}

void read_field(const v1alpha1::RequestFieldMatch& message, config::FieldMatch& out) {
  out.name = message.name();
  read_texts(message.values(), out.values);
  read_expressions(message.expressions(), out.values);
  read_texts(message.not_values(), out.not_values);
  read_expressions(message.not_expressions(), out.not_values);
}

void write_field(const config::FieldMatch& field, v1alpha1::RequestFieldMatch& out) {
  out.set_name(field.name);
  write_texts(field.values, *out.mutable_values(), out.mutable_expressions());
  write_texts(field.not_values, *out.mutable_not_values(), out.mutable_not_expressions());
}

void read_rule(const v1alpha1::RequestAccessRule& message, const Path& at, config::AccessRule& out, Fields& fields) {
  out.name = message.has_name() ? message.name() : std::to_string(at.index);
  fields.prefixes(at, "remoteIpBlocks", message.remote_ip_blocks(), out.from);
  fields.prefixes(at, "notRemoteIpBlocks", message.not_remote_ip_blocks(), out.not_from);
  read_texts(message.hosts(), out.hosts);
  read_texts(message.not_hosts(), out.not_hosts);
  lower(out.hosts);
  lower(out.not_hosts);
  read_texts(message.paths(), out.paths);
  read_expressions(message.path_expressions(), out.paths);
  read_texts(message.not_paths(), out.not_paths);
  read_expressions(message.not_path_expressions(), out.not_paths);
  read_texts(message.methods(), out.methods);
  read_texts(message.not_methods(), out.not_methods);
  for (const auto& each : message.headers()) {
    read_field(each, out.headers.emplace_back());
    out.headers.back().name = config::lowered(each.name());
  }
  for (const auto& each : message.query_params()) read_field(each, out.query.emplace_back());
}

void write_prefixes(const std::vector<base::Prefix>& prefixes, Texts& out) {
  for (const base::Prefix& each : prefixes) *out.Add() = each.to_string();
}

void write_rule(const config::AccessRule& rule, size_t place, v1alpha1::RequestAccessRule& out) {
  if (rule.name != std::to_string(place)) out.set_name(rule.name);
  write_prefixes(rule.from, *out.mutable_remote_ip_blocks());
  write_prefixes(rule.not_from, *out.mutable_not_remote_ip_blocks());
  write_texts(rule.hosts, *out.mutable_hosts());
  write_texts(rule.not_hosts, *out.mutable_not_hosts());
  write_texts(rule.paths, *out.mutable_paths(), out.mutable_path_expressions());
  write_texts(rule.not_paths, *out.mutable_not_paths(), out.mutable_not_path_expressions());
  write_texts(rule.methods, *out.mutable_methods());
  write_texts(rule.not_methods, *out.mutable_not_methods());
  for (const config::FieldMatch& each : rule.headers) write_field(each, *out.add_headers());
  for (const config::FieldMatch& each : rule.query) write_field(each, *out.add_query_params());
}

void read_pattern(const v1alpha1::InspectionPattern& message, const Path& at, config::InspectionPattern& out,
                  Fields& fields) {
  out.name = message.name();
  out.expression = message.expression();
  out.ignore_case = message.ignore_case();
  out.dot_all = message.dot_all();
  for (int i = 0; i < message.in_size(); ++i) {
    uint8_t part = 0;
    if (message.in(i).starts_with(kHeaderPart))
      out.headers.push_back(config::lowered(message.in(i).substr(kHeaderPart.size())));
    else
      fields.choice({&at, "in", i}, message.in(i), kParts, part);
    out.parts |= part;
  }
  fields.choice({&at, "action"}, message.action(), kInspectionActions, out.action);
  out.limit = message.rate_limit();
  if (!message.has_tag()) return;
  out.tag_name = config::lowered(message.tag().header());
  out.tag_value = message.tag().has_value() ? message.tag().value() : message.name();
}

void write_pattern(const config::InspectionPattern& pattern, v1alpha1::InspectionPattern& out) {
  out.set_name(pattern.name);
  out.set_expression(pattern.expression);
  if (pattern.ignore_case) out.set_ignore_case(true);
  if (pattern.dot_all) out.set_dot_all(true);
  for (const auto& part : kParts)
    if (pattern.parts & part.value) out.add_in(part.name);
  for (const std::string& each : pattern.headers) out.add_in(std::string(kHeaderPart) + each);
  out.set_action(name_of(pattern.action, kInspectionActions));
  if (!pattern.limit.empty()) out.set_rate_limit(pattern.limit);
  if (pattern.tag_name.empty()) return;
  out.mutable_tag()->set_header(pattern.tag_name);
  if (pattern.tag_value != pattern.name) out.mutable_tag()->set_value(pattern.tag_value);
}

}  // namespace

void to_model(const v1alpha1::RequestAccessPolicy& message, model::RequestAccessPolicy& object, Fields& fields) {
  const v1alpha1::RequestAccessPolicySpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  read_targets(spec.target_refs(), object.name.space, path, object.targets, fields);
  if (spec.has_action()) fields.choice({&path, "action"}, spec.action(), kActions, object.action);
  object.shadow = spec.shadow();
  for (int i = 0; i < spec.rules_size(); ++i)
    read_rule(spec.rules(i), {&path, "rules", i}, object.rules.emplace_back(), fields);
}

void to_message(const model::RequestAccessPolicy& object, v1alpha1::RequestAccessPolicy& message) {
  v1alpha1::RequestAccessPolicySpec& spec = *message.mutable_spec();
  write_targets(object.targets, *spec.mutable_target_refs());
  spec.set_action(name_of(object.action, kActions));
  for (size_t i = 0; i < object.rules.size(); ++i) write_rule(object.rules[i], i, *spec.add_rules());
  if (object.shadow) spec.set_shadow(true);
}

void to_model(const v1alpha1::RequestInspection& message, model::RequestInspection& object, Fields& fields) {
  const v1alpha1::RequestInspectionSpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  read_targets(spec.target_refs(), object.name.space, path, object.targets, fields);
  for (int i = 0; i < spec.patterns_size(); ++i)
    read_pattern(spec.patterns(i), {&path, "patterns", i}, object.patterns.emplace_back(), fields);
  object.body_bytes = spec.body_bytes();
  if (spec.has_on_uninspectable())
    fields.choice({&path, "onUninspectable"}, spec.on_uninspectable(), kUninspectable, object.uninspectable.emplace());
}

void to_message(const model::RequestInspection& object, v1alpha1::RequestInspection& message) {
  v1alpha1::RequestInspectionSpec& spec = *message.mutable_spec();
  write_targets(object.targets, *spec.mutable_target_refs());
  for (const config::InspectionPattern& each : object.patterns) write_pattern(each, *spec.add_patterns());
  if (object.body_bytes != 0) spec.set_body_bytes(object.body_bytes);
  if (object.uninspectable) spec.set_on_uninspectable(name_of(*object.uninspectable, kUninspectable));
}

}  // namespace penstock::api
