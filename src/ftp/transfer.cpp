#include "ftp/transfer.hpp"

#include <exception>
#include <memory>
#include <new>
#include <utility>

#include "ferry/net/drop_rest.hpp"
#include "ferry/net/paced_stream.hpp"
#include "ftp/commands_tls.hpp"
#include "ftp/line_parser.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

reply aborted() {
    return {426, "Transfer aborted, data connection closed"};
}

reply final_reply(const session& user, const transfer_end& end, file_use use) {
    switch (end.how) {
        case transfer_end::kind::complete:
            return marks_ends(user.settings.how.mode)
                       ? reply{250, "Transfer complete, the data connection stays open"}
                       : reply{226, "Transfer complete"};
        case transfer_end::kind::data_failed:
            break;
        case transfer_end::kind::file_failed:
            return refusal(user, end.why, use);
        case transfer_end::kind::wrong_form:
            return {551, end.why == errc::unsupported
                             ? "A record holds the end of a line, which no line of a file can"
                             : "What came is not of the TYPE, STRU and MODE that were set"};
    }
    if (end.why == errc::cancelled) {
        return aborted();
    }
    if (end.why == errc::closed) {
        return {426, "The data connection ended before the file did"};
    }
    return {426, end.why == errc::timed_out ? "Transfer stalled, data connection closed"
                                            : "Data connection broken"};
}

/// Answers a STAT that came before the 150 did, and so waits in front (RFC 959 section 4.1.3).
task<> answer_waiting_status(session& user) {
    for (;;) {
        const auto* next = user.commands.front();
        if (next == nullptr || next->overlong) {
            co_return;
        }
        const auto line = parse_command(next->line);
        if (line.verb() != "STAT" || !line.argument.empty()) {
            co_return;
        }
        static_cast<void>(user.commands.pop_now());
        const auto written = co_await user.replies.write(describe_session(user));
        if (!written) {
            user.life.request_stop();
            co_return;
        }
    }
}

/// Tells the client that its upload is refused, and then lets it come to the end of it. How to part
/// from the data connection.
task<net::farewell> refuse_upload(session& user, net::stream& content, running_transfer& progress,
                                  const reply& answer) {
    const auto written = co_await user.replies.write(answer);
    if (!written) {
        user.life.request_stop();
        co_return net::farewell::abort;
    }
    user.is_answered = true;
    const bool has_ended = co_await net::drop_rest(content).in_scope(progress.scope());
    co_return has_ended ? net::farewell::orderly : net::farewell::abort;
}

/// How fast content goes one way: as the session may, and as all of its account together may.
net::pacer make_pacer(session& user, std::uint64_t auth::rates::* way,
                      runtime::token_bucket session::* own,
                      runtime::token_bucket auth::usage::* shared) noexcept {
    const auto& bounds = user.user.identity->bounds;
    return {{.bucket = &(user.*own), .octets_per_second = bounds.each_session.*way},
            {.bucket = user.user.usage ? &((*user.user.usage).*shared) : nullptr,
             .octets_per_second = bounds.together.*way}};
}

}  // namespace

running_transfer::running_transfer(session& user, std::string_view verb) noexcept
    : moved_bytes(user.user.listed.doing() == nullptr ? nullptr
                                                      : user.user.listed.doing()->begin(verb)),
      user_(user),
      scope_(&user.life),
      verb_(verb),
      doing_(user.user.listed.doing()) {
    FERRY_ASSERT(user.transfer == nullptr);
    user.transfer = this;
    if (user.sequence < user.abort_before) {
        scope_.request_stop();
    }
}

running_transfer::~running_transfer() {
    user_.transfer = nullptr;
    if (doing_ != nullptr) {
        doing_->rest(user_.here.now());
    }
}

void running_transfer::set_name(const vfs::path& seen) {
    name_ = name_in_tree(user_, seen);
    if (doing_ != nullptr) {
        doing_->set_name(name_);
    }
}

void running_transfer::show() {
    shown_.protocol = user_.control.is_secure() ? "ftps" : "ftp";
    shown_.peer = user_.control.peer();
    shown_.user = user_.user.identity ? std::string_view(user_.user.identity->name) : "";
    shown_.name = name_;
    shown_.is_upload = receives(verb_);
    shown_.moved_bytes = &moved_bytes.of_others();
    shown_.connection = user_.number;
    shown_.began = user_.here.now();
    user_.shared.transfers->push_back(shown_);
}

reply running_transfer::finish(reply answer) {
    user_.moved = {.name = name_, .bytes = moved_bytes.value(), .is_announced = is_announced};
    return answer;
}

bool receives(std::string_view verb) noexcept {
    return verb == "STOR" || verb == "APPE" || verb == "STOU";
}

