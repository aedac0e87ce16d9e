// Goal: what a peer sends as records of TLS 1.3 is taken the same in any pieces and with any room,
// sealed as it should be or not, and nothing that is not sealed is taken for content (RFC 8446
// section 5). Method: the input is a list of records that are sealed here, each with its kind, its
// padding and perhaps an octet that changes on its way, or octets that are nobody's; and where the
// pieces end.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/base/assert.hpp"
#include "net/tls_records.hpp"

using namespace ferry;
using namespace ferry::net;

namespace {

using progress = tls_records::progress;

/// The input, an octet at a time; zeros behind its end.
class choices {
  public:
    explicit choices(std::string_view octets) noexcept : left_(octets) {}
    [[nodiscard]] bool is_over() const noexcept { return left_.empty(); }
    std::size_t next() noexcept {
        if (left_.empty()) {
            return 0;
        }
        const auto octet = static_cast<unsigned char>(left_.front());
        left_.remove_prefix(1);
        return octet;
    }
    std::string_view take(std::size_t octets) noexcept {
        const auto taken = left_.substr(0, octets);
        left_.remove_prefix(taken.size());
        return taken;
    }

  private:
    std::string_view left_;
};

tls_traffic_key key_of(const tls_suites& suites, unsigned char whose, bool is_sealing) {
    const auto& suite = *suites.find(0x1301);
    tls_secret secret;
    secret.octets.fill(whose);
    secret.size_bytes = suite.secret_bytes;
    return tls_traffic_key::make(suite, secret, 0, is_sealing).value();
}

struct conversation {
    std::string wire;
    std::string content;      ///< Of records that were sealed well, up to the first that is not.
    bool is_all_good = true;  ///< Nothing else was on the wire.
};

conversation make_conversation(const tls_suites& suites, choices& input) {
    auto sealing = key_of(suites, 'c', true);
    conversation made;
    for (int records = 0; records < 24 && !input.is_over(); ++records) {
        const auto how = input.next();
        if (how == 255) {  // Nobody's.
            const auto octets = input.take(input.next());
            made.is_all_good = made.is_all_good && octets.empty();
            made.wire += octets;
            continue;
        }
        constexpr auto kinds = std::to_array<unsigned char>({23, 23, 23, 22, 21, 20});
        const auto kind = kinds[how % kinds.size()];
        const auto padding = how / 64 * 20;
        // Few octets of the input are many of content: 4 KiB at most.
        std::string text(input.take(input.next() % 32));
        if (kind == 23) {
            text.append(input.next() * 16, '.');
        }
        std::string clear = text + static_cast<char>(kind) + std::string(padding, '\0');
        std::string record(clear.size() + tls_traffic_key::added_bytes, '\0');
        // The last octet is the kind as far as the key knows: content is before it.
        const auto last = static_cast<unsigned char>(clear.back());
        clear.pop_back();
        record.pop_back();
        FERRY_ASSERT(sealing.seal(last, std::as_bytes(std::span(clear)), record.data()));
        const auto change = input.next();
        if (change != 0) {
            auto& octet = record[change % record.size()];
            octet = static_cast<char>(octet ^ 0x55);
        }
        made.is_all_good = made.is_all_good && kind == 23 && change == 0;
        if (made.is_all_good) {
            made.content += text;
        }
        made.wire += record;
        const auto renews = kind == 22 && change == 0 && text.size() == 5 && text[0] == 24;
        if (renews && !sealing.renew()) {
            break;
        }
    }
    return made;
}

struct heard {
    std::string content;
    std::string answer;
    int outcome = 0;  ///< 0: it waits for more, 1: the peer has ended, 2: it is over.

    friend bool operator==(const heard&, const heard&) = default;
};

heard listen(const std::shared_ptr<const tls_suites>& suites, std::string_view wire,
             std::string_view cuts, std::size_t room) {
    tls_records server(suites, key_of(*suites, 'c', false), key_of(*suites, 's', true));
    heard got;
    std::string some(room, '\0');
    for (std::size_t turn = 0; !wire.empty() && got.outcome == 0; ++turn) {
        const auto cut =
            cuts.empty() ? wire.size() : 1 + static_cast<unsigned char>(cuts[turn % cuts.size()]);
        auto piece = wire.substr(0, cut);
        wire.remove_prefix(piece.size());
        for (bool goes_on = true; goes_on;) {
            const auto read =
                server.read(piece, std::as_writable_bytes(std::span(some)), got.answer);
            goes_on = read && read->how == progress::done;
            if (!read) {
                FERRY_ASSERT(server.why()[0] != '\0');
                got.outcome = 2;
            } else if (goes_on) {
                FERRY_ASSERT(read->octets > 0 && read->octets <= room);
                got.content.append(some, 0, read->octets);
            } else {
                FERRY_ASSERT(server.pending() == 0);
                FERRY_ASSERT(piece.empty() || read->how == progress::ended);
                got.outcome = read->how == progress::ended ? 1 : 0;
            }
        }
    }
    return got;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(static_cast<const char*>(static_cast<const void*>(data)), size);
    choices from(input);
    const auto suites = std::make_shared<const tls_suites>();
    const auto cuts = from.take(4);
    const auto room = 1 + from.next() * 8;
    const auto talk = make_conversation(*suites, from);
    const auto whole = listen(suites, talk.wire, {}, 20'000);
    FERRY_ASSERT(listen(suites, talk.wire, cuts, room) == whole);
    FERRY_ASSERT(whole.content.starts_with(talk.content) || whole.outcome == 2);
    const heard as_said{.content = talk.content, .answer = {}, .outcome = 0};
    FERRY_ASSERT(!talk.is_all_good || whole == as_said);
    return 0;
}
