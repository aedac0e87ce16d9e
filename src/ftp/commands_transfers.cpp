#include "ftp/commands_transfers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ferry/base/units.hpp"
#include "ferry/vfs/text.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/arguments.hpp"
#include "ftp/listing_source.hpp"
#include "ftp/outgoing_form.hpp"
#include "ftp/retrieval.hpp"
#include "ftp/storage.hpp"
#include "ftp/text_size.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

/// STAT of a directory is one reply, kept in memory until it is sent: what is longer is for LIST.
constexpr std::size_t status_listing_bytes_max = 64_KiB;

reply beyond_the_end() {
    return {554, "REST is beyond the end of the file"};
}

std::string_view mode_name(const representation& how) noexcept {
    switch (how.type) {
        case data_type::ascii:
            return "ASCII";
        case data_type::ebcdic:
            return "EBCDIC";
        case data_type::image:
            break;
    }
    return "BINARY";
}

/// Why nothing can be transferred that way. Nothing where it can.
std::optional<reply> check_form(const representation& how) {
    if (!is_supported(how)) {
        return reply{504, "STRU P is for files in TYPE I: set STRU F or R"};
    }
    return std::nullopt;
}

reply no_restart_there() {
    return {504, "No restart in that TYPE, STRU and MODE"};
}

/// Sends a listing, a piece at a time.
class listing_work final : public transfer_work {
  public:
    listing_work(session& user, listing_source& lines) noexcept : user_(user), lines_(lines) {}

    task<transfer_end> run(net::stream& data, running_transfer& progress) override {
        const auto how = listing_form(user_.settings.how);
        const bool is_as_it_is = is_plain_text(how) && how.mode == transfer_mode::stream;
        outgoing_form form(how, user_.settings.details);
        vfs::text::from_network lines;  // A listing has CR LF, what is put in a form has LF.
        std::string piece;
        std::string text;
        std::string formed;
        for (bool more = true; more;) {
            piece.clear();
            const auto appended = co_await lines_.next(piece);
            if (!appended && appended.error() == errc::cancelled) {
                co_return data_end(appended.error());
            }
            if (!appended) {
                co_return transfer_end{.how = transfer_end::kind::file_failed,
                                       .why = appended.error()};
            }
            more = *appended;
            piece = user_.names.to_client(std::move(piece));  // Whole lines.
            if (!is_as_it_is) {
                text.clear();
                formed.clear();
                lines.convert(piece, text);
                auto added = co_await add_piece(user_.here, how, form, text, formed);
                if (added && !more) {
                    auto finished = co_await finish_pieces(user_.here, how, form, formed);
                    added = std::move(finished);
                }
                if (!added) {
                    co_return data_end(added.error());
                }
                piece.swap(formed);
            }
            const auto sent = co_await data.send(std::as_bytes(std::span(piece)),
                                                 user_.shared.settings.transfer_stall_timeout);
            if (!sent) {
                co_return data_end(sent.error());
            }
            progress.moved_bytes += piece.size();
        }
        co_return transfer_end{};
    }

  private:
    session& user_;
    listing_source& lines_;
};

task<reply> send_listing(session& user, std::string_view verb, listing_request request) {
    running_transfer progress(user, verb);
    if (auto refused = check_form(listing_form(user.settings.how))) {
        co_return progress.finish(std::move(*refused));
    }
    listing_source lines(user, request);
    const auto opened = co_await lines.open().in_scope(progress.scope());
    progress.set_name(lines.seen());
    if (!opened && request.style == listing_style::facts && opened.error() == errc::not_directory) {
        co_return progress.finish({501, "Not a directory: use MLST"});
    }
    if (!opened) {
        co_return progress.finish(reply_for(opened.error(), file_use::existing));
    }
    listing_work work(user, lines);
    auto answer = co_await carry_out(
        user, {.progress = progress,
               .work = work,
               .announcement = fmt::format("Opening {} mode data connection for listing",
                                           mode_name(listing_form(user.settings.how)))});
    if (answer.code / 100 == 2 && lines.is_cut()) {
        answer.text = "Transfer complete, but there are more directories than are listed";
    }
    co_return progress.finish(std::move(answer));
}

