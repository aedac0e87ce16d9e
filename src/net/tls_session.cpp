#include "net/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/wall_clock.hpp"
#include "net/tls_callbacks.hpp"
#include "net/tls_contexts.hpp"
#include "net/tls_derivation.hpp"

namespace ferry::net {

namespace {

constexpr std::size_t mark_bytes_max = 64;

/// What is sealed in a ticket, beside OpenSSL's: when it is issued, and the mark.
class ticket_text {
  public:
    ticket_text(std::int64_t issued, std::string_view mark) noexcept
        : size_bytes_(sizeof issued + mark.size()) {
        FERRY_ASSERT(mark.size() <= mark_bytes_max);
        std::memcpy(octets_.data(), &issued, sizeof issued);
        std::ranges::copy(mark, octets_.data() + sizeof issued);
    }
    [[nodiscard]] std::span<const char> octets() const noexcept {
        return std::span(octets_).first(size_bytes_);
    }

  private:
    std::array<char, sizeof(std::int64_t) + mark_bytes_max> octets_{};
    std::size_t size_bytes_;
};

/// What OpenSSL makes room for before it looks at a message: as much as a record holds.
constexpr std::size_t message_room_bytes = SSL3_RT_MAX_PLAIN_LENGTH;

std::string subject_of(const X509* shown) {
    const bio_owner text(::BIO_new(::BIO_s_mem()));
    if (!text || ::X509_NAME_print_ex(text.get(), ::X509_get_subject_name(shown), 0,
                                      XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) {
        return {};
    }
    char* octets = nullptr;
    const auto size_bytes = BIO_get_mem_data(text.get(), &octets);
    return {octets, static_cast<std::size_t>(size_bytes)};
}

std::string common_name_of(const X509* shown) {
    auto* const subject = ::X509_get_subject_name(shown);
    const int at = ::X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    // One that has several says nothing certain.
    if (at < 0 || ::X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
        return {};
    }
    unsigned char* octets = nullptr;
    const int size_bytes = ::ASN1_STRING_to_UTF8(
        &octets, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(subject, at)));
    if (size_bytes < 0) {
        ::ERR_clear_error();
        return {};
    }
    const std::unique_ptr<unsigned char, decltype([](unsigned char* text) { OPENSSL_free(text); })>
        owner(octets);
    // Octets are octets, signed or not.
    return {reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size_bytes)};
}

}  // namespace

// OpenSSL is C: no exception may pass through it.
int tls_session::callbacks::write(BIO* wire, const char* octets, int size_bytes) {
    auto& self = *static_cast<tls_session*>(::BIO_get_data(wire));
    BIO_clear_retry_flags(wire);
    if (self.is_out_of_memory_) {  // What comes behind a record that is lost could not be opened.
        return -1;
    }
    try {
        self.to_send_.append(octets, static_cast<std::size_t>(size_bytes));
    } catch (const std::bad_alloc&) {
        self.is_out_of_memory_ = true;
        return -1;
    }
    return size_bytes;
}

int tls_session::callbacks::read(BIO* wire, char* into, int size_bytes) {
    auto& self = *static_cast<tls_session*>(::BIO_get_data(wire));
    BIO_clear_retry_flags(wire);
    if (self.is_too_much()) {
        self.why_ = "too many messages that are no content";
        return -1;
    }
    const auto left = self.offered_.substr(self.taken_);
    const auto given = left.substr(0, static_cast<std::size_t>(std::max(size_bytes, 0)));
    if (given.empty()) {
        BIO_set_retry_read(wire);
        return -1;
    }
    if (self.watches_hello_ && !self.hello_.take(given)) {
        self.why_ = "the ClientHello is too long";
        return -1;
    }
    self.said_message_ = nullptr;
    std::memcpy(into, given.data(), given.size());
    self.taken_ += given.size();
    return static_cast<int>(given.size());
}

long tls_session::callbacks::control(BIO*, int what, long, void*) {
    return what == BIO_CTRL_FLUSH ? 1 : 0;
}

