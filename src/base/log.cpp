#include "ferry/base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <string>

#include "ferry/base/ascii.hpp"

namespace ferry::log {
namespace {

spdlog::logger& logger() {
    static const auto instance = [] {
        auto made = std::make_shared<spdlog::logger>(
            "ferry", std::make_shared<spdlog::sinks::stderr_sink_mt>());
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

}  // namespace ferry::log
