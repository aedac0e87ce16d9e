// Structured fields and what is made of them: an item that is read lies in its value and reads the
// same when it stands alone; a dictionary's members, written again, are the same dictionary; the
// address of an upload resource that is read is the one that would be written. The input is the
// value of a field.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/assert.hpp"
#include "http/structured_fields.hpp"
#include "http/upload_resource.hpp"

using namespace ferry::http;

namespace {

/// The item as it stands in a field.
std::string written(const structured_item& item) {
    const std::string text(item.text);
    switch (item.kind) {
        case item_kind::string:
            return '"' + text + '"';
        case item_kind::byte_sequence:
            return ':' + text + ':';
        case item_kind::date:
            return '@' + text;
        case item_kind::display_string:
            return "%\"" + text + '"';
        case item_kind::integer:
        case item_kind::decimal:
        case item_kind::token:
        case item_kind::boolean:
        case item_kind::inner_list:
            break;
    }
    return text;
}

bool is_same(const structured_item& one, const structured_item& other) {
    return one.kind == other.kind && one.text == other.text;
}

void look_at_item(std::string_view value) {
    const auto item = read_item(value);
    if (!item) {
        return;
    }
    FERRY_ASSERT(item->kind != item_kind::inner_list);
    FERRY_ASSERT(value.find(item->text) != std::string_view::npos);
    const auto alone = written(*item);
    const auto again = read_item(alone);
    FERRY_ASSERT(again && is_same(*again, *item));
    const auto parameters = alone + ";a;b=" + alone;
    const auto with_parameters = read_item(parameters);
    FERRY_ASSERT(with_parameters && is_same(*with_parameters, *item));
    FERRY_ASSERT(!read_item(alone + "," + alone) && !read_item(alone + ";"));
}

struct all_members {
    std::vector<dictionary_reader::member> members;
    bool is_malformed = false;
};

all_members read_all(std::string_view value) {
    all_members found;
    dictionary_reader from(value);
    while (const auto each = from.next()) {
        found.members.push_back(*each);
    }
    found.is_malformed = from.is_malformed();
    FERRY_ASSERT(!from.next());
    return found;
}

void look_at_dictionary(std::string_view value) {
    const auto found = read_all(value);
    if (found.is_malformed) {
        FERRY_ASSERT(value.find_first_not_of(' ') != std::string_view::npos);
        return;
    }
    std::string again;
    for (const auto& each : found.members) {
        again += again.empty() ? "" : " \t,\t ";
        again += std::string(each.key) + "=" + written(each.value);
    }
    const auto reread = read_all(again);
    FERRY_ASSERT(!reread.is_malformed && reread.members.size() == found.members.size());
    for (std::size_t i = 0; i < found.members.size(); ++i) {
        FERRY_ASSERT(reread.members[i].key == found.members[i].key);
        FERRY_ASSERT(is_same(reread.members[i].value, found.members[i].value));
    }
    FERRY_ASSERT(again.empty() || read_all(again + ",").is_malformed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string value(data, data + size);
    look_at_item(value);
    look_at_dictionary(value);
    if (const auto resource = parse_upload_query(value)) {
        FERRY_ASSERT(upload_query(*resource) == value);
    }
    return 0;
}
