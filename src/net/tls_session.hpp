#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/net/tls_server.hpp"
#include "net/tls_client_hello.hpp"
#include "net/tls_records.hpp"
#include "net/tls_ticket_maker.hpp"

struct ssl_st;
struct ssl_session_st;
struct bio_st;

namespace ferry::net {

/// What else a session of a server is told.
struct tls_session_options {
    std::string_view protocol{};  ///< By ALPN (RFC 7301); empty: none is agreed on.
    /// What the tickets of this session are marked with, where it `gives_more` or has resumed one
    /// of that mark; empty: nothing.
    std::string mark{};
    /// The certificate for who asks for that of no name; empty: the first.
    std::string usual_name{};
    bool gives_ticket = true;  ///< As in `tls_terms`.
    bool gives_more = false;
};

/// TLS of one connection without the connection, as the server (RFC 8446, RFC 5246): octets of the
/// network are offered, octets for the network are collected. Does no I/O, so octets may come in
/// any pieces, from anywhere. One core's own.
///
/// OpenSSL shakes hands. Behind that, records of TLS 1.3 are `tls_records`, and what OpenSSL holds
/// of the session is given back; those of TLS 1.2 stay OpenSSL's.
///
/// Errors of its functions are final: errc::invalid (what came is no TLS, is not wanted or too much
/// of it; `why()` says it), exhausted (memory). What `to_send` holds then is the alert for the
/// peer.
class tls_session {
  public:
    /// Errors: errc::exhausted.
    [[nodiscard]] static result<std::unique_ptr<tls_session>> make(
        std::shared_ptr<const tls_server> by, tls_session_options how);
    tls_session(const tls_session&) = delete;
    tls_session& operator=(const tls_session&) = delete;
    ~tls_session();

    /// From now on reads from `octets`, which must stay until others are offered.
    void offer(std::string_view octets) noexcept {
        offered_ = octets;
        taken_ = 0;
    }
    /// How many of those offered are used up.
    [[nodiscard]] std::size_t taken() const noexcept { return taken_; }

    enum class progress : std::uint8_t {
        done,
        wants_input,  ///< All that was offered is used up.
        ended,        ///< The peer has said that nothing more comes (RFC 8446 section 6.1).
    };

    /// How many of `octets`, at whose front a record begins, are whole records; all of them where
    /// they are no TLS.
    [[nodiscard]] static std::size_t whole_records(std::string_view octets) noexcept;

    /// Goes on with the handshake, as far as there are whole records: of half a one OpenSSL would
    /// make room for all of it (threats.md, T3).
    [[nodiscard]] result<progress> shake_hands();
    [[nodiscard]] bool is_established() const noexcept;
    /// While hands are shaken and the client has the word: gives the kernel the pages back in which
    /// OpenSSL keeps messages, 16 KiB that hold nothing then and come again, zeroed, when they are
    /// touched. For a client that stalls (threats.md, T3). Cost: a system call.
    void give_pages_back() noexcept;

    struct reading {
        progress how = progress::done;
        std::size_t octets = 0;  ///< Not 0 when done.
    };
    /// Reads what the peer has sent, a record of it at most.
    [[nodiscard]] result<reading> read(std::span<std::byte> into);
    /// How much of a record that was opened is not read yet.
    [[nodiscard]] std::size_t pending() const noexcept;

    /// What holds nothing is freed, for who waits for long.
    void give_buffers_back() noexcept {
        if (records_) {
            records_->give_buffers_back();
        }
        if (to_send_.empty()) {
            std::string().swap(to_send_);
        }
    }

    /// Seals all of `octets`, as many records as that takes.
    [[nodiscard]] result<void> write(std::span<const std::byte> octets);

    /// As of `tls_stream`.
    void give_ticket() noexcept;

    /// Says that nothing more is sent. Idempotent; nothing may be written behind it.
    void end() noexcept;

