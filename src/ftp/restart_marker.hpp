#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/vfs/carriage_control.hpp"

namespace ferry::ftp {

/// Where in a file an upload stands, between two octets of the transfer: all there is to know for
/// going on from there. As text it is ferry's half of a restart marker (RFC 959 section 3.5).
struct upload_place {
    std::uint64_t offset = 0;  ///< In the stored file.
    bool pending_cr = false;   ///< A CR has come and is not stored: a LF behind it may join it.
    vfs::carriage_control::place line = vfs::carriage_control::place::start;  ///< Of format C.

    friend bool operator==(const upload_place&, const upload_place&) = default;
};

/// "4096", with `r` for a CR that waits; with `has_controls`, of format C, also `s`, `l` or `t` for
/// the place in the line.
[[nodiscard]] std::string restart_marker_of(const upload_place& where, bool has_controls);

/// Reads what `restart_marker_of` makes. Errors: errc::invalid.
[[nodiscard]] result<upload_place> parse_restart_marker(std::string_view marker);

}  // namespace ferry::ftp
