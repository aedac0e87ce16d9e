#include "server/read_whole.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace ferry::server {

namespace {

/// As large as what is read may be: who grows leaves copies behind. What is not used of it is never
/// touched.
struct wiped_room {
    explicit wiped_room(std::size_t bytes)
        : octets(std::make_unique_for_overwrite<char[]>(bytes)), size_bytes(bytes) {}
    wiped_room(const wiped_room&) = delete;
    wiped_room& operator=(const wiped_room&) = delete;
    ~wiped_room() { ::explicit_bzero(octets.get(), used); }

    std::unique_ptr<char[]> octets;
    std::size_t size_bytes;
    std::size_t used = 0;
};

}  // namespace

std::expected<std::string, int> read_whole(int file, std::size_t bytes_max) {
    wiped_room room(bytes_max + 1);
    while (room.used < room.size_bytes) {
        const auto count = ::read(file, room.octets.get() + room.used, room.size_bytes - room.used);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return std::unexpected(errno);
        }
        if (count == 0) {
            return std::string(room.octets.get(), room.used);
        }
        room.used += static_cast<std::size_t>(count);
    }
    return std::unexpected(EFBIG);
}

}  // namespace ferry::server
