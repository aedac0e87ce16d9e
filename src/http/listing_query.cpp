#include "http/listing_query.hpp"

#include <array>
#include <optional>
#include <span>

#include "http/accept.hpp"

namespace ferry::http {
namespace {

template <class Value>
struct word {
    std::string_view text;
    Value value;
};

constexpr auto forms = std::to_array<word<listing_form>>({
    {"html", listing_form::page},
    {"json", listing_form::json},
    {"zip", listing_form::zip},
    {"tar", listing_form::tar},
});
constexpr auto keys = std::to_array<word<sort_key>>({
    {"name", sort_key::name},
    {"size", sort_key::size},
    {"time", sort_key::time},
});
constexpr auto directions = std::to_array<word<bool>>({{"asc", false}, {"desc", true}});

/// The value of `name` in the query, where it is one of `words`.
template <class Value>
std::optional<Value> find_word(std::string_view query, std::string_view name,
                               std::span<const word<Value>> words) {
    while (!query.empty()) {
        const auto end = query.find('&');
        auto part = query.substr(0, end);
        query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
        if (!part.starts_with(name) || part.size() <= name.size() || part[name.size()] != '=') {
            continue;
        }
        part.remove_prefix(name.size() + 1);
        for (const auto& each : words) {
            if (each.text == part) {
                return each.value;
            }
        }
        return std::nullopt;
    }
    return std::nullopt;
}

/// What Accept chooses, the favourite first.
constexpr auto negotiated = std::to_array<listing_form>({listing_form::page, listing_form::json});
constexpr auto negotiated_types =
    std::to_array<std::string_view>({"text/html", "application/json"});
static_assert(negotiated.size() == negotiated_types.size());

}  // namespace

listing_query read_listing_query(const request& asked) {
    const auto form = find_word<listing_form>(asked.query, "format", forms);
    const auto key = find_word<sort_key>(asked.query, "sort", keys);
    const auto direction = find_word<bool>(asked.query, "order", directions);
    return {
        .form = form ? *form : negotiated[negotiate_media_type(asked.fields, negotiated_types)],
        .is_form_named = form.has_value(),
        .order = {.key = key.value_or(sort_key::name), .is_descending = direction.value_or(false)}};
}

std::optional<login_wish> read_login_wish(const request& asked) noexcept {
    if (asked.query == "login" || asked.query == "login=") {
        return login_wish::log_in;
    }
    if (asked.query == "logout" || asked.query == "logout=") {
        return login_wish::log_out;
    }
    return std::nullopt;
}

std::string_view word_of(sort_key key) noexcept {
    for (const auto& each : keys) {
        if (each.value == key) {
            return each.text;
        }
    }
    return {};
}

}  // namespace ferry::http
