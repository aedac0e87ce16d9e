#pragma once

#include <string_view>

namespace ferry::server {

/// The live status page: what it shows it asks `/status.json` for, once a second while somebody
/// looks at it. Needs nothing else; dark or light as the reader's system is.
inline constexpr std::string_view status_page = R"page(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>ferry status</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --back: #f6f8fa; --card: #fff; --text: #1c2128; --dim: #59636e;
  --line: #d8dee4; --one: #0a58ca; --two: #b35900; --good: #1a7f37; --bad: #cf222e }
@media (prefers-color-scheme: dark) { :root { --back: #0f1419; --card: #161c23; --text: #e6edf3;
  --dim: #9aa4af; --line: #2b323a; --one: #79b8ff; --two: #f0a35e; --good: #56d364;
  --bad: #ff7b72 } }
* { box-sizing: border-box }
body { font: 1rem/1.4 system-ui, sans-serif; max-width: 76rem; margin: 0 auto;
  padding: 1.25rem 1rem; background: var(--back); color: var(--text);
  font-variant-numeric: tabular-nums }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .75rem;
  margin-bottom: 1rem }
h1 { font-size: 1.35rem; font-weight: 650; margin: 0 }
h2 { font-size: .8rem; font-weight: 600; margin: 0; color: var(--dim); text-transform: uppercase;
  letter-spacing: .04em }
header p { margin: 0; color: var(--dim); font-size: .9rem }
#state { margin-left: auto; color: var(--good); font-weight: 600 }
#state.bad { color: var(--bad) }
#state::before { content: ""; display: inline-block; width: .6em; height: .6em; border-radius: 50%;
  background: currentColor; margin-right: .45em }
main { display: grid; gap: .75rem; grid-template-columns: repeat(12, minmax(0, 1fr)) }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .85rem 1rem; grid-column: span 6; min-width: 0 }
.whole { grid-column: span 12 }
.tile { grid-column: span 2 }
.tile p { font-size: 1.45rem; font-weight: 600; margin: .15rem 0 0; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis }
.tile small { display: block; color: var(--dim); font-size: .8rem; min-height: 1.2em;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.top { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .1rem .75rem }
.key { font-size: .85rem; color: var(--dim) }
.key b { font-weight: 600; color: var(--text) }
.key span { display: inline-block; margin-left: .9rem }
.key span::before { content: ""; display: inline-block; width: .7em; height: .2em;
  margin-right: .4em; vertical-align: middle; background: var(--one); border-radius: 1px }
.key .two::before { background: var(--two) }
.plot { position: relative; margin-top: .5rem }
.plot svg { display: block; width: 100%; height: 8.5rem; overflow: visible }
.plot i { position: absolute; left: 0; top: -.15rem; font-style: normal; font-size: .75rem;
  color: var(--dim) }
path { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; stroke-linejoin: round }
.a { stroke: var(--one) } .b { stroke: var(--two) }
.fill { fill: var(--one); opacity: .12; stroke: none }
line { stroke: var(--line); vector-effect: non-scaling-stroke }
ul { list-style: none; margin: .5rem 0 0; padding: 0 }
li { padding: .5rem 0; border-top: 1px solid var(--line) }
li:first-child { border-top: 0 }
.row { display: flex; justify-content: space-between; gap: .25rem 1rem }
.row > :last-child { white-space: nowrap }
.name { font-weight: 550; overflow-wrap: anywhere; min-width: 0; flex: 1 }
.sub { color: var(--dim); font-size: .85rem; overflow-wrap: anywhere }
.bar { height: .4rem; border-radius: .2rem; background: var(--line); overflow: hidden;
  margin-top: .35rem }
.bar div { height: 100%; background: var(--one); border-radius: .2rem; min-width: 2px }
.bar.up div { background: var(--two) }
#cores, dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr));
  gap: 0 2rem; margin: .5rem 0 0 }
