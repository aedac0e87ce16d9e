#include "http/digest_fields.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "ferry/base/base64.hpp"
#include "http/structured_fields.hpp"

namespace ferry::http {
namespace {

struct algorithm_row {
    std::string_view name;
    vfs::digest_algorithm by;
};
// Most liked first, of those that are liked alike.
constexpr std::array algorithms = {
    algorithm_row{.name = "sha-256", .by = vfs::digest_algorithm::sha256},
    algorithm_row{.name = "sha-512", .by = vfs::digest_algorithm::sha512},
};

/// 0 to 10; nothing for anything else.
std::optional<int> parse_preference(std::string_view text) noexcept {
    if (text == "10") {
        return 10;
    }
    return text.size() == 1 && ascii::is_digit(text[0]) ? std::optional(text[0] - '0')
                                                        : std::nullopt;
}

/// A key of a structured field (RFC 8941 section 3.1.2).
bool is_key(std::string_view text) noexcept {
    const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
    return !text.empty() && (is_lower(text[0]) || text[0] == '*') &&
           std::ranges::all_of(text, [&](char c) {
               return is_lower(c) || ascii::is_digit(c) || c == '_' || c == '-' || c == '.' ||
                      c == '*';
           });
}

}  // namespace

std::optional<vfs::digest_algorithm> wanted_digest(const field_lines& fields, field which) {
    if (!fields.has(which)) {
        return std::nullopt;
    }
    std::array<int, algorithms.size()> liked{};
    bool is_valid = true;
    fields.for_each(which, [&](std::string_view line) {
        for (bool more = true; more && is_valid;) {
            const auto comma = line.find(',');
            const auto member = ascii::trim(line.substr(0, comma));
            more = comma != std::string_view::npos;
            line.remove_prefix(more ? comma + 1 : line.size());
            const auto equals = member.find('=');
            const auto preference = equals == std::string_view::npos
                                        ? std::nullopt
                                        : parse_preference(member.substr(equals + 1));
            if (!preference || !is_key(member.substr(0, equals))) {
                is_valid = false;
                break;
            }
            for (std::size_t i = 0; i < algorithms.size(); ++i) {
                if (member.substr(0, equals) == algorithms[i].name) {
                    liked[i] = *preference;
                }
            }
        }
        return is_valid;
    });
    const auto most = std::ranges::max_element(liked);
    if (!is_valid || *most == 0) {
        return std::nullopt;
    }
    return algorithms[static_cast<std::size_t>(most - liked.begin())].by;
}

std::string_view digest_name(std::size_t index) noexcept {
    return std::ranges::find(algorithms, checked_algorithms[index], &algorithm_row::by)->name;
}

std::optional<expected_digests> read_digests(const field_lines& fields, field which) {
    expected_digests found;
    if (!fields.has(which)) {
        return found;
    }
    const auto value = joined_lines(fields, which);
    dictionary_reader members(value);
    while (const auto each = members.next()) {
        for (std::size_t i = 0; i < checked_algorithms.size(); ++i) {
            if (each->key != digest_name(i)) {
                continue;
            }
            auto octets = each->value.kind == item_kind::byte_sequence
                              ? decode_base64(each->value.text)
                              : std::nullopt;
            if (!octets) {
                return std::nullopt;
            }
            found.of(i) = std::move(*octets);
            if (found.of(i).size() != digest_bytes(i)) {
                found.of(i).assign(1, '?');  // Unless a later member says otherwise.
            }
        }
    }
    if (members.is_malformed()) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < checked_algorithms.size(); ++i) {
        if (!found.of(i).empty() && found.of(i).size() != digest_bytes(i)) {
            return std::nullopt;
        }
    }
    return found;
}

std::string digest_value(vfs::digest_algorithm by, const vfs::digest& value) {
    const auto row = std::ranges::find(algorithms, by, &algorithm_row::by);
    FERRY_ASSERT(row != algorithms.end());
    std::string made(row->name);
    made += "=:";
    append_base64(made, value.octets());
    made += ':';
    return made;
}

}  // namespace ferry::http
