#include "http/archive_walk.hpp"

#include <iterator>
#include <utility>

#include "http/listing_order.hpp"

namespace ferry::http {

using runtime::task;

namespace {

std::size_t bytes_of_place(const vfs::path& place) noexcept {
    return sizeof place + place.text().size();
}

/// True for what the archive is whole without: it is gone, or nobody gets it by its name either.
bool may_be_left_out(errc why) noexcept {
    switch (why) {
        case errc::not_found:
        case errc::denied:
        case errc::outside_tree:
        case errc::not_regular:
        case errc::not_directory:
        case errc::name_too_long:
            return true;
        default:
            return false;
    }
}

}  // namespace

task<result<void>> archive_walk::begin(runtime::time_point turn_deadline) {
    const auto at = who_.where(root_);
    auto opened = co_await at.files.open(shared_.here, at.name);
    if (!opened) {
        co_return failure(opened.error());
    }
    entered_ = found{.name = {}, .status = opened->status(), .file = std::nullopt};
    auto entries = co_await at.files.list(shared_.here, std::move(*opened), at.name,
                                          {.sorted_entries_max = shared_.settings.list_sorted_max,
                                           .bounds = &shared_.listings,
                                           .turn_deadline = turn_deadline});
    if (!entries) {
        co_return failure(entries.error());
    }
    directory_ = root_;
    entries_ = std::move(*entries);
    co_return result<void>{};
}

std::string archive_walk::name_of(const vfs::path& place) const {
    return place.seen_from(root_).text().substr(1);
}

/// Enters `directory`; false: it is left out.
task<result<bool>> archive_walk::enter(vfs::path directory, runtime::time_point turn_deadline) {
    const auto at = who_.where(directory);
    auto opened = co_await at.files.open(shared_.here, at.name);
    if (!opened || !opened->is_directory()) {
        if (opened || may_be_left_out(opened.error().code)) {
            co_return false;
        }
        co_return failure(opened.error());
    }
    found itself{.name = name_of(directory) + '/', .status = opened->status(), .file = {}};
    auto entries = co_await at.files.list(shared_.here, std::move(*opened), at.name,
                                          {.sorted_entries_max = shared_.settings.list_sorted_max,
                                           .bounds = &shared_.listings,
                                           .turn_deadline = turn_deadline});
    if (!entries) {
        if (may_be_left_out(entries.error().code)) {
            co_return false;
        }
        co_return failure(entries.error());
    }
    entered_ = std::move(itself);
    directory_ = std::move(directory);
    entries_ = std::move(*entries);
    co_return true;
}

/// Enters the next directory ahead that can be; false: there is none left.
task<result<bool>> archive_walk::enter_next() {
    while (!ahead_.empty()) {
        auto directory = std::move(ahead_.back());
        ahead_.pop_back();
        ahead_bytes_ -= bytes_of_place(directory);
        const auto is_in = co_await enter(std::move(directory), runtime::never);
        if (!is_in || *is_in) {
            co_return is_in;
        }
    }
    co_return false;
}

/// Reads the next names of the directory, or leaves it.
task<result<void>> archive_walk::read_on() {
    const auto more = co_await entries_->next(shared_.here);
    if (!more) {
        co_return failure(more.error());
    }
    batch_.assign(more->begin(), more->end());
    done_ = 0;
    if (batch_.empty()) {
        entries_.reset();
        std::move(below_.rbegin(), below_.rend(), std::back_inserter(ahead_));
        below_.clear();
    }
    co_return result<void>{};
}

/// False: there is no room for it.
bool archive_walk::remember(const vfs::directory_entry& entry) {
    auto place = directory_.resolve(entry.name);
    if (!place) {
        return true;  // Too long: no client gets there by its name either.
    }
    ahead_bytes_ += bytes_of_place(*place);
    below_.push_back(std::move(*place));
    return ahead_bytes_ <= ahead_bytes_max;
}

task<result<std::optional<archive_walk::found>>> archive_walk::open_file(
    const vfs::directory_entry& entry) {
    const auto place = directory_.resolve(entry.name);
    if (!place) {
        co_return std::nullopt;
    }
    const auto at = who_.where(*place);
    auto opened = co_await at.files.open(shared_.here, at.name);
    if (!opened) {
        if (may_be_left_out(opened.error().code)) {
            co_return std::nullopt;
        }
        co_return failure(opened.error());
    }
    if (opened->is_directory()) {  // It was replaced: as if it had been made a moment later.
        co_return std::nullopt;
    }
    const auto status = opened->status();
    co_return found{.name = name_of(*place), .status = status, .file = std::move(*opened)};
}

task<result<std::optional<archive_walk::found>>> archive_walk::next() {
    for (;;) {  // Each turn gets a name, a batch or a directory further.
        if (entered_) {
            co_return std::exchange(entered_, std::nullopt);
        }
        if (done_ < batch_.size()) {
            const auto& entry = batch_[done_++];
            const auto allowed = who_.rights_at(directory_, entry.name);
            const bool is_directory = entry.status.kind == vfs::file_kind::directory;
            if (!is_shown(entry) || (is_directory && entry.is_link) ||
                !allowed.has(is_directory ? auth::right::list : auth::right::read)) {
                continue;
            }
            if (is_directory) {
                if (!remember(entry)) {
                    co_return failure(errc::too_large);
                }
                continue;
            }
            auto opened = co_await open_file(entry);
            if (!opened || *opened) {
                co_return opened;
            }
            continue;
        }
        if (entries_) {
            const auto read = co_await read_on();
            if (!read) {
                co_return failure(read.error());
            }
            continue;
        }
        const auto is_in = co_await enter_next();
        if (!is_in) {
            co_return failure(is_in.error());
        }
        if (!*is_in) {
            co_return std::nullopt;
        }
    }
}

}  // namespace ferry::http
