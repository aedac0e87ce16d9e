#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>

#include "ferry/base/log.hpp"
#include "ferry/http/server.hpp"
#include "ferry/net/drop_rest.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/net/paced_stream.hpp"
#include "ferry/net/plain_stream.hpp"
#include "ferry/net/send_plan.hpp"
#include "ferry/net/tls_stream.hpp"
#include "http/client.hpp"
#include "http/fields.hpp"
#include "http/finished_listing.hpp"
#include "http/head_parser.hpp"
#include "http/plan.hpp"
#include "http/request_body.hpp"
#include "http/send_body.hpp"
#include "http/upload_resource.hpp"

namespace ferry::http {

using net::farewell;
using runtime::task;

namespace {

// Answers of pipelined requests gather up to this much before they are sent in one go.
constexpr std::size_t batch_bytes_max = 64 * 1024;
// Bodies in memory of up to so much join those answers; larger ones are not copied.
constexpr std::size_t gathered_body_bytes_max = 16 * 1024;
// Of listings: each holds its page in memory, and its result.
constexpr std::size_t packed_at_once_max = 4;
// What has less content is over before anybody could look at it.
constexpr std::uint64_t shown_bytes_min = 256 * 1024;

/// How fast somebody's octets may go: on one connection, and together with all others'.
struct pace {
    auth::rates own;
    auth::rates together;
    auth::usage* shared = nullptr;  ///< Null: `together` does not hold.
    net::pacer::rate of_address;    ///< Of answers to the client's address.

    [[nodiscard]] bool is_any() const noexcept {
        return own != auth::rates{} || (shared != nullptr && together != auth::rates{});
    }
};

pace pace_of(const service::state& shared, const client& from, const login* account) noexcept {
    if (account == nullptr) {
        return {.own = shared.settings.connection_rates,
                .together = shared.settings.visitors_rates,
                .shared = shared.visitors,
                .of_address = from.sending_rate()};
    }
    return {.own = account->who.bounds.each_session,
            .together = account->who.bounds.together,
            .shared = account->usage.get(),
            .of_address = from.sending_rate()};
}

/// A connection that goes no faster than it may. Made where there is such a rate.
struct paced_connection {
    paced_connection(net::stream& below, const pace& most) noexcept
        : sending({.bucket = &download, .octets_per_second = most.own.download},
                  {.bucket = most.shared == nullptr ? nullptr : &most.shared->download,
                   .octets_per_second = most.together.download},
                  most.of_address),
          receiving({.bucket = &upload, .octets_per_second = most.own.upload},
                    {.bucket = most.shared == nullptr ? nullptr : &most.shared->upload,
                     .octets_per_second = most.together.upload}),
          peer(below, sending, receiving) {}

    runtime::token_bucket download;
    runtime::token_bucket upload;
    net::pacer sending;
    net::pacer receiving;
    net::paced_stream peer;
};

/// One conversation: the octets not yet used, the answers not yet sent.
struct conversation {
    service::state& shared;
    net::stream& plain;
    client from;
    std::shared_ptr<const login> paced_for;  ///< Whose rates go; null: visitors'.
    std::unique_ptr<paced_connection>
        paced;                          ///< By the rates of both. Null: nothing holds it back.
    std::optional<net::tls_facts> tls;  ///< Nothing: it is in clear.
    runtime::stop_scope& idle;          ///< Stops with the connection, and when the server drains.
    head_parser parser;
    std::string buffer;        ///< From the network; the request being answered points into it.
    std::size_t used = 0;      ///< Of `buffer`.
    std::string batch;         ///< Answers to send.
    std::uint64_t number = 0;  ///< `runtime::core::number_connection`.
    std::size_t requests = 0;
    answer_cache::sight known =
        {};                       ///< What was found of the present request before it was parsed.
    runtime::time_point began{};  ///< When the first octets of the present request were there.
    bool may_pause = false;       ///< Somebody takes it between two requests.
    bool has_paused = false;      ///< It has ended for this, and idles out at `idle_end`.
    runtime::time_point idle_end{};

