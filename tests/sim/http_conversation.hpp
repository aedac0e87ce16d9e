#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "client_context.hpp"
#include "ferry/base/result.hpp"
#include "ferry/runtime/task.hpp"
#include "http_answer.hpp"
#include "http_request.hpp"
#include "wire.hpp"

namespace ferry::sim::test {

/// What an answer to an upload told of the file: the tag, and what it stands for.
struct stored_tag {
    std::string tag;
    content octets;
    std::uint64_t changes = 0;  ///< `model_tree::changes` when it was told.
};
using tag_book = std::map<std::string, stored_tag>;

/// One connection.
struct conversation {
    client_context& context;
    wire& peer;
    validator_book& book;
    tag_book& stored;
    std::size_t slow_fills_left = 0;  ///< Reads little at a time, with pauses.
    std::string before{};             ///< What was asked before, for messages.
    std::string wrote{};              ///< A file that was confirmed just now; empty: none.
};

/// Waits for more of what the server says, until `deadline`; false: it has ended.
[[nodiscard]] runtime::task<result<bool>> more_input(conversation& talk,
                                                     runtime::time_point deadline);
[[nodiscard]] runtime::task<result<bool>> more_input(conversation& talk);

/// Notes a violation: `outcome::broken`.
outcome broken(conversation& talk, std::string rule, std::string details,
               const http_request& asked);

/// The connection ended or failed where an answer, or more of one, was due.
[[nodiscard]] outcome cut_short(conversation& talk, const result<bool>& got, std::string_view where,
                                const http_request& asked);

/// Waits for the head of an answer, `patience` longer than for what is done at once.
[[nodiscard]] runtime::task<result<bool>> wait_for_head(conversation& talk, bool answers_head,
                                                        head_reading& read,
                                                        runtime::duration patience = {});

/// Reads the page of an answer that has one: an error's names its status.
[[nodiscard]] runtime::task<outcome> read_page(conversation& talk, const http_request& asked,
                                               const answer_head& head);

/// Whether the first answer of a connection, with nothing behind its head, says that there are too
/// many; counts it.
[[nodiscard]] bool is_refused_at_the_door(const conversation& talk, const answer_head& head);

/// Tells the model that `change`, of `path`, was refused: `outcome::broken` when it must have
/// happened.
[[nodiscard]] outcome take_as_refused(conversation& talk, model_tree::token change,
                                      const std::string& path, const http_request& asked);

/// RFC 4648 section 4.
[[nodiscard]] std::string encode_base64(std::string_view text);

/// Nothing may follow the last answer.
[[nodiscard]] runtime::task<outcome> expect_end(conversation& talk, const http_request& asked);

}  // namespace ferry::sim::test
