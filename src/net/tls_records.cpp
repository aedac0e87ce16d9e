#include "net/tls_records.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "ferry/base/assert.hpp"

namespace ferry::net {

namespace {

constexpr std::size_t header_bytes = 5;
constexpr std::size_t tag_bytes = 16;
constexpr std::size_t content_bytes_max = 16'384;
/// Of what is behind the header (RFC 8446 section 5.2).
constexpr std::size_t sealed_bytes_max = content_bytes_max + 256;

constexpr unsigned char handshake_record = 22;
constexpr unsigned char content_record = 23;

// Alerts (RFC 8446 section 6).
constexpr unsigned char close_notify = 0;
constexpr unsigned char unexpected_message = 10;
constexpr unsigned char bad_record_mac = 20;
constexpr unsigned char record_overflow = 22;
constexpr unsigned char illegal_parameter = 47;
constexpr unsigned char internal_error = 80;
constexpr unsigned char user_canceled = 90;

constexpr unsigned char key_update = 24;  // Of handshake messages (RFC 8446 section 4).

/// A key may protect 2^24.5 records of full size (RFC 8446 section 5.5).
constexpr std::uint64_t records_a_key_max = std::uint64_t{1} << 24U;

struct suite_row {
    std::uint16_t id;
    record_key::cipher kind;
    const char* cipher;
    tls_digest digest;
    std::size_t key_bytes;
};
constexpr auto suite_rows = std::to_array<suite_row>({
    {0x1301, record_key::cipher::aes_128_gcm, "AES-128-GCM", tls_digest::sha256, 16},
    {0x1302, record_key::cipher::aes_256_gcm, "AES-256-GCM", tls_digest::sha384, 32},
    {0x1303, record_key::cipher::chacha20_poly1305, "ChaCha20-Poly1305", tls_digest::sha256, 32},
});

std::size_t sealed_size_of(std::string_view record) noexcept {
    return std::size_t{static_cast<unsigned char>(record[3])} << 8U |
           std::size_t{static_cast<unsigned char>(record[4])};
}

/// OpenSSL's octets are unsigned char; ours are of any kind.
template <class Octet>
auto* octets_at(Octet* at) noexcept {
    if constexpr (std::is_const_v<Octet>) {
        return static_cast<const unsigned char*>(static_cast<const void*>(at));
    } else {
        return static_cast<unsigned char*>(static_cast<void*>(at));
    }
}

}  // namespace

tls_suites::tls_suites() {
    for (std::size_t i = 0; i < suites_.size(); ++i) {
        const auto& row = suite_rows[i];
        suites_[i] = {.id = row.id,
                      .kind = row.kind,
                      .cipher = cipher_owner(::EVP_CIPHER_fetch(nullptr, row.cipher, nullptr)),
                      .digest = row.digest,
                      .key_bytes = row.key_bytes,
                      .secret_bytes = digest_bytes(row.digest)};
    }
    ::ERR_clear_error();  // What is not there is not found.
}

const tls_suites::suite* tls_suites::find(std::uint16_t id) const noexcept {
    const auto* const found = std::ranges::find(suites_, id, &suite::id);
    return found == suites_.end() || !found->cipher ? nullptr : found;
}

// ----------------------------------------------------------------------------------- one direction

result<tls_traffic_key> tls_traffic_key::make(const tls_suites::suite& suite,
                                              const tls_secret& secret, std::uint64_t sequence,
                                              bool is_sealing) {
    FERRY_ASSERT(secret.size_bytes == suite.secret_bytes);
    tls_traffic_key made;
    made.suite_ = &suite;
    made.context_.reset(::EVP_CIPHER_CTX_new());
    made.secret_ = secret;
    made.is_sealing_ = is_sealing;
    if (!made.context_ || !made.use_secret()) {
        ::ERR_clear_error();
        return failure(errc::exhausted);
    }
    made.sequence_ = sequence;
    return made;
}

/// The key of `secret_` in `key`, which has its size.
bool tls_traffic_key::derive(std::span<unsigned char> key,
                             std::span<unsigned char> iv) const noexcept {
    return expand_label(suite_->digest, secret_.used(), {.text = "key"}, key) &&
           expand_label(suite_->digest, secret_.used(), {.text = "iv"}, iv);
}

record_key tls_traffic_key::describe() const noexcept {
    record_key made{.how = suite_->kind, .sequence = sequence_};
    const bool is_done = derive(std::span(made.key).first(suite_->key_bytes), made.iv);
    FERRY_ASSERT(is_done);
    return made;
}

bool tls_traffic_key::use_secret() {
    std::array<unsigned char, 32> key{};
    const bool is_done = derive(std::span(key).first(suite_->key_bytes), iv_) &&
                         ::EVP_CipherInit_ex(context_.get(), suite_->cipher.get(), nullptr,
                                             key.data(), nullptr, is_sealing_ ? 1 : 0) == 1;
    ::OPENSSL_cleanse(key.data(), key.size());
    sequence_ = 0;
    return is_done;
}

bool tls_traffic_key::renew() {
    tls_secret next{.octets = {}, .size_bytes = secret_.size_bytes};
    if (!expand_label(suite_->digest, secret_.used(), {.text = "traffic upd"},
                      std::span(next.octets).first(next.size_bytes))) {
        return false;
    }
    secret_ = next;
    return use_secret();
}

/// RFC 8446 section 5.3.
void tls_traffic_key::next_nonce(unsigned char* nonce) noexcept {
    std::ranges::copy(iv_, nonce);
    for (std::size_t i = 0; i < sizeof sequence_; ++i) {
        nonce[iv_.size() - 1 - i] ^= static_cast<unsigned char>(sequence_ >> (8 * i));
    }
    ++sequence_;
}

bool tls_traffic_key::seal(unsigned char kind, std::span<const std::byte> clear, char* into) {
    FERRY_ASSERT(clear.size() <= content_bytes_max);
    auto* const header = octets_at(into);
    const auto sealed_bytes = clear.size() + 1 + tag_bytes;
    header[0] = content_record;
    header[1] = 3;  // As TLS 1.2 (RFC 8446 section 5.1).
    header[2] = 3;
    header[3] = static_cast<unsigned char>(sealed_bytes >> 8U);
    header[4] = static_cast<unsigned char>(sealed_bytes & 0xFFU);
    std::array<unsigned char, 12> nonce{};
    next_nonce(nonce.data());
    auto* const body = header + header_bytes;
    auto* const context = context_.get();
    int done = 0;
    return ::EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
           ::EVP_EncryptUpdate(context, nullptr, &done, header, int{header_bytes}) == 1 &&
           (clear.empty() || ::EVP_EncryptUpdate(context, body, &done, octets_at(clear.data()),
                                                 static_cast<int>(clear.size())) == 1) &&
           ::EVP_EncryptUpdate(context, body + clear.size(), &done, &kind, 1) == 1 &&
           ::EVP_EncryptFinal_ex(context, body + clear.size() + 1, &done) == 1 &&
           ::EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, int{tag_bytes},
                                 body + clear.size() + 1) == 1;
}

