#include "http/accept_encoding.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "http/weight.hpp"

namespace ferry::http {
namespace {

/// What a request says of each coding; nothing where it does not.
struct weights {
    std::array<std::optional<weight>, content_codings> of{};
    std::optional<weight> of_others;  ///< "*"

    [[nodiscard]] weight at(content_coding which) const noexcept {
        return of[static_cast<std::size_t>(which)].value_or(of_others.value_or(0));
    }
};

/// Reads one member: "gzip", "br;q=0.5", "*; q=0". What is none is passed over.
void read_member(std::string_view member, weights& into) noexcept {
    const auto semicolon = member.find(';');
    const auto name = ascii::trim(member.substr(0, semicolon));
    auto value = std::optional(full_weight);
    if (semicolon != std::string_view::npos) {
        const auto parameter = ascii::trim(member.substr(semicolon + 1));
        const bool is_weight = parameter.starts_with("q=") || parameter.starts_with("Q=");
        value = is_weight ? parse_weight(parameter.substr(2)) : std::nullopt;
    }
    if (!value) {
        return;
    }
    if (name == "*") {
        into.of_others = value;
    } else if (const auto which = find_content_coding(name)) {
        into.of[static_cast<std::size_t>(*which)] = value;
    }
}

weights read_weights(const request& asked) {
    weights read;
    asked.fields.for_each(field::accept_encoding, [&read](std::string_view line) {
        for (bool more = true; more;) {
            const auto comma = line.find(',');
            read_member(line.substr(0, comma), read);
            more = comma != std::string_view::npos;
            line.remove_prefix(more ? comma + 1 : line.size());
        }
        return true;
    });
    return read;
}

}  // namespace

bool operator==(const coding_list& a, const coding_list& b) noexcept {
    return std::ranges::equal(a.view(), b.view());
}

coding_list accepted_codings(const request& asked, std::span<const content_coding> offered) {
    coding_list made;
    if (!asked.fields.has(field::accept_encoding)) {
        return made;
    }
    const weights said = read_weights(asked);
    // Unsaid, identity is there for who wants nothing else.
    const weight least = std::max<weight>(
        1, said.of[static_cast<std::size_t>(content_coding::identity)].value_or(0));
    for (const content_coding each : offered) {
        if (said.at(each) < least) {
            continue;
        }
        made.add(each);
        for (std::size_t i = made.size - 1; i > 0; --i) {  // Behind those that weigh as much.
            if (said.at(made.all[i - 1]) >= said.at(each)) {
                break;
            }
            std::swap(made.all[i - 1], made.all[i]);
        }
    }
    return made;
}

}  // namespace ferry::http
