#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ftp/mode_strings.hpp"

/// MODE C, piece by piece: up to 127 octets as they are, up to 63 equal ones as two, up to 63
/// fillers as one, and an escape before a string that ends something (RFC 959 section 3.4.3). The
/// result never depends on where the pieces are cut. Each object serves one file; the next one on
/// the same connection takes another.
///
/// The filler is a space of the representation type: 0x20 for ASCII, 0x40 for EBCDIC; for images it
/// is zero. Where an end belongs to no octets, an empty record for one, the string after the escape
/// is of no fillers.
namespace ferry::ftp {

class compressed_writer {
  public:
    compressed_writer(mode_framing framing, char filler) noexcept
        : framing_(framing), filler_(filler) {}

    /// Appends the strings that `stored`, the next octets of the file, completes to `out`: at most
    /// one octet in 127 more, and with records three for an empty line. Keeps two strings.
    /// Cost: some instructions an octet.
    void add(std::string_view stored, std::string& out);

    /// Appends what was waiting and a restart marker (section 3.5), which must be one by
    /// `is_marker`.
    void add_marker(std::string_view marker, std::string& out);

    /// Appends what was waiting, as the end of the file. Call it once.
    void finish(std::string& out);

  private:
    void add_data(std::string_view data, std::string& out);
    void end_run(std::string& out);
    void end_literal(std::string& out);
    void hold(std::string& out);
    void end_record(std::string& out);
    void send(std::uint8_t codes, std::string& out);

    mode_framing framing_;
    char filler_;
    char run_octet_ = 0;
    std::size_t run_octets_ = 0;  ///< How many of `run_octet_` came last.
    std::string literal_;         ///< What came before them and is in no string yet.
    std::string held_;            ///< The last whole string: it may yet end something.
    bool ends_record_ = false;    ///< The string that is held is the last of a record.
};

class compressed_reader {
  public:
    compressed_reader(mode_framing framing, char filler) noexcept
        : strings_(framing), filler_(filler) {}

    /// Takes octets from the front of `received` and appends the file's to `out`, until all are
    /// taken or something happened; at most 64 octets for one. Call it again after a marker, and
    /// bound `received` by what memory `out` may take.
    ///
    /// Errors; what is in `out` by then is worthless, so abandon the file:
    ///   errc::invalid      a descriptor or a marker that RFC 959 does not allow, an escape after
    ///                      an escape, a record where there are none, or octets after the end
    ///   errc::unsupported  a record holds a line end: stored, it would be two
    ///
    /// Cost: one copy.
    [[nodiscard]] result<mode_event> read(std::string_view& received, std::string& out);

    /// Says whether the file is whole when the peer has closed the connection. Errors:
    /// errc::closed, its end has not come: abandon it, or keep it for a restart.
    [[nodiscard]] result<void> finish() const;

    /// The marker that `read` stopped at: printable, without a space.
    [[nodiscard]] const std::string& marker() const noexcept { return strings_.marker(); }

    /// True once the peer has called some of the data suspect; see `block_reader`.
    [[nodiscard]] bool has_suspect() const noexcept { return strings_.has_suspect(); }

  private:
    /// What the next octet is.
    enum class expected : std::uint8_t { string, codes, described_string, literal, replicated };

    [[nodiscard]] result<mode_event> take(std::string_view& received, std::string& out);
    [[nodiscard]] result<mode_event> begin(std::uint8_t control, std::string& out);
    [[nodiscard]] result<mode_event> end(std::string& out);
    [[nodiscard]] result<mode_event> repeat(char octet, std::string& out);

    string_assembler strings_;
    char filler_;
    expected next_ = expected::string;
    std::uint8_t codes_ = 0;  ///< Of the escape before the string.
    std::size_t octets_ = 0;  ///< To come of a literal; of a replicated octet, how often.
};

}  // namespace ferry::ftp
