#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::http {

/// Whose turn it is at upload resources, for all cores: one request at a time, and a later one ends
/// the one before it, whose client has given it up (draft-ietf-httpbis-resumable-upload section
/// 4.6). Also remembers what of them no disk tells: that they are complete, and a length that was
/// said late. From any thread; one lock for a look into a map, twice a request.
class upload_turns {
  public:
    struct numbers {
        runtime::duration memory = std::chrono::hours(24);
        std::size_t notes_max = 4'096;  ///< One more, and the oldest is forgotten.
    };

    explicit upload_turns(const numbers& most) noexcept : most_(most) {}
    upload_turns(const upload_turns&) = delete;
    upload_turns& operator=(const upload_turns&) = delete;

    /// How long parts of uploads are kept.
    [[nodiscard]] runtime::duration memory() const noexcept { return most_.memory; }

    struct note {
        std::optional<std::uint64_t> length;  ///< Of the whole, where it was said.
        bool is_complete = false;
        std::uint64_t size_bytes = 0;  ///< Where it is complete.
        runtime::time_point until{};   ///< `upload_turns` sets it.
    };

  private:
    struct waiting;

  public:
    /// What one request does at a resource, until it dies; on the core that took it.
    class turn {
      public:
        turn(turn&&) noexcept;
        turn& operator=(turn&&) = delete;
        ~turn();

        /// Stops when a later request wants the resource. What must not go on then is done in it.
        [[nodiscard]] runtime::stop_scope& scope() noexcept;
        /// Whether a later request does: not whether the server ends.
        [[nodiscard]] bool is_over() const noexcept;

      private:
        friend upload_turns;
        turn(upload_turns& of, std::unique_ptr<waiting> mine) noexcept;

        upload_turns* of_;
        std::unique_ptr<waiting> mine_;
    };

    /// Asks whoever is at the resource `name` to end, and waits until it has, and for those who
    /// have asked before. Errors: errc::timed_out (it has not by then), cancelled.
    [[nodiscard]] runtime::task<result<turn>> take(runtime::core& here, std::string name,
                                                   runtime::time_point deadline);

    /// What is known of a resource: nothing that its address and its octets do not tell.
    [[nodiscard]] std::optional<note> find(std::string_view name, runtime::time_point now);
    void keep(std::string_view name, note what, runtime::time_point now);
    void forget(std::string_view name);

    /// Resources that somebody is at, and notes.
    [[nodiscard]] std::pair<std::size_t, std::size_t> size();

  private:
    struct contents {
        /// Who is at a resource, and behind him those who wait.
        std::map<std::string, std::list<waiting*>, std::less<>> lines;
        std::map<std::string, note, std::less<>> notes;
        std::deque<std::string> by_age;  ///< Their names, and of some that are gone.
    };

    /// Asks whoever is at the head of a line to end, if somebody waits behind him.
    static void urge(std::list<waiting*>& line) noexcept;
    void leave(waiting& mine) noexcept;

    numbers most_;
    runtime::rarely_shared<contents> all_;
};

}  // namespace ferry::http
