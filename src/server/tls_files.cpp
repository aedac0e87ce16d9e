#include "server/tls_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ferry/net/endpoint.hpp"
#include "server/flag_values.hpp"
#include "server/read_whole.hpp"

namespace ferry::server {
namespace {

using refusal = std::unexpected<std::string>;

constexpr std::size_t tls_file_bytes_max = 1_MiB;

std::expected<std::string, std::string> read_file(const std::string& path) {
    const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        return refusal(fmt::format("{}: {}", in_quotes(path), std::strerror(errno)));
    }
    auto text = read_whole(file.get(), tls_file_bytes_max);
    if (!text) {
        return refusal(fmt::format("{}: {}", in_quotes(path), std::strerror(text.error())));
    }
    return std::move(*text);
}

bool is_there(const std::string& path) noexcept {
    return ::access(path.c_str(), F_OK) == 0 || errno != ENOENT;
}

/// Writes a file that is not there yet; others may not read a key.
std::expected<void, std::string> write_new(const std::string& path, std::string_view text,
                                           mode_t mode) {
    const unique_fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file) {
        return refusal(fmt::format("{}: {}", in_quotes(path), std::strerror(errno)));
    }
    while (!text.empty()) {
        const auto written = ::write(file.get(), text.data(), text.size());
        if (written <= 0) {
            return refusal(fmt::format("{}: {}", in_quotes(path), std::strerror(errno)));
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

std::expected<void, std::string> write_both(const std::string& path,
                                            const net::tls_identity& what) {
    auto text = what.certificates + what.key;
    auto written = write_new(path, text, 0600);
    ::explicit_bzero(text.data(), text.size());
    return written;
}

/// What a certificate of its own is for: this machine, as people on it and near it call it.
std::vector<std::string> names_of_this_machine(const config& settings) {
    std::vector<std::string> names = {"localhost"};
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) == 0 && host[0] != '\0' &&
        names.front() != host.data()) {
        names.emplace_back(host.data());
    }
    names.emplace_back("127.0.0.1");
    names.emplace_back("::1");
    auto endpoints = settings.https;
    endpoints.insert(endpoints.end(), settings.ftps.begin(), settings.ftps.end());
    for (const auto& at : endpoints) {
        const bool is_any = std::ranges::all_of(at.octets, [](auto each) { return each == 0; });
        auto text = net::format_address(at);
        if (!is_any && std::ranges::find(names, text) == names.end()) {
            names.push_back(std::move(text));
        }
    }
    return names;
}

}  // namespace

tls_loader::tls_loader(const config& settings, bool seals_in_kernel)
    : settings_(settings),
      seals_in_kernel_(seals_in_kernel),
      tickets_(std::make_shared<net::tls_ticket_keys>()) {}

std::expected<net::tls_identity, std::string> tls_loader::make_own() {
    if (!own_) {
        auto made =
            net::make_self_signed(names_of_this_machine(settings_), read_wall_clock().seconds);
        if (!made) {
            return refusal(std::move(made.error()));
        }
        own_ = std::move(*made);
    }
    return *own_;
}

std::vector<std::string> tls_loader::would_make() const {
    std::vector<std::string> names;
    if (settings_.tls_self_signed) {
        std::ranges::copy_if(settings_.tls_certs, std::back_inserter(names),
                             [](const std::string& name) { return !is_there(name); });
    }
    return names;
}