/// The octet of a file at `offset`; nothing where it cannot be read, which the transfer will say.
task<std::optional<char>> octet_at(session& user, const vfs::node& file, std::uint64_t offset) {
    std::byte octet{};
    const auto got = co_await file.read(user.here, std::span(&octet, 1), offset);
    if (!got || *got == 0) {
        co_return std::nullopt;
    }
    co_return static_cast<char>(octet);
}

/// Where RETR of an open file begins: what REST has said, in octets of the transfer (RFC 3659
/// section 5.3), or ferry's half of a marker (RFC 959 section 3.5).
///
/// Errors: errc::invalid (beyond the end), unsupported (no restart in this form), or what reading
/// fails with.
task<result<retrieval_start>> start_of(session& user, const vfs::node& file) {
    const auto& how = user.settings.how;
    const auto offset = user.user.restart.offset;
    if (offset == 0) {
        co_return retrieval_start{};
    }
    if (marks_ends(how.mode) || keeps_offsets(how)) {
        if (how.structure == file_structure::page) {
            co_return failure(errc::unsupported);
        }
        if (offset > file.status().size_bytes) {
            co_return failure(errc::invalid);
        }
        const auto behind = co_await octet_at(user, file, offset - 1);
        co_return retrieval_start{.stored_offset = offset, .behind = behind};
    }
    if (how.structure != file_structure::file) {
        co_return failure(errc::unsupported);
    }
    if (!is_plain_text(how)) {
        const auto checked = co_await check_formed_offset(user.here, file, how, offset);
        if (!checked) {
            co_return failure(checked.error());
        }
        co_return retrieval_start{.stored_offset = 0, .behind = {}, .skipped_bytes = offset};
    }
    const auto place = co_await find_network_offset(user.here, file, offset);
    if (!place) {
        co_return failure(place.error());
    }
    retrieval_start start{.stored_offset = place->stored_offset,
                          .behind = {},
                          .skipped_bytes = place->inside_line_end ? 1U : 0U};
    if (place->after_cr) {
        start.behind = '\r';  // So that the LF behind a stored CR gets no second one.
    }
    co_return start;
}

/// Opens a file to be sent, or takes it from those the core has open, where the user sees the same
/// tree as everybody: in another one links may end elsewhere.
task<result<vfs::shared_file_ptr>> open_to_send(session& user, const vfs::path& name) {
    if (user.shared.open_files != nullptr && &user.files() == &user.shared.files) {
        auto known = co_await user.shared.open_files->open(name);
        co_return known;
    }
    auto opened = co_await user.files().open(user.here, name);
    if (!opened) {
        co_return failure(opened.error());
    }
    co_return std::make_shared<vfs::shared_file>(std::move(*opened));
}

/// RETR of an open file.
task<reply> send_file(session& user, running_transfer& progress, const vfs::shared_file& shared) {
    const vfs::node& file = shared.file;
    const auto& how = user.settings.how;
    if (how.structure == file_structure::page && file.status().size_bytes > paged_file_bytes_max) {
        co_return reply{
            550, fmt::format("Too large for STRU P: it takes {} octets", paged_file_bytes_max)};
    }
    const auto from = co_await start_of(user, file).in_scope(progress.scope());
    if (!from) {
        co_return from.error() == errc::invalid ? beyond_the_end()
        : from.error() == errc::unsupported     ? no_restart_there()
                                                : reply_for(from.error(), file_use::existing);
    }
    if (!is_image_stream(how)) {
        formed_retrieval work(user, file, *from);
        auto answer = co_await carry_out(
            user, {.progress = progress,
                   .work = work,
                   .announcement = fmt::format("Opening {} mode data connection", mode_name(how))});
        co_return answer;
    }
    progress.set_whole(file.status().size_bytes - from->stored_offset);
    image_retrieval work(user, shared, from->stored_offset);
    // The number in brackets is what clients without SIZE show progress by: of the whole file.
    auto answer = co_await carry_out(
        user, {.progress = progress,
               .work = work,
               .announcement = fmt::format("Opening BINARY mode data connection ({} bytes)",
                                           file.status().size_bytes)});
    co_return answer;
}

