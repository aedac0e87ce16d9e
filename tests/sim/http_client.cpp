#include "http_client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "ferry/runtime/wait.hpp"
#include "http_answer.hpp"
#include "http_conversation.hpp"
#include "http_expectation.hpp"
#include "http_request.hpp"
#include "http_resuming.hpp"
#include "http_writing.hpp"
#include "wire.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

constexpr std::size_t page_bytes_max = 8 * 1024 * 1024;

/// Octets of a body against what they may be, as they come.
class body_check {
  public:
    body_check(conversation& talk, const http_request& asked, std::vector<expected_answer> expected)
        : talk_(talk), asked_(asked), expected_(std::move(expected)) {}

    /// False: a violation, and it is reported.
    bool take(std::string_view octets) {
        const bool is_page = std::ranges::any_of(expected_, [](const expected_answer& each) {
            return each.body == expected_answer::body_kind::listing ||
                   each.body == expected_answer::body_kind::archive ||
                   each.body == expected_answer::body_kind::page || each.is_packed_here;
        });
        if (is_page) {
            page_ += octets.substr(0, page_bytes_max - std::min(page_.size(), page_bytes_max));
        }
        talk_.context.findings.count("http octets", octets.size());
        std::string why;
        std::erase_if(expected_, [&](expected_answer& each) {
            const bool is_of_octets = each.body == expected_answer::body_kind::file ||
                                      each.body == expected_answer::body_kind::site_page;
            if (!is_of_octets || each.is_loose || each.is_packed_here) {
                return false;
            }
            const auto wrong = each.first_difference(done_, octets);
            if (!wrong) {
                return false;
            }
            if (is_disturbed(each)) {
                each.is_loose = true;
                return false;
            }
            why += fmt::format("octet {} is not of {}, it is of {}; ", done_ + *wrong,
                               each.describe(), identify(octets.substr(*wrong)));
            return true;
        });
        done_ += octets.size();
        if (expected_.empty()) {
            broken(talk_, "octets of a body are wrong", why, asked_);
            return false;
        }
        return true;
    }

    /// What came of a listing, unpacked, once it was found to be right; else nothing.
    [[nodiscard]] std::optional<std::string>& listing() { return listing_; }

    /// The body is over and whole.
    bool finish() {
        std::string why;
        std::erase_if(expected_, [&](const expected_answer& each) {
            using enum expected_answer::body_kind;
            if (each.body == file && each.is_packed_here) {
                const auto problem = judge_packed(talk_.context, each, page_);
                why += problem;
                return !problem.empty();
            }
            if (each.body == page && !each.is_loose &&
                page_.find(fmt::format("<h1>{} ", each.status)) == std::string::npos) {
                why += "an error's page is another's: " + page_;
                return true;
            }
            if (each.body != listing && each.body != archive) {
                return false;
            }
            std::string problem;
            if (each.body == archive) {
                problem = judge_archive(talk_.context, each, page_, page_.size() < done_,
                                        asked_.asked_at);
                talk_.context.findings.count("http archives");
            } else {
                auto page = page_;
                problem = judge_listing_body(talk_.context, each, page, asked_.asked_at);
                if (problem.empty()) {
                    listing_ = std::move(page);
                }
            }
            why += problem;
            return !problem.empty();
        });
        if (expected_.empty()) {
            broken(talk_, "a body is wrong as a whole", why, asked_);
            return false;
        }
        return true;
    }

    /// Another program changes the file: the server may break off.
    [[nodiscard]] bool may_break_off() const {
        return std::ranges::any_of(expected_, [&](const expected_answer& each) {
            return each.is_loose || is_disturbed(each) ||
                   (each.body == expected_answer::body_kind::archive &&
                    may_be_disturbed(talk_.context, each, asked_.asked_at));
        });
    }

  private:
    [[nodiscard]] bool is_disturbed(const expected_answer& each) const {
        return talk_.context.model.is_disturbed(each.page_octets.value_or(each.octets),
                                                asked_.asked_at);
    }

    conversation& talk_;
    const http_request& asked_;
    std::vector<expected_answer> expected_;
    std::string page_;
    std::optional<std::string> listing_;
    std::uint64_t done_ = 0;
};

