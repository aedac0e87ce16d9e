#include "ftp/retrieval.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "ferry/base/units.hpp"
#include "ferry/net/send_plan.hpp"
#include "ferry/runtime/compute.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

/// Read at once. Text in a stream is nothing but copied: what costs is to wait for each piece.
constexpr std::size_t file_piece_bytes = 64_KiB;
constexpr std::size_t text_piece_bytes = 128_KiB;

std::string_view text_in(std::span<const std::byte> octets) noexcept {
    return {static_cast<const char*>(static_cast<const void*>(octets.data())), octets.size()};
}

result<void> add_to(outgoing_form* form, std::string_view stored, std::string* out) {
    return form->add(stored, *out);
}

result<void> finish_into(outgoing_form* form, std::string* out) {
    return form->finish(*out);
}

}  // namespace

bool image_retrieval::is_done_at_once(net::stream& data, running_transfer& progress) {
    if (!file_.body) {
        return false;
    }
    const auto left = std::as_bytes(std::span(*file_.body)).subspan(offset_);
    const auto sent = left.empty() ? 0 : data.send_at_once(left);
    offset_ += sent;
    progress.moved_bytes += sent;
    return sent == left.size();
}

task<transfer_end> image_retrieval::run(net::stream& data, running_transfer& progress) {
    net::send_plan plan;
    const auto& file = file_.file;
    plan.add(file.span({.offset = offset_, .size_bytes = file.status().size_bytes - offset_}));
    const auto sent = co_await net::execute(
        data, plan, {.stall_timeout = user_.shared.settings.transfer_stall_timeout},
        progress.moved_bytes.of_others());
    if (!sent) {
        co_return data_end(sent.error());
    }
    co_return transfer_end{};
}

task<result<std::size_t>> formed_retrieval::read(std::span<std::byte> into, std::uint64_t offset) {
    const auto left = file_.status().size_bytes - offset;
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left));
    const auto got = co_await file_.read(user_.here, into.first(wanted), offset);
    if (got && *got == 0) {
        co_return failure(errc::io);  // Shorter than it was.
    }
    co_return got;
}

task<transfer_end> formed_retrieval::run(net::stream& data, running_transfer& progress) {
    const auto& how = user_.settings.how;
    const bool is_text_stream = is_plain_text(how) && how.mode == transfer_mode::stream;
    const std::size_t bytes = is_text_stream ? text_piece_bytes : file_piece_bytes;
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(bytes);
    const std::span into(memory.get(), bytes);
    outgoing_form form(how, user_.settings.details);
    if (from_.behind) {
        form.go_on_behind(*from_.behind);
    }
    form.skip(from_.skipped_bytes);
    std::string out;
    std::uint64_t offset = from_.stored_offset;
    std::uint64_t marked = offset;
    const bool has_markers = marks_ends(how.mode) && how.structure != file_structure::page;
    for (bool is_last = false; !is_last;) {
        out.clear();
        is_last = offset >= file_.status().size_bytes;
        result<void> added;
        if (is_last) {
            const auto finished = co_await finish_pieces(user_.here, how, form, out);
            added = finished;
        } else {
            const auto got = co_await read(into, offset);
            if (!got) {
                co_return transfer_end{.how = transfer_end::kind::file_failed, .why = got.error()};
            }
            offset += *got;
            const auto formed =
                co_await add_piece(user_.here, how, form, text_in(into.first(*got)), out);
            added = formed;
        }
        if (!added) {
            co_return added.error() == errc::cancelled
                ? data_end(added.error())
                : transfer_end{.how = transfer_end::kind::file_failed, .why = added.error()};
        }
        if (has_markers && offset < file_.status().size_bytes &&
            offset - marked >= marker_interval_bytes) {
            form.add_marker(std::to_string(offset), out);
            marked = offset;
        }
        const auto sent = co_await data.send(std::as_bytes(std::span(out)),
                                             user_.shared.settings.transfer_stall_timeout);
        if (!sent) {
            co_return data_end(sent.error());
        }
        progress.moved_bytes += out.size();
        co_await user_.here.yield();
    }
    co_return transfer_end{};
}

task<result<void>> add_piece(runtime::core& here, const representation& how, outgoing_form& form,
                             std::string_view stored, std::string& out) {
    if (how.mode != transfer_mode::deflated) {
        co_return form.add(stored, out);
    }
    auto added = co_await runtime::run_offloaded(here, &add_to, &form, stored, &out);
    if (!added) {
        co_return failure(added.error());
    }
    co_return std::move(*added);
}

task<result<void>> finish_pieces(runtime::core& here, const representation& how,
                                 outgoing_form& form, std::string& out) {
    if (how.mode != transfer_mode::deflated) {
        co_return form.finish(out);
    }
    auto finished = co_await runtime::run_offloaded(here, &finish_into, &form, &out);
    if (!finished) {
        co_return failure(finished.error());
    }
    co_return std::move(*finished);
}

}  // namespace ferry::ftp
