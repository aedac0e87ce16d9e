"""What is kept of a report of tools/bench (--json), and the page of the manual that shows it.

Kept is a file for each kind in bench/results: medians and spreads, and where and when they were measured.
"""

import html
import json
import os

import charts
from benchlib.ftp_workloads import SECURE_WORKLOADS, WORKLOADS
from benchlib.surroundings import ROOT, middle, tell
from benchlib.web_workloads import MEASURES
from benchlib.web_workloads import WORKLOADS as WEB

FOLDER = os.path.join(ROOT, "bench", "results")
# Kind of benchmark, what the page calls it, what its bars are.
KINDS = (("http", "HTTP", "CPU of the server for a request, in microseconds, where no other unit stands"),
         ("https", "HTTPS", "CPU of the server for a request or a handshake, in microseconds"),
         ("ftp", "FTP", "CPU of the server; of an idle session, its memory"),
         ("ftps", "FTPS", "CPU of the server, over TLS 1.3"))
SECURE_WEB_NAMES = {"1k": "1 KiB", "1m": "1 MiB", "full": "whole handshake, and 1 KiB",
                    "resumed": "resumed handshake, and 1 KiB"}
# A constant: what the machine's TCP alone costs; ferry itself.
NOT_A_SERVER = ("floor", "epoll", "ferry-nosync")
ALIKE = 0.02  # Two costs that differ by less are called equal.


def costs_of(by_server, key, factor=1, digits=3):
    costs = {}
    for server, rounds in by_server.items():
        median, spread = middle(rounds, key)
        costs[server] = {"median": round(median * factor, digits), "spread": round(spread, 3)}
    return costs


def web_workload(name, by_server):
    """Of http: mostly microseconds a request."""
    key, _, unit = MEASURES[WEB[name].how]
    return {"name": WEB[name].about, "unit": unit, "costs": costs_of(by_server, key, digits=2)}


def secure_web_workload(name, by_server):
    """Of https: microseconds a request."""
    return {"name": SECURE_WEB_NAMES[name], "unit": "us",
            "costs": costs_of(by_server, "cpu_microseconds", digits=2)}


def ftp_workload(name, by_server, table):
    """Of ftp and ftps: microseconds an operation, seconds a GiB, or KiB of memory."""
    key, factor, unit = "cpu", 1e6, "us"
    if name == "idle":
        key, factor, unit = "memory", 1 / 1024, "KiB"
    elif table[name].per == "GiB":
        factor, unit = 1, "s/GiB"
    return {"name": table[name].about, "unit": unit, "costs": costs_of(by_server, key, factor)}


MAKERS = {"http": web_workload, "https": secure_web_workload,
          "ftp": lambda name, by_server: ftp_workload(name, by_server, WORKLOADS),
          "ftps": lambda name, by_server: ftp_workload(name, by_server, SECURE_WORKLOADS)}
# A check of the client; figures of which more are better.
NOT_COMPARED = ("wrk", "cores")


def condense(report):
    """What is kept of a report."""
    kind = report["kind"]
    kept = {key: report[key] for key in ("kind", "when", "machine", "congestion", "rounds", "commit")}
    kept["versions"] = report.get("servers") or {
        name: report[name] for name in ("ferry", "nginx", "h2o", "lighttpd") if name in report}
    kept["is_noisy"] = bool(report["noise"])
    kept["workloads"] = [
        MAKERS[kind](name, by_server) for name, by_server in report["results"].items()
        if by_server and name not in NOT_COMPARED]
    return kept


def bars_table(report):
    """The bars ferry is held to, those that are missed first."""
    words = {True: '<span class="well">met</span>', False: '<span class="ill">missed</span>',
             None: "not to be told here"}
    rows = [(html.escape(name), html.escape(bar["text"]), words[bar["is_met"]])
            for name, bars in report.get("bars", {}).items() for bar in bars]
    rows.sort(key=lambda row: row[2] != words[False])
    if not rows:
        return ""
    return "<h2>What ferry is held to</h2>\n" + charts.table(("workload", "measured", ""), rows)


def figures_table(report):
    """All medians of a report."""
    rows = []
    for name, by_server in report["results"].items():
        for server, rounds in by_server.items():
            figures = [f"{key.replace('_', ' ')} {middle(rounds, key)[0]:,.4g}" for key in rounds[0]
                       if isinstance(rounds[0][key], (int, float))]
            calls = report.get("calls", {}).get(name, {}).get(server)
            if calls is not None:
                figures.append(f"system calls {calls:.2f}")
            rows.append((html.escape(name), html.escape(server), html.escape(", ".join(figures))))
    return "<h2>Figures</h2>\n" + charts.table(("workload", "server", "medians of the rounds"), rows)


