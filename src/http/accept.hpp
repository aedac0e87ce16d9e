#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "http/request.hpp"

namespace ferry::http {

/// Which of `offers` (media types, the server's favourite first) an answer should be, as Accept
/// asks (RFC 9110 section 12.5.1): the one with the highest weight; of equal ones the one that the
/// client names rather than means by a wildcard (`application/json, */*` wants JSON), then the
/// first. Without Accept, or when none is acceptable, the first: what a client does not want is
/// still better than 406 (section 12.4.1). Parameters of media ranges but `q` do not count.
///
/// Gives the index in `offers`, which must not be empty. Cost: one pass over the field for each.
[[nodiscard]] std::size_t negotiate_media_type(const field_lines& fields,
                                               std::span<const std::string_view> offers);

/// Whether a client that sent `fields` takes `type`, named or by a wildcard, with a weight above 0;
/// every client that sent no Accept does. Cost: one pass over the field.
[[nodiscard]] bool accepts_media_type(const field_lines& fields, std::string_view type);

}  // namespace ferry::http
