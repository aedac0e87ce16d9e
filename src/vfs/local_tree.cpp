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
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/tree.hpp"
#include "vfs/beneath.hpp"
#include "vfs/file_system.hpp"
#include "vfs/leftovers.hpp"
#include "vfs/listing.hpp"
#include "vfs/name_locks.hpp"
#include "vfs/name_variants.hpp"
#include "vfs/upload.hpp"
#include "vfs/upload_part.hpp"
#include "vfs/windows_name.hpp"

namespace ferry::vfs {
namespace {

constexpr mode_t directory_permissions = 0755;
constexpr mode_t permission_bits = 0777;

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
        co_return servable_status(opened->get(), name);
    }

    std::optional<machine_place> place_of(const path& name) const override {
        if (!home_.is_local) {
            return std::nullopt;
        }
        return machine_place{.root = root_.get(), .name = name, .device = home_.device};
    }

    runtime::task<result<listing>> list(runtime::core& here, node directory, const path& name,
                                        listing_options options) const override {
        co_return co_await begin_listing(here, std::move(directory),
                                         {.root = root_.get(),
                                          .name = name,
                                          .links = options_.links,
                                          .hides_dot_names = options_.hides_dot_names},
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
                                              .parts_kept = keeps_parts ? parts_kept_ : zero},
                                             std::move(options));
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
        const auto removed = co_await unlink(here, found->place, 0);
        if (!removed) {
            co_return failure(removed.error());
        }
        co_return result<void>{};
    }

    runtime::task<result<void>> remove_file(runtime::core& here, const path& name) const override {
        co_return co_await remove(here, name, 0);
    }

    runtime::task<result<void>> remove_directory(runtime::core& here,
                                                 const path& name) const override {
        co_return co_await remove(here, name, AT_REMOVEDIR);
    }

    runtime::task<result<void>> make_directory(runtime::core& here,
                                               const path& name) const override {
        if (name.is_root()) {
            co_return failure(errc::exists, EEXIST);
        }
        if (const auto refused = why_not_made(name)) {
            co_return failure(*refused);
        }
        const auto place = co_await locate(here, root_.get(), name, options_.links);
        if (!place) {
            co_return failure(place.error());
        }
        const auto made = co_await runtime::op_wait(
            here.io(), runtime::opcode::make_directory_at, place->directory.get(), runtime::never,
            [&place](runtime::op& make) {
                make.args.make_directory_at = {.path = place->name.c_str(),
                                               .mode = directory_permissions};
            });
        if (!made) {
            co_return failure(made.error());
        }
        co_return result<void>{};
    }

    runtime::task<result<void>> rename(runtime::core& here, rename_names names) const override {
        if (const auto refused = why_not_changed(names.from)) {
            co_return failure(*refused);
        }
        if (const auto refused = why_not_made(names.to)) {
            co_return failure(*refused);
        }
        const bool replaces = names.replace && options_.uploads == upload_policy::any;
        const auto from = co_await locate(here, root_.get(), names.from, options_.links);
        if (!from) {
            co_return failure(from.error());
        }
        const auto to = co_await locate(here, root_.get(), names.to, options_.links);
        if (!to) {
            co_return failure(to.error());
        }
        const auto held_from = co_await locks_->take(here, from->directory.get(), from->name,
                                                     name_locks::manner::shared);
        if (!held_from) {
            co_return failure(held_from.error());
        }
        const auto held_to =
            co_await locks_->take(here, to->directory.get(), to->name, name_locks::manner::shared);
        if (!held_to) {
            co_return failure(held_to.error());
        }
        const auto move = [&] {
            return runtime::op_wait(here.io(), runtime::opcode::rename_at, from->directory.get(),
                                    runtime::never, [&](runtime::op& rename) {
                                        rename.args.rename_at = {
                                            .from = from->name.c_str(),
                                            .to_directory = to->directory.get(),
                                            .to = to->name.c_str(),
                                            .flags = replaces ? 0U : RENAME_NOREPLACE};
                                    });
        };
        auto renamed = co_await move();
        if (!renamed && renamed.error() == errc::not_empty) {
            const bool is_empty =
                co_await remove_parts_alone(here, to->directory.get(), to->name.c_str());
            if (is_empty) {
                renamed = co_await move();
            }
        }
        if (!renamed && renamed.error().os_errno == EXDEV) {
            // Another file system mounted inside the tree: nothing led out of it.
            co_return failure(errc::unsupported, EXDEV);
        }
        if (!renamed) {
            co_return failure(renamed.error());
        }
        co_return result<void>{};
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
                                                        .what = what});
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

    runtime::task<result<void>> remove(runtime::core& here, const path& name, int flags) const {
        if (const auto refused = why_not_changed(name)) {
            co_return failure(*refused);
        }
        const auto place = co_await locate(here, root_.get(), name, options_.links);
        if (!place) {
            co_return failure(place.error());
        }
        const auto held = co_await locks_->take(here, place->directory.get(), place->name,
                                                name_locks::manner::shared);
        if (!held) {
            co_return failure(held.error());
        }
        auto removed = co_await unlink(here, *place, flags);
        if (!removed && removed.error() == errc::not_empty) {
            // What nobody sees keeps no directory there.
            const bool is_empty =
                co_await remove_parts_alone(here, place->directory.get(), place->name.c_str());
            if (is_empty) {
                removed = co_await unlink(here, *place, flags);
            }
        }
        if (!removed) {
            co_return failure(removed.error());
        }
        co_return result<void>{};
    }

    static runtime::op_wait unlink(runtime::core& here, const entry_place& place, int flags) {
        return {here.io(), runtime::opcode::unlink_at, place.directory.get(), runtime::never,
                [&place, flags](runtime::op& unlink) {
                    unlink.args.unlink_at = {.path = place.name.c_str(), .flags = flags};
                }};
    }

    // All are read by every core and changed by none.
    unique_fd root_;    // O_PATH.
    file_system home_;  // Of the outermost tree's root; what lies elsewhere has another device.
    tree_options options_;
    std::shared_ptr<name_locks> locks_;  // One for the outermost tree and all within it.
    runtime::offload_pool* closing_;
    runtime::duration parts_kept_ = zero;
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
