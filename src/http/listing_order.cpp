#include "http/listing_order.hpp"

#include <algorithm>
#include <compare>
#include <cstddef>
#include <string>

#include "ferry/base/ascii.hpp"
#include "ferry/vfs/path.hpp"

namespace ferry::http {
namespace {

std::string_view digits_at(std::string_view text, std::size_t from) noexcept {
    std::size_t end = from;
    while (end < text.size() && ascii::is_digit(text[end])) {
        ++end;
    }
    return text.substr(from, end - from);
}

std::string_view without_zeros(std::string_view digits) noexcept {
    while (!digits.empty() && digits.front() == '0') {
        digits.remove_prefix(1);
    }
    return digits;
}

int sign(std::strong_ordering order) noexcept {
    return order < 0 ? -1 : order > 0 ? 1 : 0;
}

/// Compares two runs of digits by value, however long.
int compare_values(std::string_view a, std::string_view b) noexcept {
    a = without_zeros(a);
    b = without_zeros(b);
    return a.size() != b.size() ? sign(a.size() <=> b.size()) : sign(a.compare(b) <=> 0);
}

int compare(const vfs::directory_entry& a, const vfs::directory_entry& b, sort_key key) noexcept {
    int order = 0;
    switch (key) {
        case sort_key::name:
            break;
        case sort_key::size:
            // What a directory's own size is says nothing to anybody.
            order = a.status.kind == vfs::file_kind::directory
                        ? 0
                        : sign(a.status.size_bytes <=> b.status.size_bytes);
            break;
        case sort_key::time:
            order = sign(a.status.modified <=> b.status.modified);
            break;
    }
    return order != 0 ? order : compare_names(a.name, b.name);
}

struct stands_before {
    listing_order order;

    bool operator()(const vfs::directory_entry* a, const vfs::directory_entry* b) const noexcept {
        const bool a_is_directory = a->status.kind == vfs::file_kind::directory;
        const bool b_is_directory = b->status.kind == vfs::file_kind::directory;
        if (a_is_directory != b_is_directory) {
            return a_is_directory;
        }
        const int found = compare(*a, *b, order.key);
        return order.is_descending ? found > 0 : found < 0;
    }
};

}  // namespace

bool is_shown(const vfs::directory_entry& entry) {
    const bool opens = entry.status.kind == vfs::file_kind::regular ||
                       entry.status.kind == vfs::file_kind::directory;
    // Ferry's reserved names begin with a dot; asked apart so that it stays true if they change.
    return opens && !entry.name.empty() && entry.name.front() != '.' &&
           !vfs::is_reserved_name(entry.name) && entry.name.find('\\') == std::string::npos;
}

int compare_names(std::string_view a, std::string_view b) noexcept {
    // Neighbours mostly begin alike: what both begin with says nothing, but for digits that may be
    // those of two longer numbers.
    std::size_t i = 0;
    while (i < a.size() && i < b.size() && a[i] == b[i]) {
        ++i;
    }
    while (i > 0 && ascii::is_digit(a[i - 1])) {
        --i;
    }
    std::size_t j = i;
    while (i < a.size() && j < b.size()) {
        if (ascii::is_digit(a[i]) && ascii::is_digit(b[j])) {
            const auto left = digits_at(a, i);
            const auto right = digits_at(b, j);
            if (const int order = compare_values(left, right); order != 0) {
                return order;
            }
            i += left.size();
            j += right.size();
            continue;
        }
        const auto left = static_cast<unsigned char>(ascii::to_lower(a[i++]));
        const auto right = static_cast<unsigned char>(ascii::to_lower(b[j++]));
        if (left != right) {
            return left < right ? -1 : 1;
        }
    }
    if (i < a.size() || j < b.size()) {
        return i < a.size() ? 1 : -1;
    }
    return sign(a.compare(b) <=> 0);
}

bool are_sorted(const entry_pointers& entries, listing_order order) noexcept {
    return std::ranges::is_sorted(entries, stands_before{order});
}

entry_pointers sort_entries(entry_pointers entries, listing_order order) noexcept {
    std::ranges::sort(entries, stands_before{order});
    return entries;
}

}  // namespace ferry::http