/// Where in the stored file an upload begins that restarts at `where`. In TYPE A the offset counts
/// octets of the transfer, so the file there is has to be read.
///
/// Errors: errc::invalid (nowhere in the file), unsupported (no restart in this form), or what
/// reading fails with.
task<result<upload_place>> stored_restart_place(session& user, const vfs::path& name,
                                                upload_place where) {
    const auto& how = user.settings.how;
    if (marks_ends(how.mode) && how.structure != file_structure::page) {
        co_return where;
    }
    if (keeps_offsets(how)) {
        co_return where;
    }
    if (!is_plain_text(how)) {
        co_return failure(errc::unsupported);
    }
    const auto file = co_await user.files().open(user.here, name);
    if (!file) {
        co_return failure(file.error());
    }
    const auto place = co_await find_network_offset(user.here, *file, where.offset);
    if (!place) {
        co_return failure(place.error());
    }
    if (place->inside_line_end) {  // Half a line end is nowhere in the stored file.
        co_return failure(errc::invalid);
    }
    co_return upload_place{.offset = place->stored_offset};
}

struct upload_request {
    const vfs::path& name;
    vfs::upload_options how;
    upload_place from = {};  ///< For what is restarted.
    std::string announcement;
};

/// Receives one upload. Errors before the 150 are those of the name.
task<reply> receive_file(session& user, running_transfer& progress, upload_request what) {
    what.how.size_bytes = user.user.announced_bytes;
    progress.set_whole(user.user.announced_bytes.value_or(0));
    if (const auto& umask = user.settings.umask) {
        what.how.permissions = 0666U & ~*umask;
    }
    auto begun = co_await user.files()
                     .begin_upload(user.here, what.name, what.how)
                     .in_scope(progress.scope());
    if (!begun) {
        const bool is_beyond =
            what.how.mode == vfs::upload_mode::restart && begun.error() == errc::invalid;
        co_return is_beyond ? beyond_the_end() : refusal(user, begun.error(), file_use::target);
    }
    if (what.how.mode == vfs::upload_mode::append) {
        const auto before = begun->status();
        what.from.offset = before ? before->size_bytes : 0;  // For markers.
    }
    storage work(user, *begun, what.from);
    auto answer = co_await carry_out(
        user, {.progress = progress, .work = work, .announcement = std::move(what.announcement)});
    co_await work.leave();  // Where it has not run: there was no data connection.
    co_return answer;
}

/// STOR and APPE: `what` holds the mode that a user who may change files gets.
task<reply> store(session& user, running_transfer& progress, std::string_view name,
                  vfs::upload_options what) {
    if (auto refused = check_form(user.settings.how)) {
        co_return std::move(*refused);
    }
    const auto where = locate(user, name);
    if (!where) {
        co_return reply_for(where.error(), file_use::target);
    }
    progress.set_name(*where);
    const auto allowed = user.rights_at(*where);
    if (!allowed.has(auth::right::create)) {
        co_return reply_for({.code = errc::denied}, file_use::target);
    }
    if (!allowed.has(auth::right::replace)) {
        if (what.mode == vfs::upload_mode::restart) {
            co_return reply_for({.code = errc::denied}, file_use::target);
        }
        what.mode = vfs::upload_mode::create;
    }
    if (what.mode == vfs::upload_mode::restart || what.mode == vfs::upload_mode::append) {
        const auto before = co_await replacement_at(user, *where).in_scope(progress.scope());
        if (auto refused = why_not_to_go_on(before)) {
            co_return std::move(*refused);
        }
    }
    what.account = user.user.identity->name;
    what.part_owner = part_owner_at(user, *where);
    const bool was_told = user.user.part && user.user.part->name == *where;
    if (was_told && what.mode == vfs::upload_mode::append) {  // What comes is the rest of that.
        what.part_bytes = user.user.part->size_bytes;
    }
    upload_place from;
    if (what.mode != vfs::upload_mode::append && user.user.restart != upload_place{}) {
        const auto place = co_await stored_restart_place(user, *where, user.user.restart)
                               .in_scope(progress.scope());
        if (!place) {
            co_return place.error() == errc::invalid ? beyond_the_end()
            : place.error() == errc::unsupported     ? no_restart_there()
                                                     : reply_for(place.error(), file_use::target);
        }
        from = *place;
        what.restart_offset = from.offset;
    }
    auto answer =
        co_await receive_file(user, progress,
                              {.name = *where,
                               .how = what,
                               .from = from,
                               .announcement = fmt::format("Opening {} mode data connection",
                                                           mode_name(user.settings.how))});
    if (was_told && answer.code / 100 == 2) {
        user.user.part.reset();
    }
    co_return answer;
}

}  // namespace

