#include "control/api/peer_link.h"

#include <sys/prctl.h>

#include <chrono>
#include <condition_variable>
#include <random>
#include <thread>

#include "control/api/peer_door.h"
#include "control/api/peer_link.grpc.pb.h"
#include "control/api/peer_messages.h"
#include "control/api/peer_tls.h"
#include "control/loop/log.h"
#include "control/mesh/served.h"
#include "flow/identity.h"

namespace penstock::api {

namespace {

namespace log = loop::log;

constexpr base::Nanos kTick = base::kNanosPerSecond / 50;
constexpr base::Nanos kFilesEvery = base::kNanosPerSecond / 4;  // a revocation counts within a second
constexpr auto kCallPatience = std::chrono::seconds(2);
constexpr auto kStopPatience = std::chrono::milliseconds(200);

pki::Seconds wall_seconds() { return static_cast<pki::Seconds>(base::wall_now() / base::kNanosPerSecond); }

uint64_t random_word() {
  std::random_device random;
  return static_cast<uint64_t>(random()) << 32 | random();
}

grpc::StatusCode code_of(mesh::Failure failure) {
  switch (failure) {
    case mesh::Failure::kUnreachable:
      return grpc::StatusCode::UNAVAILABLE;
    case mesh::Failure::kRefused:
      return grpc::StatusCode::PERMISSION_DENIED;
    case mesh::Failure::kDisagreement:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case mesh::Failure::kBusy:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
  }
  return grpc::StatusCode::UNKNOWN;
}

mesh::Failure failure_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return mesh::Failure::kRefused;
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::UNIMPLEMENTED:
      return mesh::Failure::kDisagreement;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return mesh::Failure::kBusy;
    default:
      return mesh::Failure::kUnreachable;
  }
}

// Identities of workloads here, as the generation numbers them. Those that other gateways told are theirs to tell.
std::vector<model::PeerIdentity> own_identities(const model::State& state,
                                                const std::shared_ptr<const flow::Generation>& generation) {
  std::vector<model::PeerIdentity> all;
  if (generation == nullptr) return all;
  std::set<std::string> own;
  for (const auto& [name, workload] : state.workloads) own.insert(workload->identity);
  const auto& names = generation->identities->names;
  for (size_t number = 1; number < names.size() && all.size() < mesh::kMaxTold; ++number)
    if (own.contains(names[number])) all.push_back({static_cast<uint16_t>(number), names[number]});
  if (all.size() < own.size())
    log::warn("too many identities for peers to hear of all", {{"bound", std::to_string(mesh::kMaxTold)}});
  return all;
}

}  // namespace

