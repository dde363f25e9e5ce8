// Filters of dumps and deletes: what a table does not know is refused, never ignored.
#include "unit/control/api/api_fixture.h"

namespace penstock::api {
namespace {

class FlowFilter : public ApiFixture {
 protected:
  void SetUp() override {
    ApiFixture::SetUp();
    serve_node();
  }
};

TEST_F(FlowFilter, AFilterByServiceDeletesNoExactFlow) {
  const auto flows = stub<v1::Flows>();
  grpc::ClientContext program;
  const auto stream = flows->Program(&program);
  v1::ProgramRequest request;
  for (uint32_t n = 0; n < 10; ++n) {
    v1::FlowOperation& op = *request.add_operations();
    op.mutable_key()->set_src(std::string("\x0a\0\0\1", 4));
    op.mutable_key()->set_dst(std::string("\x0a\0\0\2", 4));
    op.mutable_key()->set_protocol(17);
    op.mutable_key()->set_src_port(n + 1);
    op.mutable_action()->set_verb(v1::FlowAction::DROP);
  }
  stream->Write(request);
  v1::ProgramResponse done;
  ASSERT_TRUE(stream->Read(&done));
  stream->WritesDone();
  stream->Finish();
  ASSERT_EQ(dataplane_->entries(), 10u);
  v1::DeleteFlowsRequest remove;
  remove.mutable_filter()->set_service("default/web");
  v1::DeleteFlowsResponse removed;
  grpc::ClientContext context;
  const auto status = flows->Delete(&context, remove, &removed);
  EXPECT_FALSE(status.ok()) << "deleted " << removed.deleted();
  EXPECT_EQ(dataplane_->entries(), 10u);
}

TEST_F(FlowFilter, ADumpRefusesAFilterThatItsTableDoesNotKnow) {
  const auto flows = stub<v1::Flows>();
  for (const bool tracked : {false, true}) {
    v1::DumpRequest request;
    request.set_table(tracked ? v1::DumpRequest::TRACKED : v1::DumpRequest::EXACT);
    if (tracked) request.mutable_filter()->set_cookie(7);
    if (!tracked) request.mutable_filter()->set_service("default/web");
    grpc::ClientContext context;
    const auto stream = flows->Dump(&context, request);
    v1::DumpResponse chunk;
    while (stream->Read(&chunk)) {
    }
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT) << tracked;
  }
}

}  // namespace
}  // namespace penstock::api
