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
#include "net/kernel_tls.hpp"
#include "net/tls_key_schedule.hpp"
#include "net/tls_openssl.hpp"

namespace ferry::net {

/// The kind of the records that are alerts (RFC 8446 section 5.1).
inline constexpr unsigned char alert_record = 21;

/// True when a peer has sent more records that are no content than an honest one may: its keys are
/// renewed after 2^24 records at the earliest (RFC 8446 section 5.5), and empty ones, which hide
/// how much is said (section 5.4), come with octets of content; `moved` of these have come and
/// gone.
[[nodiscard]] constexpr bool are_too_many_side_messages(std::uint64_t side_messages,
                                                        std::uint64_t moved) noexcept {
    constexpr std::uint64_t side_messages_max = 32;
    constexpr std::uint64_t octets_for_another = 1'048'576;
    return side_messages > side_messages_max + moved / octets_for_another;
}

/// What the algorithms of a cipher suite of TLS 1.3 are made of (RFC 8446 appendix B.4). Found in
/// OpenSSL once: looking them up costs as much as a small record.
class tls_suites {
  public:
    struct suite {
        std::uint16_t id = 0;  ///< 0x1301, ...
        record_key::cipher kind = record_key::cipher::aes_128_gcm;
        cipher_owner cipher;
        tls_digest digest = tls_digest::sha256;
        std::size_t key_bytes = 0;
        std::size_t secret_bytes = 0;
    };

    tls_suites();

    /// Null: one of those that are not ferry's.
    [[nodiscard]] const suite* find(std::uint16_t id) const noexcept;

  private:
    std::array<suite, 3> suites_;
};

/// The protection of records in one direction (RFC 8446 section 5.2).
class tls_traffic_key {
  public:
    /// `sequence` records were protected with it already. Errors: errc::exhausted.
    [[nodiscard]] static result<tls_traffic_key> make(const tls_suites::suite& suite,
                                                      const tls_secret& secret,
                                                      std::uint64_t sequence, bool is_sealing);

    /// What a record adds to its content: header, kind, tag.
    static constexpr std::size_t added_bytes = 5 + 1 + 16;

    /// Makes one record of `clear`, at most 2^14 octets, at `into`, which has room for
    /// `added_bytes` more. False: OpenSSL does not do it.
    [[nodiscard]] bool seal(unsigned char kind, std::span<const std::byte> clear, char* into);

    /// Opens `record`, which is whole and not shorter than `added_bytes`, into `into`, which has
    /// room for it less the header and the tag. False: nobody has sealed it so.
    [[nodiscard]] bool open(std::string_view record, std::byte* into);

    /// Goes over to the next key (RFC 8446 section 7.2). False: memory is out.
    [[nodiscard]] bool renew();

    [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }
    /// What the next record is protected with.
    [[nodiscard]] record_key describe() const noexcept;

  private:
    [[nodiscard]] bool derive(std::span<unsigned char> key,
                              std::span<unsigned char> iv) const noexcept;
    [[nodiscard]] bool use_secret();
    void next_nonce(unsigned char* nonce) noexcept;

    const tls_suites::suite* suite_ = nullptr;
    cipher_context_owner context_;
    tls_secret secret_;
    std::array<unsigned char, 12> iv_{};
    std::uint64_t sequence_ = 0;
    bool is_sealing_ = false;
};

/// The records of TLS 1.3 once hands are shaken, both ways: content, alerts and new keys (RFC 8446
/// sections 4.6.3, 5 and 6). OpenSSL does the handshake and the arithmetic; what is between was a
/// third of what a small answer cost (decision 0030).
///
/// Errors of its functions are final: errc::invalid (`why()` says it), exhausted. The alert for the
/// peer is in `to_send` by then.
class tls_records {
  public:
    tls_records(std::shared_ptr<const tls_suites> suites, tls_traffic_key reading,
                tls_traffic_key writing) noexcept;

    enum class progress : std::uint8_t { done, wants_input, ended };
    struct reading {
        progress how = progress::done;
        std::size_t octets = 0;
    };