class PeerLink::Parts final : public v1::PeerLink::Service {
 public:
  explicit Parts(loop::ControlLoop& loop) : loop_(loop), machine_(loop.tunnels(), random_word(), random_word()) {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "peer-link");
      run();
    });
  }

  void stop() {
    {
      const std::lock_guard lock(lock_);
      if (stopping_) return;
      stopping_ = true;
      for (Conversation* each : conversations_) each->context.TryCancel();
    }
    wake_.notify_all();
    thread_.join();
    close_server();
    std::unique_lock lock(lock_);
    wake_.wait(lock, [this] { return conversations_.empty(); });
  }

  grpc::Status Agree(grpc::ServerContext* call, const v1::AgreeRequest* request, v1::AgreeResponse* response) override {
    const auto evidence = evidence_of(*call->auth_context());
    if (!evidence) return {grpc::StatusCode::UNAUTHENTICATED, "no SPIFFE ID"};
    const auto offer = to_offer(*request);
    if (!offer) return {grpc::StatusCode::INVALID_ARGUMENT, offer.error()};
    mesh::Machine::Answer answer;
    {
      const std::lock_guard lock(lock_);
      if (stopping_) return {grpc::StatusCode::UNAVAILABLE, "the gateway stops"};
      if (call->IsCancelled()) return grpc::Status::CANCELLED;  // its caller has asked anew meanwhile
      follow_state(base::monotonic_now());  // of two gateways that get a Peer at the same time one asks first
      answer = machine_.on_offer(*evidence, *offer, base::monotonic_now(), wall_seconds());
    }
    if (answer.refused) return {code_of(answer.refused->failure), answer.refused->reason};
    loop_.tunnels().settle();  // with the offers of others: they come in hundreds when a large mesh starts
    to_message(*answer.grant, *response);
    return grpc::Status::OK;
  }

  grpc::Status Beat(grpc::ServerContext* call, const v1::BeatRequest* request, v1::BeatResponse* response) override {
    const auto evidence = evidence_of(*call->auth_context());
    if (!evidence) return {grpc::StatusCode::UNAUTHENTICATED, "no SPIFFE ID"};
    const std::lock_guard lock(lock_);
    const auto answer = machine_.on_beat_of(evidence->id, request->epoch(), base::monotonic_now());
    if (answer.refused) return {code_of(answer.refused->failure), answer.refused->reason};
    response->set_instance(answer.instance);
    response->set_has_set(answer.has_set);
    return grpc::Status::OK;
  }

  std::vector<mesh::LinkStatus> status() const {
    const std::lock_guard lock(lock_);
    auto all = machine_.status();
    if (!listen_fault_.empty())
      for (mesh::LinkStatus& each : all)
        if (each.reason.empty() || !each.inbound) each.reason = listen_fault_;
    return all;
  }

  std::map<std::string, uint64_t> refused() const {
    std::map<std::string, uint64_t> all;
    const std::lock_guard lock(lock_);
    for (size_t i = 0; i < mesh::kGuestRefusals; ++i) {
      const auto refusal = static_cast<mesh::GuestRefusal>(i);
      all[mesh::to_string(refusal)] = guests_->refused(refusal);
    }
    all["certificate"] = acquaintances_->refused();
    for (size_t i = 0; i < mesh::kOfferRefusals; ++i) {
      const auto refusal = static_cast<mesh::OfferRefusal>(i);
      all[mesh::to_string(refusal)] = machine_.refused(refusal);
    }
    return all;
  }

  size_t connections() const { return guests_->size(); }

  bool rekey(const model::Name& peer) {
    const std::lock_guard lock(lock_);
    return machine_.rekey(peer, base::monotonic_now());
  }

 private:
  struct Channel {  // to one peer
    std::string target;
    std::shared_ptr<Judge> judge;
    std::unique_ptr<v1::PeerLink::Stub> stub;
  };
  struct Conversation {  // one call of ours
    mesh::Call call;
    std::shared_ptr<Judge> judge;
    grpc::ClientContext context;
    v1::AgreeRequest offer;
    v1::AgreeResponse grant;
    v1::BeatRequest beat;
    v1::BeatResponse alive;
  };

  void run() {
    std::unique_lock lock(lock_);
    while (!stopping_) {
      const base::Nanos now = base::monotonic_now();
      follow_state(now);
      if (now >= files_at_) {
        files_at_ = now + kFilesEvery;
        follow_files(now);
      }
      if (wants_server_ != has_server_ && now >= server_at_) {  // not under the lock: it waits for calls that want it
        lock.unlock();
        renew_server();
        lock.lock();
        continue;
      }
      machine_.on_time(now, wall_seconds());
      while (const auto call = machine_.next_call()) begin(*call);
      wake_.wait_for(lock, std::chrono::nanoseconds(kTick), [this] { return stopping_; });
    }
  }

  void follow_state(base::Nanos now) {
    const auto state = loop_.state();
    if (state == state_) return;
    state_ = state;
    std::optional<model::MeshIdentity> identity;
    if (state->node != nullptr) identity = state->node->mesh;
    if (identity != identity_) follow_identity(identity, now);
    machine_.set_workers(static_cast<unsigned>(std::max<size_t>(1, loop_.dataplane().workers().size())));
    machine_.set_served(mesh::served_by(*state));
    machine_.set_told(own_identities(*state, loop_.generation()), now);
    machine_.set_peers(state->peers, now);
    std::set<std::string> known;
    for (const auto& [name, peer] : state->peers)
      if (!peer->identity.empty()) known.insert(peer->identity);
    acquaintances_->set(std::move(known));
    std::set<base::IpAddress> named;
    for (const auto& [name, peer] : state->peers) {
      if (peer->identity.empty()) continue;
      named.insert(peer->link_address().address);
      for (const base::IpAddress& address : peer->addresses()) named.insert(address);
    }
    guests_->set_named(std::move(named));
    std::erase_if(channels_, [&](const auto& each) { return !state->peers.contains(each.first); });
  }

  void follow_identity(const std::optional<model::MeshIdentity>& identity, base::Nanos now) {
    const auto paths = [](const std::optional<model::MeshIdentity>& of) {
      return of ? pki::WatchPaths{of->certificate, of->key, of->bundle, of->revocation_lists} : pki::WatchPaths{};
    };
    const bool other_files = paths(identity) != paths(identity_);
    const bool other_place = identity && identity_ && identity->listen != identity_->listen;
    identity_ = identity;
    if (other_files) {
      watch_.reset();
      if (identity) watch_.emplace(paths(identity));
      follow_files(now);
    }
    if (other_place && used_ != nullptr) wants_server_ = ++servers_;
  }

  void follow_files(base::Nanos now) {
    const bool changed = watch_ && watch_->poll();
    auto material = watch_ ? watch_->current() : nullptr;
    if (watch_ && material == nullptr) material = used_;  // other files, not all good yet: the identity before goes on
    const std::string fault = watch_ ? watch_->fault() : "Node spec.mesh is missing";
    if (fault != files_fault_ && watch_ && !fault.empty())
      log::warn("identity: files that do not fit are not taken", {{"reason", fault}});
    if (!changed && material == machine_.material() && fault == files_fault_) return;
    files_fault_ = fault;
    machine_.set_material(material, fault, now, wall_seconds());
    if (material == used_) return;
    used_ = material;
    loop_.set_own_identity(material == nullptr ? "" : material->svid.id.text());
    channels_.clear();  // the next calls show the new certificate
    wants_server_ = material == nullptr ? 0 : ++servers_;
    if (material == nullptr) return;
    prctl(PR_SET_DUMPABLE, 0);
    log::info("identity", {{"id", material->svid.id.text()},
                           {"serial", material->svid.leaf().serial()},
                           {"until", pki::time_text(material->svid.leaf().not_after())}});
  }

  void renew_server() {
    close_server();
    std::shared_ptr<const pki::Material> material;
    model::LinkAddress listen;
    uint64_t wanted = 0;
    {
      const std::lock_guard lock(lock_);
      material = used_;
      wanted = wants_server_;
      if (identity_) listen = identity_->listen;
    }
    std::string fault;
    if (material != nullptr) {
      auto door = PeerDoor::open(listen, guests_);
      if (!door) fault = "Node spec.mesh.listen: cannot listen on " + listen.to_string() + " (" + door.error() + ")";
      if (door) begin_server(material, std::move(*door));
      if (door && server_ == nullptr) fault = "gRPC makes no server";
    }
    const std::lock_guard lock(lock_);
    has_server_ = fault.empty() ? wanted : 0;
    server_at_ = fault.empty() ? 0 : base::monotonic_now() + base::kNanosPerSecond;
    if (fault != listen_fault_ && !fault.empty()) log::error("PeerLink", {{"reason", fault}});
    listen_fault_ = fault;
  }

  void begin_server(const std::shared_ptr<const pki::Material>& material, std::unique_ptr<PeerDoor> door) {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(kMaxPeerMessageBytes);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxPeerStreams);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 3000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 60'000);
    grpc::ResourceQuota quota("peer_link");
    quota.SetMaxThreads(kMaxPeerThreads);
    quota.Resize(64u << 20);
    builder.SetResourceQuota(quota);
    auto inside = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        server_credentials(std::make_shared<Judge>(material, acquaintances_)));
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return;
    door_ = std::move(door);
    door_->start(std::move(inside));
  }

  void close_server() {
    door_.reset();
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + kStopPatience);
    server_->Wait();
    server_.reset();
  }

  Channel& channel_to(const mesh::Call& call) {
    Channel& channel = channels_[call.peer];
    if (channel.stub != nullptr && channel.target == call.target + " " + call.identity.text()) return channel;
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxPeerMessageBytes);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);  // so long a connection may take to be made
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 300);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    channel.target = call.target + " " + call.identity.text();
    auto named = std::make_shared<Acquaintances>();
    named->set({call.identity.text()});
    channel.judge = std::make_shared<Judge>(used_, std::move(named));
    channel.stub =
        v1::PeerLink::NewStub(grpc::CreateCustomChannel(call.target, channel_credentials(channel.judge), arguments));
    return channel;
  }

  void begin(const mesh::Call& call) {
    if (used_ == nullptr)
      return machine_.on_failure(call, mesh::Failure::kRefused, files_fault_, base::monotonic_now());
    Channel& channel = channel_to(call);
    auto* const talk = new Conversation{.call = call, .judge = channel.judge};
    conversations_.insert(talk);
    talk->context.set_deadline(std::chrono::system_clock::now() + kCallPatience);
    if (call.kind == mesh::CallKind::kOffer) {
      to_message(call.offer, talk->offer);
      channel.stub->async()->Agree(&talk->context, &talk->offer, &talk->grant,
                                   [this, talk](grpc::Status status) { end(talk, status); });
    } else {
      talk->beat.set_epoch(call.epoch);
      channel.stub->async()->Beat(&talk->context, &talk->beat, &talk->alive,
                                  [this, talk](grpc::Status status) { end(talk, status); });
    }
  }

  // On one of gRPC's threads.
  void end(Conversation* talk, const grpc::Status& status) {
    const std::unique_ptr<Conversation> owned(talk);
    {
      const std::lock_guard lock(lock_);
      if (!stopping_) take(*talk, status);
      conversations_.erase(talk);
    }
    wake_.notify_all();
  }

  void take(Conversation& talk, const grpc::Status& status) {
    const base::Nanos now = base::monotonic_now();
    if (!status.ok()) {
      // gRPC says of a refused certificate that there is no connection, and why; it says so until there is one.
      const std::string refusal = talk.judge->refusal();
      if (!refusal.empty() && status.error_message().find(refusal) != std::string::npos)
        return machine_.on_failure(talk.call, mesh::Failure::kRefused, refusal, now);
      return machine_.on_failure(talk.call, failure_of(status.error_code()), status.error_message(), now);
    }
    if (talk.call.kind == mesh::CallKind::kBeat)
      return machine_.on_beat(talk.call, talk.alive.instance(), talk.alive.has_set(), now);
    follow_state(now);  // the Peer may have changed since it was asked
    auto grant = to_grant(talk.grant);
    if (!grant) return machine_.on_failure(talk.call, mesh::Failure::kDisagreement, "grant: " + grant.error(), now);
    auto evidence = evidence_of(*talk.context.auth_context());
    if (!evidence) return machine_.on_failure(talk.call, mesh::Failure::kRefused, "no SPIFFE ID", now);
    machine_.on_grant(talk.call, *grant, std::move(*evidence), now, wall_seconds());
  }

  loop::ControlLoop& loop_;
  mutable std::mutex lock_;
  std::condition_variable wake_;
  bool stopping_ = false;
  mesh::Machine machine_;
  std::shared_ptr<const model::State> state_;
  std::optional<model::MeshIdentity> identity_;
  std::optional<pki::Watch> watch_;
  std::shared_ptr<const pki::Material> used_;                                               // by channels and server
  const std::shared_ptr<Acquaintances> acquaintances_ = std::make_shared<Acquaintances>();  // whom a Peer names
  std::string files_fault_, listen_fault_;
  base::Nanos files_at_ = 0, server_at_ = 0;
  uint64_t servers_ = 0, wants_server_ = 0, has_server_ = 0;  // number of the server; 0: none
  std::map<model::Name, Channel> channels_;
  std::set<Conversation*> conversations_;
  const std::shared_ptr<mesh::Guests> guests_ = std::make_shared<mesh::Guests>();
  std::unique_ptr<grpc::Server> server_;  // its thread only, and the next
  std::unique_ptr<PeerDoor> door_;        // goes first
  std::thread thread_;
};

PeerLink::PeerLink(loop::ControlLoop& loop) : parts_(std::make_unique<Parts>(loop)) {}
PeerLink::~PeerLink() { stop(); }
void PeerLink::stop() { parts_->stop(); }
std::vector<mesh::LinkStatus> PeerLink::status() const { return parts_->status(); }
std::map<std::string, uint64_t> PeerLink::refused() const { return parts_->refused(); }
size_t PeerLink::connections() const { return parts_->connections(); }
bool PeerLink::rekey(const model::Name& peer) { return parts_->rekey(peer); }

}  // namespace penstock::api
