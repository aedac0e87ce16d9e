#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/path.hpp"

namespace ferry::vfs {

class home_counter;
class name_locks;

/// How much may be in a home. 0: as much as there is room for.
struct quota {
    std::uint64_t octets_max = 0;
    std::uint64_t files_max = 0;

    [[nodiscard]] bool is_any() const noexcept { return octets_max != 0 || files_max != 0; }
    friend bool operator==(const quota&, const quota&) = default;
};

/// So much in so many files. Every name is a file: a directory, a link and whatever else there is
/// are files without octets, of a file with several names each counts, and a sparse file has the
/// octets that reading it gives.
struct amount {
    std::uint64_t octets = 0;
    std::uint64_t files = 0;

    friend bool operator==(const amount&, const amount&) = default;
};

/// What a walk through a tree has found.
struct measured {
    amount sum;
    std::size_t passed_over = 0;  ///< Directories that could not be read: there is more.
};

/// A directory, whatever path leads there.
struct directory_id {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    friend auto operator<=>(const directory_id&, const directory_id&) = default;
};

/// How long what was counted is believed: others than ferry may change files too.
inline constexpr runtime::duration count_again_after = std::chrono::hours(1);

/// The same where the count is in question, because it has refused something or its accounts were
/// read anew: others may have made room. The least time behind a count, and in what it took: so
/// that who is refused again and again costs a twentieth of a core at most.
inline constexpr runtime::duration questioned_count_again_after = std::chrono::seconds(1);
inline constexpr int questioned_count_again_walks = 20;

/// The same where something changed during the first count, or was in doubt. Twice as long each
/// time that happens again, up to the other: a home that is never still would be counted for ever.
inline constexpr runtime::duration inexact_count_again_after = std::chrono::minutes(1);

/// A directory whose content is counted, with all that lies beneath, because an account with a
/// quota has it for its home. What is counted is the table's: see there.
class home {
  public:
    home(path at, directory_id id) : at_(std::move(at)), id_(id) {}

    [[nodiscard]] const path& at() const noexcept { return at_; }  ///< In the whole tree.
    [[nodiscard]] const directory_id& id() const noexcept { return id_; }

  private:
    friend class home_table;

    path at_;
    directory_id id_;

    // The rest changes under the table's lock.
    std::int64_t octets_ = 0;  // Under their names. Before the first count: what changed.
    std::int64_t files_ = 0;
    amount set_aside_;  // By what is under way.
    amount churn_;      // All that ever changed, whichever way: a walk looks how far it moved.
    amount changing_;   // By changes that have begun and are not done.
    bool is_counted_ = false;
    bool is_exact_ = false;
    bool is_being_counted_ = false;
    bool is_doubted_ = false;  // Since the last walk began.
    runtime::time_point count_again_{};
    runtime::time_point may_count_again_{};  // As soon as that, if the count is in question.
    runtime::duration inexact_wait_ = inexact_count_again_after;  // The next one.
};

/// What the tree of one account must keep to. Nothing: to no quota.
struct held_to {
    std::shared_ptr<home> where;
    quota most;
    home_counter* counter = nullptr;  ///< Of the core whose tree it is; not null with `where`.
};

/// The homes of all accounts with a quota, and how much is in each, for all cores. A change of a
/// name counts for every home that its directory lies in, whoever made it. Outlives the trees that
/// count in it.
///
/// From any thread. One lock for all: it is held for some additions, once for each 256 KiB of an
/// upload and each change of a name, and only where some account has a quota (decision 0020).
class home_table {
  public:
    home_table();
    home_table(const home_table&) = delete;
    home_table& operator=(const home_table&) = delete;

    /// That a tree has its root in a directory and appears `at` a name of the whole tree. Before
    /// the cores start.
    void add_root(const path& at, directory_id id) { roots_.push_back({.at = at, .id = id}); }

    /// Who changes which name, for all trees that count here: a directory may be mounted twice, and
    /// a name in it is one all the same.
    [[nodiscard]] const std::shared_ptr<name_locks>& names() const noexcept { return names_; }

    /// The home at that name and in that directory; a new one is not counted yet. They stay until
    /// the end of the process: as many as homes have had quotas. Throws std::bad_alloc.
    [[nodiscard]] std::shared_ptr<home> enter(const path& at, directory_id id);

    /// False: nobody has a quota, and nothing need be counted.
    [[nodiscard]] bool has_any() const noexcept { return has_any_.load(std::memory_order_acquire); }

    struct use {
        amount used;              ///< Uploads under way included.
        amount under_way;         ///< By those, and by other changes.
        bool is_counted = false;  ///< Else nobody knows yet.
        bool is_exact = false;    ///< Nothing changed while it was counted, all could be read.
    };
    [[nodiscard]] use use_of(const home& which);

    /// All that there are just now.
    [[nodiscard]] std::vector<std::shared_ptr<home>> all();

    // ------------------------------------------------------------------- for who changes something

    /// The homes that a directory lies in, by it and all directories above it, as far as
    /// `ends_at`.
    [[nodiscard]] std::vector<std::shared_ptr<home>> homes_of(std::span<const directory_id> way);

    /// True when nothing above is anybody's home.
    [[nodiscard]] bool ends_at(directory_id id) const noexcept {
        return roots_.size() == 1 && roots_.front().id == id;
    }
    [[nodiscard]] bool is_root(directory_id id) const noexcept;

