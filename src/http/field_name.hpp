#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ferry::http {

/// The fields ferry reads or writes, in the order of their rows in `field_name.cpp`: by length of
/// the name, then by name. Any other name is `other` and reaches the program as octets only.
enum class field : std::uint8_t {
    date,
    etag,
    host,
    vary,
    allow,
    range,
    accept,
    expect,
    origin,
    server,
    referer,
    upgrade,
    if_match,
    if_range,
    location,
    overwrite,
    connection,
    user_agent,
    destination,
    repr_digest,
    retry_after,
    accept_patch,
    content_type,
    upload_limit,
    accept_ranges,
    authorization,
    cache_control,
    content_range,
    if_none_match,
    last_modified,
    upload_length,
    upload_offset,
    content_digest,
    content_length,
    accept_encoding,
    upload_complete,
    content_encoding,
    content_location,
    want_repr_digest,
    www_authenticate,
    if_modified_since,
    transfer_encoding,
    content_disposition,
    if_unmodified_since,
    want_content_digest,
    x_content_type_options,
    content_security_policy,
    strict_transport_security,
    upload_draft_interop_version,
    other,
};

inline constexpr std::size_t known_fields = static_cast<std::size_t>(field::other);

/// The name as ferry writes it, such as "Content-Type". `which` must not be `field::other`.
[[nodiscard]] std::string_view name_of(field which) noexcept;

/// Finds the field that `name` means; names are case-insensitive (RFC 9110 section 5.1). Returns
/// `field::other` for a name without a row. Cost: one comparison per row of the same length,
/// usually 1.
[[nodiscard]] field classify_field(std::string_view name) noexcept;

}  // namespace ferry::http