    /// As fast as who asks may be.
    [[nodiscard]] net::stream& peer() noexcept {
        return paced ? static_cast<net::stream&>(paced->peer) : plain;
    }
    [[nodiscard]] std::string_view unread() const noexcept {
        return std::string_view(buffer).substr(used);
    }
};

std::span<const std::byte> octets_of(const std::string& text) noexcept {
    return std::as_bytes(std::span(text));
}

task<result<void>> flush(conversation& talk) {
    if (talk.batch.empty()) {
        co_return result<void>{};
    }
    const auto sent =
        co_await talk.peer().send(octets_of(talk.batch), talk.shared.settings.send_timeout);
    talk.batch.clear();
    if (talk.batch.capacity() > 2 * batch_bytes_max) {
        // It was a large page: nobody may have that much for a request that comes in drips, or for
        // a file that it does not take (threats.md, H4).
        std::string().swap(talk.batch);
    }
    co_return sent;
}

head_limits limits_of(const options& settings) noexcept {
    return {.head_bytes_max = settings.head_bytes_max,
            .target_bytes_max = settings.target_bytes_max,
            .fields_max = settings.fields_max};
}

answer_context context_of(const conversation& talk) noexcept {
    const auto* const accounts = talk.shared.accounts.get();
    return {.is_secure = talk.tls.has_value(),
            .has_accounts = accounts != nullptr && accounts->has_accounts()};
}

/// Looks at the head of a request, or what there is of it. Where `talk.known` has the answer, it is
/// whole and not parsed.
head_progress look_at_head(conversation& talk) {
    talk.known = talk.parser.is_idle() ? talk.shared.answers.find(talk.unread(), context_of(talk))
                                       : answer_cache::sight{};
    return talk.known.answer != nullptr ? head_progress::complete
                                        : talk.parser.parse(talk.unread());
}

/// Reads until a head is whole or refused (`look_at_head`). Fails when the conversation is over
/// without an answer: errc::closed for every peaceful end, errc::timed_out for a head that came too
/// slowly, else an error after which nothing can be sent.
task<result<head_progress>> read_head(conversation& talk) {
    runtime::core& here = talk.shared.here;
    talk.began = here.now();
    auto progress = talk.unread().empty() ? head_progress::incomplete : look_at_head(talk);
    auto head_deadline = runtime::never;
    while (progress == head_progress::incomplete) {
        // What is answered goes out before anything is waited for.
        if (const auto sent = co_await flush(talk); !sent) {
            // Too slow to take its answers is not too slow with its head: no 408 would arrive.
            co_return failure(sent.error() == errc::timed_out ? errc::reset : sent.error().code);
        }
        talk.buffer.erase(0, talk.used);
        talk.used = 0;
        const bool is_idle = talk.parser.is_idle() && talk.buffer.empty();
        result<void> filled;
        if (is_idle) {
            std::string().swap(talk.buffer);  // An idle connection holds no buffer.
            std::string().swap(talk.batch);
            talk.idle_end = here.now() + talk.shared.settings.idle_timeout;
            // What remembers a rate is not given away.
            const auto until =
                talk.may_pause && !talk.paced
                    ? std::min(talk.idle_end, here.now() + talk.shared.settings.pause_after)
                    : talk.idle_end;
            filled = co_await talk.peer().fill(until).in_scope(talk.idle);
            talk.has_paused = until < talk.idle_end && !filled && filled.error() == errc::timed_out;
            if (!filled && filled.error() == errc::cancelled) {
                // The server drains. A client that is used to the connection may be asking at this
                // moment, and has no way to tell a lost request from one half done (threats.md,
                // H8): its answer says that it is the last.
                filled = co_await talk.peer().fill(here.now() + last_request_time_max);
            }
        } else {
            if (head_deadline == runtime::never) {
                // For the whole head, however slowly it drips (threats.md, H3).
                head_deadline = here.now() + talk.shared.settings.header_timeout;
            }
            filled = co_await talk.peer().fill(head_deadline);
        }
        if (!filled && talk.parser.is_idle()) {
            co_return failure(errc::closed);  // Left, idled out, or the server drains.
        }
        if (!filled) {
            co_return failure(filled.error());
        }
        if (is_idle) {
            talk.began = here.now();
        }
        talk.peer().take_input(talk.buffer);
        progress = look_at_head(talk);
    }
    co_return progress;
}

/// Makes the connection go as fast as `account` and the client's address may.
void set_pace(conversation& talk, std::shared_ptr<const login> account) {
    const auto most = pace_of(talk.shared, talk.from, account.get());
    talk.paced.reset();
    if (most.is_any() || talk.shared.settings.addresses.limits_sending()) {
        talk.paced = std::make_unique<paced_connection>(talk.plain, most);
    }
    talk.paced_for = std::move(account);
}

/// From here on the connection goes as fast as who asks may be. Call it with nothing to send.
void pace_for(conversation& talk, const viewer& who) {
    if (talk.paced_for != who.account()) {
        set_pace(talk, who.account());
    }
}

/// Adds a part of the body, wherever it is.
void add_part(net::send_plan& sending, const response_plan& plan, const byte_range& part) {
    if (plan.packed || plan.file->body) {
        sending.add(octets_of(plan.packed ? *plan.packed : *plan.file->body)
                        .subspan(static_cast<std::size_t>(part.offset),
                                 static_cast<std::size_t>(part.size_bytes)));
    } else {
        sending.add(plan.file->file.span({.offset = part.offset, .size_bytes = part.size_bytes}));
    }
}

std::string_view scheme_of(const conversation& talk) noexcept {
    return talk.tls ? "https" : "http";
}

/// Shows a transfer to who looks at what is under way. All of it outlives `made`.
struct transfer_of_request {
    const request& asked;
    std::string_view user;
    const std::uint64_t& moved_bytes;
    std::uint64_t whole_bytes = 0;
    bool is_upload = false;
};
void show_transfer(conversation& talk, net::shown_transfer& made, const transfer_of_request& what) {
    made.protocol = scheme_of(talk);
    made.peer = talk.from.address();
    made.user = what.user;
    made.name = what.asked.path;
    made.is_upload = what.is_upload;
    made.whole_bytes = what.whole_bytes;
    made.moved_bytes = &what.moved_bytes;
    made.connection = talk.number;
    made.began = talk.shared.here.now();
    talk.shared.transfers->push_back(made);
}

/// Sends `plan`, the answer to what `user` has asked, and decides nothing: small answers join the
/// batch, anything else takes the batch along.
task<result<void>> execute(conversation& talk, const request& asked, std::string_view user,
                           response_plan& plan) {
    if (talk.batch.empty()) {
        talk.batch.swap(plan.message);
    } else {
        talk.batch += plan.message;
        std::string().swap(plan.message);  // A large page is not held twice.
    }
    if (plan.file || plan.packed) {
        net::send_plan sending;
        sending.add(octets_of(talk.batch));
        add_part(sending, plan, plan.part);
        for (const auto& each : plan.further_parts) {
            sending.add(octets_of(each.before));
            add_part(sending, plan, each.octets);
        }
        sending.add(octets_of(plan.body_end));
        std::uint64_t sent_bytes = 0;
        net::shown_transfer shown;
        if (plan.body_bytes >= shown_bytes_min) {
            show_transfer(talk, shown,
                          {.asked = asked,
                           .user = user,
                           .moved_bytes = sent_bytes,
                           .whole_bytes = talk.batch.size() + plan.body_bytes});
        }
        const auto sent = co_await net::execute(
            talk.peer(), sending, {.stall_timeout = talk.shared.settings.send_timeout}, sent_bytes);
        if (!sent) {
            const auto before = talk.batch.size();
            plan.body_bytes = sent_bytes > before ? sent_bytes - before : 0;
        }
        talk.batch.clear();
        co_return sent;
    }
    if (plan.source) {
        if (const auto sent = co_await flush(talk); !sent) {
            co_return failure(sent.error());
        }
        net::shown_transfer shown;
        show_transfer(talk, shown, {.asked = asked, .user = user, .moved_bytes = plan.body_bytes});
        const auto sent = co_await send_body(
            talk.peer(), *plan.source,
            {.chunked = plan.chunked, .stall_timeout = talk.shared.settings.send_timeout},
            plan.body_bytes);
        co_return sent;
    }
    if (talk.batch.size() >= batch_bytes_max) {
        const auto sent = co_await flush(talk);
        co_return sent;
    }
    co_return result<void>{};
}

/// The present less `ago`.
wall_time wall_time_before(runtime::duration ago) noexcept {
    constexpr std::int64_t second = 1'000'000'000;
    const auto now = read_wall_clock();
    auto seconds = now.seconds - ago.count() / second;
    auto nanoseconds = std::int64_t{now.nanoseconds} - ago.count() % second;
    if (nanoseconds < 0) {
        --seconds;
        nanoseconds += second;
    }
    return {.seconds = seconds, .nanoseconds = static_cast<std::uint32_t>(nanoseconds)};
}

/// For formats of the access log that name fields.
class fields_of_request final : public request_fields {
  public:
    explicit fields_of_request(const field_lines& lines) noexcept : lines_(lines) {}
    [[nodiscard]] std::string_view value_of(std::string_view name) const noexcept override {
        return lines_.first(name).value_or("");
    }

