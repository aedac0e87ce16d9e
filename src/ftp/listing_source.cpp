#include "ftp/listing_source.hpp"

#include <algorithm>

#include "ferry/base/units.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ftp/glob.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

constexpr std::size_t listing_piece_bytes = 64_KiB;

/// Octets of a pattern times octets of names that are compared before others have their turn: below
/// a millisecond in the worst case.
constexpr std::size_t matching_quantum = 256_KiB;

/// What stands before the last component of a path as typed, its '/' included.
std::string_view directory_part(std::string_view typed) noexcept {
    return typed.substr(0, typed.rfind('/') + 1);
}

std::string shown_below(std::string_view directory, std::string_view name) {
    std::string shown(directory);
    if (!shown.ends_with('/')) {
        shown += '/';
    }
    shown += name;
    return shown;
}

}  // namespace

task<result<void>> listing_source::open() {
    now_seconds_ = read_wall_clock().seconds;
    auto where = locate(user_, request_.wanted.path);
    if (!where) {
        co_return failure(where.error());
    }
    const std::string typed = user_.names.to_stored(request_.wanted.path).value_or("");
    seen_ = *where;
    auto opened = co_await user_.files().open(user_.here, *where);
    std::string shown(typed);
    const bool is_glob = !opened && opened.error() == errc::not_found &&
                         request_.style != listing_style::facts && is_pattern(where->name());
    if (is_glob) {
        pattern_ = where->name();
        shown = directory_part(typed);
        where = where->parent();
        auto parent = co_await user_.files().open(user_.here, *where);
        opened = std::move(parent);
    }
    if (!opened) {
        co_return failure(opened.error());
    }
    if (!user_.rights_at(*where).has(auth::right::list)) {
        co_return failure(errc::denied);
    }
    lists_directory_ =
        opened->is_directory() && !(request_.wanted.directory_itself && pattern_.empty());
    if (!lists_directory_) {
        if (request_.style == listing_style::facts) {
            co_return failure(errc::not_directory);
        }
        append_line(waiting_, {.name = shown.empty() ? "." : shown, .status = opened->status()},
                    {.role = entry_role::child, .allowed = user_.rights_at(*where)});
        co_return result<void>{};
    }
    if (request_.wanted.recursive && shown.empty()) {
        shown = ".";
    }
    const auto deadline = user_.here.now() + user_.shared.settings.list_wait_timeout;
    auto begun = co_await begin({.where = std::move(*where), .shown = std::move(shown)},
                                std::move(*opened), deadline);
    co_return begun;
}

task<result<void>> listing_source::begin(place directory, vfs::node opened,
                                         runtime::time_point turn_deadline) {
    const auto status = opened.status();
    auto entries =
        co_await user_.files().list(user_.here, std::move(opened), directory.where,
                                    {.sorted_entries_max = user_.shared.settings.list_sorted_max,
                                     .bounds = &user_.shared.listings,
                                     .turn_deadline = turn_deadline});
    if (!entries) {
        co_return failure(entries.error());
    }
    entries_ = std::move(*entries);
    directory_ = std::move(directory);
    directory_in_tree_ = name_in_tree(user_, directory_.where);
    if (request_.wanted.recursive) {
        if (!listed_.empty()) {
            waiting_ += "\r\n";
        }
        append_name_line(waiting_, {.directory = {}, .name = directory_.shown});
        waiting_ += ":\r\n";
        listed_.emplace(status.device, status.inode);
    }
    const bool has_dots = request_.wanted.all && pattern_.empty();
    if (has_dots) {
        co_await append_dots(status);
    }
    co_return result<void>{};
}

/// "." and "..": the directory itself and the one above it, which for the user's root is itself.
task<> listing_source::append_dots(const vfs::metadata& itself) {
    append_line(waiting_, {.name = ".", .status = itself},
                {.role = entry_role::current, .allowed = user_.rights_at(directory_.where)});
    vfs::metadata above = itself;
    const auto parent_path = directory_.where.parent();
    if (!directory_.where.is_root()) {
        const auto parent = co_await user_.files().status(user_.here, parent_path);
        if (!parent) {
            co_return;
        }
        above = *parent;
    } else if (request_.style == listing_style::facts) {
        co_return;  // A root has none (RFC 3659 section 7.5.1.3).
    }
    append_line(waiting_, {.name = "..", .status = above},
                {.role = entry_role::parent, .allowed = user_.rights_at(parent_path)});
}

