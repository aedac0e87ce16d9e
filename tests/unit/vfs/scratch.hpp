#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/vfs/path.hpp"

namespace ferry::vfs_test {

/// A directory of the host's that lives as long as the test, with short ways to fill and look at
/// it. Names are relative to it. Failures of the host end the test program.
class scratch {
  public:
    scratch();
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch();

    [[nodiscard]] std::string operator/(std::string_view name) const;
    [[nodiscard]] const std::string& root() const noexcept { return root_; }

    void write(std::string_view name, std::string_view content) const;
    void make_directory(std::string_view name) const;
    struct link_names {
        std::string_view at;
        std::string_view to;
    };
    void link(link_names names) const;

    [[nodiscard]] std::string read(std::string_view name) const;
    [[nodiscard]] bool exists(std::string_view name) const;
    [[nodiscard]] unsigned mode(std::string_view name) const;  ///< 07777, of a link itself.
    [[nodiscard]] unsigned long inode(std::string_view name) const;
    /// Every name there, sorted: those ferry hides too, without "." and "..".
    [[nodiscard]] std::vector<std::string> names(std::string_view directory = ".") const;

  private:
    std::string root_;
};

/// A path that must be a good one.
[[nodiscard]] vfs::path at(std::string_view text);

[[nodiscard]] std::span<const std::byte> octets(std::string_view text);

/// How many descriptors this process has open: what a test's subject opens it must close.
[[nodiscard]] std::size_t open_descriptors();

}  // namespace ferry::vfs_test
