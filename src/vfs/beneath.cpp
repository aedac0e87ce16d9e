#include "vfs/beneath.hpp"

#include <fcntl.h>
#include <linux/openat2.h>

#include <cerrno>
#include <utility>

#include "ferry/base/kernel.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {

std::uint64_t resolution_of(link_policy links) noexcept {
    switch (links) {
        case link_policy::refuse:
            return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
        case link_policy::inside:
            break;
        case link_policy::trusted:
            return RESOLVE_NO_MAGICLINKS;
    }
    return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
}

runtime::task<result<unique_fd>> open_beneath(runtime::core& here, beneath what) {
    for (unsigned attempt = 0; attempt < resolution_attempts_max; ++attempt) {
        const auto opened = co_await runtime::op_wait(
            here.io(), runtime::opcode::open_at, what.directory, runtime::never,
            [&what](runtime::op& open) {
                open.args.open_at = {
                    .path = what.name,
                    .how = {.flags = static_cast<unsigned>(what.flags | O_CLOEXEC),
                            .mode = what.mode,
                            .resolve =
                                resolution_of(what.links) | (what.is_local ? RESOLVE_NO_XDEV : 0U)},
                    .is_local = what.is_local,
                };
            });
        if (opened) {
            co_return unique_fd(static_cast<int>(*opened));
        }
        if (what.is_local && opened.error().os_errno == EXDEV) {
            what.is_local = false;  // It is on another file system, of which nothing is known.
        } else if (opened.error().os_errno != EAGAIN) {
            co_return failure(opened.error());
        }
    }
    co_return failure(errc::busy, EAGAIN);
}

result<metadata> servable_status(int fd, const path& name, status_of what) {
    FERRY_TRY(status, what == status_of::all ? whole_metadata_of(fd) : metadata_of(fd));
    if (status.kind != file_kind::regular && status.kind != file_kind::directory) {
        return failure(errc::not_regular);
    }
    if (status.kind == file_kind::regular && name.wants_directory()) {
        return failure(errc::not_directory, ENOTDIR);
    }
    return status;
}

runtime::task<result<node>> open_node(runtime::core& here, node_place where) {
    // O_NONBLOCK: a FIFO opens at once, without a writer, and is then refused (V4). O_NOCTTY: so is
    // a terminal, and it does not become ours meanwhile.
    auto opened = co_await open_beneath(here, {.directory = where.root,
                                               .name = where.name.relative(),
                                               .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY,
                                               .links = where.links});
    if (!opened) {
        co_return failure(opened.error());
    }
    const auto status = servable_status(opened->get(), where.name);
    if (!status) {
        co_return failure(status.error());
    }
    // Kernel 6.1 fails a ring read of a file that is still O_NONBLOCK with EAGAIN, instead of
    // waiting, where the block device cannot say "not in memory".
    if (kernel::set_status_flags(opened->get(), 0) != 0) {
        co_return failure_from_errno(errno);
    }
    co_return node(std::move(*opened), *status, where.closing);
}

}  // namespace ferry::vfs