  private:
    const field_lines& lines_;
};

/// Of an answer that is not sent yet.
std::uint64_t count_head_bytes(const response_plan& plan) noexcept {
    constexpr std::string_view end = "\r\n\r\n";
    return plan.message.find(end) + end.size();
}

/// What became of one request.
struct outcome {
    status what = status::internal_server_error;
    std::string_view user = {};
    std::uint64_t head_bytes = 0;      ///< Of the answer,
    std::uint64_t body_bytes = 0;      ///< and of its content.
    std::uint64_t received_bytes = 0;  ///< Of the request, its content included.
    bool is_broken_off = false;
};

static_assert(counted_methods.size() == static_cast<std::size_t>(method::other) + 2);
constexpr std::size_t row_of_nothing = counted_methods.size() - 1;

constexpr std::size_t row_of(method which) noexcept {
    return static_cast<std::size_t>(which);
}

/// Adds one answer to what is counted.
void count(conversation& talk, std::size_t method_row, const outcome& how) noexcept {
    auto& counted = talk.shared.counted;
    ++counted.answers[method_row][code_of(how.what) / 100U - 1U];
    counted.broken_off += how.is_broken_off ? 1U : 0U;
    counted.took.add(talk.shared.here.now() - talk.began);
}

/// One line of the access log, if there is one. `asked` is null for a head that could not be read.
void log_request(conversation& talk, const request* asked, const outcome& how) {
    access_sink& log = talk.shared.access_log;
    if (!log.wants_records()) {
        return;
    }
    const auto peer = net::format_address(talk.from.address());
    const auto took = talk.shared.here.now() - talk.began;
    access_record record{.peer = peer,
                         .user = how.user,
                         .when = wall_time_before(took),
                         .method = {},
                         .target = {},
                         .protocol = {},
                         .status = code_of(how.what),
                         .body_bytes = how.body_bytes,
                         .referer = {},
                         .user_agent = {}};
    record.duration = std::chrono::duration_cast<std::chrono::microseconds>(took);
    record.sent_bytes = how.head_bytes + how.body_bytes;
    record.connection = talk.number;
    record.peer_port = talk.from.address().port;
    record.local_port = talk.peer().local().port;
    record.is_broken_off = how.is_broken_off;
    record.scheme = scheme_of(talk);
    if (talk.tls) {
        record.tls_version = talk.tls->version;
        record.tls_cipher = talk.tls->cipher;
    }
    if (asked == nullptr) {
        log.record(record);
        return;
    }
    const fields_of_request fields(asked->fields);
    record.method = asked->method_name;
    record.target = asked->target;
    record.protocol = asked->version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
    record.referer = asked->fields.only(field::referer).value_or("");
    record.user_agent = asked->fields.only(field::user_agent).value_or("");
    record.host = asked->host;
    record.received_bytes = how.received_bytes;
    record.fields = &fields;
    log.record(record);
}

/// Says what broke an answer off when it was neither the client nor a stop (threats.md, V15).
void log_broken_answer(const request& asked, const error& why) {
    if (why == errc::reset || why == errc::timed_out || why == errc::cancelled) {
        return;
    }
    log::warning(fmt::format("http: the answer to {} was broken off: {}", asked.target,
                             why == errc::closed ? "the file became shorter" : describe(why.code)));
}

/// Answers what cannot be a request and ends the conversation.
task<farewell> refuse(conversation& talk, const head_refusal& why) {
    auto plan = plan_refusal(talk.shared, why);
    const auto head_bytes = count_head_bytes(plan);
    talk.batch += plan.message;
    const auto sent = co_await flush(talk);
    const outcome how{.what = plan.what,
                      .head_bytes = head_bytes,
                      .body_bytes = plan.body_bytes,
                      .is_broken_off = !sent};
    count(talk, row_of_nothing, how);
    log_request(talk, nullptr, how);
    co_return sent ? farewell::linger : farewell::abort;
}

/// Passes over the request that was answered, whose views end here.
void pass_over(conversation& talk, const request_body& body) {
    talk.used += talk.parser.consumed_bytes() + body.used_at_hand_bytes();
    talk.parser.reset();
    talk.from.end_request();
    if (!body.following().empty()) {
        talk.buffer.assign(body.following());
        talk.used = 0;
    }
}

/// Whether a certificate says who asks. `Authorization` says more: it is of the request.
bool is_certified(const conversation& talk) noexcept {
    return talk.shared.settings.certificates_log_in && talk.shared.accounts != nullptr &&
           talk.tls && !talk.tls->client_name.empty();
}

/// Whether a password that comes here has not been read on its way by who listens: over TLS, from a
/// proxy that is trusted to know, or within the machine.
bool may_say_password(const conversation& talk) noexcept {
    return !talk.shared.settings.logins_need_tls || talk.tls || talk.from.is_proxy() ||
           talk.plain.local().family == net::address_family::local;
}

/// What the access log says of a request that is answered again. Its octets are its own: the answer
/// that is kept may be dropped while it is sent.
struct logged_request {
    std::string octets;
    head_parser parser;  ///< Has read them.
};

/// The present request, of which `octets` are the head, for the log. Null: it does not parse.
std::shared_ptr<const head_parser> logged_as(const conversation& talk, std::string_view octets) {
    auto made = std::make_shared<logged_request>(std::string(octets),
                                                 head_parser(limits_of(talk.shared.settings)));
    if (made->parser.parse(made->octets) != head_progress::complete) {
        return nullptr;
    }
    return {made, &made->parser};
}

/// What a known answer is given again of.
struct known_content {
    vfs::shared_file_ptr file;
    byte_range part;
    std::shared_ptr<const head_parser> asked;  ///< Null: nobody logs it.
    coded_bodies::body_ptr packed;             ///< The octets, where it is packed or a listing.
    /// To have those of a large listing, which may be kept no longer than they are sent.
    std::optional<runtime::permits::permit> hold;

