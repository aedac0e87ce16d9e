#include "ferry/vfs/digest.hpp"

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "ferry/base/kernel.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/compute.hpp"
#include "ferry/vfs/hasher.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {

using runtime::task;

namespace {

// What a thread of the pool does at a time: 1 to 11 ms of hashing (decision 0018), and little
// beside that for the way there and back.
constexpr std::uint64_t piece_bytes_max = 4_MiB;
constexpr std::size_t buffer_bytes = 128_KiB;  // Stays in a core's own cache.
constexpr unsigned attempts_max = 2;

/// Goes to the pool and comes back, piece by piece.
struct errand {
    std::unique_ptr<hasher> by;
    std::unique_ptr<std::byte[]> memory;
};

struct stretch {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
};

struct errand_done {
    errand back;
    std::uint64_t read_bytes = 0;  ///< Fewer than asked for: the file ends there.
    int refused = 0;               ///< An errno.
};

/// On a thread of the pool, so that not even what OpenSSL does at its first use holds up a core.
errand_done hash_piece(errand what, digest_algorithm by, int file, stretch piece) noexcept {
    errand_done done{.back = std::move(what)};
    errand& mine = done.back;
    try {
        if (mine.by == nullptr) {
            mine.by = make_hasher(by);
        }
        if (mine.memory == nullptr) {
            mine.memory = std::make_unique_for_overwrite<std::byte[]>(buffer_bytes);
        }
    } catch (const std::bad_alloc&) {
        done.refused = ENOMEM;
        return done;
    }
    if (mine.by == nullptr) {
        done.refused = EOPNOTSUPP;
        return done;
    }
    while (done.read_bytes < piece.size_bytes) {
        const auto wanted = static_cast<std::size_t>(
            std::min<std::uint64_t>(buffer_bytes, piece.size_bytes - done.read_bytes));
        const auto got =
            kernel::pread(file, mine.memory.get(), wanted, piece.offset + done.read_bytes);
        if (got < 0 && errno != EINTR) {
            done.refused = errno;
            return done;
        }
        if (got == 0) {
            return done;
        }
        if (got > 0) {
            mine.by->add({mine.memory.get(), static_cast<std::size_t>(got)});
            done.read_bytes += static_cast<std::uint64_t>(got);
        }
    }
    return done;
}

/// What is hashed, and whose turn that is.
struct hashing {
    const node& file;
    digest_algorithm by;
    stretch all;
    const metadata* kept_for = nullptr;  ///< Somebody else's digest of that will do; null: none.
    runtime::permits& turns;
    runtime::permits::permit& turn;
    std::uint64_t turn_bytes_max;
};

/// Lets others have their turn, who may have made the digest when it comes again.
task<result<std::optional<digest>>> give_way(const hashing& what, digest_cache& known) {
    what.turn.give_back();
    auto again = co_await what.turns.take(runtime::never);
    if (!again) {
        co_return failure(again.error());
    }
    what.turn = std::move(*again);
    co_return what.kept_for == nullptr ? std::nullopt : known.find(*what.kept_for, what.by);
}

/// Hashes a stretch of a file, piece by piece.
task<result<digest_made>> hash(runtime::core& here, hashing what, digest_cache& known) {
    errand mine;
    std::uint64_t done_bytes = 0;
    std::uint64_t turn_bytes = 0;
    bool is_over = false;
    while (!is_over) {  // Of nothing at all, too: one piece, which makes the hasher.
        if (turn_bytes >= what.turn_bytes_max) {
            mine.memory.reset();  // It may wait for long.
            const auto made = co_await give_way(what, known);
            if (!made) {
                co_return failure(made.error());
            }
            if (*made) {
                co_return digest_made{.value = **made, .size_bytes = what.all.size_bytes};
            }
            turn_bytes = 0;
        }
        const stretch piece{
            .offset = what.all.offset + done_bytes,
            .size_bytes = std::min(piece_bytes_max, what.all.size_bytes - done_bytes)};
        auto done = co_await runtime::run_offloaded(here, &hash_piece, std::move(mine), what.by,
                                                    what.file.fd(), piece);
        if (!done) {
            co_return failure(done.error());
        }
        if (done->refused != 0) {
            co_return failure_from_errno(done->refused);
        }
        mine = std::move(done->back);
        done_bytes += done->read_bytes;
        turn_bytes += done->read_bytes;
        is_over = done_bytes == what.all.size_bytes || done->read_bytes < piece.size_bytes;
    }
    const auto value = mine.by->finish();
    if (!value) {
        co_return failure(errc::unsupported);
    }
    co_return digest_made{.value = *value, .size_bytes = done_bytes};
}

/// True when whatever changes the file from `now` on shows in its time of change. Not that of
/// modification, which anybody may set back.
bool is_settled(const metadata& file, wall_time now) noexcept {
    return file.changed <= wall_time{.seconds = now.seconds - settled_after_seconds,
                                     .nanoseconds = now.nanoseconds};
}

}  // namespace

