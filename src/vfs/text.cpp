#include "ferry/vfs/text.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ferry::vfs::text {
namespace {

constexpr std::size_t block_bytes = 64;
/// So long as this much is left, whatever begins in the next block may be copied a block long.
constexpr std::size_t two_blocks_bytes = 2 * block_bytes;

/// A bit for each of the 64 octets at `from` that is `wanted`, the first one lowest.
std::uint64_t find_in_block(const char* from, char wanted) noexcept {
    std::uint64_t found = 0;
#if defined(__SSE2__)
    using lanes = char __attribute__((vector_size(16)));
    const lanes all_wanted = lanes{} + wanted;
    for (std::size_t begin = 0; begin < block_bytes; begin += sizeof(lanes)) {
        lanes octets;
        std::memcpy(&octets, from + begin, sizeof octets);
        const auto equal = static_cast<lanes>(octets == all_wanted);
        found |= std::uint64_t{static_cast<std::uint16_t>(__builtin_ia32_pmovmskb128(equal))}
                 << begin;
    }
#else
    for (std::size_t i = 0; i < block_bytes; ++i) {
        found |= std::uint64_t{from[i] == wanted ? 1U : 0U} << i;
    }
#endif
    return found;
}

/// Copies a block from `from` on; the caller counts as many as it wants of it.
void copy_block(char* to, const char* from) noexcept {
    std::memcpy(to, from, block_bytes);
}

/// Appends what `write(to)` writes, which returns its end, to `out`; at most `most` octets, and
/// anything in a block behind them.
template <class Write>
void append(std::string& out, std::size_t most, Write write) {
    const auto before = out.size();
    out.resize_and_overwrite(before + most + block_bytes,
                             [&](char* memory, std::size_t /*room*/) noexcept {
                                 return static_cast<std::size_t>(write(memory + before) - memory);
                             });
}

}  // namespace

void to_network::convert(std::string_view stored, std::string& out) {
    append(out, 2 * stored.size(), [&](char* to) noexcept {
        while (stored.size() >= two_blocks_bytes) {
            const auto crs = find_in_block(stored.data(), '\r');
            const std::uint64_t behind_crs = crs << 1U | (after_cr_ ? 1U : 0U);
            auto bare = find_in_block(stored.data(), '\n') & ~behind_crs;
            std::size_t copied = 0;
            for (; bare != 0; bare &= bare - 1) {
                const auto line_feed = static_cast<std::size_t>(std::countr_zero(bare));
                copy_block(to, stored.data() + copied);
                to += line_feed - copied;
                *to++ = '\r';
                copied = line_feed;
            }
            copy_block(to, stored.data() + copied);
            to += block_bytes - copied;
            after_cr_ = crs >> (block_bytes - 1) != 0;
            stored.remove_prefix(block_bytes);
        }
        for (const char c : stored) {
            if (c == '\n' && !after_cr_) {
                *to++ = '\r';
            }
            *to++ = c;
            after_cr_ = c == '\r';
        }
        return to;
    });
}

void from_network::convert(std::string_view received, std::string& out) {
    append(out, received.size() + 1, [&](char* to) noexcept {
        while (received.size() >= two_blocks_bytes) {
            if (pending_cr_ && received.front() != '\n') {
                *to++ = '\r';
            }
            pending_cr_ = false;
            const std::uint64_t next = received[block_bytes] == '\n' ? 1 : 0;
            const auto line_feeds =
                find_in_block(received.data(), '\n') >> 1U | next << (block_bytes - 1);
            auto dropped = find_in_block(received.data(), '\r') & line_feeds;
            std::size_t copied = 0;
            for (; dropped != 0; dropped &= dropped - 1) {
                const auto cr = static_cast<std::size_t>(std::countr_zero(dropped));
                copy_block(to, received.data() + copied);
                to += cr - copied;
                copied = cr + 1;
            }
            copy_block(to, received.data() + copied);
            to += block_bytes - copied;
            received.remove_prefix(block_bytes);
        }
        for (const char c : received) {
            if (pending_cr_ && c != '\n') {
                *to++ = '\r';
            }
            pending_cr_ = c == '\r';
            if (!pending_cr_) {
                *to++ = c;
            }
        }
        return to;
    });
}

void from_network::finish(std::string& out) {
    if (pending_cr_) {
        out += '\r';
        pending_cr_ = false;
    }
}

void network_size::add(std::string_view stored) noexcept {
    if (stored.empty()) {
        return;
    }
    octets_ += stored.size() + (stored.front() == '\n' && !after_cr_ ? 1 : 0);
    after_cr_ = stored.back() == '\r';
    // Counting in single octets and without a branch becomes vector code, ten times as fast; a
    // block is as long as one octet can count.
    constexpr std::size_t block = 255;
    for (std::size_t begin = 1; begin < stored.size(); begin += block) {
        const auto end = std::min(begin + block, stored.size());
        std::uint8_t added = 0;
        for (auto i = begin; i < end; ++i) {
            const unsigned is_line_feed = stored[i] == '\n' ? 1 : 0;
            const unsigned is_bare = stored[i - 1] != '\r' ? 1 : 0;
            added = static_cast<std::uint8_t>(added + (is_line_feed & is_bare));
        }
        octets_ += added;
    }
}

}  // namespace ferry::vfs::text
