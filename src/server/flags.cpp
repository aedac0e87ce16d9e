#include "server/flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <ranges>
#include <type_traits>
#include <utility>

#include "ferry/auth/users_file.hpp"
#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "ferry/http/rules.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/vfs/name_charset.hpp"
#include "ferry/vfs/path.hpp"
#include "server/access_log_format.hpp"
#include "server/flag_values.hpp"
#include "server/mount_text.hpp"

namespace ferry::server {
namespace {

using namespace std::chrono_literals;

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, ascii::is_control);
}

/// As `std::ranges::contains`, which libstdc++ 12 lacks.
template <class Range, class Value, class Projection = std::identity>
bool contains(const Range& in, const Value& wanted, Projection projection = {}) {
    return std::ranges::find(in, wanted, projection) != std::ranges::end(in);
}

std::string joined(const std::vector<std::string>& parts) {
    return fmt::format("{}", fmt::join(parts, ", "));
}

// Readers of the values that are not a number, a size, a duration or one word of a few.

constexpr std::string_view address_bounds =
    "ADDR:PORT with a numeric address, such as 127.0.0.1:8080, [::1]:8080 or *:8080";

template <auto Member>
constexpr flag_kind::list listen_list() {
    return {.bounds = address_bounds,
            .empty_word = "off",
            .values_max = 64,
            .separator = ',',
            .clear = [](config& into) { (into.*Member).clear(); },
            .add = [](config& into, std::string_view value) -> std::string {
                const auto where = net::parse_endpoint(value);
                if (!where) {
                    return fmt::format("{} is not {}, or off", in_quotes(value), address_bounds);
                }
                if (where->port != 0 && contains(into.*Member, *where)) {
                    return fmt::format("{} is given twice", in_quotes(value));
                }
                (into.*Member).push_back(*where);
                return {};
            },
            .show =
                [](const config& from) {
                    std::vector<std::string> parts;
                    for (const auto& each : from.*Member) {
                        parts.push_back(net::format_endpoint(each));
                    }
                    return joined(parts);
                }};
}

constexpr std::size_t password_bytes_max = 128;
constexpr std::string_view http_bounds =
    "ADDR:PORT with a numeric address, such as 127.0.0.1:8080, [::1]:8080 or *:8080; or unix:PATH, "
    "or unix:PATH:mode=0660";
constexpr std::string_view local_begin = "unix:";

/// Endpoints of TCP, and sockets of the file system.
template <auto Endpoints, auto Doors>
constexpr flag_kind::list mixed_listen_list() {
    auto made = listen_list<Endpoints>();
    made.bounds = http_bounds;
    made.clear = [](config& into) {
        (into.*Endpoints).clear();
        (into.*Doors).clear();
    };
    made.add = [](config& into, std::string_view value) -> std::string {
        if (!value.starts_with(local_begin)) {
            return listen_list<Endpoints>().add(into, value);
        }
        auto door = parse_local_door(value.substr(local_begin.size()));
        if (!door) {
            return std::move(door.error());
        }
        if (contains(into.*Doors, door->path, &local_door::path)) {
            return fmt::format("{} is given twice", in_quotes(value));
        }
        (into.*Doors).push_back(std::move(*door));
        return {};
    };
    made.show = [](const config& from) {
        std::vector<std::string> parts;
        for (const auto& each : from.*Endpoints) {
            parts.push_back(net::format_endpoint(each));
        }
        for (const auto& each : from.*Doors) {
            parts.push_back(fmt::format("{}{}", local_begin, show(each)));
        }
        return joined(parts);
    };
    return made;
}

constexpr std::string_view user_bounds =
    "NAME:PASSWORD[:DIR]; NAME of 1 to 64 octets and PASSWORD of 1 to 128, both without ':' and "
    "control octets, DIR beginning with '/'";

/// Never puts any of `value` into the message but the name: the rest may be a password.
std::string add_user(config& into, std::string_view value) {
    const auto name_end = value.find(':');
    if (name_end == std::string_view::npos) {
        return fmt::format("a value without ':' is not {}", user_bounds);
    }
    const auto name = value.substr(0, name_end);
    const auto rest = value.substr(name_end + 1);
    const auto password_end = std::min(rest.find(':'), rest.size());
    const auto password = rest.substr(0, password_end);
    const auto directory = password_end < rest.size() ? rest.substr(password_end + 1) : "/";
    const auto shown = in_quotes(fmt::format("{}:***", name));

    if (name.empty() || name.size() > auth::user_name_bytes_max || has_control(name) ||
        password.empty() || password.size() > password_bytes_max || has_control(password) ||
        !directory.starts_with('/')) {
        return fmt::format("{} is not {}", shown, user_bounds);
    }
    if (ascii::trim(name).size() != name.size()) {  // Names of parts tell owners apart by it.
        return fmt::format("{}: the name has a blank at an end", shown);
    }
    // RFC 1635: both names mean a visitor without an account.
    if (auth::is_name_of_anonymous(name)) {
        return fmt::format("{} names the anonymous user; see --anonymous", shown);
    }
    if (contains(into.users, name, &user_account::name)) {
        return fmt::format("{} is given twice", shown);
    }
    const auto root = vfs::path::parse(directory);
    if (!root) {
        return fmt::format("{}: DIR is no usable path: {}", shown, describe(root.error().code));
    }
    into.users.push_back(
        {.name = std::string(name), .password = std::string(password), .directory = root->text()});
    return {};
}

std::string show_users(const config& from) {
    std::vector<std::string> parts;
    for (const auto& each : from.users) {
        parts.push_back(fmt::format("{}:***:{}", each.name, each.directory));
    }
    return joined(parts);
}

constexpr std::string_view ports_bounds = "LO-HI with 1024 <= LO <= HI <= 65535, or any";

std::string set_passive_ports(config& into, std::string_view value) {
    if (value == "any") {
        into.passive_ports.reset();
        return {};
    }
    const auto dash = std::min(value.find('-'), value.size());
    const auto first = parse_number(value.substr(0, dash));
    const auto last = dash < value.size() ? parse_number(value.substr(dash + 1)) : std::nullopt;
    if (!first || !last || *first < 1'024 || *first > *last || *last > 65'535) {
        return fmt::format("{} is not {}", in_quotes(value), ports_bounds);
    }
    into.passive_ports = port_range{.first = static_cast<std::uint16_t>(*first),
                                    .last = static_cast<std::uint16_t>(*last)};
    return {};
}

std::string show_passive_ports(const config& from) {
    return from.passive_ports
               ? fmt::format("{}-{}", from.passive_ports->first, from.passive_ports->last)
               : "any";
}

constexpr std::string_view public_address_bounds =
    "an IPv4 address, a host name, or auto; or NETWORK=ADDR and so on";

std::string set_public_address(config& into, std::string_view value) {
    auto rows = parse_public_addresses(value);
    if (!rows) {
        return std::move(rows.error());
    }
    const bool is_default = *rows == std::vector<public_address>{{}};  // "auto"
    into.public_addresses = is_default ? std::vector<public_address>() : std::move(*rows);
    return {};
}

std::string show_public_address(const config& from) {
    return show_public_addresses(from.public_addresses);
}

constexpr std::string_view charset_bounds =
    "utf-8, or a set of single octets above US-ASCII that iconv(3) knows, such as iso-8859-1, "
    "cp1252 "
    "or cp437";

std::string set_ftp_charset(config& into, std::string_view value) {
    if (ascii::equal_ignoring_case(value, "utf-8")) {
        into.ftp_charset.clear();
        return {};
    }
    if (value.empty() || has_control(value) || !vfs::name_charset::open(value)) {
        return fmt::format("{} is not {}", in_quotes(value), charset_bounds);
    }
    into.ftp_charset = value;
    return {};
}

constexpr std::string_view without_host_bounds =
    "all, refuse, or the name of a host, of letters, digits, '-' and '.'";

