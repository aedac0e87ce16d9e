#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/entry_key.hpp"

namespace ferry::vfs {

/// What has become of the upload with which an account meant to replace a file.
enum class replacement : std::uint8_t {
    none,       ///< There was none, or it has ended well.
    under_way,  ///< It goes on.
    cut_off,    ///< It ended before it was whole, and the old file stands.
    forgotten,  ///< Maybe that: too many of the account's were cut off to remember each.
};

/// Which files accounts have begun to replace and not replaced, for all cores: of such a file, its
/// size is the old one's, and an upload that goes on from there would join the old beginning to the
/// new rest (threats.md, V12). Of what the accounts of a process have done in its life; a restart
/// forgets.
///
/// From any thread, under a lock for a look into a map: once or twice for each upload that replaces
/// a file, and where anything is noted at all once for each change of a name. Bounded: some 400
/// octets a name.
class replacement_table {
  public:
    struct numbers {
        /// How long an upload that was cut off is remembered.
        runtime::duration memory = std::chrono::hours(24);
        /// Uploads that were cut off, of all accounts together. One more, and the account with the
        /// most of them loses those: for `memory` it is `replacement::forgotten` for every file.
        std::size_t names_max = 4'096;
    };

    explicit replacement_table(const numbers& settings) noexcept : settings_(settings) {}
    replacement_table(const replacement_table&) = delete;
    replacement_table& operator=(const replacement_table&) = delete;

    /// One upload, from its beginning until one of its two ends; dying without one it is as if it
    /// had not begun. Move-only. Must not outlive the table.
    class attempt {
      public:
        attempt() noexcept = default;
        attempt(attempt&& other) noexcept
            : table_(std::exchange(other.table_, nullptr)), what_(std::move(other.what_)) {}
        attempt(const attempt&) = delete;
        attempt& operator=(const attempt&) = delete;
        attempt& operator=(attempt&& other) noexcept {
            attempt taken(std::move(other));
            std::swap(table_, taken.table_);
            what_.swap(taken.what_);
            return *this;
        }
        ~attempt() {
            if (table_ != nullptr) {
                table_->end(what_, outcome::given_up, {});
            }
        }

        [[nodiscard]] explicit operator bool() const noexcept { return table_ != nullptr; }

        /// The file has its name: what the account left undone there is forgotten.
        void is_whole() noexcept { std::exchange(table_, nullptr)->end(what_, outcome::whole, {}); }
        /// It will not have it. `now` is when its memory begins.
        void was_cut_off(runtime::time_point now) noexcept {
            std::exchange(table_, nullptr)->end(what_, outcome::cut_off, now);
        }

      private:
        friend replacement_table;
        attempt(replacement_table& table, std::pair<entry_key, std::string> what) noexcept
            : table_(&table), what_(std::move(what)) {}

        replacement_table* table_ = nullptr;
        std::pair<entry_key, std::string> what_;
    };

    /// Begins an upload of `account` in the place of the file `name`. Throws std::bad_alloc.
    [[nodiscard]] attempt begin(entry_key name, std::string account, runtime::time_point now);

    /// What there is against going on with the file `name`, for `account`.
    [[nodiscard]] replacement state_of(const entry_key& name, std::string_view account,
                                       runtime::time_point now);

    /// The file was removed, renamed, or has been replaced by somebody without an account: there is
    /// nothing left to mix with, for any account.
    void forget(const entry_key& name) noexcept;

    /// The same for `name` in an open directory, after it was changed: what cannot be told for want
    /// of memory stays noted.
    void forget(int directory, std::string_view name) noexcept;

    /// False: nothing is noted, and no name need be looked for.
    [[nodiscard]] bool has_any() const noexcept { return has_any_.load(std::memory_order_acquire); }

    /// Names noted, uploads under way included.
    [[nodiscard]] std::size_t size();

  private:
    using key = std::pair<entry_key, std::string>;  ///< And an account.
    /// By name first, so that all accounts with a name are neighbours.
    struct order {
        using is_transparent = void;
        bool operator()(const key& one, const key& other) const noexcept { return one < other; }
        bool operator()(const key& one, const entry_key& other) const noexcept {
            return one.first < other;
        }
        bool operator()(const entry_key& one, const key& other) const noexcept {
            return one < other.first;
        }
    };
    enum class outcome : std::uint8_t { whole, cut_off, given_up };
    struct record {
        std::uint32_t under_way = 0;
        bool is_cut_off = false;
        runtime::time_point last;  ///< When it was.
    };
    using records = std::map<key, record, order>;
    struct contents {
        records names;
        std::size_t cut_off = 0;  ///< Of them.
        /// Until when accounts have more than is remembered.
        std::map<std::string, runtime::time_point, std::less<>> forgotten;
    };

    void end(const key& what, outcome how, runtime::time_point now) noexcept;
    [[nodiscard]] bool is_over(const record& what, runtime::time_point now) const noexcept;
    void make_room(contents& all, runtime::time_point now) const;
    void forget_most(contents& all, runtime::time_point now) const;
    void look(const contents& all) noexcept;
    static void clear(contents& all, records::iterator which) noexcept;

    numbers settings_;
    std::atomic<bool> has_any_{false};
    runtime::rarely_shared<contents> all_;
};

}  // namespace ferry::vfs
