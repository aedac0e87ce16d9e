#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/http/content_coding.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/listing_cache.hpp"
#include "http/date.hpp"
#include "http/head_parser.hpp"
#include "http/range.hpp"
#include "http/request.hpp"
#include "http/status.hpp"

namespace ferry::http {

/// What the answer to a request depends on besides its octets and the file.
struct answer_context {
    bool is_secure = false;     ///< It came over TLS.
    bool has_accounts = false;  ///< There is somebody who could log in.

    bool operator==(const answer_context&) const = default;
};

/// Some octets of a text.
struct text_place {
    std::size_t at = 0;
    std::size_t size_bytes = 0;

    [[nodiscard]] std::string_view in(std::string_view text) const noexcept {
        return text.substr(at, size_bytes);
    }
    [[nodiscard]] std::string_view before(std::string_view text) const noexcept {
        return text.substr(0, at);
    }
    [[nodiscard]] std::string_view behind(std::string_view text) const noexcept {
        return text.substr(at + size_bytes);
    }
};

/// An answer to a visitor, made of a file that the file cache keeps, or of its absence, or of a
/// listing that the listing cache keeps, and its directory.
struct kept_answer {
    std::string request_head;    ///< All of its octets.
    std::string message;         ///< The head of the answer, and the page of an error behind it.
    std::size_t head_bytes = 0;  ///< Of `message`.
    std::weak_ptr<vfs::shared_file> file;
    std::vector<std::weak_ptr<vfs::shared_file>> others;  ///< It holds for only as long as these.
    std::weak_ptr<const vfs::directory_text> listing;     ///< Where `is_listing`, and as these.
    bool is_listing = false;                              ///< The body is of `listing`.
    byte_range part;  ///< Of the file: the body; empty: there is none.
    /// The value of Range in `request_head`, if that is one range of octets. Then it is the answer
    /// to that head with any other such, too, but for `part` and `part_lines`. Empty: to those
    /// octets alone.
    text_place range;
    text_place part_lines;  ///< Of `message`, `append_part_lines`: where there is `range`.
    content_coding packed_as = content_coding::identity;  ///< The file, before `part` is taken.
    /// Then the octets that `message` tells the length of. Others that have taken their place, of
    /// the same file to all that the file system says, may be as many or not.
    std::weak_ptr<const std::string> packed;
    status what = status::ok;
    http::method method = http::method::get;
    answer_context context;
    std::shared_ptr<const head_parser> asked;  ///< Has read octets like `request_head`, and
                                               ///< holds them; null: nobody logs it.

    // The cache's own.
    std::uint64_t hash = 0;
    runtime::time_point used_at{};
    std::int64_t date_seconds = -1;  ///< What the Date in `message` says.
};

/// Answers that one core has given and can give again at once: to the same octets of a request, as
/// long as the file cache says that the file is the same (decision 0042). All that is read out of a
/// request comes of its octets, so the whole head is the key: nothing can be overlooked in it. Only
/// the numbers of a range are read each time: players of video ask for another part each time.
///
/// Answers are kept from their second making on, each at one of eight places that its hash gives,
/// by a secret seed: whoever chooses requests can push out some, and make nothing slow.
class answer_cache {
  public:
    /// `bytes_max`: of all that is kept; 0: nothing.
    answer_cache(runtime::core& here, std::size_t bytes_max) noexcept
        : here_(here), bytes_max_(bytes_max), seed_(here.rng().next()) {}

    /// What `find` has seen of a request.
    struct sight {
        kept_answer* answer = nullptr;  ///< Until the next call. Null: there is none.
        std::size_t head_bytes = 0;     ///< Of the request; 0: no whole head, or no GET or HEAD.
        text_place range;  ///< Of the head: the value of Range, if that is one range of octets.
        std::uint64_t hash = 0;         ///< Of the head.
        std::uint64_t hash_around = 0;  ///< The same but for `range`, if there is one.
    };
    /// Looks for the answer to the head that `input` begins with. Cost: a comparison where it is
    /// the same as the last one, else one pass over the head.
    [[nodiscard]] sight find(std::string_view input, answer_context context) noexcept;

    /// Whether the answer to the request of that hash should be kept: it was made before, and there
    /// is a place for it.
    [[nodiscard]] bool wants(std::uint64_t hash);

    /// Keeps `fresh`, whose `hash` has just been wanted.
    void keep(std::unique_ptr<kept_answer> fresh) noexcept;

    /// Writes the present second into the head of `which`, and notes that it was used.
    void refresh(kept_answer& which) noexcept;

    void clear() noexcept;

    /// Octets that all answers take, about.
    [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_; }

  private:
    /// One place. Without an answer `hash` is that of one that was made here once.
    struct place {
        std::uint64_t hash = 0;
        std::unique_ptr<kept_answer> answer;
    };
    static constexpr std::size_t ways = 8;

    [[nodiscard]] place* places_of(std::uint64_t hash) noexcept;
    bool look_up(std::string_view head, std::uint64_t hash, answer_context context,
                 sight& seen) noexcept;
    void drop(place& which) noexcept;
    [[nodiscard]] bool may_go(const place& which) const noexcept;
    void make_room(std::size_t wanted_bytes) noexcept;

    runtime::core& here_;
    std::size_t bytes_max_;
    std::uint64_t seed_;
    std::size_t bytes_ = 0;
    std::vector<place> places_;      ///< Made by the first answer.
    std::size_t hand_ = 0;           ///< Of `places_`, the last that was to make room.
    kept_answer* latest_ = nullptr;  ///< The last that was found.
    runtime::time_point clock_read_at_ = runtime::never;
    std::int64_t seconds_ = 0;  ///< By the wall clock, then.
    date_text date_;            ///< Of `seconds_`.
};

}  // namespace ferry::http
