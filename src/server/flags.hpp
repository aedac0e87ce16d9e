#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config.hpp"

namespace ferry::server {

/// What a flag's value is, where it goes and its bounds. One arm for each kind of value.
namespace flag_kind {

struct toggle {
    bool config::* member;
};

/// A whole number. `zero_word`, where there is one, is how people write the value 0.
struct count {
    std::size_t config::* member;
    std::size_t min;
    std::size_t max;
    std::string_view zero_word = {};
    bool power_of_two = false;
};

/// Octets: `4096`, `16KiB` or `16k`, `1MiB` or `1M`.
struct size {
    std::size_t config::* member;
    std::size_t min;
    std::size_t max;
};

/// A duration: `500ms`, `10s`, `2m`, `1h`; a plain number is seconds.
struct duration {
    std::chrono::milliseconds config::* member;
    std::chrono::milliseconds min;
    std::chrono::milliseconds max;
};

/// One word of `words`; the index is the value of the enumeration.
struct choice {
    std::span<const std::string_view> words;
    std::size_t (*get)(const config&);
    void (*set)(config&, std::size_t);
};

/// Anything else, read by a function of its own.
struct text {
    std::string_view bounds;  ///< What is accepted, for messages: "a port range LO-HI".
    /// Takes the value, or returns what is wrong with it: the rest of a message line.
    std::string (*set)(config&, std::string_view);
    std::string (*show)(const config&);
};

/// Several values, one at a time; `empty_word` alone stands for none.
struct list {
    std::string_view bounds;
    std::string_view empty_word;
    std::size_t values_max;
    char separator;  ///< Between the values in an environment variable.
    void (*clear)(config&);
    std::string (*add)(config&, std::string_view);
    std::string (*show)(const config&);
};

/// Makes `parse` print something and exit.
enum class action { help, version };

}  // namespace flag_kind

/// Where a flag can be given.
enum class flag_scope { everywhere, outside_files, command_line };

/// One row: all there is to know about a flag. The command line, the environment variable
/// (`FERRY_HEAD_BYTES_MAX`), the key of the configuration file and `--help` come from it; the
/// default is the member's own in `config`.
struct flag {
    std::string_view name;         ///< Without dashes: "head-bytes-max".
    std::string_view placeholder;  ///< How the value is called in help: "SIZE"; empty for a switch.
    std::string_view group;        ///< The heading in help; rows of one group stand together.
    std::string_view help;  ///< A phrase, with unit and RFC; bounds and default are added to it.
    std::variant<flag_kind::toggle, flag_kind::count, flag_kind::size, flag_kind::duration,
                 flag_kind::choice, flag_kind::text, flag_kind::list, flag_kind::action>
        kind;
    /// Why its value has no effect where the others say what they do: "there is no FTP"; empty: it
    /// has one. Null: as its group has it.
    std::string_view (*idle)(const config&) = nullptr;
    flag_scope scope = flag_scope::everywhere;
};

/// Every flag, in the order of help.
[[nodiscard]] std::span<const flag> flags() noexcept;

/// Those whose value is not the default and has no effect where the others say what they do, with
/// why: a line for each reason, for a person.
[[nodiscard]] std::vector<std::string> idle_flags(const config& settings);

/// True for a flag that takes no value on the command line.
[[nodiscard]] bool is_switch(const flag& row) noexcept;

/// The bounds of `row` for people: "1 to 1024, or all", "off, read, upload"; empty where anything
/// goes.
[[nodiscard]] std::string bounds(const flag& row);

/// The values of `row` in `settings`, as a user would write them, joined by ", " where it takes
/// several. Passwords appear as `***`. Empty where there is no value to write (`root` and `config`
/// have no default, `help` and `version` no value).
[[nodiscard]] std::string show(const flag& row, const config& settings);

/// Puts `values` into the member of `row`, in place of what it held. A row that takes one value
/// takes the last. Returns what is wrong, to follow "--name: ": `"0" is not a number from 1 to
/// 1024`; control octets escaped, no password in it. After a failure the member holds no promise.
[[nodiscard]] std::expected<void, std::string> assign(const flag& row, config& settings,
                                                      std::span<const std::string> values);

}  // namespace ferry::server
