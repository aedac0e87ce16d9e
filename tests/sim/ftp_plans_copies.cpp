#include <fmt/format.h>

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

planned_command plan_cpto(ftp_session& user, content octets, std::string argument) {
    auto& model = user.context.model;
    const auto since = model.now();
    const auto target = user.in_model(argument);
    const auto kind = user.who->may_change ? change_kind::replace : change_kind::create;
    const auto change = model.begin(target, {.kind = kind, .octets = std::move(octets)});
    auto made = assemble(
        user, {.verb = "SITE", .argument = "CPTO " + argument, .codes = [&user, target, since] {
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

planned_command plan_xcrc(ftp_session& user, std::string argument) {
    auto& model = user.context.model;
    const auto since = model.now();
    const auto path = user.in_model(argument);
    const bool was_settled = model.is_settled(path);
    const auto changes = model.changes(path);
    return assemble(user,
                    {.verb = "XCRC",
                     .argument = argument,
                     .codes =
                         [&user, since, path, was_settled, changes] {
                             std::vector<int> codes;
                             auto& tree = user.context.model;
                             for (const auto& each : tree.possible_since(path, since)) {
                                 const bool may_be = each.kind == node_kind::anything;
                                 if (may_be || each.kind == node_kind::file) {
                                     codes.push_back(250);
                                 }
                                 if (may_be || each.kind != node_kind::file) {
                                     codes.push_back(550);
                                 }
                             }
                             if (!was_settled || tree.changes(path) != changes) {
                                 codes.push_back(450);  // It was changed while it was read, twice.
                             }
                             return codes;
                         },
                     .effect = [&user, since, path](const ftp_reply& reply) -> std::string {
                         auto& tree = user.context.model;
                         std::string right;
                         for (const auto& each : tree.possible_since(path, since)) {
                             const auto value = fmt::format("{:08X}", crc32(each.octets.octets()));
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

}  // namespace ferry::sim::test
