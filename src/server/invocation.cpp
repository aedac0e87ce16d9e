#include "server/invocation.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "ferry/net/endpoint.hpp"
#include "server/config_file.hpp"
#include "server/flag_values.hpp"
#include "server/flags.hpp"
#include "server/help.hpp"

namespace ferry::server {
namespace {

const flag& row_named(std::string_view name) {
    const auto found = std::ranges::find(flags(), name, &flag::name);
    FERRY_ASSERT(found != flags().end());
    return *found;
}

/// The values of one row as one place gave them.
struct given {
    const flag* row;
    std::string place;  ///< For messages: "--cores", "FERRY_CORES", "ferry.toml:3: cores".
    std::vector<std::string> values;
};

early_exit usage_error(std::string text) {
    return {.status = 2, .text = std::move(text) + "\n"};
}

/// Insertions, removals and replacements that lead from `a` to `b`. Cost: their lengths multiplied.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto replaced = diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U);
            diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
        }
    }
    return row.back();
}

/// The flag that `typed` most likely means, or nothing when none is near.
std::optional<std::string_view> nearest_name(std::string_view typed) {
    constexpr std::size_t typed_bytes_max = 64;
    if (typed.size() < 2 || typed.size() > typed_bytes_max) {
        return std::nullopt;
    }
    const flag* best = nullptr;
    std::size_t best_distance = std::max<std::size_t>(1, typed.size() / 3) + 1;
    for (const auto& row : flags()) {
        // The beginning of a long name is as good as one wrong letter: --drain for --drain-timeout.
        const auto distance = row.name.starts_with(typed) ? 1 : edit_distance(typed, row.name);
        if (distance < best_distance) {
            best = &row;
            best_distance = distance;
        }
    }
    return best == nullptr ? std::nullopt : std::optional(best->name);
}

/// Says that `typed` names no option; `dashes` is what stands before a name in that place.
std::string unknown_name(std::string_view typed, std::string_view dashes) {
    constexpr std::size_t shown_bytes_max = 100;
    std::string name(dashes);
    ascii::append_escaped(name, typed.substr(0, shown_bytes_max));
    const auto near = nearest_name(typed);
    return near ? fmt::format("{}: no such option; did you mean {}{}?", name, dashes, *near)
                : fmt::format("{}: no such option; ferry --help lists them", name);
}

/// What the command line said: options, and the arguments without dashes.
struct command_line {
    std::vector<given> options;
    std::vector<std::string> arguments;
};

std::expected<command_line, early_exit> read_command_line(std::span<const char* const> arguments) {
    // CLI11 takes an empty value after '=' for a missing one, and would eat the next argument.
    for (const std::string_view each : arguments) {
        if (each == "--") {
            break;
        }
        if (each.starts_with("--") && each.find('=') == each.size() - 1) {
            return std::unexpected(
                usage_error(fmt::format("{}: \"\" is no value", each.substr(0, each.size() - 1))));
        }
    }
    try {
        CLI::App app;
        app.set_help_flag();
        app.allow_extras();
        std::vector<std::pair<const flag*, CLI::Option*>> options;
        for (const auto& row : flags()) {
            const auto names = (row.name == "help" ? "-h,--" : "--") + std::string(row.name);
            auto* option = is_switch(row) ? app.add_flag(names) : app.add_option(names);
            option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
            options.emplace_back(&row, option);
        }
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));

        command_line said;
        bool after_mark = false;
        for (const auto& extra : app.remaining()) {
            if (!after_mark && extra == "--") {
                after_mark = true;
                continue;
            }
            if (after_mark || !extra.starts_with('-') || extra == "-") {
                said.arguments.push_back(extra);
                continue;
            }
            const auto name = std::string_view(extra).substr(0, extra.find('='));
            const auto dashes = name.starts_with("--") ? std::string_view("--") : name.substr(0, 1);
            return std::unexpected(usage_error(unknown_name(name.substr(dashes.size()), dashes)));
        }
        for (const auto& [row, option] : options) {
            if (option->count() > 0) {
                said.options.push_back({.row = row,
                                        .place = "--" + std::string(row->name),
                                        .values = option->results()});
            }
        }
        return said;
    } catch (const CLI::ArgumentMismatch&) {
        // Every option takes exactly one value, so only the last argument can lack it.
        return std::unexpected(
            usage_error(fmt::format("{}: its value is missing", arguments.back())));
    } catch (const std::exception& failed) {
        return std::unexpected(usage_error(failed.what()));
    }
}

