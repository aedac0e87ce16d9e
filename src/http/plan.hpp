#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/http/media_types.hpp"
#include "ferry/http/server.hpp"
#include "ferry/http/upload_turns.hpp"
#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/listing_cache.hpp"
#include "ferry/vfs/tree.hpp"
#include "http/answer_cache.hpp"
#include "http/body_source.hpp"
#include "http/byteranges.hpp"
#include "http/client.hpp"
#include "http/coded_bodies.hpp"
#include "http/content_reader.hpp"
#include "http/date.hpp"
#include "http/head_parser.hpp"
#include "http/index_page.hpp"
#include "http/listing_digest.hpp"
#include "http/logins.hpp"
#include "http/range.hpp"
#include "http/request.hpp"
#include "http/status.hpp"
#include "http/viewer.hpp"

namespace ferry::http {

/// What one core keeps for all its connections.
struct service::state {
    runtime::core& here;
    const options& settings;
    const vfs::tree& files;
    vfs::file_cache& open_files;
    vfs::listing_bounds& listings;
    vfs::digests& digests;
    const media_types& types;
    access_sink& access_log;
    runtime::stop_scope& draining;
    std::unique_ptr<runtime::stop_scope> uploads_end;  ///< Of what clients send as content.
    auth::usage* visitors;
    date_cache dates;
    std::unique_ptr<runtime::permits> archives;  ///< Those that are sent at once.
    std::unique_ptr<coded_bodies> packed;
    std::unique_ptr<runtime::permits> listings_packed;  ///< Those that are packed at once.
    const std::string listings_format = listing_format();
    const std::string listings_policy = index_security_policy(false);
    const std::string changing_listings_policy = index_security_policy(true);
    answer_cache answers;
    std::shared_ptr<const sites> rules;
    std::unique_ptr<logins> accounts;  ///< Null: there are none.
    upload_turns* uploads = nullptr;   ///< Null: no upload goes on.
    page_source* pages = nullptr;      ///< Null: the tree is what is served.
    counters counted = {};
    /// Under way, those long enough to be seen.
    std::unique_ptr<net::transfer_list> transfers = std::make_unique<net::transfer_list>();
};

/// How far the connection goes on after an answer.
enum class after : std::uint8_t { keep_alive, close };

/// An answer, decided: what to send and in which order, nothing sent yet.
struct response_plan {
    status what = status::internal_server_error;
    after then = after::close;
    /// The head, and the body too where that is in memory.
    std::string message;
    std::uint64_t body_bytes = 0;  ///< Of content in `message`, `part` and what follows.
    /// The body: `part` of a file, which stays open until it is sent, or of a packed content.
    vfs::shared_file_ptr file;
    coded_bodies::body_ptr packed;
    byte_range part;
    /// The same request gets the same answer as long as the file cache keeps this file, or that it
    /// is absent. Null: other things play a part in it.
    vfs::shared_file_ptr made_of;
    /// What else it holds for only as long: files beside that one, and what is not there.
    std::vector<vfs::shared_file_ptr> made_of_too;
    /// And for only as long as this is what its directory is listed as (`listing_cache`): the body,
    /// or what there is to say of it.
    vfs::directory_text_ptr made_of_listing;
    /// How the body is packed, out of `made_of` (`coded_bodies`), and all of those octets;
    /// identity: it is of the file's own.
    content_coding packed_as = content_coding::identity;
    coded_bodies::body_ptr all_packed;
    /// More of it, each behind its text, and what ends the body (RFC 9110 section 14.6).
    std::vector<body_part> further_parts;
    std::string body_end;
    /// The body that is made while it is sent; null: there is none.
    std::unique_ptr<body_source> source;
    /// To hold the page of a large directory in `message`, until it has been sent or has joined the
    /// answers that gather, of which a connection has 64 KiB at most.
    std::optional<runtime::permits::permit> hold;
    bool is_problem = false;  ///< An error as data (RFC 9457): no page takes its place.
    bool chunked =
        false;  ///< `source` goes as chunks (RFC 9112 section 7.1), else until the close.
};

/// Who sent a request.
struct requester {
    viewer who;
    std::string user = {};  ///< The name that logged in, or tried to; for the log.
    std::optional<logins::outcome> refused = {};  ///< Why a login is none: no answer but that one.
    bool is_secure = false;                       ///< It came over TLS.
    bool may_say_password = true;                 ///< See `options::logins_need_tls`.
    net::endpoint reached = {};                   ///< Where the client has connected to.
};

/// Whether `asked` says who it is from, and there is anybody; else it is from a visitor.
[[nodiscard]] bool may_log_in(const service::state& shared, const request& asked) noexcept;
[[nodiscard]] requester visitor_of(const service::state& shared) noexcept;

/// Whether a request that came in clear is sent to where it is asked over TLS, whatever it asks.
/// Not what an ACME server asks in clear (RFC 8555 section 8.3).
[[nodiscard]] bool must_ask_over_tls(const service::state& shared, const request& asked) noexcept;

/// Who `asked` says it is from (RFC 7617); `from` is where the client is. Waits for a password to
/// be compared, and where passwords from there have been wrong.
[[nodiscard]] runtime::task<requester> identify(service::state& shared, const request& asked,
                                                const net::endpoint& from);

/// Who a client is whose certificate says `name`: the account of that name, else a visitor. Never
/// waits but for the account's home.
[[nodiscard]] runtime::task<requester> identify_certified(service::state& shared,
                                                          const std::string& name);

/// Decides the answer to `asked` (RFC 9110): method, then target, then the tree, then conditions,
/// range and fields. Sends nothing and knows no socket; the content it wants it reads from
/// `content`. `then` is what the connection would do afterwards if it need not end because of
/// content that nobody has read: the plan's own says what it will do, as the answer does. Never
/// fails: what goes wrong is an answer too.
[[nodiscard]] runtime::task<response_plan> plan_response(service::state& shared,
                                                         const request& asked,
                                                         content_reader& content,
                                                         const requester& by, after then);

/// The answer to a request that is not served for the address it is from.
[[nodiscard]] response_plan plan_turned_away(service::state& shared, const request& asked,
                                             const turned_away& why, after then);

/// The answer to a head that could not be read; the connection closes after it.
[[nodiscard]] response_plan plan_refusal(service::state& shared, const head_refusal& why);

}  // namespace ferry::http
