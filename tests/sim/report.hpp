#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::sim::test {

/// Something that must not be, as a client or a look at the disk found it.
struct violation {
    std::string client;   ///< Who saw it.
    std::string rule;     ///< What was broken, a sentence that is the same in every run.
    std::string details;  ///< What was seen and what would have been right.
    std::string request;  ///< What was asked.
};

/// What all clients of a run have found and counted.
class report {
  public:
    /// Notes a violation; of very many the first ones are kept.
    void add(violation what);
    /// Counts for the summary: "http 206", "ftp STOR 226", "octets received".
    void count(std::string_view what, std::uint64_t by = 1);

    [[nodiscard]] bool is_clean() const noexcept { return violations_.empty(); }
    [[nodiscard]] const std::vector<violation>& violations() const noexcept { return violations_; }
    [[nodiscard]] std::uint64_t counted(std::string_view what) const;

    /// The violations, one a paragraph; empty when there are none.
    [[nodiscard]] std::string describe() const;
    /// All counters on one line.
    [[nodiscard]] std::string summary() const;

  private:
    static constexpr std::size_t violations_max = 32;

    std::vector<violation> violations_;
    std::map<std::string, std::uint64_t, std::less<>> counters_;
};

}  // namespace ferry::sim::test
