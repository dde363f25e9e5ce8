// Config, Limits, Node and Telemetry as a client sees them.
#include <google/protobuf/util/message_differencer.h>

#include "unit/control/api/api_fixture.h"

namespace penstock::api {
namespace {

using google::protobuf::util::MessageDifferencer;

class ConfigService : public ApiFixture {
 protected:
  std::vector<v1::Object> list(const std::string& kind = "") {
    v1::ListRequest request;
    request.set_kind(kind);
    grpc::ClientContext context;
    const auto service = stub<v1::Config>();
    const auto stream = service->List(&context, request);
    std::vector<v1::Object> objects;
    v1::ListResponse chunk;
    while (stream->Read(&chunk)) objects.insert(objects.end(), chunk.objects().begin(), chunk.objects().end());
    EXPECT_TRUE(stream->Finish().ok());
    return objects;
  }
  static std::string text_of(const google::protobuf::RepeatedPtrField<v1::FieldError>& errors) {
    std::string out;
    for (const auto& e : errors) out += e.object() + " " + e.path() + ": " + e.reason() + "\n";
    return out;
  }
};

TEST_F(ConfigService, AppliesAndShowsObjects) {
  serve();
  const auto reply = apply({loop::sample_node(), loop::sample_service("web", "198.51.100.10"),
                            loop::sample_slice("web", {"10.0.1.11", "10.0.1.12"})});
  ASSERT_TRUE(reply.applied()) << text_of(reply.errors());
  EXPECT_EQ(reply.revision(), 1u);
  EXPECT_EQ(reply.differences_size(), 3);
  EXPECT_EQ(reply.workers_size(), 2);
  EXPECT_TRUE(reply.workers(0).adopted());
  EXPECT_EQ(list().size(), 3u);
  ASSERT_EQ(list("Service").size(), 1u);

  v1::GetRequest request;
  request.mutable_key()->set_kind("Service");
  request.mutable_key()->set_name("web");
  v1::Object object;
  grpc::ClientContext context;
  ASSERT_TRUE(stub<v1::Config>()->Get(&context, request, &object).ok());
  EXPECT_TRUE(MessageDifferencer::Equals(object, list("Service")[0]));

  request.mutable_key()->set_name("none");
  grpc::ClientContext second;
  EXPECT_EQ(stub<v1::Config>()->Get(&second, request, &object).error_code(), grpc::StatusCode::NOT_FOUND);
  request.mutable_key()->set_kind("Pod");
  grpc::ClientContext third;
  EXPECT_EQ(stub<v1::Config>()->Get(&third, request, &object).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  // The same again changes nothing.
  const auto again = apply({loop::sample_node()});
  EXPECT_TRUE(again.applied());
  EXPECT_EQ(again.revision(), 1u);
  EXPECT_EQ(again.unchanged(), 1u);
}

TEST_F(ConfigService, NamesEveryFaultAndChangesNothing) {
  serve_node();
  v1::ApplyRequest request;
  auto& unread = *request.add_objects()->mutable_rate_limit();
  unread.mutable_metadata()->set_name("a");
  unread.mutable_spec()->mutable_target()->set_interface("nowhere");
  unread.mutable_spec()->set_per("client");
  auto& invalid = *request.add_objects()->mutable_rate_limit();
  invalid.mutable_metadata()->set_name("b");
  invalid.mutable_spec()->mutable_target()->set_interface("nowhere");
  invalid.mutable_spec()->mutable_rate()->set_packets_per_second(std::numeric_limits<double>::quiet_NaN());
  to_message(loop::sample_limit("fine", 100), *request.add_objects());
  const auto reply = apply(request);
  EXPECT_FALSE(reply.applied());
  const std::string faults = text_of(reply.errors());
  for (const char* want : {"RateLimit/default/a spec.per: ", "RateLimit/default/a spec.rate: want one of",
                           "RateLimit/default/a spec.target.interface: ", "RateLimit/default/b spec.target.interface: ",
                           "RateLimit/default/b spec.rate.packetsPerSecond: "})
    EXPECT_NE(faults.find(want), std::string::npos) << want << " is not in\n" << faults;
  EXPECT_EQ(reply.errors_size(), 5) << faults;
  EXPECT_TRUE(list("RateLimit").empty());
  EXPECT_EQ(loop_->revision(), 1u);
}

TEST_F(ConfigService, DiffAndValidateOnlyLook) {
  serve_node();
  v1::DiffRequest diff;
  to_message(loop::sample_limit("new", 100), *diff.add_objects());
  v1::DiffResponse differs;
  grpc::ClientContext one;
  ASSERT_TRUE(stub<v1::Config>()->Diff(&one, diff, &differs).ok());
  ASSERT_EQ(differs.differences_size(), 1);
  EXPECT_EQ(differs.differences(0).difference().change(), v1::Difference::CREATED);
  EXPECT_TRUE(differs.differences(0).has_after());
  EXPECT_FALSE(differs.differences(0).has_before());

  v1::ValidateRequest validate;
  *validate.add_objects() = diff.objects(0);
  v1::ValidateResponse valid;
  grpc::ClientContext two;
  ASSERT_TRUE(stub<v1::Config>()->Validate(&two, validate, &valid).ok());
  EXPECT_TRUE(valid.valid()) << text_of(valid.errors());
  validate.mutable_objects(0)->mutable_rate_limit()->mutable_spec()->mutable_target()->set_interface("x");
  grpc::ClientContext three;
  ASSERT_TRUE(stub<v1::Config>()->Validate(&three, validate, &valid).ok());
  EXPECT_FALSE(valid.valid());
  EXPECT_TRUE(list("RateLimit").empty());
}

TEST_F(ConfigService, RemovesRemembersAndRollsBack) {
  serve_node();
  ASSERT_TRUE(apply({loop::sample_limit("l", 100)}).applied());
  v1::DeleteRequest request;
  request.add_keys()->set_kind("RateLimit");
  request.mutable_keys(0)->set_name("l");
  request.set_message("away");
  v1::ApplyResponse reply;
  grpc::ClientContext one;
  ASSERT_TRUE(stub<v1::Config>()->Delete(&one, request, &reply).ok());
  EXPECT_TRUE(reply.applied()) << text_of(reply.errors());
  EXPECT_TRUE(list("RateLimit").empty());
  grpc::ClientContext two;
  v1::ApplyResponse second;
  ASSERT_TRUE(stub<v1::Config>()->Delete(&two, request, &second).ok());
  EXPECT_FALSE(second.applied()) << "what is not there cannot be removed";

  v1::HistoryResponse history;
  grpc::ClientContext three;
  ASSERT_TRUE(stub<v1::Config>()->History(&three, {}, &history).ok());
  ASSERT_EQ(history.revisions_size(), 3);
  EXPECT_EQ(history.revisions(0).message(), "away");
  EXPECT_EQ(history.revisions(0).removed(), 1u);

  v1::RollbackRequest back;
  back.set_revision(2);
  grpc::ClientContext four;
  ASSERT_TRUE(stub<v1::Config>()->Rollback(&four, back, &reply).ok());
  EXPECT_TRUE(reply.applied());
  EXPECT_EQ(list("RateLimit").size(), 1u);
  back.set_revision(77);
  grpc::ClientContext five;
  EXPECT_EQ(stub<v1::Config>()->Rollback(&five, back, &reply).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(ConfigService, WatchTellsOfEveryRevision) {
  serve_node();
  grpc::ClientContext context;
  const auto service = stub<v1::Config>();
  const auto stream = service->Watch(&context, {});
  stream->WaitForInitialMetadata();
  ASSERT_TRUE(apply({loop::sample_limit("l", 100)}).applied());
  ASSERT_TRUE(apply({loop::sample_limit("l", 200)}).applied());
  v1::WatchResponse revision;
  ASSERT_TRUE(stream->Read(&revision));
  EXPECT_EQ(revision.revision(), 2u);
  ASSERT_TRUE(stream->Read(&revision));
  ASSERT_EQ(revision.differences_size(), 1);
  EXPECT_EQ(revision.differences(0).before().rate_limit().spec().rate().packets_per_second(), 100);
  EXPECT_EQ(revision.differences(0).after().rate_limit().spec().rate().packets_per_second(), 200);
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ConfigService, RefusesWhatIsTooBig) {
  serve_node();
  v1::ApplyRequest request;
  request.set_message(std::string(2000, 'x'));
  v1::ApplyResponse reply;
  grpc::ClientContext one;
  EXPECT_EQ(stub<v1::Config>()->Apply(&one, request, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_message(std::string(kMaxMessageBytes, 'x'));
  grpc::ClientContext two;
  EXPECT_EQ(stub<v1::Config>()->Apply(&two, request, &reply).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ConfigService, LimitsAreSetAndListed) {
  serve_node();
  ASSERT_TRUE(apply({loop::sample_limit("l", 100)}).applied());
  v1::SetLimitRequest request;
  request.set_name("l");
  v1::ApplyResponse reply;
  grpc::ClientContext one;
  EXPECT_EQ(stub<v1::Limits>()->Set(&one, request, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_rate()->set_bits_per_second(1e6);
  grpc::ClientContext two;
  ASSERT_TRUE(stub<v1::Limits>()->Set(&two, request, &reply).ok());
  EXPECT_TRUE(reply.applied()) << text_of(reply.errors());
  v1::ListLimitsResponse limits;
  grpc::ClientContext three;
  ASSERT_TRUE(stub<v1::Limits>()->List(&three, {}, &limits).ok());
  ASSERT_EQ(limits.limits_size(), 1);
  EXPECT_EQ(limits.limits(0).spec().rate().bits_per_second(), 1e6);
  v1::LimitUsageResponse usage;
  grpc::ClientContext four;
  ASSERT_TRUE(stub<v1::Limits>()->Usage(&four, {}, &usage).ok());
  ASSERT_EQ(usage.limits_size(), 1);
  EXPECT_EQ(usage.limits(0).unit(), "bits");
  request.mutable_rate()->set_bits_per_second(-1);
  grpc::ClientContext five;
  ASSERT_TRUE(stub<v1::Limits>()->Set(&five, request, &reply).ok());
  EXPECT_FALSE(reply.applied());
}

TEST_F(ConfigService, NodeAndTelemetryAnswer) {
  serve_node();
  v1::NodeInfoResponse info;
  grpc::ClientContext one;
  ASSERT_TRUE(stub<v1::Node>()->Info(&one, {}, &info).ok());
  EXPECT_EQ(info.name(), "gw");
  EXPECT_EQ(info.workers(), 2u);
  EXPECT_EQ(info.ports_size(), 2);
  v1::DrainResponse drained;
  grpc::ClientContext two;
  ASSERT_TRUE(stub<v1::Node>()->Drain(&two, {}, &drained).ok());
  EXPECT_TRUE(loop_->draining());
  v1::UndrainResponse undrained;
  grpc::ClientContext three;
  ASSERT_TRUE(stub<v1::Node>()->Undrain(&three, {}, &undrained).ok());
  EXPECT_FALSE(loop_->draining());

  v1::StatsRequest request;
  request.add_sections(v1::StatsRequest::WORKERS);
  v1::StatsResponse stats;
  grpc::ClientContext four;
  ASSERT_TRUE(stub<v1::Telemetry>()->Stats(&four, request, &stats).ok());
  EXPECT_EQ(stats.workers_size(), 2);
  EXPECT_EQ(stats.drops_size(), 0);
  EXPECT_EQ(stats.control().revision(), 1u);

  v1::WatchStatsRequest often;
  often.set_interval_milliseconds(10);
  grpc::ClientContext five;
  const auto service = stub<v1::Telemetry>();
  EXPECT_EQ(service->WatchStats(&five, often)->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  often.set_interval_milliseconds(100);
  grpc::ClientContext six;
  const auto stream = service->WatchStats(&six, often);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(stream->Read(&stats));
  six.TryCancel();
  stream->Finish();
}

}  // namespace
}  // namespace penstock::api
