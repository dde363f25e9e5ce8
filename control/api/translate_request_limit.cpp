// What only those RateLimits have that count requests.
#include "control/api/translate_kinds.h"
#include "control/api/translate_route.h"

namespace penstock::api {

namespace {

using Component = config::LimitComponent;

constexpr Choice<Component::Kind> kComponents[] = {{"header", Component::Kind::kHeader},
                                                   {"cookie", Component::Kind::kCookie},
                                                   {"queryParameter", Component::Kind::kQuery},
                                                   {"path", Component::Kind::kPath},
                                                   {"pathPattern", Component::Kind::kPathPattern},
                                                   {"host", Component::Kind::kHost},
                                                   {"method", Component::Kind::kMethod}};

bool has_name(Component::Kind kind) {
  return kind == Component::Kind::kHeader || kind == Component::Kind::kCookie || kind == Component::Kind::kQuery;
}

void read_descriptor(const v1alpha1::LimitDescriptor& message, const Path& at, Component& out, Fields& fields) {
  out.kind = Component::Kind::kPath;
  fields.choice({&at, "type"}, message.type(), kComponents, out.kind);
  const bool named = has_name(out.kind), pattern = out.kind == Component::Kind::kPathPattern;
  if (message.has_name() != named)
    fields.fault({&at, "name"}, named ? "is missing" : "only header, cookie and queryParameter have one");
  if (message.has_pattern() != pattern)
    fields.fault({&at, "pattern"}, pattern ? "is missing" : "only pathPattern has one");
  out.name = pattern ? message.pattern() : message.name();
  if (out.kind == Component::Kind::kHeader) out.name = config::lowered(out.name);
}

}  // namespace

void read_request_limit(const v1alpha1::RateLimitSpec& spec, const Path& path, model::RateLimit& object,
                        Fields& fields) {
  for (int i = 0; i < spec.matches_size(); ++i)
    read_match(spec.matches(i), object.matches.emplace_back(), {&path, "matches", i}, fields);
  for (int i = 0; i < spec.descriptors_size(); ++i)
    read_descriptor(spec.descriptors(i), {&path, "descriptors", i}, object.descriptors.emplace_back(), fields);
  object.shadow = spec.shadow();
  object.headers = spec.headers();
}

void write_request_limit(const model::RateLimit& object, v1alpha1::RateLimitSpec& spec) {
  for (const config::Match& match : object.matches) write_match(match, *spec.add_matches());
  for (const Component& component : object.descriptors) {
    auto& out = *spec.add_descriptors();
    out.set_type(name_of(component.kind, kComponents));
    if (has_name(component.kind)) out.set_name(component.name);
    if (component.kind == Component::Kind::kPathPattern) out.set_pattern(component.name);
  }
  if (object.shadow) spec.set_shadow(true);
  if (object.headers) spec.set_headers(true);
}

}  // namespace penstock::api
