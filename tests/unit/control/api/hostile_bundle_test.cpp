// Bundles of a hostile, newer or merely unlucky client.
#include "unit/control/api/api_fixture.h"

namespace penstock::api {
namespace {

class HostileBundle : public ApiFixture {
 protected:
  void SetUp() override {
    ApiFixture::SetUp();
    serve_node();
  }
};

bool mentions(const v1::ApplyResponse& response, const std::string& text) {
  for (const auto& each : response.errors())
    if (each.reason().find(text) != std::string::npos) return true;
  return false;
}

// An error names its object: a long name must not be multiplied by the number of faults.
TEST(HostileName, IsNotRepeatedWhole) {
  v1::Object object;
  object.mutable_node()->mutable_metadata()->set_name(std::string(100'000, 'x'));
  for (int i = 0; i < 1000; ++i) object.mutable_node()->mutable_spec()->add_routes()->set_prefix("?");
  model::Object out;
  model::FieldErrors errors;
  to_model(object, out, errors);
  size_t bytes = 0;
  for (const auto& each : errors) bytes += each.object.size() + each.path.size() + each.reason.size();
  EXPECT_GE(errors.size(), 1000u);
  EXPECT_LT(bytes, 1u << 20);
}

// Two bytes of request each.
TEST_F(HostileBundle, ObjectsOfNoKindAreOneReport) {
  v1::ApplyRequest request;
  for (int i = 0; i < 100'000; ++i) request.add_objects();
  const auto response = apply(request);
  EXPECT_FALSE(response.applied());
  EXPECT_TRUE(mentions(response, "no kind"));
  EXPECT_TRUE(mentions(response, "not shown"));
}

// A reason cut within a character could not be read by any client.
TEST_F(HostileBundle, AReasonIsAlwaysUtf8) {
  v1::ApplyRequest request;
  to_message(model::Object(loop::sample_node()), *request.add_objects());
  request.mutable_objects(0)->mutable_node()->mutable_spec()->mutable_workers()->set_idle(std::string(63, 'a') +
                                                                                          "\xc3\xa9");
  v1::ApplyResponse response;
  grpc::ClientContext context;
  const auto status = stub<v1::Config>()->Apply(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_code() << " " << status.error_message();
  EXPECT_EQ(response.errors_size(), 1);
}

TEST_F(HostileBundle, AFieldThatCannotBeReadHidesNoOtherFault) {
  v1::ApplyRequest request;
  auto& service = *request.add_objects()->mutable_service();
  service.mutable_metadata()->set_name("web");
  service.mutable_spec()->add_external_ips("224.0.0.1");
  auto& port = *service.mutable_spec()->add_ports();
  port.set_port(80);
  port.set_protocol("NONSENSE");
  const auto response = apply(request);
  EXPECT_TRUE(mentions(response, "NONSENSE"));
  EXPECT_TRUE(mentions(response, "multicast")) << response.ShortDebugString();
}

TEST_F(HostileBundle, AFieldThatCannotBeReadHidesNoDuplicate) {
  v1::ApplyRequest request;
  for (int i = 0; i < 2; ++i) {
    auto& limit = *request.add_objects()->mutable_rate_limit();
    limit.mutable_metadata()->set_name("r");
    limit.mutable_spec()->mutable_target()->set_interface("wan");
    limit.mutable_spec()->mutable_rate()->set_packets_per_second(10);
    limit.mutable_spec()->set_per("nonsense");
  }
  EXPECT_TRUE(mentions(apply(request), "given twice"));
}

TEST_F(HostileBundle, ACutReportSaysSo) {
  v1::ApplyRequest request;
  model::Node node = loop::sample_node();
  for (int i = 0; i < 1500; ++i) node.routes.push_back({});
  to_message(model::Object(node), *request.add_objects());
  const auto response = apply(request);
  EXPECT_TRUE(mentions(response, "not shown")) << response.errors_size();
}

TEST_F(HostileBundle, UnknownFieldsOfOurKindsAreErrors) {
  v1::ApplyRequest request;
  to_message(model::Object(loop::sample_node()), *request.add_objects());
  auto* spec = request.mutable_objects(0)->mutable_node()->mutable_spec();
  spec->GetReflection()->MutableUnknownFields(spec)->AddVarint(999, 1);
  EXPECT_FALSE(apply(request).applied());
}

}  // namespace
}  // namespace penstock::api
