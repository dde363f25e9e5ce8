#include "control/api/translate_session.h"

#include "l7/config/route.h"

namespace penstock::api {

namespace {

using Type = config::SessionPersistence::Type;

constexpr Choice<Type> kTypes[] = {{"Cookie", Type::kCookie}, {"Header", Type::kHeader}};
constexpr Choice<bool> kLifetimes[] = {{"Session", false}, {"Permanent", true}};

}  // namespace

void read_session(const gateway::SessionPersistence& message, config::SessionPersistence& out, const Path& path,
                  Fields& fields) {
  const Path config{&path, "cookieConfig"};
  if (!message.type().empty()) fields.choice({&path, "type"}, message.type(), kTypes, out.type);
  out.name = out.type == Type::kHeader ? config::lowered(message.session_name()) : message.session_name();
  if (message.has_absolute_timeout())
    fields.seconds({&path, "absoluteTimeout"}, message.absolute_timeout(), out.absolute_seconds);
  if (message.has_idle_timeout()) fields.seconds({&path, "idleTimeout"}, message.idle_timeout(), out.idle_seconds);
  if (message.has_cookie_config() && out.type != Type::kCookie) fields.fault(config, "is for type Cookie");
  if (!message.cookie_config().lifetime_type().empty())
    fields.choice({&config, "lifetimeType"}, message.cookie_config().lifetime_type(), kLifetimes, out.permanent);
}

void write_session(const config::SessionPersistence& object, gateway::SessionPersistence& out) {
  out.set_session_name(object.name);
  out.set_type(name_of(object.type, kTypes));
  if (object.absolute_seconds != 0) out.set_absolute_timeout(seconds_text(object.absolute_seconds));
  if (object.idle_seconds != 0) out.set_idle_timeout(seconds_text(object.idle_seconds));
  if (object.permanent) out.mutable_cookie_config()->set_lifetime_type(name_of(object.permanent, kLifetimes));
}

}  // namespace penstock::api
