#include "http/accept.hpp"

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "http/weight.hpp"

namespace ferry::http {
namespace {

/// How well an offer does: its weight in thousandths, and how closely a media range named it.
struct standing {
    http::weight weight = 0;
    int precision = 0;  ///< 3: type and subtype, 2: type, 1: anything, 0: nothing did.
};

/// Takes the text up to the next `separator` outside of quoted strings off the front of `rest`.
std::string_view take_part(std::string_view& rest, char separator) {
    bool is_quoted = false;
    std::size_t end = 0;
    for (; end < rest.size() && (is_quoted || rest[end] != separator); ++end) {
        if (rest[end] == '"') {
            is_quoted = !is_quoted;
        } else if (is_quoted && rest[end] == '\\') {
            ++end;
        }
    }
    end = end < rest.size() ? end : rest.size();
    const auto part = ascii::trim(rest.substr(0, end));
    rest.remove_prefix(end < rest.size() ? end + 1 : end);
    return part;
}

int precision_of(std::string_view range, std::string_view offer) {
    if (range == "*/*") {
        return 1;
    }
    if (range.ends_with("/*")) {
        range.remove_suffix(1);
        return ascii::equal_ignoring_case(range, offer.substr(0, range.size())) ? 2 : 0;
    }
    return ascii::equal_ignoring_case(range, offer) ? 3 : 0;
}

/// Minds one member of the list.
void weigh(std::string_view member, std::string_view offer, standing& best) {
    const auto range = take_part(member, ';');
    const int precision = precision_of(range, offer);
    if (precision == 0 || precision < best.precision) {
        return;
    }
    weight wanted = full_weight;
    while (!member.empty()) {
        const auto parameter = take_part(member, ';');
        if (parameter.size() >= 2 && ascii::to_lower(parameter[0]) == 'q' && parameter[1] == '=') {
            // One that is none counts as if it were not there.
            wanted = parse_weight(parameter.substr(2)).value_or(full_weight);
        }
    }
    best = {.weight = wanted, .precision = precision};
}

standing stand(const field_lines& fields, std::string_view offer) {
    standing found;
    fields.for_each(field::accept, [&](std::string_view rest) {
        while (!rest.empty()) {
            weigh(take_part(rest, ','), offer, found);
        }
        return true;
    });
    return found;
}

}  // namespace

std::size_t negotiate_media_type(const field_lines& fields,
                                 std::span<const std::string_view> offers) {
    FERRY_ASSERT(!offers.empty());
    std::size_t chosen = 0;
    standing best;
    for (std::size_t i = 0; i < offers.size(); ++i) {
        const standing found = stand(fields, offers[i]);
        const bool is_named = found.precision == 3 && best.precision < 3;
        if (found.weight > best.weight ||
            (found.weight > 0 && found.weight == best.weight && is_named)) {
            chosen = i;
            best = found;
        }
    }
    return chosen;
}

bool accepts_media_type(const field_lines& fields, std::string_view type) {
    return !fields.has(field::accept) || stand(fields, type).weight > 0;
}

}  // namespace ferry::http
