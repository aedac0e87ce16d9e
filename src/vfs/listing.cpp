#include "vfs/listing.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {

struct listing::state {
    node directory;
    listing_place place;
    runtime::directory_batch batch{};
    std::vector<directory_entry> entries{};  ///< Read and not yet delivered, or delivered last.
    bool is_delivered = false;  ///< `entries` has been seen: the next call replaces it.
    bool is_at_end = false;     ///< The directory has no more names.
    bool is_complete = false;   ///< All of it was read ahead and is sorted.
};

namespace {

/// Appends what clients may see of the batch to `entries`.
void append_visible(const runtime::directory_batch& batch, std::vector<directory_entry>& entries) {
    for (const auto& record : batch.records) {
        const auto name =
            std::string_view(batch.names).substr(record.name_offset, record.name_bytes);
        if (is_reserved_name(name)) {
            continue;
        }
        if (record.status_errno == 0) {
            auto& entry = entries.emplace_back();
            entry.name = name;
            entry.status = metadata_of(record.status);
            entry.is_link = record.is_symlink;
            entry.link_target =
                std::string_view(batch.names).substr(record.target_offset, record.target_bytes);
        } else if (record.is_symlink) {
            auto& entry = entries.emplace_back();
            entry.name = name;
            entry.status.kind = file_kind::symlink;
            entry.is_link = true;  // Where it leads is outside: nobody's business.
        }
        // Else it vanished after its name was read, or nobody may know more than its name.
    }
}

/// Reads one batch and appends what is visible of it.
runtime::task<result<void>> read_batch(runtime::core& here, listing::state& my) {
    const auto read = co_await runtime::op_wait(
        here.io(), runtime::opcode::list_directory, my.directory.fd(), runtime::never,
        [&my](runtime::op& list) {
            list.args.list_directory = {
                .batch = &my.batch, .root = my.place.root, .directory = my.place.name.relative()};
        });
    if (!read && read.error().os_errno != ENOENT) {
        co_return failure(read.error());
    }
    // ENOENT: the directory itself was removed (V9). What was read before that still counts.
    my.is_at_end = !read || my.batch.at_end;
    append_visible(my.batch, my.entries);
    co_return result<void>{};
}

}  // namespace

runtime::task<result<listing>> begin_listing(runtime::core& here, node directory,
                                             listing_place place, listing_options options) {
    auto made = std::make_unique<listing::state>(
        listing::state{.directory = std::move(directory), .place = std::move(place)});
    while (!made->is_at_end && made->entries.size() <= options.sorted_entries_max) {
        const auto read = co_await read_batch(here, *made);
        if (!read) {
            co_return failure(read.error());
        }
    }
    if (made->entries.size() <= options.sorted_entries_max) {
        std::ranges::sort(made->entries, {}, &directory_entry::name);
        made->is_complete = true;
    }
    co_return listing(std::move(made));
}

listing::listing(std::unique_ptr<state> made) noexcept : state_(std::move(made)) {}
listing::listing(listing&&) noexcept = default;
listing& listing::operator=(listing&&) noexcept = default;
listing::~listing() = default;

runtime::task<result<std::span<const directory_entry>>> listing::next(runtime::core& here) {
    state& my = *state_;
    if (std::exchange(my.is_delivered, true)) {
        my.entries.clear();
    }
    // A batch may hold hidden names alone; each turn reads on, so the directory bounds this.
    while (my.entries.empty() && !my.is_at_end) {
        const auto read = co_await read_batch(here, my);
        if (!read) {
            co_return failure(read.error());
        }
    }
    co_return std::span<const directory_entry>(my.entries);
}

bool listing::is_complete() const noexcept {
    return state_->is_complete;
}

}  // namespace ferry::vfs
