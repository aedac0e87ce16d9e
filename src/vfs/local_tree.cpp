#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/kernel.hpp"
#include "ferry/runtime/compute.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/tree.hpp"
#include "vfs/beneath.hpp"
#include "vfs/charge.hpp"
#include "vfs/file_system.hpp"
#include "vfs/leftovers.hpp"
#include "vfs/listing.hpp"
#include "vfs/moving.hpp"
#include "vfs/name_locks.hpp"
#include "vfs/name_variants.hpp"
#include "vfs/system_metadata.hpp"
#include "vfs/upload.hpp"
#include "vfs/upload_part.hpp"
#include "vfs/walk.hpp"
#include "vfs/windows_name.hpp"

namespace ferry::vfs {
namespace {

constexpr mode_t directory_permissions = 0755;

/// The directory that holds a name, and the name in it.
struct entry_place {
    unique_fd directory;  ///< O_PATH.
    std::string name;     ///< With a '/' at its end if the client wrote one: the kernel minds it.
};

runtime::task<result<entry_place>> locate(runtime::core& here, int root, const path& name,
                                          link_policy links) {
    if (name.is_root()) {
        co_return failure(errc::denied);
    }
    const path parent = name.parent();
    auto directory = co_await open_beneath(here, {.directory = root,
                                                  .name = parent.relative(),
                                                  .flags = O_PATH | O_DIRECTORY,
                                                  .links = links});
    if (!directory) {
        co_return failure(directory.error());
    }
    entry_place place{.directory = std::move(*directory), .name = std::string(name.name())};
    if (name.wants_directory()) {
        place.name += '/';
    }
    co_return place;
}

/// A directory of the host as a tree. Links in it are the host's affair: they are followed as
/// openat2(2) and the options allow. What names the last component of a path
/// (remove, rename, upload) never follows it.
class local_tree final : public tree {
  public:
    local_tree(unique_fd root, file_system home, tree_options options,
               std::shared_ptr<name_locks> locks, runtime::offload_pool* closing = nullptr) noexcept
        : root_(std::move(root)),
          home_(home),
          options_(options),
          locks_(std::move(locks)),
          closing_(closing) {}

    void close_on(runtime::offload_pool& pool) noexcept override { closing_ = &pool; }

    void keep_parts(runtime::duration age_max) noexcept override { parts_kept_ = age_max; }

    void count_for(home_table& homes, const path& at) override {
        homes_ = &homes;
        locks_ = homes.names();
        const auto status = metadata_of(root_.get());
        FERRY_ASSERT(status.has_value());  // It is open.
        homes.add_root(at, {.device = status->device, .inode = status->inode});
    }

    void note_replacements(replacement_table& table) noexcept override { replacements_ = &table; }

    runtime::task<result<void>> hold_to(runtime::core&, held_to limit) override {
        limit_ = std::move(limit);
        co_return result<void>{};
    }

    runtime::task<measured> measure(runtime::core& here, listing_bounds& turns,
                                    std::span<const directory_id> apart) const override {
        co_return co_await vfs::measure(here,
                                        {.root = root_.get(), .turns = &turns, .apart = apart});
    }

    runtime::task<result<node>> open(runtime::core& here, const path& name) const override {
        if (const auto refused = why_not_reached(name)) {
            co_return failure(*refused);
        }
        co_return co_await open_node(
            here,
            {.root = root_.get(), .name = name, .links = options_.links, .closing = closing_});
    }

    runtime::task<result<metadata>> status(runtime::core& here, const path& name) const override {
        if (const auto refused = why_not_reached(name)) {
            co_return failure(*refused);
        }
        std::string found(name.relative());
        if (name.wants_directory()) {
            found += "/.";  // The kernel looks into it, and so minds whether that is allowed.
        }
        const auto opened = co_await open_beneath(here, {.directory = root_.get(),
                                                         .name = found.c_str(),
                                                         .flags = O_PATH,
                                                         .links = options_.links});
        if (!opened) {
            co_return failure(opened.error());
        }
        co_return servable_status(opened->get(), name, status_of::all);
    }