    /// All that `part` is of; null: it is not in memory.
    [[nodiscard]] const std::string* octets() const noexcept {
        if (packed) {
            return packed.get();
        }
        return file->body ? &*file->body : nullptr;
    }
};

/// Puts the listing of `known` into `found`. False: it is another by now, or too much of such is
/// being sent (threats.md, H4).
bool take_listing(conversation& talk, const kept_answer& known, known_content& found) noexcept {
    auto listing = known.listing.lock();
    auto& bounds = talk.shared.listings;
    if (!listing || bounds.kept == nullptr || !bounds.kept->use_again(*listing)) {
        return false;
    }
    if (known.part.size_bytes > gathered_body_bytes_max) {
        found.hold = bounds.held.try_take();
        if (!found.hold) {
            return false;
        }
    }
    if (known.part.size_bytes != 0) {
        found.packed = shared_octets(std::move(listing));
    }
    return true;
}

/// The part of `file` that the present request asks for, by a range like the one that the known
/// answer is to. Nothing: there is more to say than that it is sent.
std::optional<byte_range> part_asked_for(const conversation& talk, const vfs::shared_file& file) {
    const auto asked = parse_range(talk.known.range.in(talk.unread()),
                                   {.size_bytes = file.file.status().size_bytes});
    if (!asked || asked->size() != 1 || asked->front().size_bytes >= shown_bytes_min) {
        return std::nullopt;
    }
    if (asked->front().size_bytes <= inline_body_bytes_max && !file.body) {
        return std::nullopt;  // It is read before the head is said: what cannot be read is a 500.
    }
    return asked->front();
}

/// What the known answer to the present request was made of, if the answer is still that and
/// nothing about the connection asks for more than it. Nothing: the request is to be parsed. Throws
/// std::bad_alloc.
std::optional<known_content> content_of_known(conversation& talk) {
    if (talk.paced_for || !talk.from.is_free() || is_certified(talk) ||
        talk.known.head_bytes > talk.shared.settings.head_bytes_max ||
        talk.requests + 1 >= talk.shared.settings.requests_per_connection_max ||
        talk.shared.draining.stop_requested()) {
        return std::nullopt;
    }
    const kept_answer& known = *talk.known.answer;
    const auto is_as_it_was = [&talk](const vfs::shared_file_ptr& each) {
        return each && talk.shared.open_files.use_again(*each);
    };
    known_content found{.file = known.file.lock(),
                        .part = known.part,
                        .asked = known.asked,
                        .packed = {},
                        .hold = {}};
    if (known.range.size_bytes != 0) {
        const auto part = found.file ? part_asked_for(talk, *found.file) : std::nullopt;
        if (!part) {
            return std::nullopt;
        }
        found.part = *part;
        if (found.asked) {  // The numbers are others, and any field may be logged.
            found.asked = logged_as(talk, talk.unread().substr(0, talk.known.head_bytes));
            if (!found.asked) {
                return std::nullopt;
            }
        }
    }
    if (!is_as_it_was(found.file)) {
        return std::nullopt;
    }
    for (const auto& each : known.others) {
        if (!is_as_it_was(each.lock())) {
            return std::nullopt;
        }
    }
    if (known.is_listing) {
        return take_listing(talk, known, found) ? std::optional(std::move(found)) : std::nullopt;
    }
    if (known.packed_as != content_coding::identity && known.part.size_bytes != 0) {
        found.packed = talk.shared.packed->find(found.file->file.status(), known.packed_as);
        if (!found.packed || found.packed != known.packed.lock()) {
            return std::nullopt;
        }
    }
    return found;
}

/// Answers the present request, which is not parsed, by the known answer, made of `content`.
task<result<void>> answer_again(conversation& talk, known_content content) {
    kept_answer& known = *talk.known.answer;  // Until something is waited for.
    talk.shared.answers.refresh(known);
    ++talk.requests;
    talk.used += talk.known.head_bytes;
    const auto part = content.part;
    auto head_bytes = known.head_bytes;
    if (known.part_lines.size_bytes == 0) {
        talk.batch += known.message;
    } else {  // A head alone.
        const auto batch_bytes = talk.batch.size();
        talk.batch += known.part_lines.before(known.message);
        append_part_lines(talk.batch, part, content.file->file.status().size_bytes);
        talk.batch += known.part_lines.behind(known.message);
        head_bytes = talk.batch.size() - batch_bytes;
    }
    outcome how{.what = known.what,
                .head_bytes = head_bytes,
                .body_bytes = known.message.size() - known.head_bytes + part.size_bytes,
                .received_bytes = talk.known.head_bytes};
    const auto row = row_of(known.method);
    const auto asked = std::move(content.asked);
    result<void> sent;
    const std::string* const octets = content.octets();
    if (part.size_bytes != 0 && (octets == nullptr || part.size_bytes > gathered_body_bytes_max)) {
        net::send_plan sending;
        sending.add(octets_of(talk.batch));
        if (octets != nullptr) {
            sending.add(octets_of(*octets).subspan(static_cast<std::size_t>(part.offset),
                                                   static_cast<std::size_t>(part.size_bytes)));
        } else {
            sending.add(
                content.file->file.span({.offset = part.offset, .size_bytes = part.size_bytes}));
        }
        std::uint64_t sent_bytes = 0;
        sent = co_await net::execute(
            talk.peer(), sending, {.stall_timeout = talk.shared.settings.send_timeout}, sent_bytes);
        if (!sent) {
            how.body_bytes = sent_bytes - std::min(sent_bytes, talk.batch.size());
            how.is_broken_off = true;
        }
        talk.batch.clear();
    } else if (part.size_bytes != 0) {
        talk.batch += std::string_view(*octets).substr(static_cast<std::size_t>(part.offset),
                                                       static_cast<std::size_t>(part.size_bytes));
    }
    count(talk, row, how);
    if (asked) {
        log_request(talk, &asked->head(), how);
        if (!sent) {
            log_broken_answer(asked->head(), sent.error());
        }
    }
    if (sent && talk.batch.size() >= batch_bytes_max) {
        sent = co_await flush(talk);
    }
    co_return sent;
}

/// Whether `plan` answers a request for one range, and would answer one for another in the same
/// way.
bool is_any_part(const conversation& talk, const response_plan& plan) noexcept {
    return talk.known.range.size_bytes != 0 && plan.what == status::partial_content &&
           plan.further_parts.empty() && plan.packed_as == content_coding::identity &&
           plan.made_of_too.empty() && (!plan.file || plan.file == plan.made_of);
}

/// Makes `fresh`, the answer to a part of `file`, the one to any part of it. False: what its head
/// says of the part is not there.
bool answer_any_part(kept_answer& fresh, const text_place& range, const vfs::node& file) {
    std::string lines;
    append_part_lines(lines, fresh.part, file.status().size_bytes);
    fresh.range = range;
    fresh.part_lines = {.at = fresh.message.find(lines), .size_bytes = lines.size()};
    return fresh.part_lines.at != std::string::npos;
}

/// Keeps an answer that was planned and is not sent yet, if it depends on nothing but the request's
/// octets and files (`response_plan::made_of`), and is asked for again.
void keep_answer(conversation& talk, const request& asked, const response_plan& plan,
                 std::size_t head_bytes) noexcept {
    const auto seen = talk.known;
    const bool is_part = is_any_part(talk, plan);
    if (seen.answer != nullptr && seen.range.size_bytes != 0 && !is_part) {
        return;  // Another kind of answer, in whose place there is that to any part.
    }
    if (!plan.made_of || seen.head_bytes != talk.parser.consumed_bytes() ||
        asked.framing != body_framing::none || plan.then != after::keep_alive ||
        plan.body_bytes >= shown_bytes_min) {
        return;
    }
    const bool is_page = is_error(plan.what);
    const bool is_packed = plan.packed_as != content_coding::identity;
    if (plan.body_bytes != 0 && !is_page && !plan.file && !is_packed && !plan.made_of_listing &&
        !plan.made_of->body) {
        return;  // Read for this answer alone.
    }
    try {
        const auto hash = is_part ? seen.hash_around : seen.hash;
        if (!talk.shared.answers.wants(hash)) {
            return;
        }
        auto fresh = std::make_unique<kept_answer>();
        fresh->request_head = talk.unread().substr(0, seen.head_bytes);
        fresh->message = plan.message.substr(0, is_page ? plan.message.size() : head_bytes);
        fresh->head_bytes = head_bytes;
        fresh->file = plan.made_of;
        fresh->others.assign(plan.made_of_too.begin(), plan.made_of_too.end());
        fresh->listing = plan.made_of_listing;
        fresh->is_listing = plan.made_of_listing != nullptr;
        fresh->packed_as = plan.packed_as;
        fresh->packed = plan.all_packed;
        fresh->part = {.offset = plan.part.offset, .size_bytes = is_page ? 0 : plan.body_bytes};
        fresh->what = plan.what;
        fresh->method = asked.method;
        fresh->context = context_of(talk);
        fresh->hash = hash;
        if (is_part && !answer_any_part(*fresh, seen.range, plan.made_of->file)) {
            return;
        }
        if (talk.shared.access_log.wants_records()) {
            fresh->asked = logged_as(talk, fresh->request_head);
            if (!fresh->asked) {
                return;
            }
        }
        talk.shared.answers.keep(std::move(fresh));
    } catch (const std::bad_alloc&) {
        // It is planned anew each time.
    }
}

/// Answers requests until one is the last. Gives how to part from the client.
task<farewell> converse(conversation& talk) {
    for (;;) {  // Bounded by `requests_per_connection_max` and the peer: each turn costs it a
                // request.
        auto progress = co_await read_head(talk);
        if (progress && talk.known.answer != nullptr) {
            if (auto content = content_of_known(talk)) {
                const auto sent = co_await answer_again(talk, std::move(*content));
                if (!sent) {
                    co_return farewell::abort;
                }
                continue;
            }
            progress = talk.parser.parse(talk.unread());
        }
        if (!progress) {
            if (progress.error() == errc::timed_out) {
                const auto parting = co_await refuse(
                    talk, {.what = status::request_timeout, .reason = "the head took too long"});
                co_return parting;
            }
            co_return progress.error() == errc::closed ? farewell::orderly : farewell::abort;
        }
        if (*progress == head_progress::refused) {
            const auto parting = co_await refuse(talk, talk.parser.refusal());
            co_return parting;
        }

        const request& asked = talk.parser.head();
        const auto& settings = talk.shared.settings;
        // Nobody waits for an answer while a body comes, a password is compared or an upload ends,
        // and no interim answer overtakes one.
        const bool takes_time =
            asked.framing != body_framing::none || asked.fields.has(field::authorization) ||
            asked.fields.has(field::upload_complete) || is_for_upload_resource(asked);
        if (takes_time || talk.paced_for) {
            if (const auto sent = co_await flush(talk); !sent) {
                co_return farewell::abort;
            }
        }
        const auto away = talk.from.begin_request(asked, talk.shared.here.now());
        if (talk.paced && talk.from.is_proxy()) {  // Who is turned away has a rate, too.
            talk.paced->sending.go_over_to(talk.from.sending_rate());
        }
        std::optional<requester> by;
        if (!away) {
            const bool is_answered = talk.tls || !must_ask_over_tls(talk.shared, asked);
            if (is_answered && may_log_in(talk.shared, asked)) {
                if (may_say_password(talk)) {
                    auto known = co_await identify(talk.shared, asked, talk.from.address());
                    by = std::move(known);
                    talk.shared.counted.logins_failed +=
                        by->refused == logins::outcome::wrong ? 1U : 0U;
                } else {
                    by = visitor_of(talk.shared);
                    by->refused = logins::outcome::in_clear;
                }
            } else if (is_certified(talk)) {
                auto known = co_await identify_certified(talk.shared, talk.tls->client_name);
                by = std::move(known);
            } else {
                by = visitor_of(talk.shared);
            }
            by->is_secure = talk.tls.has_value();
            by->may_say_password = may_say_password(talk);
            by->reached = talk.plain.local();
            pace_for(talk, by->who);
        }
        request_body body(talk.peer(), asked, talk.unread().substr(talk.parser.consumed_bytes()),
                          {.content_bytes_max = settings.upload_bytes_max,
                           .drain_bytes_max = settings.body_drain_bytes_max,
                           .stall_timeout = settings.body_timeout,
                           .drain_timeout = settings.header_timeout,
                           .chunks = {.overhead_bytes_max = settings.head_bytes_max},
                           .ending = talk.shared.uploads_end.get()});
        ++talk.requests;
        const auto user = by ? std::string_view(by->user) : std::string_view();
        const bool may_go_on = asked.keep_alive &&
                               talk.requests < settings.requests_per_connection_max &&
                               !talk.shared.draining.stop_requested();
        response_plan plan;
        if (away) {
            plan =
                plan_turned_away(talk.shared, asked, *away,
                                 may_go_on && body.lets_go_on() ? after::keep_alive : after::close);
        } else {
            net::shown_transfer shown;
            if (asked.framing == body_framing::chunked || asked.content_length >= shown_bytes_min) {
                show_transfer(talk, shown,
                              {.asked = asked,
                               .user = user,
                               .moved_bytes = body.received_bytes(),
                               .whole_bytes = asked.content_length,
                               .is_upload = true});
            }
            auto made = co_await plan_response(talk.shared, asked, body, *by,
                                               may_go_on ? after::keep_alive : after::close);
            plan = std::move(made);
        }
        const auto head_bytes = count_head_bytes(plan);
        keep_answer(talk, asked, plan, head_bytes);
        const auto sent = co_await execute(talk, asked, user, plan);
        const outcome how{.what = plan.what,
                          .user = user,
                          .head_bytes = head_bytes,
                          .body_bytes = plan.body_bytes,
                          .received_bytes = talk.parser.consumed_bytes() + body.received_bytes(),
                          .is_broken_off = !sent};
        count(talk, row_of(asked.method), how);
        log_request(talk, &asked, how);
        if (!sent) {
            log_broken_answer(asked, sent.error());
            co_return farewell::abort;  // The client has part of an answer: a reset says so.
        }
        if (plan.then == after::close) {
            const auto flushed = co_await flush(talk);
            if (!flushed) {
                co_return farewell::abort;
            }
            const bool has_rest = !body.is_over();
            pass_over(talk, body);
            if (has_rest) {
                talk.plain.shut_down_sending();
                // However it ends, the connection lingers as behind any answer.
                static_cast<void>(co_await net::drop_rest(talk.plain));
            }
            const bool more_came = !talk.unread().empty() || !talk.peer().input().empty();
            co_return has_rest || more_came ? farewell::linger : farewell::orderly;
        }
        if (!body.is_over()) {
            if (const auto flushed = co_await flush(talk); !flushed) {
                co_return farewell::abort;
            }
            const auto skipped = co_await body.skip();
            if (!skipped) {
                // The answer is out already: a reset might destroy it at a client that was slow.
                co_return skipped.error() == errc::closed || skipped.error() == errc::timed_out
                    ? farewell::linger
                    : farewell::abort;
            }
        }
        pass_over(talk, body);
    }
}

/// Leaves a connection that pauses to the caller. False: something has come meanwhile.
task<bool> leave(conversation& talk, net::plain_stream& peer, idle_connection& into) {
    auto socket = co_await peer.give_away();
    if (!socket) {
        co_return false;
    }
    into = {.socket = std::move(socket),
            .until = talk.idle_end,
            .place = talk.from.give_away_place(),
            .number = talk.number,
            .requests = talk.requests};
    co_return true;
}

/// Tells who asks in clear where TLS is to be.
task<farewell> refuse_clear_text(net::stream& peer, runtime::duration stall_timeout) {
    constexpr std::string_view words =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 48\r\nConnection: close\r\n\r\n"
        "This port speaks HTTPS: ask for an https:// URL\n";
    const auto told = co_await peer.send(std::as_bytes(std::span(words)), stall_timeout);
    co_return told ? farewell::linger : farewell::abort;
}

/// Nothing: there is no TLS to go on with. `idle` is told when the server drains.
task<std::optional<net::tls_facts>> begin_tls(net::tls_stream& peer, net::tls_terms terms,
                                              runtime::stop_scope& idle) {
    terms.draining = &idle;
    const auto begun = co_await peer.accept(std::move(terms));
    if (begun) {
        co_return peer.facts();
    }
    if (begun.error() == errc::invalid && log::enabled(log::level::debug)) {
        log::debug(fmt::format("https: {} shook no hands: {}", net::format_address(peer.peer()),
                               peer.why()));
    }
    co_return std::nullopt;
}

/// Parts from a connection that a proxy has passed on and that is not to be served.
task<farewell> turn_away(conversation& talk, const error& why) {
    if (why == errc::denied) {
        const auto parting = co_await refuse(
            talk, {.what = status::forbidden, .reason = "Your address is not allowed here."});
        co_return parting;
    }
    if (why == errc::exhausted) {
        const auto parting =
            co_await refuse(talk, {.what = status::service_unavailable,
                                   .reason = "There are too many connections from your address."});
        co_return parting;
    }
    if (why == errc::invalid) {
        log::info(fmt::format("http: what came from {} does not begin with a PROXY header",
                              net::format_address(talk.from.address())));
    }
    co_return farewell::abort;
}

}  // namespace

service::service(runtime::core& here, const options& settings, const vfs::tree& files,
                 vfs::file_cache& open_files, vfs::listing_bounds& listings, vfs::digests& digests,
                 const media_types& types, access_sink& access_log, runtime::stop_scope& draining,
                 auth::usage* visitors, const account_services* accounts, upload_turns* uploads,
                 page_source* pages)
    : state_(std::make_unique<state>(
          state{.here = here,
                .settings = settings,
                .files = files,
                .open_files = open_files,
                .listings = listings,
                .digests = digests,
                .types = types,
                .access_log = access_log,
                .draining = draining,
                .uploads_end = std::make_unique<runtime::stop_scope>(),
                .visitors = visitors,
                .dates = {},
                .archives = std::make_unique<runtime::permits>(here, settings.archives_max),
                .packed = std::make_unique<coded_bodies>(here, settings.packing),
                .listings_packed = std::make_unique<runtime::permits>(here, packed_at_once_max),
                .answers = answer_cache(here, settings.answer_cache_bytes),
                .rules = make_sites({}).value(),
                .accounts = accounts == nullptr
                                ? nullptr
                                : std::make_unique<logins>(
                                      here, *accounts, files, draining,
                                      logins::numbers{.entries_max = settings.logins_kept_max}),
                .uploads = uploads,
                .pages = pages})) {}

service::~service() = default;

void service::use_rules(std::shared_ptr<const sites> fresh) noexcept {
    state_->rules = std::move(fresh);
    state_->answers.clear();
}

void service::end_uploads() noexcept {
    state_->uploads_end->request_stop();
}

const counters& service::counted() const noexcept {
    return state_->counted;
}

net::handshake_counts& service::handshakes() noexcept {
    return state_->counted.handshakes;
}

net::transfer_list& service::transfers() noexcept {
    return *state_->transfers;
}

void service::forget_logins() noexcept {
    if (state_->accounts != nullptr) {
        state_->accounts->forget();
    }
}

task<> serve_connection(service& shared, unique_fd socket, net::arrival how,
                        idle_connection* between) {
    service::state& inside = shared.inside();
    net::plain_stream peer(
        inside.here, std::move(socket),
        {.sending = inside.settings.send_rate_min, .receiving = inside.settings.receive_rate_min},
        &inside.counted.octets);
    std::optional<net::tls_stream> secure;
    auto parting = farewell::abort;
    try {
        runtime::stop_scope idle(&co_await runtime::current_scope());
        idle.follow(inside.draining);
        const auto& policy = inside.settings.addresses;
        result<net::address_place> place = std::move(how.place);
        if (!peer.knows_peer()) {
            place = failure(errc::reset);
        } else if (how.has_proxy_header) {
            auto admitted = co_await net::admit_proxied(peer, policy);
            place = std::move(admitted);
        }
        const auto refused = place ? std::nullopt : std::optional(place.error());
        std::optional<net::tls_facts> tls;
        bool is_silent = false;  // It is to be TLS, and is not: there is nothing to say it in.
        if (how.tls.by) {
            is_silent = true;
            if (!refused) {
                secure.emplace(peer);
                tls = co_await begin_tls(*secure, std::move(how.tls), idle);
                is_silent = !tls;
            }
        }
        conversation talk{.shared = inside,
                          .plain = secure ? static_cast<net::stream&>(*secure) : peer,
                          .from = client(policy, inside.settings.proxies_say, peer.peer(),
                                         place ? std::move(*place) : net::address_place()),
                          .paced_for = {},
                          .paced = {},
                          .tls = std::move(tls),
                          .idle = idle,
                          .parser = head_parser(limits_of(inside.settings)),
                          .buffer = {},
                          .batch = {},
                          .number = between != nullptr && between->number != 0
                                        ? between->number
                                        : inside.here.number_connection(),
                          .requests = between != nullptr ? between->requests : 0,
                          .may_pause = between != nullptr && !secure && !how.has_proxy_header};
        if (between != nullptr && !between->said.empty()) {
            peer.begin_with(std::move(between->said));
        }
        set_pace(talk, nullptr);
        if (is_silent && secure && secure->heard_clear_text()) {
            parting = co_await refuse_clear_text(peer, inside.settings.send_timeout);
        } else if (is_silent) {
            parting = refused ? farewell::abort : farewell::orderly;
        } else if (refused) {
            parting = co_await turn_away(talk, *refused);
        } else {
            for (bool goes_on = true; goes_on;) {
                parting = co_await converse(talk);
                goes_on = std::exchange(talk.has_paused, false);
                if (goes_on) {
                    const bool is_left = co_await leave(talk, peer, *between);
                    if (is_left) {
                        co_return;
                    }
                }
            }
        }
    } catch (const std::bad_alloc&) {
        log::error("http: a connection was dropped: memory is out");
    } catch (const std::exception& what) {
        log::error(what.what());
    }
    for (bool is_closed = false; !is_closed;) {  // Even a close takes a little memory (R14).
        try {
            net::stream& whole = secure ? static_cast<net::stream&>(*secure) : peer;
            co_await whole.close(parting);
            is_closed = true;
        } catch (const std::bad_alloc&) {
            parting = farewell::abort;
        }
        if (!is_closed) {
            co_await inside.here.yield();
        }
    }
}

}  // namespace ferry::http