std::string set_without_host(config& into, std::string_view value) {
    const bool is_word = value == "all" || value == "refuse";
    const bool is_name = !value.empty() && std::ranges::all_of(value, [](char c) {
        return ascii::is_alpha(c) || ascii::is_digit(c) || c == '-' || c == '.';
    });
    if (!is_name) {
        return fmt::format("{} is not {}", in_quotes(value), without_host_bounds);
    }
    into.ftp_refuse_no_host = value == "refuse";
    into.ftp_without_host = is_word ? std::string_view() : value;
    return {};
}

std::string show_without_host(const config& from) {
    return from.ftp_refuse_no_host         ? "refuse"
           : from.ftp_without_host.empty() ? "all"
                                           : from.ftp_without_host;
}

constexpr std::string_view congestion_bounds =
    "a name of 1 to 15 letters, digits, '-' and '_', or system";

std::string set_tcp_congestion(config& into, std::string_view value) {
    const bool fits =
        !value.empty() && value.size() <= 15 && std::ranges::all_of(value, [](char c) {
            return ascii::is_alpha(c) || ascii::is_digit(c) || c == '-' || c == '_';
        });
    if (!fits) {
        return fmt::format("{} is not {}", in_quotes(value), congestion_bounds);
    }
    into.tcp_congestion = value == "system" ? "" : std::string(value);
    return {};
}

constexpr std::string_view access_log_bounds = "a file name, - for standard output, or off";

std::string set_access_log(config& into, std::string_view value) {
    if (value.empty() || value.contains('\0')) {
        return fmt::format("{} is not {}", in_quotes(value), access_log_bounds);
    }
    if (value == "off") {
        into.access_log = {};
    } else if (value == "-") {
        into.access_log = {.kind = access_log_kind::standard_output, .file = {}};
    } else {
        into.access_log = {.kind = access_log_kind::file, .file = std::string(value)};
    }
    return {};
}

std::string show_access_log(const config& from) {
    switch (from.access_log.kind) {
        case access_log_kind::off:
            return "off";
        case access_log_kind::standard_output:
            return "-";
        case access_log_kind::file:
            return from.access_log.file;
    }
    return {};
}

std::string set_access_log_format(config& into, std::string_view value) {
    const auto read = access_log_format::read(value);
    if (!read) {
        return read.error();
    }
    into.access_log_format = std::string(value);
    return {};
}

constexpr std::string_view pin_bounds =
    "a list of different CPUs from 0 to 1023, such as 0,2,4-7, or auto, or off";

std::string set_pin(config& into, std::string_view value) {
    if (value == "auto" || value == "off") {
        into.pin = {.mode = value == "off" ? pin_mode::off : pin_mode::automatic, .cpus = {}};
        return {};
    }
    auto cpus = parse_cpus(value);
    if (!cpus) {
        return fmt::format("{} is not {}", in_quotes(value), pin_bounds);
    }
    into.pin = {.mode = pin_mode::list, .cpus = std::move(*cpus)};
    return {};
}

std::string show_pin(const config& from) {
    switch (from.pin.mode) {
        case pin_mode::automatic:
            return "auto";
        case pin_mode::off:
            return "off";
        case pin_mode::list:
            return fmt::format("{}", fmt::join(from.pin.cpus, ","));
    }
    return {};
}

/// A file or directory name, not looked at.
template <auto Member>
constexpr flag_kind::text path_text() {
    return {.bounds = "a path",
            .set = [](config& into, std::string_view value) -> std::string {
                if (value.empty() || value.contains('\0')) {
                    return fmt::format("{} is not a path", in_quotes(value));
                }
                into.*Member = value;
                return {};
            },
            .show = [](const config& from) { return from.*Member; }};
}

/// One word each for the values 0, 1, 2... of the enumeration that `Member` holds.
template <auto Member>
constexpr flag_kind::choice choice_of(std::span<const std::string_view> words) {
    return {.words = words,
            .get = [](const config& from) { return static_cast<std::size_t>(from.*Member); },
            .set =
                [](config& into, std::size_t value) {
                    using enumeration = std::remove_reference_t<decltype(into.*Member)>;
                    into.*Member = static_cast<enumeration>(value);
                }};
}

constexpr std::string_view anonymous_bounds =
    "off, read, upload, or permissions such as read-only,/incoming=list+create,/private=none";

constexpr auth::rights upload_rights =
    auth::rights::read_only() | auth::rights{auth::right::create};

/// "read", "upload" or permissions.
std::expected<auth::permissions, std::string> parse_visitors(std::string_view value) {
    if (value == "read") {
        return auth::rights::read_only();
    }
    if (value == "upload") {
        return upload_rights;
    }
    return auth::permissions::parse(value);
}

std::string show_visitors(const auth::permissions& allowed) {
    if (allowed == auth::permissions(auth::rights::read_only())) {
        return "read";
    }
    return allowed == auth::permissions(upload_rights) ? "upload" : allowed.text();
}

std::string set_anonymous(config& into, std::string_view value) {
    if (value == "off") {
        into.anonymous.reset();
        return {};
    }
    auto parsed = parse_visitors(value);
    if (!parsed) {
        return fmt::format("{} is not {}: {}", in_quotes(value), anonymous_bounds, parsed.error());
    }
    into.anonymous = std::move(*parsed);
    return {};
}

std::string show_anonymous(const config& from) {
    return from.anonymous ? show_visitors(*from.anonymous) : "off";
}

constexpr std::string_view http_anonymous_bounds =
    "same, off, read, upload, or permissions such as read-only,/incoming=list+create";

std::string set_http_anonymous(config& into, std::string_view value) {
    if (value == "same") {
        into.http_anonymous.reset();
        return {};
    }
    if (value == "off") {
        into.http_anonymous = auth::permissions();
        return {};
    }
    auto parsed = parse_visitors(value);
    if (!parsed) {
        return fmt::format("{} is not {}: {}", in_quotes(value), http_anonymous_bounds,
                           parsed.error());
    }
    into.http_anonymous = std::move(*parsed);
    return {};
}

std::string show_http_anonymous(const config& from) {
    if (!from.http_anonymous) {
        return "same";
    }
    return *from.http_anonymous == auth::permissions() ? "off"
                                                       : show_visitors(*from.http_anonymous);
}

constexpr std::string_view anonymous_limits_bounds =
    "limits such as sessions=20,per-address=2,rate=10M,session-rate=1M, or none";

std::string set_anonymous_limits(config& into, std::string_view value) {
    if (value == "none") {
        into.anonymous_limits = {};
        return {};
    }
    const auto parsed = auth::limits::parse(value);
    if (!parsed) {
        return fmt::format("{} is not {}: {}", in_quotes(value), anonymous_limits_bounds,
                           parsed.error());
    }
    into.anonymous_limits = *parsed;
    return {};
}

std::string show_anonymous_limits(const config& from) {
    auto shown = from.anonymous_limits.text();
    return shown.empty() ? "none" : shown;
}

constexpr std::string_view rule_bounds =
    "an address or block, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32, for one protocol with "
    "http: or ftp: before it";

/// What stands before the address, and what it means.
constexpr std::string_view http_only = "http:";
constexpr std::string_view ftp_only = "ftp:";

template <auto Member>
std::string add_rule(config& into, std::string_view value) {
    access_rule made;
    auto block = value;
    if (block.starts_with(http_only)) {
        made.is_for_ftp = false;
        block.remove_prefix(http_only.size());
    } else if (block.starts_with(ftp_only)) {
        made.is_for_http = false;
        block.remove_prefix(ftp_only.size());
    }
    const auto parsed = net::address_block::parse(block);
    if (!parsed) {
        return fmt::format("{} is not {}", in_quotes(value), rule_bounds);
    }
    made.who = *parsed;
    if (contains(into.*Member, made)) {
        return fmt::format("{} is given twice", in_quotes(value));
    }
    (into.*Member).push_back(made);
    return {};
}

