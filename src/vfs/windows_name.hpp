#pragma once

#include <string_view>

namespace ferry::vfs {

/// True when Windows cannot keep `name`, one component, as it is written: a mount that serves such
/// clients refuses to make it (answer as a bad file name), since they could neither fetch nor
/// remove it afterwards.
///
/// That is, by Microsoft's "Naming Files, Paths, and Namespaces": a device name (CON, PRN, AUX,
/// NUL, COM1 to COM9, LPT1 to LPT9, these with a superscript 1, 2 or 3 in UTF-8, CONIN$, CONOUT$),
/// in any case and with any extension; a dot or a space at the end, which Windows drops; one of
/// `< > : " / \ | ? *` or an octet below 0x20 anywhere.
///
/// Cost: one pass, no allocation.
[[nodiscard]] bool is_reserved_windows_name(std::string_view name) noexcept;

}  // namespace ferry::vfs
