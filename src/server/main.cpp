#include <csignal>
#include <cstdio>
#include <string>

#include "ferry/base/log.hpp"
#include "server/invocation.hpp"
#include "server/wiring.hpp"

int main(int argc, char** argv) {
    const auto settings = ferry::server::parse(
        {.arguments = {argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)},
         .environment = environ});
    if (!settings) {
        const auto& ending = settings.error();
        std::fputs(ending.text.c_str(), ending.status == 0 ? stdout : stderr);
        return ending.status;
    }
    ferry::log::set_level(settings->log_level);
    return ferry::server::run(*settings);
}
