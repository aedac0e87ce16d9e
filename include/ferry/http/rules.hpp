#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/vfs/path.hpp"

/// What sites do beyond serving files, as somebody wrote it: the rows of a rules file, and what
/// flags say. Nothing here has been checked; `make_sites` does that.
///
/// Paths are of names as files have them (decoded, from the root of the site), with a '/' at the
/// end where the request had one. A pattern of paths is such a name with at most one '*', which
/// stands for any octets, '/' and none at all included; it begins with '/' or '*'. `line` is where
/// a row begins in its file, for messages.
namespace ferry::http {

/// A path that has moved, or is gone.
struct redirect_rule {
    std::string from = {};  ///< A pattern.
    /// An absolute path, or a whole http or https URI; a '*' in it is what the one in `from` stood
    /// for. Empty with 410, and with no other.
    std::string to = {};
    std::uint16_t status = 301;  ///< 301, 302, 303, 307, 308 or 410 (RFC 9110 section 15).
    std::size_t line = 0;
};

/// Fields for the answers that both `path` and `type` fit; an empty one fits all.
struct header_rule {
    using field = std::pair<std::string, std::string>;

    std::string path = {};  ///< A pattern.
    std::string type = {};  ///< A media type, such as "text/html" or "image/*".
    /// In place of what rows before, and ferry, say. Two of a name are two lines.
    std::vector<field> set = {};
    std::vector<field> add = {};           ///< One line more.
    std::vector<std::string> remove = {};  ///< What rows before, and ferry, say.
    std::size_t line = 0;
};

/// Cache-Control (RFC 9111 section 5.2) of files; of the rows that fit the first counts.
struct cache_rule {
    std::string path = {};  ///< A pattern; empty: all.
    std::string type = {};  ///< A media type; empty: all.
    std::string control = {};
    /// Of answers with these, 200, 206 and 304 if there are none here.
    std::vector<std::uint16_t> statuses = {};
    std::size_t line = 0;
};

/// A file of the site instead of ferry's own page about an error; the first row that fits counts.
struct error_rule {
    std::vector<std::uint16_t> statuses = {};
    std::string path = {};  ///< A pattern; empty: all.
    std::string page = {};  ///< The name of the file.
    std::size_t line = 0;
};

/// What pages of other sites may do (the CORS protocol of the Fetch standard); the first row that
/// fits counts.
struct cors_rule {
    std::string path = {};  ///< A pattern; empty: all.
    /// Such as "https://app.example.org" or "http://localhost:3000"; or "*" alone.
    std::vector<std::string> origins = {};
    std::vector<std::string> methods = {};  ///< Empty: GET and HEAD.
    std::vector<std::string> headers = {};  ///< Fields that requests may have; "*" alone: any.
    std::vector<std::string> expose = {};   ///< Fields that the page may see; "*" alone: any.
    bool credentials = false;
    std::optional<std::uint32_t> max_age_seconds = {};
    std::size_t line = 0;
};

/// What holds for one site.
struct site_rules {
    std::vector<std::string> index = {"index.html"};  ///< Of a directory: the first that is there.
    /// The file for paths that are none, are asked for as a page and have no extension; empty: 404.
    std::string spa = {};
    bool clean_urls = false;  ///< `/page` is the file page.html.
    bool listings = true;     ///< Directories are listed, and packed; else 403 without an index.
    std::vector<redirect_rule> redirects = {};
    std::vector<header_rule> headers = {};
    std::vector<cache_rule> caches = {};
    std::vector<error_rule> errors = {};
    std::vector<cors_rule> cors = {};
};

/// A site of its own for whoever asks for one of `names`.
struct host_rules {
    std::vector<std::string> names = {};  ///< "example.org", or "*.example.org" for all below it.
    std::string root = "/";               ///< The directory of the tree that is the site's root.
    site_rules site = {};
    std::size_t line = 0;
};

struct rules {
    site_rules standard = {};  ///< Of every host without a site of its own.
    std::vector<host_rules> hosts = {};
    bool refuses_other_hosts = false;  ///< There is no such site: 421 (RFC 9110 section 15.5.20).
};

/// `rules`, checked and ready to be used by any number of cores.
class sites;

/// What is wrong with a row, for a person.
struct rules_error {
    std::size_t line = 0;  ///< 0: of no row.
    std::string text = {};
};

/// Checks the rules and makes of them what a request looks things up in. Not for a core: it takes
/// milliseconds for many rows.
///
/// Errors: the first mistake: a pattern that is none, a value with a control octet, a field that is
/// ferry's own (Content-Length, ETag, Date...), more rows than there may be, and so on.
[[nodiscard]] std::expected<std::shared_ptr<const sites>, rules_error> make_sites(
    const rules& written);

/// Where in the tree the site begins that `host` gets, for another protocol that has hosts: the
/// root of all where no row is of that name. Nothing: hosts without a site are refused. Cost: as a
/// request's own look-up, and a copy.
[[nodiscard]] std::optional<vfs::path> root_of_host(const sites& rules, std::string_view host);

/// A file or directory of the tree that rules name.
struct named_file {
    vfs::path name;         ///< `wants_directory`: it is to be one, else a file.
    std::string what = {};  ///< Such as `the root of "example.org"`, for a person.
};

/// The roots, error pages and pages of one-page sites that rules name, for who wants to tell at
/// once which are not there. Requests find that out by themselves.
[[nodiscard]] std::vector<named_file> files_of(const sites& rules);

}  // namespace ferry::http
