#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ferry/base/result.hpp"
#include "ferry/base/text_hash.hpp"

namespace ferry::http {

/// The system's table of media types (Debian package media-types).
inline constexpr const char* media_types_file = "/etc/mime.types";

/// Content-Type by the extension of a file's name. Filled once at start, then only read: one table
/// serves every core.
///
/// Texts (`text/*`) are said to be in UTF-8, for RFC 9110 section 8.3.2 has no default and browsers
/// guess. An extension without a row, and a name without an extension, is
/// `application/octet-stream`.
class media_types {
  public:
    /// The types of the web that a server must know without any file: used where the file has no
    /// row.
    [[nodiscard]] static media_types built_in();

    /// Reads the text of a mime.types file: a type and its extensions a line, '#' begins a comment.
    /// Lines that are none are passed over. Of two rows for an extension the first counts. The
    /// built-in rows fill what is missing. Never fails.
    [[nodiscard]] static media_types parse(std::string_view text);

    /// Reads `file` as `parse` does. Blocks: at start only.
    ///
    /// Errors: errc::not_found (cannot be opened), errc::too_large (over 16 MiB), errc::io. Go on
    /// with `built_in()`, as `load` does.
    [[nodiscard]] static result<media_types> read(const char* file);

    /// What the server starts with: `file`, or the built-in rows with a warning in the log that
    /// says why. Never fails. Blocks: at start only.
    [[nodiscard]] static std::unique_ptr<const media_types> load(
        const char* file = media_types_file);

    /// The Content-Type of a file called `name`: by what follows its last dot, whatever its case. A
    /// dot at the beginning of a name is no extension. Valid as long as this table. Cost: one hash
    /// look-up.
    [[nodiscard]] std::string_view of(std::string_view name) const noexcept;

    /// Extensions known.
    [[nodiscard]] std::size_t size() const noexcept { return by_extension_.size(); }

  private:
    void add_lines(std::string_view text);
    void add(std::string_view extension, std::string_view type);

    std::unordered_map<std::string, std::string, text_hash, std::equal_to<>> by_extension_;
};

}  // namespace ferry::http
