#include "http/conditions.hpp"

#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>

#include "http/head_parser.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

constexpr wall_time right_now{.seconds = 1'795'437'296, .nanoseconds = 0};
constexpr std::int64_t modified = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT

vfs::metadata file_changed_at(std::int64_t seconds) {
    return {.kind = vfs::file_kind::regular,
            .size_bytes = 10,
            .inode = 1,
            .modified = {.seconds = seconds, .nanoseconds = 5},
            .changed = {.seconds = seconds, .nanoseconds = 5}};
}

/// A request made of octets, as the connection has it.
class asked {
  public:
    asked(const std::string& method, const std::string& fields)
        : text_(method + " /x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"), parser_(head_limits{}) {
        REQUIRE(parser_.parse(text_) == head_progress::complete);
    }
    const request& head() const { return parser_.head(); }

  private:
    std::string text_;
    head_parser parser_;
};

verdict evaluate(const std::string& method, const std::string& fields,
                 const std::optional<validators>& current) {
    return evaluate_conditions(asked(method, fields).head(), current, right_now);
}

std::string date_at(std::int64_t seconds) {
    return std::string(format_date(seconds).view());
}

// ---- An independent model of RFC 9110 section 13.2.2: it is told what each field means, not how
// it is written, and knows nothing of the code under test.

enum class tags { absent, matching, matching_weakly, other, any, malformed };
enum class dates { absent, before, same, later, invalid, twice };

struct situation {
    std::string method;
    bool exists;  ///< There is a current representation,
    bool weak;    ///< and its tag is weak.
    tags if_match;
    dates if_unmodified_since;
    tags if_none_match;
    dates if_modified_since;
};

verdict model(const situation& s) {
    const auto names = [&s](tags list, bool strongly) {
        switch (list) {
            case tags::matching:
                return s.exists && !(strongly && s.weak);
            case tags::matching_weakly:
                return s.exists && !strongly;
            case tags::any:
                return s.exists;
            default:
                return false;
        }
    };
    const auto usable = [](dates d) {
        return d == dates::before || d == dates::same || d == dates::later;
    };
    const bool get_or_head = s.method == "GET" || s.method == "HEAD";
    if (s.method == "OPTIONS" || s.method == "TRACE") {
        return verdict::proceed;
    }
    // Steps 1 and 2.
    if (s.if_match != tags::absent) {
        if (!names(s.if_match, true)) {
            return verdict::precondition_failed;
        }
    } else if (usable(s.if_unmodified_since) && s.exists &&
               s.if_unmodified_since == dates::before) {
        return verdict::precondition_failed;
    }
    // Steps 3 and 4.
    if (s.if_none_match != tags::absent) {
        if (names(s.if_none_match, false)) {
            return get_or_head ? verdict::not_modified : verdict::precondition_failed;
        }
    } else if (get_or_head && s.exists && usable(s.if_modified_since) &&
               s.if_modified_since != dates::before) {
        return verdict::not_modified;
    }
    return verdict::proceed;
}

std::string write(const std::string& name, tags list, const std::string& opaque) {
    switch (list) {
        case tags::absent:
            return "";
        case tags::matching:
            return name + ": \"a\"\r\n" + name + ": , " + opaque + ",\"b\"\r\n";
        case tags::matching_weakly:
            return name + ": \"a\", W/" + opaque + "\r\n";
        case tags::other:
            return name + ": \"a\", W/\"b\"\r\n";
        case tags::any:
            return name + ": *\r\n";
        case tags::malformed:
            return name + ": a\r\n";
    }
    return "";
}

std::string write(const std::string& name, dates when) {
    switch (when) {
        case dates::absent:
            return "";
        case dates::before:
            return name + ": " + date_at(modified - 1) + "\r\n";
        case dates::same:
            return name + ": " + date_at(modified) + "\r\n";
        case dates::later:
            return name + ": Sunday, 06-Nov-94 08:49:38 GMT\r\n";
        case dates::invalid:
            return name + ": 0\r\n";
        case dates::twice:
            return name + ": " + date_at(modified) + "\r\n" + name + ": " + date_at(0) + "\r\n";
    }
    return "";
}

}  // namespace

