#include "ftp/list_format.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <span>

#include "ferry/base/ascii.hpp"
#include "ferry/vfs/path.hpp"
#include "ftp/time.hpp"

namespace ferry::ftp {
namespace {

/// Half a mean Gregorian year: where ls(1) goes from the hour to the year.
constexpr std::int64_t six_months_seconds = 31'556'952 / 2;

constexpr std::array<std::string_view, fact_count> fact_names{
    "type",      "size",       "modify",     "perm",   "unique",
    "UNIX.mode", "UNIX.owner", "UNIX.group", "create", "media-type"};

/// Builds the fixed part of a line on the stack, so that `out` grows once. The widest line fits:
/// every number at its largest makes 78 octets of a LIST line and 183 of facts.
class line_buffer {
  public:
    /// Begins anew, after its text has been taken.
    void clear() noexcept { at_ = octets_.data(); }
    void put(char c) noexcept { *at_++ = c; }
    void put(std::string_view text) noexcept {
        std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }
    void put_number(std::uint64_t value, int base = 10) noexcept {
        at_ = std::to_chars(at_, octets_.data() + octets_.size(), value, base).ptr;
    }
    /// Right-aligned in `width` columns; wider numbers take the room they need.
    void put_right(std::uint64_t value, std::size_t width) noexcept {
        std::array<char, 20> digits;
        const auto* const end =
            std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        const auto size = static_cast<std::size_t>(end - digits.data());
        put_spaces(size < width ? width - size : 0);
        put(std::string_view(digits.data(), size));
    }
    /// Left-aligned in `width` columns; wider numbers take the room they need.
    void put_left(std::uint64_t value, std::size_t width) noexcept {
        const auto* const begin = at_;
        put_number(value);
        const auto size = static_cast<std::size_t>(at_ - begin);
        put_spaces(size < width ? width - size : 0);
    }
    /// Exactly `digits` digits with leading zeros; higher ones are cut off.
    void put_padded(unsigned value, std::size_t digits, unsigned base = 10) noexcept {
        for (auto i = digits; i > 0; --i) {
            at_[i - 1] = static_cast<char>('0' + value % base);
            value /= base;
        }
        at_ += digits;
    }
    /// The next `Count` octets, for the caller to fill.
    template <std::size_t Count>
    [[nodiscard]] std::span<char, Count> take() noexcept {
        auto* const begin = at_;
        at_ += Count;
        return std::span<char, Count>(begin, Count);
    }
    [[nodiscard]] std::string_view text() const noexcept {
        return {octets_.data(), static_cast<std::size_t>(at_ - octets_.data())};
    }

  private:
    void put_spaces(std::size_t count) noexcept {
        std::memset(at_, ' ', count);
        at_ += count;
    }

