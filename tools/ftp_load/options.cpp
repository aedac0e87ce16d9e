#include "options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"

namespace ferry::ftp_load {

using load::duration_in;
using load::ending;
using load::number_in;
using load::size_in;
using load::word_in;

namespace {

constexpr std::uint64_t weight_max = 1'000'000;
constexpr std::uint64_t upload_bytes_max = std::uint64_t{1} << 50;

constexpr auto data_modes =
    std::to_array<std::pair<std::string_view, data_mode>>({{"epsv", data_mode::epsv},
                                                           {"pasv", data_mode::pasv},
                                                           {"eprt", data_mode::eprt},
                                                           {"port", data_mode::port}});

/// "retr" or "retr=8,stor=1": what is wrong with it, or nothing.
std::string take_workload(std::string_view text, std::vector<share>& into) {
    into.clear();
    while (true) {
        const auto comma = text.find(',');
        const auto each = text.substr(0, comma);
        const auto equals = each.find('=');
        const auto what = operation_named(each.substr(0, equals));
        const auto weight = equals == std::string_view::npos
                                ? std::optional<std::uint64_t>(1)
                                : parse_number(each.substr(equals + 1));
        if (!what || !weight || *weight == 0 || *weight > weight_max) {
            return fmt::format("{} is none of {}, nor one with =WEIGHT", each,
                               fmt::join(operation_names, ", "));
        }
        into.push_back({.what = *what, .weight = *weight});
        if (comma == std::string_view::npos) {
            return {};
        }
        text.remove_prefix(comma + 1);
    }
}

}  // namespace

std::expected<load_options, ending> parse_options(int argc, char** argv) {
    load_options made;
    CLI::App app(
        "Puts an FTP server under load, and says how fast it answered and what it got wrong.\n"
        "Each connection begins its next operation when the last one has ended, or, with --rate, "
        "when it is due.",
        "ferry-ftp-load");
    std::string url;
    std::string workload;
    std::string duration;
    std::string timeout;
    std::string size;
    std::string connections;
    std::string threads;
    std::string operations;
    std::string rate;
    std::string files;
    std::string mode;
    std::string io;
    std::uint64_t wanted_operations = 0;

    app.get_formatter()->column_width(24);
    app.add_option("URL", url,
                   "ftp://user:password@host:port/path, or ftps:// where TLS begins with the "
                   "connection; {} in the path is a number below --files")
        ->required()
        ->type_name("");
    app.add_option("-w,--workload", workload,
                   "login, retr, stor, list, nlst or mlsd; several with weights: retr=8,stor=1,"
                   "list=1 [retr]")
        ->type_name("LIST")
        ->check(CLI::Validator(
            [&made](std::string& text) { return take_workload(text, made.workload); }, ""));
    app.add_option("-c,--connections", connections, "sessions at the same time [10]")
        ->type_name("N")
        ->check(number_in(made.connections, load::connections_max));
    app.add_option("-t,--threads", threads, "[one a CPU]")
        ->type_name("N")
        ->check(number_in(made.threads, load::threads_max));
    app.add_option("-d,--duration", duration,
                   "how long; operations under way at the end are cut off and count as none [10s]")
        ->type_name("TIME")
        ->check(duration_in(made.duration));
    auto* const counted =
        app.add_option("-n,--operations", operations, "so many in all, however long they take")
            ->type_name("N")
            ->check(number_in(wanted_operations, load::operations_max));
    app.add_option("-R,--rate", rate,
                   "operations a second in all; latency then counts from when one was due")
        ->type_name("N")
        ->check(number_in(made.rate, load::rate_max));
    app.add_option("-m,--mode", mode, "data connections: epsv, pasv, eprt or port [epsv]")
        ->type_name("WORD")
        ->check(word_in<data_mode>(made.data, data_modes));
    app.add_flag("--tls", made.wants_tls,
                 "AUTH TLS before the login, and data connections that resume its session; "
                 "certificates are not checked");
    app.add_flag("-a,--ascii", made.is_ascii, "TYPE A instead of TYPE I");
    app.add_option("-s,--size", size, "octets of each upload: 10k, 1m, 1g [1k]")
        ->type_name("SIZE")
        ->check(size_in(made.upload_bytes, upload_bytes_max));
    app.add_option("-f,--files", files, "how many numbers {} in a path stands for [1]")
        ->type_name("N")
        ->check(number_in(made.files, load::files_max));
    app.add_option("--upload-path", made.upload_path, "what stor writes, if not the URL's path")
        ->type_name("PATH");
    app.add_option("--timeout", timeout, "the longest wait for anything of the server [10s]")
        ->type_name("TIME")
        ->check(duration_in(made.timeout));
    app.add_flag("--verify", made.verify,
                 "compare the content of every download with that of the first of its name");
    app.add_flag("-l,--latency", made.latency, "print percentiles of the latency");
    app.add_option("--json", made.json, "write all figures to this file, too")->type_name("FILE");
    app.add_option("--io", io, "auto, uring or epoll [auto]")
        ->type_name("WORD")
        ->check(word_in<load::io_wish>(made.io, load::io_wishes));

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return std::unexpected(ending{.status = 0, .text = app.help()});
    } catch (const CLI::ParseError& wrong) {
        return std::unexpected(ending{
            .status = 2,
            .text = fmt::format("ferry-ftp-load: {}\nferry-ftp-load --help names the options\n",
                                wrong.what())});
    }
    auto where = parse_url(url);
    if (!where) {
        return std::unexpected(
            ending{.status = 2, .text = fmt::format("ferry-ftp-load: {}\n", where.error())});
    }
    made.where = std::move(*where);
    if (counted->count() != 0) {
        made.operations = wanted_operations;
    }
    if (made.upload_path.empty()) {
        made.upload_path = made.where.path;
    }
    const auto has = [&made](operation what) {
        return std::ranges::find(made.workload, what, &share::what) != made.workload.end();
    };
    const auto names_no_file = [](const std::string& path) {
        return path.empty() || path.ends_with('/');
    };
    if ((has(operation::retr) && names_no_file(made.where.path)) ||
        (has(operation::stor) && names_no_file(made.upload_path))) {
        return std::unexpected(ending{
            .status = 2, .text = "ferry-ftp-load: retr and stor need a file's name in the URL\n"});
    }
    if (std::ranges::any_of(made.upload_path, ascii::is_control)) {
        return std::unexpected(
            ending{.status = 2, .text = "ferry-ftp-load: --upload-path has a control character\n"});
    }
    return made;
}

std::string numbered(const std::string& path, std::uint64_t number) {
    const auto at = path.find("{}");
    if (at == std::string::npos) {
        return path;
    }
    return fmt::format("{}{}{}", path.substr(0, at), number, path.substr(at + 2));
}

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) {
        return {};
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace ferry::ftp_load