template <auto Member>
std::string show_rules(const config& from) {
    std::vector<std::string> parts;
    for (const auto& each : from.*Member) {
        const auto scope = !each.is_for_ftp ? http_only : !each.is_for_http ? ftp_only : "";
        parts.push_back(fmt::format("{}{}", scope, each.who.text()));
    }
    return joined(parts);
}

template <auto Member>
constexpr flag_kind::list rule_list() {
    return {.bounds = rule_bounds,
            .empty_word = "none",
            .values_max = 1'000,
            .separator = ',',
            .clear = [](config& into) { (into.*Member).clear(); },
            .add = add_rule<Member>,
            .show = show_rules<Member>};
}

constexpr std::string_view block_bounds =
    "an address or block, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32";

template <auto Member>
std::string add_block(config& into, std::string_view value) {
    const auto parsed = net::address_block::parse(value);
    if (!parsed) {
        return fmt::format("{} is not {}", in_quotes(value), block_bounds);
    }
    if (contains(into.*Member, *parsed)) {
        return fmt::format("{} is given twice", in_quotes(value));
    }
    (into.*Member).push_back(*parsed);
    return {};
}

template <auto Member>
std::string show_blocks(const config& from) {
    std::vector<std::string> parts;
    for (const auto& each : from.*Member) {
        parts.push_back(each.text());
    }
    return joined(parts);
}

template <auto Member>
constexpr flag_kind::list block_list() {
    return {.bounds = block_bounds,
            .empty_word = "none",
            .values_max = 1'000,
            .separator = ',',
            .clear = [](config& into) { (into.*Member).clear(); },
            .add = add_block<Member>,
            .show = show_blocks<Member>};
}

constexpr std::string_view mount_bounds =
    "/path=DIR or /path=DIR:options, where %3A, %2C, %3D, %25 stand for ':', ',', '=', '%'";

std::string add_mount(config& into, std::string_view value) {
    auto parsed = parse_mount(value);
    if (!parsed) {
        return parsed.error();
    }
    if (contains(into.mounts, parsed->path, &mounted_directory::path)) {
        return fmt::format("{} is given twice", in_quotes(parsed->path));
    }
    into.mounts.push_back(std::move(*parsed));
    return {};
}

std::string show_mounts(const config& from) {
    std::vector<std::string> parts;
    for (const auto& each : from.mounts) {
        parts.push_back(show_mount(each));
    }
    return joined(parts);
}

constexpr std::string_view compress_bounds =
    "off, or br, zstd and gzip, some or all of them, between commas, most preferred first";