    std::array<char, 256> octets_;
    char* at_ = octets_.data();
};

constexpr bool is_line_end(char c) noexcept {
    return c == '\r' || c == '\n';
}

/// Appends `name` with '?' for each octet that `is_harmful`.
template <class Predicate>
void append_name(std::string& out, std::string_view name, Predicate is_harmful) {
    const auto begin = out.size();
    out += name;
    // One pass without branches over names that are nearly always harmless.
    bool found = false;
    for (const char c : name) {
        found |= is_harmful(c);
    }
    if (found) {
        std::replace_if(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), is_harmful,
                        '?');
    }
}

// What ls(1) shows of a symbolic link, whose own bits mean nothing.
constexpr std::uint32_t link_mode = 0777;

char kind_letter(vfs::file_kind kind) noexcept {
    switch (kind) {
        case vfs::file_kind::regular:
            return '-';
        case vfs::file_kind::directory:
            return 'd';
        case vfs::file_kind::symlink:
            return 'l';
        case vfs::file_kind::other:
            return '?';
    }
    return '?';
}

/// "rwxr-sr-t": nine letters as ls(1) shows permission bits.
void put_mode(line_buffer& line, std::uint32_t mode) noexcept {
    std::array<char, 9> letters{'r', 'w', 'x', 'r', 'w', 'x', 'r', 'w', 'x'};
    for (std::size_t i = 0; i < letters.size(); ++i) {
        if ((mode >> (8 - i) & 1U) == 0) {
            letters[i] = '-';
        }
    }
    constexpr std::array<std::string_view, 3> special{"sS", "sS", "tT"};
    for (std::size_t i = 0; i < special.size(); ++i) {
        if ((mode >> (11 - i) & 1U) != 0) {
            auto& execute = letters[i * 3 + 2];
            execute = special[i][execute == 'x' ? 0 : 1];
        }
    }
    line.put(std::string_view(letters.data(), letters.size()));
}

/// "Nov 23 08:15" or "Nov 23  2026".
void put_date(line_buffer& line, std::int64_t seconds, std::int64_t now_seconds) noexcept {
    seconds = clamp_to_four_digit_years(seconds);
    const auto when = to_calendar(seconds);
    line.put(std::string_view(month_name(when.month), 3));
    line.put(' ');
    line.put_right(static_cast<std::uint64_t>(when.day), 2);
    line.put(' ');
    if (seconds <= now_seconds && seconds > now_seconds - six_months_seconds) {
        line.put_padded(static_cast<unsigned>(when.hour), 2);
        line.put(':');
        line.put_padded(static_cast<unsigned>(when.minute), 2);
    } else {
        line.put(' ');
        line.put_padded(static_cast<unsigned>(when.year), 4);
    }
}

std::string_view type_value(vfs::file_kind kind, entry_role role) noexcept {
    switch (role) {
        case entry_role::current:
            return "cdir";
        case entry_role::parent:
            return "pdir";
        case entry_role::child:
            break;
    }
    switch (kind) {
        case vfs::file_kind::regular:
            return "file";
        case vfs::file_kind::directory:
            return "dir";
        case vfs::file_kind::symlink:
            return "OS.unix=slink";
        case vfs::file_kind::other:
            return "OS.unix=special";
    }
    return "OS.unix=special";
}

/// The letters of perm (RFC 3659 section 7.5.5): a append, c create, d delete, e enter, f rename, l
/// list, m make directories, p delete what is inside, r retrieve, w store.
void put_perm(line_buffer& line, vfs::file_kind kind, const fact_format& format) noexcept {
    using enum auth::right;
    const auto may = [&format](auth::right which) { return format.rights.has(which); };
    const bool is_movable = format.role == entry_role::child && !format.is_root;
    const char* const remove_letter = is_movable && may(remove) ? "d" : "";
    const char* const rename_letter = is_movable && may(rename) ? "f" : "";
    switch (kind) {
        case vfs::file_kind::regular:
            line.put(may(replace) ? "a" : "");
            line.put(remove_letter);
            line.put(rename_letter);
            line.put(may(read) ? "r" : "");
            line.put(may(replace) ? "w" : "");
            break;
        case vfs::file_kind::directory:
            line.put(may(create) ? "c" : "");
            line.put(remove_letter);
            line.put(format.rights == auth::rights{} ? "" : "e");
            line.put(rename_letter);
            line.put(may(list) ? "l" : "");
            line.put(may(make_directory) ? "m" : "");
            line.put(may(remove) ? "p" : "");
            break;
        case vfs::file_kind::symlink:
        case vfs::file_kind::other:
            line.put(remove_letter);
            line.put(rename_letter);
            break;
    }
}

/// "OS.unix=slink:target", without the target where that would not fit a fact (RFC 3659
/// section 7.2: SCHAR). A semicolon would end the fact, and a space all of them: the rest would be
/// the name.
void append_link_type(std::string& out, std::string_view target) {
    out += type_value(vfs::file_kind::symlink, entry_role::child);
    const auto is_foreign = [](char c) { return c <= ' ' || c > '~' || c == ';'; };
    if (!target.empty() && std::ranges::none_of(target, is_foreign)) {
        out += ':';
        out += target;
    }
}

/// Whether there is such a fact of the entry.
bool applies(fact which, const vfs::metadata& status, const fact_format& format) noexcept {
    switch (which) {
        case fact::size:
            return status.kind == vfs::file_kind::regular;
        case fact::create:
            return status.created.has_value();
        case fact::media_type:
            return status.kind == vfs::file_kind::regular && !format.media_type.empty();
        default:
            return true;
    }
}

void put_value(line_buffer& line, fact which, const vfs::metadata& status,
               const fact_format& format) noexcept {
    switch (which) {
        case fact::type:
            line.put(type_value(status.kind, format.role));
            break;
        case fact::size:
            line.put_number(status.size_bytes);
            break;
        case fact::modify:
            write_time_val(line.take<time_val_bytes>(), status.modified.seconds);
            break;
        case fact::perm:
            put_perm(line, status.kind, format);
            break;
        case fact::unique:
            line.put_number(status.device, 16);
            line.put('-');
            line.put_number(status.inode, 16);
            break;
        case fact::unix_mode:
            line.put_padded(status.mode, 4, 8);
            break;
        case fact::unix_owner:
            line.put_number(status.owner_id);
            break;
        case fact::unix_group:
            line.put_number(status.group_id);
            break;
        case fact::create:
            write_time_val(line.take<time_val_bytes>(), status.created->seconds);
            break;
        case fact::media_type:
            break;  // Of any length: it goes past the buffer.
    }
}

}  // namespace

