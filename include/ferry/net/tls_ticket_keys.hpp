#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/runtime/rarely_shared.hpp"

namespace ferry::net {

/// What the tickets are sealed with by which clients resume their TLS sessions (RFC 5077, RFC 8446
/// section 4.6.1): the same for all cores, and kept when certificates are read anew.
///
/// Keys of its own come from the system's random source, change every twelve hours and still open
/// what they have sealed for twelve hours more; those of a file, which several machines share, stay
/// until others are given. From any thread; a handshake takes a lock once or twice for a moment.
class tls_ticket_keys {
  public:
    struct key {
        std::array<unsigned char, 16> name{};
        std::array<unsigned char, 32> mac{};
        std::array<unsigned char, 32> cipher{};

        ~key();
    };
    static constexpr std::size_t key_bytes = 80;
    static constexpr std::size_t keys_max = 16;
    static constexpr std::int64_t rotation_seconds = 12 * 3'600;

    tls_ticket_keys();
    ~tls_ticket_keys();
    tls_ticket_keys(const tls_ticket_keys&) = delete;
    tls_ticket_keys& operator=(const tls_ticket_keys&) = delete;

    /// Reads keys of 80 octets one behind the other, as nginx has them: name, MAC, cipher.
    /// Errors: what is wrong with it, for a person.
    [[nodiscard]] static std::expected<std::vector<key>, std::string> parse(
        std::string_view octets);

    /// From now on the first of `fixed` seals and all of them open; none: keys of its own.
    void use(std::vector<key> fixed);

    /// The key to seal with at `now`, in seconds of the wall clock; nothing where the system has no
    /// random octets, and then no ticket is given.
    [[nodiscard]] std::optional<key> sealing(std::int64_t now);

    struct opening {
        key with;
        bool is_sealing = false;  ///< No other key seals by now.
    };
    /// The key called `name`, if it still opens anything.
    [[nodiscard]] std::optional<opening> find(const unsigned char* name, std::int64_t now);

    /// What a ticket that is made at `now` says of when it was, for `use_once`.
    [[nodiscard]] std::int64_t issue_time(std::int64_t now);
    static constexpr std::size_t ticket_id_bytes = 16;
    /// Uses up the ticket that was issued at `issued`; its `id` is the random part of it. False: it
    /// was used before, in this process, or that cannot be known (decision 0038).
    [[nodiscard]] bool use_once(std::span<const unsigned char, ticket_id_bytes> id,
                                std::int64_t issued, std::int64_t now);

  private:
    struct used_tickets;
    struct state {
        std::vector<key> keys;                   ///< The first seals.
        bool is_fixed = false;                   ///< They are not its own.
        std::int64_t made_at = 0;                ///< The first of its own.
        bool rotate(std::int64_t now) noexcept;  ///< False: there is no key.
    };
    runtime::rarely_shared<state> state_;
    std::unique_ptr<used_tickets> used_;
};

}  // namespace ferry::net
