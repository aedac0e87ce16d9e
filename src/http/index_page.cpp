#include "http/index_page.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>

#include "http/content_hash.hpp"
#include "http/html.hpp"
#include "http/index_writing.hpp"
#include "http/page_style.hpp"
#include "http/target.hpp"

namespace ferry::http {
namespace {

constexpr std::string_view listing_style = R"(
h1 span { font-weight: 400; color: var(--dim); margin: 0 .15em }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: center;
  margin-bottom: .75rem }
header p { margin-right: auto }
input { font: inherit; width: 14rem; max-width: 100%; padding: .3rem .6rem; color: inherit;
  background: var(--back); border: 1px solid var(--line); border-radius: 6px }
[hidden] { display: none !important }
table { border-collapse: collapse; width: 100% }
th, td { padding: 0 .75rem 0 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top }
th { font-weight: 600 }
form { display: flex; gap: 1.25rem }
button { font: inherit; color: var(--link); background: none; border: 0; padding: 0;
  cursor: pointer }
button:hover { text-decoration: underline }
th form { display: inline }
th button { color: inherit; white-space: nowrap }
th[aria-sort] button::after { content: " \2193" }
th[aria-sort=ascending] button::after { content: " \2191" }
td, th { line-height: 1.4; white-space: nowrap }
td, thead th { padding-top: .4rem; padding-bottom: .4rem }
td:first-child { overflow-wrap: anywhere; white-space: normal; width: 100%; padding: 0 }
td:first-child a { display: flex; gap: .6rem; padding: .4rem .75rem .4rem .25rem }
td:nth-child(2), th:nth-child(2) { text-align: right }
td:nth-child(n+2) { color: var(--dim); font-variant-numeric: tabular-nums }
td a::before { content: ""; flex: none; width: .9em; height: 1.05em; margin-top: .15em;
  background: var(--file);
  clip-path: polygon(8% 0, 62% 0, 92% 26%, 92% 100%, 8% 100%) }
.d a::before { width: 1.1em; margin: .15em -.1em 0; background: var(--folder);
  clip-path: polygon(0 10%, 40% 10%, 50% 24%, 100% 24%, 100% 92%, 0 92%) }
.up a::before { background: var(--dim); clip-path: polygon(50% 10%, 95% 55%, 65% 55%, 65% 92%,
  35% 92%, 35% 55%, 5% 55%) }
tbody tr:hover, tbody tr:focus-within { background: var(--over) }
table + p { margin-top: .75rem }
@media (max-width: 40rem) {
  body { padding: 1rem .75rem }
  time span, th span { display: none }
  td, th { padding-right: .5rem }
  td:last-child, th:last-child { padding-right: 0 }
  label, input { width: 100% }
}
@media (pointer: coarse) { td, td:first-child a { padding-top: .65rem; padding-bottom: .65rem }
  td:first-child { padding-top: 0; padding-bottom: 0 } header button { padding: .4rem 0 } }
@media print { header form, label { display: none } }
)";

/// What the page has more with script than without: a field that hides the rows whose names do not
/// contain what is typed; "/" goes to it, Escape empties it, Enter opens the first row left, the
/// arrows go through the rows.
constexpr std::string_view script = R"js(
(() => {
  const field = document.getElementById("filter"), told = document.getElementById("told");
  const rows = [...document.querySelectorAll("tbody tr:not(.up)")];
  if (!rows.length) return;
  const plain = text => text.normalize("NFKC").toLowerCase();
  const names = rows.map(row => plain(row.cells[0].textContent));
  const links = () => [...document.querySelectorAll("tbody tr:not([hidden]) a")];
  const show = () => {
    const wanted = plain(field.value.trim());
    let shown = 0;
    rows.forEach((row, i) => { shown += !(row.hidden = !names[i].includes(wanted)) });
    told.textContent = wanted ? shown + " of " + rows.length + " shown" : "";
  };
  field.parentNode.hidden = false;
  field.addEventListener("input", show);
  addEventListener("pageshow", show);
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      const all = links(), at = all.indexOf(document.activeElement);
      const next = at < 0 ? (step > 0 ? 0 : -1) : at + step;
      if (at < 0 && document.activeElement !== field && document.activeElement !== document.body)
        return;
      (all[next] || (next < 0 ? field : all[at])).focus();
    } else if (event.key === "/" && document.activeElement !== field) field.focus();
    else if (event.key === "Escape" && document.activeElement === field) {
      field.value = ""; show(); field.blur();
    } else if (event.key === "Enter" && document.activeElement === field) {
      const row = rows.find(each => !each.hidden);
      if (row) row.querySelector("a").click();
    } else return;
    event.preventDefault();
  });
})();
)js";

