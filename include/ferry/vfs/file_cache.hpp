#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::vfs {

/// An open file, or the knowledge of a directory, that answers of one core share.
struct shared_file {
    explicit shared_file(node opened) noexcept : file(std::move(opened)) {}

    /// A directory from the cache has no descriptor: open it again to list it. Nor may a file that
    /// has its `body`, for who has asked for `need::content`.
    node file;
    /// All of a small file, as long as `file_cache::bounds` says.
    std::optional<std::string> body;
    /// There is no such name: no answer is made of `file` (`file_cache::absence_of`).
    bool is_absent = false;

  private:
    friend class file_cache;
    void* kept_as_ = nullptr;  ///< The cache's own; null: it does not keep it.
};
using shared_file_ptr = std::shared_ptr<shared_file>;

/// The files that one core has open for its answers, found again by name without a look at the
/// file system, and never stale: what is changed there before a request has arrived is seen by its
/// answer. Each core has one; it outlives what it gave.
///
/// Rests on inotify(7): every directory on the way to a file, every link and the file itself are
/// watched, and the queue of changes is read before the first answer to what has arrived since
/// (`reactor::arrivals`). Only file systems known as local are trusted so; files elsewhere are
/// opened each time, and so is everything when no watch can be had (decision 0016). What inotify
/// does not tell of (writes by mmap(2) and io_submit(2), file systems mounted over a directory) is
/// seen by who asks later than `trusted_max`: then the name is opened again, at once where all of
/// it is in memory (decision 0016), and until a sixteenth of that is over others go on with what is
/// kept while that takes a while.
class file_cache {
  public:
    struct bounds {
        /// Files, which are open, and directories; 0: nothing is kept.
        std::size_t entries_max = 1'024;
        std::size_t body_bytes_max = 8'192;  ///< Of a file that is kept in memory whole.
        /// Of all of them. Small files beyond `entries_max` are kept, too, and not open: each takes
        /// 1 KiB of this besides its content.
        std::size_t bodies_bytes_max = 4 * 1'024 * 1'024;
        /// That a name is not there is kept, too. Not in a tree that finds names by other
        /// spellings.
        bool keeps_absence = false;
        /// As long after its last use it makes no room for another.
        runtime::duration kept_min = std::chrono::seconds(5);
        /// What could not be kept is opened for each answer as long, and then tried again.
        runtime::duration retry_min = std::chrono::seconds(1);
        runtime::duration idle_max = std::chrono::seconds(10);    ///< Not asked for, it is closed.
        runtime::duration trusted_max = std::chrono::seconds(1);  ///< Then it is opened again.
    };
    struct counters {
        std::uint64_t hits = 0;
        std::uint64_t misses = 0;   ///< Opened for the answer, kept or not.
        std::uint64_t renewed = 0;  ///< Hits that were opened again on the core, to compare.
        std::uint64_t kept = 0;     ///< Misses that entered the cache.
        std::uint64_t changed = 0;  ///< Left it because of a change.
        std::uint64_t evicted = 0;  ///< Left it for room, or idle.
    };

    file_cache(runtime::core& here, const tree& files, bounds most);
    file_cache(const file_cache&) = delete;
    file_cache& operator=(const file_cache&) = delete;
    ~file_cache();

    /// What is wanted of a file.
    enum class need : std::uint8_t {
        descriptor,
        content,  ///< A `body` will do where there is one.
    };

    /// What `tree::open` gives for `name`, from the cache where it has it. A name is kept from its
    /// second use on: what is asked for once costs no watches. Errors as `tree::open`; none is kept
    /// but that a name is not there. Cost of a hit: a read(2) of the queue for each batch of
    /// arrivals, and a look into a table; it never suspends. Of the first kept miss: an open and a
    /// watch more for each directory on the way.
    [[nodiscard]] runtime::task<result<shared_file_ptr>> open(const path& name,
                                                              need what = need::descriptor);

    /// Whether `known`, which `open` gave, is what the cache would give for its name at this
    /// moment, and counts it as given. False is no answer: ask `open`. Cost: a read(2) of the queue
    /// for each batch of arrivals, and when `trusted_max` is over an open, a read and a close of
    /// what is in memory, 3 us; never suspends.
    [[nodiscard]] bool use_again(const shared_file& known) noexcept;

    /// What stands for the fact that there is no `name`, for `use_again`; null: it is not kept.
    [[nodiscard]] shared_file_ptr absence_of(const path& name) noexcept;

    /// Closes what idles and what has changed unasked, once a second while there is anything, until
    /// it is asked to stop. Run it beside the service.
    [[nodiscard]] runtime::task<> run();

    /// Closes everything that no answer uses: for who lacks descriptors.
    void clear() noexcept;

    /// The same, and from then on nothing is kept: at the end of a core. Not while an `open` is
    /// under way.
    void stop_keeping() noexcept;

    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] const counters& counted() const noexcept;
    /// False: nothing can be watched here, so nothing is kept.
    [[nodiscard]] bool keeps_files() const noexcept;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace ferry::vfs
