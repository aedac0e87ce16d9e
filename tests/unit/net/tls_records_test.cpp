#include "net/tls_records.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "ferry/base/random.hpp"
#include "loopback.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;

namespace {

using progress = tls_records::progress;

constexpr std::uint16_t aes_128 = 0x1301;
constexpr auto suite_ids = std::to_array<std::uint16_t>({aes_128, 0x1302, 0x1303});
constexpr unsigned char alert = 21;
constexpr unsigned char handshake = 22;
constexpr unsigned char content = 23;

std::string from_hex(std::string_view digits) {
    const auto value_of = [](char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; };
    std::string made;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        made += static_cast<char>(value_of(digits[i]) * 16 + value_of(digits[i + 1]));
    }
    return made;
}

tls_secret secret_of(std::string_view octets) {
    tls_secret made;
    std::ranges::transform(octets, made.octets.begin(),
                           [](char each) { return static_cast<unsigned char>(each); });
    made.size_bytes = octets.size();
    return made;
}

std::span<const std::byte> octets(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// RFC 8448 section 3, "Simple 1-RTT Handshake": traffic secrets and the records behind the
// handshake.
constexpr std::string_view client_secret =
    "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
constexpr std::string_view server_secret =
    "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
constexpr std::string_view client_content =
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e"
    "2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";
constexpr std::string_view client_end = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";
constexpr std::string_view server_content =
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59"
    "a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d";
constexpr std::string_view server_end = "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9";

std::string said_there() {
    std::string made;
    for (char each = 0; each < 50; ++each) {
        made += each;
    }
    return made;
}

/// The records of a server, and the keys of its client.
struct both_ends {
    explicit both_ends(std::uint16_t id = aes_128, std::uint64_t sequence = 0)
        : suites(std::make_shared<const tls_suites>()),
          suite(*suites->find(id)),
          sealing(key("client", 0, true)),
          opening(key("server", sequence, false)),
          server(suites, key("client", 0, false), key("server", sequence, true)) {}

    tls_traffic_key key(std::string_view whose, std::uint64_t sequence, bool is_sealing) {
        std::string octets(whose);
        octets.resize(suite.secret_bytes, 's');
        return tls_traffic_key::make(suite, secret_of(octets), sequence, is_sealing).value();
    }

    /// A record of the client.
    std::string seal(unsigned char kind, std::string_view clear) {
        std::string made(clear.size() + tls_traffic_key::added_bytes, '\0');
        REQUIRE(sealing.seal(kind, octets(clear), made.data()));
        return made;
    }
    /// Of content that is followed by `padding_bytes` of padding.
    std::string seal_padded(unsigned char kind, std::string_view clear, std::size_t padding_bytes) {
        std::string text(clear);
        text += static_cast<char>(kind);
        text.append(padding_bytes - 1, '\0');
        return seal(0, text);  // The kind, which comes last, is padding then.
    }

    /// Offers it `sealed`, in one piece, and reads all that is there, `room` octets at a time.
    result<progress> give(std::string_view sealed, std::size_t room = 20'000) {
        std::string some(room, '\0');
        for (;;) {
            const auto got = server.read(sealed, std::as_writable_bytes(std::span(some)), to_send);
            if (!got) {
                return failure(got.error());
            }
            heard.append(some, 0, got->octets);
            if (got->how != progress::done) {
                return got->how;
            }
        }
    }

    /// Opens the first record of those that the server has sent.
    std::pair<unsigned char, std::string> open_next() {
        const auto size_bytes = std::size_t{static_cast<unsigned char>(to_send.at(3))} * 256 +
                                static_cast<unsigned char>(to_send.at(4)) + 5;
        const auto record = to_send.substr(0, size_bytes);
        to_send.erase(0, size_bytes);
        std::string clear(size_bytes - 21, '\0');
        REQUIRE(opening.open(record, std::as_writable_bytes(std::span(clear)).data()));
        const auto kind = static_cast<unsigned char>(clear.back());
        clear.pop_back();
        return {kind, clear};
    }

    /// What it answers to `sealed`, which it does not take.
    std::string refusal_of(std::string_view sealed) {
        const auto how = give(sealed);
        REQUIRE(!how);
        CHECK(how.error() == errc::invalid);
        CHECK(server.why()[0] != '\0');
        CHECK(!give(sealed));  // It is over.
        if (to_send.empty()) {
            return {};
        }
        const auto [kind, said] = open_next();
        CHECK(kind == alert);
        CHECK(to_send.empty());
        CHECK(said.front() == 2);
        return said.substr(1);
    }

    std::shared_ptr<const tls_suites> suites;
    const tls_suites::suite& suite;
    tls_traffic_key sealing;
    tls_traffic_key opening;
    tls_records server;
    std::string heard;
    std::string to_send;
};

std::string key_update(char wants) {
    return std::string("\x18\0\0\1", 4) + wants;
}

}  // namespace

