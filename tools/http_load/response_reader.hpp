#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferry::http_load {

/// What an answer was.
struct response {
    unsigned status = 0;
    std::uint64_t body_bytes = 0;  ///< Of the content, without the framing of chunks.
    bool ends_connection = false;  ///< Nothing comes after it (RFC 9112 section 9.3).
};

enum class response_reading : std::uint8_t {
    incomplete,  ///< More octets are needed.
    complete,    ///< `current` is the answer; the next `take` begins another.
    malformed,   ///< No HTTP/1: the connection is of no use any more.
};

/// Reads answers out of the octets of one connection, whatever pieces they come in, and keeps
/// nothing of their content (RFC 9112 sections 4, 6 and 7). Lenient: it is a load tool's, and finds
/// out where an answer ends.
///
/// Cost: a head with the same octets as the last one is compared and not read again; no
/// allocation then.
class response_reader {
  public:
    /// `has_bodies`: false of the answers to HEAD (RFC 9110 section 9.3.2).
    explicit response_reader(bool has_bodies) noexcept : has_bodies_(has_bodies) {}

    /// Takes from the front of `input` what belongs to the answer under way, up to its end. `taken`
    /// gets how much that was; what is left is to be offered again, with more behind it.
    [[nodiscard]] response_reading take(std::string_view input, std::size_t& taken);

    /// No octet comes any more: `complete` where that is what ends a body, else `malformed`.
    [[nodiscard]] response_reading take_end() noexcept;

    /// Whether an answer has begun whose end has not come.
    [[nodiscard]] bool is_under_way() const noexcept { return part_ != part::head; }

    [[nodiscard]] const response& current() const noexcept { return current_; }

  private:
    enum class part : std::uint8_t {
        head,
        body,        ///< `left_` octets.
        endless,     ///< Until the connection ends.
        chunk_size,  ///< A line.
        chunk,       ///< `left_` octets, and CR LF.
        trailer,     ///< Lines until an empty one.
    };

    [[nodiscard]] bool read_head(std::string_view head);
    [[nodiscard]] bool read_chunk_line(std::string_view line);
    [[nodiscard]] response_reading finish() noexcept;

    bool has_bodies_;
    part part_ = part::head;
    std::uint64_t left_ = 0;
    response current_;

    // The last head, and what it said.
    std::string last_head_;
    response last_;
    std::uint64_t last_length_ = 0;
    part last_part_ = part::head;
};

}  // namespace ferry::http_load