#cores li { border: 0; padding: .25rem 0 }
dl div { display: flex; justify-content: space-between; padding: .15rem 0 }
dt { color: var(--dim) }
dd { margin: 0; font-weight: 550 }
.none { color: var(--dim); margin: .5rem 0 0 }
.stale main { opacity: .5 }
@media (max-width: 60rem) { .tile { grid-column: span 4 } }
@media (max-width: 40rem) { section { grid-column: span 12 } .tile { grid-column: span 6 }
  .tile p { font-size: 1.25rem } .plot svg { height: 7rem }
  .key span:first-child { margin-left: 0 } body { padding: .9rem .75rem }
  #state { margin-left: 0 } }
</style>
<header>
<h1>ferry</h1><p id="about"></p><p id="state" role="status">connecting</p>
</header>
<noscript><p>This page needs JavaScript. <a href="/metrics">The same numbers as text</a></p>
</noscript>
<main>
<section class="tile"><h2>Requests</h2><p id="t-requests">–</p>
<small id="s-requests"></small></section>
<section class="tile"><h2>Sent</h2><p id="t-sent">–</p>
<small id="s-sent"></small></section>
<section class="tile"><h2>Received</h2><p id="t-received">–</p>
<small id="s-received"></small></section>
<section class="tile"><h2>Connections</h2><p id="t-connections">–</p>
<small id="s-connections"></small></section>
<section class="tile"><h2>Latency, p99</h2><p id="t-latency">–</p>
<small id="s-latency"></small></section>
<section class="tile"><h2>Errors</h2><p id="t-errors">–</p>
<small id="s-errors"></small></section>
<section id="c-requests"><div class="top"><h2>A second</h2><div class="key"><span>requests
<b></b></span><span class="two">FTP commands <b></b></span></div></div></section>
<section id="c-bytes"><div class="top"><h2>Traffic</h2><div class="key"><span>sent
<b></b></span><span class="two">received <b></b></span></div></div></section>
<section id="c-latency"><div class="top"><h2>Latency of HTTP</h2><div class="key"><span>p50
<b></b></span><span class="two">p99 <b></b></span></div></div></section>
<section id="c-connections"><div class="top"><h2>Connections</h2><div class="key"><span>HTTP
<b></b></span><span class="two">FTP <b></b></span></div></div></section>
<section class="whole"><h2>Transfers under way</h2><p class="none" id="no-transfers">None.</p>
<ul id="transfers"></ul></section>
<section class="whole"><h2>Cores</h2><ul id="cores"></ul></section>
<section class="whole"><h2>In all</h2><dl id="facts"></dl></section>
</main>
<script>
"use strict";
const points_max = 120, latency_window = 10;
const seen = [];      // Snapshots, the newest last, as many as latencies are taken over.
const history = [];   // What the charts show.
const moved_before = new Map();
const at = id => document.getElementById(id);
const of = (now, name) => now.metrics[name] || 0;
const all_of = (now, start) => Object.entries(now.metrics)
  .reduce((sum, [name, value]) => name.startsWith(start) ? sum + value : sum, 0);
const by = (name, label) => name + "{" + label + "}";

const tenths = value => value >= 100 ? Math.round(value).toString() : String(+value.toFixed(1));
function short(value) {
  if (value >= 1e6) return tenths(value / 1e6) + " M";
  return value >= 1e4 ? tenths(value / 1e3) + " k" : tenths(value);
}
function octets(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; ++unit) value /= 1024;
  return (unit === 0 ? Math.round(value) : tenths(value)) + " " + units[unit];
}
function time(seconds) {
  if (!(seconds >= 0)) return "–";
  if (seconds < 1e-3) return Math.round(seconds * 1e6) + " µs";
  if (seconds < 1) return (seconds * 1e3).toFixed(seconds < .01 ? 1 : 0) + " ms";
  return seconds.toFixed(1) + " s";
}
function span(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, parts.findIndex(([, size]) => seconds >= size));
  let left = Math.floor(seconds);
  return parts.slice(first === -1 ? 3 : first, first + 2).map(([name, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count + " " + name;
  }).join(" ");
}

// The time within which `share` of the requests of the last seconds were answered.
function percentile(then, now, share) {
  const start = 'ferry_http_request_duration_seconds_bucket{le="';
  const buckets = Object.keys(now.metrics).filter(name => name.startsWith(start))
    .map(name => ({ bound: Number(name.slice(start.length, -2).replace("+Inf", "Infinity")),
                    count: now.metrics[name] - of(then, name) }));
  const total = buckets.length ? buckets[buckets.length - 1].count : 0;
  if (total <= 0) return NaN;
  let below = 0, bound_below = 0;
  for (const each of buckets) {
    if (each.count >= share * total) {
      if (!Number.isFinite(each.bound)) return bound_below;
      const part = (share * total - below) / Math.max(each.count - below, 1);
      return bound_below + part * (each.bound - bound_below);
    }
    below = each.count;
    bound_below = each.bound;
  }
  return NaN;
}