std::string environment_name(const flag& row) {
    std::string name = "FERRY_";
    for (const char c : row.name) {
        name += c == '-' ? '_' : ascii::to_upper(c);
    }
    return name;
}

/// The parts of `text` between separators, blanks around them and empty parts left out.
std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto end = std::min(text.find(separator), text.size());
        // A password, which ends its line, may end with a blank.
        const auto part = separator == ',' ? ascii::trim(text.substr(0, end)) : text.substr(0, end);
        if (!part.empty()) {
            parts.emplace_back(part);
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

std::vector<given> read_environment(const char* const* environment) {
    std::vector<given> found;
    if (environment == nullptr) {
        return found;
    }
    for (const auto& row : flags()) {
        if (row.scope == flag_scope::command_line) {
            continue;
        }
        const auto name = environment_name(row);
        for (const auto* each = environment; *each != nullptr; ++each) {
            std::string_view rest(*each);
            if (!rest.starts_with(name + "=") || rest.size() == name.size() + 1) {
                continue;
            }
            rest.remove_prefix(name.size() + 1);
            given values{.row = &row, .place = name, .values = {}};
            const auto* own = std::get_if<flag_kind::list>(&row.kind);
            if (own == nullptr) {
                values.values.emplace_back(rest);
            } else {
                values.values = split(rest, own->separator);
            }
            if (!values.values.empty()) {
                found.push_back(std::move(values));
            }
            break;  // As getenv: the first of two wins.
        }
    }
    return found;
}

/// What begins as a variable of ferry's and is none: a word a line.
std::vector<std::string> unknown_variables(const char* const* environment) {
    std::vector<std::string> found;
    for (; environment != nullptr && *environment != nullptr; ++environment) {
        const std::string_view text(*environment);
        const auto name = text.substr(0, text.find('='));
        const auto is_its = [name](const flag& row) {
            return row.scope != flag_scope::command_line && environment_name(row) == name;
        };
        if (!name.starts_with("FERRY_") || std::ranges::any_of(flags(), is_its)) {
            continue;
        }
        std::string typed;
        for (const char c : name.substr(std::string_view("FERRY_").size())) {
            typed += c == '_' ? '-' : ascii::to_lower(c);
        }
        std::string line;
        ascii::append_escaped(line, name);
        const auto near = nearest_name(typed);
        line += ": no such option";
        if (near && row_named(*near).scope != flag_scope::command_line) {
            line += "; did you mean " + environment_name(row_named(*near)) + "?";
        }
        found.push_back(std::move(line));
    }
    return found;
}

std::expected<std::vector<given>, early_exit> given_in_file(const std::string& path) {
    auto entries = read_config_file(path);
    if (!entries) {
        const auto& wrong = entries.error();
        return std::unexpected(
            early_exit{.status = wrong.unreadable ? 1 : 2, .text = wrong.text + "\n"});
    }
    std::vector<given> found;
    for (auto& entry : *entries) {
        std::string place;
        ascii::append_escaped(place, path);
        place += fmt::format(":{}: ", entry.line);
        const auto row = std::ranges::find(flags(), entry.key, &flag::name);
        if (row == flags().end()) {
            return std::unexpected(usage_error(place + unknown_name(entry.key, "")));
        }
        if (row->scope != flag_scope::everywhere) {
            return std::unexpected(
                usage_error(fmt::format("{}{}: not possible in a file", place, entry.key)));
        }
        if (entry.values.size() > 1 && !std::holds_alternative<flag_kind::list>(row->kind)) {
            return std::unexpected(
                usage_error(fmt::format("{}{}: an array; it takes one value", place, entry.key)));
        }
        found.push_back(
            {.row = &*row, .place = place + entry.key, .values = std::move(entry.values)});
    }
    return found;
}

std::expected<void, early_exit> assign_all(config& settings, std::span<const given> all) {
    for (const auto& each : all) {
        if (auto taken = assign(*each.row, settings, each.values); !taken) {
            return std::unexpected(usage_error(fmt::format("{}: {}", each.place, taken.error())));
        }
    }
    return {};
}

std::string address_given_twice(const config& settings) {
    struct of_flag {
        std::string_view name;
        const std::vector<net::endpoint>& endpoints;
    };
    const of_flag all[] = {{"--http", settings.http},
                           {"--https", settings.https},
                           {"--ftp", settings.ftp},
                           {"--ftps", settings.ftps},
                           {"--admin", settings.admin}};
    for (const auto& later : all) {
        for (const auto& earlier : all) {
            if (&earlier == &later) {
                break;
            }
            for (const auto& where : later.endpoints) {
                if (where.port != 0 &&
                    std::ranges::find(earlier.endpoints, where) != earlier.endpoints.end()) {
                    return fmt::format("{}: {} is {}'s too", later.name,
                                       in_quotes(net::format_endpoint(where)), earlier.name);
                }
            }
        }
    }
    return {};
}

std::string contradiction_in_tls(const config& settings) {
    const auto certificates = settings.tls_certs.size();
    if (settings.ftp_tls != ftp::tls_policy::allow && !wants_tls(settings)) {
        return "--ftp-tls: there is no --tls-cert; --tls-self-signed makes one for developing";
    }
    if (!settings.tls_keys.empty() && settings.tls_keys.size() != certificates) {
        return fmt::format("--tls-key: {} for {} of --tls-cert; name one for each, or none",
                           settings.tls_keys.size(), certificates);
    }
    if (settings.tls_ocsp.size() > certificates) {
        return fmt::format("--tls-ocsp: {} for {} of --tls-cert", settings.tls_ocsp.size(),
                           certificates);
    }
    const bool wants_clients = settings.tls_client_certs != net::tls_client_certificates::off;
    if (wants_clients == settings.tls_client_ca.empty()) {
        return wants_clients ? "--tls-client-certs: there is no --tls-client-ca to vouch for them"
                             : "--tls-client-ca: --tls-client-certs is off";
    }
    if (settings.tls_client_accounts && !wants_clients) {
        return "--tls-client-accounts: --tls-client-certs is off";
    }
    return {};
}

/// Whether a service manager may have given this process sockets (sd_listen_fds(3)).
bool has_sockets_given(const char* const* environment) {
    const auto wanted = fmt::format("LISTEN_PID={}", ::getpid());
    while (environment != nullptr && *environment != nullptr && *environment != wanted) {
        ++environment;
    }
    return environment != nullptr && *environment != nullptr;
}

/// What no single value shows: that they fit together. Returns what is wrong, or nothing.
std::string contradiction_in(const config& settings, bool listens_there) {
    if (settings.root.empty() && settings.mounts.empty()) {
        return "DIR is missing: ferry [options] DIR; ferry --help says more";
    }
    const auto root = std::ranges::find(settings.mounts, "/", &mounted_directory::path);
    if (!settings.root.empty() && root != settings.mounts.end()) {
        return fmt::format("--mount /: {} besides the directory {}; the root is one of them",
                           in_quotes(root->directory), in_quotes(settings.root));
    }
    auto among_listeners = listens_there ? contradiction_in_listeners(settings) : std::string();
    if (!among_listeners.empty()) {
        return among_listeners;
    }
    if (auto wrong = contradiction_in_tls(settings); !wrong.empty()) {
        return wrong;
    }
    if (settings.target_bytes_max >= settings.head_bytes_max &&
        settings.target_bytes_max != config{}.target_bytes_max) {
        return fmt::format(
            "--target-bytes-max: {} is not below --head-bytes-max {}, which holds it",
            settings.target_bytes_max, settings.head_bytes_max);
    }
    if (settings.pin.mode == pin_mode::list && settings.cores != 0 &&
        settings.cores != settings.pin.cpus.size()) {
        return fmt::format("--pin: {} CPUs for --cores {}; name one for each, or leave --cores out",
                           settings.pin.cpus.size(), settings.cores);
    }
    return {};
}

}  // namespace

