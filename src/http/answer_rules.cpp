#include "http/answer_rules.hpp"

#include <algorithm>
#include <array>

namespace ferry::http {
namespace {

constexpr std::string_view allow_origin = "Access-Control-Allow-Origin: ";

/// Whether a row without statuses of its own is for `what`: files, whole or in part, and the answer
/// that what a cache has of one still holds (RFC 9110 section 15.4.5).
bool is_of_a_file(status what) noexcept {
    return what == status::ok || what == status::partial_content || what == status::not_modified;
}

/// Answers that are of who asks as much as of the path: a cache that others share must not have
/// them, or who may read the file is told that he may not (RFC 9111 section 3.5).
bool is_about_who_asks(status what) noexcept {
    return what == status::unauthorized || what == status::forbidden;
}

}  // namespace

edited_head::edited_head(const answer_rules& rules, const response_head& head)
    : head_(head), of_(rules.of), vary_(head.vary) {
    head_.rules = nullptr;
    if (of_ != nullptr) {
        decide_fields(rules);
        decide_cache_control(rules);
        decide_cors(rules);
    }
    if (rules.varies_by_accept) {
        vary_ += vary_.empty() ? "Accept" : ", Accept";
    }
    head_.vary = vary_;
}

void edited_head::decide_fields(const answer_rules& rules) {
    const bool has_own_policy = !head_.content_security_policy.empty();
    std::bitset<field_names_max> decided;
    // From the last row to the first, so that what is decided stays.
    for (auto row = of_->headers.rbegin(); row != of_->headers.rend(); ++row) {
        if (!row->when.fits(rules.path, head_.content_type)) {
            continue;
        }
        for (auto index = row->end; index > row->first;) {
            --index;
            const field_action& action = of_->actions[index];
            if (decided[action.name] ||
                (has_own_policy && action.which == field::content_security_policy)) {
                continue;
            }
            lines_[index] = action.does != field_action::kind::remove;
            if (action.does != field_action::kind::add) {
                decided[action.name] = true;
                leave_out(action.which);
            }
        }
    }
}

void edited_head::leave_out(field which) noexcept {
    if (which == field::server) {
        head_.server = {};
    } else if (which == field::content_security_policy) {
        head_.content_security_policy = {};
    } else if (which == field::strict_transport_security) {
        head_.strict_transport_security = {};
    } else if (which == field::content_disposition) {
        head_.content_disposition = {};
    } else if (which == field::x_content_type_options) {
        head_.no_sniff = false;
    }
}

void edited_head::decide_cache_control(const answer_rules& rules) {
    if (!head_.cache_control.empty()) {  // A page that ferry makes says so itself.
        return;
    }
    for (const auto& row : of_->caches) {
        const bool is_for_it = row.statuses.empty()
                                   ? is_of_a_file(head_.what)
                                   : std::ranges::binary_search(row.statuses, code_of(head_.what));
        if (is_for_it && row.when.fits(rules.path, head_.content_type)) {
            head_.cache_control = rules.is_for_one || is_about_who_asks(head_.what)
                                      ? row.control_for_one
                                      : row.control;
            return;
        }
    }
}

void edited_head::decide_cors(const answer_rules& rules) {
    const cors_row* const row = rules.path.empty() ? nullptr : of_->cors_of(rules.path);
    if (row == nullptr) {
        return;
    }
    if (row->origins.empty()) {
        cors_lines_ += allow_origin;
        cors_lines_ += "*\r\n";
    } else {
        vary_ += vary_.empty() ? "Origin" : ", Origin";
        const auto allowed = std::ranges::lower_bound(row->origins, rules.origin);
        if (allowed == row->origins.end() || *allowed != rules.origin) {
            return;
        }
        cors_lines_ += allow_origin;
        cors_lines_ += *allowed;
        cors_lines_ += "\r\n";
    }
    cors_lines_ += row->lines;
    if (rules.is_preflight) {
        cors_lines_ += row->preflight_lines;
    }
}

void edited_head::append_lines(std::string& out) const {
    for (std::size_t index = 0; of_ != nullptr && index < of_->actions.size(); ++index) {
        if (lines_[index]) {
            out += of_->actions[index].line;
        }
    }
    out += cors_lines_;
}

}  // namespace ferry::http
