#include "http/answer_cache.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "ferry/base/ascii.hpp"
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

// That `hash_of` needs.
constexpr std::size_t hashed_bytes_min = 16;

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

/// The same of what stands around `left_out`, at least 16 octets of it before that.
std::uint64_t hash_around(std::string_view text, text_place left_out, std::uint64_t seed) noexcept {
    const auto behind = left_out.behind(text);
    std::array<char, hashed_bytes_min> few{};
    behind.copy(few.data(), few.size());
    const auto rest = hash_of(
        behind.size() < few.size() ? std::string_view(few.data(), few.size()) : behind, ~seed);
    return fold(hash_of(left_out.before(text), seed) ^ odd_2, rest ^ odd_1);
}

constexpr std::string_view range_name = "range: ";
constexpr std::string_view range_unit = "bytes=";

/// How many octets `text` begins with that may be one range, "bytes=0-99" (RFC 9110
/// section 14.1.2), or what `parse_range` refuses: digits and hyphens.
std::size_t range_bytes_of(std::string_view text) noexcept {
    if (!text.starts_with(range_unit)) {
        return 0;
    }
    return std::min(text.find_first_not_of("0123456789-", range_unit.size()), text.size());
}

/// The value of the line "Range: bytes=0-99" of a head; empty: there is none that is written so.
text_place range_of(std::string_view head) noexcept {
    for (auto at = head.find(range_unit); at != std::string_view::npos;
         at = head.find(range_unit, at + 1)) {
        const auto line = at - std::min(at, range_name.size());
        if (at < hashed_bytes_min || head[line - 1] != '\n' ||
            !ascii::equal_ignoring_case(head.substr(line, at - line), range_name)) {
            continue;
        }
        const text_place found{.at = at, .size_bytes = range_bytes_of(head.substr(at))};
        return found.behind(head).starts_with("\r\n") ? found : text_place{};
    }
    return {};
}

/// What `find` finds where `input` begins with a head that `known` is the answer to, but for what
/// plays a part besides octets.
answer_cache::sight see(std::string_view input, kept_answer& known) noexcept {
    answer_cache::sight seen;
    if (known.range.size_bytes == 0) {
        if (input.starts_with(known.request_head)) {
            seen.answer = &known;
            seen.head_bytes = known.request_head.size();
            seen.hash = known.hash;
        }
        return seen;
    }
    if (!input.starts_with(known.range.before(known.request_head))) {
        return seen;
    }
    const auto behind = known.range.behind(known.request_head);
    const text_place range{.at = known.range.at,
                           .size_bytes = range_bytes_of(input.substr(known.range.at))};
    if (range.size_bytes != 0 && range.behind(input).starts_with(behind)) {
        seen.answer = &known;
        seen.head_bytes = range.at + range.size_bytes + behind.size();
        seen.range = range;
        seen.hash = seen.hash_around = known.hash;
    }
    return seen;
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
    if (latest_ != nullptr && latest_->context == context) {
        if (const auto seen = see(input, *latest_); seen.answer != nullptr) {
            return seen;
        }
    }
    const auto end = input.find(head_end);
    if (end == std::string_view::npos) {
        return {};
    }
    const auto head = input.substr(0, end + head_end.size());
    if (head.size() < head_bytes_min) {
        return {};
    }
    const auto seed = seed_ + (context.is_secure ? 2U : 0U) + (context.has_accounts ? 1U : 0U);
    sight seen{.answer = nullptr,
               .head_bytes = head.size(),
               .range = {},
               .hash = hash_of(head, seed),
               .hash_around = 0};
    if (look_up(head, seen.hash, context, seen)) {
        return seen;
    }
    seen.range = range_of(head);
    if (seen.range.size_bytes != 0) {
        seen.hash_around = hash_around(head, seen.range, seed);
        look_up(head, seen.hash_around, context, seen);
    }
    return seen;
}

/// Looks for the answer to `head` at the places of `hash`. True: `seen` tells of it.
bool answer_cache::look_up(std::string_view head, std::uint64_t hash, answer_context context,
                           sight& seen) noexcept {
    if (places_.empty()) {
        return false;
    }
    for (const place& each : std::span(places_of(hash), ways)) {
        if (each.hash != hash || !each.answer || each.answer->context != context) {
            continue;
        }
        const auto found = see(head, *each.answer);
        if (found.answer != nullptr && found.head_bytes == head.size()) {
            seen = found;
            latest_ = seen.answer;
            return true;
        }
    }
    return false;
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
