#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../vfs/scratch.hpp"
#include "../vfs/test_core.hpp"
#include "../vfs/troubled_tree.hpp"
#include "ferry/base/access_sink.hpp"
#include "ferry/http/media_types.hpp"
#include "ferry/http/server.hpp"
#include "ferry/http/upload_turns.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::http::test {

/// Nobody's access log.
class no_log final : public access_sink {
  public:
    void record(const access_record&) noexcept override {}
    [[nodiscard]] bool wants_records() const noexcept override { return false; }
};

/// A tree of files and the service that answers from it, without a socket.
struct service_on_tree {
    explicit service_on_tree(options numbers) : settings(std::move(numbers)) {}
    /// The same with names as of `vfs_test::make_troubled`.
    struct troubled {};
    service_on_tree(options numbers, troubled)
        : tree(vfs_test::make_troubled(vfs::open_local_tree(files.root().c_str()).value())),
          settings(std::move(numbers)) {}

    vfs_test::scratch files;
    vfs_test::test_core machine;
    std::unique_ptr<vfs::tree> tree = vfs::open_local_tree(files.root().c_str()).value();
    media_types types = media_types::built_in();
    no_log log;
    runtime::stop_scope draining;
    options settings;
    vfs::listing_bounds listings{machine.here, {.reads_max = 2, .held_max = 2}};
    vfs::file_cache open_files{machine.here, *tree, {}};
    vfs::digest_cache known_digests;
    vfs::digests digests{machine.here, known_digests};
    /// Nobody to begin with.
    std::shared_ptr<const auth::accounts> users =
        std::make_shared<auth::accounts>(std::vector<auth::account>{}, std::nullopt);
    auth::usage_table usages;
    auth::failed_logins failures{{.delay_max = runtime::duration::zero()}};
    vfs::home_table homes;
    vfs::home_counter counter{machine.here, *tree, homes, listings};
    account_services accounts{
        .users = users, .usages = usages, .failures = failures, .homes = homes, .counter = counter};
    upload_turns uploads{{}};
    service shared{machine.here, settings, *tree,    open_files, listings,  digests,
                   types,        log,      draining, nullptr,    &accounts, &uploads};
};

}  // namespace ferry::http::test
