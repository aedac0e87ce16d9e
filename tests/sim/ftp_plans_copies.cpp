#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "ftp_plans.hpp"

namespace ferry::sim::test {
namespace {

/// CRC-32 of ISO 3309, bit by bit: nothing of the server's.
std::uint32_t crc32(std::string_view octets) {
    std::uint32_t rest = ~std::uint32_t{0};
    for (const char each : octets) {
        rest ^= static_cast<unsigned char>(each);
        for (int bit = 0; bit < 8; ++bit) {
            rest = (rest >> 1U) ^ ((rest & 1U) != 0 ? 0xEDB88320U : 0U);
        }
    }
    return ~rest;
}

/// A digest as it is asked for.
struct digest_asked {
    std::string verb;
    std::string argument;
    std::uint64_t first = 0;  ///< Of HASH behind RANG: the octets, both included.
    std::uint64_t last = 0;
    bool is_range = false;
};

/// In the digits that the command's answer has.
std::string digest_text(const std::string& verb, std::string_view octets) {
    if (verb == "XCRC") {
        return fmt::format("{:08X}", crc32(octets));
    }
    const auto* const by = verb == "XMD5"                      ? ::EVP_md5()
                           : verb == "XSHA" || verb == "XSHA1" ? ::EVP_sha1()
                           : verb == "XSHA512"                 ? ::EVP_sha512()
                                                               : ::EVP_sha256();
    std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
    unsigned size = 0;
    ::EVP_Digest(octets.data(), octets.size(), value.data(), &size, by, nullptr);
    std::string made;
    for (unsigned i = 0; i < size; ++i) {
        made += verb == "HASH" ? fmt::format("{:02x}", value[i]) : fmt::format("{:02X}", value[i]);
    }
    return made;
}

/// The text of the answer for a file that holds `whole`; empty: none, the stretch is beyond it.
std::string digest_answer(const digest_asked& asked, const content& whole) {
    if (asked.verb != "HASH") {
        return digest_text(asked.verb, whole.octets());
    }
    const auto size = whole.size_bytes();
    if (asked.is_range && asked.first >= size) {
        return {};
    }
    const auto end = asked.is_range ? std::min(size, asked.last + 1) : size;
    const auto octets = whole.octets(asked.first, end - asked.first);
    return fmt::format("SHA-256 {}-{} {} {}", asked.first, end == 0 ? 0 : end - 1,
                       digest_text(asked.verb, octets), asked.argument);
}

planned_command plan_digest(ftp_session& user, digest_asked asked) {
    auto& model = user.context.model;
    const auto since = model.now();
    const auto path = user.in_model(asked.argument);
    const bool was_settled = model.is_settled(path);
    const auto changes = model.changes(path);
    const bool is_hash = asked.verb == "HASH";
    return assemble(user,
                    {.verb = asked.verb,
                     .argument = asked.argument,
                     .codes =
                         [&user, since, path, was_settled, changes, is_hash, asked] {
                             std::vector<int> codes;
                             auto& tree = user.context.model;
                             for (const auto& each : tree.possible_since(path, since)) {
                                 const bool may_be = each.kind == node_kind::anything;
                                 const bool is_beyond = each.kind == node_kind::file && is_hash &&
                                                        digest_answer(asked, each.octets).empty();
                                 if (may_be || is_beyond) {
                                     codes.push_back(554);
                                 }
                                 if (may_be || (each.kind == node_kind::file && !is_beyond)) {
                                     codes.push_back(is_hash ? 213 : 250);
                                 }
                                 if (may_be || (each.kind == node_kind::directory && is_hash)) {
                                     codes.push_back(553);
                                 }
                                 if (may_be || each.kind == node_kind::absent ||
                                     (each.kind == node_kind::directory && !is_hash)) {
                                     codes.push_back(550);
                                 }
                             }
                             if (!was_settled || tree.changes(path) != changes) {
                                 codes.push_back(450);  // It was changed while it was read, twice.
                             }
                             return codes;
                         },
                     .effect = [&user, since, path, asked](const ftp_reply& reply) -> std::string {
                         auto& tree = user.context.model;
                         std::string right;
                         for (const auto& each : tree.possible_since(path, since)) {
                             const auto value = digest_answer(asked, each.octets);
                             if (each.kind == node_kind::anything ||
                                 (each.kind == node_kind::file && reply.text == value) ||
                                 tree.is_disturbed(each.octets, since)) {
                                 return {};
                             }
                             right += ' ' + value;
                         }
                         return "the digest should be one of" + right;
                     }});
}

std::vector<int> codes_of_copy(ftp_session& user, const std::string& target, moment since) {
    auto& model = user.context.model;
    if (!user.who->may_create && !user.who->may_change) {
        return {550};
    }
    std::vector<int> codes;
    for (const auto& each : model.possible_since(target, since)) {
        if (each.kind == node_kind::anything) {
            codes.insert(codes.end(), {250, 550, 553});
        } else {
            const bool is_free = each.kind == node_kind::absent;
            const bool gives_way = each.kind == node_kind::file && user.who->may_change;
            codes.push_back(is_free || gives_way ? 250 : 553);
        }
    }
    for (const auto& each : model.possible_since(parent_of(target), since)) {
        if (each.kind != node_kind::directory) {
            codes.push_back(553);
        }
    }
    return codes;
}

}  // namespace

std::optional<content> what_is_copied(ftp_session& user, const std::string& argument) {
    auto& context = user.context;
    const auto path = user.in_model(argument);
    const bool is_mine = path.starts_with(user.in_model(home_of(user)) + "/");
    if (!user.who || !user.who->may_read || !is_mine || !context.model.is_settled(path)) {
        return std::nullopt;
    }
    const auto what = context.model.possible(path).front();
    return what.kind == node_kind::file ? std::optional(what.octets) : std::nullopt;
}

planned_command plan_cpfr(ftp_session& user, std::string argument) {
    return assemble(user, {.verb = "SITE",
                           .argument = "CPFR " + argument,
                           .codes = [] { return std::vector{350}; },
                           .effect =
                               [&user](const ftp_reply&) {
                                   user.has_copy_source = true;
                                   return std::string();
                               }});
}

namespace {

/// `argument`: of SITE.
planned_command plan_copy_to(ftp_session& user, content octets, const std::string& to,
                             std::string argument) {
    auto& model = user.context.model;
    const auto since = model.now();
    const auto target = user.in_model(to);
    const auto kind = user.who->may_change ? change_kind::replace : change_kind::create;
    const auto change = model.begin(target, {.kind = kind, .octets = std::move(octets)});
    auto made = assemble(
        user, {.verb = "SITE", .argument = std::move(argument), .codes = [&user, target, since] {
                   return codes_of_copy(user, target, since);
               }});
    made.judge = [&user, change, judge_code = made.judge](const ftp_reply& reply) -> std::string {
        auto& context = user.context;
        if (reply.code / 100 != 2 && context.excused.faults &&
            context.durability == promised::the_new) {
            context.model.either(change);  // The last sync may fail after the name was given.
            return judge_code(reply);
        }
        const bool is_explained = reply.code / 100 == 2 ? context.model.acknowledged(change)
                                                        : context.model.refused(change);
        return is_explained ? judge_code(reply)
                            : "no order of what was done to the tree explains the copy";
    };
    made.lost = [&user, change] { user.context.model.unknown(change); };
    return made;
}

}  // namespace

planned_command plan_cpto(ftp_session& user, content octets, std::string argument) {
    return plan_copy_to(user, std::move(octets), argument, "CPTO " + argument);
}

planned_command plan_copy(ftp_session& user, content octets, const std::string& from,
                          const std::string& to) {
    return plan_copy_to(user, std::move(octets), to,
                        fmt::format("COPY {} {}", quoted(from), quoted(to)));
}

planned_command plan_xcrc(ftp_session& user, std::string argument) {
    return plan_digest(user, {.verb = "XCRC", .argument = std::move(argument)});
}

planned_command plan_other_digest(ftp_session& user, std::string argument) {
    static constexpr std::array verbs{"HASH",  "XCRC",    "XMD5",   "XSHA",
                                      "XSHA1", "XSHA256", "XSHA512"};
    const auto* const verb = verbs[user.context.rng.below(verbs.size())];
    return plan_digest(user, {.verb = verb, .argument = std::move(argument)});
}

std::vector<planned_command> plan_hash_of_range(ftp_session& user, std::string argument) {
    const auto first = user.context.rng.below(8'000);
    const auto last = first + user.context.rng.below(8'000);
    std::vector<planned_command> plans;
    plans.push_back(assemble(user, {.verb = "RANG",
                                    .argument = fmt::format("{} {}", first, last),
                                    .codes = [] { return std::vector{350}; },
                                    .effect =
                                        [&user](const ftp_reply&) {
                                            user.has_range = true;
                                            return std::string();
                                        }}));
    auto hash = plan_digest(user, {.verb = "HASH",
                                   .argument = std::move(argument),
                                   .first = first,
                                   .last = last,
                                   .is_range = true});
    hash.judge = [&user, judge_digest = hash.judge](const ftp_reply& reply) {
        // Where RANG has failed, the digest is of all: then anything is right.
        const bool was_set = user.has_range;
        auto why = judge_digest(reply);
        return was_set ? why : std::string();
    };
    plans.push_back(std::move(hash));
    return plans;
}

planned_command plan_comb(ftp_session& user, std::string target, std::vector<known_part> parts) {
    auto& model = user.context.model;
    const auto since = model.now();
    const auto path = user.in_model(target);
    content whole;
    std::string argument = quoted(target);
    for (const auto& each : parts) {
        whole = whole.followed_by(each.octets);
        argument += ' ' + quoted(each.typed);
    }
    const auto size = whole.size_bytes();
    const auto kind = user.who->may_change ? change_kind::replace : change_kind::create;
    if (kind == change_kind::replace) {
        model.may_replace(user.who->name, path);
    }
    const auto change = model.begin(path, {.kind = kind, .octets = std::move(whole)});
    std::vector<model_tree::token> removals;
    for (const auto& each : parts) {
        removals.push_back(
            model.begin(user.in_model(each.typed), {.kind = change_kind::remove_file}));
    }
    auto made =
        assemble(user, {.verb = "COMB",
                        .argument = std::move(argument),
                        .codes = [&user, path, since] { return codes_of_copy(user, path, since); },
                        .effect =
                            [size](const ftp_reply& reply) {
                                return reply.text.starts_with(fmt::format("Joined {} octets", size))
                                           ? std::string()
                                           : fmt::format("there are {} octets", size);
                            }});
    made.judge = [&user, change, removals,
                  judge_code = made.judge](const ftp_reply& reply) -> std::string {
        auto& tree = user.context.model;
        const bool is_done = reply.code / 100 == 2;
        const bool may_be_done =
            user.context.excused.faults && user.context.durability == promised::the_new;
        bool is_explained = true;
        if (!is_done && may_be_done) {
            tree.either(change);  // As of a copy.
        } else {
            is_explained = is_done ? tree.acknowledged(change) : tree.refused(change);
        }
        const bool are_left = reply.text.contains("are left") && user.context.excused.faults;
        for (const auto& each : removals) {
            if (is_done && are_left) {
                tree.either(each);
            } else {
                is_explained =
                    (is_done ? tree.acknowledged(each) : tree.refused(each)) && is_explained;
            }
        }
        return is_explained ? judge_code(reply)
                            : "no order of what was done to the tree explains it";
    };
    made.lost = [&user, change, removals] {
        user.context.model.unknown(change);
        for (const auto& each : removals) {
            user.context.model.unknown(each);
        }
    };
    return made;
}

}  // namespace ferry::sim::test
