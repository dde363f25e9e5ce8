// ca init, issue, renew, revoke, rotate, bundle, list, crl: the small authority of control/pki. Needs no gateway.
#include <iostream>

#include "base/time.h"
#include "control/pki/authority.h"
#include "tools/penstock/cli.h"

namespace penstock::cli {

namespace {

using api::Tree;
using pki::Authority;
using pki::Seconds;

constexpr Seconds kHour = 3600, kDay = 86400;

struct Options {
  std::string directory, trust_domain, id, out_directory, serial, request, key_kind = "p256";
  uint32_t days = static_cast<uint32_t>(pki::kDefaultRootLifetime / kDay);
  double hours = 0;
  bool if_due = false;
};

Seconds now() { return static_cast<Seconds>(base::wall_now() / base::kNanosPerSecond); }

int fail(const std::string& message) {
  std::cerr << "penstock: " << message << "\n";
  return kRefused;
}

pki::KeyKind kind_of(const Options& options) {
  return options.key_kind == "p384" ? pki::KeyKind::kP384 : pki::KeyKind::kP256;
}
pki::RootOptions root_options(const Options& options) {
  return {.kind = kind_of(options), .lifetime = options.days * kDay};
}
Seconds lifetime_of(const Options& options) { return static_cast<Seconds>(options.hours * kHour); }

Tree tree_of(const pki::Certificate& certificate) {
  Tree tree = Tree::map();
  tree.add("serial", Tree::string(certificate.serial()));
  tree.add("subject", Tree::string(certificate.subject()));
  tree.add("notBefore", Tree::string(pki::time_text(certificate.not_before())));
  tree.add("notAfter", Tree::string(pki::time_text(certificate.not_after())));
  tree.add("sha256", Tree::string(certificate.fingerprint()));
  return tree;
}

// Says it in one line, or as a document.
void say(const Shared& shared, const std::string& line, const Tree& tree) {
  if (shared.output == Output::kTable) {
    std::cout << line << "\n";
  } else {
    print_tree(shared, tree);
  }
}

int say_root(const Shared& shared, const Authority& authority, const std::string& what) {
  Tree tree = Tree::map();
  tree.add("trustDomain", Tree::string(authority.trust_domain()));
  tree.add("directory", Tree::string(authority.directory()));
  tree.add("root", tree_of(authority.root()));
  say(shared,
      what + " of " + authority.trust_domain() + " in " + authority.directory() + ", until " +
          pki::time_text(authority.root().not_after()),
      tree);
  return kOk;
}

int run_init(const Shared& shared, const Options& options) {
  const auto authority = Authority::init(options.directory, options.trust_domain, root_options(options), now());
  if (!authority) return fail(authority.error());
  return say_root(shared, *authority, "root");
}

int run_rotate(const Shared& shared, const Options& options) {
  auto authority = Authority::open(options.directory);
  if (!authority) return fail(authority.error());
  if (auto rotated = authority->rotate(root_options(options), now()); !rotated) return fail(rotated.error());
  return say_root(shared, *authority, "new root");
}

// The bundle first and the certificate last: who watches the certificate finds what belongs to it.
base::Result<void> write_svid(const Authority& authority, const pki::Issued& issued, const std::string& directory) {
  if (auto done = pki::write_file(directory + "/bundle.crt", pki::to_pem(authority.bundle(now())), 0644); !done)
    return done;
  if (issued.key) {
    const pki::Secret key = issued.key->pem();
    if (auto done = pki::write_file(directory + "/svid.key", key.view(), 0600); !done) return done;
  }
  return pki::write_file(directory + "/svid.crt", pki::to_pem(issued.chain), 0644);
}

int say_svid(const Shared& shared, const Options& options, const pki::SpiffeId& id, const pki::Issued& issued) {
  Tree tree = Tree::map();
  tree.add("id", Tree::string(id.text()));
  tree.add("directory", Tree::string(options.out_directory));
  tree.add("certificate", tree_of(issued.svid()));
  say(shared,
      id.text() + " in " + options.out_directory + ", serial " + issued.svid().serial() + ", until " +
          pki::time_text(issued.svid().not_after()),
      tree);
  return kOk;
}

int finish_svid(const Shared& shared, const Options& options, const Authority& authority, const pki::SpiffeId& id,
                const base::Result<pki::Issued>& issued) {
  if (!issued) return fail(issued.error());
  if (auto written = write_svid(authority, *issued, options.out_directory); !written)
    return fail(written.error() + " (serial " + issued->svid().serial() + " was issued; revoke it or try again)");
  return say_svid(shared, options, id, *issued);
}

int run_issue(const Shared& shared, const Options& options) {
  const auto id = pki::SpiffeId::parse(options.id);
  if (!id) return fail(id.error());
  auto authority = Authority::open(options.directory);
  if (!authority) return fail(authority.error());
  if (auto made = pki::make_directory(options.out_directory); !made) return fail(made.error());
  const Seconds lifetime = options.hours == 0 ? pki::kDefaultSvidLifetime : lifetime_of(options);
  if (!options.request.empty()) {
    const auto request = pki::read_file(options.request, pki::Privacy::kPublic);
    if (!request) return fail(request.error());
    return finish_svid(shared, options, *authority, *id,
                       authority->issue_for(request->view(), options.request, *id, lifetime, now()));
  }
  const std::string key = options.out_directory + "/svid.key";
  if (pki::file_exists(key)) return fail(key + ": is there already: penstock ca renew, or another --out-dir");
  return finish_svid(shared, options, *authority, *id, authority->issue(*id, lifetime, now(), kind_of(options)));
}

// The certificate in the directory still has half of its life, and is the one of this identity.
bool is_fresh(const std::string& directory, const pki::SpiffeId& id) {
  const auto svid = pki::load_svid(directory + "/svid.crt", directory + "/svid.key");
  return svid && svid->id == id &&
         now() < svid->leaf().not_before() + (svid->leaf().not_after() - svid->leaf().not_before()) / 2;
}

int run_renew(const Shared& shared, const Options& options) {
  const auto id = pki::SpiffeId::parse(options.id);
  if (!id) return fail(id.error());
  if (options.if_due && is_fresh(options.out_directory, *id)) return kOk;
  auto authority = Authority::open(options.directory);
  if (!authority) return fail(authority.error());
  if (auto made = pki::make_directory(options.out_directory); !made) return fail(made.error());
  return finish_svid(shared, options, *authority, *id,
                     authority->renew(*id, lifetime_of(options), now(), kind_of(options)));
}

int run_revoke(const Shared& shared, const Options& options) {
  auto authority = Authority::open(options.directory);
  if (!authority) return fail(authority.error());
  base::Result<size_t> revoked = size_t{0};
  if (options.id.empty()) {
    revoked = authority->revoke_serial(options.serial, now());
  } else {
    const auto id = pki::SpiffeId::parse(options.id);
    if (!id) return fail(id.error());
    revoked = authority->revoke_id(*id, now());
  }
  if (!revoked) return fail(revoked.error());
  Tree tree = Tree::map();
  tree.add("revoked", Tree::plain(std::to_string(*revoked)));
  tree.add("list", Tree::string(authority->directory() + "/crl.pem"));
  say(shared, std::to_string(*revoked) + " revoked; give " + authority->directory() + "/crl.pem to the gateways", tree);
  return kOk;
}

int run_bundle(const Shared& shared, const Options& options) {
  const auto authority = Authority::open(options.directory);
  if (!authority) return fail(authority.error());
  const auto roots = authority->bundle(now());
  if (shared.output == Output::kTable) {
    std::cout << pki::to_pem(roots);
    return kOk;
  }
  Tree list = Tree::list();
  for (const pki::Certificate& root : roots) {
    Tree tree = tree_of(root);
    tree.add("pem", Tree::string(root.pem()));
    list.items.push_back(std::move(tree));
  }
  Tree tree = Tree::map();
  tree.add("trustDomain", Tree::string(authority->trust_domain()));
  tree.add("roots", std::move(list));
  print_tree(shared, tree);
  return kOk;
}

const char* state_of(const pki::Entry& entry, Seconds time) {
  if (entry.revoked != 0) return "revoked";
  return entry.not_after < time ? "expired" : "good";
}

int run_list(const Shared& shared, const Options& options) {
  const auto authority = Authority::open(options.directory);
  if (!authority) return fail(authority.error());
  const Seconds time = now();
  if (shared.output == Output::kTable) {
    Table table({"ID", "SERIAL", "NOT AFTER", "STATE"});
    for (const pki::Entry& entry : authority->entries())
      table.add({entry.id.text(), entry.serial, pki::time_text(entry.not_after), state_of(entry, time)});
    table.print();
    return kOk;
  }
  Tree list = Tree::list();
  for (const pki::Entry& entry : authority->entries()) {
    Tree tree = Tree::map();
    tree.add("id", Tree::string(entry.id.text()));
    tree.add("serial", Tree::string(entry.serial));
    tree.add("root", Tree::string(entry.root));
    tree.add("notBefore", Tree::string(pki::time_text(entry.not_before)));
    tree.add("notAfter", Tree::string(pki::time_text(entry.not_after)));
    if (entry.revoked != 0) tree.add("revoked", Tree::string(pki::time_text(entry.revoked)));
    tree.add("state", Tree::string(state_of(entry, time)));
    list.items.push_back(std::move(tree));
  }
  Tree tree = Tree::map();
  tree.add("trustDomain", Tree::string(authority->trust_domain()));
  tree.add("certificates", std::move(list));
  print_tree(shared, tree);
  return kOk;
}

int run_crl(const Shared& shared, const Options& options) {
  auto authority = Authority::open(options.directory);
  if (!authority) return fail(authority.error());
  if (auto published = authority->publish(now()); !published) return fail(published.error());
  const auto lists = authority->lists();
  if (!lists) return fail(lists.error());
  if (shared.output == Output::kTable) {
    std::cout << pki::to_pem(*lists);
    return kOk;
  }
  Tree items = Tree::list();
  for (const pki::Crl& each : *lists) {
    Tree tree = Tree::map();
    tree.add("issuer", Tree::string(each.issuer()));
    tree.add("number", Tree::string(each.number()));
    tree.add("revoked", Tree::plain(std::to_string(each.size())));
    tree.add("thisUpdate", Tree::string(pki::time_text(each.this_update())));
    tree.add("nextUpdate", Tree::string(pki::time_text(each.next_update())));
    tree.add("pem", Tree::string(each.pem()));
    items.items.push_back(std::move(tree));
  }
  Tree tree = Tree::map();
  tree.add("lists", std::move(items));
  print_tree(shared, tree);
  return kOk;
}

using Run = int (*)(const Shared&, const Options&);
using OptionsPtr = std::shared_ptr<Options>;

CLI::App* add_command(CLI::App& ca, Shared& shared, const char* name, const char* help, Run run,
                      const OptionsPtr& options) {
  auto* command = ca.add_subcommand(name, help)->fallthrough();
  command->add_option("--dir", options->directory, "of the authority")->required();
  command->callback([&shared, run, options] { shared.status = run(shared, *options); });
  return command;
}

void add_root_options(CLI::App& command, Options& options) {
  command.add_option("--days", options.days, "that the root is valid")
      ->check(CLI::Range(1u, static_cast<uint32_t>(pki::kMaxRootLifetime / kDay)))
      ->capture_default_str();
  command.add_option("--key", options.key_kind, "p256 or p384")
      ->check(CLI::IsMember({"p256", "p384"}))
      ->capture_default_str();
}

void add_svid_options(CLI::App& command, Options& options, const char* hours) {
  command.add_option("--id", options.id, "spiffe://trust-domain/path")->required();
  command.add_option("--out-dir", options.out_directory, "gets svid.crt, svid.key and bundle.crt")->required();
  command.add_option("--hours", options.hours, hours)->check([](const std::string& text) {
    char* end = nullptr;
    const double seconds = std::strtod(text.c_str(), &end) * kHour;
    const bool ok = *end == 0 && seconds >= pki::kMinSvidLifetime && seconds <= pki::kMaxSvidLifetime;  // not nan
    return ok ? std::string() : "\"" + text + "\" is not a number of hours from 5 minutes (0.084) to 90 days (2160)";
  });
  command.add_option("--key", options.key_kind, "p256 or p384")
      ->check(CLI::IsMember({"p256", "p384"}))
      ->capture_default_str();
}

}  // namespace

void add_ca_commands(CLI::App& app, Shared& shared) {
  auto* ca = app.add_subcommand("ca", "A small authority for the certificates of gateways; needs no gateway");
  ca->fallthrough()->require_subcommand(1);
  ca->footer(
      "Examples:\n"
      "  penstock ca init --dir ca --trust-domain example.org\n"
      "  penstock ca issue --dir ca --id spiffe://example.org/gateway/a --out-dir a\n"
      "  penstock ca renew --dir ca --id spiffe://example.org/gateway/a --out-dir a --if-due\n"
      "  penstock ca revoke --dir ca --id spiffe://example.org/gateway/a");
  const auto add = [&](const char* name, const char* help, Run run) {
    auto options = std::make_shared<Options>();
    return std::pair{add_command(*ca, shared, name, help, run, options), options};
  };

  auto [init, init_options] = add("init", "Makes an authority with a root of its own", run_init);
  init->add_option("--trust-domain", init_options->trust_domain, "example.org")->required();
  add_root_options(*init, *init_options);

  auto [issue, issue_options] = add("issue", "Makes a key and a certificate for an identity", run_issue);
  add_svid_options(*issue, *issue_options, "that it is valid, 24 when absent");
  issue->add_option("--csr", issue_options->request, "PEM file: a request; its key is used and no svid.key written");

  auto [renew, renew_options] = add("renew", "The same identity with a new key and serial", run_renew);
  add_svid_options(*renew, *renew_options, "that it is valid; as long as before when absent");
  renew->add_flag("--if-due", renew_options->if_due, "only when half of the life of svid.crt is over");

  auto [revoke, revoke_options] = add("revoke", "Puts certificates on the revocation list", run_revoke);
  auto* which = revoke->add_option_group("which");
  which->add_option("--serial", revoke_options->serial, "of one certificate, hexadecimal");
  which->add_option("--id", revoke_options->id, "every certificate of it that has not expired");
  which->require_option(1);

  auto [rotate, rotate_options] =
      add("rotate", "Makes a new root; the old one is believed until it expires", run_rotate);
  add_root_options(*rotate, *rotate_options);
  add("bundle", "Prints the roots that gateways are to believe", run_bundle);
  add("list", "What was issued", run_list);
  add("crl", "Makes and prints the next revocation lists", run_crl);
}

}  // namespace penstock::cli
