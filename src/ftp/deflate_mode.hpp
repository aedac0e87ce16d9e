#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ftp/mode_strings.hpp"

/// MODE Z, piece by piece: what MODE S would send as one zlib stream (RFC 1950;
/// draft-preston-ftpext-deflate-04). What it holds never depends on where the pieces are cut. Each
/// object serves one transfer; either holds up to 300 KiB while it does. Both are for a pool: some
/// 20 ms a MiB to pack, 1 of what does not shrink, 3 to unpack.
namespace ferry::ftp {

inline constexpr int deflate_level_min = 1;
inline constexpr int deflate_level_max = 9;
inline constexpr int deflate_level_usual = 6;

/// What does not get smaller by it is put into the stream as it is, after two looks at 64 KiB, and
/// looked at again behind 512 KiB, and so on up to 4 MiB: pictures, archives and packages, which
/// lftp asks for by MODE Z, too, would be as large, and 20 ms a MiB late.
class deflate_writer {
  public:
    /// `level`: from `deflate_level_min`, fastest, to `deflate_level_max`, smallest.
    explicit deflate_writer(int level) noexcept : level_(level) {}

    /// Appends what `octets` complete of the stream to `out`. Errors: errc::exhausted, no memory.
    [[nodiscard]] result<void> add(std::string_view octets, std::string& out);

    /// Appends the end of the stream. Call it once. Errors as `add`.
    [[nodiscard]] result<void> finish(std::string& out);

  private:
    struct state;
    struct release {
        void operator()(state* held) const noexcept;
    };
    [[nodiscard]] result<void> run(std::string_view octets, int flush, std::string& out);
    void judge_window(std::string& out);
    void set_level(int level, std::string& out);

    static constexpr unsigned windows_plain_min = 8;

    int level_;
    std::unique_ptr<state, release> state_;
    std::size_t window_bytes_ = 0;     ///< Of the window that is being filled.
    std::uint64_t packed_before_ = 0;  ///< What has come out by its begin.
    unsigned windows_packed_ = 0;      ///< In a row, before this one.
    unsigned windows_plain_left_ = 0;  ///< 0: they are packed.
    unsigned windows_plain_next_ = windows_plain_min;
};

class inflate_reader {
  public:
    /// Takes octets from the front of `received` and appends what they hold to `out`, until all are
    /// taken, `out` has become some 256 KiB longer, or the stream has ended.
    ///
    /// Errors; what is in `out` by then is worthless, so abandon the file:
    ///   errc::invalid    not a zlib stream, or octets after its end
    ///   errc::exhausted  no memory
    [[nodiscard]] result<mode_event> read(std::string_view& received, std::string& out);

    /// Says whether the file is whole when the peer has closed the connection. Errors:
    /// errc::closed, the stream has no end: abandon it, or keep it for a restart.
    [[nodiscard]] result<void> finish() const;

  private:
    struct state;
    struct release {
        void operator()(state* held) const noexcept;
    };

    std::unique_ptr<state, release> state_;
    bool has_ended_ = false;
};

}  // namespace ferry::ftp
