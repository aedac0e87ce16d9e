#include "http/field_name.hpp"

#include <array>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"

namespace ferry::http {
namespace {

struct field_row {
    field which;
    std::string_view name;
};

/// One row a field, at the index of its enumerator.
constexpr auto rows = std::to_array<field_row>({
    {field::date, "Date"},
    {field::etag, "ETag"},
    {field::host, "Host"},
    {field::vary, "Vary"},
    {field::allow, "Allow"},
    {field::range, "Range"},
    {field::accept, "Accept"},
    {field::expect, "Expect"},
    {field::origin, "Origin"},
    {field::server, "Server"},
    {field::referer, "Referer"},
    {field::upgrade, "Upgrade"},
    {field::if_match, "If-Match"},
    {field::if_range, "If-Range"},
    {field::location, "Location"},
    {field::overwrite, "Overwrite"},
    {field::connection, "Connection"},
    {field::user_agent, "User-Agent"},
    {field::destination, "Destination"},
    {field::repr_digest, "Repr-Digest"},
    {field::retry_after, "Retry-After"},
    {field::accept_patch, "Accept-Patch"},
    {field::content_type, "Content-Type"},
    {field::upload_limit, "Upload-Limit"},
    {field::accept_ranges, "Accept-Ranges"},
    {field::authorization, "Authorization"},
    {field::cache_control, "Cache-Control"},
    {field::content_range, "Content-Range"},
    {field::if_none_match, "If-None-Match"},
    {field::last_modified, "Last-Modified"},
    {field::upload_length, "Upload-Length"},
    {field::upload_offset, "Upload-Offset"},
    {field::content_digest, "Content-Digest"},
    {field::content_length, "Content-Length"},
    {field::accept_encoding, "Accept-Encoding"},
    {field::upload_complete, "Upload-Complete"},
    {field::content_encoding, "Content-Encoding"},
    {field::content_location, "Content-Location"},
    {field::want_repr_digest, "Want-Repr-Digest"},
    {field::www_authenticate, "WWW-Authenticate"},
    {field::if_modified_since, "If-Modified-Since"},
    {field::transfer_encoding, "Transfer-Encoding"},
    {field::content_disposition, "Content-Disposition"},
    {field::if_unmodified_since, "If-Unmodified-Since"},
    {field::want_content_digest, "Want-Content-Digest"},
    {field::x_content_type_options, "X-Content-Type-Options"},
    {field::content_security_policy, "Content-Security-Policy"},
    {field::strict_transport_security, "Strict-Transport-Security"},
    {field::upload_draft_interop_version, "Upload-Draft-Interop-Version"},
});
static_assert(rows.size() == known_fields);

constexpr bool comes_before(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) {
        return a.size() < b.size();
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (ascii::to_lower(a[i]) != ascii::to_lower(b[i])) {
            return ascii::to_lower(a[i]) < ascii::to_lower(b[i]);
        }
    }
    return false;
}

constexpr bool rows_are_in_order() {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (static_cast<std::size_t>(rows[i].which) != i ||
            (i > 0 && !comes_before(rows[i - 1].name, rows[i].name))) {
            return false;
        }
    }
    return true;
}
static_assert(rows_are_in_order());

constexpr std::size_t longest_name_bytes = rows.back().name.size();

/// `first_of_length[n]` is the index of the first name of at least `n` octets, so the names of
/// exactly `n` octets are [first_of_length[n], first_of_length[n + 1]).
constexpr auto first_of_length = [] {
    std::array<std::uint8_t, longest_name_bytes + 2> first{};
    for (std::size_t length = 0; length < first.size(); ++length) {
        std::size_t index = 0;
        while (index < rows.size() && rows[index].name.size() < length) {
            ++index;
        }
        first[length] = static_cast<std::uint8_t>(index);
    }
    return first;
}();

}  // namespace

std::string_view name_of(field which) noexcept {
    FERRY_ASSERT(which != field::other);
    return rows[static_cast<std::size_t>(which)].name;
}

field classify_field(std::string_view name) noexcept {
    if (name.size() > longest_name_bytes) {
        return field::other;
    }
    for (std::size_t i = first_of_length[name.size()]; i < first_of_length[name.size() + 1]; ++i) {
        if (ascii::equal_ignoring_case(rows[i].name, name)) {
            return rows[i].which;
        }
    }
    return field::other;
}

}  // namespace ferry::http
