#pragma once

#include <string>
#include <string_view>

namespace ferry::http {

/// Appends `text` as a JSON string with its quotes (RFC 8259 section 7). Control octets, C1
/// controls and what turns the direction of writing are escaped, so that the text is harmless in a
/// terminal too (threats.md, V11); octets that are not UTF-8 become U+FFFD each, for JSON cannot
/// hold them. Cost: one pass, copying in runs.
void append_json_string(std::string& out, std::string_view text);

}  // namespace ferry::http
