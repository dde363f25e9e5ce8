#include "l7/http/message.h"

#include "l7/http/chars.h"

namespace penstock::http {

void RequestHead::clear() {
  arena.clear();
  fields.clear();
  trailers.clear();
  method = Method::kGet;
  target = TargetKind::kResource;
  version = Version::kHttp11;
  scheme = Scheme::kHttp;
  has_query = has_authority = expects_continue = accepts_trailers = false;
  port = 0;
  ambiguity = 0;
  content = {};
  method_slice = host_slice = path_slice = query_slice = upgrade_slice = {};
}

void ResponseHead::clear() {
  arena.clear();
  fields.clear();
  trailers.clear();
  status = 0;
  version = Version::kHttp11;
  ambiguity = 0;
  content = {};
  reason_slice = upgrade_slice = {};
}

Fault RequestHead::set_path(std::string_view path, const PathPolicy& policy) {
  if (path.empty() || path.front() != '/') return Fault::bad_path;
  if (path.size() > arena.room()) return Fault::target_too_long;
  const uint32_t before = arena.used();
  char* out = arena.extend(static_cast<uint32_t>(path.size()));
  const NormalPath normal = normalise_path(path, policy, out);
  if (normal.fault != Fault::kNone) {
    arena.truncate(before);
    return normal.fault;
  }
  if (normal.path.data() != out) std::memcpy(out, normal.path.data(), normal.path.size());
  path_slice = {before, static_cast<uint32_t>(normal.path.size())};
  arena.truncate(before + path_slice.size);
  return Fault::kNone;
}

Fault RequestHead::set_query(std::string_view query) {
  if (!all(query, kQuery)) return Fault::bad_query;
  if (!arena.append(query, query_slice)) return Fault::target_too_long;
  has_query = !query.empty();
  return Fault::kNone;
}

Fault RequestHead::set_authority(std::string_view text) {
  Authority authority;
  if (const Fault fault = parse_authority(text, authority); fault != Fault::kNone) return fault;
  Slice slice;
  if (!arena.append(authority.host, slice)) return Fault::fields_too_large;
  for (uint32_t i = 0; i < slice.size; ++i) arena.data()[slice.at + i] = lower(arena.data()[slice.at + i]);
  host_slice = slice;
  port = authority.port;
  has_authority = true;
  return Fault::kNone;
}

}  // namespace penstock::http
