#include "ftp/retrieval.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <string>

#include "ferry/base/units.hpp"
#include "ferry/net/send_plan.hpp"
#include "ferry/vfs/text.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

constexpr std::size_t piece_bytes = 64_KiB;

}  // namespace

task<transfer_end> image_retrieval::run(net::stream& data, running_transfer& progress) {
    net::send_plan plan;
    plan.add(file_.span({.offset = offset_, .size_bytes = file_.status().size_bytes - offset_}));
    const auto sent = co_await net::execute(
        data, plan, {.stall_timeout = user_.shared.settings.transfer_stall_timeout},
        progress.moved_bytes);
    if (!sent) {
        co_return data_end(sent.error());
    }
    co_return transfer_end{};
}

task<transfer_end> text_retrieval::run(net::stream& data, running_transfer& progress) {
    const auto memory = std::make_unique<std::byte[]>(piece_bytes);
    vfs::text::to_network converter;
    std::string out;
    out.reserve(2 * piece_bytes);
    if (from_.after_cr) {
        converter.convert("\r", out);  // So that the LF behind a stored CR gets no second one.
        out.clear();
    }
    std::size_t skip = from_.inside_line_end ? 1 : 0;
    std::uint64_t offset = from_.stored_offset;
    while (offset < file_.status().size_bytes) {
        const auto left = file_.status().size_bytes - offset;
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, left));
        const auto got = co_await file_.read(user_.here, std::span(memory.get(), wanted), offset);
        if (!got || *got == 0) {  // Unreadable, or shorter than it was.
            co_return transfer_end{.how = transfer_end::kind::file_failed,
                                   .why = got ? error{.code = errc::io} : got.error()};
        }
        offset += *got;
        out.clear();
        converter.convert({static_cast<const char*>(static_cast<void*>(memory.get())), *got}, out);
        const auto octets = std::as_bytes(std::span(out)).subspan(skip);
        skip = 0;
        const auto sent = co_await data.send(octets, user_.shared.settings.transfer_stall_timeout);
        if (!sent) {
            co_return data_end(sent.error());
        }
        progress.moved_bytes += octets.size();
        co_await user_.here.yield();
    }
    co_return transfer_end{};
}

}  // namespace ferry::ftp