void tls_session::callbacks::see_message(int is_written, int, int kind, const void* octets,
                                         std::size_t size_bytes, SSL* session, void*) {
    auto* const self = of(session);
    if (self == nullptr) {
        return;
    }
    if (kind == SSL3_RT_HEADER) {
        if (self->traffic_ && size_bytes > 0 &&
            *static_cast<const unsigned char*>(octets) == SSL3_RT_APPLICATION_DATA) {
            auto& on = *self->traffic_;
            on.read += is_written == 0 && on.client.size_bytes > 0 ? 1 : 0;
            on.written += is_written != 0 && on.server.size_bytes > 0 ? 1 : 0;
        }
        return;
    }
    if (!self->has_shaken_hands_) {
        if (kind == SSL3_RT_HANDSHAKE) {
            self->said_message_ = is_written != 0 ? octets : nullptr;
        }
        return;
    }
    // An alert of ours is the answer to something that was not wanted.
    const bool is_side_message =
        kind == SSL3_RT_HANDSHAKE ? is_written == 0 : kind == SSL3_RT_ALERT;
    if (is_side_message) {
        ++self->side_messages_;
    }
}

void tls_session::callbacks::hear_secret(void* session, told_secret which,
                                         std::span<const unsigned char> secret) noexcept {
    auto& self = *static_cast<tls_session*>(session);
    try {
        if (!self.traffic_) {
            self.traffic_ = std::make_unique<traffic>();
        }
    } catch (const std::bad_alloc&) {
        self.is_out_of_memory_ = true;
        return;
    }
    auto& on = *self.traffic_;
    auto& kept = which == told_secret::of_client   ? on.client
                 : which == told_secret::of_server ? on.server
                                                   : on.resumption;
    kept.size_bytes = std::min(secret.size(), kept.octets.size());
    std::ranges::copy(secret.first(kept.size_bytes), kept.octets.begin());
}

