#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ferry/base/ascii.hpp"
#include "ferry/base/result.hpp"

namespace ferry::vfs {

inline constexpr std::size_t name_bytes_max =
    255;  ///< One component, as Linux file systems have it.
inline constexpr std::size_t path_bytes_max = 4'095;  ///< A whole path (PATH_MAX less its NUL).

/// An absolute name inside a tree, normalised: the only way a client's octets become a file name.
///
/// Holds no `.`, `..`, empty component or NUL, and begins with '/'; so it cannot lead above the
/// root by spelling. What symbolic links do is the tree's affair (`openat2`, RESOLVE_BENEATH).
/// Octets are kept exactly: no case folding, no Unicode normalisation, no percent-decoding (that is
/// HTTP's, done once, before).
class path {
  public:
    /// The root, "/".
    path() : text_("/") {}

    /// Reads `text` as seen from the root, a leading '/' or not. "." and empty components vanish,
    /// ".." removes one component and stays at the root when there is none (RFC 3986
    /// section 5.2.4).
    ///
    /// Errors: errc::invalid (a NUL octet), errc::name_too_long (a component over `name_bytes_max`,
    /// the whole over `path_bytes_max`), errc::denied (a name reserved for ferry's own temporary
    /// files, see `is_reserved_name`). Answer each as a bad or missing file name.
    ///
    /// Cost: one pass and one allocation for long paths. Never suspends.
    [[nodiscard]] static result<path> parse(std::string_view text);

    /// Reads `text` as typed by a user whose working directory is `*this`: absolute if it begins
    /// with
    /// '/', else relative. Errors as `parse`.
    [[nodiscard]] result<path> resolve(std::string_view text) const;

    /// The whole, beginning with '/', without a trailing '/' except for the root.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

    /// What `openat2` takes beneath the root: `text()` without its leading '/', "." for the root.
    /// NUL-terminated; valid as long as this path.
    [[nodiscard]] const char* relative() const noexcept {
        return is_root() ? "." : text_.c_str() + 1;
    }

    [[nodiscard]] bool is_root() const noexcept { return text_.size() == 1; }

    /// The last component, empty for the root.
    [[nodiscard]] std::string_view name() const noexcept;

    /// The directory that holds it; the root for the root.
    [[nodiscard]] path parent() const;

    /// True when the client wrote a '/' (or "/." or "/..") at the end: it means a directory.
    [[nodiscard]] bool wants_directory() const noexcept { return wants_directory_; }

    /// True when `*this` is `ancestor` or lies beneath it.
    [[nodiscard]] bool is_within(const path& ancestor) const noexcept;

    /// The same name as seen from `ancestor`, which it must be within: the root for `ancestor`
    /// itself. Cost: one copy.
    [[nodiscard]] path seen_from(const path& ancestor) const;

    /// The same, from the directory that the first `octets` of `text()` name: as many as end before
    /// a '/', or all. 0: the root, where it is this path.
    [[nodiscard]] path behind(std::size_t octets) const;

    /// What a symbolic link called `*this` says to lead to `target`, both from one root: the way
    /// from its own directory, such as "../d/file". Cost: one pass and a copy.
    [[nodiscard]] std::string link_text_to(const path& target) const;

    /// True when one of its components begins with '.'.
    [[nodiscard]] bool has_dot_name() const noexcept { return text_.contains("/."); }

    friend bool operator==(const path& a, const path& b) noexcept { return a.text_ == b.text_; }

  private:
    std::string text_;
    bool wants_directory_ = true;
};

/// The prefix of every temporary name ferry makes in a served directory. No listing shows such a
/// name and no path reaches it, in any case: to some file systems (VFAT, exFAT, ext4 with casefold)
/// that is one name.
inline constexpr std::string_view reserved_prefix = ".ferry-";

[[nodiscard]] constexpr bool is_reserved_name(std::string_view name) noexcept {
    return ascii::equal_ignoring_case(name.substr(0, reserved_prefix.size()), reserved_prefix);
}

}  // namespace ferry::vfs
