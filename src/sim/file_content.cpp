#include "sim/file_content.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

namespace ferry::sim {

namespace {

/// The part of a span of octets that lies in one block.
struct cut {
    std::uint64_t index;
    std::size_t begin;
    std::size_t count;
};

cut cut_at(std::uint64_t offset, std::uint64_t left_bytes) noexcept {
    const auto begin = static_cast<std::size_t>(offset % block_bytes);
    return {.index = offset / block_bytes,
            .begin = begin,
            .count =
                static_cast<std::size_t>(std::min<std::uint64_t>(left_bytes, block_bytes - begin))};
}

/// Octets of a block, zeros where it ends early.
void copy_out(const block& from, std::size_t begin, std::span<std::byte> into) noexcept {
    const std::size_t there =
        from.size() > begin ? std::min(from.size() - begin, into.size()) : std::size_t{0};
    if (there > 0) {
        std::memcpy(into.data(), from.data() + begin, there);
    }
    if (there < into.size()) {
        std::memset(into.data() + there, 0, into.size() - there);
    }
}

}  // namespace

const block* file_content::find(std::uint64_t index) const noexcept {
    const auto found = blocks_.find(index);
    return found == blocks_.end() ? nullptr : found->second.get();
}

void file_content::set(std::uint64_t index, const block_ptr& what) {
    if (what == nullptr) {
        blocks_.erase(index);
    } else {
        blocks_.insert_or_assign(index, what);
    }
}

std::size_t file_content::read(std::span<std::byte> into, std::uint64_t offset) const {
    if (offset >= size_bytes_) {
        return 0;
    }
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_bytes_ - offset));
    auto next = blocks_.lower_bound(offset / block_bytes);
    for (std::size_t done = 0; done < count;) {
        const cut here = cut_at(offset + done, count - done);
        const auto piece = into.subspan(done, here.count);
        if (next != blocks_.end() && next->first == here.index) {
            copy_out(*next->second, here.begin, piece);
            ++next;
        } else {
            std::memset(piece.data(), 0, piece.size());
        }
        done += here.count;
    }
    return count;
}

void file_content::fill(std::uint64_t index, std::size_t begin, const std::byte* octets,
                        std::size_t count) {
    const std::size_t end = begin + count;
    if (octets == nullptr && begin == 0 && end == block_bytes) {
        blocks_.erase(index);
        return;
    }
    const auto found = blocks_.lower_bound(index);
    if (found == blocks_.end() || found->first != index) {
        if (octets == nullptr) {
            return;
        }
        auto made = std::make_shared<block>();
        made->reserve(end);
        made->resize(begin);
        made->insert(made->end(), octets, octets + count);
        blocks_.emplace_hint(found, index, std::move(made));
        return;
    }
    block_ptr& each = found->second;
    if (octets != nullptr && begin == 0 && end >= each->size()) {
        if (each.use_count() == 1) {
            each->assign(octets, octets + count);
        } else {
            each = std::make_shared<block>(octets, octets + count);
        }
        return;
    }
    if (each.use_count() > 1) {
        each = std::make_shared<block>(*each);
    }
    if (each->size() < end) {
        each->resize(end);
    }
    if (octets == nullptr) {
        std::memset(each->data() + begin, 0, count);
    } else {
        std::memcpy(each->data() + begin, octets, count);
    }
}

std::uint64_t file_content::count_holes(std::uint64_t offset,
                                        std::uint64_t size_bytes) const noexcept {
    const std::uint64_t first = offset / block_bytes;
    const std::uint64_t last = (offset + size_bytes - 1) / block_bytes;
    const auto there = std::distance(blocks_.lower_bound(first), blocks_.upper_bound(last));
    return last - first + 1 - static_cast<std::uint64_t>(there);
}

std::size_t file_content::write(std::span<const std::byte> octets, std::uint64_t offset,
                                std::uint64_t free_blocks, content_piece& written) {
    written = {.offset = offset, .size_bytes = 0, .blocks = {}};
    std::size_t done = 0;
    while (done < octets.size()) {
        const cut here = cut_at(offset + done, octets.size() - done);
        if (free_blocks == 0 && find(here.index) == nullptr) {
            break;
        }
        const std::uint64_t before = blocks_.size();
        fill(here.index, here.begin, octets.data() + done, here.count);
        free_blocks -= blocks_.size() - before;
        written.blocks.push_back(blocks_.find(here.index)->second);
        done += here.count;
    }
    written.size_bytes = done;
    if (done > 0) {
        size_bytes_ = std::max(size_bytes_, offset + done);
    }
    return done;
}

