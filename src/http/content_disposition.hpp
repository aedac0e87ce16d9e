#pragma once

#include <string>
#include <string_view>

namespace ferry::http {

/// The value of Content-Disposition for a download under `name` (RFC 6266): `attachment;
/// filename="a.zip"`, and where the name is more than that can say also `filename*=UTF-8''...`
/// (RFC 8187). What is not UTF-8, control octets, what turns the direction of writing, slashes,
/// quotes and backslashes are '_', so the value is safe in a field whatever the name holds
/// (threats.md, V11 and H7).
[[nodiscard]] std::string attachment_named(std::string_view name);

}  // namespace ferry::http
