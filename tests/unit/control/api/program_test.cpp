// Flows: batches with errors, clients that wait, flood, stall and vanish, workers that do not answer.
#include "unit/control/api/api_fixture.h"

namespace penstock::api {
namespace {

using Stream = grpc::ClientReaderWriter<v1::ProgramRequest, v1::ProgramResponse>;

class Program : public ApiFixture {
 protected:
  void SetUp() override {
    ApiFixture::SetUp();
    serve_node();
    service_ = stub<v1::Flows>();
  }

  static std::string bytes(const char* address) {
    const base::IpAddress a = model_ip(address);
    return a.is_v4() ? std::string(reinterpret_cast<const char*>(a.v4_bytes()), 4)
                     : std::string(reinterpret_cast<const char*>(a.bytes.data()), 16);
  }
  static base::IpAddress model_ip(const char* text) { return base::IpAddress::parse(text).value(); }

  static v1::FlowOperation operation(uint32_t n, v1::FlowOperation::Kind kind = v1::FlowOperation::ADD) {
    v1::FlowOperation op;
    op.set_kind(kind);
    op.mutable_key()->set_src(bytes("10.0.0.1"));
    op.mutable_key()->set_dst(bytes("10.0.0.2"));
    op.mutable_key()->set_protocol(17);
    op.mutable_key()->set_src_port(n & 0xffff);
    op.mutable_key()->set_dst_port(n >> 16);
    op.mutable_action()->set_verb(v1::FlowAction::DROP);
    op.set_cookie(n);
    return op;
  }
  static v1::ProgramRequest batch(uint64_t number, uint32_t first, uint32_t count) {
    v1::ProgramRequest request;
    request.set_batch(number);
    for (uint32_t n = first; n < first + count; ++n) *request.add_operations() = operation(n);
    return request;
  }
  grpc::Status delete_flows(const v1::DeleteFlowsRequest& request, uint64_t& deleted) {
    v1::DeleteFlowsResponse response;
    grpc::ClientContext context;
    const auto status = service_->Delete(&context, request, &response);
    deleted = response.deleted();
    return status;
  }