digest_cache::key digest_cache::key_of(const metadata& file, digest_algorithm by) noexcept {
    return {.device = file.device,
            .inode = file.inode,
            .size_bytes = file.size_bytes,
            .modified = file.modified,
            .changed = file.changed,
            .by = by};
}

std::optional<digest> digest_cache::find(const metadata& file, digest_algorithm by) {
    return kept_.use([wanted = key_of(file, by)](table& kept) -> std::optional<digest> {
        const auto found = kept.by_key.find(wanted);
        if (found == kept.by_key.end()) {
            return std::nullopt;
        }
        kept.by_use.splice(kept.by_use.begin(), kept.by_use, found->second);
        return found->second->value;
    });
}

void digest_cache::put(const metadata& file, digest_algorithm by, const digest& value) noexcept {
    if (entries_max_ == 0) {
        return;
    }
    kept_.use([this, of = key_of(file, by), &value](table& kept) {
        if (kept.by_key.contains(of)) {
            return;  // Another session was as quick.
        }
        if (kept.by_use.size() == entries_max_) {
            kept.by_key.erase(kept.by_use.back().of);
            kept.by_use.pop_back();
        }
        try {
            kept.by_use.push_front({.of = of, .value = value});
        } catch (const std::bad_alloc&) {
            return;
        }
        try {
            kept.by_key.emplace(of, kept.by_use.begin());
        } catch (const std::bad_alloc&) {
            kept.by_use.pop_front();
        }
    });
}

std::size_t digest_cache::size() {
    return kept_.use([](const table& kept) { return kept.by_use.size(); });
}

task<result<digest_made>> digests::of(const node& file, digest_request what) {
    if (file.is_directory()) {
        co_return failure(errc::is_directory, EISDIR);
    }
    std::optional<runtime::permits::permit> turn;
    for (unsigned attempts = 0; attempts < attempts_max;) {
        const auto before = metadata_of(file.fd());
        if (!before) {
            co_return failure(before.error());
        }
        if (what.offset > before->size_bytes) {
            co_return failure(errc::invalid);
        }
        const stretch all{
            .offset = what.offset,
            .size_bytes = std::min(what.size_bytes, before->size_bytes - what.offset)};
        const bool may_be_kept = what.is_local && all.size_bytes == before->size_bytes;
        if (may_be_kept) {
            if (const auto known = known_.find(*before, what.by)) {
                co_return digest_made{.value = *known, .size_bytes = all.size_bytes};
            }
        }
        if (!turn) {
            auto taken = co_await turns_.take(runtime::never);
            if (!taken) {
                co_return failure(taken.error());
            }
            turn.emplace(std::move(*taken));
            continue;  // It may have waited for long, and another may have made this digest.
        }
        ++attempts;
        const auto begun_at = read_wall_clock();
        const auto made = co_await hash(here_,
                                        {.file = file,
                                         .by = what.by,
                                         .all = all,
                                         .kept_for = may_be_kept ? &*before : nullptr,
                                         .turns = turns_,
                                         .turn = *turn,
                                         .turn_bytes_max = turn_bytes_max_},
                                        known_);
        if (!made) {
            co_return failure(made.error());
        }
        const auto after = metadata_of(file.fd());
        if (!after) {
            co_return failure(after.error());
        }
        if (!is_unchanged(*before, *after)) {
            continue;
        }
        if (made->size_bytes < all.size_bytes) {
            co_return failure(errc::io);
        }
        if (may_be_kept && is_settled(*before, begun_at)) {
            known_.put(*before, what.by, made->value);
        }
        co_return *made;
    }
    co_return failure(errc::busy);
}

}  // namespace ferry::vfs