    std::optional<machine_place> place_of(const path& name) const override {
        if (!home_.is_local) {
            return std::nullopt;
        }
        return machine_place{.root = root_.get(), .name = name, .device = home_.device};
    }

    runtime::task<result<listing>> list(runtime::core& here, node directory, const path& name,
                                        listing_options options) const override {
        co_return co_await begin_listing(
            here, std::move(directory),
            {.root = root_.get(),
             .name = name,
             .links = options_.links,
             .hides_dot_names = options_.hides_dot_names,
             .local_device = home_.is_local ? std::optional(home_.device) : std::nullopt,
             .waits_for_nobody = home_.waits_for_nobody},
            std::move(options));
    }

    runtime::task<result<upload>> begin_upload(runtime::core& here, const path& name,
                                               upload_options options) const override {
        if (const auto refused = why_not_made(name)) {
            co_return failure(*refused);
        }
        if (options_.uploads == upload_policy::none ||
            (options_.uploads == upload_policy::create && options.restart_offset != 0)) {
            co_return failure(errc::denied);
        }
        const bool keeps_parts = options_.uploads == upload_policy::any;
        if (options_.uploads == upload_policy::create) {
            options.mode = upload_mode::create;  // A file that is not there is empty to all modes.
        }
        co_return co_await vfs::begin_upload(here,
                                             {.root = root_.get(),
                                              .name = name,
                                              .links = options_.links,
                                              .home = home_,
                                              .closing = closing_,
                                              .locks = locks_.get(),
                                              .parts_kept = keeps_parts ? parts_kept_ : zero,
                                              .homes = homes_,
                                              .limit = limit_,
                                              .replacements = replacements_},
                                             std::move(options));
    }

    runtime::task<result<std::uint64_t>> free_octets(runtime::core& here,
                                                     const path& name) const override {
        if (const auto refused = why_not_changed(name)) {
            co_return failure(*refused);
        }
        if (options_.uploads == upload_policy::none) {
            co_return failure(errc::denied);
        }
        const auto directory = co_await open_beneath(here, {.directory = root_.get(),
                                                            .name = name.relative(),
                                                            .flags = O_PATH | O_DIRECTORY,
                                                            .links = options_.links});
        if (!directory) {
            co_return failure(directory.error());
        }
        struct answer {
            int error = 0;
            std::uint64_t octets = 0;
        };
        runtime::stop_scope unstopped;  // The descriptor is needed until the end.
        const auto asked = co_await runtime::run_offloaded(
                               here,
                               +[](int fd) {
                                   struct statfs found{};
                                   if (kernel::fstatfs(fd, found) != 0) {
                                       return answer{.error = errno};
                                   }
                                   const auto block =
                                       found.f_frsize != 0 ? found.f_frsize : found.f_bsize;
                                   return answer{.octets = std::uint64_t{found.f_bavail} *
                                                           static_cast<std::uint64_t>(block)};
                               },
                               directory->get())
                               .in_scope(unstopped);
        if (!asked) {
            co_return failure(asked.error());
        }
        if (asked->error != 0) {
            co_return failure_from_errno(asked->error);
        }
        co_return asked->octets;
    }

    [[nodiscard]] allowed_changes allowed_in([[maybe_unused]] const path& name) const override {
        return {.names = !options_.is_read_only,
                .uploads = options_.uploads != upload_policy::none,
                .replacing = options_.uploads == upload_policy::any};
    }

    runtime::task<result<metadata>> part_status(runtime::core& here, const path& name,
                                                std::string_view owner) const override {
        const auto found = co_await find_part(here, name, owner);
        if (!found) {
            co_return failure(found.error());
        }
        co_return found->status;
    }

