#include "ferry/vfs/pages.hpp"

#include <algorithm>

#include "ferry/base/assert.hpp"

namespace ferry::vfs::pages {
namespace {

// Section 3.1.2.3: the types of pages, and the lengths of headers they must have.
enum page_type : std::uint8_t { last = 0, simple = 1, descriptor = 2, access_controlled = 3 };
constexpr std::size_t header_bytes_min = 4;
constexpr std::size_t access_controlled_header_bytes = 5;

void append_header(std::string& out, std::size_t index, std::size_t data_bytes, page_type type) {
    for (const auto field : {header_bytes_min, index, data_bytes, std::size_t{type}}) {
        out += static_cast<char>(field);
    }
}

bool is_length_allowed(std::size_t header_bytes, std::size_t data_bytes, std::uint8_t type) {
    switch (type) {
        case last:
            return header_bytes == header_bytes_min && data_bytes == 0;
        case simple:
            return header_bytes == header_bytes_min;
        case descriptor:
            return header_bytes >= header_bytes_min;
        case access_controlled:
            return header_bytes == access_controlled_header_bytes;
        default:
            return false;
    }
}

}  // namespace

to_network::to_network(std::size_t page_bytes) noexcept : page_bytes_(page_bytes) {
    FERRY_ASSERT(page_bytes >= 1 && page_bytes <= page_bytes_max);
}

result<void> to_network::convert(std::string_view stored, std::string& out) {
    while (!stored.empty()) {
        if (page_.size() == page_bytes_) {
            if (auto sent = send_page(false, out); !sent) {
                return sent;
            }
        }
        const auto taken = stored.substr(0, page_bytes_ - page_.size());
        page_ += taken;
        stored.remove_prefix(taken.size());
    }
    return {};
}

result<void> to_network::finish(std::string& out) {
    if (!page_.empty()) {
        if (auto sent = send_page(true, out); !sent) {
            return sent;
        }
    }
    append_header(out, 0, 0, last);
    return {};
}

result<void> to_network::send_page(bool is_last, std::string& out) {
    if (index_ == pages_max) {
        return failure(errc::too_large);
    }
    if (is_last || page_.find_first_not_of('\0') != std::string::npos) {
        append_header(out, index_, page_.size(), simple);
        out += page_;
    }
    page_.clear();
    ++index_;
    return {};
}

from_network::from_network(std::size_t page_bytes) noexcept : page_bytes_(page_bytes) {
    FERRY_ASSERT(page_bytes >= 1 && page_bytes <= page_bytes_max);
}

result<placed> from_network::next(std::string_view& received) {
    while (!received.empty()) {
        if (has_ended_) {
            return failure(errc::invalid);
        }
        if (skipped_bytes_ > 0) {
            const auto skipped = std::min(skipped_bytes_, received.size());
            received.remove_prefix(skipped);
            skipped_bytes_ -= skipped;
        } else if (data_bytes_ > 0) {
            const placed made{.offset = offset_, .data = received.substr(0, data_bytes_)};
            received.remove_prefix(made.data.size());
            data_bytes_ -= made.data.size();
            offset_ += made.data.size();
            return made;
        } else {
            header_[header_bytes_++] = static_cast<std::uint8_t>(received.front());
            received.remove_prefix(1);
            if (header_bytes_ == header_.size()) {
                header_bytes_ = 0;
                if (auto begun = begin_page(); !begun) {
                    return failure(begun.error());
                }
            }
        }
    }
    return placed{};
}

result<void> from_network::begin_page() {
    const auto [header_bytes, index, data_bytes, type] = header_;
    if (!is_length_allowed(header_bytes, data_bytes, type)) {
        return failure(errc::invalid);
    }
    skipped_bytes_ = header_bytes - header_bytes_min;
    if (type == last) {
        has_ended_ = true;
        return {};
    }
    if (type == descriptor) {
        skipped_bytes_ += data_bytes;
        return {};
    }
    if (data_bytes > page_bytes_ || seen_.test(index)) {
        return failure(errc::invalid);
    }
    seen_.set(index);
    data_bytes_ = data_bytes;
    offset_ = index * page_bytes_;
    size_bytes_ = std::max(size_bytes_, offset_ + data_bytes);
    return {};
}

result<void> from_network::finish() const {
    return has_ended_ ? result<void>() : failure(errc::closed);
}

}  // namespace ferry::vfs::pages
