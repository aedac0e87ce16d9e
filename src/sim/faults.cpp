#include "sim/faults.hpp"

#include <cerrno>
#include <span>

#include "sim/world.hpp"

namespace ferry::sim {

namespace {

using runtime::opcode;

/// What the trace says when it strikes, by `trouble`.
constexpr auto trouble_names = std::to_array<const char*>({
    "fault op_error",
    "fault kernel_error",
    "fault short_count",
    "fault delay",
    "fault buffers_empty",
    "fault queue_full",
    "fault overflow",
    "fault lost_arming",
    "fault allocation",
    "fault descriptors",
    "fault connection_doom",
    "fault file_change",
    "fault clock_jump",
    "fault crash",
});
static_assert(trouble_names.size() == trouble_count);

/// A kind of trouble strikes once in so many times, at the most and at the least.
struct rate {
    std::uint32_t one_in_min;
    std::uint32_t one_in_max;
};
constexpr rate light{.one_in_min = 200, .one_in_max = 2'000};
constexpr rate heavy{.one_in_min = 10, .one_in_max = 200};

// One kind in so many is left out of a run.
constexpr std::uint64_t left_out_one_in = 3;

// What the manual page of each operation's system call lists and a server may meet. Not what only a
// mistake of its own brings about (EBADF, EINVAL, EFAULT), nor what the state of the tree says
// (ENOENT, EEXIST): the disk knows better.
constexpr auto accept_errnos = std::to_array<int>({EMFILE, ENFILE, ECONNABORTED, ENOBUFS});
constexpr auto connect_errnos =
    std::to_array<int>({ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL});
constexpr auto receive_errnos = std::to_array<int>({ECONNRESET, ETIMEDOUT, ENOMEM});
constexpr auto send_errnos = std::to_array<int>({EPIPE, ECONNRESET, ETIMEDOUT, ENOBUFS});
constexpr auto send_file_errnos = std::to_array<int>({EIO, EPIPE, ECONNRESET, ETIMEDOUT});
constexpr auto read_errnos = std::to_array<int>({EIO});
constexpr auto write_errnos = std::to_array<int>({ENOSPC, EDQUOT, EIO, EFBIG});
constexpr auto sync_errnos = std::to_array<int>({EIO, ENOSPC, EDQUOT});
constexpr auto open_errnos = std::to_array<int>({EMFILE, ENFILE, EIO, EACCES, EAGAIN, ENOMEM});
constexpr auto rename_errnos = std::to_array<int>({EIO, ENOSPC, EROFS, EBUSY});
constexpr auto link_errnos = std::to_array<int>({EIO, ENOSPC, EMLINK, EPERM, EROFS});
constexpr auto symlink_errnos = std::to_array<int>({EIO, ENOSPC, EDQUOT, EROFS});
constexpr auto unlink_errnos = std::to_array<int>({EIO, EROFS, EBUSY});
constexpr auto make_directory_errnos = std::to_array<int>({EIO, ENOSPC, EDQUOT, EROFS});
constexpr auto allocate_errnos = std::to_array<int>({EIO, ENOSPC, EDQUOT, EOPNOTSUPP});
constexpr auto list_errnos = std::to_array<int>({EIO, ENOMEM});
constexpr auto copy_errnos = std::to_array<int>({EIO, ENOSPC, EOPNOTSUPP, EXDEV});

[[nodiscard]] std::span<const int> errnos_of(opcode code) noexcept {
    switch (code) {
        case opcode::accept:
            return accept_errnos;
        case opcode::connect:
            return connect_errnos;
        case opcode::receive:
        case opcode::receive_provided:
            return receive_errnos;
        case opcode::send:
            return send_errnos;
        case opcode::send_file:
            return send_file_errnos;
        case opcode::read:
            return read_errnos;
        case opcode::write:
            return write_errnos;
        case opcode::sync:
            return sync_errnos;
        case opcode::allocate:
            return allocate_errnos;
        case opcode::open_at:
            return open_errnos;
        case opcode::rename_at:
            return rename_errnos;
        case opcode::link_at:
            return link_errnos;
        case opcode::symlink_at:
            return symlink_errnos;
        case opcode::unlink_at:
            return unlink_errnos;
        case opcode::make_directory_at:
            return make_directory_errnos;
        case opcode::list_directory:
            return list_errnos;
        case opcode::copy_range:
            return copy_errnos;
        case opcode::nop:
        case opcode::compute:
            return {};
    }
    return {};
}

}  // namespace

void faults::draw(unsigned level) {
    if (level == 0) {
        calm();
        return;
    }
    mode_ = mode::chance;
    const rate& of = level == 1 ? light : heavy;
    for (std::uint32_t& each : one_in_) {
        const std::uint64_t range = of.one_in_max - of.one_in_min + 1;
        const auto drawn = static_cast<std::uint32_t>(of.one_in_min + in_.rng().below(range));
        each = in_.chance(left_out_one_in) ? 0 : drawn;
    }
}

void faults::strike_nth(std::uint64_t index) noexcept {
    mode_ = mode::nth;
    nth_ = index;
    decisions_ = 0;
}

void faults::calm() noexcept {
    mode_ = mode::off;
}

bool faults::strikes(trouble kind) noexcept {
    if (mode_ == mode::off) {
        return false;
    }
    ++decisions_;
    const auto index = static_cast<std::size_t>(kind);
    const bool hit =
        mode_ == mode::nth ? decisions_ == nth_ : one_in_[index] != 0 && in_.chance(one_in_[index]);
    if (hit) {
        ++struck_;
        ++struck_by_kind_[index];
        in_.note(trouble_names[index], static_cast<std::int64_t>(decisions_),
                 static_cast<std::int64_t>(struck_));
    }
    return hit;
}

int faults::pick_errno(opcode code) noexcept {
    const auto errnos = errnos_of(code);
    return errnos.empty() ? 0 : errnos[in_.rng().below(errnos.size())];
}

}  // namespace ferry::sim