bool tls_traffic_key::open(std::string_view record, std::byte* into) {
    FERRY_ASSERT(record.size() >= added_bytes);
    std::array<unsigned char, 12> nonce{};
    next_nonce(nonce.data());
    const auto* const header = octets_at(record.data());
    const auto clear_bytes = record.size() - header_bytes - tag_bytes;
    std::array<unsigned char, tag_bytes> tag{};
    std::memcpy(tag.data(), header + header_bytes + clear_bytes, tag.size());
    auto* const context = context_.get();
    int done = 0;
    return ::EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
           ::EVP_DecryptUpdate(context, nullptr, &done, header, int{header_bytes}) == 1 &&
           ::EVP_DecryptUpdate(context, octets_at(into), &done, header + header_bytes,
                               static_cast<int>(clear_bytes)) == 1 &&
           ::EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, int{tag_bytes}, tag.data()) == 1 &&
           ::EVP_DecryptFinal_ex(context, octets_at(into) + clear_bytes, &done) == 1;
}

// ---------------------------------------------------------------------------------------- both
// ways

tls_records::tls_records(std::shared_ptr<const tls_suites> suites, tls_traffic_key reading,
                         tls_traffic_key writing) noexcept
    : suites_(std::move(suites)), reading_(std::move(reading)), writing_(std::move(writing)) {}

