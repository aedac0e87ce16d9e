#pragma once

#include <bitset>
#include <string>
#include <string_view>

#include "http/fields.hpp"
#include "http/site.hpp"

namespace ferry::http {

/// What the rules of a site have to say about the answers to one request.
struct answer_rules {
    const site* of = nullptr;      ///< Null: nothing.
    std::string path = {};         ///< As patterns know it; empty while no name is known.
    std::string_view origin = {};  ///< Of the page that asks (RFC 6454 section 7); empty: none.
    bool is_preflight = false;     ///< The request asks what may be asked for.
    bool varies_by_accept = false;
    bool is_for_one = false;  ///< Who asks has logged in: another might not get the same.

    [[nodiscard]] bool are_any() const noexcept {
        return varies_by_accept || (of != nullptr && of->has_field_rules());
    }
};

/// What the rules make of one head:
///   - `set` takes the place of what ferry and rows before say; `remove` leaves that out; the
///     Content-Security-Policy of a page that ferry makes stays, for it runs no other's script
///     (threats.md, V11)
///   - Cache-Control where there is none, by the first row for the path, the type and the status;
///     for who has logged in it is never one that lets a cache keep the answer for others
///   - Access-Control-Allow-Origin and so on (Fetch standard, CORS protocol), and Vary where
///     another origin would get another answer (RFC 9110 section 12.5.5)
/// `rules` and what `head` points to must outlive it. Cost: a look at each row.
class edited_head {
  public:
    edited_head(const answer_rules& rules, const response_head& head);
    edited_head(const edited_head&) = delete;
    edited_head& operator=(const edited_head&) = delete;

    [[nodiscard]] const response_head& head() const noexcept { return head_; }
    void append_lines(std::string& out) const;

  private:
    void decide_fields(const answer_rules& rules);
    void decide_cache_control(const answer_rules& rules);
    void decide_cors(const answer_rules& rules);
    void leave_out(field which) noexcept;

    response_head head_;
    const site* of_;
    std::bitset<field_actions_max> lines_;  ///< Of the site's `actions`.
    std::string cors_lines_;
    std::string vary_;
};

}  // namespace ferry::http
