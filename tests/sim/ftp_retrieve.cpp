#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ftp_listing.hpp"
#include "ftp_plans.hpp"
#include "ftp_secure.hpp"
#include "ftp_transfer.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

/// What may arrive over the data connection.
class data_candidates {
  public:
    data_candidates(ftp_session& user, std::string line, moment since)
        : user_(user), line_(std::move(line)), since_(since) {}

    /// A file, from `offset` on, in octets of the transfer.
    void add(const node_state& file, std::uint64_t offset) {
        candidate made{.file = file, .offset = offset, .text = {}};
        if (!user_.is_image) {
            made.text = text_form(user_, file.octets.octets());
        }
        all_.push_back(std::move(made));
    }
    void add_anything() { all_.push_back({.file = {.kind = node_kind::anything}}); }
    [[nodiscard]] bool empty() const noexcept { return all_.empty(); }

    /// False: a violation, and it is reported.
    bool take(std::string_view octets) {
        std::string why;
        std::erase_if(all_, [&](candidate& each) {
            if (each.is_loose || each.file.kind == node_kind::anything) {
                return false;
            }
            const auto wrong = each.difference(user_.is_image, done_, octets);
            if (!wrong) {
                return false;
            }
            if (user_.context.model.is_disturbed(each.file.octets, since_)) {
                each.is_loose = true;
                return false;
            }
            why += fmt::format("octet {} is not of {} from {}, it is of {}; ", done_ + *wrong,
                               each.file.describe(), each.offset, identify(octets.substr(*wrong)));
            return true;
        });
        done_ += octets.size();
        user_.context.findings.count("ftp octets retrieved", octets.size());
        if (all_.empty()) {
            user_.context.complain("octets of a file are wrong", why, line_);
            return false;
        }
        return true;
    }

    /// The server said that this was all. `is_cut`: the network made the end.
    bool finish(bool is_cut) {
        std::string why;
        std::erase_if(all_, [&](const candidate& each) {
            const auto size = each.size(user_.is_image);
            const bool may_be_less = each.is_loose || is_cut ||
                                     each.file.kind == node_kind::anything ||
                                     user_.context.model.is_disturbed(each.file.octets, since_);
            if (done_ == size || may_be_less) {
                return false;
            }
            why += fmt::format("{} of {} octets of {}; ", done_, size, each.file.describe());
            return true;
        });
        if (all_.empty()) {
            user_.context.complain("a file that is not whole, and a reply that says it is", why,
                                   line_);
        }
        return !all_.empty();
    }

    [[nodiscard]] bool may_fail() const {
        return std::ranges::any_of(all_, [&](const candidate& each) {
            return each.is_loose || user_.context.model.is_disturbed(each.file.octets, since_);
        });
    }

  private:
    struct candidate {
        node_state file;
        std::uint64_t offset = 0;
        std::string text{};
        bool is_loose = false;

        [[nodiscard]] std::uint64_t size(bool is_image) const {
            return (is_image ? file.octets.size_bytes() : text.size()) - offset;
        }
        [[nodiscard]] std::optional<std::size_t> difference(bool is_image, std::uint64_t done,
                                                            std::string_view octets) const {
            if (is_image) {
                return file.octets.first_difference(offset + done, octets);
            }
            const auto at = static_cast<std::size_t>(offset + done);
            const auto wanted = std::string_view(text).substr(std::min(at, text.size()));
            for (std::size_t i = 0; i < octets.size(); ++i) {
                if (i >= wanted.size() || octets[i] != wanted[i]) {
                    return i;
                }
            }
            return std::nullopt;
        }
    };

    ftp_session& user_;
    std::string line_;
    moment since_;
    std::vector<candidate> all_;
    std::uint64_t done_ = 0;
};

/// What is right for RETR when the table lets it through: codes, and what may arrive after 150.
struct retrieval {
    std::string argument;
    std::uint64_t offset = 0;
    moment since = 0;
};

