#include "ferry/base/error.hpp"

#include <cerrno>

namespace ferry {

std::string_view describe(errc code) noexcept {
    switch (code) {
        case errc::invalid:
            return "malformed";
        case errc::not_found:
            return "not found";
        case errc::denied:
            return "permission denied";
        case errc::outside_tree:
            return "leads outside the served tree";
        case errc::not_regular:
            return "not a regular file";
        case errc::exists:
            return "already exists";
        case errc::is_directory:
            return "is a directory";
        case errc::not_directory:
            return "is not a directory";
        case errc::not_empty:
            return "directory not empty";
        case errc::name_too_long:
            return "name too long";
        case errc::read_only:
            return "read only";
        case errc::no_space:
            return "no space left";
        case errc::over_quota:
            return "quota exceeded";
        case errc::too_large:
            return "too large";
        case errc::exhausted:
            return "limit reached";
        case errc::unsupported:
            return "not supported";
        case errc::busy:
            return "busy";
        case errc::in_use:
            return "address in use";
        case errc::unavailable:
            return "cannot be reached";
        case errc::timed_out:
            return "timed out";
        case errc::cancelled:
            return "cancelled";
        case errc::closed:
            return "closed by peer";
        case errc::reset:
            return "connection reset";
        case errc::io:
            return "input/output error";
    }
    return "unknown error";
}

error error_from_errno(int os_errno) noexcept {
    const auto code = [os_errno] {
        switch (os_errno) {
            case EINVAL:
            case EILSEQ:
                return errc::invalid;
            case ENOENT:
                return errc::not_found;
            case EACCES:
            case EPERM:
                return errc::denied;
            case EXDEV:
            case ELOOP:
                return errc::outside_tree;
            case ENXIO:
            case ENODEV:
                return errc::not_regular;
            case EEXIST:
                return errc::exists;
            case EISDIR:
                return errc::is_directory;
            case ENOTDIR:
                return errc::not_directory;
            case ENOTEMPTY:
                return errc::not_empty;
            case ENAMETOOLONG:
                return errc::name_too_long;
            case EROFS:
                return errc::read_only;
            case ENOSPC:
                return errc::no_space;
            case EDQUOT:
                return errc::over_quota;
            case EFBIG:
                return errc::too_large;
            case EMFILE:
            case ENFILE:
            case ENOMEM:
            case ENOBUFS:
                return errc::exhausted;
            case ENOSYS:
            case EOPNOTSUPP:
                return errc::unsupported;
            case EAGAIN:
            case EBUSY:
            case ETXTBSY:
                return errc::busy;
            case EADDRINUSE:
                return errc::in_use;
            case EADDRNOTAVAIL:
            case EHOSTUNREACH:
            case ENETUNREACH:
            case ECONNREFUSED:
                return errc::unavailable;
            case ETIME:
                return errc::timed_out;
            case ECANCELED:
                return errc::cancelled;
            case ECONNRESET:
            case ECONNABORTED:
            case EPIPE:
            case ENOTCONN:
            case ETIMEDOUT:  // TCP has given the peer up: no deadline of ours arrives as an errno.
                return errc::reset;
            default:
                return errc::io;
        }
    }();
    return {.code = code, .os_errno = os_errno};
}

}  // namespace ferry