  std::unique_ptr<v1::Flows::Stub> service_;
};

TEST_F(Program, AClientMayWaitForEachAnswer) {
  grpc::ClientContext context;
  const auto stream = service_->Program(&context);
  for (uint32_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(stream->Write(batch(i, i * 100, 100)));
    v1::ProgramResponse answer;
    ASSERT_TRUE(stream->Read(&answer));
    EXPECT_EQ(answer.batch(), i);
    EXPECT_EQ(answer.done(), 100u);
    EXPECT_EQ(answer.errors_size(), 0);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(dataplane_->entries(), 2000u);
}

TEST_F(Program, AClientMaySendWithoutReading) {
  grpc::ClientContext context;
  const auto stream = service_->Program(&context);
  for (uint32_t i = 0; i < 200; ++i) ASSERT_TRUE(stream->Write(batch(i, i * 1000, 1000)));
  stream->WritesDone();
  v1::ProgramResponse answer;
  for (uint32_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(stream->Read(&answer));
    EXPECT_EQ(answer.batch(), i) << "answers keep the order of the batches";
    EXPECT_EQ(answer.done(), 1000u);
  }
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(dataplane_->entries(), 200'000u);
}

TEST_F(Program, EveryEntryThatFailsIsNamed) {
  v1::ProgramRequest request = batch(1, 0, 10);
  const auto change = [&](int i, auto&& f) { f(*request.mutable_operations(i)); };
  change(0, [](auto& op) { op.mutable_key()->set_src("abc"); });
  change(1, [](auto& op) { op.mutable_key()->set_dst(bytes("2001:db8::1")); });
  change(2, [](auto& op) { op.mutable_key()->set_protocol(300); });
  change(3, [](auto& op) { op.mutable_key()->set_src_port(70000); });
  change(4, [](auto& op) { op.mutable_key()->set_interface("nowhere"); });
  change(5, [](auto& op) { op.mutable_action()->set_verb(v1::FlowAction::REDIRECT); });
  change(6, [](auto& op) { op.set_kind(v1::FlowOperation::DELETE); });
  change(7, [](auto& op) { op.mutable_action()->mutable_limit()->set_packets_per_second(0.0 / 0.0); });
  change(8, [](auto& op) { op.set_idle_timeout(2'000'000); });
  *request.add_operations() = operation(9);  // the same as the one before
  grpc::ClientContext context;
  const auto stream = service_->Program(&context);
  ASSERT_TRUE(stream->Write(request));
  v1::ProgramResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.done(), 1u);
  ASSERT_EQ(answer.errors_size(), 10) << answer.ShortDebugString();
  std::map<uint32_t, v1::FlowError> by_index;
  for (const auto& error : answer.errors()) by_index[error.index()] = error;
  for (const uint32_t i : {0, 1, 2, 3, 4, 5, 7, 8}) {
    EXPECT_EQ(by_index[i].code(), v1::FlowError::INVALID) << i;
    EXPECT_NE(by_index[i].reason(), "") << i;
  }
  EXPECT_EQ(by_index[6].code(), v1::FlowError::NOT_FOUND);
  EXPECT_EQ(by_index[10].code(), v1::FlowError::ALREADY_EXISTS);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(Program, TooLargeABatchEndsTheStream) {
  grpc::ClientContext context;
  const auto stream = service_->Program(&context);
  stream->Write(batch(0, 0, 10));
  stream->Write(batch(1, 0, 16385));
  v1::ProgramResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.done(), 10u);
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Program, AClientThatVanishesLeavesNothingBehind) {
  dataplane_->hold = true;
  for (int round = 0; round < 5; ++round) {
    grpc::ClientContext context;
    const auto stream = service_->Program(&context);
    const size_t before = dataplane_->given;
    ASSERT_TRUE(stream->Write(batch(0, 0, 1000)));
    ASSERT_TRUE(eventually([&] { return dataplane_->given > before; }));
    context.TryCancel();
    stream->Finish();
  }
  dataplane_->release();
  // The server still has places, threads and answers.
  grpc::ClientContext context;
  const auto stream = service_->Program(&context);
  ASSERT_TRUE(stream->Write(batch(0, 5000, 10)));
  v1::ProgramResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.done(), 10u);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(Program, AWorkerThatDoesNotAnswerIsNamed) {
  dataplane_->hold = true;
  grpc::ClientContext context;
  const auto stream = service_->Program(&context);
  ASSERT_TRUE(stream->Write(batch(0, 0, 4)));
  v1::ProgramResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  ASSERT_EQ(answer.errors_size(), 4);
  EXPECT_EQ(answer.errors(0).code(), v1::FlowError::BUSY);
  dataplane_->release();  // late: the commands are still there to be worked on
  dataplane_->full = true;
  ASSERT_TRUE(stream->Write(batch(1, 0, 4)));
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.errors_size(), 4);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(Program, DumpsAndDeletesByFilter) {
  grpc::ClientContext context;
  const auto stream = service_->Program(&context);
  v1::ProgramRequest request = batch(0, 0, 3000);
  request.mutable_operations(7)->mutable_key()->set_interface("wan");
  request.mutable_operations(8)->mutable_key()->set_src(bytes("2001:db8::1"));
  request.mutable_operations(8)->mutable_key()->set_dst(bytes("2001:db8::2"));
  ASSERT_TRUE(stream->Write(request));
  v1::ProgramResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  ASSERT_EQ(answer.done(), 3000u);
  stream->WritesDone();
  stream->Finish();

  const auto dump = [&](const v1::DumpRequest& what) {
    grpc::ClientContext call;
    const auto reader = service_->Dump(&call, what);
    std::vector<v1::ExactFlow> flows;
    v1::DumpResponse chunk;
    while (reader->Read(&chunk)) flows.insert(flows.end(), chunk.exact().begin(), chunk.exact().end());
    EXPECT_TRUE(reader->Finish().ok());
    return flows;
  };
  v1::DumpRequest what;
  EXPECT_EQ(dump(what).size(), 3000u);
  what.set_limit(10);
  EXPECT_EQ(dump(what).size(), 10u);
  what.set_limit(0);
  what.mutable_filter()->set_interface("wan");
  ASSERT_EQ(dump(what).size(), 1u);
  EXPECT_EQ(dump(what)[0].key().interface(), "wan");
  what.mutable_filter()->Clear();
  what.mutable_filter()->set_src("2001:db8::/32");
  ASSERT_EQ(dump(what).size(), 1u);
  EXPECT_EQ(dump(what)[0].key().src().size(), 16u);
  what.mutable_filter()->Clear();
  what.mutable_filter()->set_cookie(0x10);
  what.mutable_filter()->set_cookie_mask(0xfff0);
  EXPECT_EQ(dump(what).size(), 16u);

  v1::DeleteFlowsRequest gone;
  uint64_t deleted = 0;
  EXPECT_EQ(delete_flows(gone, deleted).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
      << "an empty filter is a slip";
  gone.mutable_filter()->set_src("10.0.0.0/33");
  EXPECT_EQ(delete_flows(gone, deleted).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  *gone.mutable_filter() = what.filter();
  ASSERT_TRUE(delete_flows(gone, deleted).ok());
  EXPECT_EQ(deleted, 16u);
  gone.Clear();
  gone.set_all(true);
  ASSERT_TRUE(delete_flows(gone, deleted).ok());
  EXPECT_EQ(deleted, 2984u);
  EXPECT_EQ(dataplane_->entries(), 0u);
}

TEST_F(Program, ExplainReadsPacketsStrictly) {
  const auto explain = [&](const v1::ExplainRequest& request) {
    v1::ExplainResponse response;
    grpc::ClientContext context;
    return service_->Explain(&context, request, &response);
  };
  v1::ExplainRequest request;
  EXPECT_EQ(explain(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_interface("wan");
  EXPECT_EQ(explain(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << "no packet";
  for (const char* pcap : {"", "x", "\xd4\xc3\xb2\xa1", "\x0a\x0d\x0d\x0a\xff\xff\xff\xff"}) {
    request.set_pcap(pcap);
    EXPECT_EQ(explain(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << pcap;
  }
  auto& packet = *request.mutable_description();
  packet.set_src("192.0.2.1");
  packet.set_dst("2001:db8::1");
  EXPECT_EQ(explain(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  packet.set_dst("10.0.0.1");
  EXPECT_EQ(explain(request).error_message(), "the fake explains nothing");
  packet.set_tcp_flags("SYN,XXX");
  EXPECT_EQ(explain(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace penstock::api