    /// By what our next record is sealed, for who would do it in our place: of TLS 1.3, while our
    /// side goes on and all of `to_send` is sent; else nothing.
    [[nodiscard]] std::optional<record_key> sealing_key() const;
    /// It was given to somebody who seals from now on: nothing is written any more, and what TLS
    /// has to say are alerts in `alert` (`tls_records::hand_over_sealing`).
    void hand_over_sealing() noexcept { records_->hand_over_sealing(); }
    [[nodiscard]] const std::optional<tls_records::alert>& alert() const noexcept {
        return records_->to_tell();
    }
    void forget_alert() noexcept { records_->forget_alert(); }
    /// So much content is to be sealed by somebody else. Errors: errc::invalid, as of `write`.
    [[nodiscard]] result<void> note_sealed(std::uint64_t octets);
    /// Something is to be sent: in `to_send`, or an alert.
    [[nodiscard]] bool has_to_say() const noexcept {
        return !to_send_.empty() || (records_ && records_->to_tell());
    }

    /// What is to be sent to the peer; whoever sends it takes it out.
    [[nodiscard]] std::string& to_send() noexcept { return to_send_; }

    /// What went wrong, for a log; empty: nothing.
    [[nodiscard]] std::string_view why() const noexcept { return why_; }

    // Of the handshake, once it is over.
    [[nodiscard]] std::string_view version() const noexcept { return version_; }  ///< "TLSv1.3".
    [[nodiscard]] std::string_view cipher() const noexcept { return cipher_; }
    [[nodiscard]] bool is_resumed() const noexcept { return is_resumed_; }
    /// The mark of the session that was resumed; empty for a new one, and where it had none.
    [[nodiscard]] std::string_view resumed_mark() const noexcept { return resumed_mark_; }
    /// The subject of the certificate that the client has shown, "CN=..." first; empty: none.
    [[nodiscard]] const std::string& client_subject() const noexcept { return client_subject_; }
    /// The common name in it (RFC 5280, id-at-commonName); empty: none.
    [[nodiscard]] const std::string& client_common_name() const noexcept { return client_name_; }

    // For OpenSSL's callbacks.
    class callbacks;

  private:
    /// What `tls_records` begins with.
    struct traffic {
        tls_secret client;
        tls_secret server;
        tls_secret resumption;
        std::uint64_t read = 0;     ///< Records since the secret is there.
        std::uint64_t written = 0;  ///< Tickets.
    };
    struct ssl_freed {
        void operator()(ssl_st* session) const noexcept;
    };
    tls_session(std::shared_ptr<const tls_server> by, tls_session_options how);

    [[nodiscard]] error fail() noexcept;
    [[nodiscard]] bool is_too_much() const noexcept;
    [[nodiscard]] bool take_mark(ssl_session_st* resumed) noexcept;
    [[nodiscard]] bool may_take_ticket() noexcept;
    [[nodiscard]] result<void> take_records_over();
    void note_agreement();

    std::shared_ptr<const tls_server> by_;  ///< Outlives `ssl_`.
    tls_session_options how_;
    std::string_view offered_;
    std::size_t taken_ = 0;
    std::string to_send_;
    std::string resumed_mark_;
    const char* why_ = "";
    tls_client_hello_watch hello_;
    bool watches_hello_ = true;
    bool has_answered_hello_ = false;
    bool has_shaken_hands_ = false;
    bool has_seen_ticket_ = false;  ///< And resumes what is in it.
    bool has_used_ticket_ = false;  ///< Which one can be taken once.
    std::array<unsigned char, tls_ticket_keys::ticket_id_bytes> ticket_id_{};
    std::int64_t ticket_issued_ = 0;
    std::uint64_t moved_ = 0;          ///< Octets of content, both ways.
    std::uint64_t side_messages_ = 0;  ///< That were no content, once hands were shaken.
    bool is_out_of_memory_ = false;
    bool is_resumed_ = false;
    std::string_view version_;  ///< OpenSSL's own.
    std::string_view cipher_;
    std::string client_subject_;
    std::string client_name_;
    std::unique_ptr<traffic> traffic_;  ///< While hands are shaken.
    /// Where OpenSSL keeps messages, while nothing is in there that it will ask for: since it has
    /// said one and until it is given anything; else null.
    const void* said_message_ = nullptr;
    std::unique_ptr<tls_records> records_;            ///< Null: they are OpenSSL's.
    std::unique_ptr<tls_ticket_maker> more_tickets_;  ///< Null: there are none.
    std::unique_ptr<ssl_st, ssl_freed> ssl_;
};

}  // namespace ferry::net