function chart(id, first, second, write) {
  const section = at(id);
  let plot = section.querySelector(".plot");
  if (!plot) {
    plot = document.createElement("div");
    plot.className = "plot";
    plot.innerHTML = '<i></i><svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img">' +
      '<line x1="0" x2="600" y1="100" y2="100"/><line x1="0" x2="600" y1="50" y2="50"/>' +
      '<path class="fill"/><path class="b"/><path class="a"/></svg>';
    section.append(plot);
  }
  const values = history.flatMap(each => [each[first], each[second]]).filter(Number.isFinite);
  const above = Math.max(...values, 0) * 1.1 || 1;
  const most = values.every(Number.isInteger) ? Math.ceil(above) : above;
  const step = 600 / (points_max - 1), from = points_max - history.length;
  const path = which => {
    let text = "", pen = "M";
    history.forEach((each, index) => {
      if (!Number.isFinite(each[which])) { pen = "M"; return; }
      text += pen + ((from + index) * step).toFixed(1) + " " +
        (100 - 100 * each[which] / most).toFixed(2);
      pen = "L";
    });
    return text;
  };
  const line = path(first);
  plot.querySelector(".a").setAttribute("d", line);
  plot.querySelector(".b").setAttribute("d", path(second));
  const whole = line && !line.slice(1).includes("M");
  plot.querySelector(".fill").setAttribute("d",
    whole ? line + "L600 100L" + (from * step).toFixed(1) + " 100Z" : "");
  plot.querySelector("i").textContent = write(most);
  const last = history[history.length - 1];
  const keys = section.querySelectorAll(".key b");
  keys[0].textContent = write(last[first]);
  keys[1].textContent = write(last[second]);
  plot.querySelector("svg").setAttribute("aria-label",
    section.querySelector("h2").textContent + ", the last two minutes: now " +
    keys[0].textContent + " and " + keys[1].textContent);
}

function element(kind, name, text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}
function bar(share, name) {
  const made = element("div", "bar" + (name ? " " + name : ""));
  const inside = element("div");
  inside.style.width = (100 * Math.min(Math.max(share, 0), 1)).toFixed(1) + "%";
  made.append(inside);
  return made;
}

function show_transfers(now, seconds) {
  const rows = now.transfers.map(each => {
    const id = each.connection + each.protocol + each.name;
    const before = moved_before.get(id);
    const rate = before === undefined || each.moved < before.moved
      ? each.moved / Math.max(each.seconds, .1) : (each.moved - before.moved) / seconds;
    return { ...each, id, rate };
  });
  moved_before.clear();
  rows.forEach(each => moved_before.set(each.id, each));
  rows.sort((one, other) => other.rate - one.rate);
  at("transfers").replaceChildren(...rows.slice(0, 25).map(each => {
    const line = element("li"), top = element("div", "row");
    const done = each.whole ? Math.min(each.moved / each.whole, 1) : NaN;
    top.append(element("div", "name", (each.upload ? "↑\u00a0" : "↓\u00a0") + each.name),
      element("div", "", octets(each.rate) + "/s"));
    const left = each.rate > 0 ? (each.whole - each.moved) / each.rate : NaN;
    line.append(top, element("div", "sub", [each.protocol, each.user || "visitor", each.peer,
      octets(each.moved) + (each.whole ? " of " + octets(each.whole) : ""),
      ...(done >= 0 ? [Math.floor(100 * done) + "\u00a0%"] : []),
      ...(left >= 1 ? [span(left).replaceAll(" ", "\u00a0") + "\u00a0left"] : [])].join(" · ")));
    if (done >= 0) {
      const progress = bar(done, each.upload ? "up" : "");
      progress.setAttribute("role", "progressbar");
      progress.setAttribute("aria-label", each.name);
      progress.setAttribute("aria-valuenow", Math.floor(100 * done));
      line.append(progress);
    }
    return line;
  }));
  const under_way = all_of(now, "ferry_transfers{");
  const more = under_way - Math.min(rows.length, 25);
  at("no-transfers").hidden = under_way > 0 && more <= 0;
  at("no-transfers").textContent = under_way > 0 ? "The fastest, and " + more + " more." : "None.";
}

function show_cores(then, now, seconds) {
  const rate = (index, what) => then.cores[index]
    ? (now.cores[index][what] - then.cores[index][what]) / seconds : 0;
  const shares = now.cores.map((_, index) => rate(index, "turns"));
  const most = Math.max(...shares, 1);
  at("cores").replaceChildren(...now.cores.map((each, index) => {
    const line = element("li"), top = element("div", "row");
    top.append(element("div", "", "Core " + index + (each.fresh ? "" : " does not answer")),
      element("div", "sub", short(rate(index, "requests") + rate(index, "commands")) + "/s · " +
        octets(rate(index, "sent") + rate(index, "received")) + "/s · " +
        short(shares[index]) + " turns/s"));
    line.append(top, bar(shares[index] / most));
    return line;
  }));
}

function share(good, all) { return all > 0 ? (100 * good / all).toFixed(1) + " %" : "–"; }

