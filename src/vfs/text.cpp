#include "ferry/vfs/text.hpp"

#include <algorithm>

namespace ferry::vfs::text {

void to_network::convert(std::string_view stored, std::string& out) {
    while (!stored.empty()) {
        const auto line_feed = stored.find('\n');
        if (line_feed == std::string_view::npos) {
            out += stored;
            after_cr_ = stored.back() == '\r';
            return;
        }
        const bool has_cr = line_feed == 0 ? after_cr_ : stored[line_feed - 1] == '\r';
        out += stored.substr(0, line_feed);
        out += has_cr ? "\n" : "\r\n";
        stored.remove_prefix(line_feed + 1);
        after_cr_ = false;
    }
}

void from_network::convert(std::string_view received, std::string& out) {
    if (received.empty()) {
        return;
    }
    if (pending_cr_ && received.front() != '\n') {
        out += '\r';
    }
    pending_cr_ = false;
    while (!received.empty()) {
        const auto cr = received.find('\r');
        out += received.substr(0, cr);
        if (cr == std::string_view::npos) {
            return;
        }
        received.remove_prefix(cr + 1);
        if (received.empty()) {
            pending_cr_ = true;
        } else if (received.front() != '\n') {
            out += '\r';
        }
    }
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
