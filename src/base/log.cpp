#include "ferry/base/log.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/background_writer.hpp"

namespace ferry::log {
namespace {

// At the end a standard error that nobody reads must not keep the process.
constexpr auto finish_time_max = std::chrono::milliseconds(500);

/// Writes to standard error, itself or by a background writer.
class error_sink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    void set_writer(std::optional<background_writer> writer) {
        {
            const std::lock_guard holding(mutex_);
            writer_.swap(writer);
        }
        if (writer) {
            static_cast<void>(writer->finish(finish_time_max));
        }
    }

  private:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        const std::string_view text(line.data(), line.size());
        if (!writer_) {
            static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
            return;
        }
        if (dropped_ != 0 &&
            writer_->offer(fmt::format("ferry: {} diagnostics were dropped: standard error took "
                                       "no more\n",
                                       dropped_))) {
            dropped_ = 0;
        }
        if (!writer_->offer(text)) {
            ++dropped_;
        }
    }
    void flush_() override {}  // Standard error keeps nothing back.

    std::optional<background_writer> writer_;
    std::uint64_t dropped_ = 0;
};

const std::shared_ptr<error_sink>& sink() {
    static const auto instance = std::make_shared<error_sink>();
    return instance;
}

spdlog::logger& logger() {
    static const auto instance = [] {
        auto made = std::make_shared<spdlog::logger>("ferry", sink());
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l ferry: %v");
        made->set_level(spdlog::level::info);
        return made;
    }();
    return *instance;
}

spdlog::level::level_enum to_spdlog(level at) noexcept {
    switch (at) {
        case level::debug:
            return spdlog::level::debug;
        case level::info:
            return spdlog::level::info;
        case level::warning:
            return spdlog::level::warn;
        case level::error:
            return spdlog::level::err;
        case level::off:
            return spdlog::level::off;
    }
    return spdlog::level::off;
}

}  // namespace

void set_level(level least) noexcept {
    logger().set_level(to_spdlog(least));
}

bool enabled(level at) noexcept {
    return logger().should_log(to_spdlog(at));
}

void write(level at, std::string_view message) noexcept {
    if (!enabled(at)) {
        return;
    }
    try {
        std::string line;
        line.reserve(message.size());
        for (const char c :
             message) {  // Quotes and backslashes stay: only controls can break a line.
            if (ascii::is_control(c)) {
                ascii::append_escaped(line, std::string_view(&c, 1));
            } else {
                line += c;
            }
        }
        logger().log(to_spdlog(at), line);
    } catch (...) {
        // A diagnostic that cannot be printed must not stop the server it describes.
    }
}

in_background::in_background() {
    if (auto made = background_writer::open(STDERR_FILENO, {})) {
        sink()->set_writer(std::move(*made));
    }
}

in_background::~in_background() {
    sink()->set_writer(std::nullopt);
}

}  // namespace ferry::log
