#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/vfs/digest.hpp"
#include "http/digest_fields.hpp"
#include "http/request.hpp"

namespace ferry::http {

/// An upload resource (draft-ietf-httpbis-resumable-upload, section 4): which it is, and all that
/// the request which made it has said of it. It is its own address: the query of the file's, so
/// that no core and no restart can forget it (decision 0025). Who changes the address changes what
/// he has asked for himself, and no more; `id` finds the octets that have come, of the one account
/// that sent them.
struct upload_resource {
    static constexpr std::size_t id_digits = 32;

    std::string id;                            ///< `id_digits` of 0-9a-f: 128 bits of the kernel's.
    std::optional<std::uint64_t> length = {};  ///< Of the whole representation (section 4.1.3).
    /// What the request named of the file that it was to replace: its tag, or `no_file`. Empty:
    /// nothing.
    std::string expected = {};
    expected_digests digests = {};  ///< Of the whole representation (section 10.1).

    static constexpr std::string_view no_file = "*";

    friend bool operator==(const upload_resource&, const upload_resource&) = default;
};

/// What the query of an upload resource begins with.
inline constexpr std::string_view upload_query_prefix = "ferry-upload=";

/// Whether `asked` is for an upload resource, one that is there or not.
[[nodiscard]] bool is_for_upload_resource(const request& asked) noexcept;

/// A resource that nobody knows yet.
[[nodiscard]] upload_resource make_upload_resource();

/// The query by which it is found, without '?': unreserved characters, '=', '&' and '-' only.
[[nodiscard]] std::string upload_query(const upload_resource& what);

/// What `upload_query` made. Nothing for anything else, a character more or less included.
[[nodiscard]] std::optional<upload_resource> parse_upload_query(std::string_view query);

/// The version of the draft that a client says it speaks, and ferry does, too: only it hears of an
/// upload before its end (appendix B). Nothing: none.
[[nodiscard]] std::optional<std::uint64_t> upload_interop_version(const request& asked);

/// The type of what is appended (section 6).
inline constexpr std::string_view partial_upload_type = "application/partial-upload";

/// Whether the content of `asked` says it is of that type.
[[nodiscard]] bool is_partial_upload(const request& asked) noexcept;

}  // namespace ferry::http
