#include "ftp/restart_marker.hpp"

#include "ftp/arguments.hpp"

namespace ferry::ftp {
namespace {

using place_in_line = vfs::carriage_control::place;

constexpr char waiting_cr = 'r';

char letter_of(place_in_line where) noexcept {
    switch (where) {
        case place_in_line::start:
            return 's';
        case place_in_line::line_end:
            return 'l';
        case place_in_line::text:
            break;
    }
    return 't';
}

}  // namespace

std::string restart_marker_of(const upload_place& where, bool has_controls) {
    auto text = std::to_string(where.offset);
    if (where.pending_cr) {
        text += waiting_cr;
    }
    if (has_controls) {
        text += letter_of(where.line);
    }
    return text;
}

result<upload_place> parse_restart_marker(std::string_view marker) {
    upload_place where;
    for (const auto each : {place_in_line::start, place_in_line::line_end, place_in_line::text}) {
        if (marker.ends_with(letter_of(each))) {
            where.line = each;
            marker.remove_suffix(1);
            break;
        }
    }
    if (marker.ends_with(waiting_cr)) {
        where.pending_cr = true;
        marker.remove_suffix(1);
    }
    FERRY_TRY(offset, parse_restart(marker));
    where.offset = offset;
    return where;
}

}  // namespace ferry::ftp
