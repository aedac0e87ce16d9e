#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/hasher.hpp"
#include "http/digest_fields.hpp"

namespace ferry::http {

/// Compares octets, as they come, with what their sender says their digests are (RFC 9530). With
/// nothing to compare it costs nothing.
class content_check {
  public:
    /// `from`: the field that says so, for whoever is told. What this OpenSSL cannot make is left
    /// out: nobody can say that it differs.
    void expect(const expected_digests& what, field from);

    /// Makes a digest to be told, by `by`; at most one.
    void want(vfs::digest_algorithm by);

    [[nodiscard]] bool is_any() const noexcept { return !all_.empty() || wanted_ != nullptr; }

    /// The next octets. Gives others their turn in between.
    [[nodiscard]] runtime::task<> add(runtime::core& here, std::span<const std::byte> octets);

    /// Once, at the end: whether all are as they were said to be. One that is not is remembered.
    [[nodiscard]] bool holds();

    /// The value of the field for the digest that was wanted, at the end; empty: there is none.
    [[nodiscard]] std::string wanted_value();

    /// What to tell when it does not hold, in JSON: draft-ietf-httpapi-digest-fields-problem-types
    /// section 3.3. Does not tell what the digests are.
    [[nodiscard]] std::string problem() const;

  private:
    struct each {
        std::size_t index = 0;  ///< Of `checked_algorithms`.
        field from = field::other;
        std::string expected;
        std::unique_ptr<vfs::hasher> made;
        bool is_other = false;
    };
    std::vector<each> all_;
    std::unique_ptr<vfs::hasher> wanted_;
    vfs::digest_algorithm wanted_by_ = vfs::digest_algorithm::sha256;
};

/// The same for a digest that nothing can have (section 3.2).
[[nodiscard]] std::string invalid_digest_problem(field from);

}  // namespace ferry::http
