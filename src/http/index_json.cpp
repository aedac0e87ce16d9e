#include "http/index_json.hpp"

#include "http/json_text.hpp"
#include "http/target.hpp"

namespace ferry::http {

void append_json_begin(std::string& out) {
    out += "[\n";
}

void append_json_row(std::string& out, const vfs::directory_entry& entry, utc_text& time,
                     bool is_first) {
    const bool is_directory = entry.status.kind == vfs::file_kind::directory;
    out += is_first ? R"({"name":)" : ",\n{\"name\":";
    append_json_string(out, entry.name);
    if (is_directory) {
        out += R"(,"type":"directory")";
    } else {
        out += R"(,"type":"file","size":)";
        append_number(out, entry.status.size_bytes);
    }
    time.set(entry.status.modified.seconds);
    if (!time.is_empty()) {
        out += R"(,"modified":")";
        out += time.whole();
        out += '"';
    }
    out += R"(,"href":"./)";
    append_encoded_path(out, entry.name);
    out += is_directory ? R"(/"})" : R"("})";
}

void append_json_end(std::string& out) {
    out += "\n]\n";
}

}  // namespace ferry::http
