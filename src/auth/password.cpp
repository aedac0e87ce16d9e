#include "ferry/auth/password.hpp"

#include <crypt.h>
#include <string.h>

#include <cstdlib>
#include <memory>

namespace ferry::auth {
namespace {

// What stands behind the last "$" is shorter in no method: bcrypt's salt and digest have 53 octets,
// yescrypt's digest 43.
constexpr std::size_t digest_bytes_min = 43;

/// What crypt_r(3) works in, 32 KiB: wiped, for it has held the password.
struct workspace {
    workspace() : data(std::make_unique<crypt_data>()) {}
    workspace(const workspace&) = delete;
    workspace& operator=(const workspace&) = delete;
    ~workspace() { ::explicit_bzero(data.get(), sizeof *data); }

    std::unique_ptr<crypt_data> data;
};

struct method_cost {
    const char* prefix;
    unsigned long count;  ///< As crypt_gensalt(3) takes it; 0: the method's own default.
};

/// 20 to 60 ms a hash on a machine of 2024: the defaults of the older two are of their time, 2 ms.
method_cost cost_of(hash_method method) noexcept {
    switch (method) {
        case hash_method::yescrypt:
            return {.prefix = "$y$", .count = 0};
        case hash_method::sha512crypt:
            return {.prefix = "$6$", .count = 100'000};
        case hash_method::bcrypt:
            return {.prefix = "$2b$", .count = 10};
    }
    return {.prefix = "$y$", .count = 0};
}

/// The hash of `password` with the method and salt of `setting`; nothing when that is no setting.
std::optional<std::string> hash_with(std::string_view password, const char* setting) {
    if (password.find('\0') != std::string_view::npos ||
        password.size() >= CRYPT_MAX_PASSPHRASE_SIZE) {
        return std::nullopt;
    }
    const workspace room;
    std::string terminated(password);
    const char* const made = ::crypt_rn(terminated.c_str(), setting, room.data.get(),
                                        static_cast<int>(sizeof *room.data));
    ::explicit_bzero(terminated.data(), terminated.size());
    return made == nullptr ? std::nullopt : std::optional<std::string>(made);
}

/// Compares every octet whatever the outcome.
bool equal(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) {
        return false;  // The length of a hash tells its method and no more.
    }
    unsigned difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference |= static_cast<unsigned char>(a[i] ^ b[i]);
    }
    return difference == 0;
}

}  // namespace

std::optional<std::string> hash_password(std::string_view password, hash_method method) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    const auto [prefix, count] = cost_of(method);
    // No random octets given: the system's.
    if (::crypt_gensalt_rn(prefix, count, nullptr, 0, setting, sizeof setting) == nullptr) {
        return std::nullopt;
    }
    return hash_with(password, setting);
}

bool is_password_of(std::string_view password, const std::string& hash) {
    const auto made = hash_with(password, hash.c_str());
    return made && equal(*made, hash);
}

std::string why_no_hash(const std::string& hash) {
    switch (::crypt_checksalt(hash.c_str())) {
        case CRYPT_SALT_OK:
            if (hash.size() - (hash.rfind('$') + 1) >= digest_bytes_min) {
                return {};
            }
            return "its end is missing: make a new one with `ferry passwd`";
        case CRYPT_SALT_METHOD_LEGACY:
        case CRYPT_SALT_METHOD_DISABLED:
        case CRYPT_SALT_TOO_CHEAP:
            return "its method is too weak: make a new one with `ferry passwd`";
        default:
            return "it is no hash of crypt(5): make one with `ferry passwd`";
    }
}

}  // namespace ferry::auth