task<reply> do_retr(session& user, std::string_view argument) {
    running_transfer progress(user, "RETR");
    if (auto refused = check_form(user.settings.how)) {
        co_return progress.finish(std::move(*refused));
    }
    const auto where = locate(user, argument);
    if (!where) {
        co_return progress.finish(reply_for(where.error(), file_use::existing));
    }
    progress.set_name(*where);
    if (!user.rights_at(*where).has(auth::right::read)) {
        co_return progress.finish(reply_for({.code = errc::denied}, file_use::existing));
    }
    const auto file = co_await open_to_send(user, *where);
    if (!file) {
        co_return progress.finish(reply_for(file.error(), file_use::existing));
    }
    if ((*file)->file.is_directory()) {
        co_return progress.finish(reply_for({.code = errc::is_directory}, file_use::existing));
    }
    auto answer = co_await send_file(user, progress, **file);
    co_return progress.finish(std::move(answer));
}

/// STOR: after REST n it writes from octet n on and keeps what is behind it (RFC 3659 section 5.3).
task<reply> do_stor(session& user, std::string_view argument) {
    running_transfer progress(user, "STOR");
    vfs::upload_options how;
    if (user.user.restart.offset > 0) {
        how.mode = vfs::upload_mode::restart;
    }
    auto answer = co_await store(user, progress, argument, how);
    co_return progress.finish(std::move(answer));
}

/// APPE: the end of the file is where it writes, so REST has no say.
task<reply> do_appe(session& user, std::string_view argument) {
    running_transfer progress(user, "APPE");
    auto answer = co_await store(user, progress, argument, {.mode = vfs::upload_mode::append});
    co_return progress.finish(std::move(answer));
}

/// ALLO: says at once when the file that is to come is too large for the disk or a quota, by
/// setting room aside in the working directory and giving it back (RFC 959 section 4.1.3). The next
/// STOR, APPE or STOU does the same where its file goes, and keeps the room.
task<reply> do_allo(session& user, std::string_view argument) {
    const auto wanted = parse_allocation(argument);
    if (!wanted) {
        co_return reply{501, "Wanted: octets, or octets R octets"};
    }
    user.user.announced_bytes = wanted->size_bytes;
    const auto where = locate(user, fmt::format("room-{:016x}", user.here.rng().next()));
    const bool is_small = wanted->size_bytes < vfs::reserved_bytes_min && !user.user.home;
    if (is_small || !where || !user.rights_at(*where).has(auth::right::create)) {
        co_return reply{200, "Noted"};
    }
    auto tried = co_await user.files().begin_upload(
        user.here, *where, {.mode = vfs::upload_mode::create, .size_bytes = wanted->size_bytes});
    if (tried) {
        co_await tried->discard(user.here);
        co_return reply{200, "There is room"};
    }
    const bool is_too_much = tried.error() == errc::no_space || tried.error() == errc::over_quota ||
                             tried.error() == errc::too_large;
    if (!is_too_much) {
        co_return reply{200, "Noted"};  // The file may go elsewhere: STOR will tell.
    }
    // The room in a quota that the file to be replaced will leave is not known before STOR names
    // it.
    const bool is_ours = tried.error() == errc::over_quota && tried.error().os_errno == 0;
    const auto octets_max = quota_of(user.user.identity->bounds).octets_max;
    if (is_ours && user.rights_at(*where).has(auth::right::replace) &&
        (octets_max == 0 || wanted->size_bytes <= octets_max)) {
        co_return reply{200, "There is room only in the place of another file: STOR will tell"};
    }
    user.user.announced_bytes.reset();
    co_return refusal(user, tried.error(), file_use::target);
}

