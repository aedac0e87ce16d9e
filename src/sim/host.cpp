#include "sim/host.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <utility>

#include "ferry/base/assert.hpp"
#include "sim/scope.hpp"

namespace ferry::sim {

namespace {

thread_local host* host_in_use = nullptr;

// When a world begins, by the calendar: 2027-01-01 00:00:00 UTC less the time it has been up.
constexpr auto wall_clock_at_boot = std::chrono::seconds(1'798'761'600 - 3'600);

constexpr std::size_t numbers_per_boot = 1 << 16;

// What open(2) does and forgets, and what F_SETFL may change later (fcntl(2)).
constexpr int flags_of_the_open = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
constexpr int changeable_flags = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;

[[nodiscard]] bool is_free(const description& what) noexcept {
    return std::holds_alternative<std::monostate>(what);
}

/// What an event of the trace says of a descriptor: which kind it is.
[[nodiscard]] std::int64_t kind_of(const description& what) noexcept {
    return static_cast<std::int64_t>(what.index());
}

}  // namespace

host::host(world& in) : in_(in), files_([this] { return wall_clock(); }, in.rng()), trouble_(in) {}

host::~host() {
    FERRY_ASSERT(host_in_use != this);
    // As a process that exits: whatever it has open is closed in the order of the numbers.
    for (std::size_t index = 0; index < slots_.size(); ++index) {
        static_cast<void>(close(base_ + static_cast<int>(index)));
    }
}

host* host::current() noexcept {
    return host_in_use;
}

host::in_use::in_use(host& now) noexcept : before_(std::exchange(host_in_use, &now)) {}

host::in_use::~in_use() {
    host_in_use = before_;
}

int host::install(description what, int status_flags) {
    while (lowest_ < slots_.size() && !is_free(slots_[lowest_].what)) {
        ++lowest_;
    }
    if (lowest_ >= descriptors_max_) {
        return -EMFILE;
    }
    return install_at(base_ + static_cast<int>(lowest_), std::move(what), status_flags);
}

int host::install_at(int fd, description what, int status_flags) {
    FERRY_ASSERT(!is_free(what));
    // As dup3(2) has it, EBADF and not EMFILE.
    if (fd < base_ || static_cast<std::size_t>(fd - base_) >= descriptors_max_) {
        return -EBADF;
    }
    const auto index = static_cast<std::size_t>(fd - base_);
    if (index >= slots_.size()) {
        slots_.resize(index + 1);
    }
    const std::int64_t kind = kind_of(what);
    const description before =
        std::exchange(slots_[index],
                      {.what = std::move(what), .status_flags = status_flags & ~flags_of_the_open})
            .what;
    if (is_free(before)) {
        ++open_;
    } else {
        in_.note("close", fd, kind_of(before));
        end_unless_open(before);
    }
    in_.note("descriptor", fd, kind);
    return fd;
}

const host::slot* host::slot_of(int fd) const noexcept {
    if (fd < base_) {
        return nullptr;
    }
    const auto index = static_cast<std::size_t>(fd - base_);
    return index < slots_.size() && !is_free(slots_[index].what) ? &slots_[index] : nullptr;
}

const description* host::find(int fd) const noexcept {
    const slot* const at = slot_of(fd);
    return at != nullptr ? &at->what : nullptr;
}

open_file_ptr host::file(int fd) const noexcept {
    const slot* const at = slot_of(fd);
    const auto* const found = at != nullptr ? std::get_if<open_file_ptr>(&at->what) : nullptr;
    return found != nullptr ? *found : nullptr;
}

socket_ptr host::connection(int fd) const noexcept {
    const slot* const at = slot_of(fd);
    const auto* const found = at != nullptr ? std::get_if<socket_ptr>(&at->what) : nullptr;
    return found != nullptr ? *found : nullptr;
}

inotify_ptr host::notices(int fd) const noexcept {
    const slot* const at = slot_of(fd);
    const auto* const found = at != nullptr ? std::get_if<inotify_ptr>(&at->what) : nullptr;
    return found != nullptr ? *found : nullptr;
}

open_file_ptr host::file_behind(std::string_view path) const noexcept {
    if (!path.starts_with(own_descriptors)) {
        return nullptr;
    }
    const std::string_view number = path.substr(own_descriptors.size());
    int fd = -1;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), fd);
    return read.ptr == number.data() + number.size() ? file(fd) : nullptr;
}

int host::status_flags(int fd) const noexcept {
    const slot* const at = slot_of(fd);
    return at != nullptr ? at->status_flags : -EBADF;
}

