#include "sim/inode.hpp"

#include <sys/inotify.h>

#include <utility>

#include "ferry/base/assert.hpp"
#include "sim/dentry.hpp"
#include "sim/inotify.hpp"

namespace ferry::sim {

std::uint64_t directory_names::place_of(std::string_view name, std::uint64_t seed) noexcept {
    std::uint64_t hash = 0xCBF29CE484222325U ^ seed;
    for (const char letter : name) {
        hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3U;
    }
    hash = (hash ^ (hash >> 30U)) * 0xBF58476D1CE4E5B9U;
    hash = (hash ^ (hash >> 27U)) * 0x94D049BB133111EBU;
    return (hash ^ (hash >> 31U)) % end_place;
}

inode* directory_names::find(std::uint64_t place, std::string_view name) const noexcept {
    const auto found = all_.find(place);
    if (found == all_.end()) {
        return nullptr;
    }
    return found->second.name == name ? found->second.what.get() : nullptr;
}

void directory_names::set(std::uint64_t place, std::string_view name, inode_ptr what) {
    if (what == nullptr) {
        all_.erase(place);
        return;
    }
    const auto [found, is_new] = all_.try_emplace(place);
    if (is_new) {
        found->second.name = name;
    }
    // Two names with one place: one chance in 2^63 a pair. Nobody here looks for them.
    FERRY_ASSERT(found->second.name == name);
    found->second.what = std::move(what);
}

inode::inode(inode_ledger_ptr of, mode_t mode, timespec now)
    : ledger(std::move(of)),
      number(++ledger->last_number),
      is{.mode = mode, .modified = now, .changed = now},
      accessed(now),
      born(now) {
    durable.is = is;
    ledger->all.emplace_hint(ledger->all.end(), number, this);
}

inode::~inode() {
    forget_unsynced();
    ledger->all.erase(number);
}

std::uint64_t inode::size_bytes() const noexcept {
    if (is_symlink()) {
        return target.size();
    }
    if (is_directory()) {
        return is_dead() ? 0 : block_bytes;
    }
    return told_size_bytes.value_or(content.size_bytes());
}

void inode::give_space_back_if_gone() noexcept {
    if (links == 0 && opens == 0) {
        ledger->used_blocks -= content.count_blocks();
        content = {};
    }
}

void inode::drop_name() noexcept {
    --links;
    give_space_back_if_gone();
}

void inode::drop_descriptor() noexcept {
    --opens;
    give_space_back_if_gone();
}

void inode::count_blocks_since(std::uint64_t before) noexcept {
    ledger->used_blocks += content.count_blocks() - before;
}

void inode::note_unsynced(content_change what) {
    if (const auto* const write = std::get_if<unsynced_write>(&what)) {
        ledger->unsynced_blocks += write->piece.blocks.size();
    }
    ++ledger->unsynced_writes;
    if (unsynced.empty()) {
        ledger->dirty.emplace(number, this);
    }
    unsynced.push_back(std::move(what));
}

void inode::forget_unsynced() noexcept {
    if (unsynced.empty()) {
        return;
    }
    for (const content_change& each : unsynced) {
        if (const auto* const write = std::get_if<unsynced_write>(&each)) {
            ledger->unsynced_blocks -= write->piece.blocks.size();
        }
    }
    ledger->unsynced_writes -= unsynced.size();
    unsynced.clear();
    ledger->dirty.erase(number);
}

namespace {

struct counted_open_file final : open_file {
    counted_open_file() = default;
    counted_open_file(const counted_open_file&) = delete;
    counted_open_file& operator=(const counted_open_file&) = delete;
    ~counted_open_file() {
        if (life != what->ledger->life) {
            return;  // A crash has closed it before.
        }
        what->lock.release(this);
        if ((flags & O_PATH) == 0) {
            const bool writes = (flags & O_ACCMODE) != O_RDONLY;
            notify_entry(*by, writes ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE, true);
        }
        if ((flags & (O_ACCMODE | O_PATH)) == O_RDONLY ||
            (flags & (O_ACCMODE | O_PATH)) == O_RDWR) {
            --what->readers;
        }
        what->drop_descriptor();
    }
};

}  // namespace

open_file_ptr make_open_file(dentry_ptr by, int flags) {
    auto made = std::make_shared<counted_open_file>();
    inode& what = *by->what;
    made->what = by->what;
    made->by = std::move(by);
    made->flags = flags;
    made->life = what.ledger->life;
    ++what.opens;
    if ((flags & (O_ACCMODE | O_PATH)) == O_RDONLY || (flags & (O_ACCMODE | O_PATH)) == O_RDWR) {
        ++what.readers;
    }
    return made;
}

}  // namespace ferry::sim
