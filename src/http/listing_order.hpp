#pragma once

#include <string_view>
#include <vector>

#include "ferry/vfs/metadata.hpp"
#include "http/listing_query.hpp"

namespace ferry::http {

/// True when a page, JSON or an archive has the entry. None has names that begin with a dot,
/// ferry's own temporary names, what cannot be opened (links that lead nowhere or outside, FIFOs,
/// sockets, devices), and names with a backslash, which `decode_target` refuses.
[[nodiscard]] bool is_shown(const vfs::directory_entry& entry);

/// Compares names as people do: US-ASCII letters in any case, runs of digits by their value, so
/// that "file 9" comes before "File 10"; all else octet by octet, and so does what is equal by
/// that. Less than, equal to or greater than 0; 0 for the same octets only. Cost: one pass, no
/// allocation.
[[nodiscard]] int compare_names(std::string_view a, std::string_view b) noexcept;

using entry_pointers = std::vector<const vfs::directory_entry*>;

/// Whether `entries` are as `sort_entries` leaves them. A directory's by name mostly are, for the
/// listing cache has them by their octets. Cost: up to the first that is not, 30 ns an entry.
[[nodiscard]] bool are_sorted(const entry_pointers& entries, listing_order order) noexcept;

/// Sorts, directories first. By size or time, what is equal comes by name. Touches nothing but its
/// arguments, so that a large directory can be sorted on the offload pool: 10,000 names take some
/// milliseconds.
[[nodiscard]] entry_pointers sort_entries(entry_pointers entries, listing_order order) noexcept;

}  // namespace ferry::http
