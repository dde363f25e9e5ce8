#include "control/api/server.h"

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "control/api/services.h"

namespace penstock::api {

namespace {

base::Result<std::string> read_pem(const std::string& option, const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (path.empty() || !file || text.str().find("-----BEGIN") == std::string::npos)
    return base::Error{option + ": \"" + path + "\" cannot be read as a PEM file"};
  return text.str();
}

bool is_loopback(const std::string& listen) {
  const std::string host = listen.substr(0, listen.rfind(':'));
  return host == "127.0.0.1" || host == "localhost" || host == "[::1]";
}

base::Result<std::shared_ptr<grpc::ServerCredentials>> tcp_credentials(const ServerOptions& options) {
  const bool any_tls = !options.tls_certificate.empty() || !options.tls_key.empty() || !options.tls_ca.empty();
  if (!any_tls) {
    if (!options.insecure && !is_loopback(options.listen))
      return base::Error{"--listen " + options.listen +
                         ": needs --tls-cert, --tls-key and --tls-ca (mutual TLS), or --insecure for plain text"};
    return grpc::InsecureServerCredentials();
  }
  auto certificate = read_pem("--tls-cert", options.tls_certificate);
  if (!certificate) return base::Error{certificate.error()};
  auto key = read_pem("--tls-key", options.tls_key);
  if (!key) return base::Error{key.error()};
  auto ca = read_pem("--tls-ca", options.tls_ca);
  if (!ca) return base::Error{ca.error()};
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = *ca;
  tls.pem_key_cert_pairs.push_back({*key, *certificate});
  return grpc::SslServerCredentials(tls);
}

// A socket file that a killed gateway left behind is in the way of the next; one that somebody answers on is not ours.
base::Result<void> make_way(const std::string& path) {
  std::error_code failure;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, failure);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return base::Error{"--socket: longer than " + std::to_string(sizeof address.sun_path - 1) + " characters"};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answered = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  if (answered) return base::Error{"--socket " + path + ": another gateway listens there"};
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode))
    return base::Error{"--socket " + path + ": exists and is not a socket"};
  ::unlink(path.c_str());
  return {};
}

void set_bounds(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 3);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a port in use is an error, not a share of its calls
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  grpc::ResourceQuota quota("api");
  quota.SetMaxThreads(kMaxThreads);
  quota.Resize(512u << 20);
  builder.SetResourceQuota(quota);
}

}  // namespace

struct Server::Parts {
  Parts(loop::ControlLoop& loop, PeerLink& peer_link, RequestSources requests, const ServerOptions& options)
      : context{.loop = loop,
                .peer_link = peer_link,
                .requests = std::move(requests),
                .write_patience = options.write_patience,
                .silence_patience = options.silence_patience},
        config(context),
        flows(context),
        limits(context),
        telemetry(context),
        node(context) {}

  ServiceContext context;
  ConfigService config;
  FlowsService flows;
  LimitsService limits;
  TelemetryService telemetry;
  NodeService node;
  std::unique_ptr<grpc::Server> server;
  std::string socket;
};

Server::Server() = default;

base::Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, loop::ControlLoop& loop,
                                                    PeerLink& peer_link, RequestSources requests) {
  if (options.socket.empty() && options.listen.empty())
    return base::Error{"neither --socket nor --listen is given: nothing could configure the gateway"};
  // gRPC writes lines of its own for every client that it does not like: anybody could fill the log with them.
  gpr_set_log_function([](gpr_log_func_args*) {});
  grpc::EnableDefaultHealthCheckService(true);
  static const bool reflects = (grpc::reflection::InitProtoReflectionServerBuilderPlugin(), true);
  (void)reflects;
  grpc::ServerBuilder builder;
  set_bounds(builder);
  int port = -1;
  if (!options.socket.empty()) {
    if (auto free = make_way(options.socket); !free) return base::Error{free.error()};
    builder.AddListeningPort("unix:" + options.socket, grpc::InsecureServerCredentials());
  }
  if (!options.listen.empty()) {
    auto credentials = tcp_credentials(options);
    if (!credentials) return base::Error{credentials.error()};
    builder.AddListeningPort(options.listen, *credentials, &port);
  }
  std::unique_ptr<Server> server(new Server);
  server->parts_ = std::make_unique<Parts>(loop, peer_link, std::move(requests), options);
  Parts& parts = *server->parts_;
  for (grpc::Service* each :
       std::initializer_list<grpc::Service*>{&parts.config, &parts.flows, &parts.limits, &parts.telemetry, &parts.node})
    builder.RegisterService(each);
  const mode_t before = ::umask(0117);  // the socket is born with its mode
  parts.server = builder.BuildAndStart();
  ::umask(before);
  if (parts.server == nullptr || port == 0) {
    if (!options.socket.empty()) ::unlink(options.socket.c_str());
    const std::string where = options.listen.empty() ? "--socket " + options.socket : "--listen " + options.listen;
    return base::Error{where + ": cannot listen there (address in use, no permission, or no such directory)"};
  }
  parts.socket = options.socket;
  return server;
}

void Server::stop() {
  if (parts_ == nullptr || parts_->server == nullptr) return;
  parts_->context.stopping.store(true);
  parts_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
  parts_->server->Wait();
  parts_->server.reset();
  if (!parts_->socket.empty()) ::unlink(parts_->socket.c_str());
}

Server::~Server() { stop(); }

}  // namespace penstock::api