bool is_listed(const vfs::directory_entry& entry, dot_names dots) noexcept {
    const bool hidden = dots == dot_names::hidden && entry.name.starts_with('.');
    return !hidden && entry.status.kind != vfs::file_kind::other &&
           !vfs::is_reserved_name(entry.name);
}

void append_unix_line(std::string& out, const vfs::directory_entry& entry,
                      std::int64_t now_seconds) {
    const auto& status = entry.status;
    line_buffer line;
    line.put(entry.is_link ? 'l' : kind_letter(status.kind));
    put_mode(line, entry.is_link ? link_mode : status.mode);
    line.put(' ');
    line.put_right(status.links, 4);
    line.put(' ');
    line.put_left(status.owner_id, 8);
    line.put(' ');
    line.put_left(status.group_id, 8);
    line.put(' ');
    line.put_right(status.size_bytes, 8);
    line.put(' ');
    put_date(line, status.modified.seconds, now_seconds);
    line.put(' ');
    out += line.text();
    append_name(out, entry.name, ascii::is_control);
    if (!entry.link_target.empty()) {
        out += " -> ";
        append_name(out, entry.link_target, ascii::is_control);
    }
}

void append_dos_line(std::string& out, const vfs::directory_entry& entry) {
    const auto& status = entry.status;
    const auto when = to_calendar(clamp_to_four_digit_years(status.modified.seconds));
    line_buffer line;
    line.put_padded(static_cast<unsigned>(when.month), 2);
    line.put('-');
    line.put_padded(static_cast<unsigned>(when.day), 2);
    line.put('-');
    line.put_padded(static_cast<unsigned>(when.year), 2);
    line.put("  ");
    line.put_padded(static_cast<unsigned>((when.hour + 11) % 12 + 1), 2);
    line.put(':');
    line.put_padded(static_cast<unsigned>(when.minute), 2);
    line.put(when.hour < 12 ? "AM" : "PM");
    if (status.kind == vfs::file_kind::directory) {
        line.put("       <DIR>          ");
    } else {
        line.put(' ');
        line.put_right(status.size_bytes, 20);
        line.put(' ');
    }
    out += line.text();
    append_name(out, entry.name, ascii::is_control);
}

void append_name_line(std::string& out, const listed_name& what) {
    append_name(out, what.directory, is_line_end);
    if (!what.directory.empty() && !what.directory.ends_with('/')) {
        out += '/';
    }
    append_name(out, what.name, is_line_end);
}

fact_set parse_facts(std::string_view value) noexcept {
    auto selected = fact_set::none();
    while (!value.empty()) {
        const auto semicolon = value.find(';');
        const auto name = ascii::trim(value.substr(0, semicolon));
        value.remove_prefix(semicolon == std::string_view::npos ? value.size() : semicolon + 1);
        for (std::uint8_t i = 0; i < fact_count; ++i) {
            if (ascii::equal_ignoring_case(name, fact_names[i])) {
                selected.insert(static_cast<fact>(i));
            }
        }
    }
    return selected;
}

std::string describe_facts(fact_set selected) {
    std::string text = "MLST OPTS";
    char separator = ' ';
    for (std::uint8_t i = 0; i < fact_count; ++i) {
        if (selected.contains(static_cast<fact>(i))) {
            text += separator;
            text += fact_names[i];
            separator = ';';
        }
    }
    text += separator == ';' ? ";" : "";
    return text;
}

std::string facts_feature(fact_set selected) {
    std::string text = "MLST ";
    for (std::uint8_t i = 0; i < fact_count; ++i) {
        text += fact_names[i];
        text += selected.contains(static_cast<fact>(i)) ? "*;" : ";";
    }
    return text;
}

void append_facts_line(std::string& out, const vfs::directory_entry& entry,
                       const fact_format& format) {
    line_buffer line;
    for (std::uint8_t i = 0; i < fact_count; ++i) {
        const auto which = static_cast<fact>(i);
        if (!format.facts.contains(which) || !applies(which, entry.status, format)) {
            continue;
        }
        line.put(fact_names[i]);
        line.put('=');
        if (which == fact::type && entry.is_link && format.role == entry_role::child) {
            // A client that walks a tree to copy or to delete it must see where it ends.
            out += line.text();
            line.clear();
            append_link_type(out, entry.link_target);
        } else if (which == fact::media_type) {
            out += line.text();
            line.clear();
            out += format.media_type;
        } else {
            put_value(line, which, entry.status, format);
        }
        line.put(';');
    }
    line.put(' ');
    out += line.text();
    append_name(out, entry.name, is_line_end);
}

}  // namespace ferry::ftp
