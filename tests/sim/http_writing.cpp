#include "http_writing.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "ferry/base/assert.hpp"
#include "ferry/runtime/wait.hpp"
#include "http_expectation.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

enum class write_kind : std::uint8_t { put, remove, make_directory, move, copy };

/// What must hold for a PUT or a DELETE (RFC 9110 section 13.1).
enum class required : std::uint8_t {
    nothing,
    free_name,  ///< If-None-Match: *
    any_file,   ///< If-Match: *
    stored,     ///< If-Match with the tag that an upload of ours was answered with.
    another,    ///< If-Match with a tag of nothing.
};

/// What becomes of the content.
enum class sending : std::uint8_t {
    whole,
    ended,   ///< Our side ends in the middle.
    reset,   ///< The connection is reset in the middle.
    silent,  ///< Nothing more comes.
    left,    ///< All of it is sent, and nobody waits for the answer.
};

/// What is said of the content's digest (RFC 9530).
enum class told_digest : std::uint8_t {
    none,
    right,
    wrong,  ///< Of other octets: nothing may be stored.
};

/// One request as it is meant.
struct attempt {
    write_kind kind = write_kind::put;
    std::optional<ftp_account> who{};  ///< Nothing: nobody has logged in.
    bool is_password_wrong = false;
    std::string path;    ///< In the model,
    std::string target;  ///< and what is to have it afterwards: of MOVE and COPY.
    bool overwrites = true;
    required must = required::nothing;
    std::optional<stored_tag> expected{};  ///< For `required::stored`.
    content octets{};
    std::optional<std::uint64_t> offset{};  ///< Of a part of the file,
    std::optional<std::uint64_t> whole{};   ///< which is to have so many octets.
    bool is_chunked = false;
    bool waits = false;  ///< Expect: 100-continue.
    told_digest digest = told_digest::none;
    sending how = sending::whole;
    std::string framed{};  ///< The content as it is sent.
    http_request asked{};  ///< The head; for messages, too.

    moment since = 0;
    std::uint64_t changes = 0;  ///< Of the name, its own among them.
    bool was_settled = false;
    bool was_file = false;     ///< One thing only, and that a file.
    bool was_cut_off = false;  ///< An earlier upload of the whole, and so this is to be refused.
    cut_uploads parts{};       ///< What it may go on with.
    std::optional<model_tree::token> change{};

    [[nodiscard]] bool has_two_names() const noexcept {
        return kind == write_kind::move || kind == write_kind::copy;
    }
    [[nodiscard]] bool may_change(const std::string& name) const {
        return who && !is_password_wrong && who->may_change &&
               (who->root == "/" || name.starts_with(who->root + "/"));
    }
    /// Whether rights let it through.
    [[nodiscard]] bool is_allowed() const {
        return may_change(path) && (!has_two_names() || may_change(target));
    }
};

/// Where one of the accounts has files that only this client changes.
std::string home_of(const client_context& context, const attempt& what) {
    const bool is_confined = what.who && what.who->root != "/";
    return is_confined ? what.who->root + "/own/" + name_of(context.own_directory)
                       : context.own_directory;
}

/// A name that may be changed without spoiling what others rely on; those of FTP's clients.
std::string draw_own_file(client_context& context, const attempt& what) {
    const bool is_confined = what.who && what.who->root != "/";
    const bool is_beside = context.packing.uses_files_beside && context.chance(3);
    const auto coding = is_beside ? codings_beside()[context.rng.below(3)] : std::string();
    const auto named = [&](std::string name) {
        return is_beside ? beside(name, coding) : std::move(name);
    };
    if (!is_confined && context.chance(3)) {
        return named(
            joined(context.shared_directory, fmt::format("s{}.bin", context.rng.below(6))));
    }
    const auto home = home_of(context, what);
    const auto where = context.chance(3)   ? joined(home, "d")
                       : context.chance(6) ? joined(home, "e")
                                           : home;
    return named(joined(
        where, fmt::format("f{}.{}", context.rng.below(6), context.chance(4) ? "txt" : "bin")));
}

std::string draw_own_directory(client_context& context, const attempt& what) {
    const auto home = home_of(context, what);
    switch (context.rng.below(6)) {
        case 0:
            return joined(home, "d");
        case 1:
            return joined(home, "e");
        case 2:
            return joined(home, "d/e");
        case 3:
            return joined(home, "no-such-name/x");
        default:
            return joined(home, fmt::format("dir{}", context.rng.below(3)));
    }
}

