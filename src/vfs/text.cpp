#include "ferry/vfs/text.hpp"

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
    std::uint64_t added = stored.front() == '\n' && !after_cr_ ? 1 : 0;
    for (std::size_t i = 1; i < stored.size(); ++i) {
        added += static_cast<std::uint64_t>(stored[i] == '\n') &
                 static_cast<std::uint64_t>(stored[i - 1] != '\r');
    }
    octets_ += stored.size() + added;
    after_cr_ = stored.back() == '\r';
}

}  // namespace ferry::vfs::text
