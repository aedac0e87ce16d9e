#pragma once

#include <sys/stat.h>

#include <expected>
#include <string>
#include <string_view>

namespace ferry::server {

struct users_text {
    std::string text;
    struct stat status{};
};

/// Reads a users file, of 16 MiB at most. Blocking. Errors: an errno; EFBIG for a larger one.
[[nodiscard]] std::expected<users_text, int> read_users_file(const std::string& file);

/// Replaces it, or makes it, in one step and durably: a reader and a crash see the old text or the
/// new. `like`: the file there was, whose mode and owner the new one gets; null: mode 0600. A link
/// stays, what it leads to is replaced. Blocking. Errors: an errno; EEXIST: somebody else is at it
/// (the file with ".new" behind its name is theirs, or was left by a crash).
[[nodiscard]] std::expected<void, int> write_users_file(const std::string& file,
                                                        std::string_view text,
                                                        const struct stat* like);

}  // namespace ferry::server
