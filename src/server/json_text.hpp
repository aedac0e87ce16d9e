#pragma once

#include <string>
#include <string_view>

namespace ferry::server {

/// Appends `text` as the inside of a JSON string (RFC 8259 section 7), valid UTF-8 and one line
/// whatever the octets are, and without loss.
///
/// `"` becomes `\"`; control characters, those from 0x7F to U+009F too, become `\u001b`. What no
/// JSON string can hold, an octet that belongs to no UTF-8 character (RFC 3629 section 3), is
/// written as the characters `\xHH`, in JSON `\\xff`, and a backslash as `\x5c`: in the string that
/// a reader gets, each backslash begins an octet written so.
///
/// Cost: one pass, six octets at most for each of `text`; no allocation but the growth of `out`.
void append_json_text(std::string& out, std::string_view text);

}  // namespace ferry::server
