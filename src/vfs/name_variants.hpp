#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/vfs/tree.hpp"
#include "ferry/vfs/tree_options.hpp"

namespace ferry::vfs {

/// What is the same for all spellings of `name`, one component, that `rules` take for one: the name
/// itself without rules. Cost: that of `fold_case` or `to_nfc`.
[[nodiscard]] std::string key_of(std::string_view name, name_rules rules);

/// Names that a directory is read for, at most, to find another spelling of one; in a larger one a
/// name is only itself.
inline constexpr std::size_t variant_names_max = 10'000;

/// Directories of one tree that are read for that at once, whatever core asks (threats.md, V9).
inline constexpr unsigned variant_searches_max = 16;

/// `inner` with names that are also found by other spellings: where it has none of a name, it has
/// that of the one entry with the same key. With two of them, or in a directory of more than
/// `variant_names_max` names or that may not be read, a name is only itself. What is made gets the
/// name as it was asked for, in the directory that was found, unless there is one: that is then
/// meant, to be replaced or to be in the way. A rename may change the spelling.
///
/// Errors: those of `inner`; errc::busy when `variant_searches_max` directories are being read
/// already (503, 450).
///
/// Cost: nothing while names are spelled as they are stored; else a status for each component and a
/// read of the directory of each that is not, names alone, on the offload pool. What is made costs
/// that always.
[[nodiscard]] std::unique_ptr<tree> find_variants(std::unique_ptr<tree> inner, name_rules rules);

}  // namespace ferry::vfs
