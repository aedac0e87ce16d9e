#include "ftp/commands_digests.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/arguments.hpp"
#include "ftp/digest_names.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

reply refuse_digest(const error& why) {
    if (why == errc::cancelled) {
        return {426, "Aborted"};
    }
    return reply_for(why, file_use::existing);
}

/// A file to make a digest of.
struct found_file {
    vfs::path name;
    vfs::node file;
    bool is_local = false;  ///< As of `vfs::digest_request`.
};

/// Opens what `name` names. Takes the right to read it, as RETR.
task<result<found_file>> open_file(session& user, std::string_view name) {
    auto where = locate(user, name);
    if (!where) {
        co_return failure(where.error());
    }
    if (!user.rights_at(*where).has(auth::right::read)) {
        co_return failure(errc::denied);
    }
    auto opened = co_await user.files().open(user.here, *where);
    if (!opened) {
        co_return failure(opened.error());
    }
    if (opened->is_directory()) {
        co_return failure(errc::is_directory);
    }
    const auto place = user.files().place_of(*where);
    const bool is_local = place && place->device == opened->status().device;
    co_return found_file{
        .name = std::move(*where), .file = std::move(*opened), .is_local = is_local};
}

reply range_beyond_the_end() {
    return {554, "RANG is beyond the end of the file"};
}

task<reply> hash(session& user, running_transfer& progress, std::string_view argument,
                 std::optional<octet_range> range) {
    const auto found = co_await open_file(user, argument);
    if (!found) {  // A directory is 553 (section 3.5).
        co_return found.error() == errc::is_directory
            ? reply{553, std::string(describe(errc::is_directory))}
            : refuse_digest(found.error());
    }
    progress.set_name(found->name);
    const auto algorithm = user.settings.hash;
    vfs::digest_request wanted{.by = algorithm, .is_local = found->is_local};
    if (range) {
        wanted.offset = range->first;
        wanted.size_bytes = range->last - range->first + 1;  // `last` is below 2^63.
    }
    const auto made = co_await user.shared.digests.of(found->file, wanted);
    const bool is_beyond = made ? range && made->size_bytes == 0 : made.error() == errc::invalid;
    if (is_beyond) {
        co_return range_beyond_the_end();
    }
    if (!made) {
        co_return refuse_digest(made.error());
    }
    // The last octet's, as in RANG; section 3 has no way to say that there is none.
    const auto last = made->size_bytes == 0 ? 0 : wanted.offset + made->size_bytes - 1;
    co_return reply{213, fmt::format("{} {}-{} {} {}", name_of(algorithm), wanted.offset, last,
                                     lower_hex(made->value),
                                     user.names.to_stored(argument).value_or(std::string()))};
}

/// XCRC and its like, as ProFTPD's mod_digest has them: "name", or "name start end" for the octets
/// from `start` to before `end`. The whole argument is the name if there is such a file.
task<reply> digest_by(session& user, running_transfer& progress, std::string_view argument,
                      vfs::digest_algorithm by) {
    auto found = co_await open_file(user, argument);
    vfs::digest_request wanted{.by = by};
    if (!found && (found.error() == errc::not_found || found.error() == errc::not_directory)) {
        const auto parts = parse_digest_argument(argument);
        if (parts.name != argument) {
            auto other = co_await open_file(user, parts.name);
            found = std::move(other);
        }
        if (found && parts.stretch) {
            const auto& [begin, end] = *parts.stretch;
            if (begin >= end || end > found->file.status().size_bytes) {
                co_return reply{501, "Wanted: a start before the end, within the file"};
            }
            wanted.offset = begin;
            wanted.size_bytes = end - begin;
        }
    }
    if (!found) {
        co_return refuse_digest(found.error());
    }
    progress.set_name(found->name);
    wanted.is_local = found->is_local;
    const auto made = co_await user.shared.digests.of(found->file, wanted);
    if (!made) {
        co_return refuse_digest(made.error() == errc::invalid ? error{.code = errc::busy}
                                                              : made.error());
    }
    co_return reply{250, upper_hex(made->value)};
}

struct x_command {
    std::string_view verb;
    vfs::digest_algorithm by;
};

task<reply> carry_out_x(session& user, std::string_view argument, x_command what) {
    running_transfer progress(user, what.verb);
    auto answer = co_await digest_by(user, progress, argument, what.by).in_scope(progress.scope());
    co_return progress.finish(std::move(answer));
}

}  // namespace

/// HASH: like SITE CPTO without a preliminary reply, so what comes meanwhile waits, but for ABOR.
task<reply> do_hash(session& user, std::string_view argument) {
    running_transfer progress(user, "HASH");
    const auto range = std::exchange(user.user.hash_range, std::nullopt);
    auto answer = co_await hash(user, progress, argument, range).in_scope(progress.scope());
    co_return progress.finish(std::move(answer));
}

/// RANG: which octets the HASH right behind it is of, the last one included
/// (draft-bryan-ftp-range-08 section 3). Not of RETR and STOR, so it is not in FEAT, and they are
/// refused behind it.
task<reply> do_rang(session& user, std::string_view argument) {
    const auto range = parse_octet_range(argument);
    if (!range) {
        co_return reply{501, "Wanted: the first octet and the last, or 1 0 for all"};
    }
    if (*range == whole_file_range) {
        user.user.hash_range.reset();
        co_return reply{350, "HASH is of whole files"};
    }
    user.user.hash_range = *range;
    co_return reply{350, fmt::format("Octets {} to {}, send HASH", range->first, range->last)};
}

task<reply> do_xcrc(session& user, std::string_view argument) {
    auto answer = co_await carry_out_x(user, argument, {"XCRC", vfs::digest_algorithm::crc32});
    co_return answer;
}

task<reply> do_xmd5(session& user, std::string_view argument) {
    auto answer = co_await carry_out_x(user, argument, {"XMD5", vfs::digest_algorithm::md5});
    co_return answer;
}

task<reply> do_xsha1(session& user, std::string_view argument) {
    auto answer = co_await carry_out_x(user, argument, {"XSHA1", vfs::digest_algorithm::sha1});
    co_return answer;
}

task<reply> do_xsha256(session& user, std::string_view argument) {
    auto answer = co_await carry_out_x(user, argument, {"XSHA256", vfs::digest_algorithm::sha256});
    co_return answer;
}

task<reply> do_xsha512(session& user, std::string_view argument) {
    auto answer = co_await carry_out_x(user, argument, {"XSHA512", vfs::digest_algorithm::sha512});
    co_return answer;
}

}  // namespace ferry::ftp
