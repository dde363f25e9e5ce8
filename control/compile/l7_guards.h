// RequestAccessPolicies and RequestInspections become a guard::Set, and lists of it for listeners and rules of routes.
//
// What is slow is kept: the compiled policies are the same object while all of them say the same, whatever they are
// attached to; so is each inspection. Counters keep their slots by the names of rules and patterns.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/compile/parts.h"
#include "control/model/gateway_view.h"
#include "l7/config/action.h"
#include "l7/guard/guards.h"

namespace penstock::compile {

constexpr size_t kMaxAccessExpressions = 512;  // of all policies: two seconds of the control thread

struct GuardPart {
  // A returned slot rests: what a worker counted for the old owner must not be taken for the new one's.
  NamedSlots slots{config::kMaxGuardSlots, 1024};
  std::vector<config::AccessPolicy> policies;  // what `access` was built from
  std::shared_ptr<const guard::Access> access;
  std::vector<std::shared_ptr<guard::AccessScratch>> scratches;  // by worker

  struct Inspected {
    config::Inspection from;  // what it was built from
    std::shared_ptr<const guard::Inspection> built;
    bool operator==(const Inspected&) const = default;
  };
  NamedSlots inspection_slots{config::kMaxInspections};
  std::map<model::Name, Inspected> inspections;
  std::vector<std::shared_ptr<guard::InspectionScratch>> inspection_scratches;
};

// An error that l7 has written, as the place it names and what it says.
model::FieldError split_error(const std::string& error);

// For one compilation.
class GuardCompiler {
 public:
  GuardCompiler(const Round& round, const LimitPart& limits, GuardPart& part, size_t workers)
      : round_(round), limits_(limits), part_(part), workers_(workers) {}

  // False: the round has an error.
  bool run();
  // Numbers of lists; config::kNoGuards.
  uint32_t of_listener(const model::ListenerView& listener);
  uint32_t of_rule(const model::HttpRoute& route, const model::HttpRule& rule);
  guard::Set take() { return std::move(out_); }

 private:
  using Target = std::tuple<bool, model::Name, std::string>;  // as model::RequestTarget

  bool assign_slots();
  bool add_access();
  bool add_inspections();
  uint32_t list_of(bool route, const model::Name& name, const std::string& section);

  const Round& round_;
  const LimitPart& limits_;
  GuardPart& part_;
  const size_t workers_;
  guard::Set out_;
  std::map<Target, std::vector<uint32_t>> access_of_;
  std::map<Target, uint32_t> inspection_of_;  // slots
  std::map<std::pair<std::vector<uint32_t>, uint32_t>, uint32_t> lists_;
};

}  // namespace penstock::compile
