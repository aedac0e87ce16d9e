#include "http/conditions.hpp"

#include <algorithm>

namespace ferry::http {
namespace {

/// True when a line of `which` names the current representation, or "*" and there is one.
bool any_line_matches(const request& asked, field which, const std::optional<validators>& current,
                      comparison how) {
    if (!current) {
        return false;
    }
    bool found = false;
    asked.fields.for_each(which, [&found, &current, how](std::string_view line) {
        found = find_tag(line, current->etag().tag(), how) != tag_match::no;
        return !found;
    });
    return found;
}

/// The moment in the only line of `which`, if it is a valid date.
std::optional<std::int64_t> date_in(const request& asked, field which, wall_time now) {
    const auto value = asked.fields.only(which);
    if (!value) {
        return std::nullopt;
    }
    const auto at = parse_date(*value, now.seconds);
    return at ? std::optional(*at) : std::nullopt;
}

}  // namespace

validators::validators(const vfs::metadata& status, wall_time now, content_coding how) noexcept
    : etag_(make_etag(status, now, how)),
      last_modified_(std::min(status.modified.seconds, now.seconds)),
      is_settled_(!etag_.tag().weak) {}

verdict evaluate_conditions(const request& asked, const std::optional<validators>& current,
                            wall_time now) {
    const auto& fields = asked.fields;
    if (asked.method == method::connect || asked.method == method::options ||
        asked.method == method::trace) {
        return verdict::proceed;
    }
    const bool reads = asked.method == method::get || asked.method == method::head;
    const bool has_date = current && current->has_last_modified();

    if (fields.has(field::if_match)) {
        if (!any_line_matches(asked, field::if_match, current, comparison::strong)) {
            return verdict::precondition_failed;
        }
    } else if (fields.has(field::if_unmodified_since) && has_date) {
        const auto since = date_in(asked, field::if_unmodified_since, now);
        if (since && current->last_modified() > *since) {
            return verdict::precondition_failed;
        }
    }

    if (fields.has(field::if_none_match)) {
        if (any_line_matches(asked, field::if_none_match, current, comparison::weak)) {
            return reads ? verdict::not_modified : verdict::precondition_failed;
        }
    } else if (reads && fields.has(field::if_modified_since) && has_date) {
        const auto since = date_in(asked, field::if_modified_since, now);
        if (since && current->last_modified() <= *since) {
            return verdict::not_modified;
        }
    }
    return verdict::proceed;
}

bool range_applies(const request& asked, const validators& current, wall_time now) {
    if (asked.method != method::get || !asked.fields.has(field::range)) {
        return false;
    }
    if (!asked.fields.has(field::if_range)) {
        return true;
    }
    const auto value = asked.fields.only(field::if_range);
    if (!value) {
        return false;
    }
    if (const auto tag = parse_tag(*value); !tag.opaque.empty()) {
        return matches(tag, current.etag().tag(), comparison::strong);
    }
    const auto date = parse_date(*value, now.seconds);
    return date && current.has_last_modified() && *date == current.last_modified() &&
           current.last_modified_is_strong();
}

}  // namespace ferry::http
