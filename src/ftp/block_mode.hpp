#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ftp/mode_strings.hpp"

/// MODE B, piece by piece: a file is a series of blocks, each a descriptor, a count in two octets
/// and that many octets of data (RFC 959 section 3.4.2). The result never depends on where the
/// pieces are cut. Each object serves one file; the next one on the same connection takes another.
namespace ferry::ftp {

/// How much data a block of ours has at most. A record that is longer takes several.
inline constexpr std::size_t block_bytes = 16 * 1024;

class block_writer {
  public:
    explicit block_writer(mode_framing framing) noexcept : framing_(framing) {}

    /// Appends the blocks that `stored`, the next octets of the file, completes to `out`; with
    /// records at most four times as many octets. Keeps one block. Cost: one or two copies.
    void add(std::string_view stored, std::string& out);

    /// Appends what was waiting and a restart marker (section 3.5), which must be one by
    /// `is_marker`.
    void add_marker(std::string_view marker, std::string& out);

    /// Appends the last block, which ends the file. Call it once.
    void finish(std::string& out);

  private:
    void add_data(std::string_view data, std::string& out);
    void send(std::uint8_t codes, std::string& out);

    mode_framing framing_;
    std::string block_;
    bool ends_record_ = false;  ///< The block that waits is the last of a record.
};

class block_reader {
  public:
    explicit block_reader(mode_framing framing) noexcept : strings_(framing) {}

    /// Takes octets from the front of `received` and appends the file's to `out`, until all are
    /// taken or something happened. Call it again after a marker.
    ///
    /// Errors; what is in `out` by then is worthless, so abandon the file:
    ///   errc::invalid      a descriptor or a marker that RFC 959 does not allow, a record where
    ///                      there are none, or octets after the end of the file
    ///   errc::unsupported  a record holds a line end: stored, it would be two
    ///
    /// Cost: one copy.
    [[nodiscard]] result<mode_event> read(std::string_view& received, std::string& out);

    /// Says whether the file is whole when the peer has closed the connection. Errors:
    /// errc::closed, its end has not come: abandon it, or keep it for a restart.
    [[nodiscard]] result<void> finish() const;

    /// The marker that `read` stopped at: printable, without a space.
    [[nodiscard]] const std::string& marker() const noexcept { return strings_.marker(); }

    /// True once the peer has called some of the data suspect. It is part of the file all the same
    /// (section 3.4.2): say so in the log.
    [[nodiscard]] bool has_suspect() const noexcept { return strings_.has_suspect(); }

  private:
    string_assembler strings_;
    std::array<std::uint8_t, 3> header_{};
    std::size_t header_bytes_ = 0;  ///< Read of `header_`.
    std::size_t data_bytes_ = 0;    ///< To come of the block's data.
};

}  // namespace ferry::ftp
