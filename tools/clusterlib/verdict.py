"""What a run of the cluster has shown, as a table, a timeline and a status."""

import dataclasses
import html
import http.client
import json

import charts
from clusterlib.load import LOGIN, SECONDS_MAX, site_files

PIECE_SECONDS = 0.1  # Of the timeline.
# How long behind the kill what was on the way to the node may fail: a connection to it that the
# proxy has just made is answered by nobody.
DETECTION_SECONDS_MAX = 2.0
SHOWN_MAX = 8  # Of each kind of trouble.


@dataclasses.dataclass
class Check:
    name: str
    is_met: bool
    said: str


@dataclasses.dataclass
class Moments:
    """When what happened, of the monotonic clock; nodes by their names."""
    began: float
    killed_node: str
    drained_node: str
    killed: float = 0.0
    back: float = 0.0
    draining: float = 0.0
    gone: float = 0.0
    ended: float = 0.0

    def marks(self):
        return [(when - self.began, text) for when, text in (
            (self.killed, f"{self.killed_node} is killed"), (self.back, f"{self.killed_node} is back"),
            (self.draining, f"{self.drained_node} drains"), (self.gone, f"{self.drained_node} has ended"))]


def place_by_log(outcomes, proxy_lines):
    """Notes the node of exchanges whose answer did not say it, from the proxy's log: a line a
    connection of TCP, a line a request of HTTP. A port may have been used before."""
    seen = {}
    for line in proxy_lines:
        parts = line.split()
        if len(parts) == 3 and parts[0].isdigit():
            seen.setdefault(int(parts[0]), []).append((float(parts[1]), parts[2]))
    for each in outcomes:
        if not each.node and each.port in seen:
            each.node = min(seen[each.port], key=lambda line: abs(line[0] - each.taken))[1]


def read_all_back(ledger, nodes):
    """Every name of the ledger from every node: what is lost, what is torn, how many were read."""
    lost, torn, count = [], [], 0
    names = {**site_files(), **ledger.stored}
    for node in nodes:
        connection = http.client.HTTPConnection(node.host.address, 80, timeout=SECONDS_MAX)
        for name in sorted({*names, *ledger.unsure}):
            connection.request("GET", "/" + name, headers=LOGIN)
            answer = connection.getresponse()
            content = answer.read() if answer.status == 200 else answer.read() and None
            count += 1
            if name not in ledger.unsure:
                if content != names[name]:
                    lost.append(f"{name} at {node.name}: {answer.status}")
            elif content not in (names.get(name), *ledger.unsure[name]):
                torn.append(f"{name} at {node.name}: {answer.status}")
        connection.close()
    return lost, torn, count


def served_again(ledger, moments):
    """Whether the killed node has answered since it is back."""
    return any(each.node == moments.killed_node and not each.failure and each.began > moments.back
               for each in list(ledger.outcomes))


def shorten(items):
    more = len(items) - SHOWN_MAX
    return "; ".join(items[:SHOWN_MAX]) + (f"; and {more} more" if more > 0 else "")


def check_failures(outcomes, moments):
    """Failures are of the killed node, when it was killed, and of nothing else; so is what had to be
    asked for once more."""
    end = moments.killed + DETECTION_SECONDS_MAX
    repeated = [each for each in outcomes if each.is_repeated]
    late = [each for each in repeated if not moments.killed <= each.ended <= end]
    failed = [each for each in outcomes if each.failure]
    own, strange = [], []
    for each in failed:
        is_of_kill = (each.node == moments.killed_node and each.began <= moments.killed
                      + DETECTION_SECONDS_MAX and each.ended >= moments.killed)
        (own if is_of_kill else strange).append(each)

    def words(each):
        return (f"{each.began - moments.began:.2f} to {each.ended - moments.began:.2f} s, "
                f"{each.protocol} {each.operation} at {each.node or 'nobody'}: {each.failure}")
    last = max((each.ended - moments.killed for each in own), default=0.0)
    kinds = {}
    for each in own:
        kinds[f"{each.protocol} {each.operation}"] = kinds.get(f"{each.protocol} {each.operation}", 0) + 1
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    draining = [each for each in strange + late if each.ended >= moments.draining]
    return [Check("failures are what was on the killed node", not strange and not late,
                  shorten(list(map(words, strange + late))) or
                  f"{len(own)} of {len(outcomes)} exchanges{f' ({told})' if told else ''}, the last "
                  f"{last:.2f} s behind the kill; {len(repeated)} more asked for again, and answered"),
            Check("nothing fails while a node drains", not draining,
                  shorten(list(map(words, draining))) or
                  f"{sum(each.is_told for each in outcomes)} FTP sessions told to leave (421) between "
                  f"two commands")]


