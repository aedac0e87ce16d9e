#include "server/rules_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/http/host_names.hpp"
#include "server/read_whole.hpp"

namespace ferry::server {
namespace {

/// What is wrong with a value, and where. The first that is found ends the reading.
struct mistake {
    std::size_t line = 0;
    std::string text;
};
using unexpected = std::unexpected<mistake>;
template <class Value>
using read = std::expected<Value, mistake>;

std::size_t line_of(const toml::node& at) {
    return at.source().begin.line;
}

unexpected wrong(const toml::node& at, std::string text) {
    return unexpected({.line = line_of(at), .text = std::move(text)});
}

// Values of one kind each. None of them knows the key: whoever asked puts it in front.

read<std::string> text_in(const toml::node& value) {
    const auto* const text = value.as_string();
    if (text == nullptr) {
        return wrong(value, "write a string");
    }
    return text->get();
}

read<bool> answer_in(const toml::node& value) {
    const auto* const answer = value.as_boolean();
    if (answer == nullptr) {
        return wrong(value, "write true or false");
    }
    return answer->get();
}

read<std::uint16_t> status_in(const toml::node& value) {
    const auto* const number = value.as_integer();
    if (number == nullptr || number->get() < 0 || number->get() > 999) {
        return wrong(value, "write a status, such as 404");
    }
    return static_cast<std::uint16_t>(number->get());
}

/// Seconds, or a duration such as "10m".
read<std::uint32_t> seconds_in(const toml::node& value) {
    std::optional<std::int64_t> seconds;
    if (const auto* const number = value.as_integer()) {
        seconds = number->get();
    } else if (const auto* const text = value.as_string()) {
        if (const auto parsed = parse_duration(text->get())) {
            seconds = std::chrono::floor<std::chrono::seconds>(*parsed).count();
        }
    }
    if (!seconds || *seconds < 0 || *seconds > std::numeric_limits<std::int32_t>::max()) {
        return wrong(value, "write seconds, or a duration such as \"10m\"");
    }
    return static_cast<std::uint32_t>(*seconds);
}

/// One value, or an array of them.
template <class Value>
read<std::vector<Value>> several_in(const toml::node& value,
                                    read<Value> (*one)(const toml::node&)) {
    std::vector<Value> all;
    const auto* const values = value.as_array();
    if (values == nullptr) {
        auto only = one(value);
        if (!only) {
            return unexpected(std::move(only.error()));
        }
        all.push_back(std::move(*only));
        return all;
    }
    for (const auto& each : *values) {
        auto next = one(each);
        if (!next) {
            return unexpected(std::move(next.error()));
        }
        all.push_back(std::move(*next));
    }
    return all;
}

read<std::vector<std::string>> texts_in(const toml::node& value) {
    return several_in<std::string>(value, &text_in);
}

read<std::vector<std::uint16_t>> statuses_in(const toml::node& value) {
    return several_in<std::uint16_t>(value, &status_in);
}

/// A table of fields; a field with an array has as many lines.
read<std::vector<http::header_rule::field>> fields_in(const toml::node& value) {
    const auto* const table = value.as_table();
    if (table == nullptr) {
        return wrong(value, "write a table, such as { X-Frame-Options = \"DENY\" }");
    }
    std::vector<http::header_rule::field> fields;
    for (const auto& [key, each] : *table) {
        auto values = texts_in(each);
        if (!values) {
            return unexpected(std::move(values.error()));
        }
        for (auto& one : *values) {
            fields.emplace_back(std::string(key.str()), std::move(one));
        }
    }
    return fields;
}

using done = std::expected<void, mistake>;

/// Puts what `value` holds, or why it cannot, in its place.
template <class Value>
done put(Value& into, read<Value> value) {
    if (!value) {
        return unexpected(std::move(value.error()));
    }
    into = std::move(*value);
    return {};
}

/// A key of a row or a table, and what takes its value.
template <class Row>
struct key_of {
    std::string_view name;
    done (*take)(Row& into, const toml::node& value);
};

/// Reads a table by the keys it may have.
template <class Row>
done read_table(Row& into, const toml::table& from, std::string_view what,
                std::span<const key_of<Row>> keys) {
    for (const auto& [key, value] : from) {
        const auto known = std::ranges::find(keys, key.str(), &key_of<Row>::name);
        std::string shown;
        ascii::append_escaped(shown, key.str());
        if (known == keys.end()) {
            std::string names;
            for (const auto& each : keys) {
                names += names.empty() ? "" : ", ";
                names += each.name;
            }
            return unexpected(
                {.line = key.source().begin.line,
                 .text = fmt::format("{}{}: no such key; there are {}", what, shown, names)});
        }
        if (auto taken = known->take(into, value); !taken) {
            auto why = std::move(taken.error());
            // A row within says itself what it is.
            why.text = value.is_array_of_tables() ? why.text
                                                  : fmt::format("{}{}: {}", what, shown, why.text);
            return unexpected(std::move(why));
        }
    }
    return {};
}

/// Reads an array of tables, `[[name]]`.
template <class Row>
done read_rows(std::vector<Row>& into, const toml::node& value, std::string_view name,
               std::span<const key_of<Row>> keys) {
    const auto* const all = value.as_array();
    if (all == nullptr) {
        return wrong(value, fmt::format("write it as [[{}]]", name));
    }
    for (const auto& each : *all) {
        const auto* const table = each.as_table();
        if (table == nullptr) {
            return wrong(each, fmt::format("write it as [[{}]]", name));
        }
        Row row;
        row.line = line_of(each);
        if (auto row_read = read_table<Row>(row, *table, fmt::format("{}: ", name), keys);
            !row_read) {
            return row_read;
        }
        into.push_back(std::move(row));
    }
    return {};
}

using node = toml::node;

constexpr auto redirect_keys = std::to_array<key_of<http::redirect_rule>>({
    {"from", [](auto& into, const node& value) { return put(into.from, text_in(value)); }},
    {"to", [](auto& into, const node& value) { return put(into.to, text_in(value)); }},
    {"status", [](auto& into, const node& value) { return put(into.status, status_in(value)); }},
});

constexpr auto header_keys = std::to_array<key_of<http::header_rule>>({
    {"path", [](auto& into, const node& value) { return put(into.path, text_in(value)); }},
    {"type", [](auto& into, const node& value) { return put(into.type, text_in(value)); }},
    {"set", [](auto& into, const node& value) { return put(into.set, fields_in(value)); }},
    {"add", [](auto& into, const node& value) { return put(into.add, fields_in(value)); }},
    {"remove", [](auto& into, const node& value) { return put(into.remove, texts_in(value)); }},
});

constexpr auto cache_keys = std::to_array<key_of<http::cache_rule>>({
    {"path", [](auto& into, const node& value) { return put(into.path, text_in(value)); }},
    {"type", [](auto& into, const node& value) { return put(into.type, text_in(value)); }},
    {"control", [](auto& into, const node& value) { return put(into.control, text_in(value)); }},
    {"status",
     [](auto& into, const node& value) { return put(into.statuses, statuses_in(value)); }},
});

constexpr auto error_keys = std::to_array<key_of<http::error_rule>>({
    {"status",
     [](auto& into, const node& value) { return put(into.statuses, statuses_in(value)); }},
    {"path", [](auto& into, const node& value) { return put(into.path, text_in(value)); }},
    {"page", [](auto& into, const node& value) { return put(into.page, text_in(value)); }},
});

constexpr auto cors_keys = std::to_array<key_of<http::cors_rule>>({
    {"path", [](auto& into, const node& value) { return put(into.path, text_in(value)); }},
    {"origins", [](auto& into, const node& value) { return put(into.origins, texts_in(value)); }},
    {"methods", [](auto& into, const node& value) { return put(into.methods, texts_in(value)); }},
    {"headers", [](auto& into, const node& value) { return put(into.headers, texts_in(value)); }},
    {"expose", [](auto& into, const node& value) { return put(into.expose, texts_in(value)); }},
    {"credentials",
     [](auto& into, const node& value) { return put(into.credentials, answer_in(value)); }},
    {"max-age",
     [](http::cors_rule& into, const node& value) -> done {
         std::uint32_t seconds = 0;
         auto taken = put(seconds, seconds_in(value));
         into.max_age_seconds = seconds;
         return taken;
     }},
});

/// The keys of a site, which stand at the top of the file and in `[[host]]`. `SiteOf` finds the
/// site in what is read, `prefix` stands before the names of its rows.
template <class Row, http::site_rules& (*SiteOf)(Row&)>
constexpr auto site_keys() {
    return std::to_array<key_of<Row>>({
        {"index",
         [](Row& into, const node& value) { return put(SiteOf(into).index, texts_in(value)); }},
        {"spa",
         [](Row& into, const node& value) {
             auto& page = SiteOf(into).spa;
             auto taken = put(page, text_in(value));
             page = page == "off" ? "" : page;
             return taken;
         }},
        {"clean-urls",
         [](Row& into, const node& value) {
             return put(SiteOf(into).clean_urls, answer_in(value));
         }},
        {"listings",
         [](Row& into, const node& value) { return put(SiteOf(into).listings, answer_in(value)); }},
        {"redirect",
         [](Row& into, const node& value) {
             return read_rows<http::redirect_rule>(SiteOf(into).redirects, value, "redirect",
                                                   redirect_keys);
         }},
        {"header",
         [](Row& into, const node& value) {
             return read_rows<http::header_rule>(SiteOf(into).headers, value, "header",
                                                 header_keys);
         }},
        {"cache",
         [](Row& into, const node& value) {
             return read_rows<http::cache_rule>(SiteOf(into).caches, value, "cache", cache_keys);
         }},
        {"error",
         [](Row& into, const node& value) {
             return read_rows<http::error_rule>(SiteOf(into).errors, value, "error", error_keys);
         }},
        {"cors",
         [](Row& into, const node& value) {
             return read_rows<http::cors_rule>(SiteOf(into).cors, value, "cors", cors_keys);
         }},
    });
}

/// Two tables of keys as one.
template <class Row, std::size_t A, std::size_t B>
constexpr auto joined(const std::array<key_of<Row>, A>& first,
                      const std::array<key_of<Row>, B>& second) {
    std::array<key_of<Row>, A + B> all{};
    std::ranges::copy(first, all.begin());
    std::ranges::copy(second, all.begin() + A);
    return all;
}

http::site_rules& site_of_host(http::host_rules& host) {
    return host.site;
}
http::site_rules& site_of_all(http::rules& all) {
    return all.standard;
}

constexpr auto host_keys = joined(
    std::to_array<key_of<http::host_rules>>({
        {"names", [](auto& into, const node& value) { return put(into.names, texts_in(value)); }},
        {"root", [](auto& into, const node& value) { return put(into.root, text_in(value)); }},
    }),
    site_keys<http::host_rules, site_of_host>());

/// The hosts come last, for their sites go by the settings of the others.
constexpr auto top_keys = joined(std::to_array<key_of<http::rules>>({
                                     {"other-hosts",
                                      [](http::rules& into, const node& value) -> done {
                                          const auto word = text_in(value);
                                          if (!word || (*word != "serve" && *word != "refuse")) {
                                              return wrong(value, "write \"serve\" or \"refuse\"");
                                          }
                                          into.refuses_other_hosts = *word == "refuse";
                                          return {};
                                      }},
                                     {"host", [](http::rules&, const node&) -> done { return {}; }},
                                 }),
                                 site_keys<http::rules, site_of_all>());

done read_hosts(http::rules& into, const toml::table& from) {
    const auto* const value = from.get("host");
    if (value == nullptr) {
        return {};
    }
    const auto* const all = value->as_array();
    if (all == nullptr) {
        return wrong(*value, "write it as [[host]]");
    }
    for (const auto& each : *all) {
        const auto* const table = each.as_table();
        if (table == nullptr) {
            return wrong(each, "write it as [[host]]");
        }
        http::host_rules host;
        host.line = line_of(each);
        host.site.index = into.standard.index;
        host.site.spa = into.standard.spa;
        host.site.clean_urls = into.standard.clean_urls;
        host.site.listings = into.standard.listings;
        if (auto host_read = read_table<http::host_rules>(host, *table, "host: ", host_keys);
            !host_read) {
            return host_read;
        }
        into.hosts.push_back(std::move(host));
    }
    return {};
}

std::string at_line(std::string_view name, std::size_t line, std::string_view what) {
    std::string text;
    ascii::append_escaped(text, name);
    return line == 0 ? fmt::format("{}: {}", text, what)
                     : fmt::format("{}:{}: {}", text, line, what);
}

std::expected<std::string, std::string> read_file(const std::string& path) {
    std::string shown;
    ascii::append_escaped(shown, path);
    const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        return std::unexpected(fmt::format("{}: {}", shown, std::strerror(errno)));
    }
    auto text = read_whole(file.get(), rules_file_bytes_max);
    if (!text) {
        return std::unexpected(
            text.error() == EFBIG
                ? fmt::format("{}: over the limit of {} octets", shown, rules_file_bytes_max)
                : fmt::format("{}: {}", shown, std::strerror(text.error())));
    }
    return std::move(*text);
}

}  // namespace

