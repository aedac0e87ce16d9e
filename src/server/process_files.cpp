#include "server/process_files.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "ferry/base/quantities.hpp"

namespace ferry::server {

process_files process_files::open() noexcept {
    process_files made;
    made.descriptors_.reset(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
    made.memory_.reset(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
    return made;
}

void process_files::read(process_reading& into) const noexcept {
    struct stat status{};
    // Since Linux 6.2 the size of that directory is the number of descriptors.
    if (descriptors_ && ::fstat(descriptors_.get(), &status) == 0) {
        into.open_fds = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
    }
    std::array<char, 128> text{};
    const auto got = memory_ ? ::pread(memory_.get(), text.data(), text.size(), 0) : ssize_t{-1};
    if (got > 0) {  // "SIZE RESIDENT ...", in pages (proc_pid_statm(5)).
        std::string_view words(text.data(), static_cast<std::size_t>(got));
        words.remove_prefix(std::min(words.find(' '), words.size() - 1) + 1);
        const auto pages = parse_number(words.substr(0, words.find(' ')));
        into.resident_bytes =
            pages.value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    }
    rusage used{};
    if (::getrusage(RUSAGE_SELF, &used) == 0) {
        const auto seconds = [](const timeval& time) {
            return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
        };
        into.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
    }
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        into.max_fds = limit.rlim_cur;
    }
}

}  // namespace ferry::server