TEST_CASE("conditions: every combination agrees with the model (RFC 9110 section 13.2.2)") {
    constexpr std::array all_tags{tags::absent, tags::matching, tags::matching_weakly,
                                  tags::other,  tags::any,      tags::malformed};
    constexpr std::array all_dates{dates::absent, dates::before,  dates::same,
                                   dates::later,  dates::invalid, dates::twice};
    // The tag of the file decides whether it is weak; a weak one needs a young file, so the clock
    // moves.
    const wall_time young_now{.seconds = modified + 1, .nanoseconds = 0};
    int combinations = 0;
    for (const bool weak : {false, true}) {
        const auto clock = weak ? young_now : right_now;
        const validators there(file_changed_at(modified), clock);
        REQUIRE(there.etag().tag().weak == weak);
        const std::string opaque(there.etag().tag().opaque);
        for (const std::string method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
            for (const bool exists : {true, false}) {
                if (weak && !exists) {
                    continue;  // Nothing has no tag that could be weak.
                }
                const auto current = exists ? std::optional(there) : std::nullopt;
                for (const auto if_match : all_tags) {
                    for (const auto if_unmodified_since : all_dates) {
                        for (const auto if_none_match : all_tags) {
                            for (const auto if_modified_since : all_dates) {
                                const situation s{.method = method,
                                                  .exists = exists,
                                                  .weak = weak,
                                                  .if_match = if_match,
                                                  .if_unmodified_since = if_unmodified_since,
                                                  .if_none_match = if_none_match,
                                                  .if_modified_since = if_modified_since};
                                const asked request(
                                    method, write("If-Modified-Since", if_modified_since) +
                                                write("If-None-Match", if_none_match, opaque) +
                                                write("If-Unmodified-Since", if_unmodified_since) +
                                                write("If-Match", if_match, opaque));
                                const auto got =
                                    evaluate_conditions(request.head(), current, clock);
                                ++combinations;
                                if (got != model(s)) {  // A check a row would be 23,328 assertions.
                                    CAPTURE(method);
                                    CAPTURE(exists);
                                    CAPTURE(weak);
                                    CAPTURE(static_cast<int>(if_match));
                                    CAPTURE(static_cast<int>(if_unmodified_since));
                                    CAPTURE(static_cast<int>(if_none_match));
                                    CAPTURE(static_cast<int>(if_modified_since));
                                    CHECK(got == model(s));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    CHECK(combinations == 3 * 6 * 6 * 6 * 6 * 6);
}

TEST_CASE("conditions: the examples everyone meets") {
    const validators current(file_changed_at(modified), right_now);
    const std::string tag(current.etag().text());
    CHECK(evaluate("GET", "", current) == verdict::proceed);
    CHECK(evaluate("GET", "If-None-Match: " + tag + "\r\n", current) == verdict::not_modified);
    CHECK(evaluate("GET", "If-None-Match: W/" + tag + "\r\n", current) == verdict::not_modified);
    CHECK(evaluate("PUT", "If-None-Match: *\r\n", current) == verdict::precondition_failed);
    CHECK(evaluate("PUT", "If-None-Match: *\r\n", std::nullopt) == verdict::proceed);
    CHECK(evaluate("PUT", "If-Match: *\r\n", std::nullopt) == verdict::precondition_failed);
    CHECK(evaluate("PUT", "If-Match: W/" + tag + "\r\n", current) == verdict::precondition_failed);
    CHECK(evaluate("GET", "If-Modified-Since: " + date_at(modified) + "\r\n", current) ==
          verdict::not_modified);
    // A tag that does not match overrules the date (section 13.1.3).
    CHECK(evaluate("GET",
                   "If-None-Match: \"no\"\r\nIf-Modified-Since: " + date_at(modified) + "\r\n",
                   current) == verdict::proceed);
}

TEST_CASE("conditions: dates mean nothing where there is no modification date (section 13.1.3)") {
    constexpr std::array<char, 16> digest{'a'};
    const auto tag = make_etag(digest, content_coding::identity);
    const validators current(tag);
    const std::string text(tag.text());
    CHECK_FALSE(current.has_last_modified());
    CHECK(evaluate("GET", "If-Modified-Since: " + date_at(right_now.seconds) + "\r\n", current) ==
          verdict::proceed);
    CHECK(evaluate("GET", "If-Unmodified-Since: " + date_at(modified) + "\r\n", current) ==
          verdict::proceed);
    CHECK(evaluate("GET", "If-None-Match: " + text + "\r\n", current) == verdict::not_modified);
    CHECK(evaluate("GET", "If-Match: " + text + "\r\n", current) == verdict::proceed);
    CHECK(evaluate("GET", "If-Match: \"other\"\r\n", current) == verdict::precondition_failed);
    const std::string range = "Range: bytes=0-1\r\n";
    const auto by_date = range + "If-Range: " + date_at(modified) + "\r\n";
    CHECK_FALSE(range_applies(asked("GET", by_date).head(), current, right_now));
}

TEST_CASE("conditions: Last-Modified is never later than Date (RFC 9110 section 8.8.2.1)") {
    const validators current(file_changed_at(right_now.seconds + 1'000), right_now);
    CHECK(current.last_modified() == right_now.seconds);
    CHECK_FALSE(current.last_modified_is_strong());
    CHECK(evaluate("GET", "If-Modified-Since: " + date_at(right_now.seconds) + "\r\n", current) ==
          verdict::not_modified);
}

TEST_CASE("conditions: Range with If-Range, every combination (RFC 9110 sections 13.1.5, 14.2)") {
    enum class says {
        nothing,
        this_tag,
        this_tag_weakly,
        other_tag,
        no_tag,
        before,
        same,
        later,
        bad
    };
    // What honours a Range: an independent model.
    const auto model = [](bool is_get, bool has_range, bool is_settled, says condition) {
        if (!is_get || !has_range) {
            return false;
        }
        return condition == says::nothing ||
               (is_settled && (condition == says::this_tag || condition == says::same));
    };
    int combinations = 0;
    for (const bool is_settled : {true, false}) {
        const auto changed = is_settled ? modified : right_now.seconds - 1;
        const validators current(file_changed_at(changed), right_now);
        const std::string opaque(current.etag().tag().opaque);
        const std::pair<says, std::string> all_conditions[] = {
            {says::nothing, ""},
            {says::this_tag, opaque},
            {says::this_tag_weakly, "W/" + opaque},
            {says::other_tag, "\"b\""},
            {says::no_tag, "*"},
            {says::before, date_at(changed - 1)},
            {says::same, date_at(changed)},
            {says::later, date_at(changed + 1)},
            {says::bad, "yesterday"}};
        for (const std::string method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}) {
            for (const std::string range : {"", "bytes=0-1", "bytes=-3,5-", "lines=1-2", "none"}) {
                for (const auto& [condition, text] : all_conditions) {
                    const asked request(method,
                                        (range.empty() ? "" : "Range: " + range + "\r\n") +
                                            (text.empty() ? "" : "If-Range: " + text + "\r\n"));
                    CAPTURE(method);
                    CAPTURE(range);
                    CAPTURE(text);
                    CAPTURE(is_settled);
                    CHECK(range_applies(request.head(), current, right_now) ==
                          model(method == "GET", !range.empty(), is_settled, condition));
                    ++combinations;
                }
            }
        }
    }
    CHECK(combinations == 2 * 5 * 5 * 9);
}

TEST_CASE("conditions: If-Range (RFC 9110 section 13.1.5)") {
    const validators settled(file_changed_at(modified), right_now);
    const validators young(file_changed_at(right_now.seconds - 1), right_now);
    const std::string tag(settled.etag().text());
    const auto applies = [](const std::string& method, const std::string& fields,
                            const validators& current) {
        return range_applies(asked(method, fields).head(), current, right_now);
    };
    const std::string range = "Range: bytes=0-1\r\n";
    CHECK(applies("GET", range, settled));
    CHECK(applies("GET", range, young));
    CHECK_FALSE(applies("GET", "", settled));
    CHECK_FALSE(applies("HEAD", range, settled));  // Section 14.2: GET only.
    CHECK_FALSE(applies("PUT", range, settled));

    const auto with = [&range](const std::string& value) {
        return range + "If-Range: " + value + "\r\n";
    };
    CHECK(applies("GET", with(tag), settled));
    CHECK_FALSE(applies("GET", with("W/" + tag), settled));
    CHECK_FALSE(applies("GET", with("\"other\""), settled));
    CHECK_FALSE(applies("GET", with("*"), settled));
    CHECK_FALSE(applies("GET", with(""), settled));
    CHECK_FALSE(applies("GET", with(tag + ", \"b\""), settled));
    CHECK_FALSE(applies("GET", with(tag) + "If-Range: " + tag + "\r\n", settled));
    CHECK_FALSE(applies("GET", with(std::string(young.etag().text())), young));
    CHECK_FALSE(applies("GET", with(std::string(young.etag().tag().opaque)), young));

    CHECK(applies("GET", with(date_at(modified)), settled));
    CHECK(applies("GET", with("Sunday, 06-Nov-94 08:49:37 GMT"), settled));
    CHECK_FALSE(applies("GET", with(date_at(modified - 1)), settled));
    CHECK_FALSE(applies("GET", with(date_at(modified + 1)), settled));  // Not even later: exactly.
    CHECK_FALSE(applies("GET", with(date_at(right_now.seconds - 1)), young));  // Not strong yet.
    CHECK_FALSE(applies("GET", with("0"), settled));
}
