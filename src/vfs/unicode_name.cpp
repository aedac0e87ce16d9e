#include "vfs/unicode_name.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"

namespace ferry::vfs {
namespace {

const utf8proc_uint8_t* octets(std::string_view text) noexcept {
    return static_cast<const utf8proc_uint8_t*>(static_cast<const void*>(text.data()));
}

/// How many octets of `text`, from its beginning, are whole characters.
std::size_t valid_bytes(std::string_view text) noexcept {
    std::size_t valid = 0;
    while (valid < text.size()) {
        const auto taken = first_character_bytes(text.substr(valid));
        if (taken == 0) {
            break;
        }
        valid += taken;
    }
    return valid;
}

/// Appends `text`, whole characters, as `steps` change it.
void append_mapped(std::string& out, std::string_view text, unsigned steps) {
    const auto options = static_cast<utf8proc_option_t>(steps);
    const auto size_bytes = static_cast<utf8proc_ssize_t>(text.size());
    std::vector<utf8proc_int32_t> code_points(text.size());
    auto count =
        utf8proc_decompose(octets(text), size_bytes, code_points.data(), size_bytes, options);
    if (count > size_bytes) {
        // One character may become several: it wrote nothing past the end and said how many.
        code_points.resize(static_cast<std::size_t>(count));
        count = utf8proc_decompose(octets(text), size_bytes, code_points.data(), count, options);
    }
    FERRY_ASSERT(count >= 0 && static_cast<std::size_t>(count) <= code_points.size());
    count = utf8proc_normalize_utf32(code_points.data(), count, options);
    FERRY_ASSERT(count >= 0);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
        utf8proc_uint8_t encoded[4];
        const auto bytes = utf8proc_encode_char(code_points[static_cast<std::size_t>(i)], encoded);
        out.append(encoded, encoded + bytes);
    }
}

std::string mapped(std::string_view name, unsigned steps) {
    std::string out;
    out.reserve(name.size());
    while (!name.empty()) {
        const auto valid = valid_bytes(name);
        if (valid > 0) {
            append_mapped(out, name.substr(0, valid), steps);
        } else {
            out += name.front();
        }
        name.remove_prefix(std::max<std::size_t>(valid, 1));
    }
    return out;
}

bool is_ascii(std::string_view text) noexcept {
    return std::ranges::none_of(text, [](char c) { return static_cast<std::int8_t>(c) < 0; });
}

}  // namespace

std::size_t first_character_bytes(std::string_view text) noexcept {
    utf8proc_int32_t code_point = 0;
    const auto taken =
        utf8proc_iterate(octets(text), static_cast<utf8proc_ssize_t>(text.size()), &code_point);
    return taken > 0 ? static_cast<std::size_t>(taken) : 0;
}

bool is_utf8(std::string_view text) noexcept {
    return valid_bytes(text) == text.size();
}

std::string to_nfc(std::string_view name) {
    if (is_ascii(name)) {
        return std::string(name);
    }
    return mapped(name, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

std::string fold_case(std::string_view name) {
    if (is_ascii(name)) {
        std::string folded(name);
        std::ranges::transform(folded, folded.begin(), ascii::to_lower);
        return folded;
    }
    // Decomposed first: U+0345 is a combining mark that folds to a letter, so the order of marks
    // must be settled while it still is one.
    const auto decomposed = mapped(name, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    return mapped(decomposed, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
}

}  // namespace ferry::vfs
