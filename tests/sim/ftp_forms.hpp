#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/base/random.hpp"

/// The modes of RFC 959 section 3.4 and MODE Z as a client has them, in TYPE I and STRU F: nothing
/// of the server's.
namespace ferry::sim::test {

enum class transfer_form : std::uint8_t { stream, block, compressed, deflated };

/// The argument of MODE.
[[nodiscard]] char letter_of(transfer_form form) noexcept;

/// True where the end of a file is told in the data, and the connection stays.
[[nodiscard]] constexpr bool tells_end(transfer_form form) noexcept {
    return form == transfer_form::block || form == transfer_form::compressed;
}

/// `octets` as they are sent, in blocks and strings of lengths that `rng` chooses.
[[nodiscard]] std::string encoded(transfer_form form, std::string_view octets, random& rng);

/// Makes the octets of a file of what comes, in any pieces.
class form_decoder {
  public:
    explicit form_decoder(transfer_form form);

    /// Appends to `out`; false: that is not the form.
    [[nodiscard]] bool take(std::string_view received, std::string& out);
    /// The end of the file has come. In a stream it is the connection's.
    [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

  private:
    struct inflation_freed {
        void operator()(z_stream* state) const noexcept;
    };
    [[nodiscard]] bool take_blocks(std::string& out);
    [[nodiscard]] bool take_strings(std::string& out);
    [[nodiscard]] bool inflate_all(std::string_view received, std::string& out);

    transfer_form form_;
    std::string waiting_;  ///< Of a block or a string that is not whole.
    std::optional<unsigned> codes_;
    std::unique_ptr<z_stream, inflation_freed> inflation_;
    bool has_ended_ = false;
};

}  // namespace ferry::sim::test
