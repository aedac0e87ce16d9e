#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// EBCDIC text between files and the network (RFC 959 section 3.1.1.2), piece by piece and octet by
/// octet: nothing is held back, and the size never changes.
///
/// A stored octet is a character of ISO 8859-1, of which US-ASCII is the half everybody means; an
/// octet of UTF-8 beyond that half is sent as if it were one too. Both code pages hold exactly
/// those 256 characters, so every file comes back as it was.
///
/// The end of a line is LF in files and NL (0x15) on the network (RFC 959 section 3.4). IBM's own
/// tables make NL the control NEL (0x85) and LF 0x25; here, as on z/OS's Unix side, the two are
/// exchanged, so NEL travels as 0x25.
namespace ferry::vfs::ebcdic {

/// The line end of EBCDIC text on the network.
inline constexpr char new_line = '\x15';

/// Which EBCDIC: 037 of the USA and most clients, 1047 of z/OS Unix. They differ in six characters:
/// `[ ] ^`, the not sign, the diaeresis and the capital Y with an acute accent.
enum class code_page : std::uint8_t { cp037, cp1047 };

/// Appends the network form of `stored` to `out`, as many octets. Cost: one look-up an octet.
void to_network(code_page page, std::string_view stored, std::string& out);

/// Appends the stored form of `received` to `out`, as many octets. Cost: one look-up an octet.
void from_network(code_page page, std::string_view received, std::string& out);

}  // namespace ferry::vfs::ebcdic
