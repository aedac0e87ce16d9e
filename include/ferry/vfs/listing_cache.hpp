#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/metadata.hpp"

namespace ferry::vfs {

/// A directory as a tree shows it.
struct directory_key {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool hides_dot_names = false;

    friend bool operator==(const directory_key&, const directory_key&) noexcept = default;
};

/// All entries of a directory as somebody sends them.
struct directory_text {
    std::string octets;
    std::string about = {};  ///< What its maker says of it.
    directory_key of = {};
};
using directory_text_ptr = std::shared_ptr<const directory_text>;
struct directory_form {
    std::string key;  ///< What it depends on besides the entries.
    directory_text_ptr text;
};

/// All entries of a directory, for the listings of one core that share them.
struct directory_content {
    std::vector<directory_entry> entries;  ///< Sorted by name.
    /// Which of them nothing tells of when they change: directories, whose times change with what
    /// is in them, links, and files with another name besides. To be looked at again before use.
    std::vector<std::uint32_t> unsure;
    /// What has been made of all of them.
    std::vector<directory_form> forms = {};
};
using directory_content_ptr = std::shared_ptr<const directory_content>;

/// Makes that of `entries`, sorted by name, of the file system `device`.
[[nodiscard]] std::shared_ptr<directory_content> make_content(std::vector<directory_entry> entries,
                                                              std::uint64_t device);

/// What one core has read of directories, found again without reading them, and never stale: what
/// is changed there before a request has arrived is seen by its answer. Each core has one, which
/// outlives its listings; `listing_bounds::kept` is where listings look for it.
///
/// Rests on inotify(7) as `file_cache` does: the queue of changes is read before the first answer
/// to what has arrived since. It tells the names that something has happened to, and those alone
/// are looked at again. A directory is found by its inode, so whoever opens it has been allowed to.
/// Only directories of file systems known as local are kept. What inotify does not tell of (writes
/// by mmap(2) and io_submit(2), file systems mounted over an entry, and what happens to a file by
/// another name that it has been given elsewhere since) is seen by who asks later than
/// `trusted_max` (decision 0031).
class listing_cache {
  public:
    struct bounds {
        std::size_t bytes_max = 8 * 1'024 * 1'024;  ///< Of entries; 0: nothing is kept.
        std::size_t directories_max = 256;          ///< A watch of the kernel's each.
        /// What could not be kept is not tried again for as long.
        runtime::duration retry_min = std::chrono::seconds(1);
        runtime::duration idle_max = std::chrono::seconds(10);    ///< Not asked for, it goes.
        runtime::duration trusted_max = std::chrono::seconds(1);  ///< Then it is read again.
    };
    struct counters {
        std::uint64_t hits = 0;
        std::uint64_t misses = 0;
        std::uint64_t kept = 0;     ///< Misses that entered the cache.
        std::uint64_t changed = 0;  ///< Left it because of a change.
        std::uint64_t updated = 0;  ///< Hits in which names were not what they had been.
        std::uint64_t evicted = 0;  ///< Left it for room, or idle.
    };
    using key = directory_key;
    struct entry;
    /// A directory that is being read while it is watched, or none. Dies before the cache.
    class reading {
      public:
        reading() noexcept;
        explicit reading(std::unique_ptr<entry> what) noexcept;
        reading(reading&&) noexcept;
        reading& operator=(reading&&) noexcept;
        ~reading();

      private:
        friend listing_cache;
        std::unique_ptr<entry> what_;
    };

    /// With more unsure entries than this a directory is not kept: they are looked at for each
    /// answer.
    static constexpr std::size_t unsure_max = 128;
    /// Nor is one in which more has changed since it was asked for.
    static constexpr std::size_t changed_max = 128;

    /// What is known of a directory.
    struct known {
        struct change {
            std::string name;
            std::uint64_t number = 0;  ///< Of the last one that happened to it.
        };
        directory_content_ptr content = {};  ///< Null: nothing.
        std::vector<change> changes = {};    ///< Of names since it was read.
    };
    /// A name and what it is now; nothing where there is none.
    struct looked_at {
        std::string name;
        std::optional<directory_entry> entry;
    };

    listing_cache(runtime::core& here, bounds most);
    listing_cache(const listing_cache&) = delete;
    listing_cache& operator=(const listing_cache&) = delete;
    ~listing_cache();

    /// The directory as it is now, but for what has changed and what is unsure: look at those and
    /// call `update`. Cost: a read(2) of the queue for each batch of arrivals, and a look into a
    /// table.
    [[nodiscard]] known find(const key& which);

    /// `before`, which `find` gave, with all its changes and unsure entries as they were found
    /// `now`. What later calls of `find` give, unless others have come first.
    [[nodiscard]] directory_content_ptr update(const key& which, known before,
                                               std::span<const looked_at> now);

    /// Watches the directory, open as `fd`, which is going to be read; none when that is not worth
    /// while: it is asked for the first time, or could not be kept a moment ago. Cost: of a watch,
    /// 3 us.
    [[nodiscard]] reading begin(const key& which, int fd);

    /// Keeps what has been read, all of the directory, unless it is too large or too much has
    /// changed meanwhile. Where it is what was known, the forms of that are its forms.
    void keep(reading done, std::shared_ptr<directory_content> content);

    /// Keeps a form of `of` together with it, as long as nothing changes; the oldest of eight makes
    /// room. Nothing happens where `of` is not kept, or the form is larger than what may be kept.
    void keep_form(const key& which, const directory_content_ptr& of, directory_form made);

    /// Whether `known`, a form that was kept, is what it would be if it were made at this moment,
    /// and counts it as given. False is no answer: list the directory. It always is where names in
    /// it are unsure. Cost: a read(2) of the queue for each batch of arrivals; never suspends.
    [[nodiscard]] bool use_again(const directory_text& known) noexcept;
    /// Whether that may ever be so of `known`, which has just been kept, or should have been.
    [[nodiscard]] bool may_use_again(const directory_text& known) const noexcept;

    /// Lets go of what idles and what has changed unasked, once a second while there is anything,
    /// until it is asked to stop. Run it beside the service.
    [[nodiscard]] runtime::task<> run();

    /// Lets go of everything; from then on nothing is kept: at the end of a core.
    void stop_keeping() noexcept;

    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] const counters& counted() const noexcept;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace ferry::vfs
