#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferry::http {

void append_number(std::string& out, std::uint64_t value);

/// "0 B" to "1023 B", then the largest unit that leaves at least 1, rounded down: with one decimal
/// below 10, as in "9.9 KiB", without above, as in "1023 KiB".
void append_readable_size(std::string& out, std::uint64_t size_bytes);

/// A moment in UTC as RFC 3339 has it, "2026-11-23T14:05:59Z", and its parts. Nothing for years
/// that do not have four digits, which that form cannot say. Cost: arithmetic only, half of it for
/// the day, which is not done again for another moment of the same one.
class utc_text {
  public:
    utc_text() = default;  ///< Nothing.
    explicit utc_text(std::int64_t seconds) noexcept { set(seconds); }

    void set(std::int64_t seconds) noexcept;

    [[nodiscard]] bool is_empty() const noexcept { return is_empty_; }
    [[nodiscard]] std::string_view whole() const noexcept { return part(0, octets_.size()); }
    [[nodiscard]] std::string_view day() const noexcept { return part(0, 10); }
    [[nodiscard]] std::string_view minute() const noexcept { return part(11, 5); }  ///< "14:05"

  private:
    [[nodiscard]] std::string_view part(std::size_t from, std::size_t size_bytes) const noexcept {
        return is_empty_
                   ? std::string_view()
                   : std::string_view(octets_.data(), octets_.size()).substr(from, size_bytes);
    }

    static constexpr std::int64_t no_day = INT64_MIN;

    void set_day(std::int64_t days) noexcept;

    std::array<char, 20> octets_{};
    std::int64_t days_ = no_day;  ///< Since 1970: what is in `octets_`.
    bool is_empty_ = true;
};

}  // namespace ferry::http