/// AVBL: how many octets an upload into a directory may have, for as long as nobody stores any: the
/// less of what the file system has room for and what is left of the user's quota
/// (draft-peterson-streamlined-ftp-command-extensions-10, section 4).
task<reply> do_avbl(session& user, std::string_view argument) {
    const auto where = locate(user, argument);
    if (!where) {
        co_return reply_for(where.error(), file_use::existing);
    }
    const auto inside = where->resolve("x");  // The rights are those of a name in it.
    if (!inside || !user.rights_at(*inside).has(auth::right::create)) {
        co_return reply_for({.code = errc::denied}, file_use::existing);
    }
    const auto free = co_await user.files().free_octets(user.here, *where);
    if (!free) {
        co_return reply_for(free.error(), file_use::existing);
    }
    const bool is_counted = co_await wait_for_count(user);
    if (!is_counted) {
        co_return reply{450, "What is in your home is being counted"};
    }
    co_return reply{213, fmt::to_string(std::min(*free, left_of_quota(user)))};
}

/// STOU: the name is ferry's, told in the one form clients read (RFC 1123 section 4.1.2.9).
task<reply> do_stou(session& user, std::string_view) {
    running_transfer progress(user, "STOU");
    if (auto refused = check_form(user.settings.how)) {
        co_return progress.finish(std::move(*refused));
    }
    const auto name = fmt::format("upload-{:016x}", user.here.rng().next());
    const auto where = locate(user, name);
    if (!where) {
        co_return progress.finish(reply_for(where.error(), file_use::target));
    }
    progress.set_name(*where);
    if (!user.rights_at(*where).has(auth::right::create)) {
        co_return progress.finish(reply_for({.code = errc::denied}, file_use::target));
    }
    auto answer = co_await receive_file(user, progress,
                                        {.name = *where,
                                         .how = {.mode = vfs::upload_mode::create},
                                         .from = {},
                                         .announcement = "FILE: " + name});
    co_return progress.finish(std::move(answer));
}

task<reply> do_list(session& user, std::string_view argument) {
    auto answer = co_await send_listing(
        user, "LIST", {.style = listing_style::unix_lines, .wanted = parse_list(argument)});
    co_return answer;
}

task<reply> do_nlst(session& user, std::string_view argument) {
    auto answer = co_await send_listing(
        user, "NLST", {.style = listing_style::names, .wanted = parse_list(argument)});
    co_return answer;
}

/// MLSD: a name and no options (RFC 3659 section 7.2).
task<reply> do_mlsd(session& user, std::string_view argument) {
    list_request wanted;
    wanted.all = true;
    wanted.path = argument;
    auto answer =
        co_await send_listing(user, "MLSD", {.style = listing_style::facts, .wanted = wanted});
    co_return answer;
}

/// STAT: of the session, or a listing over the control connection: 212 of a directory, 213 of a
/// file (RFC 959 sections 4.1.3 and 5.4).
task<reply> do_stat(session& user, std::string_view argument) {
    if (argument.empty()) {
        co_return describe_session(user);
    }
    if (!user.may_anywhere({auth::right::list})) {
        co_return reply_for({.code = errc::denied}, file_use::existing);
    }
    listing_source lines(user, {.wanted = parse_list(argument)});
    const auto opened = co_await lines.open();
    if (!opened) {
        co_return reply_for(opened.error(), file_use::existing);
    }
    std::string text;
    bool more = true;
    while (more && text.size() < status_listing_bytes_max) {
        const auto appended = co_await lines.next(text);
        if (!appended) {
            co_return reply_for(appended.error(), file_use::existing);
        }
        more = *appended;
    }
    reply answer{lines.lists_directory() ? 212 : 213, "Status of what was named"};
    for (std::string_view left = text; !left.empty();) {
        const auto end = left.find("\r\n");  // Names hold none: see list_format.hpp.
        answer.lines.emplace_back(left.substr(0, end));
        left.remove_prefix(end + 2);
    }
    if (more) {
        answer.lines.emplace_back("... and more: use LIST");
    }
    co_return answer;
}

}  // namespace ferry::ftp
