#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::auth {

/// Something that may be done to a name in the served tree.
enum class right : std::uint8_t {
    list,            ///< See the names in a directory, and the facts of what is in it.
    read,            ///< Retrieve a file.
    create,          ///< Store a file under a name that is free.
    replace,         ///< Store over a file, append to it, set its time.
    remove,          ///< Delete a file or an empty directory.
    rename,          ///< Take a name away, or give it. What is replaced by that needs `replace`.
    make_directory,  ///< Make a directory.
    administer,      ///< See who else is there. Of no name: it counts wherever it is said.
};
/// Of those to names.
inline constexpr std::size_t right_count = 7;

/// A set of rights.
class rights {
  public:
    constexpr rights() noexcept = default;  ///< None.
    constexpr rights(std::initializer_list<right> some) noexcept {
        for (const right each : some) {
            bits_ |= bit(each);
        }
    }

    /// Look, and touch nothing.
    [[nodiscard]] static constexpr rights read_only() noexcept {
        return {right::list, right::read};
    }
    /// All that there is to do to a name.
    [[nodiscard]] static constexpr rights all() noexcept {
        rights made;
        made.bits_ = (1U << right_count) - 1;
        return made;
    }

    [[nodiscard]] constexpr bool has(right which) const noexcept {
        return (bits_ & bit(which)) != 0;
    }
    /// True when one of `some` is in it.
    [[nodiscard]] constexpr bool has_any(rights some) const noexcept {
        return (bits_ & some.bits_) != 0;
    }
    [[nodiscard]] constexpr rights operator|(rights more) const noexcept {
        rights made;
        made.bits_ = static_cast<std::uint8_t>(bits_ | more.bits_);
        return made;
    }
    /// Without those of `some`.
    [[nodiscard]] constexpr rights operator-(rights some) const noexcept {
        rights made;
        made.bits_ = static_cast<std::uint8_t>(bits_ & ~some.bits_);
        return made;
    }
    friend constexpr bool operator==(rights, rights) noexcept = default;

  private:
    [[nodiscard]] static constexpr std::uint8_t bit(right which) noexcept {
        return static_cast<std::uint8_t>(1U << static_cast<unsigned>(which));
    }
    std::uint8_t bits_ = 0;
};

/// What somebody may do where: rights that hold everywhere, and others for what lies at or below
/// certain paths of the served tree. The longest path that is a name or leads to it decides. Paths
/// are of the tree, whatever part of it the user sees, and of names as they are typed: a link does
/// not have the rights of what it leads to.
class permissions {
  public:
    permissions() = default;  ///< Nothing anywhere.
    permissions(rights everywhere) : everywhere_(everywhere) {}

    /// Reads "read-only,/incoming=list+create,/private=none": rules between commas, each a path and
    /// "=", or no path for everywhere, then words between "+": list, read, create, write (create
    /// and replace), delete, rename, mkdir; or read-only (list and read), all (of these), none; and
    /// admin, which no other word has in it. In a path
    /// `%2C`, `%3A`, `%25` stand for comma, colon and percent sign. The error says what is wrong,
    /// for a person.
    [[nodiscard]] static std::expected<permissions, std::string> parse(std::string_view text);

    /// The same as text, for `parse`.
    [[nodiscard]] std::string text() const;

    /// What may be done to `path`: absolute and normalised ("/", "/a/b"). Cost: a look at each
    /// rule.
    [[nodiscard]] rights at(std::string_view path) const noexcept;

    /// The same for `name` in `directory`, which no string is made for.
    [[nodiscard]] rights at(std::string_view directory, std::string_view name) const noexcept;

    /// True when there is a path where one of `some` is allowed.
    [[nodiscard]] bool has_anywhere(rights some) const noexcept;

    /// True when there is a path below `path` where something is allowed that is not at `path`, or
    /// the other way round: what is done to a whole directory at once must then be refused.
    [[nodiscard]] bool has_rules_below(std::string_view path) const noexcept;

    /// The paths that there are rules for, the longest first. Valid as long as this.
    [[nodiscard]] std::vector<std::string_view> paths() const;

    friend bool operator==(const permissions&, const permissions&) = default;

  private:
    struct rule {
        std::string path;  ///< Without a slash at the end; never "/".
        rights allowed;

        friend bool operator==(const rule&, const rule&) = default;
    };

    rights everywhere_;
    std::vector<rule> rules_;  ///< The longest path first; none twice.
};

}  // namespace ferry::auth
