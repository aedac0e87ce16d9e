#include "server/read_whole.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace ferry::server {

std::expected<std::string, int> read_whole(int file, std::size_t bytes_max) {
    std::string text;
    std::array<char, 16'384> piece;
    while (text.size() <= bytes_max) {
        const auto count = ::read(file, piece.data(), piece.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return std::unexpected(errno);
        }
        if (count == 0) {
            return text;
        }
        text.append(piece.data(), static_cast<std::size_t>(count));
    }
    return std::unexpected(EFBIG);
}

}  // namespace ferry::server
