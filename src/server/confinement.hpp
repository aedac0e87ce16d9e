#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ferry::server {

/// What a process that serves needs of the machine. Everything else is barred by `confine`.
struct reach {
    std::vector<std::string> trees;            ///< Directories in which everything may be done.
    std::vector<std::string> read_only_trees;  ///< Directories of which all may be read.
    std::vector<std::string> files_read;       ///< Read anew by name: so what is beside them, too.
    std::vector<std::string> files_made;       ///< Made and written by name, in their directories.
    std::vector<std::string> files_removed;    ///< Removed by name, from their directories.
    bool has_paths_elsewhere = false;          ///< Links lead anywhere: no bounds for names.
    bool connects = false;                     ///< Opens connections itself, not only takes them.
};

/// Whether `--confine` wants what `confine` does.
enum class confinement : std::uint8_t {
    automatic,  ///< As far as the kernel can.
    off,
    required,  ///< All of it, or the process does not start.
};

/// Bars the process, the calling thread and those it will start, for good (threats.md, R16):
///
/// - from files that are not within `what`, whoever it is: Landlock (landlock(7)), of Linux 5.19 or
///   newer, through system calls and through rings alike;
/// - from making sockets at all, or, with `what.connects`, others than TCP over IPv4 and IPv6;
/// - from signals to others and sockets without a file: Landlock of Linux 6.12 or newer;
/// - from running programs, tracing, mounting, making namespaces and rings, loading modules,
///   setting clocks, giving files to others and becoming somebody else: seccomp (seccomp(2)), with
///   EPERM. Rings that there are bar the rest by themselves (`ring::enable`).
///
/// Links on the way to `files_read` and `files_made` are followed as they lead now. A name within
/// `what` that is not there is passed over. Before threads start, with no_new_privs set. Returns
/// what could not be had, a line for a person each; none: all of it holds.
[[nodiscard]] std::vector<std::string> confine(const reach& what);

}  // namespace ferry::server
