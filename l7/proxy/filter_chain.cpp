#include "l7/proxy/filter_chain.h"

#include <array>
#include <charconv>

#include "l7/proxy/access_record.h"
#include "l7/proxy/cors.h"
#include "l7/route/rewrite.h"

namespace penstock::proxy {

namespace {

// A request's own path with everything a modifier may put before it.
using PathBuffer = std::array<char, http::kDefaultTargetBytes + 2048>;

bool answer_with(uint16_t status, http::ResponseHead& answer, FilterVerdict& verdict) {
  answer.clear();
  answer.status = status;
  verdict.answered = true;
  return true;
}

FilterVerdict failed(http::ResponseHead& answer, FilterVerdict verdict) {
  answer_with(500, answer, verdict);
  verdict.failed = true;
  return verdict;
}

void fault(const config::Fault& fault, const http::RequestHead& head, http::ResponseHead& answer, Random& random,
           FilterVerdict& verdict) {
  constexpr uint32_t kMillion = 1'000'000;
  for (const config::FaultHeader& each : fault.headers) {
    const http::Field* field = head.fields.find(each.name);
    if (field == nullptr || head.fields.value(*field) != each.value) return;
  }
  if (fault.delay != 0 && random.chance(fault.delay_per_million, kMillion)) {
    verdict.delay = fault.delay;
    verdict.flags |= kDelayInjected;
  }
  if (fault.reset_per_million != 0 && random.chance(fault.reset_per_million, kMillion)) {
    verdict.reset = true;
    verdict.flags |= kFaultInjected;
    return;
  }
  if (fault.abort_status != 0 && random.chance(fault.abort_per_million, kMillion)) {
    answer_with(fault.abort_status, answer, verdict);
    verdict.flags |= kFaultInjected;
    return;
  }
  if (fault.throttle_bits != 0 && random.chance(fault.throttle_per_million, kMillion))
    verdict.throttle = fault.throttle_bits;
}

bool redirect(const config::Redirect& redirect, const RequestAt& at, const http::RequestHead& head,
              http::ResponseHead& answer, FilterVerdict& verdict) {
  PathBuffer buffer;
  const auto location = route::compose_location(redirect, head, at.port, at.prefix_bytes, buffer);
  answer_with(redirect.status, answer, verdict);
  return location && answer.fields.add(http::FieldId::kLocation, *location) == http::Fault::kNone;
}

bool direct(const config::DirectResponse& direct, http::ResponseHead& answer, FilterVerdict& verdict) {
  answer_with(direct.status, answer, verdict);
  verdict.body = !direct.body.empty();
  return write_direct(direct, answer);
}

bool rewrite(const config::Rewrite& rewrite, const RequestAt& at, http::RequestHead& head) {
  if (!rewrite.hostname.empty() && head.set_authority(rewrite.hostname) != http::Fault::kNone) return false;
  if (rewrite.path.kind == config::PathModifier::Kind::kNone || !head.path().starts_with('/')) return true;
  PathBuffer buffer;
  const auto path = route::modify_path(rewrite.path, at.path, at.prefix_bytes, buffer);
  return path && head.set_path(*path, at.policy) == http::Fault::kNone;
}

}  // namespace

bool change_fields(const std::vector<config::HeaderChange>& changes, http::Fields& fields) {
  bool done = true;
  for (const config::HeaderChange& each : changes) {
    switch (each.kind) {
      case config::HeaderChange::Kind::kSet:
        done &= fields.set(each.name, each.value) == http::Fault::kNone;
        break;
      case config::HeaderChange::Kind::kAdd:
        done &= fields.add(each.name, each.value) == http::Fault::kNone;
        break;
      case config::HeaderChange::Kind::kRemove:
        fields.remove(each.name);
        break;
    }
  }
  return done;
}

bool is_answered_by_cors(const config::Filters& filters, std::string_view origin, const http::RequestHead& head) {
  return filters.cors && !origin.empty() && is_preflight(head);
}

FilterVerdict filter_request(const config::Filters& filters, const RequestAt& at, http::RequestHead& head,
                             http::ResponseHead& answer, Random& random) {
  FilterVerdict verdict;
  if (is_answered_by_cors(filters, at.origin, head)) {
    answer_with(http::kNoContent, answer, verdict);
    verdict.preflight = true;
    return write_preflight(*filters.cors, at.origin, head, answer) ? verdict : failed(answer, verdict);
  }
  if (filters.fault) {
    fault(*filters.fault, head, answer, random, verdict);
    if (verdict.answered || verdict.reset) return verdict;
  }
  if (filters.redirect)
    return redirect(*filters.redirect, at, head, answer, verdict) ? verdict : failed(answer, verdict);
  if (filters.direct) return direct(*filters.direct, answer, verdict) ? verdict : failed(answer, verdict);
  if (!change_fields(filters.request, head.fields)) return failed(answer, verdict);
  if (filters.rewrite && !rewrite(*filters.rewrite, at, head)) return failed(answer, verdict);
  return verdict;
}

bool write_direct(const config::DirectResponse& direct, http::ResponseHead& answer) {
  bool done = true;
  if (direct.status != 0) answer.status = direct.status;
  if (!direct.content_type.empty())
    done &= answer.fields.add(http::FieldId::kContentType, direct.content_type) == http::Fault::kNone;
  if (direct.retry_after != 0) {
    char digits[10];
    const char* end = std::to_chars(digits, digits + sizeof digits, direct.retry_after).ptr;
    const std::string_view seconds(digits, static_cast<size_t>(end - digits));
    done &= answer.fields.add(http::FieldId::kRetryAfter, seconds) == http::Fault::kNone;
  }
  return done;
}

}  // namespace penstock::proxy
