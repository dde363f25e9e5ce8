#include "l7/guard/access.h"

#include "l7/config/hostname.h"
#include "l7/guard/lenient_path.h"
#include "l7/http/path.h"
#include "l7/http/query.h"

namespace penstock::guard {

namespace {

// `field`: of the expressions among them, for errors.
void add_all(TextSet& to, const config::TextMatches& from, const std::string& field, Expressions& expressions) {
  size_t place = 0;
  for (const config::TextMatch& each : from) {
    const bool is_regex = each.kind == config::TextKind::kRegex;
    to.add(each, is_regex ? field + "[" + std::to_string(place++) + "]" : "", expressions);
  }
  to.seal();
}

void add_all(AddressSet& to, const std::vector<base::Prefix>& from) {
  for (const base::Prefix& each : from) to.add(each);
  to.seal();
}

// Compared with normalised paths, so written like them. Of a path that validation passed.
config::TextMatches normalised(config::TextMatches matches, bool lenient) {
  for (config::TextMatch& each : matches) {
    if (each.kind != config::TextKind::kExact && each.kind != config::TextKind::kPrefix) continue;
    std::string out(each.value.size() + 1, '\0');
    const http::NormalPath normal = http::normalise_path(each.value, {}, out.data());
    if (normal.fault != http::Fault::kNone) continue;
    std::string path(normal.path);
    if (lenient) path = std::string(lenient_path(path, out.data()));
    each.value = std::move(path);
  }
  return matches;
}

}  // namespace

base::Result<Access> Access::build(std::span<const config::AccessPolicy> policies) {
  Access access;
  Expressions expressions;
  for (const config::AccessPolicy& from : policies) {
    Policy& policy = access.policies_.emplace_back(Policy{from.action, from.shadow, from.slot, {}});
    for (size_t i = 0; i < from.rules.size(); ++i)
      policy.rules.push_back(compile(
          from.rules[i], "RequestAccessPolicy/" + from.name + " spec.rules[" + std::to_string(i) + "].", expressions));
  }
  auto patterns = match::PatternSet::build(expressions.patterns);
  if (!patterns) return base::Error{patterns.error()};
  access.patterns_ = std::move(*patterns);
  return access;
}

Access::Rule Access::compile(const config::AccessRule& from, const std::string& owner, Expressions& expressions) {
  Rule rule;
  rule.slot = from.slot;
  add_all(rule.from, from.from);
  add_all(rule.not_from, from.not_from);
  add_all(rule.hosts, from.hosts, "", expressions);
  add_all(rule.not_hosts, from.not_hosts, "", expressions);
  add_all(rule.paths, normalised(from.paths, false), owner + "pathExpressions", expressions);
  add_all(rule.not_paths, normalised(from.not_paths, false), owner + "notPathExpressions", expressions);
  add_all(rule.lenient_paths, normalised(from.paths, true), owner + "pathExpressions", expressions);
  add_all(rule.lenient_not_paths, normalised(from.not_paths, true), owner + "notPathExpressions", expressions);
  rule.asks_path = !rule.paths.empty() || !rule.not_paths.empty();
  add_all(rule.methods, from.methods, "", expressions);
  add_all(rule.not_methods, from.not_methods, "", expressions);
  const auto add_fields = [&](std::vector<Fields>& to, const std::vector<config::FieldMatch>& fields,
                              const std::string& list) {
    for (size_t i = 0; i < fields.size(); ++i) {
      Fields& each = to.emplace_back();
      each.name = fields[i].name;
      const std::string at = owner + list + "[" + std::to_string(i) + "].";
      add_all(each.values, fields[i].values, at + "expressions", expressions);
      add_all(each.not_values, fields[i].not_values, at + "notExpressions", expressions);
    }
  };
  add_fields(rule.headers, from.headers, "headers");
  add_fields(rule.query, from.query, "queryParams");
  return rule;
}

base::Result<AccessScratch> AccessScratch::make(const Access& access) {
  AccessScratch scratch;
  if (auto fitted = scratch.patterns_.fit(access.patterns_); !fitted) return base::Error{fitted.error()};
  const size_t words = access.patterns_.words();
  for (auto* found : {&scratch.found_, &scratch.found_lenient_, &scratch.found_other_})
    *found = std::make_unique<uint64_t[]>(words);
  scratch.path_ = std::make_unique_for_overwrite<char[]>(kRoom);
  scratch.value_ = std::make_unique_for_overwrite<char[]>(kRoom);
  return scratch;
}

const Access::Rule* Judge::met(const Access::Policy& policy) {
  const bool any = policy.action == config::AccessAction::kDeny;  // of several readings
  for (const Access::Rule& rule : policy.rules)
    if (meets(rule, any)) return &rule;
  return nullptr;
}

// What is cheap comes first.
bool Judge::meets(const Access::Rule& rule, bool any) {
  if (!rule.from.empty() && !rule.from.has(source_)) return false;
  if (rule.not_from.has(source_)) return false;
  if (!meets_text(rule.methods, rule.not_methods, head_.method_text())) return false;
  if (!meets_text(rule.hosts, rule.not_hosts, config::without_final_dot(head_.host()))) return false;
  if (rule.asks_path && !meets_path(rule, any)) return false;
  for (const Access::Fields& each : rule.headers)
    if (!meets_header(each, any)) return false;
  for (const Access::Fields& each : rule.query)
    if (!meets_query(each, any)) return false;
  return true;
}

bool Judge::meets_text(const TextSet& wanted, const TextSet& unwanted, std::string_view text) {
  const uint64_t* found = nullptr;
  const auto scanned = [&] {
    if (found == nullptr) found = scan(text, scratch_.found_other_.get());
    return found;
  };
  return (wanted.empty() || wanted.has(text, scanned)) && !unwanted.has(text, scanned);
}

void Judge::read_path() {
  path_read_ = true;
  path_usable_ = head_.path().size() <= AccessScratch::kRoom;
  if (path_usable_) lenient_ = lenient_path(head_.path(), scratch_.path_.get());
}

bool Judge::meets_path(const Access::Rule& rule, bool any) {
  if (!path_read_) read_path();
  if (!path_usable_) return any;
  const std::string_view path = head_.path();
  const auto scanned = [&] {
    if (!path_scanned_) scan(path, scratch_.found_.get());
    path_scanned_ = true;
    return scratch_.found_.get();
  };
  const bool as_is = (rule.paths.empty() || rule.paths.has(path, scanned)) && !rule.not_paths.has(path, scanned);
  if (as_is == any) return any;  // one of two is enough, or one is missing
  const auto lenient_scanned = [&] {
    if (!lenient_scanned_) scan(lenient_, scratch_.found_lenient_.get());
    lenient_scanned_ = true;
    return scratch_.found_lenient_.get();
  };
  return (rule.lenient_paths.empty() || rule.lenient_paths.has(lenient_, lenient_scanned)) &&
         !rule.lenient_not_paths.has(lenient_, lenient_scanned);
}

bool Judge::meets_value(const Access::Fields& wanted, std::string_view value) {
  return meets_text(wanted.values, wanted.not_values, value);
}

bool Judge::meets_header(const Access::Fields& wanted, bool any) {
  if (wanted.name == "host") return meets_value(wanted, head_.host());
  if (wanted.name == "upgrade")
    return head_.upgrade().empty() ? wanted.values.empty() : meets_value(wanted, head_.upgrade());
  bool there = false;
  for (const http::Field* field = head_.fields.find(wanted.name); field != nullptr;
       field = head_.fields.find(wanted.name, field + 1)) {
    there = true;
    if (meets_value(wanted, head_.fields.value(*field)) == any) return any;
  }
  return there ? !any : wanted.values.empty();
}

bool Judge::meets_query(const Access::Fields& wanted, bool any) {
  bool there = false;
  http::QueryParameters parameters(head_.query());
  while (const auto parameter = parameters.next()) {
    if (!http::decodes_to(parameter->name, wanted.name)) continue;
    there = true;
    if (parameter->value.size() > AccessScratch::kRoom) return any;
    const size_t size = http::decode_parameter(parameter->value, scratch_.value_.get());
    if (meets_value(wanted, {scratch_.value_.get(), size}) == any) return any;
  }
  return there ? !any : wanted.values.empty();
}

const uint64_t* Judge::scan(std::string_view text, uint64_t* found) {
  access_.patterns_.scan(text, scratch_.patterns_, {found, access_.patterns_.words()});
  return found;
}

}  // namespace penstock::guard
