#include "server/tls_sealer.hpp"

namespace ferry::server {

std::expected<sealer_choice, std::string> choose_sealer(kernel_tls_wish wish,
                                                        const std::string& why_no_kernel) {
    if (wish == kernel_tls_wish::off) {
        return sealer_choice{.notice = "TLS: files are sealed here, as --tls-kernel says"};
    }
    if (why_no_kernel.empty()) {
        return sealer_choice{.is_kernel = true, .notice = "TLS: the kernel seals large files"};
    }
    if (wish == kernel_tls_wish::require) {
        return std::unexpected("--tls-kernel require: " + why_no_kernel +
                               " (--tls-kernel auto serves without it)");
    }
    return sealer_choice{.notice = "TLS: files are sealed here: " + why_no_kernel};
}

}  // namespace ferry::server
