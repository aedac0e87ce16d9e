#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client_context.hpp"
#include "http_answer.hpp"
#include "http_request.hpp"

namespace ferry::sim::test {

/// One answer that would be right.
struct expected_answer {
    enum class body_kind : std::uint8_t {
        none,       ///< Also of HEAD.
        file,       ///< `size_bytes` octets of `octets` from `offset` on.
        listing,    ///< The page of the directory `path`.
        archive,    ///< The tar archive of the directory `path`.
        page,       ///< An error's page.
        site_page,  ///< A site's own page for an error: `page_octets`.
    };
    int status = 200;
    body_kind body = body_kind::none;
    std::string path;    ///< Of the file or directory: an index.html is not what was asked for.
    bool lists = false;  ///< The answer is the page of a directory, or its head alone.
    content octets{};    ///< The whole file.
    /// As in Content-Encoding; empty: none. Of a listing what it may have, then what it has.
    std::string coding{};
    std::string held_by{};        ///< The file that the octets are of; empty: `path`.
    bool is_packed_here = false;  ///< What is sent is `octets` packed in `coding`.
    std::string tag{};            ///< Of the answer, once its head is there.
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
    /// Of a multipart/byteranges: what stands before each part, and the part. Its text comes last.
    struct stretch {
        std::string before;
        std::uint64_t offset = 0;
        std::uint64_t size_bytes = 0;
    };
    std::vector<stretch> parts{};
    bool is_loose = false;  ///< Another program is changing the file: octets prove nothing.
    /// A listing that is made while it is sent, for want of room to hold it whole.
    bool may_be_unsorted = false;
    std::string query{};                   ///< What a directory was asked for with.
    std::optional<content> page_octets{};  ///< With an error that the site has a page for,
    std::string page_path{};               ///< which is this file.
    std::string location{};                ///< Of a redirect by a row, as it must be.
    std::string shown_as{};                ///< What the site knows as `path`; empty: the same.
    std::string rule_path{};               ///< What its rows go by; empty: what was asked for.
    bool is_of_listing = false;            ///< An error whose cause is a listing, and no file.
    bool varies_by_accept = false;         ///< Who does not ask for a page gets another.

    /// The first position in `seen` that is wrong of a body of which `done` octets came before.
    [[nodiscard]] std::optional<std::size_t> first_difference(std::uint64_t done,
                                                              std::string_view seen) const;

    [[nodiscard]] std::string describe() const;
    [[nodiscard]] bool lists_json() const { return query.contains("format=json"); }
    [[nodiscard]] bool is_packed() const { return query.contains("format=tar"); }
};

/// Every right answer to `asked`, given all that was possible since it was sent. Errors that only a
/// fault excuses are not among them: see `is_excused`.
[[nodiscard]] std::vector<expected_answer> expected_answers(client_context& context,
                                                            const http_request& asked);

/// An error that the faults of this run excuse.
[[nodiscard]] bool is_excused(const client_context& context, int status);

/// Leaves of `expected` what fits `head`: status, length, range, validators, and every field that
/// such an answer must have and none that it must not (RFC 9110 section 15, RFC 9112 section 9).
/// When nothing is left `problem` says why.
[[nodiscard]] std::vector<expected_answer> match_head(client_context& context,
                                                      const http_request& asked,
                                                      const answer_head& head,
                                                      std::vector<expected_answer> expected,
                                                      std::string& problem);

/// Checks all that came of a file packed by the server; empty when it is right, else why not.
[[nodiscard]] std::string judge_packed(client_context& context, const expected_answer& what,
                                       std::string_view octets);

/// Checks what came of a directory's page, or its JSON, as `judge_listing`, packed as it is. The
/// page is what it was made of then.
[[nodiscard]] std::string judge_listing_body(client_context& context, const expected_answer& what,
                                             std::string& page, moment since);

/// Checks the page of a directory, or its JSON; empty when it is right, else why not.
[[nodiscard]] std::string judge_listing(client_context& context, const expected_answer& what,
                                        std::string_view page, moment since);

/// Checks a tar archive of a directory; empty when it is right, else why not. `is_cut`: only so
/// much of it was kept.
[[nodiscard]] std::string judge_archive(client_context& context, const expected_answer& what,
                                        std::string_view octets, bool is_cut, moment since);

/// Another program changes something beneath the directory: its archive may be broken off.
[[nodiscard]] bool may_be_disturbed(client_context& context, const expected_answer& what,
                                    moment since);

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
[[nodiscard]] bool is_http_date(std::string_view text);

}  // namespace ferry::sim::test