task<outcome> read_body(conversation& talk, const http_request& asked, const answer_head& head,
                        body_check& check) {
    chunk_reader chunks;
    std::string octets;
    std::uint64_t left = head.content_length;
    auto& input = talk.peer.input();
    for (;;) {  // Bounded by the deadlines of `more_input`.
        octets.clear();
        bool is_whole = false;
        switch (head.framing) {
            case answer_framing::no_body:
                is_whole = true;
                break;
            case answer_framing::length: {
                const auto count =
                    static_cast<std::size_t>(std::min<std::uint64_t>(left, input.size()));
                octets.assign(input, 0, count);
                input.erase(0, count);
                left -= count;
                is_whole = left == 0;
                break;
            }
            case answer_framing::chunked: {
                const auto progress = chunks.take(input, octets);
                if (progress == answer_progress::malformed) {
                    co_return broken(talk, "the framing is wrong", chunks.problem(), asked);
                }
                is_whole = progress == answer_progress::complete;
                break;
            }
            case answer_framing::until_close:
                octets.swap(input);
                break;
        }
        if (!check.take(octets)) {
            co_return outcome::broken;
        }
        if (is_whole) {
            co_return outcome::fine;
        }
        const auto got = co_await more_input(talk);
        if (got && *got) {
            continue;
        }
        if (got && head.framing == answer_framing::until_close) {
            co_return outcome::fine;
        }
        if (check.may_break_off()) {
            co_return outcome::over;
        }
        co_return cut_short(talk, got, "reading a body", asked);
    }
}

void remember(conversation& talk, const http_request& asked, const answer_head& head) {
    const auto tag = head.only("etag");
    const auto modified = head.only("last-modified");
    // Of what was asked for itself, and not of an index in it.
    const auto states = talk.context.model.possible(asked.path);
    const bool is_file = states.size() == 1 && states.front().kind == node_kind::file;
    if (!tag || !modified || !is_file) {
        return;
    }
    talk.book[asked.path] = {.tag = *tag,
                             .last_modified = *modified,
                             .coding = head.only("content-encoding").value_or(""),
                             .changes = asked.changes,
                             .was_settled = asked.was_settled};
}

/// The same of a listing, which was told whole.
void remember_listing(conversation& talk, const http_request& asked, const answer_head& head,
                      std::string page) {
    if (const auto tag = head.only("etag")) {
        talk.book[asked.path + '/'] = {.tag = *tag,
                                       .last_modified = {},
                                       .coding = head.only("content-encoding").value_or(""),
                                       .page = std::move(page)};
    }
}

/// Whether a listing that the client has from before is one that it may be given now; empty: yes.
std::string judge_known_listing(conversation& talk, const http_request& asked,
                                const std::vector<expected_answer>& expected) {
    const bool is_told =
        !expected.empty() && asked.seen.page && asked.condition_value == compared_with::seen_tag &&
        std::ranges::all_of(
            expected, [](const expected_answer& each) { return each.lists && each.status == 304; });
    if (!is_told) {
        return {};
    }
    talk.context.findings.count("http listings not modified");
    return judge_listing(talk.context, expected.front(), *asked.seen.page, asked.asked_at);
}

/// A date of the shape that `is_http_date` says, as text that sorts.
std::string sortable(const std::string& date) {
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    return fmt::format("{}{:02}{}{}", date.substr(12, 4), months.find(date.substr(8, 3)) / 3,
                       date.substr(5, 2), date.substr(17, 8));
}

/// Whether the field `name` of HEAD and of GET, which differ, may do so.
bool may_differ(const client_context& context, const std::string& name, const answer_head& of_head,
                const answer_head& of_get) {
    const auto tag_of = [](const answer_head& of) { return of.only("etag").value_or(""); };
    const auto time_of = [](const answer_head& of, std::string_view which) {
        const auto date = of.only(which).value_or("");
        return is_http_date(date) ? sortable(date) : std::string();
    };
    const auto clock_of = [&time_of](const answer_head& of) { return time_of(of, "date"); };
    if (name == "etag" && tag_of(of_head) == "W/" + tag_of(of_get)) {
        return true;  // A tag becomes strong with time (section 8.8.1),
    }
    if (name == "vary" && context.excused.faults) {
        // A page that could not be opened has that of all pages in its place, for who accepts it.
        const auto of = [](const answer_head& head) { return head.only("vary").value_or(""); };
        return of(of_head) + ", Accept" == of(of_get) || of(of_get) + ", Accept" == of(of_head);
    }
    if (!context.excused.clock_jumps) {
        return false;
    }
    if (name == "etag") {  // and weak again when the clock says an earlier one.
        return "W/" + tag_of(of_head) == tag_of(of_get) && clock_of(of_get) < clock_of(of_head);
    }
    if (name != "last-modified") {
        return false;
    }
    // No file is said to be younger than the answer (section 8.8.2.1): where the clock is behind
    // the file's time the answer has its own instead, and the tag cannot be strong.
    const bool is_head_first = time_of(of_head, name) < time_of(of_get, name);
    const auto& earlier = is_head_first ? of_head : of_get;
    return time_of(earlier, name) == clock_of(earlier) && tag_of(earlier).starts_with("W/");
}

