#include "ferry/vfs/mount_table.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/wall_clock.hpp"
#include "vfs/listing.hpp"
#include "vfs/name_variants.hpp"

namespace ferry::vfs {
namespace {

constexpr std::uint32_t way_permissions = 0555;

/// A name that is there because of the mounts: one of them, or a directory on the way to some.
struct point {
    std::string name;  ///< The last component of `at`.
    path at;
    std::shared_ptr<tree> files;  ///< What is mounted here; null: only on the way.
    name_rules names{};           ///< Of `files`.
    std::uint64_t number = 1;     ///< Among all points, in place of an inode's.
    std::vector<point> beneath;   ///< By name.
};

/// Whose a name is.
struct place {
    const point* owner = nullptr;  ///< The mount it lies in; null: in none.
    const point* at = nullptr;     ///< The point that has this name; null: it is within the tree.
    std::size_t owner_bytes = 0;   ///< How much of the name leads to `owner`.

    [[nodiscard]] name_rules names() const noexcept {
        return owner == nullptr ? name_rules{} : owner->names;
    }

    [[nodiscard]] bool is_on_the_way() const noexcept { return at != nullptr && !at->files; }
};

/// The point of that name, or of the only one that is the same by `rules`.
const point* find_beneath(const point& above, std::string_view name, name_rules rules) {
    const auto found = std::ranges::lower_bound(above.beneath, name, {}, &point::name);
    if (found != above.beneath.end() && found->name == name) {
        return &*found;
    }
    const point* variant = nullptr;
    if (rules.are_any() && !above.beneath.empty()) {
        const std::string key = key_of(name, rules);
        for (const point& each : above.beneath) {
            if (key_of(each.name, rules) == key) {
                if (variant != nullptr) {
                    return nullptr;
                }
                variant = &each;
            }
        }
    }
    return variant;
}

point& make_beneath(point& above, std::string_view name, std::uint64_t& points) {
    const auto found = std::ranges::lower_bound(above.beneath, name, {}, &point::name);
    if (found != above.beneath.end() && found->name == name) {
        return *found;
    }
    auto at = above.at.resolve(name);
    FERRY_ASSERT(at.has_value());  // A piece of a path that is one.
    return *above.beneath.insert(found, {.name = std::string(name),
                                         .at = std::move(*at),
                                         .files = nullptr,
                                         .number = ++points,
                                         .beneath = {}});
}

/// Takes the first component off `text`, which begins with '/'.
std::string_view take_component(std::string_view& text) noexcept {
    text.remove_prefix(1);
    const auto name = text.substr(0, text.find('/'));
    text.remove_prefix(name.size());
    return name;
}

point build(std::vector<mount> mounts) {
    point root;
    std::uint64_t points = 1;
    for (auto& each : mounts) {
        FERRY_ASSERT(each.files != nullptr);
        point* where = &root;
        std::string_view left = each.at.text();
        while (left.size() > 1) {
            where = &make_beneath(*where, take_component(left), points);
        }
        FERRY_ASSERT(where->files == nullptr);
        where->files = std::move(each.files);
        where->names = each.names;
    }
    return root;
}

place find(const point& root, const path& name) {
    place found{.owner = root.files ? &root : nullptr, .at = &root};
    std::string_view left = name.text();
    while (left.size() > 1) {
        found.at = find_beneath(*found.at, take_component(left), found.names());
        if (found.at == nullptr) {
            break;
        }
        if (found.at->files) {
            found.owner = found.at;
            found.owner_bytes = name.text().size() - left.size();
        }
    }
    return found;
}

/// True when the tree beneath has no directory to show in the place of a point.
bool has_no_directory(const error& refused) noexcept {
    return refused == errc::not_found || refused == errc::not_directory ||
           refused == errc::not_regular || refused == errc::outside_tree;
}

template <class Value>
bool is_directory(const Value& found) noexcept {
    if constexpr (requires { found.is_directory(); }) {
        return found.is_directory();
    } else {
        return found.kind == file_kind::directory;
    }
}

/// A name as the tree sees it that it lies in.
class seen_name {
  public:
    seen_name(const path& whole, const place& where) : whole_(whole) {
        if (where.owner_bytes != 0) {
            rest_ = whole.behind(where.owner_bytes);
        }
    }
    [[nodiscard]] const path& get() const noexcept { return rest_ ? *rest_ : whole_; }

