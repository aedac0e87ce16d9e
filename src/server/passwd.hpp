#pragma once

#include <span>

namespace ferry::server {

/// Sets a password in a users file: `ferry passwd [--method yescrypt|sha512crypt|bcrypt] FILE
/// NAME`. Asks for it twice on a terminal, else reads a line of standard input. The file is
/// replaced in one step, with its mode and owner, or made with mode 0600; it stays as it was when
/// anything fails. A user it does not have is added. Blocking.
///
/// `arguments`: what follows "passwd". Returns the status to exit with: 0; 1, it could not be done;
/// 2, bad arguments. What there is to say is printed.
[[nodiscard]] int set_password(std::span<const char* const> arguments);

}  // namespace ferry::server
