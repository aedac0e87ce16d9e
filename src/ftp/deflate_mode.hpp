#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ftp/mode_strings.hpp"

/// MODE Z, piece by piece: what MODE S would send as one zlib stream (RFC 1950;
/// draft-preston-ftpext-deflate-04). The result never depends on where the pieces are cut. Each
/// object serves one transfer; either holds up to 300 KiB while it does. Both are for a pool: some
/// 20 ms a MiB to pack, 3 to unpack.
namespace ferry::ftp {

inline constexpr int deflate_level_min = 1;
inline constexpr int deflate_level_max = 9;
inline constexpr int deflate_level_usual = 6;

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

    int level_;
    std::unique_ptr<state, release> state_;
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
