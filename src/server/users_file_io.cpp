#include "server/users_file_io.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "server/directory_of.hpp"
#include "server/links.hpp"
#include "server/read_whole.hpp"

namespace ferry::server {
namespace {

constexpr std::size_t users_file_bytes_max = 16_MiB;

std::unexpected<int> last_error() {
    return std::unexpected(errno);
}

std::expected<void, int> write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const auto put = ::write(file, text.data(), text.size());
        if (put < 0 && errno != EINTR) {
            return last_error();
        }
        text.remove_prefix(put < 0 ? 0 : static_cast<std::size_t>(put));
    }
    return {};
}

/// Fills the new file and gives it the name of the old one.
std::expected<void, int> put_in_place(const unique_fd& made, const std::string& temporary,
                                      const std::string& file, std::string_view text,
                                      const struct stat* like) {
    if (like != nullptr && (::fchown(made.get(), like->st_uid, like->st_gid) != 0 ||
                            ::fchmod(made.get(), like->st_mode & 07777U) != 0)) {
        return last_error();
    }
    if (auto written = write_all(made.get(), text); !written) {
        return written;
    }
    if (::fsync(made.get()) != 0 || ::rename(temporary.c_str(), file.c_str()) != 0) {
        return last_error();
    }
    const unique_fd directory(
        ::open(directory_of(file).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::fsync(directory.get()) != 0) {
        return last_error();
    }
    return {};
}

}  // namespace

std::expected<users_text, int> read_users_file(const std::string& file) {
    const unique_fd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    users_text read;
    if (!opened || ::fstat(opened.get(), &read.status) != 0) {
        return last_error();
    }
    auto text = read_whole(opened.get(), users_file_bytes_max);
    if (!text) {
        return std::unexpected(text.error());
    }
    read.text = std::move(*text);
    return read;
}

std::expected<void, int> write_users_file(const std::string& file, std::string_view text,
                                          const struct stat* like) {
    const auto place = names_along_links(file).back();  // A link stays one.
    const std::string temporary = place + ".new";
    const unique_fd made(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!made) {
        return last_error();
    }
    auto placed = put_in_place(made, temporary, place, text, like);
    if (!placed) {
        ::unlink(temporary.c_str());  // Not there any more if only the last sync failed.
    }
    return placed;
}

}  // namespace ferry::server
