#include "sim/file_content.hpp"

#include <algorithm>
#include <cstring>

namespace ferry::sim {

std::size_t file_content::read(std::span<std::byte> into, std::uint64_t offset) const {
    if (offset >= size_bytes_) {
        return 0;
    }
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_bytes_ - offset));
    for (std::size_t done = 0; done < count;) {
        const std::uint64_t at = offset + done;
        const auto within = static_cast<std::size_t>(at % block_bytes);
        const std::size_t piece = std::min(count - done, block_bytes - within);
        const auto found = blocks_.find(at / block_bytes);
        if (found == blocks_.end()) {
            std::memset(into.data() + done, 0, piece);
        } else {
            std::memcpy(into.data() + done, found->second->data() + within, piece);
        }
        done += piece;
    }
    return count;
}

file_content::block& file_content::writable(std::uint64_t index) {
    auto& each = blocks_[index];
    if (each == nullptr) {
        each = std::make_shared<block>();
    } else if (each.use_count() > 1) {
        each = std::make_shared<block>(*each);
    }
    return *each;
}

void file_content::write(std::span<const std::byte> octets, std::uint64_t offset) {
    for (std::size_t done = 0; done < octets.size();) {
        const std::uint64_t at = offset + done;
        const auto within = static_cast<std::size_t>(at % block_bytes);
        const std::size_t piece = std::min(octets.size() - done, block_bytes - within);
        std::memcpy(writable(at / block_bytes).data() + within, octets.data() + done, piece);
        done += piece;
    }
    size_bytes_ = std::max(size_bytes_, offset + octets.size());
}

void file_content::resize(std::uint64_t size_bytes) {
    if (size_bytes < size_bytes_) {
        const std::uint64_t kept = (size_bytes + block_bytes - 1) / block_bytes;
        blocks_.erase(blocks_.lower_bound(kept), blocks_.end());
        const auto within = static_cast<std::size_t>(size_bytes % block_bytes);
        if (within != 0 && blocks_.contains(size_bytes / block_bytes)) {
            auto& last = writable(size_bytes / block_bytes);
            std::fill(last.begin() + static_cast<std::ptrdiff_t>(within), last.end(), std::byte{});
        }
    }
    size_bytes_ = size_bytes;
}

std::size_t file_content::new_blocks(std::uint64_t size_bytes, std::uint64_t offset) const {
    if (size_bytes == 0) {
        return 0;
    }
    std::size_t count = 0;
    for (std::uint64_t index = offset / block_bytes;
         index <= (offset + size_bytes - 1) / block_bytes; ++index) {
        count += blocks_.contains(index) ? 0U : 1U;
    }
    return count;
}

}  // namespace ferry::sim
