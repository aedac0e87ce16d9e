#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "ftp_plans.hpp"
#include "ftp_secure.hpp"
#include "ftp_transfer.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

enum class store_kind : std::uint8_t { whole, restarted, appended, unique };

/// One upload as it was meant.
struct upload {
    store_kind kind = store_kind::whole;
    std::string argument;  ///< Of the command; empty for STOU.
    std::string path;      ///< In the model; of STOU once it is known.
    content octets;        ///< As stored.
    std::uint64_t offset = 0;
    moment since = 0;
    std::uint64_t changes = 0;  ///< Of the name, its own among them.
    bool is_marked = false;     ///< It goes on behind a restart marker.
    bool was_settled = false;
    bool was_file = false;     ///< One thing only, and that a file.
    bool was_cut_off = false;  ///< An earlier upload, and so this is to be refused if it goes on.
    std::optional<model_tree::token> change;
    cut_uploads parts;   ///< What it may go on with.
    std::string sealed;  ///< Records and pages in a stream, as they are sent.
    /// The network has ended the data connection in order, behind so many octets: in clear what
    /// came is the whole for the server.
    std::shared_ptr<std::optional<std::uint64_t>> cut_behind =
        std::make_shared<std::optional<std::uint64_t>>();

    [[nodiscard]] std::string line() const {
        switch (kind) {
            case store_kind::appended:
                return "APPE " + argument;
            case store_kind::unique:
                return "STOU";
            case store_kind::whole:
            case store_kind::restarted:
                break;
        }
        return "STOR " + argument;
    }
    [[nodiscard]] std::string verb() const { return line().substr(0, 4); }
};

// More than is freed on the core that closes it.
constexpr std::uint64_t large_bytes_min = 1'100'000;

