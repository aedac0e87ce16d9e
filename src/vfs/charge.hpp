#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/metadata.hpp"
#include "vfs/name_locks.hpp"

namespace ferry::vfs {

/// What one name in a directory counts.
[[nodiscard]] amount amount_of(const metadata& entry) noexcept;

/// The homes that a directory lies in, for one change there or one upload, and what is set aside in
/// them: given back when it dies. Where nobody has a quota it is empty, and everything it is asked
/// to do is nothing. Move-only. The table outlives it.
class charge {
  public:
    charge() noexcept = default;
    charge(charge&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)),
          homes_(std::move(other.homes_)),
          moves_(other.moves_),
          entered_(other.entered_),
          limit_(std::move(other.limit_)),
          aside_(std::exchange(other.aside_, {})) {}
    charge& operator=(charge&& other) noexcept {
        charge taken(std::move(other));
        std::swap(table_, taken.table_);
        homes_.swap(taken.homes_);
        std::swap(moves_, taken.moves_);
        std::swap(entered_, taken.entered_);
        std::swap(limit_, taken.limit_);
        std::swap(aside_, taken.aside_);
        return *this;
    }
    ~charge();

    /// Finds them for an open directory, by what it and the directories above it are: links,
    /// spellings and renames on the way to it do not matter. `table` may be null; `limit`: whose
    /// quota there is to keep. Errors: what keeps a directory from being reached. Cost: nothing
    /// where nobody has a quota, else 2 us for each directory above.
    [[nodiscard]] static runtime::task<result<charge>> find(runtime::core& here, home_table* table,
                                                            int directory, held_to limit = {});

    /// Waits until it is known what is in the home whose quota there is to keep, if that lies
    /// above: the first time somebody with a quota makes something, after a start. errc::busy: not
    /// in `count_wait_max` (450); cancelled.
    [[nodiscard]] runtime::task<result<void>> wait_for_count(runtime::core& here) const;

    /// True when something counts.
    [[nodiscard]] bool counts() const noexcept { return !homes_.empty(); }

    [[nodiscard]] bool has_same_homes(const charge& other) const noexcept {
        return homes_ == other.homes_;
    }

    /// Those of its homes that are none of `other`'s; nothing is set aside in them.
    [[nodiscard]] charge without(const charge& other) const;

    /// True when the home whose quota there is to keep is one of them.
    [[nodiscard]] bool is_limited() const noexcept;

    /// The same, and it may have so many octets only.
    [[nodiscard]] bool limits_octets() const noexcept {
        return is_limited() && limit_.most.octets_max != 0;
    }

    /// Finds the homes anew: the directory may have been moved since.
    [[nodiscard]] runtime::task<result<void>> look_again(runtime::core& here, int directory);

    [[nodiscard]] amount aside() const noexcept { return aside_; }

    /// Sets so much aside from now on, instead of what was. Growth may be errc::over_quota; then it
    /// is as before.
    [[nodiscard]] result<void> set_aside(amount now);

    /// One change of a name in the directory, begun before it is made and so that nothing may fail
    /// between that and `done`. Dying without it: nothing happened.
    class change {
      public:
        change(charge& of, amount size) noexcept;
        change(const change&) = delete;
        change& operator=(const change&) = delete;
        ~change() { end({}); }

        /// It was made. What was set aside is `aside` from now on.
        void done(amount added, amount removed, amount aside) noexcept {
            end({.size = {},
                 .added = added,
                 .removed = removed,
                 .aside_before = of_.aside_,
                 .aside_now = aside});
            of_.aside_ = aside;
        }

      private:
        void end(home_table::change what) noexcept;

        charge& of_;
        amount size_;
        bool is_over_ = false;
    };

    /// That a name was changed, without a `change` where nothing counts: somebody may have a home
    /// there that was entered since, and be counting it.
    void note_uncounted() const noexcept;

    /// The homes do not know all that changed in them.
    void doubt() noexcept;

    /// Of a move (`home_table::note_move`) that this charge is about.
    void know_of_move() noexcept { ++moves_; }

  private:
    home_table* table_ = nullptr;
    std::vector<std::shared_ptr<home>> homes_;
    std::uint64_t moves_ = 0;  ///< As of when they were found.
    std::size_t entered_ = 0;  ///< The same: how many homes there were.
    held_to limit_;
    amount aside_;
};

/// How long what is made waits for the first count of a home.
inline constexpr runtime::duration count_wait_max = std::chrono::seconds(30);

/// What has a name, a link not followed; nothing when it is free. `is_local`: as in
/// `runtime::open_at_args`.
[[nodiscard]] runtime::task<result<std::optional<metadata>>> find_entry(runtime::core& here,
                                                                        int directory,
                                                                        const char* name,
                                                                        bool is_local = false);

/// What to remove: a name in an open directory.
struct removed_name {
    int directory = -1;
    const char* name = nullptr;
    int flags = 0;                ///< Of unlinkat(2).
    name_locks* locks = nullptr;  ///< Null: whoever calls has the name alone.
};

/// Removes a name and counts what it was, if `counted` counts. Where it does it is deaf to stop
/// requests once it has begun. Errors: of unlinkat(2); cancelled.
[[nodiscard]] runtime::task<result<void>> remove_counted(runtime::core& here, charge& counted,
                                                         removed_name what);

}  // namespace ferry::vfs