  private:
    const path& whole_;
    std::optional<path> rest_;
};

class mount_table final : public tree {
  public:
    explicit mount_table(point root) : root_(std::move(root)), made_(read_wall_clock()) {}

    void close_on(runtime::offload_pool& pool) noexcept override { close_on(root_, pool); }

    void keep_parts(runtime::duration age_max) noexcept override { keep_parts(root_, age_max); }

    void count_for(home_table& homes, const path& at) override { count_for(root_, homes, at); }

    void note_replacements(replacement_table& table) noexcept override {
        note_replacements(root_, table);
    }

    runtime::task<result<void>> hold_to(runtime::core& here, held_to limit) override {
        std::vector<point*> ahead{&root_};
        while (!ahead.empty()) {
            point& next = *ahead.back();
            ahead.pop_back();
            for (point& each : next.beneath) {
                ahead.push_back(&each);
            }
            if (!next.files) {
                continue;
            }
            // Others have the mounts beneath, too, and are not held to anything.
            auto own = co_await next.files->subtree(here, {});
            if (!own) {
                co_return failure(own.error());
            }
            const auto held = co_await (*own)->hold_to(here, limit);
            if (!held) {
                co_return held;
            }
            next.files = std::move(*own);
        }
        co_return result<void>{};
    }

    runtime::task<measured> measure(runtime::core& here, listing_bounds& turns,
                                    std::span<const directory_id> apart) const override {
        // A directory may be mounted twice, or lie in another's: each is counted once.
        std::vector<directory_id> roots(apart.begin(), apart.end());
        std::vector<const tree*> counted;
        measured all;
        for (std::vector<const point*> ahead{&root_}; !ahead.empty();) {
            const point& next = *ahead.back();
            ahead.pop_back();
            for (const point& each : next.beneath) {
                ahead.push_back(&each);
            }
            if (!next.files) {
                continue;
            }
            const auto status = co_await next.files->status(here, {});
            if (!status) {
                ++all.passed_over;
                continue;
            }
            const directory_id id{.device = status->device, .inode = status->inode};
            if (std::ranges::find(roots, id) == roots.end()) {
                roots.push_back(id);
                counted.push_back(next.files.get());
            }
        }
        for (const tree* each : counted) {
            const auto found = co_await each->measure(here, turns, roots);
            all.sum.octets += found.sum.octets;
            all.sum.files += found.sum.files;
            all.passed_over += found.passed_over;
        }
        co_return all;
    }

    runtime::task<result<node>> open(runtime::core& here, const path& name) const override {
        const place where = find(root_, name);
        auto opened = co_await in_owner<node>(
            where, name,
            [&](const tree& files, const path& seen) { return files.open(here, seen); });
        if (where.is_on_the_way() && is_hole(opened)) {
            co_return node(unique_fd(), facts_of(*where.at));
        }
        co_return opened;
    }

    runtime::task<result<metadata>> status(runtime::core& here, const path& name) const override {
        const place where = find(root_, name);
        const auto found = co_await in_owner<metadata>(
            where, name,
            [&](const tree& files, const path& seen) { return files.status(here, seen); });
        if (where.is_on_the_way() && is_hole(found)) {
            co_return facts_of(*where.at);
        }
        co_return found;
    }

    std::optional<machine_place> place_of(const path& name) const override {
        const place where = find(root_, name);
        if (where.owner == nullptr) {
            return std::nullopt;
        }
        return where.owner->files->place_of(seen_name(name, where).get());
    }

