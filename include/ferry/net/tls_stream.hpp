#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ferry/net/activity.hpp"
#include "ferry/net/seal_buffers.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/net/tls_server.hpp"
#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::net {

class tls_session;

/// On what terms TLS begins on a connection.
struct tls_terms {
    std::shared_ptr<const tls_server> by;  ///< Null: there is no TLS.
    /// Of the core: a handshake computes while it has one, so that those who have shaken hands stay
    /// quick under a flood of others (threats.md, T4).
    runtime::permits* turns = nullptr;
    runtime::duration timeout = std::chrono::seconds(10);  ///< For the whole handshake.
    std::string_view protocol{};  ///< By ALPN (RFC 7301); empty: none is agreed on.
    /// Of the tickets of a session that `gives_more`, or has resumed one of this mark; empty: none.
    std::string mark{};
    /// Whose certificate is shown to who asks for that of no name (RFC 6066 section 3); empty: the
    /// first of all.
    std::string usual_name{};
    bool gives_ticket = true;  ///< To a client of TLS 1.3, behind its handshake.
    bool gives_more = false;   ///< Keeps what `give_ticket` needs, some 500 octets.
    /// Outlives the handshake. Its stop leaves a client who has said nothing yet half a second to
    /// begin; a handshake that has begun goes on (threats.md, H8). Null: nothing hurries.
    runtime::stop_scope* draining = nullptr;
    handshake_counts* counts = nullptr;  ///< Outlives the handshake. Null: nobody counts.
    seal_buffers* buffers = nullptr;     ///< Of the core; null: memory is asked for each time.
};

/// What was agreed on.
struct tls_facts {
    std::string_view version;  ///< "TLSv1.3".
    std::string_view cipher;   ///< "TLS_AES_128_GCM_SHA256".
    bool is_resumed = false;
    std::string resumed_mark;    ///< Of the session that was resumed; empty: it had none.
    std::string client_name;     ///< The common name of the client's certificate; empty: none.
    std::string client_subject;  ///< Its whole subject.
};

/// A stream that may begin TLS in mid-connection, at once or after an exchange in clear; before,
/// it passes everything through.
///
/// An idle one holds no buffers: of TLS 1.3 some 4 KiB in all, of 1.2 15, most of it OpenSSL's.
/// Files are read into memory, sealed, many records at a time, and sent in one operation
/// (datapath.md, 11); where the kernel may seal, the first large one tells it the key, and all that
/// is sent from then on goes through it unread (decision 0039).
///
/// A peer whose side ends without its close_notify has not ended it: `fill` and `receive` give
/// errc::reset, so that what is cut off is not taken for whole (RFC 8446 section 6.1; threats.md,
/// T2). What is no TLS is errc::invalid, then and later.
class tls_stream final : public stream {
  public:
    /// `below` outlives it.
    explicit tls_stream(stream& below) noexcept;
    explicit tls_stream(std::unique_ptr<stream> below) noexcept;
    ~tls_stream() override;

    /// Shakes hands as the server. What `input()` holds is the beginning of it: who upgrades drops
    /// first what came in clear. Nothing else may be waiting on the stream.
    ///
    /// Errors: errc::invalid (`why()` says what; the peer has been sent an alert), timed_out,
    /// closed, reset, cancelled, exhausted: close, without a word more.
    [[nodiscard]] runtime::task<result<void>> accept(tls_terms terms);

    /// Ends TLS in order, both ways, and goes on in clear (RFC 4217 section 12.3). Errors: as of
    /// `fill`, after which there is nothing to go on with.
    [[nodiscard]] runtime::task<result<void>> go_back_to_clear(runtime::time_point deadline);

    /// True where `accept` has failed because the peer speaks a protocol of text in clear: what it
    /// has said is in the stream below, and it can be told there.
    [[nodiscard]] bool heard_clear_text() const noexcept { return heard_clear_text_; }
    [[nodiscard]] bool is_secure() const noexcept { return session_ != nullptr; }
    /// Of the TLS that is in place.
    [[nodiscard]] tls_facts facts() const;
    /// Another ticket goes before what is sent next, where the terms said so and the version is 1.3
    /// (RFC 8446 section 4.6.1). None where memory is out.
    void give_ticket() noexcept;
    /// What was wrong with what the peer has sent; empty: nothing.
    [[nodiscard]] std::string_view why() const noexcept;

