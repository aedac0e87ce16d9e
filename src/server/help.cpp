#include "server/help.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <variant>

#include "server/config.hpp"
#include "server/flags.hpp"
#include "server/version.hpp"

namespace ferry::server {
namespace {

constexpr std::size_t help_columns = 80;
constexpr std::size_t help_indent = 30;

/// Appends `words` wrapped to `help_columns`; the first line begins at `column`, the others at
/// `indent`.
void append_wrapped(std::string& out, std::string_view words, std::size_t column,
                    std::size_t indent) {
    bool first = true;
    while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        const auto word = words.substr(0, end);
        if (!first && column + 1 + word.size() > help_columns) {
            out += "\n" + std::string(indent, ' ');
            column = indent;
        } else if (!first) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
        first = false;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    out += '\n';
}

/// " [100ms to 1h; default 10s]", or only the half there is; free text has no range to show.
std::string bounds_and_default(const flag& row) {
    const bool free_text = std::holds_alternative<flag_kind::text>(row.kind) ||
                           std::holds_alternative<flag_kind::list>(row.kind);
    const auto* const number = std::get_if<flag_kind::count>(&row.kind);
    auto range = free_text ? std::string() : bounds(row);
    if (number != nullptr && number->power_of_two) {
        range = "a power of two, " + range;
    }
    if (row.placeholder.contains('|')) {
        range.clear();  // The placeholder names the words already.
    }
    const auto normal = is_switch(row) ? std::string() : show(row, config{});
    if (range.empty() && normal.empty()) {
        return {};
    }
    return fmt::format(" [{}{}{}{}]", range, range.empty() || normal.empty() ? "" : "; ",
                       normal.empty() ? "" : "default ", normal);
}

}  // namespace

std::string help_text() {
    std::string out =
        "usage: ferry [options] DIR\n"
        "       ferry passwd [--method yescrypt|sha512crypt|bcrypt] FILE NAME\n"
        "       ferry top [--once] [ADDRESS]    (see --users-file, --admin)\n"
        "\n"
        "Serves the files under the directory DIR over HTTP/1.1 and FTP:\n"
        "\n"
        "  ferry /srv/www\n"
        "  ferry --http '*:80' --ftp '*:21' --passive-ports 20000-20999 /srv/www\n"
        "  ferry --ftp off --access-log - /srv/www\n"
        "\n"
        "Every option is also an environment variable (--head-bytes-max is\n"
        "FERRY_HEAD_BYTES_MAX; commas between several addresses, newlines between several\n"
        "users or mounts) and a key of the TOML file that --config names\n"
        "(head-bytes-max = \"16KiB\", http = [\"127.0.0.1:80\", \"[::1]:80\"]). The command\n"
        "line wins over the environment, the environment over the file.\n"
        "\n"
        "SIZE is in octets: 4096, 16KiB or 16k, 1MiB or 1M. DURATION is 500ms, 10s, 2m or\n"
        "1h; a plain number is seconds.\n";
    std::string_view group;
    for (const auto& row : flags()) {
        if (row.group != group) {
            group = row.group;
            out += fmt::format("\n{}\n", group);
        }
        auto name = fmt::format("  --{}{}{}", row.name, is_switch(row) ? "" : " ", row.placeholder);
        if (name.size() + 2 > help_indent) {
            name += "\n" + std::string(help_indent, ' ');
        } else {
            name.resize(help_indent, ' ');
        }
        out += name;
        append_wrapped(out, std::string(row.help) + bounds_and_default(row), help_indent,
                       help_indent);
    }
    return out;
}

std::string version_text() {
    return fmt::format("ferry {}\n", version);
}

}  // namespace ferry::server
