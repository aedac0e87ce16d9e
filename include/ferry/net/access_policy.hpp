#pragma once

#include <atomic>
#include <chrono>
#include <expected>
#include <memory>
#include <utility>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/net/address_rules.hpp"
#include "ferry/net/address_table.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/net/plain_stream.hpp"
#include "ferry/net/tls_stream.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::net {

/// The place of one connection among those of its address, given back when it dies. Empty: nothing
/// is counted. Move-only.
class address_place {
  public:
    address_place() noexcept = default;
    /// Of a use that has counted the connection already.
    explicit address_place(std::shared_ptr<address_usage> use) noexcept : use_(std::move(use)) {}
    address_place(address_place&&) noexcept = default;
    address_place& operator=(address_place&& other) noexcept {
        give_back();
        use_ = std::move(other.use_);
        return *this;
    }
    address_place(const address_place&) = delete;
    address_place& operator=(const address_place&) = delete;
    ~address_place() { give_back(); }

    /// What its address uses; null: nothing is counted.
    [[nodiscard]] const std::shared_ptr<address_usage>& use() const noexcept { return use_; }

  private:
    void give_back() noexcept {
        if (use_) {
            use_->connections.fetch_sub(1, std::memory_order_relaxed);
            use_.reset();
        }
    }

    std::shared_ptr<address_usage> use_;
};

/// What depends on the address of a client, for one protocol; the same for all cores.
struct access_policy {
    address_rules rules;
    /// Who begins connections with a PROXY header that says for whom they are, and how long that
    /// may take.
    std::vector<address_block> proxy_senders;
    runtime::duration proxy_header_timeout = std::chrono::seconds(10);
    /// Whose requests say for whom they are; for HTTP.
    std::vector<address_block> trusted_proxies;
    address_table* table = nullptr;  ///< Outlives the policy; null: nothing is limited.

    /// True when no address matters.
    [[nodiscard]] bool empty() const noexcept {
        return rules.empty() && proxy_senders.empty() && trusted_proxies.empty() &&
               table == nullptr;
    }

    /// True when answers to an address go no faster than they may.
    [[nodiscard]] bool limits_sending() const noexcept {
        return table != nullptr && table->limits().sent_octets_per_second != 0;
    }

    /// Lets a connection from `who` in. Errors: errc::denied (by the rules), exhausted (it has as
    /// many as it may). A trusted proxy is not counted: it speaks for many. Cost: a look at the
    /// rules and at the table; never suspends.
    [[nodiscard]] result<address_place> admit(const endpoint& who, runtime::time_point now) const;
};

/// A connection as it was accepted.
struct arrival {
    bool has_proxy_header = false;  ///< It begins with one, so nobody knows yet whose it is.
    address_place place;            ///< Of its address, otherwise.
    tls_terms tls = {};  ///< TLS begins at once, behind a PROXY header, where there is one.
};

/// Lets the connection in whose PROXY header is still to be read: reads it and has `peer` speak for
/// whom it names. Errors: as `read_proxy_header`, after which nothing can be said; as
/// `access_policy::admit`.
[[nodiscard]] runtime::task<result<address_place>> admit_proxied(plain_stream& peer,
                                                                 const access_policy& policy);

}  // namespace ferry::net
