#include "http/listing_digest.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "http/etag.hpp"
#include "http/index_json.hpp"
#include "http/index_page.hpp"
#include "listed_entry.hpp"

using namespace ferry;
using namespace ferry::http;
using ferry::http::test::listed_entry;

namespace {

struct shown_row {
    vfs::directory_entry entry;
    std::optional<auth::rights> own = std::nullopt;
};

/// All that a listing is written from.
struct shown_listing {
    listing_query query = {};
    index_view view = {};
    std::string where = "/a";
    std::vector<shown_row> rows = {{listed_entry("a", vfs::file_kind::directory)},
                                   {listed_entry("b")}};
};

vfs::path path_of(const shown_listing& what) {
    return vfs::path::parse(what.where).value();
}

std::string octets_of(const shown_listing& what) {
    std::string out;
    utc_text time;
    if (what.query.form == listing_form::json) {
        append_json_begin(out);
        for (const auto& each : what.rows) {
            append_json_row(out, each.entry, time, &each == what.rows.data());
        }
        append_json_end(out);
        return out;
    }
    auto view = what.view;
    view.order = what.query.order;
    for (const auto& each : what.rows) {
        view.totals.add(each.entry);
    }
    append_index_begin(out, path_of(what), view);
    for (const auto& each : what.rows) {
        append_index_row(out, each.entry, time, each.own);
    }
    append_index_end(out, view);
    return out;
}

std::string digest_of(const shown_listing& what, std::string_view format) {
    listing_digest told(format, listing_key(what.query, what.view, path_of(what)));
    for (const auto& each : what.rows) {
        told.add(each.entry, each.own);
    }
    return told.finish();
}

/// Listings each of which differs from the first in one thing.
std::vector<shown_listing> varied() {
    using auth::right;
    using enum vfs::file_kind;
    const std::vector<shown_row> rows = shown_listing().rows;
    std::vector<shown_listing> all = {
        {},
        {.query = {.order = {.key = sort_key::size}}},
        {.query = {.order = {.key = sort_key::time}}},
        {.query = {.order = {.is_descending = true}}},
        {.query = {.is_form_named = true}},
        {.view = {.offers_archives = true}},
        {.view = {.user = "u"}},
        {.view = {.user = "v"}},
        {.view = {.offers_login = true}},
        {.where = "/"},
        {.where = "/b"},
        {.where = "/a/b"},
        {.rows = {}},
        {.rows = {rows[0]}},
        {.rows = {rows[1]}},
        {.rows = {rows[1], rows[0]}},
        {.rows = {rows[0], {listed_entry("B")}}},
        {.rows = {rows[0], {listed_entry("b", directory)}}},
        {.rows = {rows[0], {listed_entry("b", regular, 257)}}},
        {.rows = {rows[0], {listed_entry("b", regular, std::uint64_t{1} << 40U)}}},
        {.rows = {rows[0], {listed_entry("b", regular, 0, 60'000)}}},
        {.rows = {rows[0], {listed_entry("b", regular, 0, 784'111'778)}}},  // A second.
        {.rows = {rows[0], {listed_entry("b", regular, 0, -2)}}},
        {.rows = {{listed_entry("a", directory, 0, 3)}, rows[1]}},
        {.rows = {{listed_entry("a", directory, 4'096)}, rows[1]}},  // Is not told.
        {.rows = {{listed_entry("ab", directory)}, {listed_entry("c")}}},
        {.rows = {rows[0], {listed_entry("b"), auth::rights{}}}},
    };
    for (const right each :
         {right::create, right::replace, right::remove, right::rename, right::make_directory}) {
        all.push_back({.view = {.allowed = {right::remove, each}}});
        all.push_back({.rows = {rows[0], {listed_entry("b"), auth::rights{each}}}});
    }
    auto younger = rows;
    younger[1].entry.status.modified.nanoseconds = 8;  // Neither is told.
    younger[1].entry.status.inode = 7;
    all.push_back({.rows = younger});
    for (std::size_t i = 0, pages = all.size(); i < pages; ++i) {
        auto as_json = all[i];
        as_json.query.form = listing_form::json;
        for (auto& each : as_json.rows) {
            each.own.reset();  // It says nothing of them.
        }
        all.push_back(std::move(as_json));
    }
    return all;
}

}  // namespace

// RFC 9110 section 8.8.1: a strong validator changes whenever the octets do.
TEST_CASE("listing digest: whatever changes the octets of a listing changes it") {
    const auto format = listing_format();
    const auto all = varied();
    std::size_t alike = 0;
    for (const auto& one : all) {
        CHECK(digest_of(one, format).size() == content_digest::extent);
        for (const auto& other : all) {
            if (octets_of(one) != octets_of(other)) {
                CHECK(digest_of(one, format) != digest_of(other, format));
            } else {
                alike += digest_of(one, format) == digest_of(other, format) ? 1 : 0;
            }
        }
        CHECK(digest_of(one, format) != digest_of(one, "written otherwise"));
    }
    CHECK(alike > all.size());  // What nobody is shown changes nothing, for one.
}

TEST_CASE("listing digest: it is the same again, however many rows there are") {
    const auto format = listing_format();
    CHECK(format.size() == content_digest::extent);
    CHECK(listing_format() == format);
    shown_listing many;
    for (int i = 0; i < 2'000; ++i) {
        many.rows.push_back({listed_entry("file " + std::to_string(i))});
    }
    const auto before = digest_of(many, format);
    CHECK(digest_of(many, format) == before);
    many.rows[1'000].entry.status.size_bytes = 2;
    CHECK(digest_of(many, format) != before);
    many.rows.pop_back();
    CHECK(digest_of(many, format) != before);
}

TEST_CASE("listing key: of JSON the order alone, for nothing else is in it") {
    const vfs::path root;
    const listing_query page;
    const listing_query json{.form = listing_form::json};
    const index_view other{.offers_archives = true, .user = "u"};
    CHECK(listing_key(json, {}, root) == listing_key(json, other, root));
    CHECK(listing_key(page, {}, root) != listing_key(page, other, root));
    CHECK(listing_key(json, {}, root) !=
          listing_key({.form = listing_form::json, .order = {.is_descending = true}}, {}, root));
}