def judge(ledger, moments, nodes, drained_status):
    """All checks. `nodes`: those that survive."""
    lost, torn, count = read_all_back(ledger, nodes)
    names = " and ".join(node.name for node in nodes)
    by_protocol = {}
    for each in ledger.outcomes:
        if not each.failure and each.operation in ("store", "replace"):
            by_protocol[each.protocol] = by_protocol.get(each.protocol, 0) + 1
    uploads = ", ".join(f"{n} by {protocol}" for protocol, n in sorted(by_protocol.items()))
    checks = [
        Check("every acknowledged upload is whole at every surviving node",
              not lost and ledger.receipts > 0,
              shorten(lost) or f"{ledger.receipts} ({uploads}); {count} files read back from {names}"),
        Check("what was never acknowledged is whole or not there", not torn,
              shorten(torn) or f"{sum(map(len, ledger.unsure.values()))} uploads"),
        Check("no answer is older than what was acknowledged before",
              not ledger.stale_reads and ledger.replaced_reads > 0,
              shorten(ledger.stale_reads) or f"{ledger.replaced_reads} reads right behind a "
              f"replacement, by whatever node"),
        *check_failures(ledger.outcomes, moments),
        Check("the drained node ends by itself", drained_status == 0,
              f"status {drained_status}, {moments.gone - moments.draining:.2f} s behind SIGTERM"),
        Check("the killed node serves again", served_again(ledger, moments),
              f"started {moments.back - moments.killed:.1f} s behind the kill"),
        Check("sessions of TLS are resumed at whatever node",
              ledger.handshakes == ledger.resumed > 0,
              f"{ledger.resumed} of {ledger.handshakes}")]
    return checks


def print_table(checks):
    print()
    for each in checks:
        print(f"{'ok  ' if each.is_met else 'FAIL'}  {each.name}: {each.said}")


def timeline(ledger, moments):
    """Exchanges that went well, of each node, a tenth of a second each."""
    nodes = sorted({each.node for each in ledger.outcomes if each.node.startswith("node")})
    pieces = int((moments.ended - moments.began) / PIECE_SECONDS) + 1
    series = []
    for node in nodes:
        counts = [0] * pieces
        for each in ledger.outcomes:
            if each.node == node and not each.failure:
                piece = int((each.ended - moments.began) / PIECE_SECONDS)
                if 0 <= piece < pieces:
                    counts[piece] += 1
        series.append(charts.Series(node, [(i * PIECE_SECONDS, count)
                                           for i, count in enumerate(counts)]))
    return charts.lines(series, charts.Axes("seconds", "exchanges in 0.1 s", tuple(moments.marks())))


def result_page(checks, ledger, moments, about):
    rows = [(f'<span class="{"well" if each.is_met else "ill"}">{"met" if each.is_met else "not met"}'
             f"</span>", html.escape(each.name), html.escape(each.said)) for each in checks]
    body = (f"<p>{html.escape(about)}</p>\n<h2>Who answered</h2>\n{timeline(ledger, moments)}\n"
            f"<p>Exchanges over HTTP, HTTPS and FTP that went well, by the node that answered.</p>\n"
            f"<h2>Verdict</h2>\n{charts.table(('', 'What', 'Seen'), rows)}")
    return charts.page("A cluster of ferry", body)


def result_json(checks, ledger, moments, about):
    return json.dumps({
        "about": about, "checks": [dataclasses.asdict(each) for each in checks],
        "moments": {text: round(when, 3) for when, text in moments.marks()},
        "outcomes": [{"protocol": each.protocol, "operation": each.operation, "node": each.node,
                      "began": round(each.began - moments.began, 4),
                      "ended": round(each.ended - moments.began, 4),
                      "failure": each.failure, "is_told": each.is_told,
                      "is_repeated": each.is_repeated}
                     for each in ledger.outcomes]}, indent=1) + "\n"
