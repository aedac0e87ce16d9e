#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/net/endpoint.hpp"
#include "ferry/net/plain_stream.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/wait.hpp"
#include "load/worker.hpp"
#include "options.hpp"
#include "requests.hpp"
#include "response_reader.hpp"
#include "tally.hpp"

namespace ferry::http_load {

/// What all threads read and none writes.
struct load_plan {
    load_options options;
    net::endpoint server;
    std::size_t threads = 1;
    request_maker requests;
};

/// One thread of the load.
class worker final : public load::worker {
  public:
    /// `plan` outlives it.
    worker(load::worker_place place, const load_plan& plan);

    /// What became of it, after `run`.
    [[nodiscard]] const tally& results() const noexcept { return results_; }

  private:
    /// A connection and what has been read from it.
    struct connection {
        connection(std::size_t buffer_bytes, bool has_bodies)
            : buffer(buffer_bytes), reader(has_bodies) {}

        std::vector<std::byte> buffer;
        std::size_t begin = 0;  ///< Of what is in `buffer` and not taken.
        std::size_t end = 0;
        std::unique_ptr<net::plain_stream> stream;  ///< None: closed.
        response_reader reader;
        std::string batch;                   ///< Of requests, sent at once.
        std::vector<std::uint64_t> numbers;  ///< Of the files they are for, where there are many.
    };

    void start(runtime::nursery& bottom) override;
    static runtime::task<> drive(worker& self, std::size_t which);
    static runtime::task<> pace(worker& self);

    [[nodiscard]] runtime::task<bool> wait_until_due(runtime::event& turn,
                                                     runtime::time_point& due);
    [[nodiscard]] runtime::task<result<void>> open(connection& on);
    [[nodiscard]] runtime::task<result<void>> exchange(connection& on, std::size_t requests,
                                                       std::size_t& answered,
                                                       runtime::time_point begin);
    [[nodiscard]] runtime::task<result<void>> read_answer(connection& on);
    static runtime::task<> close(connection& on);
    void make_batch(connection& on, std::size_t requests);
    [[nodiscard]] std::uint64_t wanted_length(const response& answer, std::uint64_t number);
    void judge(const response& answer, std::uint64_t number, runtime::time_point begin);
    void fail(std::string_view what, std::uint64_t times = 1);
    [[nodiscard]] runtime::time_point deadline() noexcept;

    const load_plan& plan_;
    std::string constant_batch_;      ///< As many requests as are sent at once, if all are alike.
    std::size_t constant_bytes_ = 0;  ///< Of one of them.
    std::vector<std::uint64_t>
        lengths_;  ///< By number of the file; `unknown_length` before one came.
    tally results_;

    // With --rate: moments at which requests were due that no connection has taken yet, and
    // connections that have nothing to do.
    std::deque<runtime::time_point> due_;
    std::vector<runtime::event*> free_;
    bool has_paced_all_ = false;
};

}  // namespace ferry::http_load
