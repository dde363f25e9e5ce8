// completion: scripts for bash and zsh, made from the commands themselves.
#include <iostream>

#include "control/api/manifest.h"
#include "tools/penstock/cli.h"

namespace penstock::cli {

namespace {

// What may follow this command: its subcommands and options, and kinds where they are asked for.
std::string words_of(const CLI::App& command, const CLI::App& root) {
  std::string out;
  const auto add = [&out](const std::string& word) { out += (out.empty() ? "" : " ") + word; };
  for (const CLI::App* each : command.get_subcommands([](const CLI::App* a) { return !a->get_name().empty(); }))
    add(each->get_name());
  const auto add_options = [&add](const CLI::App& from) {
    for (const CLI::Option* option : from.get_options()) {
      for (const std::string& name : option->get_lnames()) add("--" + name);
      for (const std::string& name : option->get_snames()) add("-" + name);
    }
    for (const CLI::App* group : from.get_subcommands([](const CLI::App* a) { return a->get_name().empty(); }))
      for (const CLI::Option* option : group->get_options())
        for (const std::string& name : option->get_lnames()) add("--" + name);
  };
  add_options(command);
  if (&command != &root) add_options(root);
  const std::string& name = command.get_name();
  if (name == "get" || name == "delete" || name == "explain")
    for (const api::KindInfo& info : api::kinds()) add(info.kind);
  return out;
}

void print_cases(const CLI::App& command, const CLI::App& root, const std::string& path) {
  std::cout << "    \"" << path << "\") words=\"" << words_of(command, root) << "\" ;;\n";
  for (const CLI::App* each : command.get_subcommands([](const CLI::App* a) { return !a->get_name().empty(); }))
    print_cases(*each, root, path.empty() ? each->get_name() : path + " " + each->get_name());
}

int run_completion(const CLI::App& root, const std::string& shell) {
  if (shell == "zsh") std::cout << "#compdef penstock\nautoload -U +X bashcompinit && bashcompinit\n";
  std::cout << "# penstock completion " << shell << "\n"
            << "_penstock() {\n"
            << "  local current=\"${COMP_WORDS[COMP_CWORD]}\" path=\"\" words=\"\" word next\n"
            << "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
            << "    next=\"${path:+$path }$word\"\n"
            << "    case \" $_penstock_paths \" in *\":$next:\"*) path=\"$next\" ;; esac\n"
            << "  done\n"
            << "  case \"$path\" in\n";
  print_cases(root, root, "");
  std::cout << "  esac\n"
            << "  case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n"
            << "    -f|--filename|-w|--write|--pcap|--tls-ca|--tls-cert|--tls-key|--dir|--out-dir|--csr)\n"
            << "      COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
            << "    -o|--output) words=\"table json yaml\" ;;\n"
            << "  esac\n"
            << "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
            << "}\n"
            << "_penstock_paths=\"";
  const auto print_paths = [](const auto& self, const CLI::App& command, const std::string& path) -> void {
    for (const CLI::App* each : command.get_subcommands([](const CLI::App* a) { return !a->get_name().empty(); })) {
      const std::string inner = path.empty() ? each->get_name() : path + " " + each->get_name();
      std::cout << ":" << inner << ":";
      self(self, *each, inner);
    }
  };
  print_paths(print_paths, root, "");
  std::cout << "\"\ncomplete -F _penstock penstock\n";
  return kOk;
}

}  // namespace

void add_completion_command(CLI::App& app, Shared& shared) {
  auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand("completion", "Prints a completion script")->fallthrough();
  command->footer("Examples:\n  source <(penstock completion bash)\n  penstock completion zsh > ~/.zfunc/_penstock");
  command->add_option("shell", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  command->callback([&app, &shared, shell] { shared.status = run_completion(app, *shell); });
}

}  // namespace penstock::cli