    /// Takes records off the front of `from` until there is content for `into` or nothing is left;
    /// what it has taken is no longer in `from`. Keeps the beginning of a record that is not whole.
    [[nodiscard]] result<reading> read(std::string_view& from, std::span<std::byte> into,
                                       std::string& to_send);
    /// How much of a record that was opened is not read yet.
    [[nodiscard]] std::size_t pending() const noexcept { return opened_.size() - read_; }

    /// Who waits for long holds no memory for records that are not whole; who is sent much needs it
    /// again at once.
    void give_buffers_back() noexcept {
        if (partial_.empty()) {
            std::string().swap(partial_);
        }
    }

    /// Seals all of `octets` behind `to_send`.
    [[nodiscard]] result<void> write(std::span<const std::byte> octets, std::string& to_send);

    /// Seals a message of the handshake behind `to_send`, of one record at most (RFC 8446 section
    /// 5.1). Throws std::bad_alloc: nothing was said.
    void say(std::span<const std::byte> message, std::string& to_send);

    /// close_notify (RFC 8446 section 6.1). Idempotent.
    [[nodiscard]] result<void> end(std::string& to_send);

    /// By what our next record is sealed; nothing where our side is over.
    [[nodiscard]] std::optional<record_key> sealing_key() const;
    /// Somebody else seals from now on. Nothing is written here any more, and alerts are in
    /// `to_tell`, not in `to_send`. A peer that asks for another key of ours (RFC 8446 section
    /// 4.6.3) has our end in its place: what seals has the one that it was given.
    void hand_over_sealing() noexcept { is_handed_over_ = true; }
    using alert = std::array<std::byte, 2>;
    /// The alert that is to be sent by whoever seals, if any.
    [[nodiscard]] const std::optional<alert>& to_tell() const noexcept { return alert_; }
    void forget_alert() noexcept { alert_.reset(); }
    /// Nothing may be sent any more: our side has ended, or something was wrong.
    [[nodiscard]] bool is_over() const noexcept { return is_over_ || is_broken_; }
    /// So much content goes to whoever seals. Errors: errc::invalid (nothing may be sent any more:
    /// our side is over, or ends now because its key is used up, RFC 8446 section 5.5).
    [[nodiscard]] result<void> note_sealed(std::uint64_t octets);

    [[nodiscard]] const char* why() const noexcept { return why_; }

  private:
    struct content {
        unsigned char kind = 0;
        std::size_t octets = 0;
    };

    [[nodiscard]] std::string_view next_record(std::string_view& from);
    [[nodiscard]] result<reading> take_record(std::string_view record, std::span<std::byte> into,
                                              std::string& to_send);
    [[nodiscard]] result<content> open(std::string_view record, std::byte* into,
                                       std::string& to_send);
    [[nodiscard]] result<bool> take_alert(std::span<const std::byte> alert, std::string& to_send);
    [[nodiscard]] result<void> take_message(std::span<const std::byte> octets,
                                            std::string& to_send);
    [[nodiscard]] result<void> renew_own_key(std::string& to_send);
    void tell(const std::array<unsigned char, 2>& said, std::string& to_send);
    [[nodiscard]] error refuse(unsigned char alert, const char* why, std::string& to_send) noexcept;

    std::shared_ptr<const tls_suites> suites_;
    tls_traffic_key reading_;
    tls_traffic_key writing_;
    std::string partial_;  ///< Of a record that is not whole.
    std::string opened_;   ///< Content that had no room where it was wanted.
    std::size_t read_ = 0;
    std::array<unsigned char, 5> message_{};  ///< A KeyUpdate, as far as it has come.
    std::size_t message_bytes_ = 0;
    const char* why_ = "";
    std::uint64_t moved_ = 0;          ///< Octets of content, both ways.
    std::uint64_t side_messages_ = 0;  ///< That were none.
    std::optional<alert> alert_;
    std::uint64_t sealed_ = 0;  ///< Records by somebody else, at most.
    bool is_handed_over_ = false;
    bool has_ended_ = false;  ///< The peer has.
    bool is_over_ = false;    ///< We have.
    bool is_broken_ = false;
};

}  // namespace ferry::net
