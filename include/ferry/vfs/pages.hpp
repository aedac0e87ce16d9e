#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"

/// Page structure (RFC 959 section 3.1.2.3 and appendix I), piece by piece: each page of the file
/// goes after a header of its length, the page's index, the length of the data and the type, and
/// pages that are not there are not sent.
///
/// A header field is one logical byte, and ferry's is an octet (TYPE I, L 8, A): so a file has at
/// most 256 pages of at most 255 octets. How long a page is both sides must know: nothing in the
/// stream says it. A page that comes shorter ends in zeros (appendix I) unless it ends the file.
namespace ferry::vfs::pages {

inline constexpr std::size_t page_bytes_max = 255;
inline constexpr std::size_t pages_max = 256;

/// From the octets of a file to pages in the order of their index. A page of zeros is not sent,
/// since it reads like one that is not there; but the last one always is, for it says where the
/// file ends. The result never depends on where the pieces are cut. Serves one transfer.
class to_network {
  public:
    /// Pages of `page_bytes`, 1 to page_bytes_max.
    explicit to_network(std::size_t page_bytes = page_bytes_max) noexcept;

    /// Appends the pages that `stored`, the next octets of the file, completes to `out`: at most
    /// five times as many octets. Keeps less than a page, or a page.
    ///
    /// Errors: errc::too_large, the file has more than `pages_max` pages: it has no page structure
    /// to send. Ask its size beforehand, and answer as a structure that does not suit the file.
    ///
    /// Cost: two copies.
    [[nodiscard]] result<void> convert(std::string_view stored, std::string& out);

    /// Appends the page that was waiting and the end of the file (type 0). Call it once, after the
    /// last piece. Errors as `convert`.
    [[nodiscard]] result<void> finish(std::string& out);

  private:
    [[nodiscard]] result<void> send_page(bool is_last, std::string& out);

    std::size_t page_bytes_;
    std::string page_;
    std::size_t index_ = 0;
};

/// Octets and where in the file they belong.
struct placed {
    std::uint64_t offset = 0;
    std::string_view data;  ///< Points into what was received.
};

/// From pages, in any order, to octets for places in a file. What no page covers is zeros: write
/// into an empty file, then make it `size_bytes()` long, and holes stay holes. The result never
/// depends on where the pieces are cut, but for being cut there too; nothing but a header is kept.
/// Serves one transfer.
class from_network {
  public:
    /// Pages of `page_bytes`, 1 to page_bytes_max.
    explicit from_network(std::size_t page_bytes = page_bytes_max) noexcept;

    /// Takes octets from the front of `received` and says where the next of them belong. Call it
    /// until `received` is empty; the data is empty only then.
    ///
    /// What describes the file (type 2) and the rights on a page (the fifth field of type 3) mean
    /// nothing to this file system and are dropped.
    ///
    /// Errors: errc::invalid, a header that section 3.1.2.3 does not allow, data longer than a
    /// page, a page that came before, or octets after the last page. Abandon the file.
    ///
    /// Cost: no copy.
    [[nodiscard]] result<placed> next(std::string_view& received);

    /// Says whether the file is whole when the peer has closed the connection.
    ///
    /// Errors: errc::closed, the last page (type 0) has not come; abandon the file.
    [[nodiscard]] result<void> finish() const;

    /// The size of the file so far: where the page with the highest index ends.
    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }

  private:
    [[nodiscard]] result<void> begin_page();

    std::size_t page_bytes_;
    std::array<std::uint8_t, 4> header_{};
    std::size_t header_bytes_ = 0;   ///< Read of `header_`.
    std::size_t skipped_bytes_ = 0;  ///< To come of the header's further fields, and of data that
                                     ///< is dropped.
    std::size_t data_bytes_ = 0;     ///< To come of the page's data.
    std::uint64_t offset_ = 0;       ///< Where they belong.
    std::uint64_t size_bytes_ = 0;
    std::bitset<pages_max> seen_;
    bool has_ended_ = false;
};

}  // namespace ferry::vfs::pages