std::vector<int> right_codes(ftp_session& user, const retrieval& what, data_candidates& into) {
    std::vector<int> codes;
    for (const auto& each :
         user.context.model.possible_since(user.in_model(what.argument), what.since)) {
        if (each.kind == node_kind::anything) {
            codes.insert(codes.end(), {150, 550, 554});
            into.add_anything();
        } else if (each.kind != node_kind::file) {
            codes.push_back(550);
        } else {
            const auto size = user.is_image
                                  ? each.octets.size_bytes()
                                  : std::uint64_t{text_form(user, each.octets.octets()).size()};
            if (user.form.structure == file_structure::page && size > paged_octets_max) {
                codes.push_back(550);
            } else if (what.offset > size) {
                codes.push_back(554);
            } else {
                codes.push_back(150);
                into.add(each, what.offset);
            }
        }
    }
    return codes;
}

/// Reads the data connection to its end, or as far as `octets_max`. `over`: it broke off.
task<outcome> read_data(ftp_session& user, wire& data, data_candidates& candidates,
                        form_decoder& form, std::uint64_t octets_max) {
    auto& context = user.context;
    std::uint64_t done = 0;
    const bool is_slow = context.chance(8);
    for (int slow_fills = 0; done < octets_max && !(tells_end(user.form) && form.has_ended());) {
        const bool waits = is_slow && ++slow_fills < 50;
        if (waits) {
            co_await pause(context);
        }
        const auto got = co_await data.fill(context.soon(), waits ? 900 : 64 * 1024);
        if (!got) {
            if (got.error() == errc::invalid) {
                judge_failure(context, got.error(), "reading a data connection", user.before);
                co_return outcome::broken;
            }
            if (got.error() == errc::timed_out) {
                judge_failure(context, got.error(), "reading a data connection", user.before);
                const bool is_excused = context.excused.silences || context.excused.server_ends;
                co_return is_excused ? outcome::over : outcome::broken;
            }
            co_return outcome::over;
        }
        if (!*got) {
            co_return outcome::fine;
        }
        done += data.input().size();
        std::string octets;
        const bool has_form = form.take(data.input(), octets);
        const bool is_right = candidates.take(octets);
        data.input().clear();
        if (!has_form) {
            context.complain("what came is not of the form", describe(user.form), user.before);
        }
        if (!is_right || !has_form) {
            co_return outcome::broken;
        }
    }
    co_return outcome::fine;
}

/// The network has ended the data connection before the server did, and nobody can tell: not so
/// over TLS, which says where its end is.
bool is_cut_short(const ftp_session& user, const wire& data) {
    const auto& tells = user.context.network.is_incoming_cut;
    return tells && data.is_open() && !data.is_secure() && tells(data.fd());
}

/// REST, where the offset is not 0.
task<outcome> restart_at(ftp_session& user, std::uint64_t offset) {
    const auto went =
        co_await carry_out(user, assemble(user, {.verb = "REST",
                                                 .argument = fmt::format("{}", offset),
                                                 .codes = [] { return std::vector{350}; },
                                                 .effect =
                                                     [&user, offset](const ftp_reply&) {
                                                         user.restart_offset = offset;
                                                         return std::string();
                                                     }}));
    co_return went;
}

std::uint64_t draw_offset(ftp_session& user, const std::string& argument) {
    const auto states = user.context.model.possible(user.in_model(argument));
    const auto size = states.empty() ? 0 : states.front().octets.size_bytes();
    return user.context.rng.below(size + size / 8 + 2);
}

}  // namespace

