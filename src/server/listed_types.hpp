#pragma once

#include <string_view>

#include "ferry/ftp/server.hpp"
#include "ferry/http/media_types.hpp"

namespace ferry::server {

/// FTP's media types are HTTP's.
class listed_types final : public ftp::media_type_table {
  public:
    /// `types` outlives it.
    explicit listed_types(const http::media_types& types) noexcept : types_(types) {}

    [[nodiscard]] std::string_view of(std::string_view name) const noexcept override {
        const auto type = types_.of(name);
        return type.substr(0, type.find(';'));  // A ';' would end the fact (RFC 3659 section 7.2).
    }

  private:
    const http::media_types& types_;
};

}  // namespace ferry::server
