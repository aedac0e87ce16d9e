#include "ferry/net/seal_buffers.hpp"

#include <utility>

namespace ferry::net {

std::string seal_buffers::take() {
    if (count_ > 0) {
        return std::exchange(kept_[--count_], {});  // The last that was used.
    }
    std::string made;
    made.reserve(room_bytes);
    return made;
}

void seal_buffers::give_back(std::string& used) noexcept {
    auto mine = std::exchange(used, {});
    const bool is_fit = mine.capacity() >= room_bytes && mine.capacity() <= kept_room_bytes_max;
    if (is_fit && count_ < kept_.size()) {
        mine.clear();
        kept_[count_++] = std::move(mine);
    }
}

seal_buffers::lease::lease(seal_buffers* from)
    : text(from == nullptr ? std::string() : from->take()), from_(from) {}

seal_buffers::lease::~lease() {
    if (from_ != nullptr) {
        from_->give_back(text);
    }
}

}  // namespace ferry::net
