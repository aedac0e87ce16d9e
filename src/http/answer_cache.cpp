#include "http/answer_cache.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/wall_clock.hpp"

namespace ferry::http {
namespace {

// Who has been used no longer ago makes no room: a crowd of requests that is larger than the cache
// would push each other out for ever.
constexpr runtime::duration kept_min = std::chrono::seconds(1);
// So many places are looked at for one answer that wants room.
constexpr std::size_t looks_max = 64;
// What an answer takes besides its texts, and besides them where it is logged.
constexpr std::size_t answer_bytes = sizeof(kept_answer) + 64;
constexpr std::size_t parser_bytes = 1'024;
// Of an answer with the head of a small client: gives the number of places.
constexpr std::size_t usual_bytes = 512;

constexpr std::string_view head_end = "\r\n\r\n";
// "GET / HTTP/1.1" and the end.
constexpr std::size_t head_bytes_min = 18;

constexpr std::uint64_t odd_1 = 0xA076'1D64'78BD'642FU;
constexpr std::uint64_t odd_2 = 0xE703'7ED1'A0B4'28DBU;

/// Both halves of the product, one over the other.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using wide = unsigned __int128;
    const wide product = static_cast<wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

std::uint64_t load(const char* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

/// Of at least 16 octets, 16 at once. Who does not know the seed cannot make two texts alike.
std::uint64_t hash_of(std::string_view text, std::uint64_t seed) noexcept {
    const char* const last = text.data() + text.size() - 16;
    std::uint64_t hash = seed ^ text.size();
    for (const char* at = text.data(); at < last; at += 16) {
        hash = fold(load(at) ^ odd_1 ^ seed, load(at + 8) ^ hash);
    }
    hash = fold(load(last) ^ odd_2 ^ seed, load(last + 8) ^ hash);
    return fold(hash ^ odd_1, odd_2);
}

std::size_t bytes_of(const kept_answer& which) noexcept {
    return answer_bytes + which.request_head.capacity() + which.message.capacity() +
           which.others.capacity() * sizeof(which.others.front()) +
           (which.asked ? parser_bytes + which.request_head.capacity() : 0);
}

constexpr std::string_view date_name = "Date: ";

/// Where the text of Date begins in a head.
std::size_t date_at(const kept_answer& which) noexcept {
    return status_line(which.what).size() + date_name.size();
}

}  // namespace

answer_cache::place* answer_cache::places_of(std::uint64_t hash) noexcept {
    return &places_[(hash % (places_.size() / ways)) * ways];
}

answer_cache::sight answer_cache::find(std::string_view input, answer_context context) noexcept {
    if (bytes_max_ == 0 || input.size() < head_bytes_min ||
        (input.front() != 'G' && input.front() != 'H')) {
        return {};
    }
    if (latest_ != nullptr && latest_->context == context &&
        input.starts_with(latest_->request_head)) {
        return {
            .answer = latest_, .head_bytes = latest_->request_head.size(), .hash = latest_->hash};
    }
    const auto end = input.find(head_end);
    if (end == std::string_view::npos) {
        return {};
    }
    const auto head = input.substr(0, end + head_end.size());
    if (head.size() < head_bytes_min) {
        return {};
    }
    sight seen{.head_bytes = head.size(),
               .hash = hash_of(
                   head, seed_ + (context.is_secure ? 2U : 0U) + (context.has_accounts ? 1U : 0U))};
    if (places_.empty()) {
        return seen;
    }
    for (const place& each : std::span(places_of(seen.hash), ways)) {
        if (each.hash == seen.hash && each.answer && each.answer->context == context &&
            each.answer->request_head == head) {
            seen.answer = latest_ = each.answer.get();
            break;
        }
    }
    return seen;
}

/// Its answer has not been used for a while, or was made of what is not open any more.
bool answer_cache::may_go(const place& which) const noexcept {
    return which.answer->used_at + kept_min <= here_.now() || which.answer->file.expired();
}

bool answer_cache::wants(std::uint64_t hash) {
    if (bytes_max_ == 0) {
        return false;
    }
    if (places_.empty()) {
        places_.resize(std::bit_ceil(std::max(bytes_max_ / usual_bytes, ways)));
    }
    const std::span candidates(places_of(hash), ways);
    for (place& each : candidates) {
        if (each.hash == hash) {
            return true;  // Its own place: what is there, if anything, is of no use any more.
        }
    }
    const auto free = std::ranges::find_if(
        candidates, [](const place& each) { return each.answer == nullptr && each.hash == 0; });
    const auto at = free != candidates.end()
                        ? free
                        : std::ranges::find_if(candidates, [this](const place& each) {
                              return each.answer == nullptr || may_go(each);
                          });
    if (at != candidates.end()) {
        drop(*at);
        at->hash = hash;
    }
    return false;
}

void answer_cache::keep(std::unique_ptr<kept_answer> fresh) noexcept {
    FERRY_ASSERT(!places_.empty() && fresh->head_bytes >= date_at(*fresh) + date_text::size_bytes);
    FERRY_ASSERT(std::string_view(fresh->message).substr(0, date_at(*fresh)).ends_with(date_name));
    const std::span candidates(places_of(fresh->hash), ways);
    const auto at = std::ranges::find(candidates, fresh->hash, &place::hash);
    if (at == candidates.end()) {
        return;
    }
    drop(*at);
    make_room(bytes_of(*fresh));
    if (bytes_ + bytes_of(*fresh) > bytes_max_) {
        return;
    }
    bytes_ += bytes_of(*fresh);
    at->hash = fresh->hash;
    fresh->used_at = here_.now();
    at->answer = std::move(fresh);
}

/// Drops some of what may go, in the order of places: the next call goes on behind it.
void answer_cache::make_room(std::size_t wanted_bytes) noexcept {
    for (std::size_t looks = 0; bytes_ + wanted_bytes > bytes_max_ && looks < looks_max; ++looks) {
        hand_ = (hand_ + 1) % places_.size();
        if (place& each = places_[hand_]; each.answer && may_go(each)) {
            drop(each);
        }
    }
}

void answer_cache::refresh(kept_answer& which) noexcept {
    const auto now = here_.now();
    which.used_at = now;
    if (now != clock_read_at_) {  // Once a turn: 50 ns.
        clock_read_at_ = now;
        const auto seconds = read_wall_clock().seconds;
        if (seconds != seconds_) {
            seconds_ = seconds;
            date_ = format_date(seconds);
        }
    }
    if (which.date_seconds != seconds_) {
        which.date_seconds = seconds_;
        const auto text = date_.view();
        text.copy(which.message.data() + date_at(which), text.size());
    }
}

void answer_cache::drop(place& which) noexcept {
    if (which.answer) {
        bytes_ -= bytes_of(*which.answer);
        if (latest_ == which.answer.get()) {
            latest_ = nullptr;
        }
        which.answer.reset();
    }
    which.hash = 0;
}

void answer_cache::clear() noexcept {
    for (place& each : places_) {
        drop(each);
    }
}

}  // namespace ferry::http
