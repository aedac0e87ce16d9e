#include "options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"

namespace ferry::http_load {

using load::duration_in;
using load::ending;
using load::number_in;
using load::size_in;

namespace {

constexpr std::size_t pipeline_max = 4'096;
constexpr std::uint64_t size_max = std::uint64_t{1} << 50;
constexpr auto methods = std::to_array<std::string_view>({"GET", "HEAD", "OPTIONS", "PROPFIND"});

/// Reads "http://host:port/path". Errors: what is wrong with it.
std::expected<void, std::string> take_url(std::string_view url, load_options& into) {
    constexpr std::string_view scheme = "http://";
    std::string shown;
    ascii::append_escaped(shown, url);
    if (!ascii::equal_ignoring_case(url.substr(0, scheme.size()), scheme)) {
        return std::unexpected(shown + ": not a URL of HTTP; http://host:port/path is meant");
    }
    const auto rest = url.substr(scheme.size());
    const auto slash = std::min(rest.find('/'), rest.size());
    auto where = load::parse_authority(rest.substr(0, slash), 80);
    if (!where) {
        return std::unexpected(shown + ": no host, or no port from 1 to 65535");
    }
    into.where = std::move(*where);
    if (slash < rest.size()) {
        into.path = rest.substr(slash);
    }
    if (std::ranges::any_of(into.path, [](char c) { return ascii::is_control(c) || c == ' '; })) {
        return std::unexpected(shown + ": the path is not percent-encoded");
    }
    return {};
}

CLI::Validator field_line() {
    return {[](std::string& text) {
                const bool is_field = text.contains(':') && !text.starts_with(':') &&
                                      std::ranges::none_of(text, ascii::is_control);
                return is_field ? std::string() : fmt::format("{} is no NAME: VALUE", text);
            },
            ""};
}

}  // namespace

std::expected<load_options, ending> parse_options(int argc, char** argv) {
    load_options made;
    CLI::App app(
        "Puts an HTTP server under load, and says how fast it answered and what it got wrong.\n"
        "Requests are made beforehand, answers are looked at no further than for their status and\n"
        "their end: it costs less than most servers do. Each connection sends its next request\n"
        "when the last answer has come, or, with --rate, when one is due.",
        "ferry-http-load");
    std::string url;
    std::string connections;
    std::string threads;
    std::string duration;
    std::string operations;
    std::string rate;
    std::string pipeline;
    std::string files;
    std::string range;
    std::string range_of;
    std::string status;
    std::string body;
    std::string timeout;
    std::string io;
    std::uint64_t wanted_operations = 0;
    std::uint64_t wanted_body = 0;

    app.get_formatter()->column_width(24);
    app.add_option("URL", url, "http://host:port/path; {} in the path is a number below --files")
        ->required()
        ->type_name("");
    app.add_option("-c,--connections", connections, "at the same time [10]")
        ->type_name("N")
        ->check(number_in(made.connections, load::connections_max));
    app.add_option("-t,--threads", threads, "[one a CPU]")
        ->type_name("N")
        ->check(number_in(made.threads, load::threads_max));
    app.add_option("-d,--duration", duration,
                   "how long; requests under way at the end are cut off and count as none [10s]")
        ->type_name("TIME")
        ->check(duration_in(made.duration));
    auto* const counted =
        app.add_option("-n,--operations", operations, "so many requests, however long they take")
            ->type_name("N")
            ->check(number_in(wanted_operations, load::operations_max));
    auto* const paced =
        app.add_option("-R,--rate", rate,
                       "requests a second in all, each by whichever connection is free; latency "
                       "then counts from when one was due. Takes a CPU of its own a thread")
            ->type_name("N")
            ->check(number_in(made.rate, load::rate_max));
    app.add_option("-p,--pipeline", pipeline, "requests that are sent at once [1]")
        ->type_name("N")
        ->check(number_in(made.pipeline, pipeline_max))
        ->excludes(paced);
    app.add_flag("--close", made.closes, "a connection for each request");
    app.add_option("-X,--method", made.method, "GET, HEAD, OPTIONS or PROPFIND [GET]")
        ->type_name("WORD")
        ->check(CLI::IsMember(methods));
    app.add_option("-H,--header", made.fields, "a field of every request; may be repeated")
        ->type_name("LINE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->check(field_line());
    app.add_option("-f,--files", files, "how many numbers {} in the path stands for, at random [1]")
        ->type_name("N")
        ->check(number_in(made.files, load::files_max));
    auto* const ranged =
        app.add_option("--range", range, "ask for ranges of so many octets at random: 64k")
            ->type_name("SIZE")
            ->check(size_in(made.range_bytes, size_max));
    ranged->needs(app.add_option("--range-of", range_of, "the size of the file they are of")
                      ->type_name("SIZE")
                      ->check(size_in(made.range_of, size_max)));
    auto* const demanded =
        app.add_option("--status", status, "what every answer has to have [200, of ranges 206]")
            ->type_name("N")
            ->check(number_in(made.status, 999));
    auto* const measured =
        app.add_option("--body", body,
                       "octets of content that every answer has to have; otherwise what the first "
                       "of its name had")
            ->type_name("SIZE")
            ->check(size_in(wanted_body, size_max));
    app.add_option("--timeout", timeout, "the longest wait for anything of the server [10s]")
        ->type_name("TIME")
        ->check(duration_in(made.timeout));
    app.add_flag("-l,--latency", made.latency, "print percentiles of the latency");
    app.add_option("--json", made.json, "write all figures to this file, too")->type_name("FILE");
    app.add_option("--io", io, "auto, uring or epoll [auto]")
        ->type_name("WORD")
        ->check(load::word_in<load::io_wish>(made.io, load::io_wishes));

    const auto refused = [](std::string_view why) {
        return std::unexpected(
            ending{.status = 2, .text = fmt::format("ferry-http-load: {}\n", why)});
    };
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return std::unexpected(ending{.status = 0, .text = app.help()});
    } catch (const CLI::ParseError& wrong) {
        return refused(fmt::format("{}\nferry-http-load --help names the options", wrong.what()));
    }
    if (const auto taken = take_url(url, made); !taken) {
        return refused(taken.error());
    }
    if (counted->count() != 0) {
        made.operations = wanted_operations;
    }
    if (ranged->count() != 0) {
        if (made.range_bytes == 0 || made.range_bytes > made.range_of) {
            return refused("--range is 1 to --range-of octets");
        }
        made.body_bytes = made.range_bytes;
        if (demanded->count() == 0) {
            made.status = 206;
        }
    }
    if (measured->count() != 0) {
        made.body_bytes = wanted_body;
    }
    return made;
}

}  // namespace ferry::http_load
