#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/result.hpp"
#include "ferry/vfs/name_charset.hpp"

namespace ferry::ftp {

/// In which characters a client writes names and is shown them: UTF-8, or the set of octets that
/// the server assumes (`--ftp-charset`) until the client asks for UTF-8 (RFC 2640, OPTS UTF8 ON).
class client_names {
  public:
    /// `assumed` outlives it; null: UTF-8 always.
    explicit client_names(const vfs::name_charset* assumed) noexcept : assumed_(assumed) {}

    /// False: there is nothing but UTF-8 to speak.
    bool speak_utf8(bool on) noexcept {
        is_utf8_ = on;
        return on || assumed_ != nullptr;
    }
    [[nodiscard]] bool is_utf8() const noexcept { return is_utf8_ || assumed_ == nullptr; }

    /// Names in `text`, whole lines or parts of replies, as the client reads them. What is US-ASCII
    /// stays as it is, but for `%` before what looks like an escape.
    [[nodiscard]] std::string to_client(std::string text) const {
        return is_utf8() ? std::move(text) : assumed_->to_client(text);
    }

    /// A name, a path or a pattern as it is stored. errc::invalid: the client spells none like
    /// that.
    [[nodiscard]] result<std::string> to_stored(std::string_view received) const {
        return is_utf8() ? std::string(received) : assumed_->to_stored(received);
    }

  private:
    const vfs::name_charset* assumed_;
    bool is_utf8_ = false;
};

}  // namespace ferry::ftp
