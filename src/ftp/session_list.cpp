#include "ferry/ftp/session_list.hpp"

#include <algorithm>

namespace ferry::ftp {

std::uint64_t* session_activity::begin(std::string_view verb) noexcept {
    std::atomic_ref(octets_).store(0, std::memory_order_relaxed);
    write(0, words, verb);
    return &octets_;
}

void session_activity::set_name(std::string_view name) noexcept {
    constexpr auto bytes_max = name_words * word_bytes;
    name.remove_prefix(name.size() > bytes_max ? name.size() - bytes_max : 0);
    while (!name.empty() && (static_cast<unsigned char>(name.front()) & 0xC0U) == 0x80U) {
        name.remove_prefix(1);  // Of a character of UTF-8 that was cut.
    }
    write(1, name_words, name);
}

void session_activity::rest(runtime::time_point now) noexcept {
    since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    if (text_.front().load(std::memory_order_relaxed) != 0) {
        write(0, 1, {});
    }
}

/// Writes `text` to `count` words from `first` on, and zeros behind it. The words are atomic, and
/// the version tells who reads that it has read some of one text and some of another.
void session_activity::write(std::size_t first, std::size_t count, std::string_view text) noexcept {
    const auto version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (std::size_t i = first; i < first + count; ++i) {
        const auto part = text.substr(0, word_bytes);
        std::uint64_t word = 0;
        for (std::size_t at = 0; at < part.size(); ++at) {
            word |= std::uint64_t{static_cast<unsigned char>(part[at])} << (8 * at);
        }
        text.remove_prefix(part.size());
        text_[i].store(word, std::memory_order_relaxed);
    }
    version_.store(version + 2, std::memory_order_release);
}

std::string session_activity::text_of(std::size_t first, std::size_t count) const {
    std::string made;
    for (std::size_t i = first; i < first + count; ++i) {
        for (auto word = text_[i].load(std::memory_order_relaxed); word != 0; word >>= 8U) {
            made += static_cast<char>(word & 0xFFU);
        }
    }
    return made;
}

session_activity::state session_activity::look() const {
    constexpr int tries_max = 100;  // More than one is rare: a write takes some nanoseconds.
    state made{
        .verb = {},
        .name = {},
        .octets = std::atomic_ref(octets_).load(std::memory_order_relaxed),
        .since = runtime::time_point(runtime::duration(since_.load(std::memory_order_relaxed)))};
    for (int tries = 0; tries < tries_max; ++tries) {
        const auto version = version_.load(std::memory_order_acquire);
        made.verb = text_of(0, 1);
        made.name = text_of(1, name_words);
        std::atomic_thread_fence(std::memory_order_acquire);
        if (version % 2 == 0 && version_.load(std::memory_order_relaxed) == version) {
            return made;
        }
    }
    made.name = {};
    return made;
}

session_list::entry session_list::add(who session) {
    return sessions_.use([this, &session](sessions& all) {
        const auto added =  // May throw: then it is not there.
            all.by_number.try_emplace(all.last + 1, std::move(session)).first;
        return entry(*this, ++all.last, added->second.doing);
    });
}

session_list::some session_list::look(std::size_t most) {
    return sessions_.use([most](const sessions& all) {
        some made{.first = {}, .all = all.by_number.size()};
        for (const auto& [number, each] : all.by_number) {
            if (made.first.size() == most) {
                break;
            }
            made.first.push_back({each.is, each.doing.look()});
        }
        return made;
    });
}

void session_list::remove(std::uint64_t number) noexcept {
    sessions_.use([number](sessions& all) noexcept { all.by_number.erase(number); });
}

}  // namespace ferry::ftp
