#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "http/request.hpp"

namespace ferry::http {

/// What a directory is asked for as.
enum class listing_form : std::uint8_t { page, json, zip, tar };

enum class sort_key : std::uint8_t { name, size, time };

/// The order of a listing. Directories come first in any.
struct listing_order {
    sort_key key = sort_key::name;
    bool is_descending = false;

    friend bool operator==(const listing_order&, const listing_order&) = default;
};

struct listing_query {
    listing_form form = listing_form::page;
    bool is_form_named = false;  ///< By the query, not by Accept.
    listing_order order;
};

/// Reads `?sort=name|size|time`, `&order=asc|desc` and `&format=html|json|zip|tar`, in any order,
/// each the first time it comes. Whatever else there is does not count: a listing is better than a
/// refusal. Without `format`, Accept chooses between a page and JSON (RFC 9110 section 12.5.1).
[[nodiscard]] listing_query read_listing_query(const request& asked);

/// Who asks wants to be somebody with an account, or nobody any more.
enum class login_wish : std::uint8_t { log_in, log_out };

/// Reads `?login` and `?logout`, as a link or as the button of a form has them, and nothing beside.
[[nodiscard]] std::optional<login_wish> read_login_wish(const request& asked) noexcept;

/// The words of the query, for links: "name", "size", "time".
[[nodiscard]] std::string_view word_of(sort_key key) noexcept;

}  // namespace ferry::http
