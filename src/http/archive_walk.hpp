#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ferry/base/units.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"
#include "http/plan.hpp"
#include "http/viewer.hpp"

namespace ferry::http {

/// Goes through a directory and all that is beneath, for an archive of it: what listings show and
/// whoever asks may have. Left out are what `is_shown` does not show, directories that he may not
/// list and files that he may not read, what vanishes before its turn, what ferry itself may not
/// open, and links to directories, so that there are no circles; links to files are the files they
/// lead to. One directory and one file are open at a time.
class archive_walk {
  public:
    /// What is remembered of directories that are still to be walked, at most.
    static constexpr std::size_t ahead_bytes_max = 4_MiB;

    struct found {
        std::string name;  ///< From the root of the walk; of a directory with a '/' at its end.
        vfs::metadata status;
        std::optional<vfs::node> file;  ///< Open; nothing for a directory.
    };

    archive_walk(service::state& shared, viewer who, vfs::path root)
        : shared_(shared), who_(std::move(who)), root_(std::move(root)) {}

    /// Opens the root and waits for its turn among listings until `turn_deadline`. Errors as
    /// `tree::open` and `tree::list`: nothing has been sent yet.
    [[nodiscard]] runtime::task<result<void>> begin(runtime::time_point turn_deadline);

    /// The next directory or file, a directory before what is in it; nothing at the end. Errors:
    /// errc::too_large (more directories ahead than may be remembered), or what the system says of
    /// a directory or file that should be in the archive.
    [[nodiscard]] runtime::task<result<std::optional<found>>> next();

  private:
    [[nodiscard]] runtime::task<result<bool>> enter(vfs::path directory,
                                                    runtime::time_point turn_deadline);
    [[nodiscard]] runtime::task<result<bool>> enter_next();
    [[nodiscard]] runtime::task<result<std::optional<found>>> open_file(
        const vfs::directory_entry& entry);
    [[nodiscard]] bool remember(const vfs::directory_entry& entry);
    [[nodiscard]] runtime::task<result<void>> read_on();
    [[nodiscard]] std::string name_of(const vfs::path& place) const;

    service::state& shared_;
    viewer who_;
    vfs::path root_;
    vfs::path directory_;  ///< The one that is being walked.
    std::optional<vfs::listing> entries_;
    std::vector<vfs::directory_entry> batch_;
    std::size_t done_ = 0;          ///< Of `batch_`.
    std::optional<found> entered_;  ///< Not given yet.
    std::vector<vfs::path> below_;  ///< Directories of `directory_`, in their order.
    std::vector<vfs::path> ahead_;  ///< The last is the next.
    std::size_t ahead_bytes_ = 0;   ///< Of `below_` and `ahead_`.
};

}  // namespace ferry::http
