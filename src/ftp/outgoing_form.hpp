#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "ferry/base/result.hpp"
#include "ferry/vfs/carriage_control.hpp"
#include "ferry/vfs/pages.hpp"
#include "ferry/vfs/records.hpp"
#include "ferry/vfs/text.hpp"
#include "ftp/block_mode.hpp"
#include "ftp/compressed_mode.hpp"
#include "ftp/deflate_mode.hpp"
#include "ftp/mode_strings.hpp"
#include "ftp/representation.hpp"

namespace ferry::ftp {

/// The octets of a file as the data connection has them, piece by piece: TYPE, then STRU, then MODE
/// (RFC 959 section 3). The result never depends on where the pieces are cut. Serves one transfer
/// of what `is_supported`.
class outgoing_form {
  public:
    outgoing_form(const representation& how, const form_details& details);

    /// Begins in the middle of a file, behind `octet`.
    void go_on_behind(char octet);

    /// Leaves out the first `octets` of what MODE S would send from here on.
    void skip(std::uint64_t octets) noexcept { skipped_bytes_ = octets; }

    /// Appends what `stored`, the next octets of the file, completes to `out`.
    ///
    /// Errors: errc::too_large (more than a page structure holds: ask `is_supported_size` before),
    /// errc::exhausted (no memory to deflate).
    [[nodiscard]] result<void> add(std::string_view stored, std::string& out);

    /// Appends what was waiting and a restart marker (RFC 959 section 3.5), which must be one by
    /// `is_marker`. Only where the mode `marks_ends`.
    void add_marker(std::string_view marker, std::string& out);

    /// Appends the end of the file, as far as there is one. Call it once. Errors as `add`.
    [[nodiscard]] result<void> finish(std::string& out);

  private:
    [[nodiscard]] result<void> structure(std::string_view text, std::string& out);
    [[nodiscard]] result<void> frame(std::string_view octets, std::string& out);

    representation how_;
    form_details details_;
    vfs::carriage_control::to_network carriage_;
    vfs::text::to_network text_;
    vfs::records::to_network records_;
    vfs::pages::to_network pages_;
    std::variant<std::monostate, block_writer, compressed_writer, deflate_writer> mode_;
    std::uint64_t skipped_bytes_ = 0;  ///< To be left out yet.
    std::string controlled_;
    std::string converted_;
    std::string structured_;
};

/// The largest file that page structure can carry, in octets.
inline constexpr std::uint64_t paged_file_bytes_max =
    std::uint64_t{vfs::pages::page_bytes_max} * vfs::pages::pages_max;

/// How records and octets that end lines go together in block and compressed mode.
[[nodiscard]] mode_framing framing_of(const representation& how) noexcept;

/// The filler of compressed mode (RFC 959 section 3.4.3).
[[nodiscard]] char filler_of(const representation& how) noexcept;

}  // namespace ferry::ftp
