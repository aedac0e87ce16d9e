#include "http/listing_digest.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "http/etag.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

vfs::directory_entry digest_entry(std::string name, vfs::file_kind kind = vfs::file_kind::regular,
                                  std::uint64_t size_bytes = 1, std::int64_t modified = 2) {
    return {.name = std::move(name),
            .status = {.kind = kind,
                       .size_bytes = size_bytes,
                       .modified = {.seconds = modified, .nanoseconds = 0},
                       .changed = {}},
            .link_target = {}};
}

struct digest_row {
    vfs::directory_entry entry;
    std::optional<auth::rights> own = std::nullopt;
};

std::string digest_of_rows(std::string_view key, const std::vector<digest_row>& rows,
                           std::string_view format = listing_format()) {
    listing_digest told(format, key);
    for (const auto& each : rows) {
        told.add(each.entry, each.own);
    }
    return told.finish();
}

}  // namespace

// RFC 9110 section 8.8.1: a strong validator changes whenever the octets do.
TEST_CASE("listing digest: whatever changes the octets of a listing changes it") {
    using auth::right;
    const auto directory = vfs::file_kind::directory;
    const std::vector<digest_row> rows = {{digest_entry("a", directory)}, {digest_entry("b")}};
    const std::vector<std::string> all = {
        digest_of_rows("key", rows),
        digest_of_rows("key", rows, "written otherwise"),
        digest_of_rows("", rows),
        digest_of_rows("kex", rows),
        digest_of_rows("key", {}),
        digest_of_rows("key", {rows[0]}),
        digest_of_rows("key", {rows[1]}),
        digest_of_rows("key", {rows[1], rows[0]}),
        digest_of_rows("key", {rows[0], {digest_entry("B")}}),
        digest_of_rows("key", {rows[0], {digest_entry("b", directory)}}),
        digest_of_rows("key", {rows[0], {digest_entry("b", vfs::file_kind::regular, 257)}}),
        digest_of_rows("key", {rows[0], {digest_entry("b", vfs::file_kind::regular, 1, 258)}}),
        digest_of_rows("key", {rows[0], {digest_entry("b", vfs::file_kind::regular, 1, -2)}}),
        digest_of_rows("key", {{digest_entry("a", directory, 1, 3)}, rows[1]}),
        digest_of_rows("key", {rows[0], {digest_entry("b"), auth::rights{}}}),
        digest_of_rows("key", {rows[0], {digest_entry("b"), auth::rights{right::list}}}),
        digest_of_rows("key", {rows[0], {digest_entry("b"), auth::rights{right::make_directory}}}),
        digest_of_rows("key", {rows[0], {digest_entry("b"), auth::rights::all()}}),
        digest_of_rows("key", {{digest_entry("ab", directory)}, {digest_entry("")}}),
    };
    for (const auto& each : all) {
        CHECK(each.size() == content_digest::extent);
    }
    CHECK(std::set<std::string>(all.begin(), all.end()).size() == all.size());
}

TEST_CASE("listing digest: how listings are written is told by a digest") {
    CHECK(listing_format().size() == content_digest::extent);
    CHECK(listing_format() == listing_format());
}

TEST_CASE("listing digest: what nobody is shown does not change it") {
    auto file = digest_entry("b");
    auto directory = digest_entry("a", vfs::file_kind::directory);
    const auto before = digest_of_rows("key", {{directory}, {file}});
    file.status.inode = 7;
    file.status.modified.nanoseconds = 8;
    directory.status.size_bytes = 4'096;  // Of a directory nothing is told by it.
    CHECK(digest_of_rows("key", {{directory}, {file}}) == before);
}
