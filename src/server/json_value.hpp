#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ferry::server {

/// A value of JSON (RFC 8259) that was read: null, a truth, a number, a string, an array or an
/// object. Asked for what it is not, it gives what is empty, so who reads what another version has
/// written need not look at each step.
class json_value {
  public:
    /// Nestings of more are refused.
    static constexpr std::size_t depth_max = 32;

    /// Reads `text`, which holds one value and nothing else. Of members with one name the first is
    /// found. Nothing: it is no JSON, or nested too deeply. Throws std::bad_alloc.
    [[nodiscard]] static std::optional<json_value> parse(std::string_view text);

    [[nodiscard]] bool is_true() const noexcept { return kind_ == kind::truth && number_ != 0; }
    [[nodiscard]] double number() const noexcept { return kind_ == kind::number ? number_ : 0; }
    /// UTF-8, if what was read was.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] const std::vector<json_value>& items() const noexcept { return items_; }
    using member = std::pair<std::string, json_value>;
    [[nodiscard]] const std::vector<member>& members() const noexcept { return members_; }
    /// The member of that name; of what has none, null.
    [[nodiscard]] const json_value& operator[](std::string_view name) const noexcept;

  private:
    class reader;
    enum class kind : std::uint8_t { null, truth, number, string, array, object };

    kind kind_ = kind::null;
    double number_ = 0;
    std::string text_;
    std::vector<json_value> items_;
    std::vector<member> members_;
};

}  // namespace ferry::server
