// Kind HTTPRoute.
#include <set>

#include "control/api/translate_kinds.h"
#include "control/api/translate_route.h"
#include "control/api/translate_session.h"

namespace penstock::api {

namespace {

using Change = config::HeaderChange;
using Modifier = config::PathModifier;

constexpr Choice<config::PathKind> kPaths[] = {{"Exact", config::PathKind::kExact},
                                               {"PathPrefix", config::PathKind::kPrefix},
                                               {"RegularExpression", config::PathKind::kRegex}};
constexpr Choice<bool> kConditions[] = {{"Exact", false}, {"RegularExpression", true}};
constexpr Choice<http::Scheme> kSchemes[] = {{"http", http::Scheme::kHttp}, {"https", http::Scheme::kHttps}};
constexpr Choice<Modifier::Kind> kModifiers[] = {{"ReplaceFullPath", Modifier::Kind::kFullPath},
                                                 {"ReplacePrefixMatch", Modifier::Kind::kPrefixMatch}};
constexpr uint64_t kNanosPerMilli = 1'000'000;

void read_duration(const Path& path, std::string_view text, base::Nanos& out, Fields& fields) {
  uint32_t milliseconds = 0;
  const size_t before = fields.faults();
  fields.milliseconds(path, text, milliseconds);
  if (fields.faults() == before) out = milliseconds * kNanosPerMilli;
}

std::string duration_text(base::Nanos nanos) {
  return milliseconds_text(static_cast<uint32_t>(nanos / kNanosPerMilli));
}

template <typename List>
void read_conditions(const List& messages, const Path& match, const char* name, std::vector<config::Condition>& out,
                     Fields& fields) {
  for (int i = 0; i < messages.size(); ++i) {
    const Path at{&match, name, i};
    auto& condition = out.emplace_back();
    condition.name = messages[i].name();
    condition.value = messages[i].value();
    if (!messages[i].type().empty()) fields.choice({&at, "type"}, messages[i].type(), kConditions, condition.regex);
  }
}

void write_condition(const config::Condition& condition, auto& out) {
  out.set_name(condition.name);
  out.set_value(condition.value);
  if (condition.regex) out.set_type("RegularExpression");
}

}  // namespace

void read_match(const gateway::HTTPRouteMatch& message, config::Match& out, const Path& at, Fields& fields) {
  const Path path{&at, "path"};
  if (!message.path().type().empty()) fields.choice({&path, "type"}, message.path().type(), kPaths, out.path.kind);
  if (message.path().has_value()) out.path.value = message.path().value();
  read_conditions(message.headers(), at, "headers", out.headers, fields);
  read_conditions(message.query_params(), at, "queryParams", out.query, fields);
  if (message.method().empty()) return;
  out.method = http::method_of(message.method());
  if (*out.method == http::Method::kOther) {
    fields.fault({&at, "method"}, Fields::quoted(message.method()) +
                                      " is not one of GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH");
    out.method.reset();
  }
}

void write_match(const config::Match& match, gateway::HTTPRouteMatch& out) {
  const config::PathMatch defaults;
  if (match.path.kind != defaults.kind) out.mutable_path()->set_type(name_of(match.path.kind, kPaths));
  if (match.path.value != defaults.value) out.mutable_path()->set_value(match.path.value);
  for (const config::Condition& each : match.headers) write_condition(each, *out.add_headers());
  for (const config::Condition& each : match.query) write_condition(each, *out.add_query_params());
  if (match.method) out.set_method(std::string(http::to_string(*match.method)));
}

namespace {

void read_changes(const gateway::HTTPHeaderFilter& message, std::vector<Change>& out) {
  for (const auto& each : message.set())
    out.push_back({Change::Kind::kSet, config::lowered(each.name()), each.value()});
  for (const auto& each : message.add())
    out.push_back({Change::Kind::kAdd, config::lowered(each.name()), each.value()});
  for (const auto& each : message.remove()) out.push_back({Change::Kind::kRemove, config::lowered(each), ""});
}

void write_changes(const std::vector<Change>& changes, gateway::HTTPHeaderFilter& out) {
  for (const Change& change : changes) {
    if (change.kind == Change::Kind::kRemove) {
      out.add_remove(change.name);
      continue;
    }
    auto& header = change.kind == Change::Kind::kSet ? *out.add_set() : *out.add_add();
    header.set_name(change.name);
    header.set_value(change.value);
  }
}

void read_modifier(const gateway::HTTPPathModifier& message, Modifier& out, const Path& at, Fields& fields) {
  fields.choice({&at, "type"}, message.type(), kModifiers, out.kind);
  const bool full = out.kind == Modifier::Kind::kFullPath, prefix = out.kind == Modifier::Kind::kPrefixMatch;
  if (message.has_replace_full_path() != full || message.has_replace_prefix_match() != prefix)
    fields.fault(at, "want the one of replaceFullPath and replacePrefixMatch that its type names");
  out.replacement = full ? message.replace_full_path() : message.replace_prefix_match();
}

void write_modifier(const Modifier& modifier, gateway::HTTPPathModifier& out) {
  out.set_type(name_of(modifier.kind, kModifiers));
  if (modifier.kind == Modifier::Kind::kFullPath) out.set_replace_full_path(modifier.replacement);
  if (modifier.kind == Modifier::Kind::kPrefixMatch) out.set_replace_prefix_match(modifier.replacement);
}

void read_redirect(const gateway::HTTPRequestRedirectFilter& message, config::Redirect& out, const Path& at,
                   Fields& fields) {
  if (!message.scheme().empty()) fields.choice({&at, "scheme"}, message.scheme(), kSchemes, out.scheme.emplace());
  out.hostname = message.hostname();
  if (message.has_path()) read_modifier(message.path(), out.path, {&at, "path"}, fields);
  fields.number({&at, "port"}, message.port(), out.port);
  if (message.has_status_code()) fields.number({&at, "statusCode"}, message.status_code(), out.status);
}

void read_mirror(const gateway::HTTPRequestMirrorFilter& message, const std::string& space, model::MirrorFilter& out,
                 const Path& at, Fields& fields) {
  read_backend(message.backend_ref(), space, {&at, "backendRef"}, out.backend, fields);
  if (message.has_percent() && message.has_fraction()) fields.fault(at, "has both percent and fraction");
  if (message.has_percent()) {
    fields.number({&at, "percent"}, message.percent(), out.numerator);
    out.denominator = 100;
  }
  if (message.has_fraction()) {
    const Path fraction{&at, "fraction"};
    out.denominator = 100;
    fields.number({&fraction, "numerator"}, message.fraction().numerator(), out.numerator);
    if (message.fraction().has_denominator())
      fields.number({&fraction, "denominator"}, message.fraction().denominator(), out.denominator);
  }
}

void write_mirror(const model::MirrorFilter& mirror, const std::string& space, gateway::HTTPRequestMirrorFilter& out) {
  write_backend(mirror.backend, space, *out.mutable_backend_ref());
  if (mirror.numerator == 1 && mirror.denominator == 1) return;
  out.mutable_fraction()->set_numerator(static_cast<int32_t>(mirror.numerator));
  out.mutable_fraction()->set_denominator(static_cast<int32_t>(mirror.denominator));
}

void read_cors(const gateway::HTTPCORSFilter& message, config::Cors& out, const Path& at, Fields& fields) {
  out.origins.assign(message.allow_origins().begin(), message.allow_origins().end());
  out.methods.assign(message.allow_methods().begin(), message.allow_methods().end());
  for (const std::string& name : message.allow_headers()) out.request_headers.push_back(config::lowered(name));
  for (const std::string& name : message.expose_headers()) out.expose_headers.push_back(config::lowered(name));
  out.credentials = message.allow_credentials();
  if (message.has_max_age()) fields.number({&at, "maxAge"}, message.max_age(), out.max_age_seconds);
}

void write_cors(const config::Cors& cors, gateway::HTTPCORSFilter& out) {
  for (const std::string& each : cors.origins) out.add_allow_origins(each);
  for (const std::string& each : cors.methods) out.add_allow_methods(each);
  for (const std::string& each : cors.request_headers) out.add_allow_headers(each);
  for (const std::string& each : cors.expose_headers) out.add_expose_headers(each);
  if (cors.credentials) out.set_allow_credentials(true);
  if (cors.max_age_seconds != config::Cors{}.max_age_seconds)
    out.set_max_age(static_cast<int32_t>(cors.max_age_seconds));
}

// One list of filters: a type is given by its name and its field, both and no other.
class FilterReader {
 public:
  FilterReader(const std::string& space, bool of_backend, Fields& fields, model::RouteFilters& out)
      : space_(space), of_backend_(of_backend), fields_(fields), out_(out) {}

