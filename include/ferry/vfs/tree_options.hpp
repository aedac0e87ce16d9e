#pragma once

#include <cstdint>

namespace ferry::vfs {

/// Where symbolic links of a directory may lead (threats.md, V2). The magic ones of /proc lead
/// nowhere, and what no policy opens is a FIFO, a socket or a device.
enum class link_policy : std::uint8_t {
    refuse,  ///< No name goes through a link, nor ends at one: errc::outside_tree.
    inside,  ///< To what lies beneath the directory, by relative links; others are outside_tree.
    /// Anywhere on this machine that the process may go: for who trusts everybody that can make
    /// links there.
    trusted,
};

/// What uploads may do, whatever else is allowed.
enum class upload_policy : std::uint8_t {
    any,
    create,  ///< Only under free names: what there is stays as it is. Renames replace nothing too.
    none,    ///< None: errc::denied. Renames replace nothing too.
};

/// What else finds a name than its own octets, where those are not there.
struct name_rules {
    bool folds_case = false;  ///< Any case, by Unicode's full case folding, and what is below.
    /// Any canonically equivalent spelling (Unicode Standard Annex 15): Macs decompose letters.
    bool is_normalising = false;

    [[nodiscard]] bool are_any() const noexcept { return folds_case || is_normalising; }
    friend bool operator==(const name_rules&, const name_rules&) = default;
};

/// How a directory of the host is served.
struct tree_options {
    /// Every change is errc::read_only, before the file system is asked.
    bool is_read_only = false;
    /// Names that begin with '.' are in no listing and are errc::not_found, and what lies beneath
    /// them; made they cannot be either (errc::denied). A link under another name may lead to one.
    bool hides_dot_names = false;
    link_policy links = link_policy::inside;
    upload_policy uploads = upload_policy::any;
    name_rules names{};
    /// What Windows cannot keep as a name is not made: errc::invalid. What there is stays.
    bool refuses_windows_names = false;

    friend bool operator==(const tree_options&, const tree_options&) = default;
};

}  // namespace ferry::vfs
