#include "ferry/net/tls_ticket_keys.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include "net/tls_used_tickets.hpp"

namespace ferry::net {
namespace {

bool fill(std::span<unsigned char> octets) noexcept {
    return ::RAND_bytes(octets.data(), static_cast<int>(octets.size())) == 1;
}

}  // namespace

struct tls_ticket_keys::used_tickets {
    runtime::rarely_shared<tls_used_tickets> all;
};

tls_ticket_keys::key::~key() {
    ::OPENSSL_cleanse(mac.data(), mac.size());
    ::OPENSSL_cleanse(cipher.data(), cipher.size());
}

tls_ticket_keys::tls_ticket_keys() : used_(std::make_unique<used_tickets>()) {}

tls_ticket_keys::~tls_ticket_keys() = default;

std::expected<std::vector<tls_ticket_keys::key>, std::string> tls_ticket_keys::parse(
    std::string_view octets) {
    if (octets.empty() || octets.size() % key_bytes != 0 || octets.size() > keys_max * key_bytes) {
        return std::unexpected(
            fmt::format("{} octets are not 1 to {} keys of {} (openssl rand {} makes one)",
                        octets.size(), keys_max, key_bytes, key_bytes));
    }
    std::vector<key> made;
    for (; !octets.empty(); octets.remove_prefix(key_bytes)) {
        key next;
        const auto* from = octets.data();
        std::memcpy(next.name.data(), from, next.name.size());
        from += next.name.size();
        std::memcpy(next.mac.data(), from, next.mac.size());
        from += next.mac.size();
        std::memcpy(next.cipher.data(), from, next.cipher.size());
        if (std::ranges::any_of(made, [&](const key& each) { return each.name == next.name; })) {
            return std::unexpected(
                std::string("two keys have the same name, their first 16 octets"));
        }
        made.push_back(next);
    }
    return made;
}

void tls_ticket_keys::use(std::vector<key> fixed) {
    state_.use([&fixed](state& own) {
        if (!fixed.empty() || own.is_fixed) {
            own.is_fixed = !fixed.empty();
            own.keys = std::move(fixed);
        }
    });
}

bool tls_ticket_keys::state::rotate(std::int64_t now) noexcept {
    // A clock that was set back makes no key older than it is.
    const bool is_due = keys.empty() || now - made_at >= rotation_seconds || now < made_at;
    if (is_fixed || !is_due) {
        return !keys.empty();
    }
    key fresh;
    if (!fill(fresh.name) || !fill(fresh.mac) || !fill(fresh.cipher)) {
        return !keys.empty();
    }
    // Of two rotations ago nothing is left that a ticket could still be good for.
    const bool is_last_one_over = now - made_at >= 2 * rotation_seconds;
    try {
        keys.reserve(2);
    } catch (const std::bad_alloc&) {
        return !keys.empty();  // The next handshake makes one.
    }
    keys.resize(keys.empty() || is_last_one_over ? 0 : 1);
    keys.insert(keys.begin(), fresh);
    made_at = now;
    return true;
}

std::optional<tls_ticket_keys::key> tls_ticket_keys::sealing(std::int64_t now) {
    return state_.use([now](state& own) -> std::optional<key> {
        if (!own.rotate(now)) {
            return std::nullopt;
        }
        return own.keys.front();
    });
}

std::optional<tls_ticket_keys::opening> tls_ticket_keys::find(const unsigned char* name,
                                                              std::int64_t now) {
    return state_.use([name, now](state& own) -> std::optional<opening> {
        if (!own.rotate(now)) {
            return std::nullopt;
        }
        for (const auto& each : own.keys) {
            if (std::memcmp(each.name.data(), name, each.name.size()) == 0) {
                return opening{.with = each, .is_sealing = &each == &own.keys.front()};
            }
        }
        return std::nullopt;
    });
}

std::int64_t tls_ticket_keys::issue_time(std::int64_t now) {
    return used_->all.use([now](tls_used_tickets& all) noexcept { return all.issue_time(now); });
}

bool tls_ticket_keys::use_once(std::span<const unsigned char, ticket_id_bytes> id,
                               std::int64_t issued, std::int64_t now) {
    static_assert(ticket_id_bytes == tls_used_tickets::id_bytes);
    return used_->all.use([&](tls_used_tickets& all) noexcept {
        return all.use({.id = id, .issued = issued}, now, rotation_seconds);
    });
}

}  // namespace ferry::net