// Without an icon of their own browsers ask for /favicon.ico.
constexpr std::string_view page_begin = R"(<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<style>)";

constexpr std::string_view filter_field =
    "<label hidden><input id=\"filter\" type=\"search\" placeholder=\"Filter\" "
    "aria-label=\"Filter names\" aria-keyshortcuts=\"/\" autocomplete=\"off\" "
    "spellcheck=\"false\"></label>\n";

constexpr std::string_view parent_row =
    "<tr class=\"up\"><td><a href=\"../\"><bdi>../</bdi></a><td><td>\n";

/// The way to `where`, a link for each directory on it but itself.
void append_breadcrumbs(std::string& out, const vfs::path& where) {
    out += "<h1><nav aria-label=\"Breadcrumbs\">";
    if (where.is_root()) {
        out += "<b aria-current=\"page\">/</b></nav></h1>\n";
        return;
    }
    const std::string_view text = where.text();
    std::size_t levels = 0;
    for (const char c : text) {
        levels += c == '/' ? 1 : 0;
    }
    const auto append_ways_up = [&out](std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            out += "../";
        }
    };
    out += "<a href=\"";
    append_ways_up(levels);
    out += "\" aria-label=\"Root\">/</a>";
    auto rest = text.substr(1);
    for (std::size_t left = levels - 1; left > 0; --left) {
        const auto end = rest.find('/');
        out += " <a href=\"";
        append_ways_up(left);
        out += "\"><bdi>";
        append_html(out, rest.substr(0, end));
        out += "</bdi></a> <span>/</span>";
        rest.remove_prefix(end + 1);
    }
    out += " <b aria-current=\"page\"><bdi>";
    append_html(out, rest);
    out += "</bdi></b></nav></h1>\n";
}

void append_count(std::string& out, std::uint64_t count, std::string_view one,
                  std::string_view many) {
    append_number(out, count);
    out += ' ';
    out += count == 1 ? one : many;
}

void append_totals(std::string& out, const listing_totals& totals) {
    if (totals.directories == 0 && totals.files == 0) {
        out += "Nothing here";
        return;
    }
    if (totals.directories > 0) {
        append_count(out, totals.directories, "folder", "folders");
    }
    if (totals.files > 0) {
        out += totals.directories > 0 ? ", " : "";
        append_count(out, totals.files, "file", "files");
        out += ", ";
        append_readable_size(out, totals.size_bytes);
    }
}

// Buttons, not links: who mirrors a tree follows every link (wget -r), and would have each page six
// times more and each file once more for every directory above it.
struct column {
    sort_key key;
    std::string_view label;
    bool begins_descending;  ///< The largest, the newest are what people look for.
};
constexpr auto columns = std::to_array<column>({
    {sort_key::name, "Name", false},
    {sort_key::size, "Size", true},
    {sort_key::time, "Changed<span> (UTC)</span>", true},
});

void append_column(std::string& out, const column& each, const index_view& view) {
    out += "<th scope=\"col\"";
    if (!view.is_sorted) {
        out += '>';
        out += each.label;
        return;
    }
    const bool is_chosen = view.order.key == each.key;
    if (is_chosen) {
        out += view.order.is_descending ? " aria-sort=\"descending\"" : " aria-sort=\"ascending\"";
    }
    const bool descending = is_chosen ? !view.order.is_descending : each.begins_descending;
    out += "><form><input type=\"hidden\" name=\"sort\" value=\"";
    out += word_of(each.key);
    out += descending ? "\"><button name=\"order\" value=\"desc\">"
                      : "\"><button name=\"order\" value=\"asc\">";
    out += each.label;
    out += "</button></form>";
}

void append_login(std::string& out, const index_view& view) {
    if (!view.user.empty()) {
        out += "<form><span>Logged in as <b><bdi>";
        append_html(out, view.user);
        out += "</bdi></b></span>\n<button name=\"logout\">Log out</button></form>\n";
    } else if (view.offers_login) {
        out += "<form><button name=\"login\">Log in</button></form>\n";
    }
}

struct right_letter {
    auth::right which;
    char letter;
};
constexpr auto right_letters = std::to_array<right_letter>({
    {auth::right::create, 'c'},
    {auth::right::replace, 'w'},
    {auth::right::remove, 'd'},
    {auth::right::rename, 'n'},
    {auth::right::make_directory, 'm'},
});

