#pragma once

#include <memory>

#include "ferry/vfs/tree.hpp"

namespace ferry::vfs_test {

/// `files`, but names whose last component begins with "broken" or "full" fail in what needs the
/// disk: errc::io, errc::no_space. For replies that no disk of a test gives.
[[nodiscard]] std::unique_ptr<vfs::tree> make_troubled(std::unique_ptr<vfs::tree> files);

}  // namespace ferry::vfs_test
