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
#include "ftp/restart_marker.hpp"

namespace ferry::ftp {

/// From the data connection's octets to those of a file, piece by piece: MODE, then STRU, then TYPE
/// (RFC 959 section 3). The result never depends on where the pieces are cut. Serves one transfer
/// of what `is_supported`.
class incoming_form {
  public:
    /// Goes on at `from`, or begins.
    incoming_form(const representation& how, const form_details& details,
                  const upload_place& from = {});

    /// Takes octets from the front of `received` and appends those of the file to `out`: until all
    /// are taken, `out` has become some 256 KiB longer, or something happened. Call it again unless
    /// the file has ended; octets behind its end are the next file's where the mode `marks_ends`.
    ///
    /// Errors; what is in `out` by then is worthless, so abandon the file:
    ///   errc::invalid      not of this form
    ///   errc::unsupported  a record holds a line end: stored, it would be two
    ///   errc::exhausted    no memory to inflate
    [[nodiscard]] result<mode_event> read(std::string_view& received, std::string& out);

    /// The peer has closed the connection: appends what was waiting. Call it once, unless `read`
    /// has said that the file ended.
    ///
    /// Errors: errc::closed, its end has not come: abandon it, or keep it for a restart.
    [[nodiscard]] result<void> finish(std::string& out);

    /// The marker that `read` stopped at: printable, without a space.
    [[nodiscard]] const std::string& marker() const noexcept;

    /// Where the upload stands when all that was appended to `out` so far goes up to `offset`.
    [[nodiscard]] upload_place place_at(std::uint64_t offset) const noexcept;

  private:
    [[nodiscard]] result<mode_event> unframe(std::string_view& received, std::string& out);
    [[nodiscard]] result<bool> take_structure(std::string_view text, std::string& out);
    [[nodiscard]] result<void> end_structure() const;
    void convert(std::string_view text, std::string& out);
    void flush(std::string& out);

    [[nodiscard]] bool has_controls() const noexcept {
        return how_.type != data_type::image && how_.format == text_format::carriage_control;
    }

    representation how_;
    form_details details_;
    vfs::carriage_control::from_network carriage_;
    vfs::text::from_network text_;
    vfs::records::from_network records_;
    vfs::pages::from_network pages_;
    std::string paged_;       ///< A whole file of pages: they may come in any order.
    bool has_pages_ = false;  ///< All of them.
    std::variant<std::monostate, block_reader, compressed_reader, inflate_reader> mode_;
    std::string unframed_;
    std::string structured_;
    std::string converted_;
};

}  // namespace ferry::ftp
