#include "ftp/storage.hpp"

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "ferry/base/units.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/text.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

/// What one receive may bring: datapath.md, 12. Memory of the transfer, given back at its end.
constexpr std::size_t image_piece_bytes = 256_KiB;
constexpr std::size_t text_piece_bytes = 64_KiB;

transfer_end file_end(const error& why) noexcept {
    if (why == errc::cancelled) {
        return data_end(why);
    }
    return {.how = transfer_end::kind::file_failed, .why = why};
}

}  // namespace

task<transfer_end> storage::run(net::stream& data, running_transfer& progress) {
    const auto end = co_await receive_and_commit(data, progress);
    if (end.how == transfer_end::kind::data_failed) {
        co_await leave();
        co_return end;
    }
    is_over_ = true;  // Before anything throws: of what is dropped nothing can be left.
    if (end.how == transfer_end::kind::file_failed) {
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
    if (converts_lines(user_.settings.how)) {
        const auto received = co_await receive_text(data, progress);
        end = received;
    } else {
        const auto received = co_await receive_image(data, progress);
        end = received;
    }
    if (end.how != transfer_end::kind::complete) {
        co_return end;
    }
    // A client that was killed ends the data connection in order, too: the end of its control
    // connection, which comes along but not at the same instant, says that the file is not whole
    // (RFC 959 section 4.1.1, QUIT). It stops the transfer's scope, and with it this wait.
    const auto watched = co_await runtime::sleep_until(
        user_.here, user_.here.now() + user_.shared.settings.upload_grace);
    if (!watched || progress.scope().stop_requested()) {
        co_return data_end({.code = errc::cancelled});
    }
    const auto committed = co_await into_.commit(user_.here, user_.shared.settings.durability);
    if (!committed) {
        co_return file_end(committed.error());
    }
    co_return end;
}

task<transfer_end> storage::receive_image(net::stream& data, running_transfer& progress) {
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(image_piece_bytes);
    for (;;) {  // Bounded by the peer and the disk: each turn stores what it brought.
        const auto got =
            co_await data.receive(std::span(memory.get(), image_piece_bytes),
                                  user_.here.now() + user_.shared.settings.transfer_stall_timeout);
        if (!got) {
            co_return data_end(got.error());
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
    }
}

task<transfer_end> storage::receive_text(net::stream& data, running_transfer& progress) {
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(text_piece_bytes);
    vfs::text::from_network converter;
    std::string stored;
    for (;;) {
        const auto got =
            co_await data.receive(std::span(memory.get(), text_piece_bytes),
                                  user_.here.now() + user_.shared.settings.transfer_stall_timeout);
        if (!got) {
            co_return data_end(got.error());
        }
        stored.clear();
        if (*got == 0) {
            converter.finish(stored);
        } else {
            converter.convert({static_cast<const char*>(static_cast<void*>(memory.get())), *got},
                              stored);
        }
        if (!stored.empty()) {
            const auto written = co_await into_.write(user_.here, std::as_bytes(std::span(stored)));
            if (!written) {
                co_return file_end(written.error());
            }
        }
        if (*got == 0) {
            co_return transfer_end{};
        }
        progress.moved_bytes += *got;
    }
}

}  // namespace ferry::ftp
