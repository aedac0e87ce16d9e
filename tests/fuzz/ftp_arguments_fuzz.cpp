// Goal: no argument is misread and none of its octets breaks out of the line it is shown in.
// Method: every parser reads the input; what is accepted must keep its contract, times must read
// back; then the input is a name in replies and listing lines, which must stay one line each.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "ferry/base/assert.hpp"
#include "ftp/arguments.hpp"
#include "ftp/list_format.hpp"
#include "ftp/reply.hpp"
#include "ftp/restart_marker.hpp"
#include "ftp/time.hpp"

namespace {

using namespace ferry;

constexpr std::uint64_t offset_max = std::numeric_limits<std::int64_t>::max();

void check_representation(std::string_view input) {
    const auto type = ftp::parse_type(input);
    FERRY_ASSERT(type || type.error() == errc::invalid || type.error() == errc::unsupported);
    const auto structure = ftp::parse_structure(input);
    FERRY_ASSERT(structure || structure.error() == errc::invalid ||
                 structure.error() == errc::unsupported);
    const auto mode = ftp::parse_mode(input);
    FERRY_ASSERT(mode || mode.error() == errc::invalid || mode.error() == errc::unsupported);
}

void check_numbers(std::string_view input) {
    const auto offset = ftp::parse_restart(input);
    if (offset) {
        FERRY_ASSERT(*offset <= offset_max);
        FERRY_ASSERT(ftp::parse_restart(std::to_string(*offset)) == *offset);
        FERRY_ASSERT(input.find_first_not_of("0123456789") == std::string_view::npos);
        FERRY_ASSERT(ftp::parse_allocation(input)->size_bytes == *offset);
    }
    const auto allocation = ftp::parse_allocation(input);
    FERRY_ASSERT(!allocation || allocation->record_bytes <= offset_max);
}

void check_time(std::string_view input) {
    const auto when = ftp::parse_time_val(input);
    if (!when) {
        FERRY_ASSERT(when.error() == errc::invalid);
        return;
    }
    FERRY_ASSERT(when->nanoseconds < 1'000'000'000);
    std::string shown;
    ftp::append_time_val(shown, *when);
    FERRY_ASSERT(shown.size() == ftp::time_val_bytes);
    FERRY_ASSERT(ftp::parse_time_val(shown)->seconds == when->seconds);
}

void check_options(std::string_view input) {
    const auto request = ftp::parse_list(input);
    FERRY_ASSERT(input.ends_with(request.path));
    const auto option = ftp::parse_option(input);
    if (option) {
        FERRY_ASSERT(input.ends_with(option->value));
        const auto utf8 = ftp::parse_utf8_switch(option->value);
        FERRY_ASSERT(utf8 || utf8.error() == errc::invalid);
    }
    const auto facts = ftp::parse_facts(input);
    const auto described = ftp::describe_facts(facts);
    FERRY_ASSERT(ftp::parse_facts(std::string_view(described).substr(9)) == facts);
}

void check_names(std::string_view input) {
    const auto names = ftp::parse_names(input);
    if (names) {
        for (const auto& each : *names) {
            FERRY_ASSERT(!each.empty() && each.size() <= input.size());
        }
    }
    const auto changes = ftp::parse_fact_changes(input);
    FERRY_ASSERT(!changes || (!changes->name.empty() && input.ends_with(changes->name)));
    FERRY_ASSERT(!changes || !changes->permissions || *changes->permissions <= 0777);
    const auto dated = ftp::parse_utime(input);
    FERRY_ASSERT(!dated || !dated->name.empty());
    const auto level = ftp::parse_deflate_options(input);
    FERRY_ASSERT(!level || !*level || (**level >= 1 && **level <= 9));
    const auto place = ftp::parse_restart_marker(input);
    FERRY_ASSERT(!place || place->offset <= offset_max);
}

void check_one_line(std::string_view line) {
    FERRY_ASSERT(line.find_first_of("\r\n") == std::string_view::npos);
}

void check_lines(std::string_view input) {
    const vfs::directory_entry entry{
        .name = std::string(input),
        .status = {.kind = vfs::file_kind::regular, .mode = 0644, .modified = {}, .changed = {}}};
    std::string line;
    ftp::append_unix_line(line, entry, 0);
    check_one_line(line);
    line.clear();
    ftp::append_dos_line(line, entry);
    check_one_line(line);
    line.clear();
    ftp::append_facts_line(line, entry, {});
    check_one_line(line);
    line.clear();
    ftp::append_name_line(line, {.directory = input, .name = input});
    check_one_line(line);
    line.clear();
    ftp::append_reply(line, {257, ftp::quote_pathname(input) + " created"});
    FERRY_ASSERT(line.ends_with("\r\n"));
    check_one_line(std::string_view(line).substr(0, line.size() - 2));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    const std::string_view input(static_cast<const char*>(static_cast<const void*>(data)),
                                 size_bytes);
    check_representation(input);
    check_numbers(input);
    check_time(input);
    check_options(input);
    check_lines(input);
    check_names(input);
    return 0;
}