    runtime::task<result<void>> remove_part(runtime::core& here, const path& name,
                                            std::string_view owner) const override {
        const auto found = co_await find_part(here, name, owner);
        if (!found) {
            co_return failure(found.error());
        }
        auto counted = co_await charge::find(here, homes_, found->place.directory.get());
        if (!counted) {
            co_return failure(counted.error());
        }
        co_return co_await remove_counted(here, *counted,
                                          {.directory = found->place.directory.get(),
                                           .name = found->place.name.c_str(),
                                           .locks = counted->counts() ? locks_.get() : nullptr});
    }

    runtime::task<result<replacement>> replacement_of(runtime::core& here, const path& name,
                                                      std::string_view account) const override {
        if (replacements_ == nullptr || !replacements_->has_any() || account.empty() ||
            why_not_made(name)) {
            co_return replacement::none;
        }
        const auto place = co_await locate(here, root_.get(), name, options_.links);
        if (!place) {
            co_return failure(place.error());
        }
        const auto key = key_of_entry(place->directory.get(), place->name);
        if (!key) {
            co_return failure(key.error());
        }
        const auto state = replacements_->state_of(*key, account, here.now());
        if (state == replacement::none) {
            co_return state;
        }
        const auto taken = co_await open_beneath(here, {.directory = place->directory.get(),
                                                        .name = place->name.c_str(),
                                                        .flags = O_PATH | O_NOFOLLOW});
        co_return taken ? state : replacement::none;
    }

    runtime::task<result<void>> remove_file(runtime::core& here, const path& name,
                                            const metadata* expected) const override {
        co_return co_await remove(here, name, 0, expected);
    }

    runtime::task<result<void>> remove_directory(runtime::core& here,
                                                 const path& name) const override {
        co_return co_await remove(here, name, AT_REMOVEDIR, nullptr);
    }

    runtime::task<result<void>> make_directory(runtime::core& here,
                                               const path& name) const override {
        co_return co_await make_entry(here, name, {.links = options_.links});
    }

    runtime::task<result<void>> make_link(runtime::core& here, link_names names) const override {
        if (options_.links == link_policy::refuse) {
            co_return failure(errc::denied);
        }
        if (names.name.is_within(names.target)) {
            co_return failure(errc::invalid, ELOOP);
        }
        const auto found = co_await status(here, names.target);
        if (!found) {
            co_return failure(found.error());
        }
        co_return co_await make_entry(
            here, names.name,
            {.links = link_policy::refuse, .link_text = names.name.link_text_to(names.target)});
    }

    /// What `make_entry` makes.
    struct new_entry {
        link_policy links;           ///< On the way to it.
        std::string link_text = {};  ///< Of a link; empty: a directory.
    };
    runtime::task<result<void>> make_entry(runtime::core& here, const path& name,
                                           new_entry what) const {
        if (name.is_root()) {
            co_return failure(errc::exists, EEXIST);
        }
        if (const auto refused = why_not_made(name)) {
            co_return failure(*refused);
        }
        const auto place = co_await locate(here, root_.get(), name, what.links);
        if (!place) {
            co_return failure(place.error());
        }
        auto counted = co_await charge::find(here, homes_, place->directory.get(), limit_);
        if (!counted) {
            co_return failure(counted.error());
        }
        if (!counted->counts()) {
            const auto made = co_await make_it(here, *place, what);
            counted->note_uncounted();
            co_return made;
        }
        const auto known = co_await counted->wait_for_count(here);
        if (!known) {
            co_return known;
        }
        // Else who replaces it by a rename may not have seen it.
        const auto held = co_await locks_->take(here, place->directory.get(), place->name,
                                                name_locks::manner::alone);
        if (!held) {
            co_return failure(held.error());
        }
        runtime::stop_scope unstopped;  // One that was made would be counted never.
        co_return co_await make_counted(here, *place, what, *counted).in_scope(unstopped);
    }

