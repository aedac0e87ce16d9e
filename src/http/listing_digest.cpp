#include "http/listing_digest.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ferry/vfs/hasher.hpp"
#include "http/etag.hpp"
#include "http/index_json.hpp"
#include "http/index_page.hpp"

namespace ferry::http {
namespace {

std::string sha256_beginning(std::string_view text) {
    const auto by = vfs::make_hasher(vfs::digest_algorithm::sha256);
    if (!by) {
        return {};
    }
    by->add(std::as_bytes(std::span(text)));
    const auto made = by->finish();
    if (!made) {
        return {};
    }
    const auto octets = made->octets().first(content_digest::extent);
    return {static_cast<const char*>(static_cast<const void*>(octets.data())), octets.size()};
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
    const vfs::directory_entry file{
        .name = "a \"b\"",
        .status = {.kind = vfs::file_kind::regular,
                   .size_bytes = 1'234'567,
                   .modified = {.seconds = 1'795'000'000, .nanoseconds = 0},
                   .changed = {}}};
    const vfs::directory_entry below{
        .name = "c", .status = {.kind = vfs::file_kind::directory, .modified = {}, .changed = {}}};
    const auto where = vfs::path::parse("/d/e");
    std::string text;
    utc_text time;
    for (const bool has_all : {false, true}) {
        index_view view{.offers_archives = has_all,
                        .allowed = has_all ? auth::rights::all() : auth::rights{},
                        .user = has_all ? "f" : "",
                        .offers_login = !has_all};
        view.totals.add(file);
        view.totals.add(below);
        append_index_begin(text, where.value_or(vfs::path()), view);
        append_index_row(text, below, time);
        append_index_row(text, file, time, auth::rights::read_only());
        append_index_end(text, view);
    }
    append_json_begin(text);
    append_json_row(text, below, time, true);
    append_json_row(text, file, time, false);
    append_json_end(text);
    return sha256_beginning(text);
}

listing_digest::listing_digest(std::string_view format, std::string_view key) : told_(format) {
    told_ += key;
    told_ += '\0';
}

void listing_digest::add(const vfs::directory_entry& entry, std::optional<auth::rights> own) {
    const auto& status = entry.status;
    const bool is_directory = status.kind == vfs::file_kind::directory;
    told_ += entry.name;
    told_ += '\0';  // No name has one, nor has a key.
    std::uint64_t rights = own ? 1 : 0;
    for (std::size_t each = 0; own && each < auth::right_count; ++each) {
        rights = rights << 1U | (own->has(static_cast<auth::right>(each)) ? 1U : 0U);
    }
    told_ += static_cast<char>(is_directory ? 'd' : 'f');
    told_ += static_cast<char>(rights);
    append_octets(told_, is_directory ? 0 : status.size_bytes);
    append_octets(told_, static_cast<std::uint64_t>(status.modified.seconds));
}

std::string listing_digest::finish() const {
    return sha256_beginning(told_);
}

}  // namespace ferry::http
