#pragma once

#include <string>
#include <string_view>

namespace ferry::http {

/// Appends `text` for the inside of an HTML element or of a quoted attribute of a page in UTF-8:
/// `&`,
/// `<`, `>`, `"` and `'` as references; control octets, invalid UTF-8 and code points that turn the
/// direction of writing as U+FFFD, so that no name can end a tag, hide in a terminal or read
/// backwards (threats.md, V11). Cost: one pass, copying in runs.
void append_html(std::string& out, std::string_view text);

}  // namespace ferry::http
