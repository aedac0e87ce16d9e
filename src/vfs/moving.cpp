#include "vfs/moving.hpp"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/runtime/op.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/wait.hpp"
#include "vfs/beneath.hpp"
#include "vfs/charge.hpp"
#include "vfs/leftovers.hpp"
#include "vfs/system_metadata.hpp"
#include "vfs/walk.hpp"

namespace ferry::vfs {
namespace {

runtime::task<result<void>> rename_once(runtime::core& here, const name_move& what) {
    const auto renamed = co_await runtime::op_wait(
        here.io(), runtime::opcode::rename_at, what.from_directory, runtime::never,
        [&](runtime::op& rename) {
            rename.args.rename_at = {.from = what.from,
                                     .to_directory = what.to_directory,
                                     .to = what.to,
                                     .flags = what.replaces ? 0U : RENAME_NOREPLACE};
        });
    if (!renamed && renamed.error().os_errno == EXDEV) {
        // Another file system mounted inside the tree: nothing led out of it.
        co_return failure(errc::unsupported, EXDEV);
    }
    if (!renamed) {
        co_return failure(renamed.error());
    }
    co_return result<void>{};
}

/// Renames, to a directory that looks empty too.
runtime::task<result<void>> rename_to(runtime::core& here, const name_move& what) {
    auto renamed = co_await rename_once(here, what);
    if (!renamed && renamed.error() == errc::not_empty) {
        const bool is_empty = co_await remove_parts_alone(here, {.above = what.to_directory,
                                                                 .name = what.to,
                                                                 .homes = what.homes,
                                                                 .locks = &what.locks});
        if (is_empty) {
            renamed = co_await rename_once(here, what);
        }
    }
    co_return renamed;
}

std::string without_slash(std::string_view name) {
    while (name.ends_with('/')) {
        name.remove_suffix(1);
    }
    return std::string(name);
}

directory_id id_of(const metadata& of) noexcept {
    return {.device = of.device, .inode = of.inode};
}

/// A directory that is to be moved, and what moves with it.
struct moved_directory {
    directory_id id;
    measured beneath;
};

/// Nothing where the name is none of a directory.
runtime::task<result<std::optional<moved_directory>>> measure_beneath(runtime::core& here,
                                                                      int above,
                                                                      const std::string& name) {
    const auto entry = co_await find_entry(here, above, name.c_str());
    if (!entry) {
        co_return failure(entry.error());
    }
    if (!*entry) {
        co_return failure(errc::not_found, ENOENT);
    }
    if ((*entry)->kind != file_kind::directory) {
        co_return std::nullopt;
    }
    moved_directory made{.id = id_of(**entry), .beneath = {}};
    const auto directory = co_await open_beneath(
        here,
        {.directory = above, .name = name.c_str(), .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW});
    if (!directory && directory.error() == errc::denied) {
        made.beneath.passed_over = 1;
        co_return made;
    }
    if (!directory) {
        co_return failure(directory.error());
    }
    made.beneath = co_await measure(here, {.root = directory->get()});
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    if (scope.stop_requested()) {
        co_return failure(errc::cancelled);
    }
    co_return made;
}

/// Where a rename counts, and what.
struct counted_move {
    charge all;      ///< The homes of where it goes: they lose what it replaces.
    charge gaining;  ///< Those of them that it comes into.
    charge losing;   ///< Those that it leaves.
    std::optional<moved_directory> with;  ///< Between two homes: it has been measured.

    [[nodiscard]] bool crosses() const noexcept { return gaining.counts() || losing.counts(); }
};

std::uint64_t less(std::uint64_t a, std::uint64_t b) noexcept {
    return a > b ? a - b : 0;
}

/// While a directory is being renamed: from before it is until `end`, or it dies.
class renaming_directory {
  public:
    renaming_directory(counted_move& counted, home_table& homes) noexcept
        : counted_(counted), homes_(homes) {
        homes_.begin_directory_rename();
        note_move();
    }
    renaming_directory(const renaming_directory&) = delete;
    renaming_directory& operator=(const renaming_directory&) = delete;
    ~renaming_directory() { end(); }

    void end() noexcept {
        if (!std::exchange(is_over_, true)) {
            note_move();
            homes_.end_directory_rename();
        }
    }

  private:
    void note_move() noexcept {
        if (counted_.crosses()) {
            homes_.note_move();
            for (charge* each : {&counted_.all, &counted_.gaining, &counted_.losing}) {
                each->know_of_move();
            }
        }
    }