transfer_end data_end(const error& why) noexcept {
    switch (why.code) {
        case errc::reset:
        case errc::timed_out:
        case errc::cancelled:
        case errc::unavailable:
            return {.how = transfer_end::kind::data_failed, .why = why};
        case errc::closed:  // The file ended before the size it had: a fault on our side.
            return {.how = transfer_end::kind::file_failed, .why = {.code = errc::io}};
        default:
            return {.how = transfer_end::kind::file_failed, .why = why};
    }
}

namespace {

/// The rest of `carry_out`, over `data`: what throws leaves that open, all else closed or kept.
task<reply> carry_out_over(session& user, prepared_transfer& what,
                           std::unique_ptr<net::stream>& data, bool was_kept) {
    running_transfer& progress = what.progress;
    const reply announcement{was_kept ? 125 : 150, std::move(what.announcement)};
    net::pacer sending =
        make_pacer(user, &auth::rates::download, &session::download, &auth::usage::download);
    net::pacer receiving =
        make_pacer(user, &auth::rates::upload, &session::upload, &auth::usage::upload);
    const bool is_limited = sending.is_limited() || receiving.is_limited();
    const bool may_be_brief = !was_kept && !is_limited && !user.security.protects_data &&
                              !marks_ends(user.settings.how.mode) &&
                              !progress.scope().stop_requested();
    if (may_be_brief && what.work.is_done_at_once(*data, progress)) {
        user.replies.hold(announcement);
        progress.is_announced = true;
        auto answer = final_reply(user, {}, what.work.use());
        co_await data->close(net::farewell::orderly);
        co_return answer;
    }

    const auto announced = co_await user.replies.write(announcement);
    if (!announced) {
        user.life.request_stop();
        auto answer = aborted();
        co_await data->close(net::farewell::abort);
        co_return answer;
    }
    progress.is_announced = true;
    progress.show();
    if (user.security.protects_data && !was_kept) {
        auto refused =
            co_await protect_data(user, data, what.work.use()).in_scope(progress.scope());
        if (refused) {
            co_await data->close(net::farewell::orderly);
            co_return std::move(*refused);
        }
    }
    co_await answer_waiting_status(user);

    net::paced_stream paced(*data, sending, receiving);
    net::stream& content = is_limited ? static_cast<net::stream&>(paced) : *data;
    transfer_end end;
    try {
        const auto ended = co_await what.work.run(content, progress).in_scope(progress.scope());
        end = ended;
    } catch (const std::bad_alloc&) {  // Ends this transfer, not the session (threats.md, R14).
        end = {.how = transfer_end::kind::file_failed, .why = {.code = errc::exhausted}};
    }
    auto answer = final_reply(user, end, what.work.use());
    auto parting =
        end.how == transfer_end::kind::complete ? net::farewell::orderly : net::farewell::abort;
    const bool has_failed =
        end.how == transfer_end::kind::file_failed || end.how == transfer_end::kind::wrong_form;
    if (has_failed && what.work.use() == file_use::content) {
        try {
            const auto refused = co_await refuse_upload(user, content, progress, answer);
            parting = refused;
        } catch (const std::bad_alloc&) {
            // It sees the reset, and the reply behind it.
        }
    }
    if (end.how == transfer_end::kind::complete && marks_ends(user.settings.how.mode)) {
        user.data.keep(std::move(data));
        co_return answer;
    }
    static_cast<void>(user.data.take_unread());
    // What is sealed by the kernel is waited for until it has gone; ABOR ends that wait, too.
    co_await data->close(parting).in_scope(progress.scope());
    co_return answer;
}

}  // namespace

task<reply> carry_out(session& user, prepared_transfer what) {
    running_transfer& progress = what.progress;
    const bool was_kept = user.data.is_kept();
    auto opened = co_await user.data
                      .open({.local = user.control.local(), .peer = user.control.peer()},
                            user.here.now() + user.shared.settings.data_connect_timeout)
                      .in_scope(progress.scope());
    if (!opened) {
        co_return opened.error() == errc::cancelled
            ? aborted()
            : reply{425, "The data connection could not be opened"};
    }
    std::unique_ptr<net::stream> data = std::move(*opened);

    std::exception_ptr caught;
    try {
        auto answer = co_await carry_out_over(user, what, data, was_kept);
        co_return answer;
    } catch (...) {
        caught = std::current_exception();
    }
    while (data) {  // Its receive may be in flight, and even a close takes a little memory (R14).
        try {
            co_await data->close(net::farewell::abort);
            data.reset();
        } catch (const std::bad_alloc&) {
            // Again, once others have had their turn.
        }
        if (data) {
            co_await user.here.yield();
        }
    }
    std::rethrow_exception(caught);
}

}  // namespace ferry::ftp