void draw_account(client_context& context, attempt& made) {
    const auto chosen = context.rng.below(12);
    if (chosen == 0 || context.accounts.empty()) {
        return;
    }
    const auto index = chosen < 8 ? 0U : chosen < 11 ? 1U : 2U;
    made.who = context.accounts[std::min<std::size_t>(index, context.accounts.size() - 1)];
    made.is_password_wrong = context.is_patient && !context.is_persistent && context.chance(60);
}

/// The file, or a part of it that begins where there may be something already.
void draw_content(client_context& context, attempt& made) {
    constexpr std::uint64_t large_bytes_min = 1'100'000;
    const auto size =
        context.chance(8) ? 0
        : context.chance(24) && context.large_bytes_max > large_bytes_min
            ? large_bytes_min + context.rng.below(context.large_bytes_max - large_bytes_min)
        : context.chance(3) ? context.rng.below(context.upload_bytes_max)
                            : context.rng.below(5'000);
    made.octets = context.model.fresh(pattern_kind::binary, size);
    made.is_chunked = context.chance(3);
    made.waits = context.chance(6);
    // By the size, which is as good as drawn: what comes behind is drawn as it would be without.
    made.digest = size % 7 == 3   ? told_digest::right
                  : size % 7 == 5 ? told_digest::wrong
                                  : told_digest::none;
    if (size == 0 || !context.chance(5)) {
        return;
    }
    const auto states = context.model.possible(made.path);
    auto there = states.front().octets.size_bytes();
    const auto parts = made.who ? context.model.parts_of(made.who->name, made.path) : cut_uploads{};
    if (states.front().kind == node_kind::absent && !parts.wholes.empty()) {
        there = parts.wholes.back().size_bytes();
    }
    made.offset = context.chance(4) ? there : context.rng.below(there + there / 8 + 2);
    if (context.chance(2)) {
        made.whole = *made.offset + size + (context.chance(2) ? 0 : context.rng.below(9'000));
    }
    if (made.offset == 0 && made.whole == size) {
        made.offset.reset();  // That is all of the file.
        made.whole.reset();
    }
}

void draw_requirement(const conversation& talk, attempt& made) {
    auto& context = talk.context;
    if (!context.chance(3)) {
        return;
    }
    const auto stored = talk.stored.find(made.path);
    switch (context.rng.below(stored == talk.stored.end() ? 4 : 8)) {
        case 0:
            made.must = required::any_file;
            break;
        case 1:
            made.must = required::another;
            break;
        case 2:
        case 3:
            made.must = made.kind == write_kind::put ? required::free_name : required::any_file;
            break;
        default:
            made.must = required::stored;
            made.expected = stored->second;
            break;
    }
}

void draw_sending(client_context& context, attempt& made) {
    if (made.kind != write_kind::put || context.is_persistent || !context.chance(4)) {
        return;
    }
    switch (context.rng.below(context.is_patient ? 9 : 8)) {
        case 0:
        case 1:
        case 2:
        case 3:
            made.how = sending::ended;
            break;
        case 4:
        case 5:
            made.how = sending::reset;
            break;
        case 6:
        case 7:
            made.how = sending::left;
            break;
        default:
            made.how = sending::silent;
            break;
    }
}

std::string in_chunks(client_context& context, const std::string& octets) {
    std::string made;
    auto chunks_left = 1 + context.rng.below(6);
    for (std::size_t done = 0; done < octets.size();) {
        const auto left = octets.size() - done;
        const auto count = --chunks_left == 0 ? left : 1 + context.rng.below(left);
        made += fmt::format("{:x}{}\r\n", count, context.chance(6) ? ";name=value" : "");
        made.append(octets, done, count);
        made += "\r\n";
        done += count;
        chunks_left = std::max<std::uint64_t>(chunks_left, 1);
    }
    made += context.chance(4) ? "0\r\nX-Trailer: there\r\n\r\n" : "0\r\n\r\n";
    return made;
}

std::string requirement_field(const attempt& what) {
    switch (what.must) {
        case required::nothing:
            break;
        case required::free_name:
            return "If-None-Match: *\r\n";
        case required::any_file:
            return "If-Match: *\r\n";
        case required::stored:
            return fmt::format("If-Match: \"no-tag-of-yours\", {}\r\n", what.expected->tag);
        case required::another:
            return "If-Match: \"no-tag-of-yours\"\r\n";
    }
    return {};
}

/// Of the content of this request, or of all that the file is to have, which are the same where the
/// request has no Content-Range.
std::string digest_field(const attempt& what, std::string octets) {
    if (what.digest == told_digest::none) {
        return {};
    }
    if (what.digest == told_digest::wrong) {
        octets += '.';
    }
    std::array<unsigned char, 32> made{};
    unsigned size = 0;
    FERRY_ASSERT(::EVP_Digest(octets.data(), octets.size(), made.data(), &size, ::EVP_sha256(),
                              nullptr) == 1);
    const std::string digest(made.begin(), made.end());
    const bool is_of_whole = !what.offset && octets.size() % 2 == 0;
    return fmt::format("{}-Digest: md5=:AA==:, sha-256=:{}:\r\n", is_of_whole ? "Repr" : "Content",
                       encode_base64(digest));
}

void write_head(client_context& context, attempt& what) {
    static constexpr std::array<std::string_view, 5> methods{"PUT", "DELETE", "MKCOL", "MOVE",
                                                             "COPY"};
    auto& head = what.asked.octets;
    what.asked.path = what.path;
    head = fmt::format("{} {} HTTP/1.1\r\nHost: ferry.example\r\n",
                       methods[static_cast<std::size_t>(what.kind)],
                       encode_path(what.path, context.rng.next()));
    if (what.who) {
        head += fmt::format("Authorization: Basic {}\r\n",
                            encode_base64(what.who->name + ":" + what.who->password +
                                          (what.is_password_wrong ? "?" : "")));
    }
    head += requirement_field(what);
    if (what.has_two_names()) {
        head +=
            fmt::format("Destination: {}{}\r\n", context.chance(2) ? "http://ferry.example" : "",
                        encode_path(what.target, context.rng.next()));
        head += what.overwrites ? context.chance(2) ? "Overwrite: T\r\n" : "" : "Overwrite: F\r\n";
    }
    if (what.kind == write_kind::put) {
        const auto octets = what.octets.octets();
        what.framed = what.is_chunked ? in_chunks(context, octets) : octets;
        head += what.is_chunked ? std::string("Transfer-Encoding: chunked\r\n")
                                : fmt::format("Content-Length: {}\r\n", octets.size());
        if (what.offset) {
            head += fmt::format("Content-Range: bytes {}-{}/{}\r\n", *what.offset,
                                *what.offset + octets.size() - 1,
                                what.whole ? fmt::format("{}", *what.whole) : "*");
        }
        head += what.waits ? "Expect: 100-continue\r\n" : "";
        head += digest_field(what, octets);
        if (what.framed.empty()) {
            what.how = sending::whole;  // Nothing to cut off.
        }
    }
    head += "\r\n";
}

attempt draw_attempt(conversation& talk) {
    auto& context = talk.context;
    attempt made;
    draw_account(context, made);
    const auto chosen = context.rng.below(12);
    made.kind = chosen < 7    ? write_kind::put
                : chosen < 8  ? write_kind::remove
                : chosen < 9  ? write_kind::make_directory
                : chosen < 11 ? write_kind::move
                              : write_kind::copy;
    const bool is_directory = made.kind == write_kind::make_directory ||
                              (made.kind != write_kind::put && context.chance(4));
    made.path = is_directory ? draw_own_directory(context, made) : draw_own_file(context, made);
    if (made.has_two_names()) {
        made.target =
            is_directory ? draw_own_directory(context, made) : draw_own_file(context, made);
        made.overwrites = !context.chance(3);
    }
    const bool is_confined = made.who && made.who->root != "/";
    if (is_confined && context.chance(8)) {  // Not its own.
        (context.chance(2) && made.has_two_names() ? made.target : made.path) =
            joined(context.own_directory, "first.bin");
    }
    // Nobody can say what is copied of a file that others change in place.
    if (made.kind == write_kind::copy && made.path.starts_with(context.shared_directory + "/")) {
        made.path = joined(home_of(context, made), "f0.bin");
    }
    if (made.kind == write_kind::put) {
        draw_content(context, made);
    }
    if (made.kind == write_kind::put || made.kind == write_kind::remove) {
        draw_requirement(talk, made);
    }
    draw_sending(context, made);
    write_head(context, made);
    return made;
}

change change_of(const attempt& what) {
    change made{.octets = what.octets, .parts = what.parts};
    switch (what.kind) {
        case write_kind::put:
            break;
        case write_kind::remove:
            return {.kind = change_kind::remove, .parts = what.parts};
        case write_kind::make_directory:
        case write_kind::move:
        case write_kind::copy:
            return {.kind = change_kind::make_directory};
    }
    if (what.offset) {
        made.kind = change_kind::restart;
        made.offset = *what.offset;
        return made;
    }
    switch (what.must) {
        case required::nothing:
        case required::another:
            made.kind = change_kind::replace;
            break;
        case required::free_name:
            made.kind = change_kind::create;
            break;
        case required::stored:
            made.only_of = what.expected->octets;
            [[fallthrough]];
        case required::any_file:
            made.kind = change_kind::replace_file;
            break;
    }
    return made;
}

/// From here on it may happen.
void begin_change(client_context& context, attempt& what) {
    auto& model = context.model;
    const bool is_into_itself =
        what.target == what.path || what.target.starts_with(what.path + "/");
    const bool can_happen = what.is_allowed() && what.must != required::another &&
                            !(what.has_two_names() && is_into_itself);
    what.since = model.now();
    what.was_settled = model.is_settled(what.path);
    what.was_file = what.was_settled && model.possible(what.path).front().kind == node_kind::file;
    if (can_happen && what.kind == write_kind::put) {
        const auto& owner = what.who->name;
        what.parts = model.parts_of(owner, what.path);
        what.was_cut_off = what.offset && model.is_cut_off(owner, what.path) && context.is_strict();
        model.may_replace(owner, what.path);
        model.may_be_cut(owner, what.path, change_of(what));
    }
    if (can_happen && what.kind == write_kind::remove) {
        what.parts = model.parts_of(what.who->name, what.path);
    }
    if (can_happen && what.kind == write_kind::move) {
        what.change = model.begin_rename(what.path, what.target, what.overwrites);
    } else if (can_happen && what.kind == write_kind::copy) {
        what.change = model.begin_copy(what.path, what.target, what.overwrites);
    } else if (can_happen) {
        what.change = model.begin(what.path, change_of(what));
    }
    what.changes = model.changes(what.path);
}

/// Whether a directory may be empty, and whether it may not be.
struct http_emptiness {
    bool may_be_empty = true;
    bool may_be_full = false;
};
http_emptiness http_emptiness_of(client_context& context, const std::string& directory,
                                 moment since) {
    http_emptiness made;
    for (const auto& name : context.model.children(directory)) {
        for (const auto& each : context.model.possible_since(joined(directory, name), since)) {
            made.may_be_full = made.may_be_full || each.kind != node_kind::absent;
        }
        const auto possible = context.model.possible_since(joined(directory, name), since);
        made.may_be_empty =
            made.may_be_empty && std::ranges::any_of(possible, [](const node_state& each) {
                return each.kind == node_kind::absent || each.kind == node_kind::anything;
            });
    }
    made.may_be_full =
        made.may_be_full || context.model.may_be_unnamed_upload(joined(directory, "upload-"));
    return made;
}

bool may_lack_parent(client_context& context, const std::string& path, moment since) {
    return std::ranges::any_of(
        context.model.possible_since(parent_of(path), since),
        [](const node_state& each) { return each.kind != node_kind::directory; });
}

/// Whether what was required may hold for `each`, and whether it may not.
struct holding {
    bool may_hold = true;
    bool may_fail = false;
};
holding is_held(client_context& context, const attempt& what, const node_state& each) {
    const bool is_there = each.kind != node_kind::absent;
    switch (what.must) {
        case required::nothing:
            break;
        case required::free_name:
            return {.may_hold = !is_there, .may_fail = is_there};
        case required::any_file:
            return {.may_hold = is_there, .may_fail = !is_there};
        case required::another:
            return {.may_hold = false, .may_fail = true};
        case required::stored: {
            const bool is_that =
                each.kind == node_kind::file && each.octets == what.expected->octets;
            // Its own change is one; a tag lasts as long as nobody does anything to the name.
            const bool is_sure = is_that && context.is_strict() && what.was_settled &&
                                 context.model.changes(what.path) == what.changes &&
                                 what.changes == what.expected->changes + 1;
            return {.may_hold = is_that, .may_fail = !is_sure};
        }
    }
    return {};
}

void add_put_statuses(client_context& context, const attempt& what, const node_state& each,
                      std::vector<int>& out) {
    const auto held = is_held(context, what, each);
    if (each.kind == node_kind::directory) {
        out.push_back(409);
        return;
    }
    if (held.may_fail) {
        out.push_back(412);
    }
    if (!held.may_hold) {
        return;
    }
    const bool is_file = each.kind == node_kind::file;
    const auto size = each.octets.size_bytes();
    if (is_file && what.offset && (*what.offset > size || (what.whole && size > *what.whole))) {
        out.push_back(416);
        return;
    }
    if (is_file) {
        out.push_back(204);
        return;
    }
    if (what.offset && *what.offset > 0) {
        out.push_back(416);
    }
    if (!what.offset || *what.offset == 0 || what.parts.may_be_any()) {
        out.push_back(201);
    }
    if (what.offset && what.parts.may_be_any()) {
        out.insert(out.end(), {409, 503});  // Another connection may be at the part.
    }
}

void add_removal_statuses(client_context& context, const attempt& what, const node_state& each,
                          std::vector<int>& out) {
    const auto held = is_held(context, what, each);
    if (each.kind == node_kind::absent) {
        out.push_back(404);
        if (what.must != required::nothing) {  // Or it went between being looked at and removed.
            out.push_back(412);
        }
        if (what.parts.may_be_any() && held.may_hold) {  // What was cut off of an upload is gone.
            out.push_back(204);
        }
        return;
    }
    if (held.may_fail) {
        out.push_back(412);
    }
    if (!held.may_hold) {
        return;
    }
    const auto inside = http_emptiness_of(context, what.path, what.since);
    if (each.kind == node_kind::file || inside.may_be_empty) {
        out.push_back(204);
    }
    if (each.kind == node_kind::directory && inside.may_be_full) {
        out.push_back(409);
    }
}

void add_pair_statuses(client_context& context, const attempt& what, const node_state& from,
                       const node_state& to, std::vector<int>& out) {
    if (what.path == what.target) {
        out.push_back(from.kind == node_kind::absent ? 404 : 403);
        return;
    }
    const bool is_free = to.kind == node_kind::absent;
    if (from.kind == node_kind::absent) {
        out.push_back(404);
        return;
    }
    if (!is_free && !what.overwrites) {
        out.push_back(412);
        return;
    }
    if (what.target.starts_with(what.path + "/")) {  // Within itself, or in no directory.
        out.insert(out.end(), {403, 409});
        return;
    }
    const bool is_copied_directory =
        what.kind == write_kind::copy && from.kind == node_kind::directory;
    if (is_copied_directory || (!is_free && to.kind != from.kind)) {
        out.push_back(409);
        return;
    }
    const auto inside = http_emptiness_of(context, what.target, what.since);
    if (to.kind == node_kind::directory && inside.may_be_full) {
        out.push_back(409);
    }
    if (to.kind != node_kind::directory || inside.may_be_empty) {
        out.push_back(is_free ? 201 : 204);
    }
}

/// Somebody else was at one of the names meanwhile.
bool was_disputed(client_context& context, const attempt& what) {
    return !what.was_settled || context.model.changes(what.path) != what.changes ||
           (what.has_two_names() && !context.model.is_settled(what.target));
}

/// What it may be answered with.
std::vector<int> right_statuses(client_context& context, const attempt& what) {
    auto& model = context.model;
    if (what.is_password_wrong) {
        return {401, 429};
    }
    if (!what.is_allowed()) {
        return {what.who ? 403 : 401};
    }
    if (what.was_cut_off && model.changes(what.path) == what.changes &&
        what.must == required::nothing) {
        // Else the old beginning would be joined to the new rest.
        return what.whole ? std::vector{409, 416} : std::vector{409};
    }
    std::vector<int> out;
    for (const auto& each : model.possible_since(what.path, what.since)) {
        if (each.kind == node_kind::anything) {
            out.insert(out.end(), {201, 204, 403, 404, 405, 409, 412, 416, 503});
            continue;
        }
        switch (what.kind) {
            case write_kind::put:
                add_put_statuses(context, what, each, out);
                break;
            case write_kind::remove:
                add_removal_statuses(context, what, each, out);
                break;
            case write_kind::make_directory:
                out.push_back(each.kind == node_kind::absent ? 201 : 405);
                break;
            case write_kind::move:
            case write_kind::copy:
                for (const auto& to : model.possible_since(what.target, what.since)) {
                    if (to.kind == node_kind::anything) {
                        out.insert(out.end(), {201, 204, 404, 409, 412});
                    } else {
                        add_pair_statuses(context, what, each, to, out);
                    }
                }
                break;
        }
    }
    const auto& made_name = what.has_two_names() ? what.target : what.path;
    if (what.kind != write_kind::remove && may_lack_parent(context, made_name, what.since)) {
        out.push_back(409);
    }
    if (what.has_two_names() && may_lack_parent(context, what.path, what.since)) {
        out.push_back(404);
    }
    if (what.offset && model.may_be_cut_off(what.who->name, what.path)) {
        out.push_back(409);
    }
    if (was_disputed(context, what)) {
        out.insert(out.end(), {409, 412});
        if (what.kind != write_kind::put) {
            out.push_back(404);
        }
    }
    return out;
}

/// What the model makes of it, `status` 0: nobody knows what has become of it.
outcome conclude(conversation& talk, const attempt& what, int status) {
    auto& context = talk.context;
    auto& model = context.model;
    if (status / 100 == 2 && !what.change) {
        return broken(talk, "a change was confirmed that must not be", fmt::format("{}", status),
                      what.asked);
    }
    if (!what.change) {
        return outcome::fine;
    }
    if (status == 0) {
        model.unknown(*what.change);
        return outcome::over;
    }
    // Of an upload that has begun and was cut off since, what is gone may be a part of it.
    const bool may_be_of_part = what.kind == write_kind::remove && !what.parts.may_be_any() &&
                                model.parts_of(what.who->name, what.path).may_be_any();
    if (status / 100 == 2 && may_be_of_part) {
        model.either(*what.change);
        return outcome::fine;
    }
    if (status / 100 == 2) {
        return model.acknowledged(*what.change)
                   ? outcome::fine
                   : broken(talk, "a change was confirmed that no order of changes explains",
                            fmt::format("{}: {}", what.path, what.octets.describe()), what.asked);
    }
    return take_as_refused(talk, *what.change, what.path, what.asked);
}

constexpr int never = 400;  ///< As if it had been answered so: the content is not whole.

/// Sends `octets`. False: the server took no more.
task<bool> send_content(conversation& talk, std::string_view octets) {
    constexpr std::size_t piece_bytes = 64 * 1024;
    auto& context = talk.context;
    const bool is_slow = context.chance(6);
    const bool takes_a_break = context.is_patient && context.chance(24);
    for (std::size_t done = 0; done < octets.size();) {
        const auto most = std::min(piece_bytes, octets.size() - done);
        const auto piece = context.chance(2) ? most : 1 + context.rng.below(most);
        const auto sent = co_await talk.peer.send(
            octets.substr(done, piece),
            context.here.now() + context.server.body_timeout + context.server.slack);
        if (!sent) {
            co_return false;
        }
        context.findings.count("http octets stored", piece);
        done += piece;
        if (is_slow) {
            co_await pause(context);
        }
        if (takes_a_break && done < octets.size()) {
            static_cast<void>(co_await runtime::sleep_until(
                context.here, context.here.now() + std::chrono::seconds(3)));
        }
    }
    co_return true;
}

std::string judge_head(const client_context& context, const attempt& what,
                       const answer_head& head) {
    std::vector<std::string_view> wanted{"date", "server"};
    const bool is_done = head.status / 100 == 2;
    if (is_done && what.kind == write_kind::put && !context.excused.faults) {
        wanted.emplace_back("etag");
    }
    if (head.status != 204) {
        wanted.emplace_back("content-length");
    }
    if (!is_done) {
        wanted.emplace_back("content-type");
    }
    static constexpr auto by_status = std::to_array<std::pair<int, std::string_view>>(
        {{401, "www-authenticate"}, {405, "allow"}, {416, "content-range"}, {503, "retry-after"}});
    for (const auto& [status, name] : by_status) {
        if (head.status == status) {
            wanted.push_back(name);
        }
    }
    for (const auto name : wanted) {
        if (!head.has(name)) {
            return fmt::format("no field {}", name);
        }
    }
    if (head.only("etag").value_or("").starts_with("W/") && !context.excused.clock_jumps) {
        return "a weak tag for what was stored just now";
    }
    // What nobody has read is read to its end, or there is no end that could be found.
    const bool has_rest =
        !what.framed.empty() && (what.is_chunked || what.waits || what.how != sending::whole ||
                                 what.framed.size() > context.server.body_drain_bytes_max);
    const bool may_close =
        (!is_done && has_rest) || context.excused.server_ends || context.excused.faults;
    if (head.only("connection") == "close" && !may_close) {
        return "Connection: close without a reason";
    }
    return {};
}

/// A confirmed upload: its tag is the file's, and that of nothing else.
outcome note_stored(conversation& talk, const attempt& what, const answer_head& head) {
    auto& model = talk.context.model;
    talk.context.findings.count("http files stored");
    talk.wrote = what.path;
    const auto tag = head.only("etag").value_or("");
    if (tag.empty() || tag.starts_with("W/") || what.offset ||
        model.is_disturbed(what.octets, what.since)) {
        talk.stored.erase(what.path);
        return outcome::fine;
    }
    if (model.narrow_by_tag(tag, {what.octets}).empty()) {
        return broken(talk, "an upload has the tag of another content", tag, what.asked);
    }
    talk.stored[what.path] = {.tag = tag, .octets = what.octets, .changes = what.changes};
    return outcome::fine;
}

/// More that an operation which fails is answered with where something changes: EBUSY, EFBIG.
bool is_of_a_fault(int status) noexcept {
    return status == 409 || status == 413;
}

/// What an answer means.
outcome judge(conversation& talk, const attempt& what, const answer_head& head) {
    auto& context = talk.context;
    auto& model = context.model;
    context.findings.count(fmt::format("http {} {}", what.asked.octets.substr(0, 3), head.status));
    const bool is_cut = what.how != sending::whole;
    auto right = right_statuses(context, what);
    if (is_cut) {
        std::erase_if(right, [](int each) { return each / 100 == 2; });
        right.push_back(what.how == sending::silent ? 408 : 400);
    }
    if (what.digest == told_digest::wrong && !is_cut) {
        const auto stored = std::ranges::remove_if(right, [](int each) { return each / 100 == 2; });
        if (!stored.empty()) {
            right.erase(stored.begin(), stored.end());
            right.push_back(400);
        }
    }
    const bool may_lose_content =
        !what.framed.empty() && context.excused.any() && (head.status == 400 || head.status == 408);
    // Where others at this address have guessed wrong, right passwords may wait too long, too.
    const bool may_be_put_off = head.status == 429 && what.who && context.is_patient;
    const bool is_right = std::ranges::find(right, head.status) != right.end() ||
                          is_excused(context, head.status) || may_lose_content || may_be_put_off ||
                          (context.excused.faults && is_of_a_fault(head.status));
    if (!is_right) {
        std::string all;
        for (const int each : right) {
            all += fmt::format(" {}", each);
        }
        return broken(talk, "an answer that is not right",
                      fmt::format("{}; right would be{}", head.describe(), all), what.asked);
    }
    if (auto problem = judge_head(context, what, head); !problem.empty()) {
        return broken(talk, "an answer that is not right", problem + ": " + head.describe(),
                      what.asked);
    }
    if (what.digest != told_digest::none) {
        context.findings.count(fmt::format("http {} digest {}",
                                           what.digest == told_digest::right ? "right" : "wrong",
                                           head.status));
    }
    if (head.status == 429) {
        context.findings.count("http turned away for failed logins");
    }
    const bool was_cut_off = is_cut && head.status == never && what.change && !what.offset &&
                             what.was_file && !was_disputed(context, what);
    const auto concluded = conclude(talk, what, head.status);
    if (concluded == outcome::broken) {
        return concluded;
    }
    if (was_cut_off) {
        model.was_cut_off(what.who->name, what.path);
        context.findings.count("http replacements cut off");
    }
    if (head.status / 100 == 2 && what.kind == write_kind::put) {
        return note_stored(talk, what, head);
    }
    return outcome::fine;
}

/// Sends the content, or some of it. Nothing: the conversation is over, and nobody answers.
task<std::optional<outcome>> send_as_meant(conversation& talk, attempt& what) {
    auto& context = talk.context;
    const bool is_cut =
        what.how == sending::ended || what.how == sending::reset || what.how == sending::silent;
    const auto count = is_cut ? context.rng.below(what.framed.size()) : what.framed.size();
    const bool took_all =
        co_await send_content(talk, std::string_view(what.framed).substr(0, count));
    switch (what.how) {
        case sending::ended:
            co_await talk.peer.end_sending(context.soon());
            break;
        case sending::reset:
            talk.peer.reset();
            co_return conclude(talk, what, never) == outcome::broken ? outcome::broken
                                                                     : outcome::over;
        case sending::left:
            if (context.chance(2)) {
                talk.peer.close();
            } else {
                talk.peer.reset();
            }
            static_cast<void>(conclude(talk, what, took_all ? 0 : never));
            co_return outcome::over;
        case sending::whole:
        case sending::silent:
            break;
    }
    if (!took_all && what.how == sending::whole) {
        what.how = sending::ended;  // As far as the server is concerned.
    }
    co_return std::nullopt;
}

/// No answer came: what may have happened.
outcome lose(conversation& talk, const attempt& what, bool is_sent) {
    const bool is_whole = what.framed.empty() || (is_sent && what.how == sending::whole);
    return conclude(talk, what, is_whole ? 0 : never);
}

task<result<bool>> wait_for_answer(conversation& talk, const attempt& what, head_reading& read) {
    // Others at this address may have guessed wrong before.
    auto patience = what.who && talk.context.is_patient ? 2 * failed_login_delay_max
                                                        : runtime::duration::zero();
    if (what.how == sending::silent) {
        patience += talk.context.server.body_timeout + talk.context.server.header_timeout;
    }
    const auto got = co_await wait_for_head(talk, false, read, patience);
    co_return got;
}

}  // namespace

task<outcome> change_something(conversation& talk) {
    auto& context = talk.context;
    auto what = draw_attempt(talk);
    begin_change(context, what);
    bool is_sent = false;
    const auto began = context.here.now();
    const auto asked = co_await talk.peer.send_in_pieces(
        context, what.asked.octets, context.here.now() + context.server.header_timeout / 2);
    if (!asked && asked.error() == errc::cancelled) {
        static_cast<void>(lose(talk, what, false));
        co_return outcome::over;
    }
    if (!what.waits && !what.framed.empty()) {
        const auto ended = co_await send_as_meant(talk, what);
        if (ended) {
            co_return *ended;
        }
        is_sent = true;
    }
    head_reading read;
    for (;;) {  // Twice where the server lets it go on.
        const auto got = co_await wait_for_answer(talk, what, read);
        if (!got || !*got) {
            const auto lost = lose(talk, what, is_sent);
            const auto why = cut_short(talk, got, "waiting for an answer", what.asked);
            co_return lost == outcome::broken ? lost : why;
        }
        if (read.progress == answer_progress::malformed) {
            co_return broken(talk, "the framing is wrong", read.problem, what.asked);
        }
        if (read.head.status != 100) {
            break;
        }
        if (is_sent || !what.waits || what.framed.empty()) {
            co_return broken(talk, "100 (Continue) to who did not wait", read.head.describe(),
                             what.asked);
        }
        context.findings.count("http 100");
        const auto ended = co_await send_as_meant(talk, what);
        if (ended) {
            co_return *ended;
        }
        is_sent = true;
    }
    if (is_refused_at_the_door(talk, read.head)) {
        static_cast<void>(conclude(talk, what, 503));
        co_return outcome::over;
    }
    const bool is_confirmed_unsent =
        read.head.status / 100 == 2 && !is_sent && !what.framed.empty();
    if (is_confirmed_unsent) {
        co_return broken(talk, "an upload was confirmed before its last octet was sent",
                         read.head.describe(), what.asked);
    }
    const auto judged = judge(talk, what, read.head);
    if (judged != outcome::fine) {
        co_return judged;
    }
    const auto page = co_await read_page(talk, what.asked, read.head);
    if (page != outcome::fine) {
        co_return page;
    }
    talk.before = what.asked.describe();
    // What is refused before it is there is dropped for as long as a head may take, and no longer.
    const bool was_slow = read.head.status / 100 != 2 && !what.framed.empty() &&
                          context.here.now() - began > context.server.header_timeout / 2;
    const bool is_over = read.head.only("connection") == "close" || what.how != sending::whole ||
                         was_slow || (what.waits && !is_sent && !what.framed.empty());
    co_return is_over ? outcome::over : outcome::fine;
}

}  // namespace ferry::sim::test