/// HEAD says what GET would (RFC 9110 section 9.3.2), the moment aside.
std::string judge_pair(const client_context& context, const answer_head& of_head,
                       const answer_head& of_get) {
    auto a = of_head;
    auto b = of_get;
    const auto is_volatile = [](const auto& field) {
        return field.first == "date" || field.first == "connection";
    };
    std::erase_if(a.fields, is_volatile);
    std::erase_if(b.fields, is_volatile);
    const bool is_alike = a.fields.size() == b.fields.size() && a.status == b.status &&
                          std::ranges::all_of(a.fields, [&](const auto& field) {
                              const auto other = b.only(field.first);
                              return other && (*other == field.second ||
                                               may_differ(context, field.first, of_head, of_get));
                          });
    return is_alike ? "" : fmt::format("HEAD: {}; GET: {}", of_head.describe(), of_get.describe());
}

task<outcome> read_answer(conversation& talk, const http_request& asked, answer_head& head) {
    head_reading read;
    const auto got = co_await wait_for_head(talk, asked.sort == request_sort::head, read);
    if (!got || !*got) {
        co_return cut_short(talk, got, "waiting for an answer", asked);
    }
    if (read.progress == answer_progress::malformed) {
        co_return broken(talk, "the framing is wrong", read.problem, asked);
    }
    head = std::move(read.head);
    auto& context = talk.context;
    context.findings.count("http requests");
    context.findings.count(fmt::format("http {}", head.status));

    if (is_refused_at_the_door(talk, head)) {
        co_return outcome::over;
    }
    std::string problem;
    std::vector<expected_answer> expected;
    if (is_excused(context, head.status)) {
        context.findings.count("http errors excused");
        const bool has_body = asked.sort != request_sort::head;
        expected.push_back(
            {.status = 0,
             .body = has_body ? expected_answer::body_kind::page : expected_answer::body_kind::none,
             .path = asked.path});
        expected.front().status = head.status;
        // A site may have a page of its own for it.
        expected.front().is_loose = !context.sites.hosts.empty();
    } else {
        expected = match_head(context, asked, head, expected_answers(context, asked), problem);
    }
    for (auto& each : expected) {
        each.may_be_unsorted = !head.content_length;
    }
    if (expected.empty()) {
        co_return broken(talk, "an answer that is not right", head.describe() + " -- " + problem,
                         asked);
    }
    if (auto stale = judge_known_listing(talk, asked, expected); !stale.empty()) {
        co_return broken(talk, "a listing that is not what it was", stale, asked);
    }
    if (head.status == 200) {
        remember(talk, asked, head);
    }
    if (head.status == 503 && head.content_length == 0) {
        co_return outcome::over;
    }
    body_check check(talk, asked, std::move(expected));
    const auto read_all = co_await read_body(talk, asked, head, check);
    if (read_all != outcome::fine) {
        co_return read_all;
    }
    if (!check.finish()) {
        co_return outcome::broken;
    }
    if (check.listing()) {
        remember_listing(talk, asked, head, std::move(*check.listing()));
    }
    const bool is_last = head.only("connection") == "close";
    co_return is_last && !asked.is_last ? outcome::over : outcome::fine;
}

