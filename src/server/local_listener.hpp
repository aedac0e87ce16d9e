#pragma once

#include <sys/stat.h>

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/unique_fd.hpp"

namespace ferry::server {

/// A socket of the file system (unix(7)) to listen at.
struct local_door {
    std::string path;    ///< Of 1 to 107 octets.
    mode_t mode = 0660;  ///< Who may connect: those who may write.

    friend bool operator==(const local_door&, const local_door&) = default;
};

/// Reads "PATH" or "PATH:mode=OCTAL", up to 0777. Errors: what is wrong with it, for a person.
[[nodiscard]] std::expected<local_door, std::string> parse_local_door(std::string_view text);

/// The same as text, for `parse_local_door`.
[[nodiscard]] std::string show(const local_door& door);

/// The name of a listening socket: removed at the end, unless it is another's by then. Move-only.
class local_name {
  public:
    local_name(std::string path, const struct stat& made) noexcept
        : path_(std::move(path)), device_(made.st_dev), inode_(made.st_ino) {}
    local_name(local_name&& other) noexcept
        : path_(std::exchange(other.path_, {})),
          device_(other.device_),
          inode_(other.inode_),
          is_own_(other.is_own_) {}
    local_name(const local_name&) = delete;
    local_name& operator=(const local_name&) = delete;
    ~local_name();

    /// Leaves it where it is at the end: another process listens there.
    void leave() noexcept { is_own_ = false; }
    /// Removes it at the end after all.
    void keep() noexcept { is_own_ = true; }

    /// Gives it to an owner, if it is this process's and still the socket that it was. As root.
    void give_to(uid_t user, gid_t group) const noexcept;

  private:
    std::string path_;  ///< Empty: it was moved from.
    dev_t device_;
    ino_t inode_;
    bool is_own_ = true;
};

struct local_listener {
    unique_fd socket;  ///< Non-blocking, close-on-exec.
    local_name name;
};

/// The name of a socket that listens at `path` already, to be left there until it is to be kept;
/// none where there is no socket.
[[nodiscard]] std::optional<local_name> name_of_listening(const std::string& path);

/// Listens at `door`. A socket of that name at which nobody listens is one that a server has left,
/// and is replaced; anything else there is refused. Before threads start: it sets the umask for a
/// moment. Errors: one line for a person.
[[nodiscard]] std::expected<local_listener, std::string> listen_locally(const local_door& door,
                                                                        int backlog);

}  // namespace ferry::server