  void read(const gateway::HTTPRouteFilter& message, const Path& at) {
    const std::string& type = message.type();
    if (!has_field_of(message, type)) {
      fields_.fault(at, "want the one field that its type names, and no other");
    } else if (type == "RequestHeaderModifier") {
      if (once(type, at)) read_changes(message.request_header_modifier(), out_.request);
    } else if (type == "ResponseHeaderModifier") {
      if (once(type, at)) read_changes(message.response_header_modifier(), out_.response);
    } else if (type == "URLRewrite") {
      if (once(type, at)) read_rewrite(message.url_rewrite(), {&at, "urlRewrite"});
    } else if (type == "RequestMirror") {
      read_mirror(message.request_mirror(), space_, out_.mirrors.emplace_back(), {&at, "requestMirror"}, fields_);
    } else if (of_backend_) {
      fields_.fault({&at, "type"}, Fields::quoted(type) + " is not for a backend (want RequestHeaderModifier, " +
                                       "ResponseHeaderModifier, URLRewrite or RequestMirror)");
    } else if (type == "ExtensionRef") {
      if (once(type, at)) read_extension(message.extension_ref(), {&at, "extensionRef"});
    } else if (type == "RequestRedirect") {
      if (once(type, at))
        read_redirect(message.request_redirect(), out_.redirect.emplace(), {&at, "requestRedirect"}, fields_);
    } else if (once(type, at)) {
      read_cors(message.cors(), out_.cors.emplace(), {&at, "cors"}, fields_);
    }
  }

