#include "ferry/vfs/copy.hpp"

#include <cerrno>

#include "vfs/system_metadata.hpp"

namespace ferry::vfs {
namespace {

bool is_same_file(const metadata& one, const metadata& other) noexcept {
    return one.device == other.device && one.inode == other.inode;
}

runtime::task<result<void>> fill_and_commit(runtime::core& here, upload& into, const node& from,
                                            durability level) {
    const auto written = co_await into.write_all_of(here, from);
    if (!written) {
        co_return written;
    }
    co_return co_await into.commit(here, level);
}

}  // namespace

runtime::task<result<std::uint64_t>> copy_file(runtime::core& here, const tree& files,
                                               copy_names names, durability level) {
    const auto from = co_await files.open(here, names.from);
    if (!from) {
        co_return failure(from.error());
    }
    if (from->is_directory()) {
        co_return failure(errc::is_directory, EISDIR);
    }
    if (names.expected != nullptr && !is_still(*names.expected, from->status())) {
        co_return failure(errc::busy);
    }
    // What has the name by now is harmless, if it is another file later: nothing is written in it.
    const auto taken = co_await files.status(here, names.to);
    if (taken && is_same_file(*taken, from->status())) {
        co_return failure(errc::invalid);
    }
    const bool is_unknown =
        !taken && taken.error() != errc::not_found && taken.error() != errc::outside_tree;
    if (is_unknown) {
        co_return failure(taken.error());
    }
    auto begun = co_await files.begin_upload(
        here, names.to,
        {.mode = names.replace ? upload_mode::replace : upload_mode::create,
         .permissions = from->status().mode & permission_bits});
    if (!begun) {
        co_return failure(begun.error());
    }
    const auto done = co_await fill_and_commit(here, *begun, *from, level);
    if (!done) {
        co_await begun->discard(here);
        co_return failure(done.error());
    }
    co_return from->status().size_bytes;
}

}  // namespace ferry::vfs
