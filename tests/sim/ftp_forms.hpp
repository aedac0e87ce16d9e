#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/base/random.hpp"

/// The types I and E, the structures and the modes of RFC 959 section 3, and MODE Z, as a client
/// has them: nothing of the server's.
namespace ferry::sim::test {

enum class transfer_form : std::uint8_t { stream, block, compressed, deflated };
enum class file_structure : std::uint8_t { file, record, page };

/// What MODE, STRU and TYPE make of a file, but for TYPE A.
struct data_form {
    transfer_form mode = transfer_form::stream;
    file_structure structure = file_structure::file;
    bool is_ebcdic = false;  ///< TYPE E, else I.
    bool is_1047 = false;    ///< Its code page; else 037.

    friend bool operator==(const data_form&, const data_form&) = default;
};

/// The argument of MODE, and of STRU.
[[nodiscard]] char letter_of(transfer_form form) noexcept;
[[nodiscard]] char letter_of(file_structure structure) noexcept;
/// "E R B", for messages.
[[nodiscard]] std::string describe(const data_form& form);

/// True where the octets of the file are those of the transfer.
[[nodiscard]] constexpr bool is_plain(const data_form& form) noexcept {
    return form == data_form{};
}

/// True where the end of a file is told in the data, and the connection stays.
[[nodiscard]] constexpr bool tells_end(const data_form& form) noexcept {
    return form.mode == transfer_form::block || form.mode == transfer_form::compressed;
}

/// True where the end of the connection is not the end of the file.
[[nodiscard]] constexpr bool marks_end(const data_form& form) noexcept {
    return form.mode != transfer_form::stream || form.structure != file_structure::file;
}

/// True where there are restart markers.
[[nodiscard]] constexpr bool has_markers(const data_form& form) noexcept {
    return tells_end(form) && form.structure != file_structure::page;
}

/// 256 pages of 255 octets: what STRU P can say.
inline constexpr std::uint64_t paged_octets_max = 65'280;

/// A whole file as it is sent, in blocks, strings and pages that `rng` chooses. Of pages at most
/// `paged_octets_max`.
[[nodiscard]] std::string encoded(const data_form& form, std::string_view octets, random& rng);

/// Some of a file that is not its end, and behind it a marker, where there are any.
[[nodiscard]] std::string encoded_part(const data_form& form, std::string_view octets,
                                       std::string_view marker, random& rng);

/// Makes the octets of a file of what comes, in any pieces.
class form_decoder {
  public:
    /// `offset`: of the first octet that comes, in the file.
    explicit form_decoder(const data_form& form, std::uint64_t offset = 0);

    /// It is text, as listings are, whose filler is a space.
    void expect_text() noexcept { filler_ = form_.is_ebcdic ? filler_ : ' '; }
    /// Appends to `out`; false: that is not the form, or a marker is not where it says.
    [[nodiscard]] bool take(std::string_view received, std::string& out);
    /// The end of the file has come. In a stream of no structure it is the connection's.
    [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }
    /// Nothing has been begun that has no end: a record, or an escape in it.
    [[nodiscard]] bool is_between_records() const noexcept {
        return !is_in_record_ && waiting_.empty();
    }
    /// Markers seen, all where they said.
    [[nodiscard]] std::uint64_t markers() const noexcept { return markers_; }

  private:
    struct inflation_freed {
        void operator()(z_stream* state) const noexcept;
    };
    [[nodiscard]] bool take_blocks(std::string& out);
    [[nodiscard]] bool take_strings(std::string& out);
    [[nodiscard]] bool inflate_all(std::string_view received, std::string& out);
    [[nodiscard]] bool take_codes(unsigned codes, std::string& out);
    [[nodiscard]] bool take_structure(std::string_view text, std::string& out);
    [[nodiscard]] bool take_records(std::string_view text, std::string& out);
    [[nodiscard]] bool take_pages(std::string_view text, std::string& out);
    [[nodiscard]] bool is_marker_right(std::string_view marker, const std::string& out) const;

    data_form form_;
    std::uint64_t offset_;
    std::string waiting_;  ///< Of a block, a string or a record's escape that is not whole.
    std::string pages_;    ///< Of a page that is not whole.
    char filler_;          ///< Of MODE C.
    std::optional<unsigned> codes_;
    std::unique_ptr<z_stream, inflation_freed> inflation_;
    std::uint64_t placed_ = 0;  ///< Octets that pages have brought, and the gaps between them.
    std::uint64_t markers_ = 0;
    bool is_in_record_ = false;
    bool has_mode_ended_ = false;
    bool has_ended_ = false;
};

}  // namespace ferry::sim::test