task<outcome> retrieve(ftp_session& user) {
    auto& context = user.context;
    retrieval what{.argument = draw_name(user)};
    if (!user.is_image &&
        context.model.possible(user.in_model(what.argument)).front().octets.size_bytes() >
            1'000'000) {
        co_return outcome::fine;  // Its text form would have to be kept.
    }
    const bool has_restart = is_plain(user.form) || (context.says_all && has_markers(user.form));
    if (has_restart && context.chance(4)) {
        what.offset = draw_offset(user, what.argument);
        const auto went = co_await restart_at(user, what.offset);
        if (went != outcome::fine) {
            co_return went;
        }
    }
    what.offset = user.restart_offset;
    data_way way;
    auto went = co_await set_up_data(user, way);
    if (went != outcome::fine || !user.data_is_set_up) {
        co_return went;
    }
    const auto line = "RETR " + what.argument;
    what.since = context.model.now();
    wire data;
    const bool connects_first = way.is_passive && context.chance(2);
    if (connects_first) {
        auto opened = co_await open_data(user, way);
        if (!opened) {
            judge_failure(context, opened.error(), "opening a data connection", line);
            co_return context.is_strict() ? outcome::broken : outcome::over;
        }
        data = std::move(*opened);
    }
    const auto when = is_plain(user.form) ? draw_interruption(context) : interruption::none;
    // At once: before the server can have said 150.
    const bool aborts_at_once = when == interruption::abort && context.chance(3);
    if (aborts_at_once) {
        static_cast<void>(
            co_await user.control.send(line_octets(line) + "ABOR\r\n", context.soon()));
    } else {
        static_cast<void>(co_await send_line(user, line));
    }
    if (way.is_passive && !connects_first) {
        auto opened = co_await open_data(user, way);
        if (opened) {  // Else the server does not want it any more: its reply says why.
            data = std::move(*opened);
        }
    }
    ftp_reply reply;
    went = co_await read_reply(user, reply, context.soon(), line);
    if (went != outcome::fine) {
        co_return went;
    }
    take_announcement(user, way, reply);
    const auto refused = refused_by_table(user, "RETR", what.argument);
    user.restart_offset = 0;
    user.data_is_set_up = false;
    user.rename_from.reset();
    data_candidates candidates(user, line, what.since);
    auto codes = refused ? std::vector{*refused} : right_codes(user, what, candidates);
    if (aborts_at_once) {
        codes.push_back(426);
    }
    const bool is_right = std::ranges::find(codes, reply.code) != codes.end();
    if (!is_right && !is_excused_reply(context, reply.code)) {
        context.complain("a reply that is not right", reply.describe(), line);
        co_return outcome::broken;
    }
    transfer_close close{.line = line, .what = interruption::none};
    if (reply.code != 150) {
        if (aborts_at_once) {
            ftp_reply aborted;
            went = co_await read_reply(user, aborted, context.soon(), "ABOR");
            if (went == outcome::fine && aborted.code != 226 &&
                !is_excused_reply(context, aborted.code)) {
                context.complain("a reply that is not right", aborted.describe(), "ABOR");
                co_return outcome::broken;
            }
        }
        co_return went;
    }
    if (!data.is_open()) {
        auto opened = co_await open_data(user, way);
        if (!opened) {
            judge_failure(context, opened.error(), "opening a data connection", line);
            co_return context.is_strict() ? outcome::broken : outcome::over;
        }
        data = std::move(*opened);
    }
    close.what = aborts_at_once ? when : interruption::none;
    const auto shielded = co_await protect_data(user, data, close);
    if (shielded != outcome::fine) {
        co_return close.final_code != 0 && shielded == outcome::over ? outcome::fine : shielded;
    }
    close.what = when;
    form_decoder form(user.form, what.offset);
    auto arrived = outcome::fine;
    if (when != interruption::none && !aborts_at_once) {
        arrived = co_await read_data(user, data, candidates, form, context.rng.below(100'000));
        if (arrived == outcome::broken) {
            co_return arrived;
        }
        co_await interrupt(user, when);
    }
    if (when == interruption::drop_control) {
        data.reset();
        user.control.reset();
        co_return outcome::over;
    }
    bool is_dropped = when == interruption::drop_data;
    if (is_dropped) {
        data.reset();
    } else if (arrived == outcome::fine) {
        arrived = co_await read_data(user, data, candidates, form, ~std::uint64_t{0});
        if (arrived == outcome::broken) {
            co_return arrived;
        }
    }
    const bool leaves = (co_await runtime::current_scope()).stop_requested();  // Of its own accord.
    if (arrived == outcome::over && when == interruption::none && data.is_secure() &&
        context.is_strict() && !leaves) {
        context.complain("a data connection over TLS has ended without a close_notify", "", line);
        co_return outcome::broken;
    }
    const bool is_cut = is_cut_short(user, data);
    went = co_await read_final(user, close);
    if (went == outcome::broken || close.final_code == 0) {
        co_return went;
    }
    const bool may_fail = is_dropped || when == interruption::abort ||
                          when == interruption::abort_urgent || candidates.may_fail() ||
                          is_excused_reply(context, close.final_code);
    const bool is_failure = close.final_code == 426 ||
                            ((close.final_code / 100 == 4 || close.final_code == 522) && may_fail);
    if (close.final_code / 100 == 2 && arrived == outcome::fine && marks_end(user.form) &&
        !form.has_ended() && !is_cut) {
        context.complain("a file without the end that its form has", describe(user.form), line);
        co_return outcome::broken;
    }
    context.findings.count("ftp restart markers retrieved", form.markers());
    // A connection that broke under the last octets may have had all of them sent into it.
    const int right_code = tells_end(user.form) ? 250 : 226;
    if (close.final_code == right_code
            ? !is_dropped && arrived == outcome::fine && !candidates.finish(is_cut)
            : !may_fail || !is_failure) {
        if (close.final_code != right_code) {
            context.complain("a final reply that is not right", fmt::format("{}", close.final_code),
                             line);
        }
        co_return outcome::broken;
    }
    if (close.final_code == 250 && arrived == outcome::fine && keeps_data(user)) {
        user.kept = std::move(data);
    }
    co_return went;
}

task<outcome> stand_up(ftp_session& user) {
    auto& context = user.context;
    data_way way;
    user.kept.close();
    auto went = co_await set_up_data(user, way);
    if (went != outcome::fine || !user.data_is_set_up) {
        co_return went;
    }
    if (!way.is_passive) {
        way.listening.reset();  // The server's call is refused.
    }
    static_cast<void>(co_await send_line(user, "MLSD /"));
    const auto began = context.here.now();
    ftp_reply reply;
    went = co_await read_reply(
        user, reply, began + context.server.data_connect_timeout + context.server.slack, "MLSD /");
    user.restart_offset = 0;
    user.data_is_set_up = false;
    user.rename_from.reset();
    if (went != outcome::fine) {
        co_return went;
    }
    const int right = user.who ? 425 : 530;
    if (reply.code != right && !is_excused_reply(context, reply.code)) {
        context.complain("a reply that is not right", reply.describe(), "MLSD without data");
        co_return outcome::broken;
    }
    const bool is_early = context.here.now() - began < context.server.data_connect_timeout / 2;
    if (way.is_passive && right == 425 && is_early && context.is_strict()) {
        context.complain("a timeout came too early", reply.describe(), "MLSD without data");
        co_return outcome::broken;
    }
    co_return outcome::fine;
}

task<outcome> list(ftp_session& user) {
    auto& context = user.context;
    data_way way;
    auto went = co_await set_up_data(user, way);
    if (went != outcome::fine || !user.data_is_set_up) {
        co_return went;
    }
    listing_asked asked;
    asked.style = static_cast<list_style>(context.rng.below(3));
    asked.typed = context.chance(4) ? "" : draw_name(user);
    asked.path = user.in_model(asked.typed);
    std::string options;
    if (asked.style != list_style::facts && context.chance(3)) {
        asked.shows_hidden = true;
        asked.shows_dots = context.chance(2);
        options = asked.shows_dots ? "-a" : "-A";
        if (asked.style == list_style::unix_lines && context.chance(2)) {
            options += context.chance(2) ? "l" : "tr";
            asked.is_sorted = options.ends_with('l') || options.size() == 2;
        }
    }
    asked.shows_hidden = asked.shows_hidden || asked.style == list_style::facts;
    if (asked.style == list_style::unix_lines && user.lists_as_dos) {
        asked.style = list_style::dos_lines;
    }
    const auto* const verb = asked.style == list_style::facts   ? "MLSD"
                             : asked.style == list_style::names ? "NLST"
                                                                : "LIST";
    const auto argument = options.empty()       ? asked.typed
                          : asked.typed.empty() ? options
                                                : options + " " + asked.typed;
    const auto line = argument.empty() ? std::string(verb) : fmt::format("{} {}", verb, argument);
    const auto since = context.model.now();
    static_cast<void>(co_await send_line(user, line));
    wire data;
    if (way.is_passive) {
        auto opened = co_await open_data(user, way);
        if (opened) {
            data = std::move(*opened);
        }
    }
    ftp_reply reply;
    went = co_await read_reply(user, reply, context.soon(), line);
    if (went != outcome::fine) {
        co_return went;
    }
    take_announcement(user, way, reply);
    const auto refused = refused_by_table(user, verb, argument);
    user.restart_offset = 0;
    user.data_is_set_up = false;
    user.rename_from.reset();
    std::vector<int> codes;
    const bool is_paged = user.form.structure == file_structure::page;  // Those are of images.
    bool may_be_file = false;
    bool may_be_directory = false;
    if (refused) {
        codes.push_back(*refused);
    } else if (is_paged) {
        codes.push_back(504);
    } else {
        for (const auto& each : context.model.possible_since(asked.path, since)) {
            const bool is_file = each.kind == node_kind::file;
            may_be_file = may_be_file || is_file || each.kind == node_kind::anything;
            may_be_directory = may_be_directory || each.kind == node_kind::directory ||
                               each.kind == node_kind::anything;
            if (each.kind == node_kind::anything) {
                codes.insert(codes.end(), {150, 501, 550});
                continue;
            }
            codes.push_back(each.kind == node_kind::absent                ? 550
                            : is_file && asked.style == list_style::facts ? 501
                                                                          : 150);
        }
        bool is_below_file = false;  // However far.
        for (auto above = parent_of(asked.path); above != "/"; above = parent_of(above)) {
            const auto states = context.model.possible_since(above, since);
            is_below_file |= std::ranges::any_of(states, [](const node_state& each) {
                return each.kind == node_kind::file || each.kind == node_kind::anything;
            });
        }
        if (is_below_file && asked.style == list_style::facts) {
            codes.push_back(501);
        }
    }
    if (std::ranges::find(codes, reply.code) == codes.end() &&
        !is_excused_reply(context, reply.code)) {
        context.complain("a reply that is not right", reply.describe(), line);
        co_return outcome::broken;
    }
    if (reply.code != 150) {
        co_return outcome::fine;
    }
    if (!data.is_open()) {
        auto opened = co_await open_data(user, way);
        if (!opened) {
            judge_failure(context, opened.error(), "opening a data connection", line);
            co_return context.is_strict() ? outcome::broken : outcome::over;
        }
        data = std::move(*opened);
    }
    transfer_close close{.line = line};
    const auto shielded = co_await protect_data(user, data, close);
    if (shielded != outcome::fine) {
        co_return close.final_code != 0 && shielded == outcome::over ? outcome::fine : shielded;
    }
    bool is_cut = false;
    form_decoder form(user.form);
    form.expect_text();
    std::string text;
    for (;;) {  // Bounded by the deadline of `fill` and what the server has to list.
        const auto got = co_await data.fill(context.soon());
        if (!got || !*got) {
            if (!got && (got.error() == errc::timed_out || got.error() == errc::invalid ||
                         context.is_strict())) {
                judge_failure(context, got.error(), "reading a listing", line);
            }
            is_cut = !got;
            break;
        }
        const bool has_form = form.take(data.input(), text);
        data.input().clear();
        if (!has_form) {
            context.complain("a listing is not of the form", describe(user.form), line);
            co_return outcome::broken;
        }
        if (tells_end(user.form) && form.has_ended()) {
            break;
        }
    }
    const bool is_ended_by_network = is_cut_short(user, data);
    went = co_await read_final(user, close);
    if (went != outcome::fine) {
        co_return went;
    }
    if (close.final_code != (tells_end(user.form) ? 250 : 226)) {
        if (is_excused_reply(context, close.final_code)) {
            co_return outcome::fine;
        }
        context.complain("a final reply that is not right", fmt::format("{}", close.final_code),
                         line);
        co_return outcome::broken;
    }
    const bool has_line_ends = user.form.is_ebcdic || user.form.structure == file_structure::record;
    text = has_line_ends ? network_form(text) : std::move(text);
    std::string why;
    for (const bool is_directory : {true, false}) {
        if (!(is_directory ? may_be_directory : may_be_file)) {
            continue;
        }
        asked.is_directory = is_directory;
        const auto problem = judge_ftp_listing(user, asked, text, since);
        if (problem.empty()) {
            if (!is_cut && keeps_data(user)) {
                user.kept = std::move(data);
            }
            co_return outcome::fine;
        }
        why += problem + "; ";
    }
    if (is_ended_by_network || (is_cut && !context.is_strict())) {
        co_return outcome::fine;
    }
    context.complain("a directory is listed wrongly", why, line);
    co_return outcome::broken;
}

}  // namespace ferry::sim::test