TEST_CASE("tls_records: opens and seals what others have sealed and opened (RFC 8448 section 3)") {
    const auto suites = std::make_shared<const tls_suites>();
    const auto& suite = *suites->find(aes_128);
    // The server's ticket was its first record.
    tls_records server(
        suites, tls_traffic_key::make(suite, secret_of(from_hex(client_secret)), 0, false).value(),
        tls_traffic_key::make(suite, secret_of(from_hex(server_secret)), 1, true).value());
    const auto come = from_hex(client_content) + from_hex(client_end);
    std::string_view left = come;
    std::string some(100, '\0');
    const auto room = std::as_writable_bytes(std::span(some));
    std::string to_send;
    const auto got = server.read(left, room, to_send);
    REQUIRE(got);
    CHECK(some.substr(0, got->octets) == said_there());
    const auto ended = server.read(left, room, to_send);
    REQUIRE(ended);
    CHECK(ended->how == progress::ended);
    CHECK(left.empty());
    REQUIRE(server.write(octets(said_there()), to_send));
    CHECK(to_send == from_hex(server_content));
    to_send.clear();
    REQUIRE(server.end(to_send));
    REQUIRE(server.end(to_send));
    CHECK(to_send == from_hex(server_end));
    CHECK(!server.write(octets("x"), to_send));
}

