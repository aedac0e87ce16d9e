#pragma once

#include <string>
#include <string_view>

#include "ferry/base/result.hpp"

/// Record structure in stream mode (RFC 959 sections 3.1.2.2 and 3.4.1), piece by piece: a line of
/// the file is a record on the network. The octet that ends the line is not sent; 0xFF 0x01 ends a
/// record, 0xFF 0x02 the file, 0xFF 0x03 both, and a data octet 0xFF is doubled.
///
/// A file whose last line has no end goes out with 0xFF 0x02 after it, one whose last line has one
/// with 0xFF 0x03, so each comes back as it was. The result never depends on where the pieces are
/// cut, and nothing but a few bits of state is kept. A converter serves one transfer.
///
/// The octet that ends a line in the file is LF, for text and for images. For EBCDIC let
/// `ebcdic::to_network` go before and `ebcdic::from_network` after, with `ebcdic::new_line`.
namespace ferry::vfs::records {

/// From the lines of a file to records.
class to_network {
  public:
    explicit to_network(char line_end = '\n') noexcept : line_end_(line_end) {}

    /// Appends the network form of `stored`, the next octets of the file, to `out`: at most twice
    /// as many octets and two more. Cost: a pass for each record, one copy.
    void convert(std::string_view stored, std::string& out);

    /// Appends the end of the file. Call it once, after the last piece.
    void finish(std::string& out);

  private:
    char line_end_;
    bool owes_record_end_ =
        false;  ///< A line has ended; whether the file has too is not known yet.
};

/// From records to the lines of a file.
class from_network {
  public:
    explicit from_network(char line_end = '\n') noexcept : line_end_(line_end) {}

    /// Appends the stored form of `received`, the next octets from the peer, to `out`: never more
    /// octets than it takes.
    ///
    /// Errors; what is in `out` by then is worthless, so abandon the file:
    ///   errc::invalid      an escape RFC 959 does not know, or octets after the end of the file
    ///   errc::unsupported  a record holds the octet that ends lines: stored, it would be two
    ///
    /// Cost: a pass for each record, one copy.
    [[nodiscard]] result<void> convert(std::string_view received, std::string& out);

    /// Says whether the file is whole when the peer has closed the connection. That implies the end
    /// of the file (section 3.4) where a record has just ended, or nothing has been sent.
    ///
    /// Errors: errc::closed, the last record has no end; abandon the file.
    [[nodiscard]] result<void> finish() const;

    /// True once the end of the file has been read.
    [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

  private:
    [[nodiscard]] result<void> take_escape(char code, std::string& out);
    [[nodiscard]] result<void> take_data(std::string_view data, std::string& out);

    char line_end_;
    bool in_escape_ = false;
    bool in_record_ = false;  ///< Since its beginning, no end of a record has come.
    bool has_ended_ = false;
};

}  // namespace ferry::vfs::records
