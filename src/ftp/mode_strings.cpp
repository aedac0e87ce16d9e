#include "ftp/mode_strings.hpp"

#include <algorithm>

namespace ferry::ftp {
namespace {

constexpr std::uint8_t all_codes = descriptor::end_of_record | descriptor::end_of_file |
                                   descriptor::suspect | descriptor::restart_marker;
constexpr std::uint8_t end_codes = descriptor::end_of_record | descriptor::end_of_file;

}  // namespace

result<void> string_assembler::begin(std::uint8_t descriptor) {
    descriptor_ = descriptor;
    const bool is_unknown = (descriptor & ~all_codes) != 0;
    const bool ends_with_marker = is(descriptor::restart_marker) && is(end_codes);
    const bool has_no_records = framing_.rule == record_rule::none && is(descriptor::end_of_record);
    if (has_ended_ || is_unknown || ends_with_marker || has_no_records) {
        return failure(errc::invalid);
    }
    has_suspect_ = has_suspect_ || is(descriptor::suspect);
    if (is(descriptor::restart_marker)) {
        marker_.clear();
    }
    return {};
}

result<void> string_assembler::add(std::string_view data, std::string& out) {
    if (is(descriptor::restart_marker)) {
        marker_ += data.substr(0, marker_bytes_max + 1);
        return marker_.empty() || is_marker(marker_) ? result<void>() : failure(errc::invalid);
    }
    if (framing_.rule == record_rule::records && data.contains(framing_.line_end)) {
        return failure(errc::unsupported);
    }
    out += data;
    return {};
}

result<mode_event> string_assembler::end(std::string& out) {
    if (is(descriptor::restart_marker)) {
        return marker_.empty() ? failure(errc::invalid) : result<mode_event>(mode_event::marker);
    }
    if (is(descriptor::end_of_record)) {
        out += framing_.line_end;
    }
    has_ended_ = is(descriptor::end_of_file);
    return has_ended_ ? mode_event::end_of_file : mode_event::none;
}

bool is_marker(std::string_view text) noexcept {
    return !text.empty() && text.size() <= marker_bytes_max &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7F'; });
}

}  // namespace ferry::ftp
