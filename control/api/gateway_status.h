// The status of Gateways, routes and ServiceSubsets in what `get` answers. Any thread; nothing throws.
#pragma once

#include <memory>

#include "control/api/config.pb.h"
#include "control/model/state.h"

namespace penstock::api {

// Fills in the status of objects of one state, one after the other; other kinds are left alone. The state must outlive
// it. What all objects together mean is found out at the first that needs it.
class StatusWriter {
 public:
  explicit StatusWriter(const model::State& state);
  ~StatusWriter();
  void write(const model::ObjectKey& key, v1::Object& object);

 private:
  struct View;
  struct Subsets;
  const model::State& state_;
  std::unique_ptr<View> view_;
  std::unique_ptr<Subsets> subsets_;
};

}  // namespace penstock::api