int tls_session::callbacks::choose_protocol(SSL* session, const unsigned char** chosen,
                                            unsigned char* chosen_bytes,
                                            const unsigned char* offered, unsigned offered_bytes,
                                            void*) {
    const auto* const self = of(session);
    if (self == nullptr || self->how_.protocol.empty()) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    const auto wanted = self->how_.protocol;
    for (unsigned at = 0; at < offered_bytes;) {
        const unsigned size_bytes = offered[at];
        if (size_bytes > offered_bytes - at - 1) {
            break;
        }
        if (wanted.size() == size_bytes &&
            std::memcmp(wanted.data(), offered + at + 1, size_bytes) == 0) {
            *chosen = offered + at + 1;
            *chosen_bytes = static_cast<unsigned char>(size_bytes);
            return SSL_TLSEXT_ERR_OK;
        }
        at += size_bytes + 1;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol (RFC 7301 section 3.2).
}

int tls_session::callbacks::mark_session(SSL* session, void* unused) {
    return ::SSL_get_session(session) == nullptr ? 1 : mark_ticket(session, unused);
}

int tls_session::callbacks::mark_ticket(SSL* session, void*) {
    const auto* const self = of(session);
    if (self == nullptr || is_resumed_by_name(session)) {
        return 1;
    }
    const auto& tickets = self->by_->inside().tickets;
    const auto issued = tickets ? tickets->issue_time(read_wall_clock().seconds) : std::int64_t{0};
    // Who has not shown that the session is his is given no ticket to show so the next time.
    const bool is_of_session = self->how_.gives_more || (::SSL_session_reused(session) == 1 &&
                                                         self->resumed_mark_ == self->how_.mark);
    const ticket_text text(issued, is_of_session ? std::string_view(self->how_.mark) : "");
    return ::SSL_SESSION_set1_ticket_appdata(::SSL_get_session(session), text.octets().data(),
                                             text.octets().size());
}

void tls_session::callbacks::note_ticket(
    tls_session& self, std::span<const unsigned char, tls_ticket_keys::ticket_id_bytes> id) {
    const bool is_same = std::ranges::equal(id, self.ticket_id_);  // In a second hello.
    self.has_used_ticket_ = self.has_used_ticket_ && is_same;
    std::ranges::copy(id, self.ticket_id_.begin());
}

SSL_TICKET_RETURN tls_session::callbacks::see_ticket(SSL* session, SSL_SESSION* resumed,
                                                     const unsigned char*, std::size_t,
                                                     SSL_TICKET_STATUS status, void*) {
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;  // A whole handshake, and a ticket for the next.
    }
    auto* const self = of(session);
    if (self != nullptr) {
        self->has_seen_ticket_ = true;
        if (is_of_old_certificate(resumed, read_wall_clock().seconds)) {
            return SSL_TICKET_RETURN_IGNORE_RENEW;
        }
        const bool is_1_3 = ::SSL_version(session) == TLS1_3_VERSION;
        if (!self->take_mark(resumed) || (is_1_3 && !self->may_take_ticket())) {
            return SSL_TICKET_RETURN_IGNORE_RENEW;
        }
    }
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

bool tls_session::callbacks::is_resumed_by_name(const SSL* session) noexcept {
    const auto* const self = of(session);
    return self != nullptr && ::SSL_session_reused(session) == 1 && !self->has_seen_ticket_;
}

bool tls_session::callbacks::is_of_old_certificate(SSL_SESSION* resumed,
                                                   std::int64_t now) noexcept {
    const X509* const shown = ::SSL_SESSION_get0_peer(resumed);
    auto at = static_cast<std::time_t>(now);
    return shown != nullptr && ::X509_cmp_time(::X509_get0_notAfter(shown), &at) < 0;
}

const tls_server& tls_session::callbacks::server_of(const tls_session& self) noexcept {
    return *self.by_;
}

bool tls_session::callbacks::has_mark(const tls_session& self) noexcept {
    return !self.how_.mark.empty();
}

std::string_view tls_session::callbacks::usual_name(const SSL* session) noexcept {
    const auto* const self = of(session);
    return self == nullptr ? std::string_view() : self->how_.usual_name;
}

tls_session* tls_session::callbacks::of(const SSL* session) noexcept {
    return static_cast<tls_session*>(SSL_get_app_data(session));
}

void tls_session::ssl_freed::operator()(ssl_st* session) const noexcept {
    // Otherwise OpenSSL forgets the session: one that others go on with, however this one has
    // ended.
    ::SSL_set_shutdown(session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    ::SSL_free(session);
}

tls_session::tls_session(std::shared_ptr<const tls_server> by, tls_session_options how)
    : by_(std::move(by)), how_(std::move(how)) {}

tls_session::~tls_session() = default;

result<std::unique_ptr<tls_session>> tls_session::make(std::shared_ptr<const tls_server> by,
                                                       tls_session_options how) {
    const auto& inside = by->inside();
    // The constructor is nobody else's, so make_unique has no way in.
    std::unique_ptr<tls_session> made(new tls_session(std::move(by), std::move(how)));
    made->ssl_.reset(::SSL_new(inside.standard(!made->how_.mark.empty())));
    bio_owner wire(made->ssl_ ? ::BIO_new(inside.wire()) : nullptr);
    if (!wire) {
        ::ERR_clear_error();
        return failure(errc::exhausted);
    }
    if (!made->how_.gives_ticket && ::SSL_set_num_tickets(made->ssl_.get(), 0) != 1) {
        return failure(errc::exhausted);
    }
    ::BIO_set_data(wire.get(), made.get());
    ::BIO_set_init(wire.get(), 1);
    SSL_set_app_data(made->ssl_.get(), made.get());
    auto* const both_ways = wire.release();
    ::SSL_set_bio(made->ssl_.get(), both_ways, both_ways);
    ::SSL_set_accept_state(made->ssl_.get());
    return made;
}

/// False: memory is out.
bool tls_session::take_mark(ssl_session_st* resumed) noexcept {
    void* sealed = nullptr;
    std::size_t size_bytes = 0;
    if (::SSL_SESSION_get0_ticket_appdata(resumed, &sealed, &size_bytes) != 1 ||
        size_bytes < sizeof ticket_issued_) {
        resumed_mark_.clear();
        return true;
    }
    const auto* const text = static_cast<const char*>(sealed);
    std::memcpy(&ticket_issued_, text, sizeof ticket_issued_);
    try {
        resumed_mark_.assign(text + sizeof ticket_issued_, size_bytes - sizeof ticket_issued_);
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

/// A ticket of TLS 1.3 is for one use, but within the session whose mark it has: data connections
/// of FTP show whose they are by it, and not all clients take the fresh ones (decision 0038).
bool tls_session::may_take_ticket() noexcept {
    if (has_used_ticket_ || (!how_.mark.empty() && resumed_mark_ == how_.mark)) {
        return true;
    }
    has_used_ticket_ =
        by_->inside().tickets->use_once(ticket_id_, ticket_issued_, read_wall_clock().seconds);
    return has_used_ticket_;
}

bool tls_session::is_too_much() const noexcept {
    return are_too_many_side_messages(side_messages_, moved_);
}

/// What has gone wrong in the last call, whose return value was one of failure.
error tls_session::fail() noexcept {
    const auto last = ::ERR_peek_last_error();
    if (why_[0] == '\0') {
        const char* const reason = last == 0 ? nullptr : ::ERR_reason_error_string(last);
        why_ = reason == nullptr ? "the TLS session broke" : reason;
    }
    const bool is_memory =
        is_out_of_memory_ || (last != 0 && ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE);
    ::ERR_clear_error();
    return {.code = is_memory ? errc::exhausted : errc::invalid};
}

std::size_t tls_session::whole_records(std::string_view octets) noexcept {
    constexpr std::size_t header_bytes = 5;
    constexpr std::size_t record_bytes_max = 16'384 + 256;  // RFC 8446 section 5.2.
    const auto octet_at = [octets](std::size_t at) {
        return static_cast<std::size_t>(static_cast<unsigned char>(octets[at]));
    };
    std::size_t whole = 0;
    while (octets.size() - whole >= header_bytes) {
        const bool is_tls = octet_at(whole) >= SSL3_RT_CHANGE_CIPHER_SPEC &&
                            octet_at(whole) <= SSL3_RT_APPLICATION_DATA &&
                            octet_at(whole + 1) == SSL3_VERSION_MAJOR;
        const auto content_bytes = octet_at(whole + 3) << 8U | octet_at(whole + 4);
        if (!is_tls || content_bytes > record_bytes_max) {
            return octets.size();  // To be refused.
        }
        if (octets.size() - whole - header_bytes < content_bytes) {
            break;
        }
        whole += header_bytes + content_bytes;
    }
    return whole;
}

result<tls_session::progress> tls_session::shake_hands() {
    offered_ = offered_.substr(0, taken_ + whole_records(offered_.substr(taken_)));
    ::ERR_clear_error();
    const int done = [this] {
        const tls_secret_watch watch(&callbacks::hear_secret, this);
        return ::SSL_do_handshake(ssl_.get());
    }();
    if (!has_answered_hello_ && ::SSL_get_state(ssl_.get()) != TLS_ST_BEFORE) {
        has_answered_hello_ = true;
        // In that state OpenSSL may have asked for another hello; of 1.2 there is one only.
        watches_hello_ = ::SSL_get_state(ssl_.get()) == TLS_ST_EARLY_DATA;
        hello_.expect_another();
    }
    if (done == 1) {
        watches_hello_ = false;
        has_shaken_hands_ = true;
        said_message_ = nullptr;
        is_resumed_ = ::SSL_session_reused(ssl_.get()) == 1;
        // By a ticket it had the mark of before; in it is that of this session by now.
        if (callbacks::is_resumed_by_name(ssl_.get()) &&
            !take_mark(::SSL_get_session(ssl_.get()))) {
            return failure(errc::exhausted);
        }
        // OpenSSL has opened a ticket and then not gone on with its session, as where that is of
        // another digest: whoever has seen the ticket could show it (threats.md, T5).
        if (!is_resumed_) {
            resumed_mark_.clear();
        }
        if (const auto taken = take_records_over(); !taken) {
            return failure(taken.error());
        }
        return progress::done;
    }
    if (::SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ) {
        return progress::wants_input;
    }
    return failure(fail());
}

void tls_session::give_pages_back() noexcept {
    if (said_message_ == nullptr) {
        return;
    }
    const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    // OpenSSL tells callbacks of it as of what is not theirs; it is memory that was written to.
    auto* at = const_cast<void*>(said_message_);
    auto left = message_room_bytes;
    if (std::align(page_bytes, page_bytes, at, left) != nullptr) {
        // Where memory is locked it fails, and they stay.
        static_cast<void>(::madvise(at, left / page_bytes * page_bytes, MADV_DONTNEED));
    }
    said_message_ = nullptr;
}

/// Keeps what others ask for of the handshake, which OpenSSL's session takes along.
void tls_session::note_agreement() {
    version_ = ::SSL_get_version(ssl_.get());
    const char* const name = SSL_get_cipher_name(ssl_.get());
    cipher_ = name == nullptr ? std::string_view() : std::string_view(name);
    if (const X509* const shown = ::SSL_get0_peer_certificate(ssl_.get()); shown != nullptr) {
        client_subject_ = subject_of(shown);
        client_name_ = common_name_of(shown);
    }
}

result<void> tls_session::take_records_over() {
    const auto secrets = std::exchange(traffic_, nullptr);
    try {
        note_agreement();
        const auto* const cipher = ::SSL_get_current_cipher(ssl_.get());
        const auto& suites = by_->inside().suites;
        const auto* const suite = suites->find(::SSL_CIPHER_get_protocol_id(cipher));
        // Where one is missing it stays OpenSSL's; so do all of 1.2, which have none.
        if (!secrets || suite == nullptr || secrets->client.size_bytes != suite->secret_bytes ||
            secrets->server.size_bytes != suite->secret_bytes) {
            return {};
        }
        auto reading = tls_traffic_key::make(*suite, secrets->client, secrets->read, false);
        auto writing = tls_traffic_key::make(*suite, secrets->server, secrets->written, true);
        if (!reading || !writing) {
            return failure(errc::exhausted);
        }
        const auto& tickets = by_->inside().tickets;
        if (how_.gives_more && tickets && secrets->resumption.size_bytes == suite->secret_bytes) {
            more_tickets_ = tls_ticket_maker::make(*::SSL_get_session(ssl_.get()), suite->digest,
                                                   secrets->resumption,
                                                   tickets->issue_time(read_wall_clock().seconds));
        }
        records_ = std::make_unique<tls_records>(suites, std::move(*reading), std::move(*writing));
    } catch (const std::bad_alloc&) {
        return failure(errc::exhausted);
    }
    ssl_.reset();
    return {};
}

bool tls_session::is_established() const noexcept {
    return records_ || ::SSL_is_init_finished(ssl_.get()) == 1;
}

result<tls_session::reading> tls_session::read(std::span<std::byte> into) {
    FERRY_ASSERT(!into.empty());
    if (records_) {
        auto left = offered_.substr(taken_);
        const auto got = records_->read(left, into, to_send_);
        taken_ = offered_.size() - left.size();
        if (!got) {
            why_ = records_->why();
            return failure(got.error());
        }
        switch (got->how) {
            case tls_records::progress::done:
                return reading{.how = progress::done, .octets = got->octets};
            case tls_records::progress::wants_input:
                return reading{.how = progress::wants_input};
            case tls_records::progress::ended:
                return reading{.how = progress::ended};
        }
    }
    ::ERR_clear_error();
    std::size_t octets = 0;
    if (::SSL_read_ex(ssl_.get(), into.data(), into.size(), &octets) == 1) {
        moved_ += octets;
        return reading{.how = progress::done, .octets = octets};
    }
    switch (::SSL_get_error(ssl_.get(), 0)) {
        case SSL_ERROR_WANT_READ:
            return reading{.how = progress::wants_input};
        case SSL_ERROR_ZERO_RETURN:
            return reading{.how = progress::ended};
        default:
            return failure(fail());
    }
}

std::size_t tls_session::pending() const noexcept {
    return records_ ? records_->pending() : static_cast<std::size_t>(::SSL_pending(ssl_.get()));
}

result<void> tls_session::write(std::span<const std::byte> octets) {
    if (octets.empty()) {
        return {};
    }
    if (records_) {
        const auto sealed = records_->write(octets, to_send_);
        if (!sealed) {
            why_ = records_->why();
        }
        return sealed;
    }
    ::ERR_clear_error();
    std::size_t written = 0;
    if (::SSL_write_ex(ssl_.get(), octets.data(), octets.size(), &written) != 1) {
        return failure(fail());
    }
    moved_ += octets.size();
    return {};
}

void tls_session::give_ticket() noexcept {
    if (!more_tickets_ || records_->is_over()) {
        return;
    }
    const auto now = read_wall_clock().seconds;
    try {
        auto& keys = *by_->inside().tickets;
        const auto with = keys.sealing(now);
        if (!with) {
            return;
        }
        const auto issued = keys.issue_time(now);
        const ticket_text text(issued, how_.mark);
        const auto message =
            more_tickets_->next({.with = *with, .text = text.octets(), .issued = issued});
        if (!message.empty()) {
            records_->say(std::as_bytes(std::span(message)), to_send_);
        }
    } catch (const std::bad_alloc&) {
        // Its client has one less.
    }
}

std::optional<record_key> tls_session::sealing_key() const {
    return records_ && to_send_.empty() ? records_->sealing_key() : std::nullopt;
}

result<void> tls_session::note_sealed(std::uint64_t octets) {
    const auto noted = records_->note_sealed(octets);
    if (!noted) {
        why_ = records_->why();
    }
    return noted;
}

void tls_session::end() noexcept {
    if (records_) {
        static_cast<void>(records_->end(to_send_));  // Fails without memory: without a word.
        return;
    }
    if (!is_established()) {
        return;  // OpenSSL has no alert for that, and the peer has nothing to take for whole.
    }
    ::ERR_clear_error();
    if ((::SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0) {
        // Fails only after something else has: the peer then had an alert.
        static_cast<void>(::SSL_shutdown(ssl_.get()));
    }
    ::ERR_clear_error();
}

}  // namespace ferry::net