std::expected<net::tls_identity, std::string> tls_loader::read_identity(std::size_t index) {
    const auto& name = settings_.tls_certs[index];
    const auto* const key_name = settings_.tls_keys.empty() ? nullptr : &settings_.tls_keys[index];
    if (settings_.tls_self_signed && !is_there(name)) {
        auto made = make_own();
        if (!made || settings_.check) {
            return made;
        }
        const auto& own = *own_;
        // The key first: a certificate without one would be taken for whole the next time.
        auto written =
            key_name == nullptr ? write_both(name, own) : write_new(*key_name, own.key, 0600);
        if (written && key_name != nullptr) {
            written = write_new(name, own.certificates, 0644);
        }
        if (!written) {
            return refusal(fmt::format("--tls-self-signed: {}", written.error()));
        }
    }
    auto certificates = read_file(name);
    if (!certificates) {
        return refusal(fmt::format("--tls-cert: {}", certificates.error()));
    }
    net::tls_identity made{
        .certificates = std::move(*certificates), .key = {}, .called = in_quotes(name)};
    if (key_name != nullptr) {
        auto key = read_file(*key_name);
        if (!key) {
            return refusal(fmt::format("--tls-key: {}", key.error()));
        }
        made.key = std::move(*key);
        made.key_called = in_quotes(*key_name);
    }
    if (index < settings_.tls_ocsp.size()) {
        auto response = read_file(settings_.tls_ocsp[index]);
        if (!response) {
            return refusal(fmt::format("--tls-ocsp: {}", response.error()));
        }
        made.ocsp_called = fmt::format("--tls-ocsp: {}", in_quotes(settings_.tls_ocsp[index]));
        if (response->empty()) {
            return refusal(fmt::format("{}: it is empty", made.ocsp_called));
        }
        made.ocsp_response = std::move(*response);
    }
    return made;
}

std::expected<void, std::string> tls_loader::read_ticket_keys() {
    if (settings_.tls_ticket_keys.empty()) {
        return {};
    }
    auto octets = read_file(settings_.tls_ticket_keys);
    if (!octets) {
        return refusal(fmt::format("--tls-ticket-keys: {}", octets.error()));
    }
    auto keys = net::tls_ticket_keys::parse(*octets);
    ::explicit_bzero(octets->data(), octets->size());
    if (!keys) {
        return refusal(fmt::format("--tls-ticket-keys: {}: {}",
                                   in_quotes(settings_.tls_ticket_keys), keys.error()));
    }
    tickets_->use(std::move(*keys));
    return {};
}

std::expected<loaded_tls, std::string> tls_loader::load() {
    net::tls_settings wanted{.identities = {},
                             .needs_tls_1_3 = settings_.tls_min == tls_floor::tls_1_3,
                             .tickets = tickets_,
                             .seals_in_kernel = seals_in_kernel_,
                             .from_clients = settings_.tls_client_certs,
                             .client_authorities = {}};
    for (std::size_t i = 0; i < settings_.tls_certs.size(); ++i) {
        auto one = read_identity(i);
        if (!one) {
            return refusal(std::move(one.error()));
        }
        wanted.identities.push_back(std::move(*one));
    }
    if (wanted.identities.empty()) {
        auto own = make_own();
        if (!own) {
            return refusal(std::move(own.error()));
        }
        wanted.identities.push_back(std::move(*own));
    }
    if (!settings_.tls_client_ca.empty()) {
        auto text = read_file(settings_.tls_client_ca);
        if (!text) {
            return refusal(fmt::format("--tls-client-ca: {}", text.error()));
        }
        wanted.client_authorities = std::move(*text);
    }
    auto made = net::tls_server::make(wanted);
    if (!made) {
        return refusal(fmt::format("TLS: {}", made.error()));
    }
    // Last: what cannot be used leaves all as it was.
    if (auto read = read_ticket_keys(); !read) {
        return refusal(std::move(read.error()));
    }
    const auto& first = wanted.identities.front();
    const auto count = wanted.identities.size();
    summary_ = fmt::format("the certificate is {}{}, SHA-256 {}", first.called,
                           count == 1 ? "" : fmt::format(" and {} more", count - 1),
                           net::fingerprint_of(first.certificates));
    return loaded_tls{.server = *made,
                      .warnings = (*made)->warnings(read_wall_clock().seconds),
                      .summary = summary_};
}

}  // namespace ferry::server
