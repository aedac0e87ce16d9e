#include <algorithm>
#include <limits>
#include <utility>

#include "ferry/base/units.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/tree.hpp"
#include "vfs/closing.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {
namespace {

// One read at most: what is cached is copied on the core, 1 MiB in about 0.1 ms (datapath.md, 4).
constexpr std::size_t read_bytes_max = 1_MiB;

}  // namespace

runtime::task<result<std::size_t>> node::read(runtime::core& here, std::span<std::byte> into,
                                              std::uint64_t offset) const {
    if (offset > std::uint64_t{std::numeric_limits<off64_t>::max()}) {
        co_return std::size_t{0};  // No file is that long, and pread takes no such offset.
    }
    const auto piece = into.first(std::min(into.size(), read_bytes_max));
    const auto got = co_await runtime::op_wait(
        here.io(), runtime::opcode::read, fd_.get(), runtime::never, [&](runtime::op& read) {
            read.args.read = {.data = piece.data(), .size_bytes = piece.size(), .offset = offset};
        });
    if (!got) {
        co_return failure(got.error());
    }
    co_return static_cast<std::size_t>(*got);
}

bool node::is_as_opened() const noexcept {
    const auto now = metadata_of(fd_.get());
    return now && is_unchanged(status_, *now);
}

node& node::operator=(node&& other) noexcept {
    node before(std::move(*this));  // Closes what was held, the way its destructor does.
    fd_ = std::move(other.fd_);
    status_ = other.status_;
    closing_ = other.closing_;
    return *this;
}

node::~node() {
    // Most files are small: no fstat for those.
    if (status_.size_bytes > freed_on_core_bytes_max) {
        close_file(std::move(fd_), closing_);
    }
}

}  // namespace ferry::vfs