std::string set_compress(config& into, std::string_view value) {
    std::vector<http::content_coding> codings;
    for (auto rest = value == "off" ? std::string_view() : value; !rest.empty() || value.empty();) {
        const auto comma = std::min(rest.find(','), rest.size());
        const auto coding = http::find_content_coding(ascii::trim(rest.substr(0, comma)));
        if (!coding || *coding == http::content_coding::identity || contains(codings, *coding) ||
            comma + 1 == rest.size()) {
            return fmt::format("{} is not {}", in_quotes(value), compress_bounds);
        }
        codings.push_back(*coding);
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    into.http_compress = std::move(codings);
    return {};
}

std::string show_compress(const config& from) {
    std::string shown;
    for (const auto each : from.http_compress) {
        shown += shown.empty() ? "" : ",";
        shown += http::name_of(each);
    }
    return shown.empty() ? "off" : shown;
}

/// What keeps a site from being made with such settings, without the name of the setting; or
/// nothing.
std::string wrong_with_site(http::site_rules settings) {
    http::rules only;
    only.standard = std::move(settings);
    const auto made = http::make_sites(only);
    return made ? std::string() : made.error().text.substr(made.error().text.find(' ') + 1);
}

constexpr std::size_t index_names_max = 8;
constexpr std::string_view index_bounds = "a name of a file, such as index.html";

std::string add_index(config& into, std::string_view value) {
    if (contains(into.http_index, value)) {
        return fmt::format("{} is given twice", in_quotes(value));
    }
    auto wrong = wrong_with_site({.index = {std::string(value)}});
    if (wrong.empty()) {
        into.http_index.emplace_back(value);
    }
    return wrong;
}

constexpr std::string_view spa_bounds =
    "off, or a file's path within the tree, such as /index.html";

std::string set_spa(config& into, std::string_view value) {
    if (value == "off") {
        into.spa.clear();
        return {};
    }
    if (value.empty() || !wrong_with_site({.spa = std::string(value)}).empty()) {
        return fmt::format("{} is not {}", in_quotes(value), spa_bounds);
    }
    into.spa = value;
    return {};
}

constexpr std::string_view run_as_bounds = "off, or USER or USER:GROUP, names or numbers";

/// Whether there are these the machine says, at start.
std::string set_run_as(config& into, std::string_view value) {
    const auto user = value.substr(0, value.find(':'));
    if (user.empty() || value.ends_with(':') || std::ranges::count(value, ':') > 1 ||
        std::ranges::any_of(value, [](char c) { return ascii::is_control(c) || c == ' '; })) {
        return fmt::format("{} is not {}", in_quotes(value), run_as_bounds);
    }
    into.run_as = value == "off" ? std::string_view() : value;
    return {};
}

/// A file, or off for none.
template <auto Member>
constexpr flag_kind::text file_or_off() {
    return {.bounds = "off or a file",
            .set = [](config& into, std::string_view value) -> std::string {
                if (value.empty() || value.contains('\0')) {
                    return fmt::format("{} is not off or a file", in_quotes(value));
                }
                into.*Member = value == "off" ? std::string_view() : value;
                return {};
            },
            .show =
                [](const config& from) {
                    return (from.*Member).empty() ? std::string("off") : from.*Member;
                }};
}

/// Files, as many as there are certificates.
template <auto Member>
constexpr flag_kind::list file_list() {
    return {.bounds = "a file",
            .empty_word = "none",
            .values_max = 100,
            .separator = ',',
            .clear = [](config& into) { (into.*Member).clear(); },
            .add = [](config& into, std::string_view value) -> std::string {
                if (value.empty() || value.contains('\0')) {
                    return fmt::format("{} is not a file", in_quotes(value));
                }
                (into.*Member).emplace_back(value);
                return {};
            },
            .show = [](const config& from) { return joined(from.*Member); }};
}

constexpr auto tls_floor_words = std::to_array<std::string_view>({"1.2", "1.3"});
constexpr auto kernel_tls_words = std::to_array<std::string_view>({"auto", "off", "require"});
constexpr auto http_tls_words = std::to_array<std::string_view>({"allow", "login"});
constexpr auto ftp_tls_words = std::to_array<std::string_view>({"allow", "login", "require"});
constexpr auto ftp_tls_reuse_words = std::to_array<std::string_view>({"off", "warn", "require"});
constexpr auto client_certs_words =
    std::to_array<std::string_view>({"off", "optional", "required"});
constexpr auto forwarded_words = std::to_array<std::string_view>({"x-forwarded-for", "forwarded"});
constexpr auto ebcdic_words = std::to_array<std::string_view>({"037", "1047"});
constexpr auto durability_words = std::to_array<std::string_view>({"none", "data", "full"});
constexpr auto leftovers_words = std::to_array<std::string_view>({"keep", "remove"});
constexpr auto io_words = std::to_array<std::string_view>({"auto", "uring", "epoll"});
constexpr auto confine_words = std::to_array<std::string_view>({"auto", "off", "require"});
constexpr auto level_words =
    std::to_array<std::string_view>({"debug", "info", "warning", "error", "off"});

/// The headings of help.
namespace group {
constexpr std::string_view listening = "Listening";
constexpr std::string_view tls = "TLS";
constexpr std::string_view access = "Access";
constexpr std::string_view files = "Files";
constexpr std::string_view logs = "Logs";
constexpr std::string_view machine = "Machine";
constexpr std::string_view http = "HTTP";
constexpr std::string_view http_limits = "HTTP limits";
constexpr std::string_view ftp = "FTP";
constexpr std::string_view ftp_limits = "FTP limits";
constexpr std::string_view this_run = "This run";
}  // namespace group

using flag_kind::count;
using flag_kind::duration;
using flag_kind::size;
using flag_kind::text;

// What gives a flag no effect.

constexpr auto never_idle = [](const config&) { return std::string_view(); };

std::string_view no_ftp(const config& all) {
    return all.ftp.empty() && all.ftps.empty() ? "there is no FTP" : "";
}
std::string_view no_http(const config& all) {
    return all.http.empty() && all.http_local.empty() && all.https.empty() ? "there is no HTTP"
                                                                           : "";
}
/// The admin server speaks HTTP, too.
std::string_view no_http_at_all(const config& all) {
    return all.admin.empty() && all.admin_local.empty() ? no_http(all) : "";
}
std::string_view no_clear_http(const config& all) {
    return all.http.empty() && all.http_local.empty() ? "--http is off" : "";
}
std::string_view no_https(const config& all) {
    return all.https.empty() ? "there is no --https" : "";
}
std::string_view nothing_over_tls(const config& all) {
    return all.https.empty() && !no_ftp(all).empty()
               ? "nothing has TLS: no --https, --ftps or --ftp"
               : "";
}
std::string_view no_tls(const config& all) {
    return wants_tls(all) ? nothing_over_tls(all) : "there is no TLS";
}
std::string_view no_ftp_over_tls(const config& all) {
    return wants_tls(all) ? no_ftp(all) : "FTP has no TLS";
}
std::string_view never_clear_again(const config& all) {
    const auto why = no_ftp_over_tls(all);
    return why.empty() && all.ftp_tls == ftp::tls_policy::require
               ? "--ftp-tls require lets nobody end it"
               : why;
}
std::string_view no_least_rate(const config& all) {
    const bool has_one =
        (no_http(all).empty() && (all.send_rate_min != 0 || all.receive_rate_min != 0)) ||
        (no_ftp(all).empty() && all.ftp_transfer_rate_min != 0);
    return has_one ? "" : "there is no least rate";
}
std::string_view no_access_log(const config& all) {
    return all.access_log.kind == access_log_kind::off ? "there is no --access-log" : "";
}
std::string_view no_compression(const config& all) {
    return all.http_compress.empty() ? "--http-compress is off" : no_http(all);
}
std::string_view no_rate_of_requests(const config& all) {
    return all.address_requests_rate == 0 ? "--address-requests-rate is off" : no_http(all);
}
std::string_view no_trusted_proxy(const config& all) {
    return all.trusted_proxies.empty() ? "there is no --trusted-proxy" : no_http(all);
}
std::string_view no_user(const config& all) {
    return all.users.empty() ? "there is no --user; accounts of --users-file have permissions of "
                               "their own"
                             : "";
}
std::string_view no_open_files(const config& all) {
    return all.file_cache_entries == 0 ? "--file-cache-entries is off" : "";
}
std::string_view no_cache(const config& all) {
    return all.listing_cache_bytes == 0 ? no_open_files(all) : "";
}
std::string_view no_ring(const config& all) {
    return all.io == io_wish::epoll ? "--io is epoll" : "";
}

struct group_row {
    std::string_view name;
    std::string_view (*idle)(const config&);
};
/// Of those that are about one thing.
constexpr auto groups = std::to_array<group_row>({{group::tls, no_tls},
                                                  {group::http, no_http},
                                                  {group::http_limits, no_http},
                                                  {group::ftp, no_ftp},
                                                  {group::ftp_limits, no_ftp}});

constexpr auto table = std::to_array<flag>({
    {"http", "ADDR:PORT|unix:PATH|off", group::listening,
     "speak HTTP/1.1 (RFC 9112) here; repeatable; *:PORT is every address; unix:PATH is a socket "
     "of "
     "the file system, for a proxy on this machine",
     mixed_listen_list<&config::http, &config::http_local>()},
    {"https", "ADDR:PORT|off", group::listening,
     "speak HTTP/1.1 over TLS (RFC 9110 section 4.2.2) here; repeatable; needs --tls-cert or "
     "--tls-self-signed",
     listen_list<&config::https>()},
    {"ftp", "ADDR:PORT|off", group::listening, "speak FTP (RFC 959) here; repeatable",
     listen_list<&config::ftp>()},
    {"ftps", "ADDR:PORT|off", group::listening,
     "speak FTP over TLS from the first octet on here; repeatable; --ftp has TLS by AUTH (RFC "
     "4217) "
     "wherever there is a certificate",
     listen_list<&config::ftps>()},
    {"admin", "ADDR:PORT|unix:PATH|off", group::listening,
     "tell here how the process fares: /metrics for Prometheus, /healthz, /readyz, and a page for "
     "people; repeatable; no password protects it, so let nobody else reach it",
     mixed_listen_list<&config::admin, &config::admin_local>()},
    {"passive-ports", "LO-HI", group::listening,
     "ports for passive FTP data connections (RFC 959 section 4.1.2, RFC 2428), taken at "
     "random; any: what the kernel picks",
     text{ports_bounds, set_passive_ports, show_passive_ports}, no_ftp},
    {"public-address", "[NETWORK=]ADDR,...", group::listening,
     "the IPv4 address a PASV reply names (RFC 959 section 4.1.2), for a server behind "
     "address translation: an address, a host name, which is looked up at the start, or auto, "
     "the one the client reached; with NETWORK for clients from there, such as "
     "192.168.0.0/16=auto,203.0.113.7",
     text{public_address_bounds, set_public_address, show_public_address}, no_ftp},
    {"tcp-congestion", "NAME", group::listening,
     "congestion control of every connection, such as cubic or bbr (tcp(7), TCP_CONGESTION); "
     "system: what the machine uses",
     text{congestion_bounds, set_tcp_congestion,
          [](const config& from) {
              return from.tcp_congestion.empty() ? "system" : from.tcp_congestion;
          }}},

    {"tls-cert", "FILE", group::tls,
     "a certificate and those that vouch for it (PEM); repeatable: a client is shown the one for "
     "the "
     "name that it asks for (RFC 6066 section 3), else the first; of two for the same names, one "
     "with an RSA key and one with an ECDSA key, the one that it can check; SIGHUP reads all of "
     "these files anew",
     file_list<&config::tls_certs>(), nothing_over_tls},
    {"tls-key", "FILE", group::tls,
     "the private key of the --tls-cert in the same place (PEM); none: each is in the file of its "
     "certificate",
     file_list<&config::tls_keys>()},
    {"tls-self-signed", "", group::tls,
     "for developing: where there is no --tls-cert, or its file is not there, a certificate that "
     "vouches for itself (ECDSA P-256) is made at start: in memory, or into the files of "
     "--tls-cert "
     "and --tls-key",
     flag_kind::toggle{&config::tls_self_signed}, nothing_over_tls},
    {"tls-min", "1.2|1.3", group::tls,
     "the oldest version that is spoken; older ones than 1.2 are not safe (RFC 8996)",
     choice_of<&config::tls_min>(tls_floor_words)},
    {"tls-kernel", "auto|off|require", group::tls,
     "who seals large files: auto: the kernel where it has TLS (kTLS, its module tls), so that "
     "they "
     "are not copied, else ferry; off: ferry; require: refuse to start without the kernel",
     choice_of<&config::tls_kernel>(kernel_tls_words)},
    {"tls-ocsp", "FILE", group::tls,
     "what its authority says of the --tls-cert in the same place (DER, RFC 6960), stapled for who "
     "wants it",
     file_list<&config::tls_ocsp>()},
    {"tls-ticket-keys", "FILE|off", group::tls,
     "80 random octets, or several times that, with which tickets of sessions are sealed (RFC "
     "5077): "
     "the first seals, all open; for several machines of one name; off: keys of its own, others "
     "every 12 hours",
     file_or_off<&config::tls_ticket_keys>()},
    {"tls-client-certs", "off|optional|required", group::tls,
     "whether clients show a certificate that --tls-client-ca vouches for",
     choice_of<&config::tls_client_certs>(client_certs_words)},
    {"tls-client-ca", "FILE|off", group::tls, "who vouches for clients (PEM)",
     file_or_off<&config::tls_client_ca>()},
    {"tls-client-accounts", "", group::tls,
     "the certificate of a client logs the account in that its common name names: over HTTP "
     "without "
     "a password, over FTP by USER alone (232, RFC 2228 section 4)",
     flag_kind::toggle{&config::tls_client_accounts}},
    {"tls-handshake-timeout", "DURATION", group::tls,
     "from the connection, or AUTH, to the end of the handshake; then it is closed",
     duration{&config::tls_handshake_timeout, 100ms, 1h}},

    {"allow", "[http:|ftp:]CIDR", group::access,
     "only these addresses may connect; repeatable; others: 403 (RFC 9110 section 15.5.4), 421",
     rule_list<&config::allow>()},
    {"deny", "[http:|ftp:]CIDR", group::access,
     "these may not; repeatable. Of the blocks of --allow and --deny that an address is in the "
     "smallest decides, of two alike --deny",
     rule_list<&config::deny>()},
    {"proxy-protocol", "CIDR", group::access,
     "connections from here begin with a PROXY header (haproxy's proxy-protocol.txt, versions 1 "
     "and "
     "2) that says for whom they are; repeatable; without one they are closed; others are taken as "
     "they come",
     block_list<&config::proxy_protocol>()},
    {"trusted-proxy", "CIDR", group::access,
     "requests from here are whose --forwarded-field says: for logs, rules and limits; repeatable",
     block_list<&config::trusted_proxies>(), no_http},
    {"forwarded-field", "FIELD", group::access,
     "where trusted proxies add whom they have a request from: X-Forwarded-For, or Forwarded (RFC "
     "7239); the other field is the client's own and not read",
     choice_of<&config::forwarded_field>(forwarded_words), no_trusted_proxy},
    {"address-connections-max", "COUNT", group::access,
     "connections of one address (of IPv6: 64 bits), FTP data connections aside; more: 503, 421",
     count{&config::address_connections_max, 0, 1'000'000, "off"}},
    {"address-requests-rate", "COUNT", group::access,
     "HTTP requests a second of one address; more: 429 (RFC 6585 section 4)",
     count{&config::address_requests_rate, 0, 1'000'000, "off"}, no_http},
    {"address-requests-burst", "COUNT", group::access,
     "requests that may come at once after a pause",
     count{&config::address_requests_burst, 1, 1'000'000}, no_rate_of_requests},
    {"address-send-rate-max", "SIZE", group::access,
     "octets a second of HTTP answers to one address; 0: as fast as they go",
     size{&config::address_send_rate_max, 0, 1'024_GiB}, no_http},
    {"anonymous", "off|read|upload|PERMISSIONS", group::access,
     "what visitors without an account may do: over FTP (RFC 1635), where off lets none in; and "
     "over HTTP, where off is read, if --http-anonymous does not say otherwise; upload: read and "
     "store new files",
     text{anonymous_bounds, set_anonymous, show_anonymous}},
    {"http-anonymous", "same|off|read|upload|PERMISSIONS", group::access,
     "the same over HTTP alone, where everybody is one, with an account or without; off: only who "
     "logs in sees anything",
     text{http_anonymous_bounds, set_http_anonymous, show_http_anonymous}, no_http},
    {"anonymous-limits", "LIMITS|none", group::access,
     "limits of visitors without an account, as in a users file: sessions=N, per-address=N over "
     "FTP; quota=SIZE, files=N of the whole tree; "
     "octets a second: rate=SIZE or download=SIZE, upload=SIZE for all of them together, "
     "session-rate=SIZE and so on for each session or HTTP connection",
     text{anonymous_limits_bounds, set_anonymous_limits, show_anonymous_limits}},
    {"user", "NAME:PASSWORD[:DIR]", group::access,
     "an account for FTP and HTTP; DIR, a directory within the tree, is all it sees over FTP and "
     "may use over HTTP; repeatable. A "
     "password cannot hold ':'. On a command line others on this machine can read it: better "
     "in the file",
     flag_kind::list{.bounds = user_bounds,
                     .empty_word = "none",
                     .values_max = 1'000,
                     .separator = '\n',
                     .clear = [](config& into) { into.users.clear(); },
                     .add = add_user,
                     .show = show_users}},
    {"users-file", "FILE|off", group::access,
     "accounts, a line each: name:hash:home:permissions:limits; `ferry passwd FILE NAME` sets a "
     "password; SIGHUP reads it anew",
     file_or_off<&config::users_file>()},
    {"write", "", group::access,
     "users given by --user may store, replace, rename and remove files",
     flag_kind::toggle{&config::write}, no_user},

    {"root", "DIR", group::files, "the directory to serve: the same as the argument DIR",
     path_text<&config::root>()},
    {"mount", "/PATH=DIR[:OPTIONS]", group::files,
     "another directory, at PATH of the tree; repeatable; /=DIR:OPTIONS is the root. Between "
     "commas: ro: takes no changes; hidden=show|hide: names that begin with a dot; "
     "links=refuse|inside|trusted: symbolic links are not followed, inside DIR only, anywhere; "
     "uploads=any|new|none: new ones replace nothing; fold, nfc: names in other case, letters "
     "composed otherwise find what is there; windows-names=allow|refuse: made or not. %3A, %2C, "
     "%3D, %25 are : , = % of a name",
     flag_kind::list{.bounds = mount_bounds,
                     .empty_word = "none",
                     .values_max = 256,
                     .separator = '\n',
                     .clear = [](config& into) { into.mounts.clear(); },
                     .add = add_mount,
                     .show = show_mounts}},
    {"durability", "none|data|full", group::files,
     "what must be on the disk before an upload gets its name: none, the data, or in full "
     "also the directory entry",
     choice_of<&config::durability>(durability_words)},
    {"leftovers", "keep|remove", group::files,
     "hidden files (.ferry-upload-*) of uploads that a crash cut short: leave them, or remove them "
     "in the background at start, where anybody may upload: at once on a file system of this "
     "machine, else (NFS, SMB, FUSE) what nobody has touched for 2 hours. keep: if this machine "
     "exports the tree to others that upload, too",
     choice_of<&config::leftovers>(leftovers_words)},
    {"ftp-charset", "NAME", group::files,
     "what clients speak that have not asked for UTF-8 (OPTS UTF8 ON, RFC 2640): names that are "
     "stored in UTF-8 are shown to them and taken from them in that set, what it lacks as %XX",
     text{charset_bounds, set_ftp_charset,
          [](const config& from) { return from.ftp_charset.empty() ? "utf-8" : from.ftp_charset; }},
     no_ftp},
    {"ftp-ebcdic", "037|1047", group::files,
     "the code page of TYPE E (RFC 959 section 3.1.1.2) until a session asks for another by SITE "
     "EBCDIC",
     choice_of<&config::ftp_ebcdic>(ebcdic_words), no_ftp},
    {"upload-part-keep", "DURATION", group::files,
     "how long what came of an FTP upload that was cut off is kept, hidden (.ferry-part-*), for "
     "its "
     "account to go on with: SIZE tells it how much there is; 0: not at all",
     duration{&config::upload_part_keep, 0ms, 720h}},
    {"list-sorted-max", "COUNT", group::files,
     "entries of a directory that are sorted in memory; a larger one is listed unsorted",
     count{&config::list_sorted_max, 0, 1'000'000}},
    {"list-held-max", "COUNT", group::files,
     "sorted listings of more than 256 entries that each core holds in memory until their clients "
     "have taken them; while there are as many, a further one comes unsorted",
     count{&config::list_held_max, 0, 10'000}},
    {"list-reads-max", "COUNT", group::files,
     "directories that each core reads at once to list them; more wait for their turn",
     count{&config::list_reads_max, 1, 1'000}},
    {"list-wait-timeout", "DURATION", group::files,
     "how long a listing may wait for its turn; then 503 (RFC 9110 section 15.6.4) or 450 (RFC 959 "
     "section 4.2)",
     duration{&config::list_wait_timeout, 0ms, 1h}},
    {"http-archives-max", "COUNT", group::files,
     "archives of whole directories (?format=zip, ?format=tar) that each core sends at once; more "
     "wait as listings do, then 503; off: none are made, and pages offer none",
     count{&config::http_archives_max, 0, 1'000, "off"}, no_http},
    {"file-cache-entries", "COUNT", group::files,
     "files and directories that each core keeps open for HTTP from their second use on, fewer "
     "where "
     "descriptors are few (ulimit -n); every change is seen at once (inotify), so only on file "
     "systems of this machine",
     count{&config::file_cache_entries, 0, 1'000'000, "off"}},
    {"file-cache-bytes", "SIZE", group::files,
     "contents of small files (16 KiB at most) that each core keeps in memory, of those that it "
     "does not keep open, too",
     size{&config::file_cache_bytes, 0, 16_GiB}, no_open_files},
    {"listing-cache-bytes", "SIZE", group::files,
     "names, sizes and times of directories that each core keeps in memory from their second "
     "listing "
     "on; every change is seen at once (inotify), so only on file systems of this machine; 0: each "
     "listing reads the directory",
     size{&config::listing_cache_bytes, 0, 16_GiB}},
    {"answer-cache-bytes", "SIZE", group::files,
     "answers of HTTP, made of files in the cache, that each core keeps in memory from their "
     "second "
     "making on: to the same octets they are the same as long as the file is; 0: each is made anew",
     size{&config::answer_cache_bytes, 0, 16_GiB}},
    {"file-cache-idle-timeout", "DURATION", group::files,
     "how long a file or a directory that nobody asks for stays in these caches",
     duration{&config::file_cache_idle_timeout, 1s, 24h}, no_cache},

    {"access-log", "FILE|-|off", group::logs,
     "one line for each request, transfer, change and login; - is standard output; a file is "
     "opened anew on SIGUSR1",
     text{access_log_bounds, set_access_log, show_access_log}},
    {"access-log-format", "FORMAT", group::logs,
     "how a line looks: combined, with the microseconds it took; json, an object; or a template "
     "with nginx's variables: '$remote_addr [$time_local] \"$request\" $status'",
     text{"combined, json, or a template", set_access_log_format,
          [](const config& from) { return from.access_log_format; }},
     no_access_log},
    {"access-log-buffer-bytes", "SIZE", group::logs,
     "buffer of each core; while it is full, lines are dropped and counted",
     size{&config::access_log_buffer_bytes, 4_KiB, 64_MiB}, no_access_log},
    {"log-level", "LEVEL", group::logs,
     "the least important diagnostics to print on standard error",
     choice_of<&config::log_level>(level_words)},

    {"io", "auto|uring|epoll", group::machine,
     "what moves the octets: io_uring, or epoll, which containers do not deny; auto: epoll where "
     "io_uring cannot be had",
     choice_of<&config::io>(io_words)},
    {"cores", "COUNT", group::machine,
     "threads; each has its own ring and its own listening sockets",
     count{&config::cores, 1, cpus_max, "all"}},
    {"pin", "LIST", group::machine,
     "CPUs, one for each thread, such as 0,2,4-7; auto: every thread on a CPU of its own, in "
     "order; off: where the scheduler likes",
     text{pin_bounds, set_pin, show_pin}},
    {"connections-max", "COUNT", group::machine,
     "connections of the process, FTP data connections aside; more are turned away",
     count{&config::connections_max, 1, 1'000'000}},
    {"receive-buffers", "COUNT", group::machine,
     "buffers of 4 KiB on each core for what clients send",
     count{&config::receive_buffers, 16, 32'768, {}, true}},
    {"ring-entries", "COUNT", group::machine, "submission entries of each core's io_uring",
     count{&config::ring_entries, 64, 16'384, {}, true}, no_ring},
    {"offload-threads", "COUNT", group::machine,
     "threads for what would hold a core up: listings, copies; without io_uring also the disk and "
     "changes of names; the last is never lent to a sync, a copy or the freeing of a large file; "
     "auto: 2, without io_uring one a core, 4 at least",
     count{&config::offload_threads, 2, 64, "auto"}},
    {"run-as", "USER[:GROUP]|off", group::machine,
     "once ports and files are open, become this user for good, with no right of root but that of "
     "active FTP to send from port 20; off: who has started it",
     text{run_as_bounds, set_run_as,
          [](const config& from) { return from.run_as.empty() ? "off" : from.run_as; }}},
    {"confine", "auto|off|require", group::machine,
     "bar the process from files that are not within DIR or a mount, from running programs, and "
     "from "
     "what else no file server does (Landlock, seccomp); auto: as far as the kernel can; require: "
     "all "
     "of it, or do not start",
     choice_of<&config::confine>(confine_words)},
    {"drain-timeout", "DURATION", group::machine,
     "after the first SIGTERM or SIGINT, how long requests and transfers may still take; then they "
     "are cut off",
     duration{&config::drain_timeout, 0ms, 1h}},
    {"upgrade-drain-timeout", "DURATION", group::machine,
     "after SIGUSR2 a new process takes the connections, and this one may finish what is under way "
     "for so long, then for --drain-timeout more as after SIGTERM; 0: SIGUSR2 does nothing, and no "
     "process is kept that could start another",
     duration{&config::upgrade_drain_timeout, 0ms, 168h}},
    {"rate-window", "DURATION", group::machine,
     "over how long the least rates of clients, --send-rate-min, --receive-rate-min and "
     "--ftp-transfer-rate-min, are "
     "averaged",
     duration{&config::rate_window, 100ms, 1h}, no_least_rate},

    {"http-index", "NAME", group::http,
     "what a directory is answered with if it has a file of that name; repeatable, the first that "
     "is there; none: every directory is listed",
     flag_kind::list{.bounds = index_bounds,
                     .empty_word = "none",
                     .values_max = index_names_max,
                     .separator = ',',
                     .clear = [](config& into) { into.http_index.clear(); },
                     .add = add_index,
                     .show = [](const config& from) { return joined(from.http_index); }}},
    {"clean-urls", "", group::http,
     "/page is the file page.html, and /page.html is sent there; /dir/index.html to /dir/",
     flag_kind::toggle{&config::clean_urls}},
    {"spa", "FILE|off", group::http,
     "the page, a path within the tree, for paths that are no file, have no extension and are "
     "asked "
     "for by who takes text/html: of an application that runs in the browser; off: 404",
     text{spa_bounds, set_spa,
          [](const config& from) { return from.spa.empty() ? "off" : from.spa; }}},
    {"rules", "FILE|off", group::http,
     "redirects, fields, Cache-Control, error pages, CORS by path, and sites by host (TOML); "
     "SIGHUP reads it anew",
     file_or_off<&config::rules_file>(), never_idle},
    {"http-compress", "LIST|off", group::http,
     "codings (RFC 9110 section 8.4.1) that text is packed in for who accepts them, most preferred "
     "first: made once for each content and kept; files of 1 KiB at least, 2s after their last "
     "change at the earliest",
     text{compress_bounds, set_compress, show_compress}},
    {"http-compress-max", "SIZE", group::http, "larger files go as they are",
     size{&config::http_compress_max, 1_KiB, 64_MiB}, no_compression},
    {"http-compress-cache-bytes", "SIZE", group::http, "packed contents that each core keeps",
     size{&config::http_compress_cache_bytes, 64_KiB, 16_GiB}, no_compression},
    {"http-digest-max", "SIZE", group::http,
     "larger files get no Repr-Digest and no Content-Digest when a client wants one (RFC 9530): it "
     "is made before the answer begins",
     size{&config::http_digest_max, 0, 1'024_GiB}},
    {"http-precompressed", "", group::http,
     "name.br, name.zst and name.gz beside a file name, if not older, are what it is packed in: "
     "who accepts that gets them in its place",
     flag_kind::toggle{&config::http_precompressed}},
    {"http-redirect-to-https", "", group::http,
     "requests in clear are sent to the first --https (308, RFC 9110 section 15.4.9), all but "
     "those "
     "beneath /.well-known/acme-challenge/ (RFC 8555)",
     flag_kind::toggle{&config::http_redirect_to_https}, no_clear_http},
    {"http-tls", "allow|login", group::http,
     "what must go over TLS: nothing; passwords (RFC 7617 section 4): in clear they are answered "
     "with 403, unread, unless a --trusted-proxy or a unix socket brings them",
     choice_of<&config::http_tls>(http_tls_words)},
    {"http-hsts", "DURATION", group::http,
     "Strict-Transport-Security of answers over TLS: browsers ask in no other way for so long (RFC "
     "6797); 0: none",
     duration{&config::http_hsts, 0ms, 17'520h}, no_https},

    {"head-bytes-max", "SIZE", group::http_limits,
     "request line and fields; more: 431 (RFC 6585 section 5)",
     size{&config::head_bytes_max, 1_KiB, 1_MiB}},
    {"target-bytes-max", "SIZE", group::http_limits,
     "request target; more: 414 (RFC 9110 section 15.5.15)",
     size{&config::target_bytes_max, 256, 1_MiB}},
    {"fields-max", "COUNT", group::http_limits,
     "fields of a request; more: 431 (RFC 6585 section 5)", count{&config::fields_max, 10, 10'000}},
    {"header-timeout", "DURATION", group::http_limits,
     "from the first octet of a request head to its last; then 408 (RFC 9110 section 15.5.9)",
     duration{&config::header_timeout, 100ms, 1h}, no_http_at_all},
    {"idle-timeout", "DURATION", group::http_limits,
     "how long a connection may wait for its next request (RFC 9112 section 9.5)",
     duration{&config::idle_timeout, 100ms, 24h}, no_http_at_all},
    {"send-timeout", "DURATION", group::http_limits,
     "how long a client may take none of an answer; then the connection is closed",
     duration{&config::send_timeout, 100ms, 1h}, no_http_at_all},
    {"send-rate-min", "SIZE", group::http_limits,
     "octets a second that a client must take of an answer, over --rate-window; slower ones are "
     "closed; what --anonymous-limits holds back does not count; 0: as slow as --send-timeout lets "
     "them",
     size{&config::send_rate_min, 0, 1_GiB}},
    {"http-upload-max", "SIZE", group::http_limits,
     "content of one PUT; more: 413 (RFC 9110 section 15.5.14); 0: as much as there is room for",
     size{&config::http_upload_max, 0, 1'024'000_GiB}},
    {"body-timeout", "DURATION", group::http_limits,
     "how long a client may send nothing of a request body; then 408",
     duration{&config::body_timeout, 100ms, 1h}},
    {"receive-rate-min", "SIZE", group::http_limits,
     "octets a second that must come of a request body, over --rate-window; then 408; what a rate "
     "of its account holds back does not count; 0: as slow as --body-timeout lets them",
     size{&config::receive_rate_min, 0, 1_GiB}},
    {"requests-per-connection-max", "COUNT", group::http_limits,
     "then the connection is closed (RFC 9112 section 9.6)",
     count{&config::requests_per_connection_max, 1, 1'000'000'000}},
    {"body-drain-bytes-max", "SIZE", group::http_limits,
     "how much of an unwanted request body is read to keep the connection (RFC 9112 section 9.3)",
     size{&config::body_drain_bytes_max, 0, 1_GiB}},

    {"ftp-sessions-max", "COUNT", group::ftp_limits, "sessions of the process; more: 421",
     count{&config::ftp_sessions_max, 1, 1'000'000}},
    {"ftp-line-bytes-max", "SIZE", group::ftp_limits,
     "a command line; more: 500 (RFC 959 section 4.2)",
     size{&config::ftp_line_bytes_max, 256, 64_KiB}},
    {"ftp-login-tries-max", "COUNT", group::ftp_limits,
     "wrong passwords of a session; then 421 (RFC 2577 section 5)",
     count{&config::ftp_login_tries_max, 1, 100}},
    {"ftp-login-delay-max", "DURATION", group::ftp_limits,
     "each wrong password from an address doubles the time, 1s at first, that logins from there "
     "wait "
     "for their answer, up to this; beyond it 421; 0: nobody waits (RFC 2577 section 5)",
     duration{&config::ftp_login_delay_max, 0ms, 1h}, never_idle},
    {"ftp-idle-timeout", "DURATION", group::ftp_limits,
     "how long a session may do nothing (RFC 1123 section 4.1.3.2 asks for 5m at least)",
     duration{&config::ftp_idle_timeout, 100ms, 24h}},
    {"ftp-transfer-stall-timeout", "DURATION", group::ftp_limits,
     "how long a transfer may move nothing; then 426",
     duration{&config::ftp_transfer_stall_timeout, 100ms, 1h}},
    {"ftp-transfer-rate-min", "SIZE", group::ftp_limits,
     "octets a second that a client must take or send in a transfer, over --rate-window; then 426; "
     "0: as slow as --ftp-transfer-stall-timeout lets it",
     size{&config::ftp_transfer_rate_min, 0, 1_GiB}},
    {"ftp-data-connect-timeout", "DURATION", group::ftp_limits,
     "how long a data connection may take to come about; then 425",
     duration{&config::ftp_data_connect_timeout, 100ms, 1h}},
    {"ftp-upload-grace", "DURATION", group::ftp_limits,
     "how long an upload whose data have ended waits before it takes its name: a client that was "
     "killed ends its control connection in that time, and the upload is dropped",
     duration{&config::ftp_upload_grace, 0ms, 10s}},
    {"ftp-without-host", "all|refuse|NAME", group::ftp,
     "what FTP clients see that log in without HOST (RFC 7151), as most do: the whole tree; the "
     "host of "
     "--rules that has that name; or nothing, USER is refused",
     text{without_host_bounds, set_without_host, show_without_host}},
    {"ftp-tls", "allow|login|require", group::ftp,
     "what must go over TLS: nothing; the logins of all but visitors; everything, data "
     "connections, "
     "too (RFC 4217)",
     choice_of<&config::ftp_tls>(ftp_tls_words), no_ftp_over_tls},
    {"ftp-tls-reuse", "off|warn|require", group::ftp,
     "data connections over TLS must resume the session of their control connection, so that "
     "nobody "
     "else can take them; warn: a line in the log where one does not; off: for clients that "
     "cannot, such as Python's ftplib",
     choice_of<&config::ftp_tls_reuse>(ftp_tls_reuse_words), no_ftp_over_tls},
    {"ftp-tls-ccc", "", group::ftp,
     "clients may go back to commands in clear (CCC, RFC 4217 section 12.3), for firewalls that "
     "read "
     "them",
     flag_kind::toggle{&config::ftp_tls_ccc}, never_clear_again},

    {"config", "FILE", group::this_run, "read options from this file too (TOML, the same names)",
     path_text<&config::config_file>(), nullptr, flag_scope::outside_files},
    {"check", "", group::this_run, "read everything, say what would run, and exit",
     flag_kind::toggle{&config::check}, nullptr, flag_scope::command_line},
    {"version", "", group::this_run, "print the version and exit", flag_kind::action::version,
     nullptr, flag_scope::command_line},
    {"help", "", group::this_run, "print this and exit (also -h)", flag_kind::action::help, nullptr,
     flag_scope::command_line},
});

template <class... Arms>
struct overloaded : Arms... {
    using Arms::operator()...;
};

/// How the bounds of `row` begin in a message: "a number from".
std::string_view bounds_lead(const flag& row) {
    return std::visit(overloaded{
                          [](const count& number) -> std::string_view {
                              return number.power_of_two ? "a power of two from "
                                                         : "a number from ";
                          },
                          [](const size&) -> std::string_view { return "a size from "; },
                          [](const duration&) -> std::string_view { return "a duration from "; },
                          [](const flag_kind::choice&) -> std::string_view { return "one of "; },
                          [](const auto&) -> std::string_view { return ""; },
                      },
                      row.kind);
}

std::unexpected<std::string> not_in_bounds(const flag& row, std::string_view value) {
    return std::unexpected(
        fmt::format("{} is not {}{}", in_quotes(value), bounds_lead(row), bounds(row)));
}

std::expected<void, std::string> from_reason(std::string reason) {
    if (!reason.empty()) {
        return std::unexpected(std::move(reason));
    }
    return {};
}

std::expected<void, std::string> assign_list(const flag_kind::list& own, config& settings,
                                             std::span<const std::string> values) {
    if (values.size() > own.values_max) {
        return std::unexpected(
            fmt::format("{} values; at most {} are possible", values.size(), own.values_max));
    }
    own.clear(settings);
    if (values.size() == 1 && values.front() == own.empty_word) {
        return {};
    }
    if (contains(values, own.empty_word)) {
        return std::unexpected(fmt::format("{} and other values", in_quotes(own.empty_word)));
    }
    for (const auto& value : values) {
        if (auto reason = own.add(settings, value); !reason.empty()) {
            return std::unexpected(std::move(reason));
        }
    }
    return {};
}

std::expected<void, std::string> assign_one(const flag& row, config& settings,
                                            const std::string& value) {
    return std::visit(
        overloaded{
            [&](const flag_kind::toggle& on_or_off) -> std::expected<void, std::string> {
                constexpr auto on = std::to_array<std::string_view>({"on", "true", "yes", "1"});
                constexpr auto off = std::to_array<std::string_view>({"off", "false", "no", "0"});
                const bool is_on = contains(on, value);
                if (!is_on && !contains(off, value)) {
                    return std::unexpected(in_quotes(value) + " is not on or off");
                }
                settings.*on_or_off.member = is_on;
                return {};
            },
            [&](const count& number) -> std::expected<void, std::string> {
                if (!number.zero_word.empty() && value == number.zero_word) {
                    settings.*number.member = 0;
                    return {};
                }
                const auto parsed = parse_number(value);
                if (!parsed || *parsed < number.min || *parsed > number.max ||
                    (number.power_of_two && !std::has_single_bit(*parsed))) {
                    return not_in_bounds(row, value);
                }
                settings.*number.member = *parsed;
                return {};
            },
            [&](const size& octets) -> std::expected<void, std::string> {
                const auto parsed = parse_size(value);
                if (!parsed || *parsed < octets.min || *parsed > octets.max) {
                    return not_in_bounds(row, value);
                }
                settings.*octets.member = *parsed;
                return {};
            },
            [&](const duration& time) -> std::expected<void, std::string> {
                const auto parsed = parse_duration(value);
                if (!parsed || *parsed < time.min || *parsed > time.max) {
                    return not_in_bounds(row, value);
                }
                settings.*time.member = *parsed;
                return {};
            },
            [&](const flag_kind::choice& words) -> std::expected<void, std::string> {
                const auto found = std::ranges::find(words.words, value);
                if (found == words.words.end()) {
                    return not_in_bounds(row, value);
                }
                words.set(settings, static_cast<std::size_t>(found - words.words.begin()));
                return {};
            },
            [&](const text& own) { return from_reason(own.set(settings, value)); },
            [&](const flag_kind::list& own) {
                return assign_list(own, settings, std::span(&value, 1));
            },
            [](const flag_kind::action&) -> std::expected<void, std::string> { return {}; },
        },
        row.kind);
}

}  // namespace

std::span<const flag> flags() noexcept {
    return table;
}

std::vector<std::string> idle_flags(const config& settings) {
    struct reason {
        std::string_view why;
        std::string names;
    };
    std::vector<reason> reasons;
    const config normal;
    for (const auto& row : table) {
        const auto group = std::ranges::find(groups, row.group, &group_row::name);
        const auto idle = row.idle == nullptr && group != groups.end() ? group->idle : row.idle;
        const auto why = idle == nullptr ? std::string_view() : idle(settings);
        if (why.empty() || show(row, settings) == show(row, normal)) {
            continue;
        }
        const auto known = std::ranges::find(reasons, why, &reason::why);
        if (known == reasons.end()) {
            reasons.push_back({.why = why, .names = fmt::format("--{}", row.name)});
        } else {
            known->names += fmt::format(", --{}", row.name);
        }
    }
    std::vector<std::string> lines;
    for (const auto& each : reasons) {
        lines.push_back(fmt::format("{}: {}", each.names, each.why));
    }
    return lines;
}

bool is_switch(const flag& row) noexcept {
    return row.placeholder.empty();
}

std::string bounds(const flag& row) {
    return std::visit(
        overloaded{
            [](const count& number) {
                return fmt::format("{} to {}{}{}", number.min, number.max,
                                   number.zero_word.empty() ? "" : ", or ", number.zero_word);
            },
            [](const size& octets) {
                return fmt::format("{} to {}", show_size(octets.min), show_size(octets.max));
            },
            [](const duration& time) {
                return fmt::format("{} to {}", show_duration(time.min), show_duration(time.max));
            },
            [](const flag_kind::choice& words) {
                return fmt::format("{}", fmt::join(words.words, ", "));
            },
            [](const text& own) { return std::string(own.bounds); },
            [](const flag_kind::list& own) { return std::string(own.bounds); },
            [](const auto&) { return std::string(); },
        },
        row.kind);
}

std::string show(const flag& row, const config& settings) {
    return std::visit(
        overloaded{
            [&](const flag_kind::toggle& on_or_off) {
                return std::string(settings.*on_or_off.member ? "on" : "off");
            },
            [&](const count& number) {
                const auto value = settings.*number.member;
                return value == 0 && !number.zero_word.empty() ? std::string(number.zero_word)
                                                               : fmt::to_string(value);
            },
            [&](const size& octets) { return show_size(settings.*octets.member); },
            [&](const duration& time) { return show_duration(settings.*time.member); },
            [&](const flag_kind::choice& words) {
                return std::string(words.words[words.get(settings)]);
            },
            [&](const text& own) { return own.show(settings); },
            [&](const flag_kind::list& own) {
                const auto shown = own.show(settings);
                return shown.empty() ? std::string(own.empty_word) : shown;
            },
            [](const flag_kind::action&) { return std::string(); },
        },
        row.kind);
}

std::expected<void, std::string> assign(const flag& row, config& settings,
                                        std::span<const std::string> values) {
    FERRY_ASSERT(!values.empty());
    if (const auto* own = std::get_if<flag_kind::list>(&row.kind)) {
        return assign_list(*own, settings, values);
    }
    for (const auto& value : values) {
        if (auto taken = assign_one(row, settings, value); !taken) {
            return taken;
        }
    }
    return {};
}

}  // namespace ferry::server
