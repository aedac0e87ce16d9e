#include <csignal>
#include <cstdio>
#include <string_view>

#include "ferry/base/log.hpp"
#include "server/allocator.hpp"
#include "server/invocation.hpp"
#include "server/passwd.hpp"
#include "server/top.hpp"
#include "server/wiring.hpp"

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "passwd") {
        return ferry::server::set_password({argv + 2, static_cast<std::size_t>(argc - 2)});
    }
    if (argc > 1 && std::string_view(argv[1]) == "top") {
        return ferry::server::show_top({argv + 2, static_cast<std::size_t>(argc - 2)});
    }
    const auto settings = ferry::server::parse(
        {.arguments = {argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)},
         .environment = environ});
    if (!settings) {
        const auto& ending = settings.error();
        std::fputs(ending.text.c_str(), ending.status == 0 ? stdout : stderr);
        return ending.status;
    }
    ferry::log::set_level(settings->log_level);
    return ferry::server::run(*settings, argv, ferry::server::advice_to_allocator());
}