    runtime::task<result<listing>> list(runtime::core& here, node directory, const path& name,
                                        listing_options options) const override {
        const place where = find(root_, name);
        if (where.at != nullptr) {
            options.overlay_rules = where.names();
            for (const point& each : where.at->beneath) {
                const auto found = co_await status(here, each.at);
                // What does not answer just now is there all the same.
                options.overlay.push_back({.name = each.name,
                                           .status = found ? *found : facts_of(each),
                                           .is_link = false,
                                           .link_target = {}});
            }
        }
        if (where.owner == nullptr || directory.fd() < 0) {
            co_return co_await begin_listing(here, std::move(directory), {.root = -1, .name = name},
                                             std::move(options));
        }
        const seen_name seen(name, where);
        co_return co_await where.owner->files->list(here, std::move(directory), seen.get(),
                                                    std::move(options));
    }

    runtime::task<result<upload>> begin_upload(runtime::core& here, const path& name,
                                               upload_options options) const override {
        const place where = find(root_, name);
        if (where.at != nullptr) {
            co_return failure(errc::is_directory, EISDIR);
        }
        auto begun =
            co_await in_owner<upload>(where, name, [&](const tree& files, const path& seen) {
                return files.begin_upload(here, seen, options);
            });
        if (!begun) {
            co_return failure(why_not_made(begun.error(), name));
        }
        co_return begun;
    }

    runtime::task<result<std::uint64_t>> free_octets(runtime::core& here,
                                                     const path& name) const override {
        const place where = find(root_, name);
        if (where.is_on_the_way()) {  // No directory of any file system.
            co_return failure(errc::read_only, EROFS);
        }
        co_return co_await in_owner<std::uint64_t>(
            where, name,
            [&](const tree& files, const path& seen) { return files.free_octets(here, seen); });
    }

    runtime::task<result<metadata>> part_status(runtime::core& here, const path& name,
                                                std::string_view owner) const override {
        const place where = find(root_, name);
        if (where.at != nullptr) {
            co_return failure(errc::not_found);
        }
        co_return co_await in_owner<metadata>(where, name,
                                              [&](const tree& files, const path& seen) {
                                                  return files.part_status(here, seen, owner);
                                              });
    }

    runtime::task<result<replacement>> replacement_of(runtime::core& here, const path& name,
                                                      std::string_view account) const override {
        const place where = find(root_, name);
        if (where.at != nullptr) {
            co_return replacement::none;
        }
        co_return co_await in_owner<replacement>(
            where, name, [&](const tree& files, const path& seen) {
                return files.replacement_of(here, seen, account);
            });
    }

    runtime::task<result<void>> remove_part(runtime::core& here, const path& name,
                                            std::string_view owner) const override {
        const place where = find(root_, name);
        if (where.at != nullptr) {
            co_return failure(errc::not_found);
        }
        co_return co_await in_owner<void>(where, name, [&](const tree& files, const path& seen) {
            return files.remove_part(here, seen, owner);
        });
    }

    [[nodiscard]] allowed_changes allowed_in(const path& name) const override {
        const place where = find(root_, name);
        allowed_changes allowed{.names = false, .uploads = false, .replacing = false};
        if (where.owner != nullptr) {
            const seen_name seen(name, where);
            allowed = where.owner->files->allowed_in(seen.get());
        }
        if (where.at != nullptr) {
            for (const point& each : where.at->beneath) {
                allowed.points.push_back(each.name);
            }
        }
        return allowed;
    }

    runtime::task<result<void>> remove_file(runtime::core& here, const path& name,
                                            const metadata* expected) const override {
        const place where = find(root_, name);
        if (where.at != nullptr) {
            co_return name.is_root() ? failure(errc::denied) : failure(errc::is_directory, EISDIR);
        }
        co_return co_await in_owner<void>(where, name, [&](const tree& files, const path& seen) {
            return files.remove_file(here, seen, expected);
        });
    }

