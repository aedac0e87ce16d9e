#include "tls_side.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <utility>

#include "ferry/base/assert.hpp"

namespace ferry::sim::test {
namespace {

// Alerts of the peer are errors from this number on (RFC 8446 section 6).
constexpr int alert_reasons = SSL_AD_REASON_OFFSET;

}  // namespace

void tls_freed::operator()(ssl_st* session) const noexcept {
    // Otherwise OpenSSL takes the session for one that cannot be resumed.
    ::SSL_set_shutdown(session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    ::SSL_free(session);
}
void tls_freed::operator()(ssl_ctx_st* context) const noexcept {
    ::SSL_CTX_free(context);
}
void tls_freed::operator()(ssl_session_st* session) const noexcept {
    ::SSL_SESSION_free(session);
}

tls_clients::tls_clients() : context_(::SSL_CTX_new(::TLS_client_method())) {
    FERRY_ASSERT(context_ != nullptr);
    SSL_CTX_set_session_cache_mode(context_.get(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    ::SSL_CTX_sess_set_new_cb(context_.get(), &tls_side::keep);
    // One key share, so that a hello is cheap to make.
    FERRY_ASSERT(SSL_CTX_set1_groups_list(context_.get(), "P-256") == 1);
}

tls_side::tls_side(const tls_clients& by, std::shared_ptr<tls_memory> resumed, version speaks)
    : memory_(std::move(resumed)), ssl_(::SSL_new(by.context_.get())) {
    FERRY_ASSERT(ssl_ != nullptr);
    ::SSL_set_bio(ssl_.get(), ::BIO_new(::BIO_s_mem()), ::BIO_new(::BIO_s_mem()));
    BIO_set_mem_eof_return(::SSL_get_rbio(ssl_.get()), -1);
    SSL_set_app_data(ssl_.get(), this);
    ::SSL_set_connect_state(ssl_.get());
    // A session is resumed by its own version.
    const bool is_of_1_2 = memory_->session_ && ::SSL_SESSION_get_protocol_version(
                                                    memory_->session_.get()) == TLS1_2_VERSION;
    if (speaks == version::only_1_2 || is_of_1_2) {
        FERRY_ASSERT(SSL_set_max_proto_version(ssl_.get(), TLS1_2_VERSION) == 1);
    }
    if (memory_->session_) {
        // A copy: OpenSSL lets no ticket of TLS 1.3 be shown twice, and other clients do.
        const std::unique_ptr<ssl_session_st, tls_freed> shown(
            ::SSL_SESSION_dup(memory_->session_.get()));
        FERRY_ASSERT(::SSL_set_session(ssl_.get(), shown.get()) == 1);
    }
}

tls_side::~tls_side() = default;

int tls_side::keep(ssl_st* of, ssl_session_st* given) noexcept {
    static_cast<tls_side*>(SSL_get_app_data(of))->memory_->session_.reset(given);
    return 1;  // It is ours.
}

tls_side::progress tls_side::judge(int returned) {
    switch (::SSL_get_error(ssl_.get(), returned)) {
        case SSL_ERROR_NONE:
            return progress::done;
        case SSL_ERROR_WANT_READ:
            return progress::wants_input;
        case SSL_ERROR_ZERO_RETURN:
            return progress::ended;
        default: {
            const auto last = ::ERR_peek_last_error();
            const char* const reason = ::ERR_reason_error_string(last);
            why_ = reason == nullptr ? "without a reason" : reason;
            return ERR_GET_REASON(last) > alert_reasons ? progress::refused : progress::broken;
        }
    }
}

tls_side::progress tls_side::shake_hands() {
    ::ERR_clear_error();
    return judge(::SSL_do_handshake(ssl_.get()));
}

tls_side::progress tls_side::read(std::string& into, std::size_t octets_max) {
    ::ERR_clear_error();
    const auto had = into.size();
    into.resize(had + octets_max);
    std::size_t octets = 0;
    const int done = ::SSL_read_ex(ssl_.get(), into.data() + had, octets_max, &octets);
    into.resize(had + octets);
    return judge(done);
}

void tls_side::write(std::string_view octets) {
    ::ERR_clear_error();
    std::size_t written = 0;
    const bool is_taken = ::SSL_write_ex(ssl_.get(), octets.data(), octets.size(), &written) == 1;
    FERRY_ASSERT(is_taken && written == octets.size());  // Memory has room.
}

void tls_side::end() {
    ::ERR_clear_error();
    static_cast<void>(::SSL_shutdown(ssl_.get()));  // Half of it: it does not wait for the peer's.
}

void tls_side::give(std::string_view octets) {
    ::BIO_write(::SSL_get_rbio(ssl_.get()), octets.data(), static_cast<int>(octets.size()));
}

std::string tls_side::take() {
    std::string taken(::BIO_ctrl_pending(::SSL_get_wbio(ssl_.get())), '\0');
    if (!taken.empty()) {
        ::BIO_read(::SSL_get_wbio(ssl_.get()), taken.data(), static_cast<int>(taken.size()));
    }
    return taken;
}

bool tls_side::is_resumed() const noexcept {
    return ::SSL_session_reused(ssl_.get()) == 1;
}

}  // namespace ferry::sim::test
