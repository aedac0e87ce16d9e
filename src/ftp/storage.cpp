#include "ftp/storage.hpp"

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "ferry/base/units.hpp"
#include "ferry/runtime/compute.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

/// What one receive may bring: datapath.md, 12. Memory of the transfer, given back at its end. Who
/// fills the first has more: most files are small.
constexpr std::size_t first_piece_bytes = 16_KiB;
constexpr std::size_t image_piece_bytes = 256_KiB;
constexpr std::size_t received_text_piece_bytes = 128_KiB;
constexpr std::size_t formed_piece_bytes = 64_KiB;

transfer_end file_end(const error& why) noexcept {
    if (why == errc::cancelled) {
        return data_end(why);
    }
    return {.how = transfer_end::kind::file_failed, .why = why};
}

/// Why no more can be received. TLS that somebody has broken is not the file's fault.
transfer_end end_of_receiving(const error& why) noexcept {
    return data_end(why == errc::invalid ? error{.code = errc::reset} : why);
}

/// Uploads that have ended at about the same time wait for one moment, so that the core wakes up
/// once for all of them: a wake-up costs more than the commit of a small file.
constexpr int grace_parts = 4;

/// The first multiple of `step` from `when` on.
runtime::time_point shared_moment(runtime::time_point when, runtime::duration step) noexcept {
    if (step <= runtime::duration::zero()) {
        return when;
    }
    const auto beyond = when.time_since_epoch() % step;
    return beyond == runtime::duration::zero() ? when : when + (step - beyond);
}

/// What came is not of the form that it should be, or there is no memory to tell.
transfer_end form_end(const error& why) noexcept {
    if (why == errc::invalid || why == errc::unsupported) {
        return {.how = transfer_end::kind::wrong_form, .why = why};
    }
    return file_end(why);
}

result<mode_event> read_from(incoming_form* form, std::string_view* left, std::string* stored) {
    return form->read(*left, *stored);
}

}  // namespace

task<transfer_end> storage::run(net::stream& data, running_transfer& progress) {
    const auto end = co_await receive_and_commit(data, progress);
    if (end.how == transfer_end::kind::data_failed) {
        co_await leave();
        co_return end;
    }
    is_over_ = true;  // Before anything throws: of what is dropped nothing can be left.
    if (end.how != transfer_end::kind::complete) {
        // The space is free again before the client reads that there was none (threats.md, V13).
        co_await into_.discard(user_.here);
    }
    co_return end;
}

task<> storage::leave() {
    if (std::exchange(is_over_, true)) {
        co_return;
    }
    const auto kept = co_await into_.keep(user_.here, user_.shared.settings.durability);
    if (!kept) {
        co_await into_.discard(user_.here);
    }
}

task<transfer_end> storage::receive_and_commit(net::stream& data, running_transfer& progress) {
    transfer_end end;
    if (is_image_stream(user_.settings.how)) {
        const auto received = co_await receive_image(data, progress);
        end = received;
    } else {
        const auto received = co_await receive_formed(data, progress);
        end = received;
    }
    if (end.how != transfer_end::kind::complete) {
        co_return end;
    }
    // A client that was killed ends the data connection in order, too: the end of its control
    // connection, which comes along but not at the same instant, says that the file is not whole
    // (RFC 959 section 4.1.1, QUIT). It stops the transfer's scope, and with it this wait.
    if (!has_end_) {
        const auto grace = user_.shared.settings.upload_grace;
        const auto watched = co_await runtime::sleep_until(
            user_.here, shared_moment(user_.here.now() + grace, grace / grace_parts));
        if (!watched || progress.scope().stop_requested()) {
            co_return data_end({.code = errc::cancelled});
        }
    }
    const auto committed = co_await into_.commit(user_.here, user_.shared.settings.durability);
    if (!committed) {
        co_return file_end(committed.error());
    }
    co_return end;
}