    runtime::task<result<void>> remove_directory(runtime::core& here,
                                                 const path& name) const override {
        const place where = find(root_, name);
        if (where.at != nullptr) {
            co_return failure(errc::denied, EBUSY);
        }
        co_return co_await in_owner<void>(where, name, [&](const tree& files, const path& seen) {
            return files.remove_directory(here, seen);
        });
    }

    runtime::task<result<void>> make_directory(runtime::core& here,
                                               const path& name) const override {
        const place where = find(root_, name);
        if (where.at != nullptr) {
            co_return failure(errc::exists, EEXIST);
        }
        const auto made = co_await in_owner<void>(
            where, name,
            [&](const tree& files, const path& seen) { return files.make_directory(here, seen); });
        if (!made) {
            co_return failure(why_not_made(made.error(), name));
        }
        co_return made;
    }

    runtime::task<result<void>> make_link(runtime::core& here, link_names names) const override {
        const place at = find(root_, names.name);
        const place target = find(root_, names.target);
        if (at.at != nullptr) {
            co_return failure(errc::exists, EEXIST);
        }
        if (at.owner == nullptr) {
            co_return failure(errc::not_found, ENOENT);
        }
        if (target.at != nullptr || at.owner != target.owner) {
            co_return failure(errc::unsupported, EXDEV);
        }
        const seen_name seen(names.name, at);
        const seen_name seen_target(names.target, target);
        co_return co_await at.owner->files->make_link(
            here, {.name = seen.get(), .target = seen_target.get()});
    }

    runtime::task<result<void>> rename(runtime::core& here, rename_names names) const override {
        const place from = find(root_, names.from);
        const place to = find(root_, names.to);
        if (from.at != nullptr || (to.at != nullptr && names.replace)) {
            co_return failure(errc::denied, EBUSY);
        }
        if (to.at != nullptr) {
            co_return failure(errc::exists, EEXIST);
        }
        if (from.owner != to.owner) {
            co_return failure(errc::unsupported, EXDEV);
        }
        if (from.owner == nullptr) {
            co_return failure(errc::not_found, ENOENT);
        }
        const seen_name seen_from(names.from, from);
        const seen_name seen_to(names.to, to);
        co_return co_await from.owner->files->rename(here, {.from = seen_from.get(),
                                                            .to = seen_to.get(),
                                                            .replace = names.replace,
                                                            .expected = names.expected});
    }

    runtime::task<result<std::unique_ptr<tree>>> subtree(runtime::core& here,
                                                         const path& name) const override {
        const place where = find(root_, name);
        auto files = co_await in_owner<std::unique_ptr<tree>>(
            where, name,
            [&](const tree& owner, const path& seen) { return owner.subtree(here, seen); });
        if (where.at == nullptr || where.at->beneath.empty()) {
            co_return files;
        }
        std::vector<mount> kept;
        if (files) {
            kept.push_back({.at = {}, .files = std::move(*files), .names = where.names()});
        } else if (!where.is_on_the_way() || !has_no_directory(files.error())) {
            co_return files;
        }
        for (const point& each : where.at->beneath) {
            add_mounts(each, where.at->at, kept);
        }
        co_return make_mount_table(std::move(kept));
    }

    runtime::task<result<void>> set_modified(runtime::core& here, const path& name,
                                             wall_time modified) const override {
        const place where = find(root_, name);
        const auto set =
            co_await in_owner<void>(where, name, [&](const tree& files, const path& seen) {
                return files.set_modified(here, seen, modified);
            });
        if (!set && where.is_on_the_way() && has_no_directory(set.error())) {
            co_return failure(errc::read_only, EROFS);
        }
        co_return set;
    }