std::uint64_t file_content::copy(const file_content& from, std::uint64_t from_offset,
                                 std::uint64_t offset, std::uint64_t size_bytes,
                                 std::uint64_t free_blocks, content_piece& written) {
    written = {.offset = offset, .size_bytes = 0, .blocks = {}};
    std::uint64_t done = 0;
    std::array<std::byte, block_bytes> octets;
    while (done < size_bytes) {
        const cut here = cut_at(offset + done, size_bytes - done);
        const cut first = cut_at(from_offset + done, here.count);
        const bool is_hole = from.find(first.index) == nullptr &&
                             (first.count == here.count || from.find(first.index + 1) == nullptr);
        if (!is_hole && free_blocks == 0 && find(here.index) == nullptr) {
            break;
        }
        const std::uint64_t before = blocks_.size();
        if (is_hole) {
            fill(here.index, here.begin, nullptr, here.count);
        } else if (here.count == block_bytes && first.begin == 0) {
            set(here.index, from.blocks_.find(first.index)->second);
        } else {
            const auto piece = std::span(octets).first(here.count);
            from.read(piece, from_offset + done);
            fill(here.index, here.begin, piece.data(), piece.size());
        }
        free_blocks += before - blocks_.size();
        const auto found = blocks_.find(here.index);
        written.blocks.push_back(found == blocks_.end() ? nullptr : found->second);
        done += here.count;
    }
    written.size_bytes = done;
    if (done > 0) {
        size_bytes_ = std::max(size_bytes_, offset + done);
    }
    return done;
}

void file_content::put(const content_piece& piece, std::uint64_t size_bytes) {
    std::array<std::byte, block_bytes> octets;
    for (std::uint64_t done = 0; done < size_bytes;) {
        const cut here = cut_at(piece.offset + done, size_bytes - done);
        const block* from =
            piece.blocks[static_cast<std::size_t>(here.index - piece.offset / block_bytes)].get();
        if (from != nullptr) {
            copy_out(*from, here.begin, std::span(octets).first(here.count));
        }
        fill(here.index, here.begin, from == nullptr ? nullptr : octets.data(), here.count);
        done += here.count;
    }
    if (size_bytes > 0) {
        size_bytes_ = std::max(size_bytes_, piece.offset + size_bytes);
    }
}

void file_content::take_over(const file_content& from, const content_piece& piece) {
    const std::uint64_t first = piece.offset / block_bytes;
    const std::uint64_t end = first + piece.blocks.size();
    // Those it has, in one go; a hole in it is one here.
    auto next = from.blocks_.lower_bound(first);
    for (std::uint64_t index = first; index < end; ++index) {
        if (next != from.blocks_.end() && next->first == index) {
            set(index, next->second);
            ++next;
        } else {
            blocks_.erase(index);
        }
    }
}

void file_content::take_over_cut(const file_content& from, std::uint64_t size_bytes) {
    const std::uint64_t index = size_bytes / block_bytes;
    const auto found = from.blocks_.find(index);
    set(index, found == from.blocks_.end() ? nullptr : found->second);
}

void file_content::resize(std::uint64_t size_bytes) {
    if (size_bytes < size_bytes_) {
        const std::uint64_t kept = size_bytes / block_bytes + (size_bytes % block_bytes != 0);
        blocks_.erase(blocks_.lower_bound(kept), blocks_.end());
        const auto within = static_cast<std::size_t>(size_bytes % block_bytes);
        const auto last = blocks_.find(size_bytes / block_bytes);
        if (last != blocks_.end() && last->second->size() > within) {
            block_ptr& each = last->second;
            if (each.use_count() > 1) {
                each = std::make_shared<block>(each->begin(),
                                               each->begin() + static_cast<std::ptrdiff_t>(within));
            } else {
                each->resize(within);
            }
        }
    }
    size_bytes_ = size_bytes;
}

bool operator==(const file_content& a, const file_content& b) {
    if (a.size_bytes_ != b.size_bytes_ || a.blocks_.size() != b.blocks_.size()) {
        return false;
    }
    std::array<std::byte, block_bytes> left;
    std::array<std::byte, block_bytes> right;
    return std::ranges::equal(a.blocks_, b.blocks_, [&](const auto& each, const auto& other) {
        if (each.first != other.first) {
            return false;
        }
        copy_out(*each.second, 0, left);
        copy_out(*other.second, 0, right);
        return left == right;
    });
}

}  // namespace ferry::sim
