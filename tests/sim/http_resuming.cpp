#include "http_resuming.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "http_expectation.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

/// One upload as it is meant.
struct resumed {
    std::string path;
    std::string authorization;
    std::string octets;     ///< All of it.
    std::size_t begun = 0;  ///< Of them with the first request.
    std::string where{};    ///< The upload resource.
    model_tree::token change{};
    http_request asked{};  ///< The latest.
};

/// Sends a request and reads the answer to it. Something: the conversation is over.
task<std::optional<outcome>> ask(conversation& talk, resumed& what, std::string octets,
                                 bool is_head, head_reading& read) {
    auto& context = talk.context;
    what.asked.octets = std::move(octets);
    what.asked.path = what.path;
    const auto sent = co_await talk.peer.send_in_pieces(
        context, what.asked.octets, context.here.now() + context.server.header_timeout / 2);
    if (!sent && sent.error() == errc::cancelled) {
        co_return outcome::over;
    }
    // Others at this address may have guessed wrong before.
    const auto patience =
        context.is_patient ? 2 * failed_login_delay_max : runtime::duration::zero();
    do {
        const auto got = co_await wait_for_head(talk, is_head, read, patience);
        if (!got || !*got) {
            co_return cut_short(talk, got, "waiting for an answer about an upload", what.asked);
        }
        if (read.progress == answer_progress::malformed) {
            co_return broken(talk, "the framing is wrong", read.problem, what.asked);
        }
        // Section 5: where the upload is, before its content has been read.
        if (read.head.status == 104 && read.head.only("location").value_or("").empty()) {
            co_return broken(talk, "104 without a Location", read.head.describe(), what.asked);
        }
    } while (read.head.status == 104);
    if (is_refused_at_the_door(talk, read.head)) {
        co_return outcome::over;
    }
    context.findings.count(
        fmt::format("http upload {} {}", what.asked.octets.substr(0, 4), read.head.status));
    if (!is_head) {
        const auto page = co_await read_page(talk, what.asked, read.head);
        if (page != outcome::fine) {
            co_return page;
        }
    }
    talk.before = what.asked.describe();
    co_return std::nullopt;
}

/// Whether it may be refused so: `is_of_upload`, at the resource, which a fault or the end of a
/// server may have cost.
bool may_be_refused(const client_context& context, int status, bool is_of_upload) {
    static constexpr std::array<int, 4> where_it_is_gone{400, 404, 408, 409};
    const bool is_of_a_fault = context.excused.faults && (status == 409 || status == 413);
    const bool is_gone = is_of_upload && context.excused.any() &&
                         std::ranges::find(where_it_is_gone, status) != where_it_is_gone.end();
    const bool is_cut = context.excused.any() && (status == 400 || status == 408);
    const bool is_put_off = context.is_patient && status == 429;
    return is_excused(context, status) || is_of_a_fault || is_gone || is_cut || is_put_off;
}

/// It did not become a file.
outcome give_up(conversation& talk, const resumed& what, outcome otherwise) {
    const auto taken = take_as_refused(talk, what.change, what.path, what.asked);
    return taken == outcome::fine ? otherwise : taken;
}

outcome refused(conversation& talk, const resumed& what, const answer_head& head,
                bool is_of_upload) {
    if (!may_be_refused(talk.context, head.status, is_of_upload)) {
        return broken(talk, "an answer about an upload that is not right", head.describe(),
                      what.asked);
    }
    return give_up(talk, what, head.only("connection") == "close" ? outcome::over : outcome::fine);
}

std::string creation(const resumed& what) {
    return fmt::format(
        "PUT {} HTTP/1.1\r\nHost: ferry.example\r\n{}Upload-Draft-Interop-Version: 8\r\n"
        "Upload-Complete: ?0\r\nUpload-Length: {}\r\nContent-Length: {}\r\n\r\n{}",
        encode_path(what.path), what.authorization, what.octets.size(), what.begun,
        what.octets.substr(0, what.begun));
}

std::string rest(const resumed& what) {
    return fmt::format(
        "PATCH {} HTTP/1.1\r\nHost: ferry.example\r\n{}"
        "Content-Type: application/partial-upload\r\nUpload-Offset: {}\r\n"
        "Upload-Complete: ?1\r\nContent-Length: {}\r\n\r\n{}",
        what.where, what.authorization, what.begun, what.octets.size() - what.begun,
        what.octets.substr(what.begun));
}

/// How much there is. Something: the conversation is over.
task<std::optional<outcome>> ask_how_much(conversation& talk, resumed& what) {
    head_reading read;
    const auto over = co_await ask(talk, what,
                                   fmt::format("HEAD {} HTTP/1.1\r\nHost: ferry.example\r\n{}\r\n",
                                               what.where, what.authorization),
                                   true, read);
    if (over) {
        co_return *over == outcome::broken ? *over : give_up(talk, what, *over);
    }
    if (read.head.status != 204) {
        co_return refused(talk, what, read.head, true);
    }
    const bool is_right = read.head.only("upload-offset") == fmt::format("{}", what.begun) &&
                          read.head.only("upload-complete") == "?0" &&
                          read.head.only("upload-length") == fmt::format("{}", what.octets.size());
    if (!is_right) {
        co_return broken(talk, "an upload's state is not right", read.head.describe(), what.asked);
    }
    co_return std::nullopt;
}

}  // namespace

task<outcome> resume_an_upload(conversation& talk) {
    auto& context = talk.context;
    auto& model = context.model;
    const auto& who = context.accounts.front();
    const auto size = 2 + context.rng.below(6'000);
    const auto octets = model.fresh(pattern_kind::binary, size);
    resumed what{
        .path = joined(context.own_directory, fmt::format("resumed{}.bin", context.rng.below(2))),
        .authorization = fmt::format("Authorization: Basic {}\r\n",
                                     encode_base64(who.name + ":" + who.password)),
        .octets = octets.octets(),
        .begun = 1 + static_cast<std::size_t>(context.rng.below(size - 1))};
    model.may_replace(who.name, what.path);
    what.change = model.begin(what.path, {.octets = octets, .parts = {}});
    head_reading read;
    auto over = co_await ask(talk, what, creation(what), false, read);
    if (over) {
        const auto gone = give_up(talk, what, *over);  // The rest of it was never sent.
        co_return *over == outcome::broken ? *over : gone;
    }
    what.where = read.head.only("location").value_or("");
    if (read.head.status != 201 || what.where.empty()) {
        co_return refused(talk, what, read.head, false);
    }
    if (context.chance(2)) {
        over = co_await ask_how_much(talk, what);
        if (over) {
            co_return *over;
        }
    }
    over = co_await ask(talk, what, rest(what), false, read);
    if (over) {
        model.unknown(what.change);
        co_return *over;
    }
    if (read.head.status / 100 != 2) {
        co_return refused(talk, what, read.head, true);
    }
    context.findings.count("http uploads gone on with");
    talk.stored.erase(what.path);
    if (!model.acknowledged(what.change)) {
        co_return broken(talk, "an upload was confirmed that no order of changes explains",
                         what.path, what.asked);
    }
    co_return read.head.only("connection") == "close" ? outcome::over : outcome::fine;
}

}  // namespace ferry::sim::test