/// The next record, whole, which is in `from` or in `partial_`; empty: there is none yet, and all
/// that was there is kept. Of a record that is too long its header is enough.
std::string_view tls_records::next_record(std::string_view& from) {
    const auto wanted_of = [](std::string_view record) noexcept {
        if (record.size() < header_bytes) {
            return header_bytes;
        }
        const auto size_bytes = sealed_size_of(record);
        return header_bytes + (size_bytes > sealed_bytes_max ? 0 : size_bytes);
    };
    if (partial_.empty()) {
        const auto wanted = wanted_of(from);
        if (from.size() >= header_bytes && from.size() >= wanted) {
            const auto record = from.substr(0, wanted);
            from.remove_prefix(wanted);
            return record;
        }
    }
    while (!from.empty()) {  // Twice: the header, the rest.
        const auto wanted = wanted_of(partial_);
        if (partial_.size() >= header_bytes && partial_.size() == wanted) {
            break;
        }
        const auto more = from.substr(0, wanted - partial_.size());
        partial_.reserve(wanted);  // And no more, as appending would.
        partial_.append(more);
        from.remove_prefix(more.size());
    }
    const bool is_whole = partial_.size() >= header_bytes && partial_.size() == wanted_of(partial_);
    return is_whole ? std::string_view(partial_) : std::string_view();
}

result<tls_records::reading> tls_records::read(std::string_view& from, std::span<std::byte> into,
                                               std::string& to_send) {
    try {
        for (;;) {  // Bounded by what has come.
            if (pending() > 0) {
                const auto octets = std::min(pending(), into.size());
                std::memcpy(into.data(), opened_.data() + read_, octets);
                read_ += octets;
                if (pending() == 0) {
                    std::string().swap(opened_);
                    read_ = 0;
                }
                return reading{.how = progress::done, .octets = octets};
            }
            if (is_broken_) {
                return failure(errc::invalid);
            }
            if (has_ended_) {
                return reading{.how = progress::ended};
            }
            const auto record = next_record(from);
            if (record.empty()) {
                return reading{.how = progress::wants_input};
            }
            const auto taken = take_record(record, into, to_send);
            partial_.clear();  // It was the record, if there is something.
            if (!taken || taken->how != progress::wants_input) {
                return taken;
            }
        }
    } catch (const std::bad_alloc&) {
        is_broken_ = true;
        return failure(errc::exhausted);
    }
}

/// wants_input: it was no content, and the next is wanted.
result<tls_records::reading> tls_records::take_record(std::string_view record,
                                                      std::span<std::byte> into,
                                                      std::string& to_send) {
    if (are_too_many_side_messages(side_messages_, moved_)) {
        return failure(
            refuse(unexpected_message, "too many messages that are no content", to_send));
    }
    const auto room = std::max(record.size(), tls_traffic_key::added_bytes) - header_bytes;
    const bool fits = into.size() >= room - tag_bytes;
    std::string own;
    if (!fits) {
        own.resize(room - tag_bytes);
        into = std::as_writable_bytes(std::span(own));
    }
    const auto got = open(record, into.data(), to_send);
    if (!got) {
        return failure(got.error());
    }
    const auto octets = into.first(got->octets);
    const bool is_content = got->kind == content_record;
    if (!is_content || octets.empty()) {
        ++side_messages_;
    }
    if (message_bytes_ > 0 && got->kind != handshake_record) {
        // No record of another kind within a message (RFC 8446 section 5.1).
        return failure(refuse(unexpected_message, "a message is broken off", to_send));
    }
    switch (got->kind) {
        case content_record:
            break;
        case alert_record: {
            const auto is_end = take_alert(octets, to_send);
            if (!is_end) {
                return failure(is_end.error());
            }
            return reading{.how = *is_end ? progress::ended : progress::wants_input};
        }
        case handshake_record: {
            const auto taken = take_message(octets, to_send);
            if (!taken) {
                return failure(taken.error());
            }
            return reading{.how = progress::wants_input};
        }
        default:
            return failure(refuse(unexpected_message, "a record of an unknown kind", to_send));
    }
    if (octets.empty()) {
        return reading{.how = progress::wants_input};
    }
    moved_ += octets.size();
    if (fits) {
        return reading{.how = progress::done, .octets = octets.size()};
    }
    own.resize(octets.size());
    opened_ = std::move(own);
    return reading{.how = progress::wants_input};
}