function show_facts(now) {
  const kept = what => {
    const hits = of(now, by("ferry_" + what + "_cache_lookups_total", 'result="hit"'));
    return share(hits, all_of(now, "ferry_" + what + "_cache_lookups_total{"));
  };
  const descriptors = of(now, "process_open_fds");
  const facts = [
    ["Requests of HTTP", short(all_of(now, "ferry_http_requests_total{"))],
    ["Transfers of FTP", short(all_of(now, "ferry_ftp_transfers_total{"))],
    ["Sent", octets(all_of(now, "ferry_sent_bytes_total{"))],
    ["Received", octets(all_of(now, "ferry_received_bytes_total{"))],
    ["Files found open", kept("file")],
    ["Listings found ready", kept("listing")],
    ["Handshakes of TLS", short(all_of(now, "ferry_tls_handshakes_total{"))],
    ["Failed logins", short(all_of(now, "ferry_logins_failed_total{"))],
    ["Refused connections", short(all_of(now, "ferry_connections_refused_total{"))],
    ["Lines of the log lost", short(of(now, "ferry_access_log_dropped_lines_total"))],
    ["Memory", octets(of(now, "process_resident_memory_bytes"))],
    ["Descriptors", (descriptors ? short(descriptors) + " of " : "") +
      short(of(now, "process_max_fds"))],
  ];
  at("facts").replaceChildren(...facts.map(([name, value]) => {
    const pair = element("div");
    pair.append(element("dt", "", name), element("dd", "", value));
    return pair;
  }));
}

function show_tiles(now, last, rates) {
  const limit = of(now, "ferry_connections_max");
  const errors = name => Object.entries(now.metrics).reduce((sum, [key, value]) =>
    key.startsWith("ferry_http_requests_total{") && key.includes('code="' + name) ? sum + value
    : sum, 0);
  const tiles = {
    requests: [short(last.requests + last.commands) + "/s",
      short(last.commands) + "/s by FTP"],
    sent: [octets(last.sent) + "/s", octets(all_of(now, "ferry_sent_bytes_total{")) + " in all"],
    received: [octets(last.received) + "/s",
      octets(all_of(now, "ferry_received_bytes_total{")) + " in all"],
    connections: [short(last.http + last.ftp), "of " + short(limit)],
    latency: [time(last.p99), "half within " + time(last.p50)],
    errors: [short(rates.errors) + "/s",
      short(errors("5xx")) + " × 5xx, " + short(errors("4xx")) + " × 4xx"],
  };
  for (const [name, [value, below]] of Object.entries(tiles)) {
    at("t-" + name).textContent = value;
    at("s-" + name).textContent = below;
  }
}

function show(now) {
  const then = seen[seen.length - 1];
  const long_ago = seen[0] || now;
  seen.push(now);
  if (seen.length > latency_window) seen.shift();
  at("about").textContent = now.version + " · " + now.io + " · up " + span(now.now - now.started);
  const stuck = now.cores.some(each => !each.fresh);
  at("state").textContent = stuck ? "a core does not answer"
    : now.draining ? "draining" : "serving";
  at("state").classList.toggle("bad", stuck || now.draining);
  show_facts(now);
  if (!then || now.started !== then.started) { history.length = 0; return; }
  const seconds = Math.max(now.now - then.now, .001);
  const rate = start => Math.max(all_of(now, start) - all_of(then, start), 0) / seconds;
  const count_errors = of_what => Object.entries(of_what.metrics).reduce((sum, [key, value]) =>
    key.startsWith("ferry_http_requests_total{") && /code="[45]/.test(key) ||
    key.startsWith("ferry_http_broken_answers") ? sum + value : sum, 0);
  const last = { requests: rate("ferry_http_requests_total{"),
    commands: rate("ferry_ftp_replies_total{"), sent: rate("ferry_sent_bytes_total{"),
    received: rate("ferry_received_bytes_total{"),
    http: of(now, by("ferry_connections", 'protocol="http"')),
    ftp: of(now, by("ferry_connections", 'protocol="ftp"')),
    p50: percentile(long_ago, now, .5), p99: percentile(long_ago, now, .99) };
  history.push(last);
  if (history.length > points_max) history.shift();
  show_tiles(now, last, { errors: (count_errors(now) - count_errors(then)) / seconds });
  chart("c-requests", "requests", "commands", short);
  chart("c-bytes", "sent", "received", value => octets(value) + "/s");
  chart("c-latency", "p50", "p99", time);
  chart("c-connections", "http", "ftp", short);
  show_transfers(now, seconds);
  show_cores(then, now, seconds);
}

async function look() {
  try {
    const answer = await fetch("status.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    show(await answer.json());
    document.body.classList.remove("stale");
  } catch (error) {
    at("state").textContent = "no answer";
    at("state").classList.add("bad");
    document.body.classList.add("stale");
  }
}
async function look_on() {
  for (;;) {
    if (!document.hidden) await look();
    await new Promise(go_on => setTimeout(go_on, 1000));
  }
}
look_on();
</script>
</html>
)page";

}  // namespace ferry::server