std::expected<http::rules, std::string> parse_rules_text(std::string_view text,
                                                         std::string_view name,
                                                         const http::site_rules& usual) {
    const auto parsed = toml::parse(text);
    if (!parsed) {
        std::string why = "not TOML: ";
        ascii::append_escaped(why, parsed.error().description());
        return std::unexpected(at_line(name, parsed.error().source().begin.line, why));
    }
    http::rules made;
    made.standard = usual;
    auto all_read = read_table<http::rules>(made, parsed.table(), "", top_keys);
    if (all_read) {
        all_read = read_hosts(made, parsed.table());
    }
    if (!all_read) {
        return std::unexpected(at_line(name, all_read.error().line, all_read.error().text));
    }
    return made;
}

std::expected<std::shared_ptr<const http::sites>, std::string> load_rules(const config& settings) {
    http::rules written;
    written.standard.index = settings.http_index;
    written.standard.spa = settings.spa;
    written.standard.clean_urls = settings.clean_urls;
    if (!settings.rules_file.empty()) {
        const auto text = read_file(settings.rules_file);
        if (!text) {
            return std::unexpected(text.error());
        }
        auto parsed = parse_rules_text(*text, settings.rules_file, written.standard);
        if (!parsed) {
            return std::unexpected(std::move(parsed.error()));
        }
        written = std::move(*parsed);
    }
    auto made = http::make_sites(written);
    if (!made) {
        const auto& why = made.error();
        return std::unexpected(settings.rules_file.empty()
                                   ? why.text
                                   : at_line(settings.rules_file, why.line, why.text));
    }
    const auto& unnamed = settings.ftp_without_host;
    if (!unnamed.empty() && !http::has_host(**made, unnamed)) {
        return std::unexpected(fmt::format(
            "--ftp-without-host {}: there is no host of that name in --rules", unnamed));
    }
    return std::move(*made);
}

}  // namespace ferry::server
