#include "vfs/closing.hpp"

#include <sys/stat.h>

#include <memory>
#include <new>
#include <utility>

#include "ferry/base/kernel.hpp"

namespace ferry::vfs {
namespace {

// The unit of st_blocks, whatever the file system's.
constexpr std::uint64_t status_block_bytes = 512;

/// A descriptor on its way to a pool thread. Owns itself from submission on.
struct close_errand : runtime::offload_job {
    explicit close_errand(unique_fd&& closed) noexcept
        : offload_job(&close_errand::close, runtime::job_length::lengthy),
          file(std::move(closed)) {}

    static void close(offload_job& job) noexcept {
        const std::unique_ptr<close_errand> self(static_cast<close_errand*>(&job));
    }

    unique_fd file;
};

bool frees_much(int file) noexcept {
    struct stat status{};
    return kernel::fstat(file, status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0 &&
           static_cast<std::uint64_t>(status.st_blocks) * status_block_bytes >
               freed_on_core_bytes_max;
}

}  // namespace

void close_file(unique_fd file, runtime::offload_pool* closing) noexcept {
    if (!file || closing == nullptr || !frees_much(file.get())) {
        return;
    }
    try {
        closing->submit(*std::make_unique<close_errand>(std::move(file)).release());
    } catch (const std::bad_alloc&) {
        // Slow is better than never: `file` has not been taken, and closes here.
    }
}

}  // namespace ferry::vfs