def tell_absent(absent):
    """Who had no part in a run, {server: why}, as the end of what it prints."""
    if absent:
        tell("\nNot measured:")
        tell("\n".join(f"  {name}: {why}" for name, why in absent.items()))


def list_of(heading, lines):
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<h2>{heading}</h2>\n<ul>{items}</ul>" if items else ""


def page(report):
    """A report as a page that stands alone."""
    kept = condense(report)
    name, about = next((name, about) for kind, name, about in KINDS if kind == report["kind"])
    parts = [section(report["kind"], name, about, kept), bars_table(report),
             list_of("Noise", report["noise"]),
             list_of("Not measured", [f"{who}: {why}" for who, why in report["absent"].items()]),
             figures_table(report)]
    return charts.page(f"ferry measured: {name}", "\n".join(filter(None, parts)))


def write_reports(options, report):
    """What --json and --html ask for."""
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    if options.html:
        with open(options.html, "w", encoding="utf-8") as file:
            file.write(page(report))


def keep(files):
    """Reads reports and keeps what they say in the place of what was kept before."""
    os.makedirs(FOLDER, exist_ok=True)
    for path in files:
        with open(path, encoding="utf-8") as file:
            kept = condense(json.load(file))
        with open(os.path.join(FOLDER, kept["kind"] + ".json"), "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)
            file.write("\n")


def kept_results():
    """{kind: what was kept}, in the order of the page."""
    found = {}
    for kind, _, _ in KINDS:
        path = os.path.join(FOLDER, kind + ".json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found[kind] = json.load(file)
    return found


def best_other(costs):
    """The cheapest of the other servers, None where there is none."""
    others = {name: cost["median"] for name, cost in costs.items()
              if name != "ferry" and name not in NOT_A_SERVER}
    return min(others, key=others.get) if others else None


def standing(workloads):
    """Where ferry is behind the best of the others, and how many it was compared in."""
    behind, compared = [], 0
    for each in workloads:
        best = best_other(each["costs"])
        if best is None or "ferry" not in each["costs"]:
            continue
        compared += 1
        ratio = each["costs"]["ferry"]["median"] / each["costs"][best]["median"]
        if ratio > 1 + ALIKE:
            behind.append(f"{each['name']} ({ratio:.2f} times the cost of {best})")
    return behind, compared


def amount(value, unit):
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.3g} {unit}"


def group_of(workload):
    members = []
    for name, cost in sorted(workload["costs"].items(), key=lambda item: item[1]["median"]):
        spread = f", ±{cost['spread'] / 2:.0%}" if cost["spread"] else ""
        members.append(charts.Bar(name, cost["median"], amount(cost["median"], workload["unit"])
                                  + spread, name == "ferry"))
    return workload["name"], members


def section(kind, name, about, kept):
    behind, compared = standing(kept["workloads"])
    machine = kept["machine"]
    said = (f"{about}; shorter is better. Measured {kept['when'][:10]} by <code>tools/bench {kind}"
            f" --rounds {kept['rounds']}</code> at {html.escape(kept['commit'])}: {machine['cpus']} CPUs, "
            f"{html.escape(machine['cpu'])}, Linux {html.escape(machine['kernel'])}, "
            f"{html.escape(kept['congestion'])}. {html.escape(', '.join(kept['versions'].values()))}.")
    if kept["is_noisy"]:
        said += (" Other programs were busy on the machine meanwhile: what differs by less than the spreads "
                 "(±) differs by nothing.")
    if behind:
        verdict = (f"<b>ferry is behind</b> in {len(behind)} of {compared}: "
                   f"{html.escape('; '.join(behind))}.")
    else:
        verdict = f"ferry is not behind the best of the others in any of {compared}."
    return (f'<h2 id="{kind}">{name}</h2>\n<p>{said}</p>\n<p>{verdict}</p>\n<figure>\n'
            f"{charts.bars([group_of(each) for each in kept['workloads']], f'{name}: {about}')}\n"
            f"</figure>")


def sections():
    """The page's charts, as HTML."""
    kept = kept_results()
    return "\n".join([charts.STYLE, *(section(kind, name, about, kept[kind])
                                      for kind, name, about in KINDS if kind in kept)])