task<transfer_end> storage::receive_image(net::stream& data, running_transfer& progress) {
    std::size_t piece_bytes = first_piece_bytes;
    auto memory = std::make_unique_for_overwrite<std::byte[]>(piece_bytes);
    for (;;) {  // Bounded by the peer and the disk: each turn stores what it brought.
        const auto got =
            co_await data.receive(std::span(memory.get(), piece_bytes),
                                  user_.here.now() + user_.shared.settings.transfer_stall_timeout);
        if (!got) {
            co_return end_of_receiving(got.error());
        }
        if (*got == 0) {
            co_return transfer_end{};
        }
        const auto written =
            co_await into_.write(user_.here, std::span<const std::byte>(memory.get(), *got));
        if (!written) {
            co_return file_end(written.error());
        }
        progress.moved_bytes += *got;
        if (*got == first_piece_bytes && piece_bytes == first_piece_bytes) {
            piece_bytes = image_piece_bytes;
            memory = std::make_unique_for_overwrite<std::byte[]>(piece_bytes);
        }
    }
}

task<transfer_end> storage::receive_formed(net::stream& data, running_transfer& progress) {
    const auto& how = user_.settings.how;
    const bool is_text_stream = is_plain_text(how) && how.mode == transfer_mode::stream;
    const std::size_t piece_bytes = is_text_stream ? received_text_piece_bytes : formed_piece_bytes;
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(piece_bytes);
    incoming_form form(how, user_.settings.details, from_);
    const auto unread = user_.data.take_unread();
    std::string_view left = unread;
    for (;;) {  // Bounded by the peer and the disk: each turn takes what it brought.
        while (!left.empty() && !has_end_) {
            const auto taken = co_await take_piece(form, left);
            if (taken.how != transfer_end::kind::complete) {
                co_return taken;
            }
        }
        if (has_end_) {
            if (!left.empty() && !marks_ends(how.mode)) {
                co_return form_end({.code = errc::invalid});
            }
            user_.data.put_back(std::string(left));
            co_return transfer_end{};
        }
        const auto got =
            co_await data.receive(std::span(memory.get(), piece_bytes),
                                  user_.here.now() + user_.shared.settings.transfer_stall_timeout);
        if (!got) {
            co_return end_of_receiving(got.error());
        }
        if (*got == 0) {
            auto ended = co_await end_by_close(form);
            co_return ended;
        }
        progress.moved_bytes += *got;
        left = {static_cast<const char*>(static_cast<void*>(memory.get())), *got};
    }
}

/// Stores what the octets at the front of `left` hold, and takes them off.
task<transfer_end> storage::take_piece(incoming_form& form, std::string_view& left) {
    stored_.clear();
    result<mode_event> event = mode_event::none;
    if (user_.settings.how.mode == transfer_mode::deflated) {
        const auto read =
            co_await runtime::run_offloaded(user_.here, &read_from, &form, &left, &stored_);
        event = read ? *read : failure(read.error());
    } else {
        event = form.read(left, stored_);
    }
    if (!event) {
        co_return form_end(event.error());
    }
    if (!stored_.empty()) {
        const auto written = co_await into_.write(user_.here, std::as_bytes(std::span(stored_)));
        if (!written) {
            co_return file_end(written.error());
        }
    }
    if (*event == mode_event::marker) {
        auto confirmed = co_await confirm_marker(form);
        co_return confirmed;
    }
    has_end_ = *event == mode_event::end_of_file;
    co_return transfer_end{};
}

/// The peer has ended the connection: that ends the file, or breaks it off.
task<transfer_end> storage::end_by_close(incoming_form& form) {
    stored_.clear();
    const auto finished = form.finish(stored_);
    if (!finished) {
        co_return transfer_end{.how = transfer_end::kind::data_failed, .why = finished.error()};
    }
    if (!stored_.empty()) {
        const auto written = co_await into_.write(user_.here, std::as_bytes(std::span(stored_)));
        if (!written) {
            co_return file_end(written.error());
        }
    }
    co_return transfer_end{};
}

/// Tells what the client's marker is to ferry: where REST goes on (RFC 959 section 3.5, 110). Pages
/// come in any order and are kept together until the last, so nothing of them could be gone on
/// with.
task<transfer_end> storage::confirm_marker(const incoming_form& form) {
    const auto& how = user_.settings.how;
    if (how.structure == file_structure::page) {
        co_return transfer_end{};
    }
    const bool has_controls =
        how.type != data_type::image && how.format == text_format::carriage_control;
    const auto ours =
        restart_marker_of(form.place_at(from_.offset + into_.written_bytes()), has_controls);
    const auto told = co_await user_.replies.write({110, "MARK " + form.marker() + " = " + ours});
    if (!told) {
        user_.life.request_stop();
        co_return data_end({.code = errc::cancelled});
    }
    co_return transfer_end{};
}

}  // namespace ferry::ftp