std::string contradiction_in_listeners(const config& settings) {
    if (settings.http.empty() && settings.http_local.empty() && settings.ftp.empty() &&
        settings.https.empty() && settings.ftps.empty()) {
        return "--http off and --ftp off: nothing to serve";
    }
    if (auto twice = address_given_twice(settings); !twice.empty()) {
        return twice;
    }
    const bool has_certificate = !settings.tls_certs.empty() || settings.tls_self_signed;
    if (!settings.https.empty() && !has_certificate) {
        return "--https: there is no --tls-cert; --tls-self-signed makes one for developing";
    }
    if (!settings.ftps.empty() && !has_certificate) {
        return "--ftps: there is no --tls-cert; --tls-self-signed makes one for developing";
    }
    if (settings.http_tls != http_tls_policy::allow && settings.https.empty() &&
        settings.trusted_proxies.empty() && settings.http_local.empty()) {
        return "--http-tls login: there is no --https, so nobody could log in";
    }
    if (settings.http_redirect_to_https && settings.https.empty()) {
        return "--http-redirect-to-https: there is no --https";
    }
    return {};
}

std::expected<config, early_exit> parse(const invocation& started) {
    auto said = read_command_line(started.arguments);
    if (!said) {
        return std::unexpected(std::move(said.error()));
    }
    for (const auto& each : said->options) {
        if (const auto* wanted = std::get_if<flag_kind::action>(&each.row->kind)) {
            return std::unexpected(early_exit{
                .status = 0,
                .text = *wanted == flag_kind::action::help ? help_text() : version_text()});
        }
    }
    if (said->arguments.size() > 1) {
        return std::unexpected(usage_error(
            fmt::format("{}: a second directory beside {}; --mount /PATH=DIR serves more",
                        in_quotes(said->arguments[1]), in_quotes(said->arguments[0]))));
    }
    if (!said->arguments.empty()) {
        // Last of the command line, so it is checked as --root would be and wins over it.
        said->options.push_back(
            {.row = &row_named("root"), .place = "DIR", .values = said->arguments});
    }

    config settings;
    const auto environment = read_environment(started.environment);
    for (const auto& from : {std::span(environment), std::span<const given>(said->options)}) {
        for (const auto& each : from) {
            if (each.row->name == "config") {
                settings.config_file = each.values.back();
            }
        }
    }
    std::vector<given> file;
    if (!settings.config_file.empty()) {
        auto read = given_in_file(settings.config_file);
        if (!read) {
            return std::unexpected(std::move(read.error()));
        }
        file = std::move(*read);
    }
    // From the weakest to the strongest.
    for (const auto& from : {std::span<const given>(file), std::span(environment),
                             std::span<const given>(said->options)}) {
        if (auto taken = assign_all(settings, from); !taken) {
            return std::unexpected(std::move(taken.error()));
        }
    }
    const bool listens_there = settings.check || !has_sockets_given(started.environment);
    if (auto wrong = contradiction_in(settings, listens_there); !wrong.empty()) {
        return std::unexpected(usage_error(std::move(wrong)));
    }
    settings.warnings = unknown_variables(started.environment);
    if (settings.target_bytes_max >= settings.head_bytes_max) {
        settings.target_bytes_max = settings.head_bytes_max / 2;  // A default gives way.
    }
    if (settings.pin.mode == pin_mode::list) {
        settings.cores = settings.pin.cpus.size();
    }
    return settings;
}

}  // namespace ferry::server
