#include "http/listing_digest.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "http/etag.hpp"
#include "http/index_json.hpp"

namespace ferry::http {
namespace {

constexpr std::size_t told_bytes_max = 8 * 1024;

std::string beginning_of(std::unique_ptr<vfs::hasher> by) {
    const auto made = by ? by->finish() : std::nullopt;
    if (!made) {
        return {};
    }
    const auto octets = made->octets().first(content_digest::extent);
    return {static_cast<const char*>(static_cast<const void*>(octets.data())), octets.size()};
}

vfs::directory_entry sample(std::string name, vfs::file_kind kind, std::uint64_t size_bytes,
                            std::int64_t modified) {
    return {.name = std::move(name),
            .status = {.kind = kind,
                       .size_bytes = size_bytes,
                       .modified = {.seconds = modified, .nanoseconds = 0},
                       .changed = {}}};
}

/// Entries that have in them whatever is written in a way of its own: each octet, sizes of each
/// unit, times with each digit and none.
std::vector<vfs::directory_entry> sample_entries() {
    std::string all_octets;
    for (unsigned octet = 1; octet < 256; ++octet) {
        if (octet != '/') {
            all_octets += static_cast<char>(octet);
        }
    }
    using enum vfs::file_kind;
    std::vector<vfs::directory_entry> all = {
        sample(all_octets, directory, 0, 0),
        sample("\xC3\xBC \xE2\x80\xAE \xF0\x9F\x9A\xA2", directory, 0, 1'234'567'890)};
    for (unsigned shift = 0; shift < 64; shift += 5) {
        all.push_back(sample(all_octets, regular, (std::uint64_t{1} << shift) + 1'000,
                             std::int64_t{98'765'432} << shift));
    }
    return all;
}

void append_sample_pages(std::string& out, const index_view& view, std::string_view where,
                         std::span<const vfs::directory_entry> entries) {
    utc_text time;
    append_index_begin(out, vfs::path::parse(where).value_or(vfs::path()), view);
    for (const auto& each : entries) {
        append_index_row(out, each, time);
        append_index_row(out, each, time, auth::rights{});
        append_index_row(out, each, time, auth::rights::all());
    }
    append_index_end(out, view);
}

void append_octets(std::string& to, std::uint64_t value) {
    std::array<char, sizeof value> octets{};
    for (char& each : octets) {
        each = static_cast<char>(value);
        value >>= 8U;
    }
    to.append(octets.data(), octets.size());
}

}  // namespace

std::string listing_format() {
    const auto entries = sample_entries();
    std::string text;
    append_sample_pages(text, {}, "/", entries);
    append_sample_pages(text, {.offers_archives = true, .offers_login = true}, "/a <b>/c", {});
    append_sample_pages(text,
                        {.order = {.key = sort_key::size, .is_descending = true},
                         .allowed = auth::rights::all(),
                         .user = "a <b>",
                         .totals = {.directories = 1, .files = 1, .size_bytes = 1}},
                        "/", {});
    append_sample_pages(text,
                        {.order = {.key = sort_key::time},
                         .totals = {.directories = 2, .files = 2, .size_bytes = 1}},
                        "/", {});
    append_json_begin(text);
    utc_text time;
    for (const auto& each : entries) {
        append_json_row(text, each, time, &each == entries.data());
    }
    append_json_end(text);
    auto by = vfs::make_hasher(vfs::digest_algorithm::sha256);
    if (by) {
        by->add(std::as_bytes(std::span(text)));
    }
    return beginning_of(std::move(by));
}

std::string listing_key(const listing_query& query, const index_view& view,
                        const vfs::path& where) {
    std::string key;
    const auto put = [&key](unsigned value) { key += static_cast<char>('0' + value); };
    put(static_cast<unsigned>(query.form));
    put(static_cast<unsigned>(query.order.key));
    put(query.order.is_descending ? 1 : 0);
    if (query.form == listing_form::json) {
        return key;  // It has rows alone.
    }
    put(view.offers_archives ? 1 : 0);
    put(view.offers_login ? 1 : 0);
    for (unsigned each = 0; each < auth::right_count; ++each) {
        put(view.allowed.has(static_cast<auth::right>(each)) ? 1 : 0);
    }
    key += std::to_string(view.user.size());
    key += ':';
    key += view.user;
    key += where.text();
    return key;
}

listing_digest::listing_digest(std::string_view format, std::string_view key)
    : by_(vfs::make_hasher(vfs::digest_algorithm::sha256)), told_(format) {
    told_ += key;
    told_ += '\0';
}

void listing_digest::add(const vfs::directory_entry& entry, std::optional<auth::rights> own) {
    static_assert(auth::right_count < 8, "an octet tells them, and whether there are any");
    const auto& status = entry.status;
    const bool is_directory = status.kind == vfs::file_kind::directory;
    unsigned rights = own ? 1 : 0;
    for (std::size_t each = 0; own && each < auth::right_count; ++each) {
        rights = rights << 1U | (own->has(static_cast<auth::right>(each)) ? 1U : 0U);
    }
    told_ += entry.name;
    told_ += '\0';  // No name has one, nor has a key.
    told_ += is_directory ? 'd' : 'f';
    told_ += static_cast<char>(rights);
    append_octets(told_, is_directory ? 0 : status.size_bytes);
    append_octets(told_, static_cast<std::uint64_t>(status.modified.seconds));
    if (told_.size() >= told_bytes_max) {
        hand_over();
    }
}

void listing_digest::hand_over() noexcept {
    if (by_) {
        by_->add(std::as_bytes(std::span(told_)));
    }
    told_.clear();
}

std::string listing_digest::finish() {
    hand_over();
    return beginning_of(std::move(by_));
}

}  // namespace ferry::http