    using homes = std::span<const std::shared_ptr<home>>;

    /// Makes `now` what an upload, or whatever else is under way, has set aside in `all`, where it
    /// has `before`. Growth must leave `limit` with what it may have, if that is among them:
    /// errc::over_quota, and all is as it was.
    [[nodiscard]] result<void> set_aside(homes all, const held_to& limit, amount before,
                                         amount now);

    /// The same for another directory: what is set aside in `from` is set aside in `to` instead.
    void move_aside(homes from, homes to, amount aside) noexcept;

    /// That names are about to change, by so much at most: a walk that goes on meanwhile may see
    /// it, or not.
    void begin_change(homes all, amount size) noexcept;

    struct change {
        amount size;     ///< As it was begun.
        amount added;    ///< What is there now and was not.
        amount removed;  ///< What was there and is not.
        amount aside_before;
        amount aside_now;
    };
    /// What came of it; all 0 but the size: nothing.
    void end_change(homes all, const change& what) noexcept;

    /// Lets `all` be counted again when next somebody asks: more has changed than was seen.
    void doubt(homes all) noexcept;

    /// The same for every home.
    void doubt_all() noexcept;

    /// Lets `which` be counted again as soon as that may be (`questioned_count_again_after`), when
    /// next somebody asks: files may have gone that ferry does not know of. What was counted holds
    /// until then.
    void question(home& which) noexcept;

    /// The same for every home.
    void question_all() noexcept;

    /// How often a directory has begun or ended to move from one home to another: who found its
    /// homes before may have changed something in others.
    [[nodiscard]] std::uint64_t moves() const noexcept {
        return moves_.load(std::memory_order_acquire);
    }
    void note_move() noexcept { moves_.fetch_add(1, std::memory_order_acq_rel); }

    /// That any directory is being renamed, in one home too, and that it is over: a walk that goes
    /// on at any moment between may miss all that is in it.
    void begin_directory_rename() noexcept {
        renames_begun_.fetch_add(1, std::memory_order_acq_rel);
    }
    void end_directory_rename() noexcept { renames_ended_.fetch_add(1, std::memory_order_acq_rel); }

    /// How many homes there are. Who found those of a directory when there were fewer has changed
    /// something that the others do not know of: `doubt_since`.
    [[nodiscard]] std::size_t entered() const noexcept {
        return entered_.load(std::memory_order_acquire);
    }
    /// `doubt` for all but the first `known` homes.
    void doubt_since(std::size_t known) noexcept;

    // ------------------------------------------------------------------------ for who counts a
    // home

    /// One count under way: nobody else counts the home meanwhile. Move-only.
    class count {
      public:
        count(count&& other) noexcept
            : table_(std::exchange(other.table_, nullptr)),
              which_(std::move(other.which_)),
              renames_ended_(other.renames_ended_),
              churn_(other.churn_),
              begun_(other.begun_) {}
        count(const count&) = delete;
        count& operator=(const count&) = delete;
        count& operator=(count&& other) noexcept {
            count taken(std::move(other));
            std::swap(table_, taken.table_);
            which_.swap(taken.which_);
            std::swap(renames_ended_, taken.renames_ended_);
            std::swap(churn_, taken.churn_);
            std::swap(begun_, taken.begun_);
            return *this;
        }
        ~count() {
            if (table_ != nullptr) {
                table_->give_up(*which_);
            }
        }

        [[nodiscard]] const home& which() const noexcept { return *which_; }

      private:
        friend home_table;
        count(home_table& table, std::shared_ptr<home> which, runtime::time_point now) noexcept
            : table_(&table), which_(std::move(which)), begun_(now) {}

        home_table* table_;
        std::shared_ptr<home> which_;
        std::uint64_t renames_ended_ = 0;
        amount churn_;               ///< Where it was when the walk began, less what was changing.
        runtime::time_point begun_;  ///< When its turn was asked for.
    };

    /// The leave to count `which`, if that is due and nobody does: it never was, or not for
    /// `count_again_after`, or is in doubt.
    [[nodiscard]] std::optional<count> try_count(std::shared_ptr<home> which,
                                                 runtime::time_point now);

    /// Right before the walk begins.
    void begin_walk(count& under_way) noexcept;

    /// Sets what is counted right by what a walk has found. What changed meanwhile the walk may
    /// have seen or not: what was counted is only moved as far as it must be wrong.
    void end_walk(count under_way, const measured& found, runtime::time_point now) noexcept;

  private:
    struct root {
        path at;
        directory_id id;
    };
    using numbers = std::vector<std::size_t>;
    struct known_homes {
        std::vector<std::shared_ptr<home>> all;
        // Where they are in `all`, in order.
        std::map<directory_id, numbers> by_id;
        std::map<std::string, numbers, std::less<>> by_name;
    };

    void give_up(home& which) noexcept;
    // Under the lock.
    static void doubt_each(homes all) noexcept;
    static void count_again(home& which, runtime::time_point now) noexcept;

    std::shared_ptr<name_locks> names_;
    std::vector<root> roots_;  // Of all trees; does not change while cores run.
    std::atomic<bool> has_any_{false};
    std::atomic<std::uint64_t> moves_{0};
    std::atomic<std::uint64_t> renames_begun_{0};
    std::atomic<std::uint64_t> renames_ended_{0};
    std::atomic<std::size_t> entered_{0};
    runtime::rarely_shared<known_homes> homes_;
};

}  // namespace ferry::vfs