/// Opens a record and finds its kind behind its content and its padding (RFC 8446 section 5.4).
result<tls_records::content> tls_records::open(std::string_view record, std::byte* into,
                                               std::string& to_send) {
    if (static_cast<unsigned char>(record[0]) != content_record) {
        return failure(refuse(unexpected_message, "a record that is not sealed", to_send));
    }
    if (sealed_size_of(record) > sealed_bytes_max) {
        return failure(refuse(record_overflow, "a record is too long", to_send));
    }
    if (record.size() < tls_traffic_key::added_bytes || !reading_.open(record, into)) {
        ::ERR_clear_error();
        return failure(refuse(bad_record_mac, "decryption failed or bad record mac", to_send));
    }
    auto octets = record.size() - header_bytes - tag_bytes;
    while (octets > 0 && into[octets - 1] == std::byte{0}) {
        --octets;
    }
    if (octets == 0) {
        return failure(refuse(unexpected_message, "a record of no kind", to_send));
    }
    if (octets - 1 > content_bytes_max) {
        return failure(refuse(record_overflow, "the content of a record is too long", to_send));
    }
    return content{.kind = static_cast<unsigned char>(into[octets - 1]), .octets = octets - 1};
}

/// True: the peer has ended.
result<bool> tls_records::take_alert(std::span<const std::byte> alert, std::string& to_send) {
    if (alert.size() != 2) {  // An alert is one record (RFC 8446 section 5.1).
        return failure(refuse(unexpected_message, "an alert that is none", to_send));
    }
    const auto what = static_cast<unsigned char>(alert[1]);
    if (what == close_notify) {
        has_ended_ = true;
        return true;
    }
    if (what == user_canceled) {
        return false;
    }
    is_broken_ = true;
    why_ = "the peer has sent an alert";
    return failure(errc::invalid);
}

/// Behind the handshake a server is sent KeyUpdate and nothing else (RFC 8446 section 4.6).
result<void> tls_records::take_message(std::span<const std::byte> octets, std::string& to_send) {
    if (octets.empty()) {
        return failure(refuse(unexpected_message, "an empty message", to_send));
    }
    if (octets.size() > message_.size() - message_bytes_) {
        // Of keys that change the message is the last of its record (RFC 8446 section 5.1).
        return failure(refuse(unexpected_message, "an unexpected message", to_send));
    }
    std::memcpy(message_.data() + message_bytes_, octets.data(), octets.size());
    message_bytes_ += octets.size();
    constexpr std::array<unsigned char, 4> wanted{key_update, 0, 0, 1};
    const auto seen = std::min(message_bytes_, wanted.size());
    if (!std::equal(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(seen),
                    message_.begin())) {
        return failure(refuse(unexpected_message, "an unexpected message", to_send));
    }
    if (message_bytes_ < message_.size()) {
        return {};
    }
    message_bytes_ = 0;
    const auto is_asked = message_.back();
    if (is_asked > 1) {
        return failure(refuse(illegal_parameter, "a KeyUpdate of an unknown kind", to_send));
    }
    if (!reading_.renew()) {
        return failure(refuse(internal_error, "keys cannot be renewed", to_send));
    }
    return is_asked == 1 && !is_over_ ? renew_own_key(to_send) : result<void>{};
}

result<void> tls_records::renew_own_key(std::string& to_send) {
    if (is_handed_over_) {
        const auto ended = end(to_send);
        is_broken_ = true;
        why_ = "new keys are asked for, and the kernel seals by one";
        return failure(ended ? errc::invalid : ended.error().code);
    }
    constexpr std::array<unsigned char, 5> message{key_update, 0, 0, 1, 0};
    say(std::as_bytes(std::span(message)), to_send);
    if (is_broken_ || !writing_.renew()) {
        ::ERR_clear_error();
        is_broken_ = true;
        is_over_ = true;
        return failure(errc::exhausted);
    }
    return {};
}

