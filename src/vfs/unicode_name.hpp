#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Names as Unicode sees them, for mounts that look names up by more than their octets. All of
/// it is total: a name is octets, and those that are no UTF-8 (RFC 3629) are kept as they are, each
/// in its place. Unicode's data is that of utf8proc.
///
/// `name` is one component. A result may be up to three times as long, longer than a file system
/// takes: it is for comparing, and for making a name only after its length has been checked again.
namespace ferry::vfs {

/// How many octets, 1 to 4, the character has that `text` begins with; 0 when it begins with none
/// by RFC 3629, or is empty. Cost: constant.
[[nodiscard]] std::size_t first_character_bytes(std::string_view text) noexcept;

/// True when `text` is UTF-8 by RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF.
/// Cost: one pass, no allocation.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// The canonical composition of `name` (Normalization Form C, Unicode Standard Annex 15): what a
/// Mac writes as `e` and U+0301, and everybody else as U+00E9, are one name in it. Two names are
/// canonically equivalent if, and only if, this gives the same octets for both; of what it gave it
/// makes the same again.
///
/// Cost: US-ASCII one pass and one copy; else some 10 to 30 ns an octet, and the square of the
/// combining marks in a row, which name_bytes_max bounds.
[[nodiscard]] std::string to_nfc(std::string_view name);

/// The key of `name` for comparing without regard to case: full case folding and canonical
/// equivalence (Unicode 3.13, D145), composed. Two names differ only in case if, and only if, their
/// keys are the same octets. `STRASSE` and `straße` have one key; no language's own rules are
/// applied, so a Turkish dotless i is not an i.
///
/// A key is for comparing only: it is nobody's spelling of a name. Cost: twice that of `to_nfc`.
[[nodiscard]] std::string fold_case(std::string_view name);

}  // namespace ferry::vfs