/// The attribute that tells the script what may be done.
void append_rights(std::string& out, auth::rights allowed) {
    out += " data-may=\"";
    for (const auto& each : right_letters) {
        if (allowed.has(each.which)) {
            out += each.letter;
        }
    }
    out += '"';
}

/// When something was changed: all of it in one piece, of which only the digits differ.
void append_time(std::string& out, const utc_text& time) {
    static constexpr std::string_view shape =
        "<td><time datetime=\"YYYY-MM-DDThh:mm:ssZ\">YYYY-MM-DD<span> hh:mm</span></time>\n";
    constexpr auto whole_at = shape.find('Y');
    constexpr auto day_at = shape.rfind('Y') - 3;
    constexpr auto minute_at = shape.rfind("hh");
    std::array<char, shape.size()> octets;
    shape.copy(octets.data(), octets.size());
    time.whole().copy(octets.data() + whole_at, 20);
    time.day().copy(octets.data() + day_at, 10);
    time.minute().copy(octets.data() + minute_at, 5);
    out.append(octets.data(), octets.size());
}

}  // namespace

void append_index_begin(std::string& out, const vfs::path& where, const index_view& view) {
    out += page_begin;
    out += page_style;
    out += listing_style;
    if (view.has_changes()) {
        out += "</style>\n<style>";
        out += writing_style;
    }
    out += "</style>\n<title>Index of ";
    append_html(out, where.text());
    out += where.is_root() ? "</title>\n" : "/</title>\n";
    append_breadcrumbs(out, where);
    out += "<header>\n<p>";
    if (view.is_sorted) {
        append_totals(out, view.totals);
    } else {
        out += "Too many names to sort: they come as the disk has them";
    }
    out += " <span id=\"told\" role=\"status\"></span></p>\n";
    out += filter_field;
    if (view.offers_archives) {
        out +=
            "<form><button name=\"format\" value=\"zip\">Download .zip</button>\n"
            "<button name=\"format\" value=\"tar\">.tar</button></form>\n";
    }
    append_login(out, view);
    out += "</header>\n";
    if (view.has_changes()) {
        out += writing_controls;
    }
    out += "<main>\n<table";
    if (view.has_changes()) {
        append_rights(out, view.allowed);
    }
    out += ">\n<thead><tr>";
    for (const auto& each : columns) {
        append_column(out, each, view);
    }
    out += "</thead>\n<tbody>\n";
    if (!where.is_root()) {
        out += parent_row;
    }
}

void append_index_row(std::string& out, const vfs::directory_entry& entry, utc_text& time,
                      std::optional<auth::rights> own) {
    const bool is_directory = entry.status.kind == vfs::file_kind::directory;
    out += is_directory ? "<tr class=\"d\"" : "<tr";
    if (own) {
        append_rights(out, *own);
    }
    out += "><td><a href=\"./";
    append_encoded_path(out, entry.name);
    out += is_directory ? "/\"><bdi>" : "\"><bdi>";
    append_html(out, entry.name);
    out += is_directory ? "/</bdi></a><td>" : "</bdi></a><td>";
    if (!is_directory) {
        append_readable_size(out, entry.status.size_bytes);
    }
    time.set(entry.status.modified.seconds);
    if (time.is_empty()) {
        out += "<td>\n";
    } else {
        append_time(out, time);
    }
}

void append_index_end(std::string& out, const index_view& view) {
    out += "</table>\n";
    if (!view.is_sorted) {
        out += "<p>";
        append_totals(out, view.totals);
        out += "</p>\n";
    }
    out += "</main>\n<script>";
    out += script;
    if (view.has_changes()) {
        out += "</script>\n<script>";
        out += writing_script;
    }
    out += "</script>\n";
}

std::string index_security_policy(bool with_changes) {
    const auto sources = [with_changes](std::string_view own, std::string_view of_changes) {
        return with_changes ? content_hash(own) + ' ' + content_hash(of_changes)
                            : content_hash(own);
    };
    // data: the icon that is none.
    return fmt::format(
        "default-src 'none'; style-src {}; script-src {}{}; img-src data:; base-uri 'none'; "
        "form-action 'self'",
        sources(std::string(page_style).append(listing_style), writing_style),
        sources(script, writing_script),
        with_changes ? "; connect-src 'self'; frame-ancestors 'self'" : "");
}

}  // namespace ferry::http
