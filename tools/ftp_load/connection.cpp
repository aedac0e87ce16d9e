#include "connection.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "ferry/base/units.hpp"

namespace ferry::ftp_load {

using runtime::task;

namespace {

constexpr std::size_t sealed_bytes = 64_KiB;
/// What is sealed in one go.
constexpr std::size_t quantum_bytes = 128_KiB;
constexpr std::size_t reply_piece_bytes = 2_KiB;
constexpr auto goodbye_time_max = std::chrono::seconds(2);

bool is_address(const std::string& host) noexcept {
    std::array<std::byte, 16> unused{};
    return ::inet_pton(AF_INET, host.c_str(), unused.data()) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), unused.data()) == 1;
}

template <auto Free>
struct freed_by {
    template <class Type>
    void operator()(Type* object) const noexcept {
        Free(object);
    }
};

}  // namespace

void tls_ticket::freed::operator()(ssl_session_st* session) const noexcept {
    ::SSL_SESSION_free(session);
}

/// TLS of one connection without the connection: reads what was offered, writes to a string.
class connection::session {
  public:
    session(tls_ticket& ticket) noexcept : ticket_(ticket) {}

    [[nodiscard]] bool begin(SSL_CTX* context, const BIO_METHOD* wire_method,
                             const std::string& host) {
        ssl_.reset(::SSL_new(context));
        BIO* const wire = ssl_ ? ::BIO_new(wire_method) : nullptr;
        if (wire == nullptr) {
            return false;
        }
        ::BIO_set_data(wire, this);
        ::BIO_set_init(wire, 1);
        ::SSL_set_bio(ssl_.get(), wire, wire);
        SSL_set_app_data(ssl_.get(), this);
        ::SSL_set_connect_state(ssl_.get());
        if (!is_address(host) && SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) != 1) {
            return false;
        }
        return !ticket_.session_ || ::SSL_set_session(ssl_.get(), ticket_.session_.get()) == 1;
    }

    [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
    [[nodiscard]] std::string& to_send() noexcept { return to_send_; }
    void offer(std::span<const std::byte> octets) noexcept { offered_ = octets; }

    void fail() noexcept {
        const auto last = ::ERR_peek_last_error();
        const char* const reason = last == 0 ? nullptr : ::ERR_reason_error_string(last);
        why_ = reason == nullptr ? "the session broke" : reason;
        ::ERR_clear_error();
    }
    void fail(const char* why) noexcept { why_ = why; }
    [[nodiscard]] const char* why() const noexcept { return why_; }

    // OpenSSL is C: no exception may pass through these.
    static int write(BIO* wire, const char* octets, int size_bytes) {
        auto& self = *static_cast<session*>(::BIO_get_data(wire));
        BIO_clear_retry_flags(wire);
        try {
            self.to_send_.append(octets, static_cast<std::size_t>(size_bytes));
        } catch (const std::bad_alloc&) {
            return -1;
        }
        return size_bytes;
    }
    static int read(BIO* wire, char* into, int size_bytes) {
        auto& self = *static_cast<session*>(::BIO_get_data(wire));
        BIO_clear_retry_flags(wire);
        const auto given =
            std::min(self.offered_.size(), static_cast<std::size_t>(std::max(size_bytes, 0)));
        if (given == 0) {
            BIO_set_retry_read(wire);
            return -1;
        }
        std::memcpy(into, self.offered_.data(), given);
        self.offered_ = self.offered_.subspan(given);
        return static_cast<int>(given);
    }
    static long control(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }
    static int take_ticket(SSL* of, SSL_SESSION* given) {
        auto* const self = static_cast<session*>(SSL_get_app_data(of));
        self->ticket_.session_.reset(given);
        return 1;  // It is ours.
    }

  private:
    struct ssl_freed {
        void operator()(SSL* session) const noexcept {
            // Otherwise OpenSSL forgets the session, which others resume.
            ::SSL_set_shutdown(session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
            ::SSL_free(session);
        }
    };
    tls_ticket& ticket_;
    std::span<const std::byte> offered_;
    std::string to_send_;
    const char* why_ = "";
    std::unique_ptr<SSL, ssl_freed> ssl_;
};

class tls_client::inside {
  public:
    std::unique_ptr<SSL_CTX, freed_by<::SSL_CTX_free>> context;
    std::unique_ptr<BIO_METHOD, freed_by<::BIO_meth_free>> wire;
};

tls_client::tls_client(std::unique_ptr<inside> made) noexcept : inside_(std::move(made)) {}

tls_client::~tls_client() = default;

result<std::unique_ptr<tls_client>> tls_client::make() {
    auto made = std::make_unique<inside>();
    made->context.reset(::SSL_CTX_new(::TLS_client_method()));
    made->wire.reset(::BIO_meth_new(BIO_TYPE_SOURCE_SINK, "a connection of ferry-ftp-load"));
    if (!made->context || !made->wire) {
        ::ERR_clear_error();
        return failure(errc::exhausted);
    }
    auto* const context = made->context.get();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    ::SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    ::SSL_CTX_sess_set_new_cb(context, &connection::session::take_ticket);
    ::BIO_meth_set_write(made->wire.get(), &connection::session::write);
    ::BIO_meth_set_read(made->wire.get(), &connection::session::read);
    ::BIO_meth_set_ctrl(made->wire.get(), &connection::session::control);
    return std::unique_ptr<tls_client>(new tls_client(std::move(made)));
}

connection::connection(runtime::core& here, unique_fd socket)
    : here_(here), below_(here, std::move(socket)) {}

connection::~connection() = default;

bool connection::is_resumed() const noexcept {
    return session_ && ::SSL_session_reused(session_->ssl()) == 1;
}

std::string connection::explain(const error& why) const {
    if (session_ && why == errc::invalid) {
        return std::string("TLS: ") + session_->why();
    }
    return std::string(describe(why.code));
}

task<result<void>> connection::begin_tls(tls_terms terms, runtime::time_point deadline) {
    session_ = std::make_unique<session>(terms.ticket);
    const auto& with = *terms.by.inside_;
    if (!session_->begin(with.context.get(), with.wire.get(), terms.host)) {
        ::ERR_clear_error();
        is_broken_ = true;
        co_return failure(errc::exhausted);
    }
    sealed_ = std::make_unique_for_overwrite<std::byte[]>(sealed_bytes);
    for (;;) {  // Bounded by the deadline.
        ::ERR_clear_error();
        const int done = ::SSL_do_handshake(session_->ssl());
        const int how = ::SSL_get_error(session_->ssl(), done);
        if (done != 1 && how != SSL_ERROR_WANT_READ) {
            session_->fail();
        }
        const auto sent = co_await flush(deadline - here_.now());
        if (done == 1) {
            co_return sent;
        }
        if (how != SSL_ERROR_WANT_READ) {
            is_broken_ = true;
            co_return failure(errc::invalid);
        }
        if (!sent) {
            co_return sent;
        }
        const auto came = co_await receive_sealed(deadline);
        if (!came) {
            is_broken_ = true;
            co_return came;
        }
    }
}

task<result<void>> connection::receive_sealed(runtime::time_point deadline) {
    const auto got = co_await below_.receive(std::span(sealed_.get(), sealed_bytes), deadline);
    if (!got) {
        co_return failure(got.error());
    }
    if (*got == 0) {  // What was cut off is not whole (RFC 8446 section 6.1).
        session_->fail("ended without its close_notify");
        co_return failure(errc::invalid);
    }
    session_->offer(std::span(sealed_.get(), *got));
    co_return result<void>();
}

task<result<void>> connection::flush(runtime::duration stall_timeout) {
    if (session_->to_send().empty()) {
        co_return result<void>();
    }
    sending_.clear();
    sending_.swap(session_->to_send());
    const auto sent = co_await below_.send(std::as_bytes(std::span(sending_)), stall_timeout);
    if (!sent) {
        is_broken_ = true;
    }
    co_return sent;
}

task<result<std::size_t>> connection::receive(std::span<std::byte> into,
                                              runtime::time_point deadline) {
    if (!session_) {
        const auto got = co_await below_.receive(into, deadline);
        co_return got;
    }
    for (;;) {  // Bounded by the deadline.
        std::size_t octets = 0;
        ::ERR_clear_error();
        const int done = ::SSL_read_ex(session_->ssl(), into.data(), into.size(), &octets);
        const int how = ::SSL_get_error(session_->ssl(), done);
        if (done == 1) {
            co_return octets;
        }
        if (how == SSL_ERROR_ZERO_RETURN) {
            co_return std::size_t{0};
        }
        if (how != SSL_ERROR_WANT_READ) {
            session_->fail();
            is_broken_ = true;
            co_return failure(errc::invalid);
        }
        const auto sent = co_await flush(deadline - here_.now());  // Keys renewed, or nothing.
        if (!sent) {
            co_return failure(sent.error());
        }
        const auto came = co_await receive_sealed(deadline);
        if (!came) {
            co_return failure(came.error());
        }
    }
}

task<result<void>> connection::receive_more(std::string& into, runtime::time_point deadline) {
    if (!session_) {
        const auto came = co_await below_.fill(deadline);
        if (came) {
            below_.take_input(into);
        }
        co_return came;
    }
    std::array<std::byte, reply_piece_bytes> piece;
    const auto got = co_await receive(piece, deadline);
    if (!got) {
        co_return failure(got.error());
    }
    if (*got == 0) {
        co_return failure(errc::closed);
    }
    for (const auto octet : std::span(piece).first(*got)) {
        into += static_cast<char>(octet);
    }
    co_return result<void>();
}

task<result<void>> connection::send(std::span<const std::byte> octets,
                                    runtime::duration stall_timeout) {
    if (!session_) {
        const auto sent = co_await below_.send(octets, stall_timeout);
        co_return sent;
    }
    while (!octets.empty()) {
        const auto part = octets.first(std::min(octets.size(), quantum_bytes));
        std::size_t written = 0;
        ::ERR_clear_error();
        if (::SSL_write_ex(session_->ssl(), part.data(), part.size(), &written) != 1) {
            session_->fail();
            is_broken_ = true;
            co_return failure(errc::invalid);
        }
        const auto sent = co_await flush(stall_timeout);
        if (!sent) {
            co_return sent;
        }
        octets = octets.subspan(part.size());
    }
    co_return result<void>();
}

task<> connection::finish(runtime::time_point deadline) {
    if (!session_ || is_broken_) {
        co_return;  // Closing says it.
    }
    ::ERR_clear_error();
    static_cast<void>(::SSL_shutdown(session_->ssl()));  // Half of it: the peer's is waited for.
    const auto told = co_await flush(deadline - here_.now());
    if (!told) {
        co_return;
    }
    below_.shut_down_sending();
    std::array<std::byte, reply_piece_bytes> dropped;
    for (;;) {  // Bounded by the deadline.
        const auto got = co_await receive(dropped, deadline);
        if (!got || *got == 0) {
            co_return;  // Whether all has arrived the server says in its reply.
        }
    }
}

task<> connection::close(net::farewell how) {
    const bool says_goodbye = session_ && !is_broken_ && how != net::farewell::abort &&
                              ::SSL_is_init_finished(session_->ssl()) == 1;
    if (says_goodbye) {
        ::ERR_clear_error();
        if ((::SSL_get_shutdown(session_->ssl()) & SSL_SENT_SHUTDOWN) == 0) {
            static_cast<void>(::SSL_shutdown(session_->ssl()));
        }
        ::ERR_clear_error();
        runtime::stop_scope deaf;  // Bounded by `goodbye_time_max` instead.
        static_cast<void>(co_await flush(goodbye_time_max).in_scope(deaf));
    }
    co_await below_.close(how);
}

}  // namespace ferry::ftp_load