    counted_move& counted_;
    home_table& homes_;
    bool is_over_ = false;
};

/// Both names are this rename's alone, and nothing stops it.
runtime::task<result<void>> rename_counted(runtime::core& here, const name_move& what,
                                           counted_move& counted) {
    const auto from_name = without_slash(what.from);
    const auto to_name = without_slash(what.to);
    const auto from = co_await find_entry(here, what.from_directory, from_name.c_str());
    if (!from) {
        co_return failure(from.error());
    }
    if (!*from) {
        co_return failure(errc::not_found, ENOENT);
    }
    const auto to = co_await find_entry(here, what.to_directory, to_name.c_str());
    if (!to) {
        co_return failure(to.error());
    }
    // Of two names of one file rename(2) leaves both.
    const bool is_same = *to && (*to)->device == (*from)->device && (*to)->inode == (*from)->inode;
    const bool is_directory = (*from)->kind == file_kind::directory;
    amount moved = amount_of(**from);
    if (counted.crosses()) {
        const bool is_measured = is_directory == counted.with.has_value() &&
                                 (!is_directory || counted.with->id == id_of(**from));
        if (!is_measured) {  // Something else has the name since.
            co_return failure(errc::busy);
        }
        if (is_directory) {
            moved.octets += counted.with->beneath.sum.octets;
            moved.files += counted.with->beneath.sum.files;
        }
    }
    const amount replaced = *to && !is_same ? amount_of(**to) : amount{};
    if (is_same) {
        moved = {};
    }
    const auto has_room = counted.gaining.set_aside({.octets = less(moved.octets, replaced.octets),
                                                     .files = less(moved.files, replaced.files)});
    if (!has_room) {
        co_return has_room;
    }
    std::optional<renaming_directory> goes_on;
    if (is_directory) {
        goes_on.emplace(counted, *what.homes);
    }
    // A walk may see it at both places, or at none.
    charge::change ends(counted.all, {.octets = replaced.octets + moved.octets,
                                      .files = replaced.files + moved.files});
    charge::change gains(counted.gaining, moved);
    charge::change losses(counted.losing, moved);
    const auto renamed = co_await rename_to(here, what);
    if (goes_on) {
        goes_on->end();
    }
    if (renamed) {
        ends.done({}, replaced, {});
        gains.done(moved, {}, {});
        losses.done({}, moved, {});
    }
    co_return renamed;
}

/// Takes both names for this move alone, with `from` what was expected of it, if anything was.
runtime::task<result<name_locks::two_holds>> hold_both(runtime::core& here, const name_move& what) {
    auto one = key_of_entry(what.from_directory, what.from);
    auto other = key_of_entry(what.to_directory, what.to);
    if (!one || !other) {
        co_return failure(!one ? one.error() : other.error());
    }
    auto names = co_await what.locks.take_both(here, std::move(*one), std::move(*other));
    if (names && what.expected != nullptr) {
        const auto same = co_await expect_still(here, *what.expected);
        if (!same) {
            co_return failure(same.error());
        }
    }
    co_return names;
}

runtime::task<result<void>> move_counted(runtime::core& here, const name_move& what,
                                         counted_move counted) {
    if (counted.gaining.is_limited()) {
        const auto known = co_await counted.gaining.wait_for_count(here);
        if (!known) {
            co_return known;
        }
    }
    if (counted.crosses()) {
        const auto found =
            co_await measure_beneath(here, what.from_directory, without_slash(what.from));
        if (!found) {
            co_return failure(found.error());
        }
        counted.with = *found;
    }
    const auto names = co_await hold_both(here, what);
    if (!names) {
        co_return failure(names.error());
    }
    runtime::stop_scope unstopped;
    const auto renamed = co_await rename_counted(here, what, counted).in_scope(unstopped);
    if (renamed && counted.with) {  // What came into it or left it meanwhile was not seen.
        counted.gaining.doubt();
        counted.losing.doubt();
    }
    co_return renamed;
}

/// Where nothing counts, and `from` must be what was expected of it.
runtime::task<result<void>> move_expected(runtime::core& here, const name_move& what) {
    const auto names = co_await hold_both(here, what);
    if (!names) {
        co_return failure(names.error());
    }
    co_return co_await rename_to(here, what);
}

}  // namespace

runtime::task<result<void>> expect_still(runtime::core& here, expected_name what) {
    const auto now = co_await what.files.status(here, what.name);
    if (!now) {
        co_return failure(now.error());
    }
    co_return is_still(what.status, *now) ? result<void>{} : failure(errc::busy);
}

runtime::task<result<void>> move_name(runtime::core& here, name_move what) {
    auto leaves = co_await charge::find(here, what.homes, what.from_directory, what.limit);
    if (!leaves) {
        co_return failure(leaves.error());
    }
    auto enters = co_await charge::find(here, what.homes, what.to_directory, what.limit);
    if (!enters) {
        co_return failure(enters.error());
    }
    if (leaves->counts() || enters->counts()) {
        auto gaining = enters->without(*leaves);
        auto losing = leaves->without(*enters);
        co_return co_await move_counted(here, what,
                                        {.all = std::move(*enters),
                                         .gaining = std::move(gaining),
                                         .losing = std::move(losing),
                                         .with = {}});
    }
    if (what.expected != nullptr) {
        const auto renamed = co_await move_expected(here, what);
        leaves->note_uncounted();
        enters->note_uncounted();
        co_return renamed;
    }
    const auto held_source =
        co_await what.locks.take(here, what.from_directory, what.from, name_locks::manner::shared);
    if (!held_source) {
        co_return failure(held_source.error());
    }
    const auto held_target =
        co_await what.locks.take(here, what.to_directory, what.to, name_locks::manner::shared);
    if (!held_target) {
        co_return failure(held_target.error());
    }
    const auto renamed = co_await rename_to(here, what);
    leaves->note_uncounted();
    enters->note_uncounted();
    co_return renamed;
}

}  // namespace ferry::vfs