int host::set_status_flags(int fd, int flags) noexcept {
    const slot* const at = slot_of(fd);
    if (at == nullptr || (at->status_flags & O_PATH) != 0) {
        return -EBADF;
    }
    const auto changed = [flags](int before) noexcept {
        return (before & ~changeable_flags) | (flags & changeable_flags);
    };
    // They are the description's: every descriptor of it has them (fcntl(2)).
    const description what = at->what;
    for (slot& each : slots_) {
        if (each.what == what) {
            each.status_flags = changed(each.status_flags);
        }
    }
    if (const auto* const opened = std::get_if<open_file_ptr>(&what)) {
        (*opened)->flags = changed((*opened)->flags);
    }
    return 0;
}

int host::close(int fd) {
    if (is_simulated(fd) && fd < base_) {
        return 0;  // Of before a crash: nobody's.
    }
    const slot* const at = slot_of(fd);
    if (at == nullptr) {
        return -EBADF;
    }
    const auto index = static_cast<std::size_t>(fd - base_);
    in_.note("close", fd, kind_of(at->what));
    const description gone = std::exchange(slots_[index], {}).what;
    --open_;
    lowest_ = std::min(lowest_, index);
    end_unless_open(gone);
    return 0;
}

void host::end_unless_open(const description& gone) {
    const auto* const socket = std::get_if<socket_ptr>(&gone);
    if (socket != nullptr && !is_open(gone)) {
        in_.wires().close(*socket);
    }
}

bool host::is_open(const description& what) const noexcept {
    return std::ranges::any_of(slots_, [&](const slot& each) { return each.what == what; });
}

timespec host::wall_clock() const noexcept {
    const runtime::duration since_1970 =
        wall_clock_at_boot + in_.now().time_since_epoch() + wall_offset_;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_1970);
    return {.tv_sec = static_cast<time_t>(seconds.count()),
            .tv_nsec = static_cast<long>((since_1970 - seconds).count())};
}

void host::struck(const runtime::op& what, int failed_with) {
    switch (what.code) {
        case runtime::opcode::unlink_at:
            files_.spare(file(what.fd), what.args.unlink_at.path);
            break;
        case runtime::opcode::open_at:
            if (failed_with != EAGAIN) {  // Which asks to be tried again at once.
                hide(file(what.fd), what.args.open_at.path);
            }
            break;
        case runtime::opcode::list_directory:
            hide(file(what.fd), ".");
            break;
        default:
            break;
    }
}

void host::struck_removal(int directory, const char* path) {
    files_.spare(directory == AT_FDCWD ? files_.root() : file(directory), path);
}

void host::struck_lock(int locked) {
    if (is_searched_ && file(locked) != nullptr) {
        files_.spare_unlocked(file(locked));
    }
}

void host::struck_look(int looked_at) {
    struct stat status{};
    const open_file_ptr what = file(looked_at);
    if (is_searched_ && what != nullptr && files_.status(what, status) == 0 &&
        S_ISREG(status.st_mode)) {
        files_.spare_unlocked(what);
    }
}

void host::hide(const open_file_ptr& directory, const char* path) {
    open_file_ptr hidden;
    const open_how how{.flags = O_PATH | O_NOFOLLOW, .mode = 0, .resolve = 0};
    if (is_searched_ && directory != nullptr && files_.open(directory, path, how, hidden) == 0) {
        files_.spare_unlocked(hidden);
    }
}

host::search::search(host& on, const char* top) noexcept : on_(on), top_(top) {
    FERRY_ASSERT(!on_.is_searched_);
    on_.is_searched_ = true;
    on_.files_.forget_spared();
}

host::search::~search() {
    const in_simulator here;
    if (!is_finished_) {
        on_.hide(on_.files_.root(), top_);
    }
    on_.is_searched_ = false;
}

void host::crash(const crash_weather& weather) {
    in_.note("crash", static_cast<std::int64_t>(open_));
    for (slot& each : slots_) {
        const description gone = std::exchange(each.what, {});
        const auto* const socket = std::get_if<socket_ptr>(&gone);
        if (socket != nullptr && !is_open(gone)) {
            in_.wires().vanish(*socket);
        }
    }
    // Who still knows numbers of before must not meet those of after.
    base_ += static_cast<int>((slots_.size() / numbers_per_boot + 1) * numbers_per_boot);
    slots_.clear();
    open_ = 0;
    lowest_ = 0;
    const std::size_t lost = files_.crash(weather);
    in_.note("changes lost", static_cast<std::int64_t>(lost));
}

}  // namespace ferry::sim
