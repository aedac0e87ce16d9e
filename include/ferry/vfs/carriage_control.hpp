#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Vertical format control in the first character of a line, which is how ASA printers and FORTRAN
/// have it (RFC 959 section 3.1.1.5.3), piece by piece. Files hold what a Unix printer takes: LF,
/// FF and CR move the paper. On the network each line begins with how far it moves before the
/// line is printed: a space one line, `0` two, `-` three, `1` to the top of the next page, `+` not
/// at all. Both sides end a line with LF: `vfs::text`, `records` or `ebcdic` come behind.
///
/// A file without CR LF comes back exactly; a stored CR LF is one line end, as for `vfs::text`. The
/// result never depends on where the pieces are cut. A converter serves one transfer.
namespace ferry::vfs::carriage_control {

/// From the stored form: a line gets a space, one that begins with FF `1` in its place, what is
/// printed over a line (behind a CR) a line of its own that begins with `+`.
class to_network {
  public:
    /// Begins in the middle of a file, behind `octet`.
    void go_on_behind(char octet) noexcept;

    /// Appends the network form of `stored`, the next octets of the file, to `out`: at most twice
    /// as many octets and two more. Cost: two searches and a copy a line.
    void convert(std::string_view stored, std::string& out);

    /// Appends what was waiting: a CR that nothing follows. Call it once, after the last piece.
    void finish(std::string& out);

  private:
    bool at_line_start_ = true;
    bool pending_cr_ = false;
};

/// Where `from_network` is between two octets.
enum class place : std::uint8_t {
    start,     ///< A control is expected, and no line has ended.
    line_end,  ///< A control is expected; the line end before it is not in the output yet.
    text,      ///< Within a line.
};

/// To the stored form. `0` and `-` become empty lines, so they come back as lines that begin with a
/// space: the same page. An unknown control is taken for a space; a line that is empty and lacks
/// its control is an empty line.
class from_network {
  public:
    explicit from_network(place from = place::start) noexcept : place_(from) {}

    /// Appends the stored form of `received`, the next octets from the peer, to `out`: never more
    /// than three octets an octet. Cost: a search and a copy a line.
    void convert(std::string_view received, std::string& out);

    /// Appends the line end that was waiting. Call it once, after the last piece.
    void finish(std::string& out);

    [[nodiscard]] place where() const noexcept { return place_; }

  private:
    void take_control(char control, std::string& out);

    place place_;
};

}  // namespace ferry::vfs::carriage_control
