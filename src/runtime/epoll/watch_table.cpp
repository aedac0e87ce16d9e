#include "runtime/epoll/watch_table.hpp"

#include <new>

namespace ferry::runtime {

watch* watch_table::make(int fd) noexcept {
    if (fd < 0) {
        return nullptr;
    }
    const auto place = static_cast<std::size_t>(fd);
    try {
        if (chunks_.size() <= place / chunk_watches) {
            chunks_.resize(place / chunk_watches + 1);
        }
        auto& home = chunks_[place / chunk_watches];
        if (home == nullptr) {
            home = std::make_unique<chunk>();
        }
        return &(*home)[place % chunk_watches];
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

watch* watch_table::find(int fd) const noexcept {
    const auto place = static_cast<std::size_t>(fd);  // A negative one is beyond every chunk.
    if (place / chunk_watches >= chunks_.size() || chunks_[place / chunk_watches] == nullptr) {
        return nullptr;
    }
    return &(*chunks_[place / chunk_watches])[place % chunk_watches];
}

}  // namespace ferry::runtime