upload draw_upload(ftp_session& user) {
    auto& context = user.context;
    upload made;
    const auto chosen = context.rng.below(12);
    made.kind = chosen < 7    ? store_kind::whole
                : chosen < 9  ? store_kind::appended
                : chosen < 11 ? store_kind::restarted
                              : store_kind::unique;
    const bool is_at_home = is_free_to_change(user, user.in_model(".") + "/");
    if (made.kind == store_kind::unique && !is_at_home) {
        made.kind = store_kind::whole;  // It would litter what others read.
    }
    const bool has_offsets = user.is_image && is_plain(user.form);
    if (made.kind == store_kind::restarted && !has_offsets) {
        made.kind = store_kind::appended;
    }
    const auto size =
        context.chance(8) ? 0
        : context.chance(24) && context.large_bytes_max > large_bytes_min
            ? large_bytes_min + context.rng.below(context.large_bytes_max - large_bytes_min)
        : context.chance(3) ? context.rng.below(context.upload_bytes_max)
                            : context.rng.below(5'000);
    const bool is_paged = user.form.structure == file_structure::page;
    made.octets =
        context.model.fresh(user.is_image ? pattern_kind::binary : pattern_kind::clean_text,
                            is_paged ? std::min(size, paged_octets_max) : size);
    if (made.kind != store_kind::unique) {
        made.argument = context.chance(10) ? draw_name(user) : draw_own_name(user);
        const bool may_store = user.who && (user.who->may_create || user.who->may_change);
        if (may_store && !is_free_to_change(user, user.in_model(made.argument))) {
            made.argument = draw_own_name(user);
        }
        made.path = user.in_model(made.argument);
    }
    if (!user.cut_off.empty() && context.chance(2)) {  // As a client that goes on.
        const auto name = user.typed(std::exchange(user.cut_off, {}));
        if (name && user.may_change()) {
            made.kind =
                has_offsets && context.chance(2) ? store_kind::restarted : store_kind::appended;
            made.argument = *name;
            made.path = user.in_model(*name);
        }
    }
    const auto marked = std::exchange(user.marked, std::nullopt);
    if (marked && has_markers(user.form) && user.may_change()) {
        made.kind = store_kind::restarted;
        made.argument = marked->argument;
        made.path = user.in_model(marked->argument);
        made.octets = marked->rest;
        made.offset = marked->offset;
        made.is_marked = true;
    }
    return made;
}

change change_of(const ftp_session& user, const upload& what) {
    change made{.octets = what.octets, .offset = what.offset, .parts = what.parts};
    switch (what.kind) {
        case store_kind::whole:
            made.kind = change_kind::replace;
            break;
        case store_kind::restarted:
            made.kind = what.offset == 0 ? change_kind::replace : change_kind::restart;
            break;
        case store_kind::appended:
            made.kind = change_kind::append;
            break;
        case store_kind::unique:
            made.kind = change_kind::create;
            break;
    }
    if (user.who && !user.who->may_change && made.kind != change_kind::restart) {
        made.kind = change_kind::create;  // Who may only create replaces nothing.
    }
    return made;
}

/// True for what begins with a file as it is.
bool goes_on(const upload& what) noexcept {
    return what.kind == store_kind::appended ||
           (what.kind == store_kind::restarted && what.offset > 0);
}

void begin_change(ftp_session& user, upload& what) {
    auto& model = user.context.model;
    const auto owner = part_owner(user);
    what.was_cut_off = user.may_change() && goes_on(what) &&
                       model.is_cut_off(user.who->name, what.path) && user.context.is_strict();
    const auto states = model.possible(what.path);
    const bool may_be_free = std::ranges::any_of(states, [](const node_state& each) {
        return each.kind == node_kind::absent || each.kind == node_kind::anything;
    });
    // What goes on with a part, or with nothing, is one too once somebody else has the name.
    if (user.may_change() && (!goes_on(what) || may_be_free)) {
        model.may_replace(user.who->name, what.path);
    }
    if (what.kind != store_kind::unique) {
        what.parts = model.parts_of(owner, what.path);
        model.may_be_cut(owner, what.path, change_of(user, what));
    }
    what.since = model.now();
    what.was_settled = model.is_settled(what.path);
    what.was_file = what.was_settled && model.possible(what.path).front().kind == node_kind::file;
    what.change = model.begin(what.path, change_of(user, what));
    what.changes = model.changes(what.path);
}

/// The server has called, and the client has not taken the call: the network may have ended that
/// connection before its first octet, and nobody here knows.
void may_be_empty(ftp_session& user, const upload& what) {
    // Of records, too: nothing is no record. TLS tells its end itself.
    const bool ends_with_connection = user.form.mode == transfer_form::stream &&
                                      user.form.structure != file_structure::page &&
                                      !user.protects_data;
    if (what.change && user.context.excused.finishes && ends_with_connection) {
        auto empty = change_of(user, what);
        empty.octets = {};
        user.context.model.unknown(user.context.model.begin(what.path, std::move(empty)));
    }
}

/// How much of a file has come with the first `octets` of its records in a stream, where those end
/// with a record and not with the file: closing the connection is then the end (RFC 959 section
/// 3.4).
std::optional<std::uint64_t> whole_records(const data_form& form, std::string_view sealed,
                                           std::uint64_t octets) {
    form_decoder decoder(form);
    std::string stored;
    const bool has_form = decoder.take(sealed.substr(0, static_cast<std::size_t>(octets)), stored);
    const bool is_cut = has_form && decoder.is_between_records() && !decoder.has_ended();
    return is_cut ? std::optional<std::uint64_t>(stored.size()) : std::nullopt;
}

/// Tells the model when the network ends the data connection, which the server cannot tell from
/// the client's doing so. Once both the connection and the change are there.
void follow_cut(ftp_session& user, const wire& data, const upload& what) {
    auto& context = user.context;
    if (!context.network.when_cut || !data.is_open() || !what.change) {
        return;
    }
    // It may happen when the client is gone.
    const bool has_records =
        user.form.mode == transfer_form::stream && user.form.structure == file_structure::record;
    // The server can: the data say where they end, or TLS does.
    if (user.protects_data || (marks_end(user.form) && !has_records)) {
        context.network.when_cut(data.fd(), [cut_behind = what.cut_behind](std::uint64_t octets) {
            *cut_behind = octets;
        });
        return;
    }
    context.network.when_cut(
        data.fd(),
        [&model = context.model, &findings = context.findings, cut_behind = what.cut_behind,
         change = *what.change, whole = what.octets, is_image = user.is_image, form = user.form,
         sealed = what.sealed, path = what.path](std::uint64_t octets) {
            *cut_behind = octets;
            if (marks_end(form)) {
                const auto records = whole_records(form, sealed, octets);
                if (!records) {
                    return;
                }
                octets = *records;
            }
            if (!model.cut(change, stored_beginning(whole, is_image, octets))) {
                findings.add({.client = "the network",
                              .rule = "an upload was seen before its last octet had come",
                              .details = path,
                              .request = {}});
            }
        });
}

/// The replies that are right instead of 150, and whether 150 is.
std::vector<int> right_codes(ftp_session& user, const upload& what) {
    if (const auto refused = refused_by_table(user, what.verb(), what.argument)) {
        return {*refused};
    }
    auto& model = user.context.model;
    if (what.kind == store_kind::unique) {
        const auto directory = model.possible_since(user.in_model("."), what.since);
        const bool may_be_gone = std::ranges::any_of(
            directory, [](const node_state& each) { return each.kind != node_kind::directory; });
        return may_be_gone ? std::vector{150, 553} : std::vector{150};
    }
    const bool restarts = what.kind == store_kind::restarted && what.offset > 0;
    const bool may_change = user.who->may_change;
    std::vector<int> codes;
    for (const auto& each : model.possible_since(what.path, what.since)) {
        switch (each.kind) {
            case node_kind::anything:
                codes.insert(codes.end(), {150, 550, 553, 554});
                break;
            case node_kind::directory:
                codes.push_back(restarts && !may_change ? 550 : 553);
                break;
            case node_kind::absent:
                codes.push_back(restarts ? may_change ? 554 : 550 : 150);
                if (what.parts.may_be_any()) {
                    codes.insert(codes.end(), {150, 450});  // Another session may be at the part.
                }
                break;
            case node_kind::file:
                if (restarts) {
                    codes.push_back(!may_change                              ? 550
                                    : what.offset > each.octets.size_bytes() ? 554
                                                                             : 150);
                } else {
                    codes.push_back(may_change ? 150 : 553);
                }
                break;
        }
    }
    for (const auto& each : model.possible_since(parent_of(what.path), what.since)) {
        if (each.kind != node_kind::directory) {
            codes.push_back(553);
        }
    }
    if (goes_on(what) && may_change && model.may_be_cut_off(user.who->name, what.path)) {
        codes.push_back(550);
    }
    if (what.was_cut_off && model.changes(what.path) == what.changes) {
        return {550};  // Else the old beginning would be joined to the new rest.
    }
    return codes;
}

/// Somebody else was at the name meanwhile: APPE and REST may find it busy.
bool was_disputed(ftp_session& user, const upload& what) {
    return !what.was_settled || user.context.model.changes(what.path) != what.changes;
}

constexpr int killed = 426;  // As if there had been a reply: nothing is stored.

/// What the model makes of the end of an upload.
outcome conclude(ftp_session& user, const upload& what, int code) {
    auto& context = user.context;
    auto& model = context.model;
    if (!what.change) {
        return outcome::fine;
    }
    if (code == 0) {
        model.unknown(*what.change);
        return outcome::over;
    }
    if (code / 100 == 2) {
        if (!model.acknowledged(*what.change)) {
            context.complain("an upload was confirmed that no order of changes explains",
                             fmt::format("{}: {}", what.path, what.octets.describe()), what.line());
            return outcome::broken;
        }
        return outcome::fine;
    }
    if (context.excused.faults && context.durability == promised::the_new) {
        model.either(*what.change);  // The last sync may fail after the name was given.
        return outcome::fine;
    }
    if (!model.refused(*what.change)) {
        context.complain("an upload was refused that must have happened", what.path, what.line());
        return outcome::broken;
    }
    return outcome::fine;
}

/// Sends the octets, or some of them. False: the server took no more.
task<bool> send_octets(ftp_session& user, wire& data, const upload& what, bool is_image,
                       std::uint64_t count) {
    constexpr std::size_t piece_bytes = 64 * 1024;
    auto& context = user.context;
    if (!is_plain(user.form)) {
        const auto sealed = what.sealed.empty()
                                ? encoded(user.form, what.octets.octets(), context.rng)
                                : what.sealed;
        for (std::string_view rest = sealed; !rest.empty();) {
            const auto piece = rest.substr(0, 1 + context.rng.below(piece_bytes));
            const auto sent = co_await data.send(
                piece, context.here.now() + context.server.stall_timeout + context.server.slack);
            if (!sent) {
                co_return false;
            }
            rest.remove_prefix(piece.size());
        }
        context.findings.count("ftp octets stored", what.octets.size_bytes());
        co_return true;
    }
    const auto text = is_image ? std::string() : text_form(user, what.octets.octets());
    const auto size = is_image ? what.octets.size_bytes() : text.size();
    count = std::min(count, size);
    const bool is_slow = context.chance(6);
    for (std::uint64_t done = 0; done < count;) {
        const auto most = std::min<std::uint64_t>(piece_bytes, count - done);
        const auto piece = context.chance(2) ? most : 1 + context.rng.below(most);
        const auto octets =
            is_image ? what.octets.octets(done, piece)
                     : text.substr(static_cast<std::size_t>(done), static_cast<std::size_t>(piece));
        const auto sent = co_await data.send(
            octets, context.here.now() + context.server.stall_timeout + context.server.slack);
        if (!sent) {
            co_return false;
        }
        context.findings.count("ftp octets stored", octets.size());
        done += piece;
        if (is_slow) {
            co_await pause(context);
        }
    }
    co_return true;
}

/// "FILE: name" (RFC 1123 section 4.1.2.9).
bool read_unique_name(const ftp_reply& reply, std::string& name) {
    constexpr std::string_view begin = "FILE: ";
    if (!reply.text.starts_with(begin)) {
        return false;
    }
    name = reply.text.substr(begin.size());
    return name.starts_with("upload-") && name.find('/') == std::string::npos;
}

/// How an upload ended, for the client.
struct upload_end {
    int code = 0;  ///< Of the final reply; 0: there was none.
    bool breaks_off = false;
    bool is_secure = false;  ///< The data went over TLS.
    /// All that the network was given once the client had ended it in order; 0: it has not.
    std::uint64_t sent_behind = 0;
};

/// Judges the final reply and tells the model. `went`: how the conversation went on till then.
outcome judge_end(ftp_session& user, const upload& what, upload_end end, outcome went) {
    auto& context = user.context;
    if (end.code == 0) {
        static_cast<void>(conclude(user, what, 0));
        return went;
    }
    const auto concluded = conclude(user, what, end.code);
    if (concluded == outcome::broken) {
        return concluded;
    }
    if (end.code == 426 && what.was_file && user.may_change() && !goes_on(what) &&
        !was_disputed(user, what)) {
        context.model.was_cut_off(user.who->name, what.path);
        user.cut_off = what.path;
        context.findings.count("ftp replacements cut off");
    }
    const bool may_be_busy =
        (what.kind == store_kind::appended || what.kind == store_kind::restarted) &&
        was_disputed(user, what);
    const auto& cut_behind = *what.cut_behind;
    bool is_right = false;
    switch (end.code) {
        case 226:  // What was broken off has had no end, unless the network made one of it.
        case 250:
            is_right = (end.code == 250) == tells_end(user.form) &&
                       (!end.breaks_off || cut_behind.has_value());
            if (end.is_secure && !marks_end(user.form) && cut_behind &&
                (end.sent_behind == 0 || *cut_behind < end.sent_behind)) {
                context.complain(
                    "an upload that TLS did not end was confirmed",
                    fmt::format("cut behind {} of {} octets", *cut_behind, end.sent_behind),
                    what.line());
                return outcome::broken;
            }
            break;
        case 426:
            is_right = end.breaks_off ||
                       (cut_behind.has_value() && (marks_end(user.form) || end.is_secure));
            break;
        case 425:  // It broke off before the server had shaken hands.
            is_right = end.breaks_off && end.is_secure;
            break;
        case 551:
            is_right = may_be_busy;
            break;
        case 553:  // Somebody has made a directory of it, or taken the directory, meanwhile.
            is_right = was_disputed(user, what);
            break;
        default:
            break;
    }
    if (!is_right && !is_excused_reply(context, end.code)) {
        context.complain("a final reply that is not right",
                         fmt::format("{} ({} octets)", end.code, what.octets.size_bytes()),
                         what.line());
        return outcome::broken;
    }
    return went;
}

/// Reads the replies to an upload with markers, one 110 for each of them (RFC 959 section 3.5).
task<outcome> read_markers(ftp_session& user, const upload& what,
                           const std::vector<std::uint64_t>& places, upload_end& end) {
    auto& context = user.context;
    std::size_t confirmed = 0;
    for (;;) {  // Bounded by the markers.
        ftp_reply reply;
        const auto went = co_await read_reply(user, reply, context.soon(), what.line());
        if (went != outcome::fine) {
            co_return went;
        }
        if (reply.code != 110) {
            end.code = reply.code;
            break;
        }
        const auto wanted = confirmed < places.size() ? fmt::format("MARK M{} = {}", confirmed,
                                                                    what.offset + places[confirmed])
                                                      : std::string("no more than there were");
        if (reply.text != wanted) {
            context.complain("a marker is confirmed wrongly",
                             fmt::format("{}, right would be {}", reply.describe(), wanted),
                             what.line());
            co_return outcome::broken;
        }
        ++confirmed;
    }
    context.findings.count("ftp restart markers confirmed", confirmed);
    if (context.is_strict() && confirmed != places.size() && end.code == 426) {
        context.complain("not all markers are confirmed",
                         fmt::format("{} of {}", confirmed, places.size()), what.line());
        co_return outcome::broken;
    }
    if (end.code == 426 && confirmed > 0) {
        const auto place = places[context.rng.below(confirmed)];
        user.marked = {.argument = what.argument,
                       .offset = what.offset + place,
                       .rest = what.octets.suffix(place)};
    }
    co_return outcome::fine;
}

/// Ends a data connection in order; gives how many octets the network was given in all.
task<std::uint64_t> end_upload(ftp_session& user, wire& data) {
    if (data.is_secure() && tells_end(user.form)) {  // The server keeps it: it has no end to see.
        co_await data.end_sending(user.context.soon());
    } else {
        co_await data.finish(user.context.soon());
    }
    co_return data.octets_sent();
}

/// Sends some of a file with restart markers, and then the connection ends, but not the file.
task<outcome> break_off_marked(ftp_session& user, wire& data, const upload& what) {
    auto& context = user.context;
    const auto whole = what.octets.octets();
    std::string_view rest = whole;
    std::vector<std::uint64_t> places;
    std::string sealed;
    const auto count = 1 + context.rng.below(5);
    while (places.size() < count && !rest.empty()) {
        const auto part = rest.substr(0, 1 + context.rng.below(rest.size()));
        sealed += encoded_part(user.form, part, fmt::format("M{}", places.size()), context.rng);
        rest.remove_prefix(part.size());
        places.push_back(whole.size() - rest.size());
    }
    const auto sent = co_await data.send(
        sealed, context.here.now() + context.server.stall_timeout + context.server.slack);
    upload_end end{.breaks_off = true, .is_secure = data.is_secure()};
    if (sent) {
        end.sent_behind = co_await end_upload(user, data);
    } else {
        data.reset();
    }
    const auto went = co_await read_markers(user, what, places, end);
    if (went == outcome::broken) {
        co_return went;
    }
    co_return judge_end(user, what, end, went);
}

/// From the 150 to the final reply.
task<outcome> move_octets(ftp_session& user, wire& data, upload& what, interruption when) {
    auto& context = user.context;
    const bool has_places = what.kind == store_kind::whole || what.kind == store_kind::restarted;
    if (context.says_all && has_markers(user.form) && has_places && !what.is_marked &&
        context.chance(2)) {
        const auto broken_off = co_await break_off_marked(user, data, what);
        co_return broken_off;
    }
    transfer_close close{.line = what.line()};
    const auto whole = ~std::uint64_t{0};
    const auto count = when == interruption::none
                           ? whole
                           : context.rng.below(std::max<std::uint64_t>(
                                 100'000, what.octets.size_bytes() + what.octets.size_bytes() / 8));
    const bool is_image = user.is_image;
    const bool is_secure = data.is_secure();
    std::uint64_t sent_behind = 0;  // All that the network was given, once there was an end.
    bool keeps = false;
    bool took_all = co_await send_octets(user, data, what, is_image, count);
    co_await interrupt(user, when);
    close.what = when;
    const bool aborts = when == interruption::abort || when == interruption::abort_urgent;
    if (when == interruption::drop_control && context.is_punctual && context.chance(2)) {
        // As a client that is killed: both end in order, and the file is not whole all the same.
        data.close();
        user.control.close();
        static_cast<void>(conclude(user, what, killed));
        co_return outcome::over;
    }
    if (when == interruption::drop_control) {
        data.reset();  // Not in order: that would be the end of the file.
        user.control.reset();
        co_return conclude(user, what, 0);
    }
    if (when == interruption::drop_data || aborts) {
        data.reset();
    } else {
        if (when != interruption::none && took_all) {
            // Again from the beginning would be wrong: what is left of it.
            auto rest = what;
            const auto text_bytes =
                is_image ? what.octets.size_bytes() : text_form(user, what.octets.octets()).size();
            const auto done = std::min<std::uint64_t>(count, text_bytes);
            if (is_image) {
                rest.octets = what.octets.suffix(done);
                took_all = co_await send_octets(user, data, rest, true, whole);
            } else {
                const auto text = text_form(user, what.octets.octets());
                const auto sent = co_await data.send(
                    std::string_view(text).substr(static_cast<std::size_t>(done)), context.soon());
                took_all = sent.has_value();
            }
        }
        keeps = took_all && keeps_data(user);
        if (took_all && !keeps) {
            sent_behind = co_await end_upload(user, data);
        } else if (!took_all) {
            data.reset();
        }
    }
    const auto went = co_await read_final(user, close);
    if (keeps && went == outcome::fine && close.final_code == 250) {
        user.kept = std::move(data);
    }
    const upload_end end{.code = close.final_code,
                         .breaks_off = when == interruption::drop_data || aborts,
                         .is_secure = is_secure,
                         .sent_behind = sent_behind};
    co_return judge_end(user, what, end, went);
}

task<outcome> store_drawn(ftp_session& user, upload what) {
    auto& context = user.context;
    if (what.kind == store_kind::restarted) {
        const auto states = context.model.possible(what.path);
        auto size = states.front().octets.size_bytes();
        const auto parts = context.model.parts_of(part_owner(user), what.path);
        if (states.front().kind == node_kind::absent && !parts.wholes.empty()) {
            size = parts.wholes.back().size_bytes();
        }
        if (!what.is_marked) {
            what.offset = context.rng.below(size + size / 8 + 2);
        }
        const auto restarted = co_await carry_out(
            user, assemble(user, {.verb = "REST",
                                  .argument = fmt::format("{}", what.offset),
                                  .codes = [] { return std::vector{350}; },
                                  .effect =
                                      [&user, offset = what.offset](const ftp_reply&) {
                                          user.restart_offset = offset;
                                          return std::string();
                                      }}));
        if (restarted != outcome::fine) {
            co_return restarted;
        }
    }
    if (what.kind == store_kind::whole && user.restart_offset > 0) {
        if (!user.is_image) {
            co_return outcome::fine;  // An offset in octets of the text; see `draw_upload`.
        }
        what.kind = store_kind::restarted;
        what.offset = user.restart_offset;
    }
    data_way way;
    auto went = co_await set_up_data(user, way);
    if (went != outcome::fine || !user.data_is_set_up) {
        co_return went;
    }
    const auto when = is_plain(user.form) ? draw_interruption(context) : interruption::none;
    if (user.form.mode == transfer_form::stream && !is_plain(user.form)) {
        what.sealed = encoded(user.form, what.octets.octets(), context.rng);
    }
    if (what.kind != store_kind::unique && !refused_by_table(user, what.verb(), what.argument)) {
        begin_change(user, what);
    }
    const auto line = what.line();
    wire data;
    static_cast<void>(co_await send_line(user, line));
    if (way.is_passive) {
        auto opened = co_await open_data(user, way);
        if (opened) {
            data = std::move(*opened);
            follow_cut(user, data, what);
        }
    }
    ftp_reply reply;
    went = co_await read_reply(user, reply, context.soon(), line);
    take_announcement(user, way, reply);
    const auto codes = right_codes(user, what);
    user.restart_offset = 0;
    user.data_is_set_up = false;
    user.rename_from.reset();
    if (went != outcome::fine) {
        if (data.is_open()) {
            data.reset();
        }
        if (what.kind == store_kind::unique) {
            context.model.may_have_stored(user.in_model("."), what.octets);
        }
        if (!way.is_passive) {
            may_be_empty(user, what);
        }
        static_cast<void>(conclude(user, what, 0));
        co_return went;
    }
    if (std::ranges::find(codes, reply.code) == codes.end() &&
        !is_excused_reply(context, reply.code) &&
        !(reply.code == 450 && was_disputed(user, what))) {
        context.complain("a reply that is not right", reply.describe(), line);
        co_return outcome::broken;
    }
    if (what.was_cut_off && reply.code == 550) {
        context.findings.count("ftp uploads refused behind one that was cut off");
    }
    if (reply.code != 150) {
        co_return conclude(user, what, reply.code);
    }
    if (what.kind == store_kind::unique) {
        std::string name;
        if (!read_unique_name(reply, name)) {
            context.complain("STOU does not say the name", reply.describe(), line);
            co_return outcome::broken;
        }
        what.path = user.in_model(name);
        begin_change(user, what);
        follow_cut(user, data, what);
    }
    if (!data.is_open()) {
        auto opened = co_await open_data(user, way);
        if (!opened) {
            judge_failure(context, opened.error(), "opening a data connection", line);
            if (!way.is_passive) {
                may_be_empty(user, what);
            }
            static_cast<void>(conclude(user, what, 0));
            co_return context.is_strict() ? outcome::broken : outcome::over;
        }
        data = std::move(*opened);
        follow_cut(user, data, what);
    }
    transfer_close early{.line = line};
    const auto shielded = co_await protect_data(user, data, early);
    if (shielded != outcome::fine) {
        const auto concluded = conclude(user, what, early.final_code);
        co_return concluded == outcome::fine&& shielded == outcome::over ? outcome::fine
        : concluded == outcome::broken                                   ? concluded
                                                                         : shielded;
    }
    went = co_await move_octets(user, data, what, when);
    if (data.is_open()) {
        data.reset();
    }
    co_return went;
}

}  // namespace

task<outcome> store(ftp_session& user) {
    const auto went = co_await store_drawn(user, draw_upload(user));
    co_return went;
}

task<outcome> store_as(ftp_session& user, std::string argument) {
    auto what = draw_upload(user);
    what.kind = store_kind::whole;
    what.argument = std::move(argument);
    what.path = user.in_model(what.argument);
    const auto went = co_await store_drawn(user, std::move(what));
    co_return went;
}

}  // namespace ferry::sim::test