void tls_records::say(std::span<const std::byte> message, std::string& to_send) {
    FERRY_ASSERT(!is_handed_over_);
    const auto had = to_send.size();
    to_send.resize(had + message.size() + tls_traffic_key::added_bytes);
    if (!writing_.seal(handshake_record, message, to_send.data() + had)) {
        ::ERR_clear_error();
        to_send.resize(had);
        is_broken_ = true;
        is_over_ = true;
    }
}

result<void> tls_records::write(std::span<const std::byte> octets, std::string& to_send) {
    if (is_over()) {
        return failure(errc::invalid);
    }
    FERRY_ASSERT(!is_handed_over_);
    try {
        moved_ += octets.size();
        while (!octets.empty()) {  // Once, but for keys that are used up.
            if (writing_.sequence() >= records_a_key_max) {
                if (const auto renewed = renew_own_key(to_send); !renewed) {
                    return failure(renewed.error());
                }
            }
            const auto left = static_cast<std::size_t>(records_a_key_max - writing_.sequence());
            const auto records =
                std::min((octets.size() + content_bytes_max - 1) / content_bytes_max, left);
            auto part = octets.first(std::min(octets.size(), records * content_bytes_max));
            octets = octets.subspan(part.size());
            const auto had = to_send.size();
            const auto most = part.size() + records * tls_traffic_key::added_bytes;
            bool is_sealed = true;
            to_send.resize_and_overwrite(had + most, [&](char* text, std::size_t) noexcept {
                auto* at = text + had;
                while (is_sealed && !part.empty()) {
                    const auto clear = part.first(std::min(part.size(), content_bytes_max));
                    part = part.subspan(clear.size());
                    is_sealed = writing_.seal(content_record, clear, at);
                    at += clear.size() + tls_traffic_key::added_bytes;
                }
                return is_sealed ? had + most : had;
            });
            if (!is_sealed) {
                ::ERR_clear_error();
                is_broken_ = true;
                why_ = "records cannot be sealed";
                return failure(errc::invalid);
            }
        }
    } catch (const std::bad_alloc&) {
        is_broken_ = true;
        return failure(errc::exhausted);
    }
    return {};
}

result<void> tls_records::end(std::string& to_send) {
    if (std::exchange(is_over_, true) || is_broken_) {
        return {};
    }
    try {
        tell({1, close_notify}, to_send);
    } catch (const std::bad_alloc&) {
        return failure(errc::exhausted);  // It parts without a word.
    }
    return {};
}

/// The last that is said: an alert.
void tls_records::tell(const std::array<unsigned char, 2>& said, std::string& to_send) {
    const auto octets = std::as_bytes(std::span(said));
    if (is_handed_over_) {
        alert_.emplace();
        std::ranges::copy(octets, alert_->begin());
        return;
    }
    const auto had = to_send.size();
    to_send.resize(had + said.size() + tls_traffic_key::added_bytes);
    if (!writing_.seal(alert_record, octets, to_send.data() + had)) {
        ::ERR_clear_error();
        to_send.resize(had);
    }
}

std::optional<record_key> tls_records::sealing_key() const {
    return is_over() ? std::nullopt : std::optional(writing_.describe());
}

result<void> tls_records::note_sealed(std::uint64_t octets) {
    if (is_over()) {
        return failure(errc::invalid);
    }
    moved_ += octets;
    sealed_ += octets / content_bytes_max + 2;  // One that was not full, before and behind.
    if (writing_.sequence() + sealed_ < records_a_key_max) {
        return {};
    }
    std::string nothing;
    static_cast<void>(end(nothing));
    why_ = "the key by which the kernel seals is used up";
    return failure(errc::invalid);
}

/// Tells the peer why it is over, unless we have said already that it is.
error tls_records::refuse(unsigned char alert, const char* why, std::string& to_send) noexcept {
    constexpr unsigned char fatal = 2;
    why_ = why;
    is_broken_ = true;
    if (!std::exchange(is_over_, true)) {
        try {
            tell({fatal, alert}, to_send);
        } catch (const std::bad_alloc&) {
            // It is over without a word.
        }
    }
    return {.code = errc::invalid};
}

}  // namespace ferry::net
