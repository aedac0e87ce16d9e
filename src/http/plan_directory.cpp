#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ferry/runtime/compute.hpp"
#include "http/accept_encoding.hpp"
#include "http/archive.hpp"
#include "http/conditions.hpp"
#include "http/content_disposition.hpp"
#include "http/finished_listing.hpp"
#include "http/index_json.hpp"
#include "http/index_page.hpp"
#include "http/listing_digest.hpp"
#include "http/listing_order.hpp"
#include "http/listing_query.hpp"
#include "http/listing_writer.hpp"
#include "http/planning.hpp"
#include "http/target.hpp"

namespace ferry::http {

using runtime::task;

namespace {

/// Appends the head of a body whose length nobody knows yet.
void plan_stream(const planning& plan, response_plan& made, response_head& head) {
    made.chunked = plan.asked.version_minor >= 1;
    if (!made.chunked) {  // HTTP/1.0 knows the end by the close (RFC 9112 section 6.3).
        made.then = after::close;
        head.connection = connection_option::close;
    }
    head.chunked = made.chunked;
    append_head(made.message, head);
}

// Sorting up to so many entries on the core takes less than a tenth of a millisecond, and looking
// whether so many are sorted.
constexpr std::size_t sorted_on_core_max = 256;
constexpr std::size_t looked_through_on_core_max = 4'096;

/// The shown ones of `entries`, in `order`.
task<result<entry_pointers>> sort_shown(runtime::core& here,
                                        std::span<const vfs::directory_entry> entries,
                                        listing_order order) {
    entry_pointers shown;
    shown.reserve(entries.size());
    for (const auto& each : entries) {
        if (is_shown(each)) {
            shown.push_back(&each);
        }
    }
    if (shown.size() <= sorted_on_core_max) {
        co_return sort_entries(std::move(shown), order);
    }
    if (shown.size() <= looked_through_on_core_max && are_sorted(shown, order)) {
        co_return shown;
    }
    auto sorted = co_await runtime::run_offloaded(here, &sort_entries, std::move(shown), order);
    co_return sorted;
}

/// Rights that are none where the tree refuses what they are for.
auth::rights refused_by(const vfs::tree::allowed_changes& allowed) noexcept {
    using enum auth::right;
    if (!allowed.names) {
        return {create, replace, remove, rename, make_directory};
    }
    if (!allowed.uploads) {
        return {create, replace};
    }
    return allowed.replacing ? auth::rights{} : auth::rights{replace};
}

index_view view_of(const planning& plan, const vfs::path& name, listing_order order, bool is_sorted,
                   auth::rights refused) {
    const auto allowed = plan.rights_at(name) - refused;
    const bool is_visitor = plan.who.is_visitor();
    return {
        .order = order,
        .is_sorted = is_sorted,
        .offers_archives = plan.shared.settings.archives_max > 0 && allowed.has(auth::right::read),
        .allowed = allowed,
        .user = is_visitor ? std::string() : std::string(plan.who.name()),
        .offers_login = is_visitor && plan.has_accounts()};
}

/// What may be done to each name; nothing where it is the same for all, as the view has it.
std::optional<row_rights> rights_of_rows(const planning& plan, const vfs::path& name,
                                         const index_view& view,
                                         vfs::tree::allowed_changes allowed) {
    if (!view.has_changes() || (!plan.who.has_rules_below(name) && allowed.points.empty())) {
        return std::nullopt;
    }
    return row_rights{.who = plan.who,
                      .directory = name,
                      .refused = refused_by(allowed),
                      .points = std::move(allowed.points)};
}

/// What is listed, and how it is shown.
struct shown_directory {
    vfs::listing entries;
    listing_query query;
    vfs::path where;
    index_view view;
    std::optional<row_rights> rows;
};

/// A complete listing as a page or as JSON.
struct written_page {
    std::string octets;
    std::string digest;
};

task<result<written_page>> write_page(service::state& shared, shown_directory& shown,
                                      std::string_view key) {
    const auto all =
        co_await shown.entries.next(shared.here);  // Complete: nothing comes after these.
    if (!all) {
        co_return failure(all.error());
    }
    const auto rows = co_await sort_shown(shared.here, *all, shown.query.order);
    if (!rows) {
        co_return failure(rows.error());
    }
    for (const auto* each : *rows) {
        shown.view.totals.add(*each);
    }
    std::string page;
    listing_digest told(shared.listings_format, key);
    listing_writer writer(shown.query.form, shown.where, shown.view, std::move(shown.rows));
    writer.begin(page);
    for (const auto* each : *rows) {
        writer.row(page, *each, &told);
    }
    writer.end(page);
    co_return written_page{.octets = std::move(page), .digest = told.finish()};
}

/// What is sent of a complete listing, packed as `wanted` where that gains something and not too
/// many are being packed. The same is kept for who asks next.
task<result<vfs::directory_text_ptr>> write_listing(const planning& plan, shown_directory& shown,
                                                    content_coding wanted) {
    service::state& shared = plan.shared;
    const bool is_for_all = !shown.rows;
    const auto key = listing_key(shown.query, shown.view, shown.where);
    const auto key_in = [&key](content_coding how) { return std::string(name_of(how)) + key; };
    if (is_for_all) {
        if (auto known = shown.entries.kept_form(key_in(wanted))) {
            co_return known;
        }
    }
    written_page page;
    const auto plain = is_for_all ? shown.entries.kept_form(key_in(content_coding::identity))
                                  : vfs::directory_text_ptr();
    if (plain) {
        page = {.octets = plain->octets, .digest = digest_of(*plain)};
    } else {
        auto written = co_await write_page(shared, shown, key);
        if (!written) {
            co_return failure(written.error());
        }
        page = std::move(*written);
    }
    const auto& packing = shared.settings.packing;
    const bool is_to_pack = wanted != content_coding::identity &&
                            page.octets.size() >= packing.size_bytes_min &&
                            page.octets.size() <= packing.size_bytes_max;
    const auto turn = is_to_pack ? shared.listings_packed->try_take() : std::nullopt;
    const auto how = turn ? wanted : content_coding::identity;
    if (plain && how == content_coding::identity) {
        co_return plain;
    }
    vfs::directory_text made;
    if (how == content_coding::identity) {
        made = finish_listing(std::move(page.octets), how, std::move(page.digest));
    } else {
        auto finished = co_await runtime::run_offloaded(
            shared.here, &finish_listing, std::move(page.octets), how, std::move(page.digest));
        if (!finished) {
            co_return failure(finished.error());
        }
        made = std::move(*finished);
    }
    if (!is_for_all) {
        co_return std::make_shared<const vfs::directory_text>(std::move(made));
    }
    // Without a turn it is not what is wanted: the next one may be packed.
    co_return shown.entries.keep_form(key_in(turn ? wanted : content_coding::identity),
                                      std::move(made));
}

/// What a listing is to be packed in; identity: nothing.
///
/// Not for an account where visitors may store names: who gives a file one name after another, and
/// reads on the way how large the packed listing becomes, could guess other names in it over TLS
/// (threats.md, H15).
content_coding coding_wanted(const planning& plan, const vfs::path& name) {
    const auto wanted = accepted_codings(plan.asked, plan.shared.settings.packing.codings);
    const bool may_tell = !plan.who.is_visitor() && plan.is_visitors_to_write(name);
    return wanted.size == 0 || may_tell ? content_coding::identity : wanted.all[0];
}

/// Whether who asks with another Accept-Encoding might get other octets.
bool varies_by_coding(const compression& packing, const vfs::directory_text& body) noexcept {
    const auto size_bytes = body.octets.size();
    return coding_of(body) != content_coding::identity ||
           (!packing.codings.empty() && size_bytes >= packing.size_bytes_min &&
            size_bytes <= packing.size_bytes_max);
}

response_head head_of_listing(const planning& plan, listing_form form, bool has_changes) {
    auto head = plan.head(status::ok);
    if (form == listing_form::json) {
        head.content_type = json_content_type;
    } else {
        head.content_type = page_content_type;
        head.content_security_policy =
            has_changes ? plan.shared.changing_listings_policy : plan.shared.listings_policy;
    }
    head.no_sniff = true;
    // Nobody knows for how long it is right: ask again each time. What an account is shown no
    // shared cache keeps anyway (RFC 9111 section 3.5), so Authorization need not be in Vary;
    // `private` tells those that do not know.
    head.cache_control = plan.who.is_visitor() ? "no-cache" : "private, no-cache";
    head.vary = "Accept";  // RFC 9110 section 12.5.5.
    return head;
}

/// The answer with a listing that is in memory.
response_plan plan_body(const planning& plan, response_head head, vfs::directory_text_ptr body) {
    response_plan made;
    made.then = plan.then;
    const auto tag = tag_of(*body);
    const auto verdict =
        tag ? evaluate_conditions(plan.asked, validators(*tag), plan.now) : verdict::proceed;
    if (verdict == verdict::precondition_failed) {
        return plan.error(status::precondition_failed);
    }
    made.what = verdict == verdict::not_modified ? status::not_modified : status::ok;
    head.what = made.what;
    if (tag) {
        head.etag = tag->text();
    }
    if (varies_by_coding(plan.shared.settings.packing, *body)) {
        head.vary = "Accept, Accept-Encoding";
    }
    if (coding_of(*body) != content_coding::identity) {
        head.content_encoding = name_of(coding_of(*body));
    }
    const std::string& octets = body->octets;
    head.content_length = octets.size();
    append_head(made.message, head);
    const auto* const kept = plan.shared.listings.kept;
    if (plan.who.is_visitor() && kept != nullptr && kept->may_use_again(*body)) {
        made.made_of_listing = body;
    }
    if (plan.is_head() || made.what == status::not_modified) {
        return made;
    }
    made.body_bytes = octets.size();
    made.part = {.offset = 0, .size_bytes = octets.size()};
    if (octets.size() <= inline_body_bytes_max) {
        made.message += octets;
    } else {
        made.packed = shared_octets(std::move(body));
    }
    return made;
}

/// A directory as a page or as JSON: whole where it fits into memory, else made while it is sent.
task<response_plan> plan_listing(const planning& plan, const vfs::path& name, listing_query query) {
    service::state& shared = plan.shared;
    const auto at = plan.who.where(name);
    auto directory = co_await at.files.open(shared.here, at.name);
    if (!directory) {
        co_return plan.error(status_for(directory.error().code));
    }
    auto entries = co_await at.files.list(
        shared.here, std::move(*directory), at.name,
        {.sorted_entries_max = shared.settings.list_sorted_max,
         .bounds = &shared.listings,
         .turn_deadline = shared.here.now() + shared.settings.list_wait_timeout});
    if (!entries) {
        const errc why = entries.error().code;
        co_return plan.error(status_for(why),
                             why == errc::busy ? "Too many directories are asked for." : "");
    }
    auto allowed = at.files.allowed_in(at.name);
    const bool is_complete = entries->is_complete();
    auto view = view_of(plan, name, query.order, is_complete, refused_by(allowed));
    auto head = head_of_listing(plan, query.form, view.has_changes());
    auto rows = rights_of_rows(plan, name, view, std::move(allowed));
    shown_directory shown{.entries = std::move(*entries),
                          .query = query,
                          .where = plan.at.in_site(name),
                          .view = std::move(view),
                          .rows = std::move(rows)};
    if (!is_complete) {
        response_plan made;
        made.then = plan.then;
        made.what = status::ok;
        plan_stream(plan, made, head);
        if (!plan.is_head()) {
            made.source = make_listing_body(
                listing_writer(query.form, shown.where, shown.view, std::move(shown.rows)),
                std::move(shown.entries));
        }
        co_return made;
    }
    auto hold = shown.entries.take_hold();  // The page is as large, and stays longer.
    auto body = co_await write_listing(plan, shown, coding_wanted(plan, name));
    if (!body) {
        co_return plan.error(status_for(body.error().code));
    }
    auto made = plan_body(plan, std::move(head), std::move(*body));
    if (made.body_bytes != 0) {
        made.hold = std::move(hold);
    }
    co_return made;
}

/// What the archive of a directory is called, and everything in it is below; the root has no name.
std::string_view archive_name(const vfs::path& directory) noexcept {
    return directory.is_root() ? "files" : directory.name();
}

/// A directory and all beneath it as one file, made while it is sent.
task<response_plan> plan_archive(const planning& plan, const vfs::path& name, listing_form form) {
    service::state& shared = plan.shared;
    if (shared.settings.archives_max == 0) {
        co_return plan.error(status::forbidden, "No archives are made here.");
    }
    const auto deadline = shared.here.now() + shared.settings.list_wait_timeout;
    auto turn = co_await shared.archives->take(deadline);
    if (!turn) {
        const errc why = turn.error().code == errc::timed_out ? errc::busy : turn.error().code;
        co_return plan.error(status_for(why), "Too many archives are being sent.");
    }
    archive_walk walk(shared, plan.who, name);
    const auto begun = co_await walk.begin(deadline);
    if (!begun) {
        const errc why = begun.error().code;
        co_return plan.error(status_for(why),
                             why == errc::busy ? "Too many directories are asked for." : "");
    }
    const bool is_zip = form == listing_form::zip;
    std::string top(archive_name(plan.at.in_site(name)));
    const auto disposition = attachment_named(top + (is_zip ? ".zip" : ".tar"));
    top += '/';

    response_plan made;
    made.then = plan.then;
    made.what = status::ok;
    auto head = plan.head(status::ok);
    head.content_type = is_zip ? "application/zip" : "application/x-tar";
    head.content_disposition = disposition;
    head.no_sniff = true;
    head.cache_control = "no-cache";
    plan_stream(plan, made, head);
    if (!plan.is_head()) {
        archive_content content{
            .walk = std::move(walk), .top = std::move(top), .turn = std::move(*turn)};
        made.source =
            is_zip ? make_zip_body(std::move(content)) : make_tar_body(std::move(content));
    }
    co_return made;
}

/// Browsers ask for a name and a password when they get 401, keep them from then on, and forget
/// them when they get 401 in spite of them (RFC 9110 section 15.5.2, RFC 7617 section 2). So both
/// wishes are 401 until they have come true, then 303 to the page. No cache keeps either (RFC 9111
/// section 4.2.2).
response_plan plan_login(const planning& plan, const vfs::path& name, login_wish wish) {
    const bool is_visitor = plan.who.is_visitor();
    if (is_visitor == (wish == login_wish::log_out)) {
        return plan_redirect(plan, status::see_other,
                             directory_location(plan.at.in_site(name), std::nullopt));
    }
    if (!plan.may_say_password) {
        return plan.not_in_clear();
    }
    return plan.error(status::unauthorized,
                      is_visitor ? "Log in with the name and the password of your account."
                                 : "You are logged out.");
}

/// Who has an account and may change something in a directory can have its listing although there
/// is an index page, where he names its form: else whoever stores one could not go on by the page
/// of the listing.
bool sees_listing_behind_index(const planning& plan, const vfs::path& name) {
    if (plan.who.is_visitor() || !plan.asked.has_query) {
        return false;
    }
    const auto allowed = plan.rights_at(name);
    return read_listing_query(plan.asked).is_form_named && allowed.has(auth::right::list) &&
           allowed.has_any(auth::rights{auth::right::create, auth::right::replace,
                                        auth::right::remove, auth::right::rename});
}

}  // namespace

task<response_plan> plan_directory(const planning& plan, const vfs::path& name,
                                   vfs::shared_file_ptr found) {
    if (!name.wants_directory()) {
        const auto location = directory_location(
            plan.at.in_site(name),
            plan.asked.has_query ? std::optional(plan.asked.query) : std::nullopt);
        co_return plan_redirect(plan, status::moved_permanently, location);
    }
    if (const auto wish = read_login_wish(plan.asked); wish && plan.has_accounts()) {
        co_return plan_login(plan, name, *wish);
    }
    const bool sees_behind_index = sees_listing_behind_index(plan, name);
    std::vector<vfs::shared_file_ptr> no_index;  // Why none of its index files is shown.
    for (const auto& each : plan.at.index) {
        if (sees_behind_index) {
            break;
        }
        const auto index = name.resolve(each);
        if (!index) {
            continue;
        }
        auto page = co_await plan.open(*index);
        if (page && !(*page)->file.is_directory()) {
            if (!plan.rights_at(*index).has(auth::right::read)) {
                no_index.push_back(std::move(*page));
                continue;  // Else one visitor of a drop box could close it for all.
            }
            auto made = co_await plan_file(plan, *index, std::move(*page));
            if (each != plan.at.index.front()) {
                made.made_of.reset();  // Those before it may come to be.
            }
            co_return made;
        }
        if (!page && page.error() != errc::not_found) {
            co_return plan.error(status_for(page.error().code));
        }
        no_index.push_back(page ? std::move(*page) : plan.shared.open_files.absence_of(*index));
    }
    if (!plan.at.listings) {
        co_return plan.error(status::forbidden);
    }
    if (!plan.rights_at(name).has(auth::right::list)) {
        co_return plan.forbidden();
    }
    const auto query = read_listing_query(plan.asked);
    if (query.form == listing_form::zip || query.form == listing_form::tar) {
        auto made = co_await plan_archive(plan, name, query.form);
        co_return made;
    }
    auto made = co_await plan_listing(plan, name, query);
    if (made.made_of_listing && std::ranges::find(no_index, nullptr) == no_index.end()) {
        made.made_of = std::move(found);
        made.made_of_too = std::move(no_index);
    }
    co_return made;
}

}  // namespace ferry::http
