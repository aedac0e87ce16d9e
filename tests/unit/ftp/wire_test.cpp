// Goal: a conversation has the same answers however it is cut. Method: each file of tests/wire/ftp
// is said to a server of its own line by line, all at once, and cut in two at every octet: the
// second half is sent when the answers to all whole lines of the first have come.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "ftp_conversation.hpp"

using namespace ferry::ftp::test;

namespace {

constexpr std::size_t line_bytes_max = 512;

struct recording {
    std::string greeting;
    std::vector<std::string> lines;    ///< Of the client, with their ends.
    std::vector<std::string> answers;  ///< How each begins.
};

std::string unescaped(std::string_view text) {
    std::string made;
    while (!text.empty()) {
        if (text.starts_with("\\x") && text.size() >= 4) {
            made += static_cast<char>(std::stoi(std::string(text.substr(2, 2)), nullptr, 16));
            text.remove_prefix(4);
        } else if (text.starts_with("\\r")) {
            made += '\r';
            text.remove_prefix(2);
        } else {
            made += text.front();
            text.remove_prefix(1);
        }
    }
    return made;
}

recording read_recording(const std::filesystem::path& file) {
    recording made;
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(">lf ")) {
            made.lines.push_back(unescaped(line.substr(4)) + '\n');
        } else if (line == ">long") {
            made.lines.push_back(std::string(2 * line_bytes_max, 'x') + "\r\n");
        } else if (line.starts_with('>')) {
            made.lines.push_back(unescaped(line.substr(std::min<std::size_t>(2, line.size()))) +
                                 "\r\n");
        } else if (line.starts_with("< ")) {
            auto& where = made.greeting.empty() ? made.greeting : made.answers.emplace_back();
            where = unescaped(line.substr(2));
        } else {
            REQUIRE(line.starts_with('#'));
        }
    }
    REQUIRE(made.answers.size() == made.lines.size());
    return made;
}

std::vector<std::filesystem::path> files() {
    std::vector<std::filesystem::path> found;
    for (const auto& each : std::filesystem::directory_iterator(FERRY_WIRE_FOLDER "/ftp")) {
        found.push_back(each.path());
    }
    std::ranges::sort(found);
    REQUIRE(found.size() >= 8);
    return found;
}

/// Says `all`, the lines together, in two pieces.
void replay(const test_server& server, const recording& said, const std::string& all,
            std::size_t cut) {
    client user(server);
    const auto expect = [&user](const std::string& wanted) {
        auto answer = user.reply();
        // Options are refused as soon as they are read, so in front of any reply (RFC 854).
        for (auto at = answer.find('\xff'); at != std::string::npos; at = answer.find('\xff')) {
            answer.erase(at, 3);
        }
        CAPTURE(answer);
        CAPTURE(wanted);
        CHECK(answer.starts_with(wanted));
    };
    expect(said.greeting);
    user.send(std::string_view(all).substr(0, cut));
    std::size_t answered = 0;
    for (std::size_t octets = 0; answered < said.lines.size(); ++answered) {
        octets += said.lines[answered].size();
        if (octets > cut) {
            break;
        }
        expect(said.answers[answered]);
    }
    user.send(std::string_view(all).substr(cut));
    for (; answered < said.lines.size(); ++answered) {
        expect(said.answers[answered]);
    }
    CHECK(user.reply() == "(closed)");
}

}  // namespace

TEST_CASE("wire: conversations at once, and cut at every octet") {
    server_settings settings;
    settings.numbers.line_bytes_max = line_bytes_max;
    settings.has_troubled_names = true;
    const test_server server(settings);
    for (const auto& file : files()) {
        CAPTURE(file.filename().string());
        const auto said = read_recording(file);
        std::string all;
        for (const auto& each : said.lines) {
            all += each;
        }
        const bool is_long = all.size() > 2 * line_bytes_max;
        for (std::size_t cut = 0; cut <= all.size(); cut += is_long ? 7 : 1) {
            CAPTURE(cut);
            replay(server, said, all, cut);
        }
    }
}
