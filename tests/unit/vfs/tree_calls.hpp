#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/vfs/tree.hpp"
#include "scratch.hpp"
#include "test_core.hpp"

namespace ferry::vfs_test {

/// Short ways to use any tree on a core of the test's.
struct tree_calls {
    test_core machine;
    std::unique_ptr<vfs::tree> files;

    template <class Result>
    static errc code_of(const Result& outcome) {
        REQUIRE_FALSE(outcome);
        return outcome.error().code;
    }

    result<vfs::node> open(std::string_view name) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, vfs::path where)
                -> runtime::task<result<vfs::node>> { co_return co_await tree.open(here, where); },
            std::cref(*files), at(name));
    }

    result<vfs::metadata> status(std::string_view name) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree,
               vfs::path where) -> runtime::task<result<vfs::metadata>> {
                co_return co_await tree.status(here, where);
            },
            std::cref(*files), at(name));
    }

    /// What is read of a file; the error's name in brackets when it cannot be.
    std::string content(std::string_view name) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree,
               vfs::path where) -> runtime::task<std::string> {
                const auto opened = co_await tree.open(here, where);
                if (!opened) {
                    co_return "[" + std::string(describe(opened.error().code)) + "]";
                }
                std::string text(100, '?');
                const auto got =
                    co_await opened->read(here, std::as_writable_bytes(std::span(text)), 0);
                text.resize(got.value_or(0));
                co_return text;
            },
            std::cref(*files), at(name));
    }

    result<std::vector<vfs::directory_entry>> entries(std::string_view name,
                                                      std::size_t sorted_max = 10'000) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, vfs::path where,
               std::size_t most) -> runtime::task<result<std::vector<vfs::directory_entry>>> {
                auto opened = co_await tree.open(here, where);
                if (!opened) {
                    co_return failure(opened.error());
                }
                auto listing = co_await tree.list(here, std::move(*opened), where,
                                                  {.sorted_entries_max = most});
                if (!listing) {
                    co_return failure(listing.error());
                }
                std::vector<vfs::directory_entry> all;
                for (;;) {
                    const auto batch = co_await listing->next(here);
                    if (!batch) {
                        co_return failure(batch.error());
                    }
                    if (batch->empty()) {
                        co_return all;
                    }
                    all.insert(all.end(), batch->begin(), batch->end());
                }
            },
            std::cref(*files), at(name), sorted_max);
    }

    /// The names of a listing in the order in which they came, a directory's with a '/' behind it
    /// and a link's that is not followed with an '@'.
    std::vector<std::string> names(std::string_view name, std::size_t sorted_max = 10'000) {
        std::vector<std::string> all;
        const auto listed = entries(name, sorted_max);
        REQUIRE(listed);
        for (const auto& each : *listed) {
            const auto kind = each.status.kind;
            all.push_back(each.name + (kind == vfs::file_kind::directory ? "/"
                                       : kind == vfs::file_kind::symlink ? "@"
                                                                         : ""));
        }
        return all;
    }

    result<void> upload(std::string_view name, std::string_view content,
                        vfs::upload_options options = {}) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, vfs::path where, std::string_view text,
               vfs::upload_options how) -> runtime::task<result<void>> {
                auto begun = co_await tree.begin_upload(here, where, how);
                if (!begun) {
                    co_return failure(begun.error());
                }
                const auto written = co_await begun->write(here, octets(text));
                if (!written) {
                    co_return failure(written.error());
                }
                co_return co_await begun->commit(here, vfs::durability::none);
            },
            std::cref(*files), at(name), content, options);
    }

    result<void> remove_file(std::string_view name) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree,
               vfs::path where) -> runtime::task<result<void>> {
                co_return co_await tree.remove_file(here, where);
            },
            std::cref(*files), at(name));
    }

    result<void> remove_directory(std::string_view name) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree,
               vfs::path where) -> runtime::task<result<void>> {
                co_return co_await tree.remove_directory(here, where);
            },
            std::cref(*files), at(name));
    }

    result<void> make_directory(std::string_view name) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree,
               vfs::path where) -> runtime::task<result<void>> {
                co_return co_await tree.make_directory(here, where);
            },
            std::cref(*files), at(name));
    }

    struct two_names {
        std::string_view from;
        std::string_view to;
        bool replace = true;
    };
    result<void> rename(two_names what) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, vfs::path from, vfs::path to,
               bool replace) -> runtime::task<result<void>> {
                co_return co_await tree.rename(here, {.from = from, .to = to, .replace = replace});
            },
            std::cref(*files), at(what.from), at(what.to), what.replace);
    }

    result<void> set_modified(std::string_view name, wall_time when) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, vfs::path where,
               wall_time moment) -> runtime::task<result<void>> {
                co_return co_await tree.set_modified(here, where, moment);
            },
            std::cref(*files), at(name), when);
    }

    result<void> set_permissions(std::string_view name, std::uint32_t permissions) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, vfs::path where,
               std::uint32_t bits) -> runtime::task<result<void>> {
                co_return co_await tree.set_permissions(here, where, bits);
            },
            std::cref(*files), at(name), permissions);
    }

    result<std::unique_ptr<vfs::tree>> subtree(std::string_view name) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree,
               vfs::path where) -> runtime::task<result<std::unique_ptr<vfs::tree>>> {
                co_return co_await tree.subtree(here, where);
            },
            std::cref(*files), at(name));
    }

    vfs::leftovers_found remove_leftovers(vfs::leftover_kinds what = vfs::leftover_kinds::all) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree,
               vfs::leftover_kinds kinds) -> runtime::task<vfs::leftovers_found> {
                vfs::listing_bounds turns(here, {});
                co_return co_await tree.remove_leftovers(here, turns, kinds);
            },
            std::cref(*files), what);
    }
};

}  // namespace ferry::vfs_test
