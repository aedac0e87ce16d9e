#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client_context.hpp"
#include "http_codings.hpp"
#include "model_tree.hpp"

namespace ferry::sim::test {

/// What a client remembers of a file it has seen: the validators, and for how long they hold.
struct seen_validators {
    std::string tag;            ///< With `W/` where it was weak.
    std::string last_modified;  ///< As the server wrote it.
    std::string coding;         ///< As in Content-Encoding; empty: none.
    std::uint64_t changes = 0;  ///< `model_tree::changes` when it was asked for,
    bool was_settled = false;   ///< and whether that could change by itself.
    /// Of a listing, which has no date: all of it, unpacked.
    std::optional<std::string> page = {};
};
/// By path; listings of a directory by its path and a '/'.
using validator_book = std::map<std::string, seen_validators>;

/// What a request does apart from naming a target.
enum class request_sort : std::uint8_t {
    get,
    head,
    options,
    fixed,  ///< The status does not depend on the tree: `statuses`.
};

enum class condition_field : std::uint8_t {
    none,
    if_match,
    if_none_match,
    if_modified_since,
    if_unmodified_since,
};

/// Whether something holds, where the client may not know.
enum class verdict : std::uint8_t { no, yes, maybe };

/// What a condition or If-Range compares with.
enum class compared_with : std::uint8_t {
    anything,   ///< "*"
    seen_tag,   ///< `seen`
    seen_date,  ///< `seen`
    wrong_tag,
    old_date,  ///< 1994: before every file.
    garbage,   ///< No date.
};

/// One range of octets as asked for.
struct asked_range {
    enum class form : std::uint8_t {
        from_to,
        from,
        suffix,
        several,  ///< `several_ranges`
        ignored,  ///< Malformed, or another unit.
    };
    form what = form::from_to;
    std::uint64_t first = 0;
    std::uint64_t last = 0;  ///< Of a suffix its length.
};

/// The first 20 octets and the last 2, or all where only few lie between.
inline constexpr const char* several_ranges = "0-3,10-19,-2";

/// One request, and all that is needed to judge its answer.
struct http_request {
    std::string octets;  ///< As sent, with the body.
    request_sort sort = request_sort::get;
    std::string path;  ///< In the model.
    std::string host{"ferry.example"};
    std::string site_path{};  ///< What the site of `host` knows as `path`; empty: the same.
    std::string origin{};     ///< Empty: none is said.
    bool accepts_html = true;
    bool is_preflight = false;
    bool wants_directory = false;  ///< The target ends in '/'.
    std::string query;             ///< With its '?', as sent.
    int version_minor = 1;
    bool is_last = false;          ///< The server must close after it.
    bool says_keep_alive = false;  ///< HTTP/1.0 and the answer must grant it.
    bool is_big = false;           ///< Its octets do not fit behind others.
    std::vector<int> statuses;     ///< For `fixed`.

    condition_field condition = condition_field::none;
    compared_with condition_value = compared_with::anything;
    std::optional<asked_range> range;
    bool has_if_range = false;
    compared_with if_range_value = compared_with::anything;
    seen_validators seen;                     ///< Of `path`, as far as used.
    std::optional<accepted_weights> accepts;  ///< Accept-Encoding, if there is one.

    moment asked_at = 0;  ///< Set when it is sent,
    std::uint64_t changes = 0;
    bool was_settled = false;

    /// The first line, for messages.
    [[nodiscard]] std::string describe() const;
};

/// Draws a request: most ask for something of the tree. `may_be_last`: also such after which the
/// server closes.
[[nodiscard]] http_request draw_request(client_context& context, const validator_book& book,
                                        bool may_be_last);

/// A plain GET of `path` ("/a/b", with a '/' behind for a directory).
[[nodiscard]] http_request plain_get(const std::string& path);

/// Percent-encodes what must be, and more if `weather` (any number) says so.
[[nodiscard]] std::string encode_path(std::string_view path, std::uint64_t weather = 0);
/// The way back; nothing when `text` is not encoded properly.
[[nodiscard]] std::optional<std::string> decode_path(std::string_view text);

}  // namespace ferry::sim::test
