#include "sim/journal.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace ferry::sim {

namespace {

// When everything is written back. A run that loses power does it sooner than this.
constexpr std::size_t changes_max = 16'384;
constexpr std::size_t unsynced_writes_max = 16'384;
constexpr std::uint64_t unsynced_blocks_max = 16'384;

void set_durable(const name_change& each) {
    inode& directory = *each.directory;
    directory.durable.names.set(directory_names::place_of(each.name, directory.ledger->name_seed),
                                each.name, each.what);
}

/// How the un-synced writes of one file fare in a crash.
enum class fate : std::uint8_t { all_lost, all_kept, each_its_own };

fate choose_fate(const crash_weather& weather, ferry::random& rng) {
    if (!weather.writes_may_survive) {
        return fate::all_lost;
    }
    switch (rng.below(4)) {
        case 0:
            return fate::all_lost;
        case 1:
            return fate::all_kept;
        default:
            return fate::each_its_own;
    }
}

/// How many of `size_bytes` written octets survive.
std::uint64_t choose_survivors(fate of, std::uint64_t size_bytes, ferry::random& rng) {
    switch (of) {
        case fate::all_lost:
            return 0;
        case fate::all_kept:
            return size_bytes;
        case fate::each_its_own:
            break;
    }
    switch (rng.below(3)) {
        case 0:
            return 0;
        case 1:
            return size_bytes;
        default:
            return rng.below(size_bytes);
    }
}

/// Brings what survives of a file's un-synced changes into its durable content. Changes of size
/// survive with the journal up to `end`; of one that is lost, and is followed by writes, those are
/// lost too: their blocks came after it. Returns how many changes did not survive whole.
std::size_t lose_content(inode& file, std::uint64_t end, fate of, ferry::random& rng) {
    auto& durable = file.durable;
    std::size_t kept = 0;
    for (const content_change& each : file.unsynced) {
        if (const auto* const size = std::get_if<resize>(&each)) {
            if (size->order >= end) {
                break;
            }
            durable.content.resize(size->size_bytes);
            ++kept;
            continue;
        }
        const auto& write = std::get<unsynced_write>(each);
        const std::uint64_t survivors = choose_survivors(of, write.piece.size_bytes, rng);
        if (survivors > 0) {
            durable.content.put(write.piece, survivors);
            durable.is.modified = durable.is.changed = write.when;
        }
        kept += survivors == write.piece.size_bytes ? 1U : 0U;
    }
    return file.unsynced.size() - kept;
}

}  // namespace

void journal::add(change what) {
    changes_.push_back(std::move(what));
}

void journal::note(inode& changed_names_of, inode* and_of, names_changed what, timespec when) {
    add({.what = std::move(what), .when = when});
    changed_names_of.last_change_order = end();
    if (and_of != nullptr) {
        and_of->last_change_order = end();
    }
}

void journal::note(attributes_changed what, timespec when) {
    inode& changed = *what.what;
    add({.what = std::move(what), .when = when});
    changed.last_change_order = end();
}

void journal::note_resize(inode& what, std::uint64_t size_bytes, timespec when) {
    what.note_unsynced(resize{.size_bytes = size_bytes, .order = end()});
    add({.what = size_changed{what.shared_from_this()}, .when = when});
}

void journal::apply(const change& what, std::uint64_t order) {
    const auto touch = [order, &what](inode& touched, bool is_modified) {
        if (order >= touched.durable.attributes_order) {
            touched.durable.is.changed = what.when;
            if (is_modified) {
                touched.durable.is.modified = what.when;
            }
        }
    };
    if (const auto* const names = std::get_if<names_changed>(&what.what)) {
        for (const name_change* each : {&names->first, &names->second}) {
            if (each->directory != nullptr) {
                set_durable(*each);
                touch(*each->directory, true);
                if (each->what != nullptr) {
                    touch(*each->what, false);
                }
            }
        }
    } else if (const auto* const attributes = std::get_if<attributes_changed>(&what.what)) {
        if (order >= attributes->what->durable.attributes_order) {
            attributes->what->durable.is = attributes->now;
        }
    } else {
        touch(*std::get<size_changed>(what.what).what, true);
    }
}

void journal::commit(std::uint64_t end) {
    while (first_ < end) {
        apply(changes_.front(), first_);
        changes_.pop_front();
        ++first_;
    }
}

void journal::sync_content(inode& file) {
    file_content& durable = file.durable.content;
    for (const content_change& each : file.unsynced) {
        if (const auto* const size = std::get_if<resize>(&each)) {
            durable.resize(size->size_bytes);
            durable.take_over_cut(file.content, size->size_bytes);
        } else {
            durable.take_over(file.content, std::get<unsynced_write>(each).piece);
        }
    }
    durable.set_size(file.content.size_bytes());
    file.forget_unsynced();
}

void journal::sync_file(inode& file, bool data_only) {
    const bool has_new_size = file.durable.content.size_bytes() != file.content.size_bytes();
    sync_content(file);
    if (data_only) {
        if (has_new_size) {  // Then the inode has to be written; else its times may wait.
            file.durable.is.modified = file.is.modified;
            file.durable.is.changed = file.is.changed;
        }
        return;
    }
    file.durable.is = file.is;
    file.durable.attributes_order = end();
    end_at_sync_ = end();
}

void journal::sync_directory(inode& directory) {
    commit(directory.last_change_order);
    directory.durable.is = directory.is;
    directory.durable.attributes_order = end();
}

void journal::write_back_if_much(inode_ledger& of) {
    if (changes_.size() <= changes_max && of.unsynced_writes <= unsynced_writes_max &&
        of.unsynced_blocks <= unsynced_blocks_max) {
        return;
    }
    commit(end());
    while (!of.dirty.empty()) {
        inode& file = *of.dirty.begin()->second;
        sync_content(file);
        file.durable.is = file.is;
        file.durable.attributes_order = end();
    }
}

std::uint64_t journal::choose_end(const crash_weather& weather, ferry::random& rng) const {
    const std::uint64_t least =
        weather.file_sync_commits_names ? std::max(first_, end_at_sync_) : first_;
    // All and nothing are worth more than one chance in however many there are.
    switch (rng.below(4)) {
        case 0:
            return least;
        case 1:
            return end();
        default:
            return least + rng.below(end() - least + 1);
    }
}

std::size_t journal::lose_power(inode_ledger& of, const crash_weather& weather,
                                ferry::random& rng) {
    const std::uint64_t kept_end = choose_end(weather, rng);
    auto lost = static_cast<std::size_t>(end() - kept_end);
    commit(kept_end);
    // Before anything is let go: who has come how far is in the lists of the inodes.
    for (const auto& [number, file] : of.dirty) {
        lost += lose_content(*file, kept_end, choose_fate(weather, rng), rng);
    }
    while (!of.dirty.empty()) {
        of.dirty.begin()->second->forget_unsynced();
    }
    first_ = end();
    changes_.clear();
    return lost;
}

file_content journal::durable_content(const inode& file) const {
    file_content left = file.durable.content;
    for (const content_change& each : file.unsynced) {
        if (const auto* const size = std::get_if<resize>(&each)) {
            if (size->order >= first_) {
                break;
            }
            left.resize(size->size_bytes);
        }
    }
    return left;
}

}  // namespace ferry::sim