/// The requests of one go. What HEAD and GET say of one target is compared where they are pairs.
std::vector<http_request> draw_batch(conversation& talk) {
    auto& context = talk.context;
    const auto count = context.chance(2) ? 1 : 1 + context.rng.below(16);
    std::vector<http_request> batch;
    if (!talk.wrote.empty()) {  // Everybody sees it from now on.
        batch.push_back(plain_get(std::exchange(talk.wrote, {})));
    }
    while (batch.size() < count) {
        const bool is_final = batch.size() + 1 == count;
        auto next = draw_request(context, talk.book,
                                 is_final && !context.is_persistent && context.chance(2));
        if (next.is_big && count > 1) {
            continue;
        }
        batch.push_back(std::move(next));
        const auto& last = batch.back();
        const bool may_pair = last.sort == request_sort::head && !last.is_last &&
                              last.octets.ends_with("\r\n\r\n") && context.chance(2);
        if (may_pair) {
            auto pair = last;
            pair.sort = request_sort::get;
            pair.range.reset();
            pair.octets.replace(0, 4, "GET");
            if (pair.octets.find("Range: ") == std::string::npos &&
                pair.octets.find("Content-Length: ") == std::string::npos) {
                batch.push_back(std::move(pair));
            }
        }
    }
    return batch;
}

/// Sends a batch and reads its answers.
task<outcome> exchange(conversation& talk) {
    auto& context = talk.context;
    auto batch = draw_batch(talk);
    std::string octets;
    for (auto& each : batch) {
        each.asked_at = context.model.now();
        each.changes = changes_around(context, each.path);
        each.was_settled = is_settled_around(context, each.path);
        octets += each.octets;
    }
    const auto deadline = context.here.now() + context.server.header_timeout / 2;
    const auto sent = co_await talk.peer.send_in_pieces(context, octets, deadline);
    if (!sent && sent.error() == errc::cancelled) {
        co_return outcome::over;
    }
    // A server that closes need not take all that is sent: what it said before counts.
    const bool leaves = !context.is_persistent && context.chance(16);
    const auto answers_read = leaves ? context.rng.below(batch.size()) : batch.size();
    const bool half_closes = !context.is_persistent && !leaves && context.chance(12);
    if (half_closes) {
        co_await talk.peer.end_sending(deadline);
    }
    answer_head before;
    for (std::size_t i = 0; i < answers_read; ++i) {
        const auto& asked = batch[i];
        answer_head head;
        const auto went = co_await read_answer(talk, asked, head);
        if (went != outcome::fine) {
            co_return went;
        }
        const bool is_pair =
            i > 0 && asked.sort == request_sort::get && batch[i - 1].sort == request_sort::head &&
            batch[i - 1].octets.substr(4) == asked.octets.substr(3) && asked.was_settled &&
            is_settled_around(context, asked.path) &&
            changes_around(context, asked.path) == asked.changes &&
            head.only("content-encoding") == before.only("content-encoding") &&
            (context.is_strict() || !head.has("content-encoding")) && head.status == 200 &&
            before.status == 200 && head.has("last-modified");
        if (is_pair && before.has("etag")) {
            if (auto problem = judge_pair(context, before, head); !problem.empty()) {
                co_return broken(talk, "HEAD says what GET does not", problem, asked);
            }
            context.findings.count("http HEAD and GET compared");
        }
        before = std::move(head);
        talk.before = asked.describe();
    }
    if (leaves) {
        if (context.chance(2)) {
            talk.peer.reset();
        } else {
            talk.peer.close();
        }
        co_return outcome::over;
    }
    if (batch.back().is_last || half_closes) {
        const auto ended = co_await expect_end(talk, batch.back());
        co_return ended;
    }
    co_return outcome::fine;
}

/// A connection over TLS, or in clear. The network may have ended it already.
task<result<wire>> dial_http(client_context& context, const std::shared_ptr<tls_memory>& resumed) {
    const bool is_secure = context.tls.is_there() && context.chance(2);
    auto connected = co_await dial(context, is_secure ? context.tls.https : context.http);
    if (connected && is_secure) {
        const auto begun = co_await begin_tls(context, *connected, resumed);
        if (!begun) {
            co_return failure(begun.error());
        }
    }
    co_return connected;
}