    [[nodiscard]] std::string_view input() const noexcept override;
    void take_input(std::string& into) override;
    void consume(std::size_t octets) noexcept override;
    [[nodiscard]] runtime::task<result<void>> fill(runtime::time_point deadline) override;
    [[nodiscard]] runtime::task<result<std::size_t>> receive(std::span<std::byte> into,
                                                             runtime::time_point deadline) override;
    [[nodiscard]] runtime::task<result<void>> send(std::span<const std::byte> octets,
                                                   runtime::duration stall_timeout) override;
    [[nodiscard]] runtime::task<result<std::uint64_t>> send_file(
        file_message message, runtime::duration stall_timeout) override;
    /// The peer is told by the next `fill`, `receive` or `close`.
    void shut_down_sending() noexcept override;
    [[nodiscard]] runtime::task<> close(farewell how) override;
    [[nodiscard]] const endpoint& peer() const noexcept override { return below_.peer(); }
    [[nodiscard]] const endpoint& local() const noexcept override { return below_.local(); }
    [[nodiscard]] runtime::core& here() noexcept override { return below_.here(); }

  private:
    /// While one coroutine sends what is sealed.
    struct turn {
        explicit turn(tls_stream& of) noexcept : owner(of) { owner.is_sending_ = true; }
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;
        ~turn() {
            owner.is_sending_ = false;
            owner.sent_.announce();
        }
        tls_stream& owner;
    };

    [[nodiscard]] runtime::task<result<void>> begin(tls_terms terms);
    [[nodiscard]] runtime::task<result<void>> wait_for_hello(runtime::time_point deadline,
                                                             runtime::stop_scope* draining);
    [[nodiscard]] runtime::task<result<void>> shake_hands(runtime::permits* turns,
                                                          runtime::time_point deadline);
    [[nodiscard]] runtime::task<result<bool>> compute(runtime::permits* turns,
                                                      runtime::time_point deadline);
    [[nodiscard]] runtime::task<result<void>> wait_for_turn();
    [[nodiscard]] runtime::task<result<void>> flush(runtime::duration stall_timeout);
    [[nodiscard]] runtime::task<result<void>> go_over_to_kernel(runtime::duration stall_timeout);
    [[nodiscard]] runtime::task<result<std::uint64_t>> send_by_kernel(
        file_message message, runtime::duration stall_timeout);
    [[nodiscard]] runtime::task<result<void>> send_what_reading_made();
    [[nodiscard]] runtime::task<> say_goodbye(runtime::duration stall_timeout);
    [[nodiscard]] result<std::size_t> open_into(std::span<std::byte> into);
    void open_into_input();
    void end_with(const error& why) noexcept;
    void forget_input() noexcept;
    [[nodiscard]] result<void> seal(std::span<const std::byte> octets);
    void give_buffers_back() noexcept;

    std::unique_ptr<stream> own_;
    stream& below_;
    std::unique_ptr<tls_session> session_;
    std::string input_;  ///< Opened, not yet consumed.
    std::size_t consumed_ = 0;
    std::string bulk_;  ///< Sealed, received for `receive`.
    std::size_t bulk_used_ = 0;
    std::string sending_;
    seal_buffers* buffers_ = nullptr;
    runtime::event sent_;
    bool is_sending_ = false;
    bool may_seal_in_kernel_ = false;  ///< It was not asked yet.
    bool kernel_seals_ = false;
    runtime::duration patience_{};  ///< With the peer, of what was sent last by the kernel.
    bool is_broken_ = false;        ///< A send has failed.
    bool is_ending_ = false;        ///< Our side is to end once what is sealed is sent.
    bool heard_clear_text_ = false;
    bool has_news_ = false;
    bool has_ended_ = false;  ///< No more will arrive: `end_` says why.
    error end_;
};

}  // namespace ferry::net