 private:
  bool has_field_of(const gateway::HTTPRouteFilter& m, const std::string& type) {
    const std::pair<const char*, bool> fields[] = {
        {"RequestHeaderModifier", m.has_request_header_modifier()},
        {"ResponseHeaderModifier", m.has_response_header_modifier()},
        {"RequestRedirect", m.has_request_redirect()},
        {"URLRewrite", m.has_url_rewrite()},
        {"RequestMirror", m.has_request_mirror()},
        {"CORS", m.has_cors()},
        {"ExtensionRef", m.has_extension_ref()},
    };
    bool known = false, right = true;
    for (const auto& [name, given] : fields) {
      known |= type == name;
      right &= given == (type == name);
    }
    return known && right;
  }

  bool once(const std::string& type, const Path& at) {
    if (seen_.insert(type).second) return true;
    fields_.fault({&at, "type"}, type + " is given twice");
    return false;
  }

  void read_extension(const gateway::LocalObjectReference& message, const Path& at) {
    if (message.group() != model::kOwnGroup)
      fields_.fault({&at, "group"}, Fields::quoted(message.group()) + " is not " + model::kOwnGroup);
    if (message.kind() != "DirectResponse")
      fields_.fault({&at, "kind"}, Fields::quoted(message.kind()) + " is not DirectResponse");
    out_.direct = model::Name{space_, message.name()};
  }

  void read_rewrite(const gateway::HTTPURLRewriteFilter& message, const Path& at) {
    auto& rewrite = out_.rewrite.emplace();
    rewrite.hostname = message.hostname();
    if (message.has_path()) read_modifier(message.path(), rewrite.path, {&at, "path"}, fields_);
  }

