// The server itself: where it listens, whom it lets in, and what it does with clients that hang.
#include "control/api/server.h"

#include <grpcpp/generic/generic_stub.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <fstream>

#include "unit/control/api/api_fixture.h"

namespace penstock::api {
namespace {

class ServerTest : public ApiFixture {
 protected:
  std::string refusal(const ServerOptions& options) {
    auto server = Server::start(options, *loop_, *peer_link_);
    return server.ok() ? "" : server.error();
  }
  static grpc::Status ask(const std::shared_ptr<grpc::Channel>& channel) {
    v1::NodeInfoResponse info;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    return v1::Node::NewStub(channel)->Info(&context, {}, &info);
  }
};

TEST_F(ServerTest, TheSocketIsForItsGroup) {
  serve();
  struct stat info {};
  ASSERT_EQ(stat(socket_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
  EXPECT_TRUE(ask(channel_).ok());
  server_.reset();
  EXPECT_NE(stat(socket_.c_str(), &info), 0) << "the socket stays behind";
}

TEST_F(ServerTest, ASecondGatewayDoesNotTakeTheSocket) {
  serve();
  EXPECT_NE(refusal({.socket = socket_}).find("another gateway listens there"), std::string::npos);
  EXPECT_TRUE(ask(channel_).ok());
}

TEST_F(ServerTest, ASocketThatWasLeftBehindIsTaken) {
  const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(left, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(left);
  serve();
  EXPECT_TRUE(ask(channel_).ok());
}

TEST_F(ServerTest, SaysWhatIsWrongWithWhereToListen) {
  EXPECT_NE(refusal({.socket = ""}), "");
  std::ofstream(directory_ + "/file") << "x";
  EXPECT_NE(refusal({.socket = directory_ + "/file"}).find("not a socket"), std::string::npos);
  EXPECT_NE(refusal({.socket = directory_ + "/" + std::string(200, 'x')}).find("longer than"), std::string::npos);
  EXPECT_NE(refusal({.socket = "", .listen = "192.0.2.1:1"}).find("--insecure"), std::string::npos);
  EXPECT_NE(refusal({.socket = "", .listen = "0.0.0.0:0"}).find("--insecure"), std::string::npos);
  EXPECT_NE(refusal({.socket = "", .listen = "192.0.2.1:1", .insecure = true}).find("cannot listen"),
            std::string::npos);
  ServerOptions tls{.socket = "", .listen = "127.0.0.1:0", .tls_certificate = directory_ + "/none.pem"};
  EXPECT_NE(refusal(tls).find("--tls-cert"), std::string::npos);
  tls.tls_certificate = directory_ + "/file";
  EXPECT_NE(refusal(tls).find("PEM"), std::string::npos);
}

TEST_F(ServerTest, AnswersHealthAndReflection) {
  serve();
  for (const char* method :
       {"/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    // An empty request of either is valid; a method that does not exist is UNIMPLEMENTED.
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    grpc::CompletionQueue queue;
    grpc::GenericStub generic(channel_);
    grpc::ByteBuffer request, response;
    grpc::Status status;
    auto call = generic.PrepareUnaryCall(&context, method, request, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << method;
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNAVAILABLE) << method;
  }
}

TEST_F(ServerTest, MutualTlsLetsOnlySignedClientsIn) {
  const std::string make =
      "cd " + directory_ +
      " && exec 2>/dev/null >/dev/null && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 "
      "-subj /CN=ca -keyout ca.key -out ca.pem"
      " && printf 'subjectAltName=IP:127.0.0.1' >san"
      " && for who in gateway client; do openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$who "
      "-keyout $who.key -out $who.csr && openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days "
      "1 "
      "-extfile san -out $who.pem || exit 1; done";
  if (std::system(make.c_str()) != 0) GTEST_SKIP() << "no openssl command";
  const auto pem = [&](const std::string& name) {
    std::ifstream file(directory_ + "/" + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string listen = "127.0.0.1:39443";
  serve({.listen = listen,
         .tls_certificate = directory_ + "/gateway.pem",
         .tls_key = directory_ + "/gateway.key",
         .tls_ca = directory_ + "/ca.pem"});
  EXPECT_NE(refusal({.socket = "", .listen = listen}).find("cannot listen"), std::string::npos) << "port in use";
  EXPECT_TRUE(
      ask(grpc::CreateChannel(listen, grpc::SslCredentials({pem("ca.pem"), pem("client.key"), pem("client.pem")})))
          .ok());
  EXPECT_FALSE(ask(grpc::CreateChannel(listen, grpc::SslCredentials({pem("ca.pem"), "", ""}))).ok());
  EXPECT_FALSE(ask(grpc::CreateChannel(listen, grpc::InsecureChannelCredentials())).ok());
}

TEST_F(ServerTest, AReadingTooManyIsRefusedAndChangesGoOn) {
  serve_node();
  dataplane_->paused = true;  // the change below keeps the control thread until its workers adopt
  std::thread change([this] { apply({loop::sample_limit("l", 5)}); });
  bool refused = false;
  for (int i = 0; i < 200 && !refused; ++i) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
    v1::StatsResponse response;
    refused =
        stub<v1::Telemetry>()->Stats(&context, {}, &response).error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
  }
  EXPECT_TRUE(refused);
  dataplane_->paused = false;
  change.join();
  EXPECT_TRUE(apply({loop::sample_limit("l", 6)}).applied());
}

TEST_F(ServerTest, AStreamTooManyIsRefusedAndShortCallsGoOn) {
  serve_node();
  std::vector<std::unique_ptr<grpc::ClientContext>> calls;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::WatchResponse>>> streams;
  std::vector<std::unique_ptr<v1::Config::Stub>> stubs;
  for (int i = 0; i < 32; ++i) {
    calls.push_back(std::make_unique<grpc::ClientContext>());
    stubs.push_back(stub<v1::Config>());
    streams.push_back(stubs.back()->Watch(calls.back().get(), {}));
    streams.back()->WaitForInitialMetadata();
  }
  grpc::ClientContext one_more;
  const auto service = stub<v1::Config>();
  EXPECT_EQ(service->Watch(&one_more, {})->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(ask(channel_).ok());
  EXPECT_TRUE(apply({loop::sample_limit("l", 5)}).applied());
  calls[0]->TryCancel();
  streams[0]->Finish();
  EXPECT_TRUE(eventually([&] {
    grpc::ClientContext again;
    const auto stream = service->Watch(&again, {});
    again.TryCancel();
    return stream->Finish().error_code() == grpc::StatusCode::CANCELLED;
  }));
  for (auto& call : calls) call->TryCancel();
  for (size_t i = 1; i < streams.size(); ++i) streams[i]->Finish();
}

TEST_F(ServerTest, AClientThatDoesNotReadIsLeft) {
  serve({.write_patience = 500'000'000});
  // 20 MB: more than any window or socket buffer holds.
  std::vector<model::Object> many = {loop::sample_node()};
  for (int i = 0; i < 20; ++i) {
    model::EndpointSlice slice = loop::sample_slice("s" + std::to_string(i), {});
    model::Endpoint endpoint{.addresses = {loop::ip("10.0.1.11")}, .zone = std::string(1000, 'z')};
    slice.endpoints.assign(1000, endpoint);
    many.push_back(slice);
  }
  ASSERT_TRUE(apply(many).applied());
  grpc::ClientContext context;
  const auto service = stub<v1::Config>();
  const auto stream = service->List(&context, {});
  std::this_thread::sleep_for(std::chrono::milliseconds(3000));
  v1::ListResponse chunk;
  int chunks = 0;
  while (stream->Read(&chunk)) ++chunks;
  EXPECT_FALSE(stream->Finish().ok()) << chunks << " chunks: the server waited for us";
  EXPECT_TRUE(ask(channel_).ok());
}

TEST_F(ServerTest, AProgramStreamThatSaysNothingIsEnded) {
  serve({.silence_patience = 300'000'000});
  ASSERT_TRUE(apply({loop::sample_node()}).applied());
  grpc::ClientContext context;
  const auto service = stub<v1::Flows>();
  const auto stream = service->Program(&context);
  v1::ProgramResponse answer;
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ServerTest, StopsWhileStreamsRun) {
  serve_node();
  grpc::ClientContext one, two;
  const auto config = stub<v1::Config>();
  const auto flows = stub<v1::Flows>();
  const auto watch = config->Watch(&one, {});
  watch->WaitForInitialMetadata();
  const auto program = flows->Program(&two);
  program->Write({});
  v1::ProgramResponse answer;
  ASSERT_TRUE(program->Read(&answer));
  server_.reset();
  v1::WatchResponse revision;
  EXPECT_FALSE(watch->Read(&revision));
  watch->Finish();
  EXPECT_FALSE(program->Read(&answer));
  EXPECT_FALSE(program->Finish().ok());
}

TEST_F(ServerTest, GarbageOnTheSocketHurtsNobody) {
  serve_node();
  std::vector<int> open;
  for (int i = 0; i < 100; ++i) {
    const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      const std::string noise =
          i % 2 ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\4\1" : std::string(4096, static_cast<char>(i));
      (void)!::send(client, noise.data(), noise.size(), MSG_NOSIGNAL);
    }
    open.push_back(client);
  }
  EXPECT_TRUE(ask(channel_).ok());
  for (const int client : open) ::close(client);
}

}  // namespace
}  // namespace penstock::api