/// A head that never ends is answered with 408 in time, an idle connection closed without a word.
task<outcome> wait_for_timeout(conversation& talk) {
    auto& context = talk.context;
    http_request asked;
    asked.is_last = true;
    asked.sort = request_sort::fixed;
    asked.statuses = {408};
    const bool is_idle = context.chance(3);
    if (!is_idle) {
        asked.octets = "GET /static/a.bin HTTP/1.1\r\nHost: a";
        asked.octets.resize(1 + context.rng.below(asked.octets.size()));
        const auto sent = co_await talk.peer.send(asked.octets, context.soon());
        if (!sent) {
            co_return cut_short(talk, failure(sent.error()), "sending half a head", asked);
        }
    }
    const auto limit = is_idle ? context.server.idle_timeout : context.server.header_timeout;
    const auto began = context.here.now();
    const auto got = co_await talk.peer.fill(began + limit + context.server.slack);
    const auto took = context.here.now() - began;
    if (!got) {
        co_return cut_short(talk, got, "waiting for a timeout", asked);
    }
    if (took < limit / 2 && context.is_strict()) {
        co_return broken(talk, "a timeout came too early", fmt::format("{} ns", took.count()),
                         asked);
    }
    if (is_idle) {
        // At the door; of what it is told there the network may have brought a beginning.
        constexpr std::string_view turned_away = "HTTP/1.1 503 ";
        const auto told = std::string_view(talk.peer.input()).substr(0, turned_away.size());
        if (*got && context.excused.crowding && turned_away.starts_with(told)) {
            co_return outcome::over;
        }
        if (*got) {
            co_return broken(talk, "an idle connection was told something", talk.peer.input(),
                             asked);
        }
        context.findings.count("http idle timeouts");
        co_return outcome::over;
    }
    if (!*got && context.excused.any()) {
        co_return outcome::over;
    }
    answer_head head;
    const auto went = co_await read_answer(talk, asked, head);
    if (went != outcome::fine) {
        co_return went;
    }
    const auto ended = co_await expect_end(talk, asked);
    co_return ended;
}

task<outcome> converse(conversation& talk) {
    auto& context = talk.context;
    if (talk.peer.is_secure()) {
        context.findings.count(talk.peer.is_resumed() ? "https sessions resumed"
                                                      : "https sessions");
    }
    if (context.is_patient && !context.is_persistent && context.chance(40)) {
        const auto waited = co_await wait_for_timeout(talk);
        co_return waited;
    }
    const auto steps =
        context.is_persistent ? context.steps_max : 1 + context.rng.below(context.steps_max);
    for (std::uint64_t i = 0; i < steps; ++i) {
        const auto began = context.here.now();
        outcome went{};
        if (context.resumes_uploads && !context.accounts.empty() && context.chance(8)) {
            went = co_await resume_an_upload(talk);
        } else if (!context.accounts.empty() && context.chance(3)) {
            went = co_await change_something(talk);
        } else {
            went = co_await exchange(talk);
        }
        if (went != outcome::fine) {
            co_return went;
        }
        // What was read slowly may have been sent long ago: the connection counts as idle since.
        if (context.here.now() - began > context.server.idle_timeout / 3) {
            co_return outcome::over;
        }
        co_await pause(context);
    }
    co_return outcome::over;
}

}  // namespace

task<> run_http_client(client_context context) {
    validator_book book;
    tag_book stored;
    const auto resumed = std::make_shared<tls_memory>();
    const auto& scope = co_await runtime::current_scope();
    for (std::size_t i = 0; i < context.conversations && !scope.stop_requested(); ++i) {
        auto connected = co_await dial_http(context, resumed);
        if (!connected) {
            if (!context.excused.any()) {
                co_return;
            }
            co_await pause(context);
            continue;
        }
        conversation talk{.context = context, .peer = *connected, .book = book, .stored = stored};
        if (context.chance(10)) {
            talk.slow_fills_left = 200;
            connected->shrink_receive_buffer();
        }
        const auto went = co_await converse(talk);
        if (went == outcome::broken) {
            co_return;
        }
        co_await pause(context);
    }
}

task<bool> check_http_answer(client_context& context, std::string path) {
    const auto resumed = std::make_shared<tls_memory>();
    auto connected = co_await dial_http(context, resumed);
    if (!connected) {
        co_return false;
    }
    validator_book book;
    tag_book stored;
    conversation talk{.context = context, .peer = *connected, .book = book, .stored = stored};
    auto asked = plain_get(path);
    asked.asked_at = context.model.now();
    const auto sent = co_await connected->send(asked.octets, context.soon());
    if (!sent) {
        co_return false;
    }
    answer_head head;
    const auto went = co_await read_answer(talk, asked, head);
    co_return went == outcome::fine;
}

}  // namespace ferry::sim::test
