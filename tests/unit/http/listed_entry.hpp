#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "ferry/vfs/metadata.hpp"

namespace ferry::http::test {

/// An entry of a directory as listings are made of; changed on 1994-11-06 at 08:49:37.
inline vfs::directory_entry listed_entry(std::string name,
                                         vfs::file_kind kind = vfs::file_kind::regular,
                                         std::uint64_t size_bytes = 0,
                                         std::int64_t modified = 784'111'777) {
    return {.name = std::move(name),
            .status = {.kind = kind,
                       .size_bytes = size_bytes,
                       .modified = {.seconds = modified, .nanoseconds = 0},
                       .changed = {}},
            .link_target = {}};
}

}  // namespace ferry::http::test
