// A gRPC server over a control loop over a fake engine with exact flows, on a unix socket in a directory of its own.
#pragma once

#include <grpcpp/grpcpp.h>

#include "control/api/codec.h"
#include "control/api/config.grpc.pb.h"
#include "control/api/flows.grpc.pb.h"
#include "control/api/limits.grpc.pb.h"
#include "control/api/node.grpc.pb.h"
#include "control/api/server.h"
#include "control/api/telemetry.grpc.pb.h"
#include "control/api/translate.h"
#include "unit/control/loop/loop_fixture.h"

namespace penstock::api {

// Works on exact flows where they are submitted; while `hold` is set it finishes nothing that it was given.
class ExactDataplane : public loop::FakeDataplane {
 public:
  using FakeDataplane::FakeDataplane;
  ~ExactDataplane() override { release(); }

  std::atomic<bool> hold{false};
  std::atomic<bool> full{false};  // rings take nothing
  std::atomic<size_t> given{0};   // commands about exact flows

  // Finishes what was held.
  void release() {
    hold = false;
    const std::lock_guard lock(lock_);
    for (const auto& [worker, command] : held_) work(worker, *command);
    held_.clear();
  }
  size_t entries() {
    const std::lock_guard lock(lock_);
    size_t sum = 0;
    for (const auto& table : tables_) sum += table.size();
    return sum;
  }

  bool submit(unsigned worker, flow::Command* command) override {
    if (command->kind != flow::CommandKind::kProgram && command->kind != flow::CommandKind::kDumpExact)
      return FakeDataplane::submit(worker, command);
    if (full) return false;
    ++given;
    const std::lock_guard lock(lock_);
    if (hold) {
      held_.emplace_back(worker, command);
    } else {
      work(worker, *command);
    }
    return true;
  }

 private:
  struct Less {
    bool operator()(const flow::FlowKey& a, const flow::FlowKey& b) const { return std::memcmp(&a, &b, sizeof a) < 0; }
  };
  using Table = std::map<flow::FlowKey, flow::ExactOp, Less>;

  void work(unsigned worker, flow::Command& command) {
    if (command.kind == flow::CommandKind::kProgram) {
      program(tables_[worker], static_cast<flow::ProgramCommand&>(command));
    } else {
      dump(tables_[worker], static_cast<flow::DumpExactCommand&>(command));
    }
    command.finish();
  }
  static void program(Table& table, flow::ProgramCommand& command) {
    for (size_t i = 0; i < command.ops.size(); ++i) {
      const flow::ExactOp& op = command.ops[i];
      flow::ExactStatus& status = command.statuses[i];
      status = flow::ExactStatus::kOk;
      if (op.kind == flow::ExactOpKind::kDelete) {
        if (table.erase(op.key) == 0) status = flow::ExactStatus::kNotFound;
      } else if (op.kind == flow::ExactOpKind::kAdd) {
        if (!table.emplace(op.key, op).second) status = flow::ExactStatus::kExists;
      } else {
        table[op.key] = op;
      }
    }
  }
  static void dump(const Table& table, flow::DumpExactCommand& command) {
    auto at = table.begin();
    std::advance(at, std::min<size_t>(command.cursor, table.size()));
    command.count = 0;
    for (; at != table.end() && command.count < command.entries.size(); ++at) {
      command.entries[command.count++] = {.key = at->first, .action = at->second.action, .cookie = at->second.cookie};
      ++command.cursor;
    }
    if (at == table.end()) command.cursor = flow::DumpExactCommand::kEnd;
  }

  std::mutex lock_;
  std::array<Table, 2> tables_;
  std::vector<std::pair<unsigned, flow::Command*>> held_;
};

class ApiFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    loop::log::setup(loop::log::Format::kKeyValue, loop::log::Level::kError);
    std::string pattern = (std::filesystem::temp_directory_path() / "penstock-api-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    socket_ = directory_ + "/api.sock";
    dataplane_ = std::make_unique<ExactDataplane>(2);
    auto store = store::Store::open(directory_ + "/store.db", codec_);
    ASSERT_TRUE(store.ok()) << store.error();
    loop::ControlLoop::Options options;
    options.seed = 1;
    options.stages = {"parse"};
    loop_ = std::make_unique<loop::ControlLoop>(*dataplane_, std::move(store).value(), options);
    const auto started = loop_->start();
    ASSERT_TRUE(started.ok()) << started.error();
    peer_link_ = std::make_unique<PeerLink>(*loop_);
  }
  void TearDown() override {
    server_.reset();
    peer_link_.reset();
    loop_.reset();
    dataplane_.reset();
    std::filesystem::remove_all(directory_);
  }

  void serve(ServerOptions options = {}) {
    options.socket = socket_;
    auto server = Server::start(options, *loop_, *peer_link_);
    ASSERT_TRUE(server.ok()) << server.error();
    server_ = std::move(server).value();
    channel_ = grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials());
  }
  // serve(), and a Node with wan and lan.
  void serve_node() {
    serve();
    const auto reply = apply({loop::sample_node()});
    ASSERT_TRUE(reply.applied()) << reply.ShortDebugString();
  }

  template <typename Service>
  std::unique_ptr<typename Service::Stub> stub() {
    return Service::NewStub(channel_);
  }

  v1::ApplyResponse apply(const std::vector<model::Object>& objects, bool replace = false) {
    v1::ApplyRequest request;
    for (const model::Object& object : objects) to_message(object, *request.add_objects());
    request.set_replace(replace);
    return apply(request);
  }
  v1::ApplyResponse apply(const v1::ApplyRequest& request) {
    v1::ApplyResponse response;
    grpc::ClientContext context;
    const auto status = stub<v1::Config>()->Apply(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  static bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 10000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  ProtobufCodec codec_;
  std::string directory_, socket_;
  std::unique_ptr<ExactDataplane> dataplane_;
  std::unique_ptr<loop::ControlLoop> loop_;
  std::unique_ptr<PeerLink> peer_link_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace penstock::api