    runtime::task<result<void>> rename(runtime::core& here, rename_names names) const override {
        if (const auto refused = why_not_changed(names.from)) {
            co_return failure(*refused);
        }
        if (const auto refused = why_not_made(names.to)) {
            co_return failure(*refused);
        }
        const bool replaces = names.replace && options_.uploads == upload_policy::any;
        std::optional<expected_name> expected;
        if (names.expected != nullptr) {
            expected.emplace(
                expected_name{.files = *this, .name = names.from, .status = *names.expected});
        }
        const auto from = co_await locate(here, root_.get(), names.from, options_.links);
        if (!from) {
            co_return failure(from.error());
        }
        const auto to = co_await locate(here, root_.get(), names.to, options_.links);
        if (!to) {
            co_return failure(to.error());
        }
        const auto moved = co_await move_name(here, {.from_directory = from->directory.get(),
                                                     .from = from->name.c_str(),
                                                     .to_directory = to->directory.get(),
                                                     .to = to->name.c_str(),
                                                     .replaces = replaces,
                                                     .expected = expected ? &*expected : nullptr,
                                                     .locks = *locks_,
                                                     .homes = homes_,
                                                     .limit = limit_});
        if (moved) {
            forget_replacements(*from);
            forget_replacements(*to);
        }
        co_return moved;
    }

    runtime::task<result<std::unique_ptr<tree>>> subtree(runtime::core& here,
                                                         const path& name) const override {
        if (const auto refused = why_not_reached(name)) {
            co_return failure(*refused);
        }
        auto directory = co_await open_beneath(here, {.directory = root_.get(),
                                                      .name = name.relative(),
                                                      .flags = O_PATH | O_DIRECTORY,
                                                      .links = options_.links});
        if (!directory) {
            co_return failure(directory.error());
        }
        auto made =
            std::make_unique<local_tree>(std::move(*directory), home_, options_, locks_, closing_);
        made->keep_parts(parts_kept_);
        made->homes_ = homes_;
        made->replacements_ = replacements_;
        made->limit_ = limit_;
        co_return made;
    }

