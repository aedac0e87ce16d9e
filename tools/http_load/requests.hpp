#pragma once

#include <cstdint>
#include <string>

#include "options.hpp"

namespace ferry::http_load {

/// Which of the requests that options describe.
struct request_choice {
    std::uint64_t number = 0;        ///< For {} in the path, below `load_options::files`.
    std::uint64_t range_offset = 0;  ///< Of the first octet, where ranges are asked for.
};

/// Makes requests (RFC 9112 section 3): all but what is chosen is there beforehand.
class request_maker {
  public:
    explicit request_maker(const load_options& options);

    /// Whether all requests are the same octets.
    [[nodiscard]] bool is_constant() const noexcept { return !is_numbered_ && range_bytes_ == 0; }

    /// Cost: appending some dozens of octets; no allocation once `into` has grown.
    void append(std::string& into, request_choice which) const;

  private:
    std::string front_;   ///< Up to the number.
    std::string behind_;  ///< From there to the value of Range, or to the end.
    bool is_numbered_ = false;
    std::uint64_t range_bytes_ = 0;
};

}  // namespace ferry::http_load
