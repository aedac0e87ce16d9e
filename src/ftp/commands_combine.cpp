#include "ftp/commands_combine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ferry/base/units.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/arguments.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

constexpr std::size_t copy_piece_bytes = 256_KiB;

/// Appends what `part` holds to `into`, a piece at a time.
task<result<void>> append_part(session& user, vfs::upload& into, const vfs::node& part) {
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(copy_piece_bytes);
    std::uint64_t offset = 0;
    while (offset < part.status().size_bytes) {
        const auto wanted = static_cast<std::size_t>(
            std::min<std::uint64_t>(copy_piece_bytes, part.status().size_bytes - offset));
        const auto got = co_await part.read(user.here, std::span(memory.get(), wanted), offset);
        if (!got) {
            co_return failure(got.error());
        }
        if (*got == 0) {
            co_return failure(errc::busy);  // Cut shorter meanwhile.
        }
        const auto written =
            co_await into.write(user.here, std::span<const std::byte>(memory.get(), *got));
        if (!written) {
            co_return failure(written.error());
        }
        offset += *got;
    }
    co_return result<void>{};
}

/// Where the parts are. Errors: errc::denied, what the names fail with; errc::invalid, a part is
/// the file itself or comes twice.
task<result<std::vector<vfs::path>>> find_parts(session& user, const vfs::path& target,
                                                std::span<const std::string> names) {
    std::vector<vfs::path> parts;
    for (const auto& each : names) {
        auto where = locate(user, each);
        if (!where) {
            co_return failure(where.error());
        }
        const auto allowed = user.rights_at(*where);
        if (!allowed.has(auth::right::read) || !allowed.has(auth::right::remove)) {
            co_return failure(errc::denied);
        }
        const auto found = co_await user.files().status(user.here, *where);
        if (!found) {
            co_return failure(found.error());
        }
        if (found->kind == vfs::file_kind::directory) {
            co_return failure(errc::is_directory);
        }
        if (*where == target || std::ranges::find(parts, *where) != parts.end()) {
            co_return failure(errc::invalid);
        }
        parts.push_back(std::move(*where));
    }
    co_return std::move(parts);
}

task<result<void>> append_all(session& user, vfs::upload& into, std::span<const vfs::path> parts) {
    for (const auto& each : parts) {
        const auto part = co_await user.files().open(user.here, each);
        if (!part) {
            co_return failure(part.error());
        }
        const auto appended = co_await append_part(user, into, *part);
        if (!appended) {
            co_return failure(appended.error());
        }
    }
    const auto committed = co_await into.commit(user.here, user.shared.settings.durability);
    co_return committed;
}

/// The octets of all.
task<result<std::uint64_t>> join(session& user, const vfs::path& target, vfs::upload_mode how,
                                 std::span<const vfs::path> parts) {
    auto begun = co_await user.files().begin_upload(
        user.here, target, {.mode = how, .account = user.user.identity->name});
    if (!begun) {
        co_return failure(begun.error());
    }
    const auto done = co_await append_all(user, *begun, parts);
    if (!done) {
        co_await begun->discard(user.here);
        co_return failure(done.error());
    }
    co_return begun->written_bytes();
}

task<reply> combine(session& user, running_transfer& progress, std::string_view argument) {
    const auto names = parse_names(argument);
    if (!names || names->size() < 2) {
        co_return reply{501, "Wanted: COMB <sp> path <sp> part [<sp> part ...]"};
    }
    const auto target = locate(user, names->front());
    if (!target) {
        co_return reply_for(target.error(), file_use::target);
    }
    progress.set_name(*target);
    const auto allowed = user.rights_at(*target);
    if (!allowed.has(auth::right::create)) {
        co_return reply_for({.code = errc::denied}, file_use::target);
    }
    const auto parts = co_await find_parts(user, *target, std::span(*names).subspan(1));
    if (!parts) {
        co_return parts.error() == errc::invalid
            ? reply{553, "A part is the file itself, or comes twice"}
            : reply_for(parts.error(), file_use::existing);
    }
    const auto how =
        allowed.has(auth::right::replace) ? vfs::upload_mode::replace : vfs::upload_mode::create;
    const auto octets = co_await join(user, *target, how, *parts).in_scope(progress.scope());
    if (!octets && octets.error() == errc::cancelled) {
        co_return reply{426, "Aborted, nothing was joined"};
    }
    if (!octets) {
        co_return refusal(user, octets.error(), file_use::target);
    }
    std::size_t left = 0;
    for (const auto& each : *parts) {
        const auto removed = co_await user.files().remove_file(user.here, each);
        left += removed ? 0U : 1U;
    }
    co_return reply{
        250, left == 0 ? fmt::format("Joined {} octets", *octets)
                       : fmt::format("Joined {} octets, but {} parts are left", *octets, left)};
}

}  // namespace

/// COMB: the file becomes its parts, one behind the other, which are then removed; whole or not at
/// all, as any upload (GlobalSCAPE's command). Without a preliminary reply, so what comes meanwhile
/// waits, but for ABOR.
task<reply> do_comb(session& user, std::string_view argument) {
    running_transfer progress(user, "COMB");
    auto answer = co_await combine(user, progress, argument);
    co_return progress.finish(std::move(answer));
}

}  // namespace ferry::ftp
