#pragma once

#include <optional>
#include <string_view>

#include "ferry/vfs/path.hpp"

namespace ferry::ftp {

/// The hosts that one server is, each a directory of the tree (RFC 7151). One core's own.
class host_table {
  public:
    host_table() = default;
    host_table(const host_table&) = delete;
    host_table& operator=(const host_table&) = delete;
    virtual ~host_table() = default;

    /// Where in the tree the host begins that is called `name`, in any case: a name of the DNS or
    /// an address in brackets. Nothing: there is no such host (RFC 7151 section 3.1: 504). What a
    /// client who says no name gets is for whoever asks to say. Never suspends.
    [[nodiscard]] virtual std::optional<vfs::path> root_of(std::string_view name) const = 0;

    /// The same, but nothing for a name that gets the whole tree only because it is no other's.
    [[nodiscard]] virtual std::optional<vfs::path> root_of_known(std::string_view name) const {
        return root_of(name);
    }
};

}  // namespace ferry::ftp
