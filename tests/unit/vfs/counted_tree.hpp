#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/vfs/home_counter.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/mount_table.hpp"
#include "tree_calls.hpp"

namespace ferry::vfs_test {

/// Writes a file, with the directories that it is to lie in.
inline void plant(const scratch& in, std::string_view name, std::string_view content) {
    std::filesystem::create_directories(std::filesystem::path(in / name).parent_path());
    in.write(name, content);
}

/// A tree whose changes count, with homes in it.
struct counted_tree : tree_calls {
    explicit counted_tree(vfs::tree_options options = {})
        : counted_tree(std::vector<std::string>{}, options) {}

    /// With further directories of the host, each of which is mounted under its own name too.
    explicit counted_tree(const std::vector<std::string>& mounts, vfs::tree_options options = {}) {
        std::unique_ptr<vfs::tree> whole;
        auto root = vfs::open_local_tree(host.root().c_str(), options).value();
        if (mounts.empty()) {
            whole = std::move(root);
        } else {
            std::vector<vfs::mount> all;
            all.push_back({.at = {}, .files = std::move(root)});
            for (const auto& each : mounts) {
                more.push_back(std::make_unique<scratch>());
                all.push_back(
                    {.at = at(each),
                     .files = vfs::open_local_tree(more.back()->root().c_str(), options).value()});
            }
            whole = vfs::make_mount_table(std::move(all));
        }
        whole->keep_parts(std::chrono::hours(1));
        whole->count_for(table, {});
        files = std::move(whole);
        counter.emplace(machine.here, *files, table, turns);
    }

    /// A tree of a session of an account whose home is `name`, and the home.
    struct session {
        std::unique_ptr<vfs::tree> files;
        std::shared_ptr<vfs::home> home;
    };
    session log_in(std::string_view name, vfs::quota most) {
        return machine.run(
            [](runtime::core& here, counted_tree& in, vfs::path where,
               vfs::quota limit) -> runtime::task<session> {
                auto own = co_await in.files->subtree(here, where);
                const auto status = co_await (*own)->status(here, {});
                auto home =
                    in.table.enter(where, {.device = status->device, .inode = status->inode});
                const auto held = co_await (*own)->hold_to(
                    here, {.where = home, .most = limit, .counter = &*in.counter});
                REQUIRE(held);
                co_await in.count(here, home, **own);
                co_return session{.files = std::move(*own), .home = std::move(home)};
            },
            std::ref(*this), at(name), most);
    }

    [[nodiscard]] vfs::amount used(const session& whose) { return table.use_of(*whose.home).used; }

    /// Does `work` as that session does.
    template <class Work>
    auto as(session& whose, Work work) {
        files.swap(whose.files);
        auto outcome = work();
        files.swap(whose.files);
        return outcome;
    }

    /// What is beneath a directory of the host: what a home there should have.
    [[nodiscard]] static vfs::amount truth(const std::string& directory) {
        vfs::amount sum;
        for (const auto& each : std::filesystem::recursive_directory_iterator(directory)) {
            if (each.path().filename().string().starts_with(".ferry-upload-")) {
                continue;
            }
            sum.files += 1;
            const auto status = each.symlink_status();
            sum.octets += std::filesystem::is_regular_file(status) ? each.file_size() : 0;
        }
        return sum;
    }
    [[nodiscard]] vfs::amount truth_of(std::string_view name) const { return truth(host / name); }

    scratch host;
    std::vector<std::unique_ptr<scratch>> more;
    vfs::home_table table;
    vfs::listing_bounds turns{machine.here, {}};
    std::optional<vfs::home_counter> counter;

  private:
    runtime::task<> count(runtime::core& here, const std::shared_ptr<vfs::home>& home,
                          const vfs::tree& own) {
        auto due = table.try_count(home, here.now());
        if (due) {
            table.begin_walk(*due);
            const auto found = co_await own.measure(here, turns);
            table.end_walk(std::move(*due), found, here.now());
        }
    }
};

}  // namespace ferry::vfs_test