    runtime::task<result<void>> set_permissions(runtime::core& here, const path& name,
                                                std::uint32_t permissions) const override {
        const place where = find(root_, name);
        const auto set =
            co_await in_owner<void>(where, name, [&](const tree& files, const path& seen) {
                return files.set_permissions(here, seen, permissions);
            });
        if (!set && where.is_on_the_way() && has_no_directory(set.error())) {
            co_return failure(errc::read_only, EROFS);
        }
        co_return set;
    }

    runtime::task<leftovers_found> remove_leftovers(runtime::core& here, listing_bounds& turns,
                                                    leftover_kinds what) const override {
        leftovers_found sum;
        std::vector<const point*> ahead{&root_};
        while (!ahead.empty()) {
            const point& next = *ahead.back();
            ahead.pop_back();
            for (const point& each : next.beneath) {
                ahead.push_back(&each);
            }
            if (next.files) {
                const auto found = co_await next.files->remove_leftovers(here, turns, what);
                sum.removed += found.removed;
                sum.parts_removed += found.parts_removed;
                sum.undecided += found.undecided;
                sum.passed_over += found.passed_over;
            }
        }
        co_return sum;
    }

  private:
    /// What `call` makes of the name in the tree it lies in. Not for points but where the tree may
    /// have a directory of that name.
    template <class Value, class Call>
    runtime::task<result<Value>> in_owner(place where, const path& name, Call call) const {
        if (where.owner == nullptr) {
            co_return failure(errc::not_found, ENOENT);
        }
        const seen_name seen(name, where);
        co_return co_await call(*where.owner->files, seen.get());
    }

    /// True when a point on the way to mounts has nothing in the tree to stand for it.
    template <class Value>
    static bool is_hole(const result<Value>& found) noexcept {
        return found ? !is_directory(*found) : has_no_directory(found.error());
    }

    /// What is to be said of a name that could not be made: a directory that only the mounts make
    /// takes none.
    [[nodiscard]] error why_not_made(const error& refused, const path& name) const {
        if (has_no_directory(refused) && find(root_, name.parent()).is_on_the_way()) {
            return {.code = errc::read_only, .os_errno = EROFS};
        }
        return refused;
    }

    [[nodiscard]] metadata facts_of(const point& directory) const noexcept {
        return {.kind = file_kind::directory,
                .inode = directory.number,
                .mode = way_permissions,
                .modified = made_,
                .changed = made_};
    }

    static void keep_parts(const point& from, runtime::duration age_max) noexcept {
        if (from.files) {
            from.files->keep_parts(age_max);
        }
        for (const point& each : from.beneath) {
            keep_parts(each, age_max);
        }
    }

    static void count_for(const point& from, home_table& homes, const path& at) {
        if (from.files) {
            const auto whole = at.resolve(from.at.is_root() ? "." : from.at.text().substr(1));
            FERRY_ASSERT(whole.has_value());
            from.files->count_for(homes, *whole);
        }
        for (const point& each : from.beneath) {
            count_for(each, homes, at);
        }
    }

    static void note_replacements(const point& from, replacement_table& table) noexcept {
        if (from.files) {
            from.files->note_replacements(table);
        }
        for (const point& each : from.beneath) {
            note_replacements(each, table);
        }
    }

    static void close_on(const point& from, runtime::offload_pool& pool) noexcept {
        if (from.files) {
            from.files->close_on(pool);
        }
        for (const point& each : from.beneath) {
            close_on(each, pool);
        }
    }

    /// Adds what is mounted at `from` and beneath, under the names that `root` sees.
    static void add_mounts(const point& from, const path& root, std::vector<mount>& to) {
        if (from.files) {
            to.push_back({.at = from.at.seen_from(root), .files = from.files, .names = from.names});
        }
        for (const point& each : from.beneath) {
            add_mounts(each, root, to);
        }
    }

    point root_;
    wall_time made_;
};

}  // namespace

std::unique_ptr<tree> make_mount_table(std::vector<mount> mounts) {
    return std::make_unique<mount_table>(build(std::move(mounts)));
}

}  // namespace ferry::vfs
