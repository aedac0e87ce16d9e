// Goal: no octets on a control connection make a command depend on how they were cut, grow past the
// limit or carry a line end inside. Method: the first octet of the input says how long a line may
// be, the second how long the pieces are; the rest is parsed whole and in pieces, and both must say
// the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "ftp/line_parser.hpp"

namespace {

using namespace ferry;

struct conversation {
    std::vector<std::string> lines;
    std::string answers;
};

void check_command(std::string_view line) {
    const auto command = ftp::parse_command(line);
    const auto verb = command.verb();
    FERRY_ASSERT(verb.size() <= ftp::verb_bytes_max);
    for (const char c : verb) {
        FERRY_ASSERT((c >= 'A' && c <= 'Z') || ascii::is_digit(c));
    }
    if (verb.empty()) {
        FERRY_ASSERT(command.argument.empty());
        return;
    }
    FERRY_ASSERT(ascii::equal_ignoring_case(line.substr(0, verb.size()), verb));
    FERRY_ASSERT(line.ends_with(command.argument));
    FERRY_ASSERT(line.size() == verb.size() || line[verb.size()] == ' ');
    const auto separator = line.size() == verb.size() ? 0U : 1U;
    FERRY_ASSERT(line.size() == verb.size() + separator + command.argument.size());
}

conversation parse(std::string_view octets, std::size_t piece_bytes, std::size_t line_bytes_max) {
    ftp::line_parser parser(line_bytes_max);
    conversation said;
    while (!octets.empty()) {
        auto piece = octets.substr(0, piece_bytes);
        octets.remove_prefix(piece.size());
        for (;;) {
            const auto event = parser.next(piece);
            if (event == ftp::line_event::none) {
                break;
            }
            const auto line = parser.line();
            FERRY_ASSERT(line.size() <= line_bytes_max);
            FERRY_ASSERT(!line.contains('\n'));
            FERRY_ASSERT(event == ftp::line_event::line || line.empty());
            check_command(line);
            // An overlong line is told from an empty one by an octet that no line holds.
            said.lines.emplace_back(event == ftp::line_event::overlong ? "\n" : line);
        }
        FERRY_ASSERT(piece.empty());
        const auto answers = parser.take_answers();
        FERRY_ASSERT(answers.size() <= 192 && answers.size() % 3 == 0);
        said.answers += answers;
    }
    return said;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    if (size_bytes < 2) {
        return 0;
    }
    const auto line_bytes_max = std::size_t{data[0]};
    const auto piece_bytes = std::max<std::size_t>(data[1], 1);
    const std::string_view octets(static_cast<const char*>(static_cast<const void*>(data + 2)),
                                  size_bytes - 2);
    const auto whole = parse(octets, octets.size(), line_bytes_max);
    const auto pieces = parse(octets, piece_bytes, line_bytes_max);
    FERRY_ASSERT(whole.lines == pieces.lines);
    // Answers are bounded per piece, so pieces may get more of a flood answered.
    FERRY_ASSERT(pieces.answers.starts_with(whole.answers));
    return 0;
}
