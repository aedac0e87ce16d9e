// The decoder of request targets: what comes out of it is a normalised name beneath the root, and
// nothing made of it can end a header, a tag or an attribute, or lead to another server.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "http/html.hpp"
#include "http/index_page.hpp"
#include "http/target.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

void check_name(const std::string& name) {
    FERRY_ASSERT(name.starts_with('/') && name.size() <= vfs::path_bytes_max);
    FERRY_ASSERT(name.find('\0') == name.npos && name.find('\\') == name.npos);
    FERRY_ASSERT(name.find("//") == name.npos);
    const auto closed = name + "/";
    FERRY_ASSERT(closed.find("/../") == closed.npos && closed.find("/./") == closed.npos);
    FERRY_ASSERT(closed.find("/" + std::string(vfs::reserved_prefix)) == closed.npos);
}

void check_visible(std::string_view text) {
    FERRY_ASSERT(std::ranges::none_of(text, [](char c) {
        return ascii::is_control(c) || static_cast<unsigned char>(c) > 0x7F || c == ' ' ||
               c == '"' || c == '<' || c == '>' || c == '\\';
    }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(data, data + size);
    const auto mark = input.find('?');
    const auto raw_path = std::string_view(input).substr(0, mark);
    const auto raw_query =
        mark == input.npos ? std::nullopt : std::optional(std::string_view(input).substr(mark + 1));

    // Any octets may be escaped, whether they came through the decoder or from a directory.
    std::string markup;
    append_html(markup, input);
    FERRY_ASSERT(markup.find_first_of("<>\"'") == markup.npos);
    FERRY_ASSERT(std::ranges::none_of(markup, ascii::is_control));

    if (input.find_first_of(std::string_view("/\0", 2)) == input.npos) {
        std::string row;
        utc_text time;
        append_index_row(
            row,
            {.name = input,
             .status = {.kind = vfs::file_kind::regular, .modified = {}, .changed = {}}},
            time);
        FERRY_ASSERT(row.empty() || std::ranges::count(row, '\n') == 1);
    }

    const auto name = decode_target(raw_path);
    if (!name) {
        return 0;
    }
    check_name(name->text());
    std::string encoded;
    append_encoded_path(encoded, name->text());
    check_visible(encoded);
    const auto again = decode_target(encoded);
    FERRY_ASSERT(again && again->text() == name->text());

    const auto location = directory_location(*name, raw_query);
    check_visible(location);
    FERRY_ASSERT(location.starts_with('/') && !location.starts_with("//"));
    FERRY_ASSERT(location.find('#') == location.npos);
    return 0;
}
