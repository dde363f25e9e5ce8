// apply, diff, validate, get, delete, history, rollback.
#include <algorithm>
#include <iostream>
#include <set>

#include "control/api/config.grpc.pb.h"
#include "control/api/manifest.h"
#include "tools/penstock/cli.h"
#include "tools/penstock/files.h"
#include "tools/penstock/summary.h"
#include "tools/penstock/text_diff.h"

namespace penstock::cli {

namespace {

using Stub = v1::Config::Stub;

struct Change {  // what apply, diff, validate and delete read
  std::vector<std::string> files;
  bool replace = false;
  std::string message;
};

void add_files(CLI::App& command, Change& change) {
  command.add_option("-f,--filename", change.files, "file or directory of YAML or JSON, or - for standard input")
      ->required()
      ->take_all()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_replace(CLI::App& command, Change& change) {
  command.add_flag("--replace", change.replace, "objects that are not in the files are removed");
}

void print_errors(const google::protobuf::RepeatedPtrField<v1::FieldError>& errors,
                  const std::vector<std::string>& without = {}) {
  for (const v1::FieldError& error : errors) {
    if (std::find(without.begin(), without.end(), error.object()) != without.end()) continue;
    std::cerr << error.object() << (error.path().empty() ? "" : " ") << error.path() << ": " << error.reason() << "\n";
  }
}

// Faults of the files, together with what the gateway finds in the objects that could be read.
int refuse_files(const Shared& shared, const Bundle& bundle, bool replace) {
  for (const std::string& error : bundle.errors) std::cerr << error << "\n";
  if (bundle.objects.empty()) return kRefused;
  v1::ValidateRequest request;
  for (const v1::Object& object : bundle.objects) *request.add_objects() = object;
  request.set_replace(replace);
  v1::ValidateResponse response;
  const auto context = call_context(shared);
  if (stub<v1::Config>(shared)->Validate(context.get(), request, &response).ok())
    print_errors(response.errors(), bundle.broken_objects);
  return kRefused;
}

template <typename Request>
void fill(Request& request, Bundle& bundle, const Change& change) {
  for (v1::Object& object : bundle.objects) *request.add_objects() = std::move(object);
  request.set_replace(change.replace);
}

const char* word_of(v1::Difference::Change change) {
  switch (change) {
    case v1::Difference::CREATED:
      return "created";
    case v1::Difference::CHANGED:
      return "changed";
    case v1::Difference::REMOVED:
      return "removed";
    case v1::Difference::UNCHANGED:
      return "unchanged";
    default:
      return "?";
  }
}

Colour colour_of(v1::Difference::Change change) {
  return change == v1::Difference::CREATED   ? Colour::kGreen
         : change == v1::Difference::REMOVED ? Colour::kRed
         : change == v1::Difference::CHANGED ? Colour::kYellow
                                             : Colour::kNone;
}

std::string name_of(const v1::ObjectKey& key) { return key.kind() + "/" + key.namespace_() + "/" + key.name(); }

void print_differences(const google::protobuf::RepeatedPtrField<v1::Difference>& differences) {
  constexpr int kMost = 50;
  for (int i = 0; i < std::min(differences.size(), kMost); ++i)
    std::cout << coloured(colour_of(differences[i].change()), word_of(differences[i].change())) << " "
              << name_of(differences[i].key()) << "\n";
  if (differences.size() > kMost) std::cout << "... and " << differences.size() - kMost << " more\n";
}

int print_applied(const Shared& shared, const v1::ApplyResponse& response) {
  print_errors(response.errors());
  if (shared.output != Output::kTable) {
    print_message(shared, response);
  } else if (response.applied()) {
    print_differences(response.differences());
    if (response.unchanged()) std::cout << response.unchanged() << " unchanged\n";
    const v1::PhaseTimes& t = response.times();
    const double total =
        static_cast<double>(t.queue() + t.validate() + t.prepare() + t.compile() + t.store() + t.publish() + t.adopt());
    int late = 0;
    for (const v1::WorkerAdoption& worker : response.workers()) late += !worker.adopted();
    std::printf("revision %lu, generation %lu live on %d of %d workers after %.1f ms\n", response.revision(),
                response.generation(), response.workers_size() - late, response.workers_size(), total / 1000);
  }
  if (!response.applied()) std::cerr << "refused: nothing was changed\n";
  return response.applied() ? kOk : kRefused;
}

int run_apply(const Shared& shared, const Change& change) {
  Bundle bundle = read_bundle(change.files);
  if (!bundle.errors.empty()) return refuse_files(shared, bundle, change.replace);
  v1::ApplyRequest request;
  fill(request, bundle, change);
  request.set_message(change.message);
  v1::ApplyResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Config>(shared)->Apply(context.get(), request, &response);
  return status.ok() ? print_applied(shared, response) : report(shared, status);
}

int run_validate(const Shared& shared, const Change& change) {
  Bundle bundle = read_bundle(change.files);
  if (!bundle.errors.empty()) return refuse_files(shared, bundle, change.replace);
  v1::ValidateRequest request;
  fill(request, bundle, change);
  v1::ValidateResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Config>(shared)->Validate(context.get(), request, &response);
  if (!status.ok()) return report(shared, status);
  print_errors(response.errors());
  if (shared.output != Output::kTable) {
    print_message(shared, response);
  } else if (response.valid()) {
    std::cout << "valid: " << request.objects_size() << " objects, " << response.differences_size()
              << " would change\n";
  }
  return response.valid() ? kOk : kRefused;
}

std::string yaml_of(const v1::Object& object) {
  return object.object_case() == v1::Object::OBJECT_NOT_SET ? "" : api::write_yaml({object});
}

void print_object_difference(const v1::ObjectDifference& each) {
  const auto& difference = each.difference();
  std::cout << coloured(Colour::kBold, std::string(word_of(difference.change())) + " " + name_of(difference.key()))
            << "\n";
  for (const std::string& line : diff_lines(yaml_of(each.before()), yaml_of(each.after()))) {
    const Colour colour = line[0] == '+' ? Colour::kGreen : line[0] == '-' ? Colour::kRed : Colour::kNone;
    std::cout << "  " << coloured(colour, line) << "\n";
  }
}

int run_diff(const Shared& shared, const Change& change) {
  Bundle bundle = read_bundle(change.files);
  if (!bundle.errors.empty()) return refuse_files(shared, bundle, change.replace);
  v1::DiffRequest request;
  fill(request, bundle, change);
  v1::DiffResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Config>(shared)->Diff(context.get(), request, &response);
  if (!status.ok()) return report(shared, status);
  print_errors(response.errors());
  if (shared.output != Output::kTable) {
    print_message(shared, response, false);
  } else {
    for (const v1::ObjectDifference& each : response.differences()) print_object_difference(each);
    if (response.differences_size() == 0 && response.errors_size() == 0) std::cout << "no difference\n";
  }
  return response.errors_size() == 0 ? kOk : kRefused;
}

void print_objects(const Shared& shared, const std::vector<v1::Object>& objects) {
  if (shared.output == Output::kYaml) {
    std::cout << api::write_yaml(objects);
  } else if (shared.output == Output::kJson) {
    std::cout << api::write_json(objects);
  } else {
    Table table({"KIND", "NAMESPACE", "NAME", "WHAT"});
    for (const v1::Object& object : objects) {
      const v1::ObjectKey key = api::key_of(object);
      table.add({key.kind(), key.kind() == "Node" ? "" : key.namespace_(), key.name(), summary_of(object)});
    }
    table.print();
  }
  std::cout << std::flush;
}

// Every revision from now on, as differences.
int watch_objects(const Shared& shared, const std::string& kind) {
  grpc::ClientContext context;
  const Interruptible guard(context);
  const auto service = stub<v1::Config>(shared);
  const auto stream = service->Watch(&context, {});
  v1::WatchResponse revision;
  while (stream->Read(&revision)) {
    if (revision.lost()) std::cerr << revision.lost() << " revisions were lost: list again\n";
    if (shared.output != Output::kTable) {
      print_message(shared, revision, false);
      continue;
    }
    std::cout << coloured(Colour::kBold, "revision " + std::to_string(revision.revision())) << " at "
              << time_text(revision.time()) << " " << revision.message() << "\n";
    for (const v1::ObjectDifference& each : revision.differences())
      if (kind.empty() || each.difference().key().kind() == kind) print_object_difference(each);
    std::cout << std::flush;
  }
  return report(shared, stream->Finish());
}

struct Get {
  std::string kind, name, space;
  bool watch = false;
};

// "name" or "namespace/name".
v1::ObjectKey key_from(const std::string& kind, const std::string& name, const std::string& space) {
  v1::ObjectKey key;
  const size_t slash = name.find('/');
  key.set_kind(kind);
  key.set_name(slash == std::string::npos ? name : name.substr(slash + 1));
  key.set_namespace_(slash == std::string::npos ? space : name.substr(0, slash));
  return key;
}

std::string checked_kind(const std::string& text) {
  const std::string kind = api::kind_named(text);
  if (!kind.empty()) return kind;
  std::string all;
  for (const api::KindInfo& info : api::kinds()) all += std::string(all.empty() ? "" : ", ") + info.kind;
  throw CLI::ValidationError("kind", "\"" + text + "\" is not one of " + all);
}

int run_get(const Shared& shared, const Get& get) {
  const std::string kind = get.kind.empty() ? "" : checked_kind(get.kind);
  const auto service = stub<v1::Config>(shared);
  const auto context = call_context(shared);
  if (!get.name.empty()) {
    v1::GetRequest request;
    *request.mutable_key() = key_from(kind, get.name, get.space);
    v1::Object object;
    const auto status = service->Get(context.get(), request, &object);
    if (!status.ok()) return report(shared, status);
    print_objects(shared, {object});
    return kOk;
  }
  v1::ListRequest request;
  request.set_kind(kind);
  request.set_namespace_(get.space);
  const auto stream = service->List(context.get(), request);
  std::vector<v1::Object> objects;
  v1::ListResponse chunk;
  while (stream->Read(&chunk))
    for (v1::Object& object : *chunk.mutable_objects()) objects.push_back(std::move(object));
  const auto status = stream->Finish();
  if (!status.ok()) return report(shared, status);
  print_objects(shared, objects);
  return get.watch ? watch_objects(shared, kind) : kOk;
}

struct Delete {
  std::string kind, space;
  std::vector<std::string> names;
  Change change;
};

int run_delete(const Shared& shared, const Delete& what) {
  v1::DeleteRequest request;
  if (what.change.files.empty()) {
    if (what.kind.empty() || what.names.empty())
      throw CLI::ValidationError("delete", "want a kind and names, or -f with files that name the objects");
    const std::string kind = checked_kind(what.kind);
    for (const std::string& name : what.names) *request.add_keys() = key_from(kind, name, what.space);
  } else {
    if (!what.kind.empty())
      throw CLI::ValidationError("delete", "-f names the objects; a kind and names go without it");
    const Bundle bundle = read_bundle(what.change.files);
    for (const std::string& error : bundle.errors) std::cerr << error << "\n";
    if (!bundle.errors.empty()) return kRefused;
    for (const v1::Object& object : bundle.objects) *request.add_keys() = api::key_of(object);
  }
  request.set_message(what.change.message);
  v1::ApplyResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Config>(shared)->Delete(context.get(), request, &response);
  return status.ok() ? print_applied(shared, response) : report(shared, status);
}

int run_history(const Shared& shared, uint32_t limit) {
  v1::HistoryRequest request;
  request.set_limit(limit);
  v1::HistoryResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Config>(shared)->History(context.get(), request, &response);
  if (!status.ok()) return report(shared, status);
  if (shared.output != Output::kTable) {
    print_message(shared, response);
    return kOk;
  }
  Table table({"REVISION", "TIME", "CREATED", "CHANGED", "REMOVED", "MESSAGE"});
  for (const v1::Revision& each : response.revisions())
    table.add({count_text(each.revision()), time_text(each.time()), count_text(each.created()),
               count_text(each.changed()), count_text(each.removed()), each.message()});
  table.print();
  return kOk;
}

int run_rollback(const Shared& shared, uint64_t revision, const std::string& message) {
  v1::RollbackRequest request;
  request.set_revision(revision);
  request.set_message(message);
  v1::ApplyResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Config>(shared)->Rollback(context.get(), request, &response);
  return status.ok() ? print_applied(shared, response) : report(shared, status);
}

void add_get_and_delete(CLI::App& app, Shared& shared) {
  auto get = std::make_shared<Get>();
  auto* get_command = app.add_subcommand("get", "Shows objects")->fallthrough();
  get_command->footer(
      "Examples:\n  penstock get\n  penstock get Service -o yaml\n  penstock get ratelimit web\n"
      "  penstock get --watch");
  get_command->add_option("kind", get->kind, "all kinds when absent");
  get_command->add_option("name", get->name, "name or namespace/name; all objects when absent");
  get_command->add_option("-n,--namespace", get->space, "all namespaces when absent; with a name: default");
  get_command->add_flag("-w,--watch", get->watch, "then every change as it is applied");
  get_command->callback([&shared, get] { shared.status = run_get(shared, *get); });

  auto what = std::make_shared<Delete>();
  auto* remove = app.add_subcommand("delete", "Removes objects")->fallthrough();
  remove->footer("Examples:\n  penstock delete RateLimit web\n  penstock delete -f gateway.yaml");
  remove->add_option("kind", what->kind, "kind of the objects");
  remove->add_option("name", what->names, "names, or namespace/name");
  remove->add_option("-n,--namespace", what->space, "of the names")->default_str("default");
  remove->add_option("-f,--filename", what->change.files, "files that name the objects")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  remove->add_option("-m,--message", what->change.message, "kept with the revision");
  remove->callback([&shared, what] { shared.status = run_delete(shared, *what); });
}

}  // namespace

void add_config_commands(CLI::App& app, Shared& shared) {
  auto change = std::make_shared<Change>();
  auto* apply = app.add_subcommand("apply", "Creates and replaces objects; all or nothing")->fallthrough();
  apply->footer(
      "Examples:\n  penstock apply -f gateway.yaml\n  penstock apply -f conf.d -f extra.yaml -m 'new limits'\n"
      "  kubectl get services,endpointslices -A -o yaml | penstock apply -f -");
  add_files(*apply, *change);
  add_replace(*apply, *change);
  apply->add_option("-m,--message", change->message, "kept with the revision");
  apply->callback([&shared, change] { shared.status = run_apply(shared, *change); });

  auto* diff = app.add_subcommand("diff", "Shows what apply would change")->fallthrough();
  diff->footer("Example:\n  penstock diff -f gateway.yaml --replace");
  add_files(*diff, *change);
  add_replace(*diff, *change);
  diff->callback([&shared, change] { shared.status = run_diff(shared, *change); });

  auto* validate = app.add_subcommand("validate", "Checks files as apply would, and changes nothing")->fallthrough();
  validate->footer("Example:\n  penstock validate -f gateway.yaml");
  add_files(*validate, *change);
  add_replace(*validate, *change);
  validate->callback([&shared, change] { shared.status = run_validate(shared, *change); });

  add_get_and_delete(app, shared);

  auto limit = std::make_shared<uint32_t>(20);
  auto* history = app.add_subcommand("history", "Past revisions, newest first")->fallthrough();
  history->add_option("-n,--limit", *limit, "how many")->check(CLI::Range(1, 1000))->capture_default_str();
  history->callback([&shared, limit] { shared.status = run_history(shared, *limit); });

  auto revision = std::make_shared<uint64_t>(0);
  auto message = std::make_shared<std::string>();
  auto* rollback = app.add_subcommand("rollback", "Applies an older revision again")->fallthrough();
  rollback->footer("Example:\n  penstock history && penstock rollback 12");
  rollback->add_option("revision", *revision, "as history shows it")->required();
  rollback->add_option("-m,--message", *message, "kept with the new revision");
  rollback->callback([&shared, revision, message] { shared.status = run_rollback(shared, *revision, *message); });
}

}  // namespace penstock::cli
