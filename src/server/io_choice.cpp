#include "server/io_choice.hpp"

#include <algorithm>

namespace ferry::server {

std::expected<io_choice, std::string> choose_io(io_wish wish, const std::string& why_no_uring) {
    if (wish == io_wish::epoll) {
        return io_choice{.uses = io_backend::epoll, .notice = "using epoll, as --io says"};
    }
    if (why_no_uring.empty()) {
        return io_choice{.uses = io_backend::uring, .notice = "using io_uring"};
    }
    auto missing = "io_uring is not available: " + why_no_uring;
    if (wish == io_wish::uring) {
        return std::unexpected(missing + " (--io auto serves without it)");
    }
    return io_choice{
        .uses = io_backend::epoll, .notice = missing + "; using epoll", .is_second_best = true};
}

std::size_t count_offload_threads(std::size_t wish, io_backend beside, std::size_t cores) noexcept {
    if (wish != 0) {
        return wish;
    }
    return beside == io_backend::uring ? 2 : std::clamp<std::size_t>(cores, 4, 64);
}

}  // namespace ferry::server
