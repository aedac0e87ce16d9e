#pragma once

#include <cstdint>

namespace ferry::runtime {

/// A stretch of an open file, the one thing `vfs` hands to `net`: a VFS file gives it out, a send
/// plan sends it without copying. Owns nothing: the file must stay open until it is sent.
struct file_span {
    int fd = -1;
    /// The same for all who have the file open, another for most other files: what was seen of it a
    /// moment ago need not be asked again. 0: it is nobody's business.
    std::uint32_t identity = 0;
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
};

}  // namespace ferry::runtime