    runtime::task<result<void>> set_modified(runtime::core& here, const path& name,
                                             wall_time modified) const override {
        FERRY_ASSERT(modified.nanoseconds < 1'000'000'000);  // Above lie UTIME_NOW and UTIME_OMIT.
        const auto found = co_await open_changed(here, name);
        if (!found) {
            co_return failure(found.error());
        }
        const timespec times[2] = {
            {.tv_sec = 0, .tv_nsec = UTIME_OMIT},
            {.tv_sec = modified.seconds, .tv_nsec = modified.nanoseconds},
        };
        // That it takes such a descriptor is Linux's, since 5.8.
        if (kernel::utimensat(found->file.get(), "", times, AT_EMPTY_PATH) != 0) {
            co_return failure_from_errno(errno);
        }
        co_return result<void>{};
    }

    runtime::task<result<void>> set_permissions(runtime::core& here, const path& name,
                                                std::uint32_t permissions) const override {
        if ((permissions & ~permission_bits) != 0) {
            co_return failure(errc::invalid);
        }
        const auto found = co_await open_changed(here, name);
        if (!found) {
            co_return failure(found.error());
        }
        // Those of a directory are no danger and say whose what is made in it will be.
        const bool keeps_bits = found->status.kind == file_kind::directory;
        const mode_t kept = keeps_bits ? found->status.mode & ~permission_bits : 0U;
        if (kernel::chmod_opened(found->file.get(), permissions | kept) != 0) {
            co_return failure_from_errno(errno);
        }
        co_return result<void>{};
    }

    runtime::task<leftovers_found> remove_leftovers(runtime::core& here, listing_bounds& turns,
                                                    leftover_kinds what) const override {
        if (options_.is_read_only || options_.uploads == upload_policy::none) {
            co_return leftovers_found{};
        }
        co_return co_await vfs::remove_leftovers(here, {.root = root_.get(),
                                                        .home = home_,
                                                        .turns = turns,
                                                        .parts_kept = parts_kept_,
                                                        .what = what,
                                                        .homes = homes_,
                                                        .locks = locks_.get()});
    }

  private:
    static constexpr auto zero = runtime::duration::zero();

    // Why a name may not be read, changed or given to something new, by the options alone.
    [[nodiscard]] std::optional<error> why_not_reached(const path& name) const noexcept {
        if (options_.hides_dot_names && name.has_dot_name()) {
            return error{.code = errc::not_found, .os_errno = ENOENT};
        }
        return std::nullopt;
    }
    [[nodiscard]] std::optional<error> why_not_changed(const path& name) const noexcept {
        if (options_.is_read_only) {
            return error{.code = errc::read_only, .os_errno = EROFS};
        }
        return why_not_reached(name);
    }
    [[nodiscard]] std::optional<error> why_not_made(const path& name) const noexcept {
        const auto refused = why_not_changed(name);
        if (refused) {
            return *refused == errc::not_found ? error{.code = errc::denied} : *refused;
        }
        if (options_.refuses_windows_names && is_reserved_windows_name(name.name())) {
            return error{.code = errc::invalid};
        }
        return std::nullopt;
    }

    /// A file or directory whose attributes change, and its status.
    struct changed_file {
        unique_fd file;  ///< O_PATH: needs no permission to read, touches no FIFO or device.
        metadata status;
    };
    runtime::task<result<changed_file>> open_changed(runtime::core& here, const path& name) const {
        if (const auto refused = why_not_changed(name)) {
            co_return failure(*refused);
        }
        auto opened = co_await open_beneath(here, {.directory = root_.get(),
                                                   .name = name.relative(),
                                                   .flags = O_PATH,
                                                   .links = options_.links});
        if (!opened) {
            co_return failure(opened.error());
        }
        const auto status = servable_status(opened->get(), name);
        if (!status) {
            co_return failure(status.error());
        }
        co_return changed_file{.file = std::move(*opened), .status = *status};
    }

    /// A part of an upload, and its status.
    struct found_part {
        entry_place place;  ///< Its own name.
        metadata status;
    };
    runtime::task<result<found_part>> find_part(runtime::core& here, const path& name,
                                                std::string_view owner) const {
        const auto hidden = make_part_name(owner, name.name());
        if (parts_kept_ == zero || options_.uploads != upload_policy::any || hidden.empty() ||
            why_not_made(name) || name.wants_directory()) {
            co_return failure(errc::not_found);
        }
        auto place = co_await locate(here, root_.get(), name, options_.links);
        if (!place) {
            co_return failure(place.error());
        }
        const int directory = place->directory.get();
        const auto found = co_await open_a_part(
            here, {.directory = directory, .name = hidden.c_str(), .age_max = parts_kept_}, O_PATH);
        if (!found) {
            co_return failure(found.error());
        }
        if (is_owner_apart(owner)) {
            place->name = hidden;
            co_return found_part{.place = std::move(*place), .status = found->status};
        }
        // Whatever it is, a link to nowhere too: no upload goes on with a part there.
        const auto taken = co_await open_beneath(
            here,
            {.directory = directory, .name = place->name.c_str(), .flags = O_PATH | O_NOFOLLOW});
        if (taken) {
            co_return failure(errc::not_found);
        }
        place->name = hidden;
        co_return found_part{.place = std::move(*place), .status = found->status};
    }

    runtime::task<result<void>> remove(runtime::core& here, const path& name, int flags,
                                       const metadata* expected) const {
        if (const auto refused = why_not_changed(name)) {
            co_return failure(*refused);
        }
        const auto place = co_await locate(here, root_.get(), name, options_.links);
        if (!place) {
            co_return failure(place.error());
        }
        auto counted = co_await charge::find(here, homes_, place->directory.get());
        if (!counted) {
            co_return failure(counted.error());
        }
        name_locks::hold alone;
        if (expected != nullptr) {
            auto taken = co_await locks_->take(here, place->directory.get(), place->name,
                                               name_locks::manner::alone);
            if (!taken) {
                co_return failure(taken.error());
            }
            alone = std::move(*taken);
            const auto same =
                co_await expect_still(here, {.files = *this, .name = name, .status = *expected});
            if (!same) {
                co_return same;
            }
        }
        const removed_name what{.directory = place->directory.get(),
                                .name = place->name.c_str(),
                                .flags = flags,
                                .locks = expected == nullptr ? locks_.get() : nullptr};
        auto removed = co_await remove_counted(here, *counted, what);
        if (!removed && removed.error() == errc::not_empty) {
            // What nobody sees keeps no directory there.
            const bool is_empty =
                co_await remove_parts_alone(here, {.above = place->directory.get(),
                                                   .name = what.name,
                                                   .homes = homes_,
                                                   .locks = locks_.get()});
            if (is_empty) {
                removed = co_await remove_counted(here, *counted, what);
            }
        }
        if (removed) {
            forget_replacements(*place);
        }
        co_return removed;
    }

    /// Of a name that has just been changed.
    void forget_replacements(const entry_place& place) const noexcept {
        if (replacements_ != nullptr) {
            replacements_->forget(place.directory.get(), place.name);
        }
    }

    static runtime::task<result<void>> make_it(runtime::core& here, const entry_place& place,
                                               const new_entry& what) {
        const bool is_link = !what.link_text.empty();
        const auto made = co_await runtime::op_wait(
            here.io(), is_link ? runtime::opcode::symlink_at : runtime::opcode::make_directory_at,
            place.directory.get(), runtime::never, [&](runtime::op& make) {
                if (is_link) {
                    make.args.symlink_at = {.target = what.link_text.c_str(),
                                            .path = place.name.c_str()};
                } else {
                    make.args.make_directory_at = {.path = place.name.c_str(),
                                                   .mode = directory_permissions};
                }
            });
        if (!made) {
            co_return failure(made.error());
        }
        co_return result<void>{};
    }

    static runtime::task<result<void>> make_counted(runtime::core& here, const entry_place& place,
                                                    const new_entry& what, charge& counted) {
        constexpr amount one{.files = 1};
        const auto has_room = counted.set_aside(one);
        if (!has_room) {
            co_return has_room;
        }
        charge::change change(counted, one);
        const auto made = co_await make_it(here, place, what);
        if (made) {
            change.done(one, {}, {});
        }
        co_return made;
    }

    // All are read by every core and changed by none.
    unique_fd root_;    // O_PATH.
    file_system home_;  // Of the outermost tree's root; what lies elsewhere has another device.
    tree_options options_;
    std::shared_ptr<name_locks> locks_;  // One for the outermost tree and all within it.
    runtime::offload_pool* closing_;
    runtime::duration parts_kept_ = zero;
    home_table* homes_ = nullptr;                // Null: nothing counts.
    held_to limit_;                              // Of one session's tree.
    replacement_table* replacements_ = nullptr;  // Null: none are noted.
};

}  // namespace

result<std::unique_ptr<tree>> open_local_tree(const char* directory, tree_options options) {
    unique_fd root(kernel::open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) {
        return failure_from_errno(errno);
    }
    // O_PATH asks for no right; without this one nothing beneath could be reached.
    if (kernel::faccessat(root.get(), ".", X_OK, AT_EACCESS) != 0) {
        return failure_from_errno(errno);
    }
    const file_system home = file_system_of(root.get());
    auto made = std::make_unique<local_tree>(std::move(root), home, options,
                                             std::make_shared<name_locks>());
    if (options.names.are_any()) {
        return find_variants(std::move(made), options.names);
    }
    return made;
}

}  // namespace ferry::vfs