/// Opens the next directory of a listing with -R. One that cannot be listed is left out.
task<> listing_source::begin_next_below() {
    auto next = std::move(below_.back());
    below_.pop_back();
    below_octets_ -= next.octets();
    if (!user_.rights_at(next.where).has(auth::right::list)) {
        co_return;
    }
    auto opened = co_await user_.files().open(user_.here, next.where);
    const bool is_new = opened && opened->is_directory() &&
                        !listed_.contains({opened->status().device, opened->status().inode});
    if (!is_new) {  // Links may lead in circles.
        co_return;
    }
    if (listed_.size() >= directories_max) {
        is_cut_ = true;
        below_.clear();
        below_octets_ = 0;
        co_return;
    }
    // Refused or gone: its name is in the listing of its parent, which is all there is to say. It
    // waits for its turn however long that takes: left out it would be missing unsaid.
    static_cast<void>(co_await begin(std::move(next), std::move(*opened), runtime::never));
}

task<result<bool>> listing_source::next(std::string& out) {
    while (out.size() < listing_piece_bytes) {
        if (!waiting_.empty()) {
            out += std::exchange(waiting_, {});
            continue;
        }
        if (batch_done_ < batch_.size()) {
            const auto& entry = *batch_[batch_done_++];
            append_line(
                out, entry,
                {.role = entry_role::child,
                 .allowed = user_.user.identity->allowed.at(directory_in_tree_, entry.name)});
            continue;
        }
        if (!entries_) {
            if (below_.empty()) {
                co_return false;
            }
            co_await begin_next_below();
            continue;
        }
        const bool is_whole = entries_->is_complete();
        const auto batch = co_await entries_->next(user_.here);
        if (!batch) {
            co_return failure(batch.error());
        }
        co_await take(*batch, is_whole);
        if (batch->empty()) {
            entries_.reset();
            std::move(found_.rbegin(), found_.rend(), std::back_inserter(below_));
            found_.clear();
        }
    }
    co_return true;
}

/// Chooses and orders what is listed of `batch`.
task<> listing_source::take(std::span<const vfs::directory_entry> batch, bool is_whole) {
    const auto& wanted = request_.wanted;
    const bool shows_dots = wanted.all || wanted.almost_all || pattern_.starts_with('.') ||
                            request_.style == listing_style::facts;
    batch_.clear();
    batch_done_ = 0;
    std::size_t compared = 0;
    for (const auto& each : batch) {
        compared += pattern_.size() * each.name.size();
        if (compared >= matching_quantum) {
            compared = 0;
            co_await user_.here.yield();
        }
        if (is_listed(each, shows_dots ? dot_names::shown : dot_names::hidden) &&
            (pattern_.empty() || matches_pattern(pattern_, each.name))) {
            batch_.push_back(&each);
        }
    }
    // Equals stay in the order of their names, which is the order they are in memory.
    if (is_whole && wanted.by_time) {
        std::ranges::sort(batch_, [](const auto* a, const auto* b) {
            return std::pair(b->status.modified, a) < std::pair(a->status.modified, b);
        });
    } else if (is_whole && wanted.by_size) {
        std::ranges::sort(batch_, [](const auto* a, const auto* b) {
            return std::pair(b->status.size_bytes, a) < std::pair(a->status.size_bytes, b);
        });
    }
    if (is_whole && wanted.reverse) {
        std::ranges::reverse(batch_);
    }
    if (wanted.recursive) {
        for (const auto* each : batch_) {
            remember_below(*each);
        }
    }
}

void listing_source::remember_below(const vfs::directory_entry& entry) {
    if (entry.status.kind != vfs::file_kind::directory || entry.is_link) {
        return;  // Through a link the walk might never end.
    }
    if (found_.size() + below_.size() >= directories_max ||
        below_octets_ >= directory_names_bytes_max) {
        is_cut_ = true;
        return;
    }
    auto seen = directory_.where.resolve(entry.name);
    if (!seen) {
        return;  // Too long a path to be named by anybody.
    }
    found_.push_back(
        {.where = std::move(*seen), .shown = shown_below(directory_.shown, entry.name)});
    below_octets_ += found_.back().octets();
}

void listing_source::append_line(std::string& out, const vfs::directory_entry& entry,
                                 line_about about) const {
    switch (request_.style) {
        case listing_style::unix_lines:
            if (user_.settings.lists_as_dos) {
                append_dos_line(out, entry);
            } else {
                append_unix_line(out, entry, now_seconds_);
            }
            break;
        case listing_style::names:
            if (request_.wanted.long_form) {
                append_unix_line(out, entry, now_seconds_);
            } else {
                append_name_line(
                    out, {.directory = lists_directory_ ? directory_.shown : std::string_view(),
                          .name = entry.name});
            }
            break;
        case listing_style::facts:
            append_facts_line(out, entry,
                              {.facts = user_.settings.facts,
                               .rights = about.allowed,
                               .role = about.role,
                               .media_type = media_type_of(user_, entry.name)});
            break;
    }
    out += "\r\n";
}

}  // namespace ferry::ftp