  const std::string& space_;
  const bool of_backend_;
  Fields& fields_;
  model::RouteFilters& out_;
  std::set<std::string> seen_;
};

void read_filters(const google::protobuf::RepeatedPtrField<gateway::HTTPRouteFilter>& messages,
                  const std::string& space, bool of_backend, const Path& parent, model::RouteFilters& out,
                  Fields& fields) {
  FilterReader reader(space, of_backend, fields, out);
  for (int i = 0; i < messages.size(); ++i) reader.read(messages[i], {&parent, "filters", i});
}

// `message` has a list of filters: a rule or a backend.
void write_filters(const model::RouteFilters& filters, const std::string& space, auto& message) {
  const auto add = [&message](const char* type) -> gateway::HTTPRouteFilter& {
    gateway::HTTPRouteFilter& filter = *message.add_filters();
    filter.set_type(type);
    return filter;
  };
  if (!filters.request.empty())
    write_changes(filters.request, *add("RequestHeaderModifier").mutable_request_header_modifier());
  if (!filters.response.empty())
    write_changes(filters.response, *add("ResponseHeaderModifier").mutable_response_header_modifier());
  if (filters.redirect) {
    const config::Redirect& redirect = *filters.redirect;
    auto& out = *add("RequestRedirect").mutable_request_redirect();
    if (redirect.scheme) out.set_scheme(name_of(*redirect.scheme, kSchemes));
    out.set_hostname(redirect.hostname);
    if (redirect.path.kind != Modifier::Kind::kNone) write_modifier(redirect.path, *out.mutable_path());
    out.set_port(redirect.port);
    if (redirect.status != config::Redirect{}.status) out.set_status_code(redirect.status);
  }
  if (filters.rewrite) {
    auto& out = *add("URLRewrite").mutable_url_rewrite();
    out.set_hostname(filters.rewrite->hostname);
    if (filters.rewrite->path.kind != Modifier::Kind::kNone) write_modifier(filters.rewrite->path, *out.mutable_path());
  }
  for (const model::MirrorFilter& mirror : filters.mirrors)
    write_mirror(mirror, space, *add("RequestMirror").mutable_request_mirror());
  if (filters.cors) write_cors(*filters.cors, *add("CORS").mutable_cors());
  if (filters.direct) {
    auto& reference = *add("ExtensionRef").mutable_extension_ref();
    reference.set_group(model::kOwnGroup);
    reference.set_kind("DirectResponse");
    reference.set_name(filters.direct->name);
  }
}

void read_rule(const gateway::HTTPRouteRule& message, const std::string& space, const Path& at, model::HttpRule& out,
               Fields& fields) {
  out.name = message.name();
  for (int i = 0; i < message.matches_size(); ++i)
    read_match(message.matches(i), out.matches.emplace_back(), {&at, "matches", i}, fields);
  read_filters(message.filters(), space, false, at, out.filters, fields);
  for (int i = 0; i < message.backend_refs_size(); ++i) {
    const Path ref{&at, "backendRefs", i};
    const gateway::HTTPBackendRef& backend = message.backend_refs(i);
    auto& each = out.backends.emplace_back();
    read_backend(backend, space, ref, each.object, fields);
    if (backend.has_weight()) fields.number({&ref, "weight"}, backend.weight(), each.weight);
    read_filters(backend.filters(), space, true, ref, each.filters, fields);
  }
  const Path timeouts{&at, "timeouts"}, retry{&at, "retry"};
  if (message.timeouts().has_request())
    read_duration({&timeouts, "request"}, message.timeouts().request(), out.timeouts.request, fields);
  if (message.timeouts().has_backend_request())
    read_duration({&timeouts, "backendRequest"}, message.timeouts().backend_request(), out.timeouts.backend, fields);
  if (message.has_session_persistence())
    read_session(message.session_persistence(), out.session.emplace(), {&at, "sessionPersistence"}, fields);
  if (!message.has_retry()) return;
  auto& retrying = out.retry.emplace();
  retrying.attempts = 1;
  if (message.retry().has_attempts())
    fields.number({&retry, "attempts"}, message.retry().attempts(), retrying.attempts);
  if (message.retry().has_backoff())
    read_duration({&retry, "backoff"}, message.retry().backoff(), retrying.backoff, fields);
  for (int i = 0; i < message.retry().codes_size(); ++i)
    fields.number({&retry, "codes", i}, message.retry().codes(i), retrying.codes.emplace_back());
}

void write_rule(const model::HttpRule& rule, const std::string& space, gateway::HTTPRouteRule& out) {
  out.set_name(rule.name);
  for (const config::Match& match : rule.matches) write_match(match, *out.add_matches());
  write_filters(rule.filters, space, out);
  for (const model::BackendRef& backend : rule.backends) {
    auto& ref = *out.add_backend_refs();
    write_backend(backend.object, space, ref);
    if (backend.weight != 1) ref.set_weight(static_cast<int32_t>(backend.weight));
    write_filters(backend.filters, space, ref);
  }
  if (rule.timeouts.request) out.mutable_timeouts()->set_request(duration_text(rule.timeouts.request));
  if (rule.timeouts.backend) out.mutable_timeouts()->set_backend_request(duration_text(rule.timeouts.backend));
  if (rule.session) write_session(*rule.session, *out.mutable_session_persistence());
  if (!rule.retry) return;
  auto& retry = *out.mutable_retry();
  if (rule.retry->attempts != 1) retry.set_attempts(rule.retry->attempts);
  if (rule.retry->backoff != config::Retry{}.backoff) retry.set_backoff(duration_text(rule.retry->backoff));
  for (const uint16_t code : rule.retry->codes) retry.add_codes(code);
}

}  // namespace

void to_model(const gateway::HTTPRoute& message, model::HttpRoute& object, Fields& fields) {
  const gateway::HTTPRouteSpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  read_created(message.metadata(), object.created, fields);
  read_parents(spec.parent_refs(), object.name.space, path, object.parents, fields);
  object.hostnames.assign(spec.hostnames().begin(), spec.hostnames().end());
  for (int i = 0; i < spec.rules_size(); ++i)
    read_rule(spec.rules(i), object.name.space, {&path, "rules", i}, object.rules.emplace_back(), fields);
  if (spec.rules().empty()) object.rules.emplace_back();  // Gateway API's default
}

void to_message(const model::HttpRoute& object, gateway::HTTPRoute& message) {
  const std::string& space = object.name.space;
  write_created(object.created, *message.mutable_metadata());
  gateway::HTTPRouteSpec& spec = *message.mutable_spec();
  for (const model::ParentRef& parent : object.parents) write_parent(parent, space, *spec.add_parent_refs());
  for (const std::string& hostname : object.hostnames) spec.add_hostnames(hostname);
  for (const model::HttpRule& rule : object.rules) write_rule(rule, space, *spec.add_rules());
}

}  // namespace penstock::api