TEST_CASE("tls_records: content arrives whole whatever the split, the room and the cipher") {
    const auto there = pattern(70'000, 5);
    for (const std::uint16_t id : suite_ids) {
        for (std::uint64_t seed = 1; seed <= 12; ++seed) {
            CAPTURE(id);
            CAPTURE(seed);
            ferry::random rng(seed);
            both_ends on(id);
            std::string sealed;
            for (std::size_t at = 0; at < there.size();) {
                const auto part = there.substr(at, 1 + rng.below(rng.below(2) == 0 ? 64 : 16'384));
                sealed += on.seal(content, part);
                at += part.size();
            }
            const auto room = 1 + rng.below(rng.below(2) == 0 ? 300 : 20'000);
            for (std::size_t at = 0; at < sealed.size();) {
                const auto piece = std::string_view(sealed).substr(
                    at, 1 + rng.below(rng.below(2) == 0 ? 8 : 9'000));
                REQUIRE(on.give(piece, room));
                at += piece.size();
            }
            CHECK(on.heard == there);
            CHECK(on.server.pending() == 0);
            REQUIRE(on.server.write(octets(there), on.to_send));
            std::string back;
            while (!on.to_send.empty()) {
                const auto [kind, said] = on.open_next();
                CHECK(kind == content);
                CHECK(said.size() <= 16'384);  // RFC 8446 section 5.1.
                back += said;
            }
            CHECK(back == there);
        }
    }
}

TEST_CASE("tls_records: an octet that has changed on its way ends it (RFC 8446 section 5.2)") {
    both_ends sealer;
    const auto good = sealer.seal(content, "what was said");
    for (std::size_t at = 1; at < good.size(); ++at) {  // The kind has a case of its own.
        CAPTURE(at);
        if (at == 3 || at == 4) {
            continue;  // The length: it waits for more, or is too long.
        }
        both_ends on;
        auto bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x10);
        CHECK(on.refusal_of(bad) == "\x14");  // bad_record_mac.
        CHECK(on.heard.empty());
    }
    SUBCASE("and so do a record twice, and one that is left out") {
        both_ends twice;
        const auto first = twice.seal(content, "first");
        CHECK(twice.refusal_of(first + first) == "\x14");
        CHECK(twice.heard == "first");
        both_ends gap;
        static_cast<void>(gap.seal(content, "first"));
        CHECK(gap.refusal_of(gap.seal(content, "second")) == "\x14");
    }
}

TEST_CASE("tls_records: padding is no content (RFC 8446 section 5.4)") {
    both_ends on;
    REQUIRE(on.give(on.seal_padded(content, "padded", 500)));
    REQUIRE(on.give(on.seal_padded(content, std::string("\0\0", 2), 1)));
    CHECK(on.heard == std::string("padded\0\0", 8));
    CHECK(on.refusal_of(on.seal(0, std::string(40, '\0'))) == "\x0A");  // unexpected_message.
}

TEST_CASE("tls_records: what is too long is refused by its header (RFC 8446 section 5.2)") {
    both_ends on;
    CHECK(on.refusal_of(std::string("\x17\x03\x03\x41\x01", 5)) == "\x16");  // record_overflow.
    both_ends longest;
    REQUIRE(longest.give(longest.seal_padded(content, std::string(16'000, 'x'), 300)));
    CHECK(longest.heard.size() == 16'000);
    both_ends shortest;
    CHECK(shortest.refusal_of(std::string("\x17\x03\x03\x00\x10", 5) + std::string(16, 'x')) ==
          "\x14");
}

TEST_CASE(
    "tls_records: of other kinds there is nothing behind the handshake (RFC 8446 section 5)") {
    const auto in_clear = [](char kind, std::string_view octets) {
        return std::string{kind, 3, 3, 0, static_cast<char>(octets.size())}.append(octets);
    };
    const auto refused = [](const std::string& record) {
        both_ends on;
        return on.refusal_of(record);
    };
    CHECK(refused(in_clear(20, "\x01")) == "\x0A");                    // change_cipher_spec.
    CHECK(refused(in_clear(21, std::string("\x01\0", 2))) == "\x0A");  // Anybody can say that.
    CHECK(refused(in_clear(22, "hello")) == "\x0A");
    CHECK(refused(both_ends().seal(20, "\x01")) == "\x0A");
    CHECK(refused(both_ends().seal(24, "heartbeat")) == "\x0A");
    CHECK(refused(both_ends().seal(handshake,
                                   "\x01"
                                   "another hello")) == "\x0A");
    CHECK(refused(both_ends().seal(handshake, "")) == "\x0A");
    CHECK(refused(both_ends().seal(alert, "\x01")) == "\x0A");
    CHECK(refused(both_ends().seal(alert, "")) == "\x0A");
    CHECK(refused(both_ends().seal(handshake, key_update(2))) == "\x2F");  // illegal_parameter.
    CHECK(refused(both_ends().seal(handshake, key_update(0) + "x")) == "\x0A");
    // Who has sent a fatal alert is told nothing (RFC 8446 section 6.2).
    CHECK(refused(both_ends().seal(alert, "\x02\x28")).empty());
}

TEST_CASE("tls_records: the end is said by close_notify and nothing else (threats.md, T2)") {
    both_ends on;
    CHECK(*on.give(on.seal(alert, "\x01\x5A")) == progress::wants_input);  // user_canceled.
    CHECK(*on.give(on.seal(content, "the last")) == progress::wants_input);
    CHECK(*on.give(on.seal(alert, std::string("\x01\0", 2)) + "whatever") == progress::ended);
    CHECK(*on.give("more") == progress::ended);
    CHECK(on.heard == "the last");
    REQUIRE(on.server.write(octets("but I go on"), on.to_send));  // RFC 8446 section 6.1.
    CHECK(on.open_next().second == "but I go on");
}

TEST_CASE("tls_records: keys are renewed both ways (RFC 8446 section 4.6.3)") {
    both_ends on;
    for (const char wants : {'\0', '\1', '\1', '\0'}) {
        CAPTURE(int{wants});
        REQUIRE(on.give(on.seal(handshake, key_update(wants))));
        REQUIRE(on.sealing.renew());
        REQUIRE(on.give(on.seal(content, ".")));
        if (wants == 1) {
            CHECK(on.open_next() ==
                  std::pair<unsigned char, std::string>(handshake, key_update(0)));
            REQUIRE(on.opening.renew());
        }
        CHECK(on.to_send.empty());
        REQUIRE(on.server.write(octets("by a new key"), on.to_send));
        CHECK(on.open_next().second == "by a new key");
    }
    CHECK(on.heard == "....");
    SUBCASE("by a message in two records (RFC 8446 section 5.1)") {
        const auto message = key_update(0);
        REQUIRE(on.give(on.seal(handshake, message.substr(0, 3))));
        REQUIRE(on.give(on.seal(handshake, message.substr(3))));
        REQUIRE(on.sealing.renew());
        REQUIRE(on.give(on.seal(content, "!")));
        CHECK(on.heard.back() == '!');
    }
    SUBCASE("but not by one with something else in between") {
        REQUIRE(on.give(on.seal(handshake, key_update(0).substr(0, 3))));
        CHECK(on.refusal_of(on.seal(content, "x")) == "\x0A");
    }
}

TEST_CASE("tls_records: a key is not used for more records than it is good for (RFC 8446, 5.5)") {
    constexpr std::uint64_t records_max = 1U << 24U;
    both_ends on(aes_128, records_max - 2);
    REQUIRE(on.server.write(octets(pattern(3 * 16'384 + 5)), on.to_send));
    CHECK(on.open_next().first == content);
    CHECK(on.open_next().first == content);
    CHECK(on.open_next() == std::pair<unsigned char, std::string>(handshake, key_update(0)));
    REQUIRE(on.opening.renew());
    CHECK(on.open_next().first == content);
    CHECK(on.open_next().second == pattern(3 * 16'384 + 5).substr(3 * 16'384));
    CHECK(on.to_send.empty());
}

TEST_CASE("tls_records: what is no content comes to an end (threats.md, T1)") {
    SUBCASE("empty records") {
        both_ends on;
        int taken = 0;
        while (taken < 1'000 && on.give(on.seal(content, ""))) {
            ++taken;
        }
        CHECK(taken >= 8);
        CHECK(taken < 100);
    }
    SUBCASE("alerts that end nothing (RFC 8446 section 6.1)") {
        both_ends on;
        int taken = 0;
        while (taken < 1'000 && on.give(on.seal(alert, "\x01\x5A"))) {
            ++taken;
        }
        CHECK(taken >= 8);
        CHECK(taken < 100);
    }
    SUBCASE("messages of no end, a piece at a time") {
        both_ends on;
        int taken = 0;
        while (taken < 1'000 && on.give(on.seal(handshake, key_update(0).substr(0, 1)))) {
            ++taken;
        }
        CHECK(taken < 5);
    }
    SUBCASE("keys that are renewed again and again") {
        both_ends on;
        int taken = 0;
        while (taken < 1'000 && on.give(on.seal(handshake, key_update(1)))) {
            ++taken;
            REQUIRE(on.sealing.renew());
        }
        CHECK(taken >= 8);
        CHECK(taken < 100);
        CHECK(on.to_send.size() < 4'096);
    }
}

TEST_CASE("tls_records: there are no suites but those of RFC 8446 section 9.1 and their kin") {
    const tls_suites suites;
    for (const std::uint16_t id : suite_ids) {
        REQUIRE(suites.find(id) != nullptr);
        CHECK(suites.find(id)->id == id);
    }
    CHECK(suites.find(0x1304) == nullptr);  // CCM.
    CHECK(suites.find(0xC02B) == nullptr);  // TLS 1.2.
}

TEST_CASE("tls_records: who seals in their place is told the key, and what to say") {
    both_ends on;
    REQUIRE(on.server.write(octets("sealed here"), on.to_send));
    const auto key = on.server.sealing_key();
    REQUIRE(key);
    CHECK(key->sequence == 1);
    on.server.hand_over_sealing();
    on.to_send.clear();
    REQUIRE(on.server.note_sealed(100'000));
    CHECK_FALSE(on.server.to_tell());
    REQUIRE(on.server.end(on.to_send));
    CHECK(on.to_send.empty());
    CHECK(on.server.to_tell() == tls_records::alert{std::byte{1}, std::byte{0}});
    on.server.forget_alert();
    REQUIRE(on.server.end(on.to_send));
    CHECK_FALSE(on.server.to_tell());
    CHECK_FALSE(on.server.sealing_key());
    const auto over = on.server.note_sealed(1);
    CHECK(over.error() == errc::invalid);
    CHECK(*on.give(on.seal(content, "reading goes on")) == progress::wants_input);
    CHECK(on.heard == "reading goes on");
}

TEST_CASE("tls_records: a key that somebody else seals by is used up (RFC 8446 section 5.5)") {
    both_ends on(aes_128, (std::uint64_t{1} << 24U) - 10);
    REQUIRE(on.server.sealing_key());
    on.server.hand_over_sealing();
    REQUIRE(on.server.note_sealed(5 * 16'384));
    const auto over = on.server.note_sealed(5 * 16'384);
    CHECK(over.error() == errc::invalid);
    CHECK(on.server.to_tell() == tls_records::alert{std::byte{1}, std::byte{0}});
    CHECK(std::string_view(on.server.why()).contains("used up"));
}
