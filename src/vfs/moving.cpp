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

/// What is moved with a directory, itself not; nothing where it is none.
runtime::task<result<std::optional<measured>>> measure_beneath(runtime::core& here, int above,
                                                               const std::string& name) {
    const auto directory = co_await open_beneath(
        here,
        {.directory = above, .name = name.c_str(), .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW});
    if (!directory &&
        (directory.error() == errc::not_directory || directory.error() == errc::outside_tree)) {
        co_return std::nullopt;
    }
    if (!directory && directory.error() == errc::denied) {
        co_return measured{.sum = {}, .passed_over = 1};
    }
    if (!directory) {
        co_return failure(directory.error());
    }
    const auto found = co_await measure(here, {.root = directory->get()});
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    if (scope.stop_requested()) {
        co_return failure(errc::cancelled);
    }
    co_return found;
}

/// Where a rename counts, and what.
struct counted_move {
    charge all;      ///< The homes of where it goes: they lose what it replaces.
    charge gaining;  ///< Those of them that it comes into.
    charge losing;   ///< Those that it leaves.
    amount beneath;  ///< With a directory between two homes.
};

std::uint64_t less(std::uint64_t a, std::uint64_t b) noexcept {
    return a > b ? a - b : 0;
}

/// A directory is about to be renamed, or has been.
void note_move(counted_move& counted, home_table* homes, bool crosses) noexcept {
    homes->note_renamed_directory();
    if (crosses) {
        homes->note_move();
        for (charge* each : {&counted.all, &counted.gaining, &counted.losing}) {
            each->know_of_move();
        }
    }
}

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
    amount moved = amount_of(**from);
    moved.octets += counted.beneath.octets;
    moved.files += counted.beneath.files;
    const amount replaced = *to && !is_same ? amount_of(**to) : amount{};
    if (is_same) {
        moved = {};
    }
    const auto has_room = counted.gaining.set_aside({.octets = less(moved.octets, replaced.octets),
                                                     .files = less(moved.files, replaced.files)});
    if (!has_room) {
        co_return has_room;
    }
    const bool is_directory = (*from)->kind == file_kind::directory;
    const bool crosses = counted.gaining.counts() || counted.losing.counts();
    if (is_directory) {
        note_move(counted, what.homes, crosses);
    }
    // A walk may see it at both places, or at none.
    charge::change ends(counted.all, {.octets = replaced.octets + moved.octets,
                                      .files = replaced.files + moved.files});
    charge::change gains(counted.gaining, moved);
    charge::change losses(counted.losing, moved);
    const auto renamed = co_await rename_to(here, what);
    if (is_directory) {
        note_move(counted, what.homes, crosses);
    }
    if (renamed) {
        ends.done({}, replaced, {});
        gains.done(moved, {}, {});
        losses.done({}, moved, {});
    }
    co_return renamed;
}

runtime::task<result<void>> move_counted(runtime::core& here, const name_move& what,
                                         counted_move counted) {
    const bool crosses = counted.gaining.counts() || counted.losing.counts();
    if (counted.gaining.is_limited()) {
        const auto known = co_await counted.gaining.wait_for_count(here);
        if (!known) {
            co_return known;
        }
    }
    bool is_whole = true;  // What comes into a directory or leaves it meanwhile is not seen.
    if (crosses) {
        const auto found =
            co_await measure_beneath(here, what.from_directory, without_slash(what.from));
        if (!found) {
            co_return failure(found.error());
        }
        is_whole = !found->has_value();
        counted.beneath = is_whole ? amount{} : (*found)->sum;
    }
    auto one = key_of_entry(what.from_directory, what.from);
    auto other = key_of_entry(what.to_directory, what.to);
    if (!one || !other) {
        co_return failure(!one ? one.error() : other.error());
    }
    const auto names = co_await what.locks.take_both(here, std::move(*one), std::move(*other));
    if (!names) {
        co_return failure(names.error());
    }
    runtime::stop_scope unstopped;
    const auto renamed = co_await rename_counted(here, what, counted).in_scope(unstopped);
    if (renamed && !is_whole) {
        counted.gaining.doubt();
        counted.losing.doubt();
    }
    co_return renamed;
}

}  // namespace

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
                                         .beneath = {}});
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
    co_return co_await rename_to(here, what);
}

}  // namespace ferry::vfs
