#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ferry::sim::test {

/// How the end of a body is known (RFC 9112 section 6.3).
enum class answer_framing : std::uint8_t { no_body, length, chunked, until_close };

/// The head of an answer as it came.
struct answer_head {
    int status = 0;
    std::string reason;
    std::vector<std::pair<std::string, std::string>> fields;  ///< Names in lower case.
    answer_framing framing = answer_framing::no_body;
    std::uint64_t content_length = 0;

    /// The value of the only field `name` (in lower case); nothing when there is none.
    [[nodiscard]] std::optional<std::string> only(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const { return only(name).has_value(); }
    /// Status line and fields, for messages.
    [[nodiscard]] std::string describe() const;
};

/// What of the input an answer parser has made sense of.
enum class answer_progress : std::uint8_t {
    incomplete,
    complete,
    malformed,  ///< `problem` says why: a violation.
};

/// Reads a head from the front of `input` and takes it off. Strict: CR LF ends lines, one space
/// each in the status line, names are tokens, no obs-fold, no control octets, no field twice, one
/// framing (RFC 9112 sections 4, 5, 6). `answers_head`: the request was HEAD.
struct head_reading {
    answer_progress progress = answer_progress::incomplete;
    answer_head head;
    std::string problem;
};
[[nodiscard]] head_reading take_answer_head(std::string& input, bool answers_head);

/// Takes the octets of a body out of a stream of chunks (RFC 9112 section 7.1), without extensions
/// or trailers: the server sends none.
class chunk_reader {
  public:
    /// Moves content from the front of `input` to the end of `into`.
    answer_progress take(std::string& input, std::string& into);
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  private:
    enum class place : std::uint8_t { size, data, data_end, last_end, done };
    answer_progress fail(std::string problem);

    place at_ = place::size;
    std::uint64_t left_ = 0;
    std::string problem_;
};

}  // namespace ferry::sim::test
