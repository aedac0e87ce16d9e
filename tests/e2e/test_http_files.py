"""What HTTP says of a file: conditions, ranges, types, redirects, listings (RFC 9110)."""

import dataclasses
import email
import email.policy
import email.utils
import html.parser
import json
import os
import time
import urllib.parse

from support import check, trees
from support.case import rows
from support.http_wire import Connection, ask, fetch, quote

BIG = "/size-3m.bin"
BIG_SIZE = 3 * 1024 * 1024 + 17
LONG_AGO = 1_600_000_000  # So that no validator is weak because the file is new.


def make_server(maker):
    root = trees.fill(maker.tmp(), trees.site())
    for folder, _, names in os.walk(root):
        for name in names:
            os.utime(os.path.join(folder, name), (LONG_AGO, LONG_AGO))
    server = maker.ferry(root)
    server.contents = trees.site()
    return server


def test_every_file_is_what_it_is(t):
    server = t.shared(make_server)
    with Connection(server) as connection:
        for name, content in server.contents.items():
            response = connection.ask("/" + quote(name))
            check.equal(response.status, 200, f"{name}")
            check.same_bytes(response.body, content, f"{name}")
            check.equal(response.field("Content-Length"), str(len(content)), f"{name}")


def test_head_says_what_get_says(t):
    server = t.shared(make_server)
    with Connection(server) as connection:
        for target in ("/hello.txt", "/empty.txt", BIG, "/dir/", "/nope", "/dir"):
            got = connection.ask(target)
            head = connection.ask(target, method="HEAD")
            check.equal(head.status, got.status, target)
            check.equal(head.body, b"", target)
            # RFC 9110 section 9.3.2: all fields but those of the content only are the same.
            leave = {"date"}
            check.equal([f for f in head.fields if f[0] not in leave],
                        [f for f in got.fields if f[0] not in leave], target)


def test_fields_of_a_file(t):
    server = t.shared(make_server)
    response = ask(server, "/hello.txt")
    now = time.time()
    date = email.utils.parsedate_to_datetime(response.field("Date")).timestamp()
    check.holds(abs(date - now) < 5, f"Date is {response.field('Date')}")
    check.equal(response.field("Last-Modified"), email.utils.formatdate(LONG_AGO, usegmt=True),
                "Last-Modified")
    etag = response.field("ETag")
    check.holds(etag and etag.startswith('"') and etag.endswith('"') and etag.count('"') == 2,
                f"ETag is {etag}")
    check.equal(response.field("Accept-Ranges"), "bytes", "Accept-Ranges")
    check.equal(response.field("Age"), None, "Age")


@dataclasses.dataclass(frozen=True)
class Type:
    id: str
    media: str


@rows([Type("/hello.txt", "text/plain"), Type("/page.html", "text/html"),
       Type("/dir/", "text/html"), Type("/plain/", "text/html"), Type("/style.css", "text/css"),
       Type("/script.js", "javascript"), Type("/picture.png", "image/png"),
       Type("/data.json", "application/json"), Type("/size-8192.bin", "application/octet-stream")])
def test_content_type(t, row):
    kind = ask(t.shared(make_server), row.id).field("Content-Type") or ""
    check.holds(kind.split(";")[0].strip().endswith(row.media), f"{row.id}: {kind!r}")


@dataclasses.dataclass(frozen=True)
class Condition:
    """`fields`: with ETAG and DATE for the file's own validators."""
    id: str
    fields: tuple
    status: int
    method: str = "GET"


OLD, NEW = "Thu, 01 Jan 2015 00:00:00 GMT", "Fri, 01 Jan 2038 00:00:00 GMT"


@rows([
    Condition("none-match", (("If-None-Match", "ETAG"),), 304),
    Condition("none-match-weak", (("If-None-Match", "W/ETAG"),), 304),
    Condition("none-match-star", (("If-None-Match", "*"),), 304),
    Condition("none-match-list", (("If-None-Match", '"a", , W/"b",ETAG'),), 304),
    Condition("none-match-lines", (("If-None-Match", '"a"'), ("If-None-Match", "ETAG")), 304),
    Condition("none-match-other", (("If-None-Match", '"a", "b"'),), 200),
    Condition("none-match-head", (("If-None-Match", "ETAG"),), 304, "HEAD"),
    Condition("none-match-other-beats-date", (("If-None-Match", '"a"'),
                                              ("If-Modified-Since", "DATE")), 200),
    Condition("modified-same", (("If-Modified-Since", "DATE"),), 304),
    Condition("modified-later", (("If-Modified-Since", NEW),), 304),
    Condition("modified-earlier", (("If-Modified-Since", OLD),), 200),
    Condition("modified-invalid", (("If-Modified-Since", "yesterday"),), 200),
    Condition("modified-rfc850", (("If-Modified-Since", "Friday, 01-Jan-38 00:00:00 GMT"),), 304),
    Condition("modified-asctime", (("If-Modified-Since", "Fri Jan  1 00:00:00 2038"),), 304),
    Condition("match", (("If-Match", "ETAG"),), 200),
    Condition("match-star", (("If-Match", "*"),), 200),
    Condition("match-other", (("If-Match", '"a"'),), 412),
    Condition("match-weak", (("If-Match", "W/ETAG"),), 412),
    Condition("match-beats-date", (("If-Match", "ETAG"), ("If-Unmodified-Since", OLD)), 200),
    Condition("unmodified-earlier", (("If-Unmodified-Since", OLD),), 412),
    Condition("unmodified-same", (("If-Unmodified-Since", "DATE"),), 200),
    Condition("unmodified-invalid", (("If-Unmodified-Since", "never"),), 200),
    Condition("match-then-none-match", (("If-Match", "ETAG"), ("If-None-Match", "ETAG")), 304),
    Condition("412-beats-304", (("If-Match", '"a"'), ("If-None-Match", "ETAG")), 412),
    Condition("304-beats-range", (("If-None-Match", "ETAG"), ("Range", "bytes=0-1")), 304),
    Condition("412-beats-range", (("If-Match", '"a"'), ("Range", "bytes=0-1")), 412),
    Condition("range-if-etag", (("If-Range", "ETAG"), ("Range", "bytes=0-1")), 206),
    Condition("range-if-weak", (("If-Range", "W/ETAG"), ("Range", "bytes=0-1")), 200),
    Condition("range-if-other", (("If-Range", '"a"'), ("Range", "bytes=0-1")), 200),
    Condition("range-if-date", (("If-Range", "DATE"), ("Range", "bytes=0-1")), 206),
    Condition("range-if-later-date", (("If-Range", NEW), ("Range", "bytes=0-1")), 200),
    Condition("range-if-other-and-416", (("If-Range", '"a"'), ("Range", "bytes=99999-")), 200),
    Condition("head-ignores-range", (("Range", "bytes=0-1"),), 200, "HEAD"),
])
def test_condition(t, row):
    """RFC 9110 section 13.2.2: the order, and which comparison each uses."""
    server = t.shared(make_server)
    with Connection(server) as connection:
        plain = connection.ask("/hello.txt")
        etag, date = plain.field("ETag"), plain.field("Last-Modified")
        fields = [(name, value.replace("ETAG", etag).replace("DATE", date))
                  for name, value in row.fields]
        response = connection.ask("/hello.txt", method=row.method, fields=fields)
        check.equal(response.status, row.status, f"{fields}")
        if row.status == 304:  # Section 15.4.5: what a 200 would have had.
            check.equal(response.field("ETag"), etag, "ETag of the 304")
            check.holds(response.field("Date"), "no Date in the 304")
        if row.status == 412:
            check.equal(response.field("ETag"), None, "the file's ETag in a 412")
        if row.status == 206:
            check.equal(response.body, b"he", "the range")
            check.equal(response.field("ETag"), etag, "ETag of the 206")
        check.equal(connection.ask("/one.txt").body, b"1\n", "the next request")


def test_conditions_lose_to_404_and_redirects(t):
    server = t.shared(make_server)
    for fields in ([("If-None-Match", "*")], [("If-Match", '"a"')],
                   [("If-Modified-Since", NEW)]):
        check.equal(ask(server, "/nope", fields=fields).status, 404, f"{fields}")
        check.one_of(ask(server, "/dir", fields=fields).status, (301, 302, 307, 308), f"{fields}")


@dataclasses.dataclass(frozen=True)
class Range:
    """`part`: (first, last) of the answer; None: the whole file with 200; "416"."""
    id: str
    part: object
    others: tuple = ()  # Further statuses the RFC allows.


SIZE = BIG_SIZE


@rows([
    Range("bytes=0-0", (0, 0)),
    Range("bytes=0-99", (0, 99)),
    Range("bytes=100-", (100, SIZE - 1)),
    Range("bytes=-100", (SIZE - 100, SIZE - 1)),
    Range("bytes=-1", (SIZE - 1, SIZE - 1)),
    Range(f"bytes=-{SIZE}", (0, SIZE - 1)),
    Range(f"bytes=-{SIZE + 1}", (0, SIZE - 1)),
    Range("bytes=-18446744073709551615", (0, SIZE - 1)),
    Range("bytes=-18446744073709551617", (0, SIZE - 1), (200, 416)),
    Range(f"bytes=0-{SIZE - 1}", (0, SIZE - 1)),
    Range(f"bytes=0-{SIZE}", (0, SIZE - 1)),
    Range(f"bytes={SIZE - 1}-{SIZE + 5}", (SIZE - 1, SIZE - 1)),
    Range("bytes=5-9223372036854775807", (5, SIZE - 1)),
    Range("bytes=5-18446744073709551615", (5, SIZE - 1)),
    Range("bytes=5-18446744073709551617", (5, SIZE - 1), (200, 416)),
    Range("bytes=8000-90000", (8000, 90000)),
    Range("Bytes=0-99", (0, 99)),
    Range("bytes= 0-99", (0, 99), (200,)),
    Range("bytes=0-0,", (0, 0), (200,)),
    Range(f"bytes={SIZE}-", "416"),
    Range(f"bytes={SIZE}-{SIZE + 10}", "416"),
    Range("bytes=-0", "416"),
    Range("bytes=9223372036854775808-", "416"),
    Range("bytes=18446744073709551616-", "416", (200,)),
    Range("bytes=18446744073709551616-18446744073709551617", "416", (200,)),
    Range("bytes=5-4", None, (416, 400)),
    Range("bytes=a-b", None, (416, 400)),
    Range("bytes=--1", None, (416, 400)),
    Range("bytes=+1-2", None, (416, 400)),
    Range("bytes=-", None, (416, 400)),
    Range("bytes=", None, (416, 400)),
    Range("bytes 0-1", None, (416, 400)),
    Range("bytes=0x0-0x1", None, (416, 400)),
    Range("items=0-1", None),
    Range("nonsense", None, (400,)),
])
def test_range(t, row):
    """RFC 9110 section 14: one range, of a file with 3 MiB and 17 octets."""
    server = t.shared(make_server)
    whole = server.contents[BIG[1:].encode()]
    with Connection(server) as connection:
        response = connection.ask(BIG, fields=[("Range", row.id)])
        if response.status in row.others:
            pass
        elif row.part is None:
            check.equal(response.status, 200, row.id)
        elif row.part == "416":
            check.equal(response.status, 416, row.id)
        else:
            check.equal(response.status, 206, row.id)
        if response.status == 206:
            first, last = row.part
            check.equal(response.field("Content-Range"), f"bytes {first}-{last}/{SIZE}", row.id)
            check.same_bytes(response.body, whole[first:last + 1], row.id)
        elif response.status == 416:
            check.equal(response.field("Content-Range"), f"bytes */{SIZE}", row.id)
            check.equal(response.field("ETag"), None, "the file's ETag in a 416")
        elif response.status == 200:
            check.same_bytes(response.body, whole, row.id)
        check.equal(connection.ask("/one.txt").body, b"1\n", "the next request")


def parts_of(response):
    """Of a multipart/byteranges, as (Content-Range, octets), read by Python's own parser."""
    message = email.message_from_bytes(
        b"Content-Type: " + response.field("Content-Type").encode() + b"\r\n\r\n" + response.body,
        policy=email.policy.HTTP)
    check.holds(message.is_multipart(), "a multipart body")
    check.equal(message.defects, [], "what is wrong with it")
    return [(part["Content-Range"], part.get_payload(decode=True)) for part in message.get_payload()]


def test_several_ranges(t):
    """RFC 9110 section 14.6: from memory, by sendfile(2), and with more requests behind it."""
    root = t.tmp()
    octets = trees.octets("several ranges", 3 << 20)
    trees.write(root, "file.txt", octets)
    server = t.ferry(root)
    with Connection(server) as connection:
        for spans in (((0, 9), (1000, 1009)), ((0, 99), (-5, None), (500000, 500099)),
                      ((2000000, 2999999), (5, 5), (1000, 800000))):
            value = ",".join(f"{first}-{last}" if last is not None else f"{first}"
                             for first, last in spans)
            response = connection.ask("/file.txt", fields=[("Range", f"bytes={value}")])
            check.equal(response.status, 206, value)
            places = [(len(octets) + first, len(octets) - 1) if last is None else (first, last)
                      for first, last in spans]
            check.equal([place for place, _ in parts_of(response)],
                        [f"bytes {first}-{last}/{len(octets)}" for first, last in places], value)
            check.equal([part == octets[first:last + 1] for (_, part), (first, last)
                         in zip(parts_of(response), places)], [True] * len(places), value)
        check.equal(connection.ask("/file.txt", method="HEAD",
                                   fields=[("Range", "bytes=0-1,500-501")]).status, 200, "HEAD")


def test_many_ranges_are_never_more_than_twice_the_file(t):
    """threats.md, H5: a set of overlapping ranges is no amplifier."""
    server = t.shared(make_server)
    for value in ("bytes=" + ",".join("0-" for _ in range(1000)),
                  "bytes=" + ",".join(f"{i}-" for i in range(1000)),
                  "bytes=0-99,200-299", "bytes=" + ",".join(f"{i}-{i}" for i in range(0, 2000, 2))):
        response = ask(server, "/size-100k.bin", fields=[("Range", value)])
        check.one_of(response.status, (200, 206, 416, 400), value[:40])
        check.holds(len(response.body) <= 2 * 100 * 1024, f"{value[:40]}: {len(response.body)}")
    check.equal(ask(server, "/empty.txt", fields=[("Range", "bytes=0-")]).status, 416, "empty file")


def test_validators_change_with_the_content(t):
    """threats.md, V8: same size, same second, other content (a rename): another ETag."""
    root = t.tmp()
    server = t.ferry(root)
    seen = set()
    for i in range(20):
        trees.write(root, "new", b"%04d" % i)
        os.utime(os.path.join(root, "new"), (LONG_AGO, LONG_AGO))
        os.rename(os.path.join(root, "new"), os.path.join(root, "file"))
        response = ask(server, "/file")
        check.equal(response.body, b"%04d" % i, "content")
        etag = response.field("ETag")
        check.holds(etag not in seen, f"an ETag used twice: {etag}")
        seen.add(etag)
    trees.write(root, "file", b"XXXX")  # Rewritten in place, at the old times.
    os.utime(os.path.join(root, "file"), (LONG_AGO, LONG_AGO))
    rewritten = ask(server, "/file", fields=[("If-None-Match", etag)])
    check.equal((rewritten.status, rewritten.body), (200, b"XXXX"), "rewritten in place")


@dataclasses.dataclass(frozen=True)
class Method:
    id: str
    statuses: tuple


@rows([Method("POST", (405,)), Method("PUT", (405, 403, 501)), Method("DELETE", (405, 403, 501)),
       Method("PATCH", (405, 501)), Method("PROPFIND", (405, 501)), Method("BREW", (405, 501))])
def test_method(t, row):
    server = t.shared(make_server)
    with Connection(server) as connection:
        response = connection.ask("/hello.txt", method=row.id, fields=[("Content-Length", "0")])
        check.one_of(response.status, row.statuses, row.id)
        if response.status == 405:  # RFC 9110 section 15.5.6.
            allowed = {part.strip() for part in (response.field("Allow") or "").split(",")}
            check.holds({"GET", "HEAD"} <= allowed, f"Allow is {allowed}")
            check.holds(row.id not in allowed, f"Allow is {allowed}")
    check.same_bytes(fetch(server, "/hello.txt"), b"hello, world\n", "the file afterwards")


def test_slash_redirect_stays_here(t):
    """threats.md, H7: `Location: //name` would lead to another host."""
    server = t.shared(make_server)
    for target in ("//dir", "///dir", "/./dir", "//plain/deep", "/%2e/dir"):
        response = ask(server, target)
        if response.status in (301, 302, 307, 308):
            location = response.field("Location")
            whole = urllib.parse.urljoin("http://localhost/", location)
            check.holds(whole.startswith("http://localhost/"), f"{target}: Location {location!r}")
            check.lacks(location[:2], "//", f"{target}: Location")


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []
        self.scripts = 0

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        self.found += [value for name, value in attrs if tag == "a" and name == "href"]


def links_of(page, base):
    """What a browser would open: the links of a page, resolved."""
    parser = Links()
    parser.feed(page.decode("utf-8", "surrogateescape"))
    return [urllib.parse.urljoin(base, link, allow_fragments=True) for link in parser.found], parser


def test_listing(t):
    server = t.shared(make_server)
    response = ask(server, "/plain/")
    check.equal(response.status, 200, "/plain/")
    links, _ = links_of(response.body, "http://localhost/plain/")
    for name in ("a.txt", "b.css", "deep/"):
        check.contains(links, "http://localhost/plain/" + name, "the links")
    whole = ask(server, "/")
    links, _ = links_of(whole.body, "http://localhost/")
    paths = [urllib.parse.unquote_to_bytes(urllib.parse.urlsplit(link).path) for link in links]
    for name in server.contents:
        if b"/" not in name:
            check.contains(paths, b"/" + name, "the paths of the links")


def test_listing_as_json(t):
    """RFC 8259, by `format` or Accept; `href` leads to every name, also to one that is no text."""
    root = t.tmp()
    names = [name for name in trees.PLAIN_HOSTILE_NAMES + trees.CONTROL_NAMES + trees.LINE_END_NAMES
             if not name.startswith(b".")]
    for name in names:
        trees.write(root, b"d/" + name, name)
    os.mkdir(os.path.join(root, "d", "a sub"))
    server = t.ferry(root)
    with Connection(server) as connection:
        response = connection.ask("/d/?format=json")
        check.equal(response.field("Content-Type"), "application/json", "Content-Type")
        check.equal([c for c in response.body if (c < 32 and c != 10) or c == 127], [],
                    "raw control octets")
        entries = json.loads(response.body)
        check.equal(len(entries), len(names) + 1, "objects")
        check.equal((entries[0]["name"], entries[0]["type"]), ("a sub", "directory"), "the first")
        for entry in entries[1:]:
            target = urllib.parse.urlsplit(urllib.parse.urljoin("http://localhost/d/",
                                                                entry["href"])).path
            content = connection.ask(target).body
            check.contains(names, content, "the file that a reference leads to")
            check.equal((entry["type"], entry["size"]), ("file", len(content)), target)
            check.equal(entry["name"].encode() == content or b"\xef\xbf\xbd" in
                        entry["name"].encode(), True, f"{entry['name']!r} of {content}")
            time.strptime(entry["modified"], "%Y-%m-%dT%H:%M:%SZ")
        by_accept = connection.ask("/d/", fields=[("Accept", "application/json")])
        check.same_bytes(by_accept.body, response.body, "by Accept")
        check.equal(by_accept.field("Vary"), "Accept, Accept-Encoding", "Vary")
        browsers = connection.ask("/d/", fields=[("Accept", "text/html,*/*;q=0.8")])
        check.holds(browsers.body.startswith(b"<!DOCTYPE html>"), "what browsers get")


def test_index_page_is_served_for_its_directory(t):
    server = t.shared(make_server)
    check.same_bytes(fetch(server, "/dir/"), server.contents[b"dir/index.html"], "/dir/")
    check.equal(ask(server, "/dir/?x=y").status, 200, "with a query")


def test_hostile_names_in_a_listing(t):
    """threats.md, V11: the page cannot be broken out of, and every link leads to its file."""
    root = t.tmp()
    names = (trees.PLAIN_HOSTILE_NAMES + trees.CONTROL_NAMES + trees.LINE_END_NAMES
             + [b"<script>alert(1)", b"\"onmouseover=x", b"a&lt;b"])
    for number, name in enumerate(names):
        trees.write(root, b"d/" + name, b"file %d" % number)
        os.mkdir(os.path.join(os.fsencode(root), b"d", name[:250] + b".d"))
    server = t.ferry(root)
    page = fetch(server, "/d/")
    bad = [c for c in page if (c < 32 and c not in b"\t\r\n") or c == 127]
    check.equal(bad, [], "raw control octets in the page")
    links, parser = links_of(page, "http://localhost/d/")
    check.equal(parser.scripts, 1, "<script> elements, ferry's own among them")
    check.holds(all(link.startswith("http://localhost/") for link in links),
                f"links that lead away: {[x for x in links if not x.startswith('http://local')]}")
    paths = {urllib.parse.unquote_to_bytes(urllib.parse.urlsplit(link).path) for link in links}
    with Connection(server) as connection:
        for number, name in enumerate(names):
            if name.startswith(b"."):  # Hidden, as ls(1) has it; whoever knows it can have it.
                response = connection.ask("/d/" + quote(name))
                check.equal((response.status, response.body), (200, b"file %d" % number), f"{name}")
                continue
            check.contains(paths, b"/d/" + name, "the paths of the links")
            check.contains(paths, b"/d/" + name[:250] + b".d/", "the paths of the links")
        for link in links:
            split = urllib.parse.urlsplit(link)
            name = urllib.parse.unquote_to_bytes(split.path)[len(b"/d/"):]
            if name in names:
                response = connection.ask(split.path)
                check.equal((response.status, response.body),
                            (200, b"file %d" % names.index(name)), f"{split.path}")
            elif name.endswith(b".d/"):
                check.equal(connection.ask(split.path).status, 200, f"{split.path}")


def test_redirects_of_hostile_directories(t):
    """The redirect of a directory whose name would break a field line leads to that directory."""
    root = t.tmp()
    names = trees.PLAIN_HOSTILE_NAMES + trees.CONTROL_NAMES + trees.LINE_END_NAMES
    for name in names:
        os.mkdir(os.path.join(os.fsencode(root), name))
        trees.write(root, name + b"/index.html", name)
    server = t.ferry(root)
    with Connection(server) as connection:
        for name in names:
            response = connection.ask("/" + quote(name))
            check.one_of(response.status, (301, 302, 307, 308), f"{name}")
            location = urllib.parse.urljoin("http://localhost/", response.field("Location"))
            path = urllib.parse.urlsplit(location).path
            check.equal(urllib.parse.unquote_to_bytes(path), b"/" + name + b"/", "Location")
            check.equal(connection.ask(path).body, name, f"{path}")


def test_a_large_directory(t):
    """More names than --list-sorted-max: streamed, every one of them once."""
    root = t.tmp()
    names = [f"file-{i:05}.txt" for i in range(3000)]
    os.mkdir(os.path.join(root, "many"))
    for name in names:
        os.close(os.open(os.path.join(root, "many", name), os.O_CREAT | os.O_WRONLY))
    server = t.ferry(root, "--list-sorted-max", "1000")
    links, _ = links_of(fetch(server, "/many/"), "http://localhost/many/")
    wanted = {"http://localhost/many/" + name for name in names}
    files = [link for link in links if link in wanted]
    check.equal(len(files), len(set(files)), "links, without doubles")
    check.equal(set(files), wanted, "the links")
    page = fetch(server, "/many/")
    check.contains(page, b"Too many names to sort", "the page")
    check.contains(page, b"<p>3000 files, 0 B</p>", "the page")
    entries = json.loads(fetch(server, "/many/?format=json"))
    check.equal({entry["name"] for entry in entries}, set(names), "the names as JSON")
    check.equal(len(entries), len(names), "objects")
    # HTTP/1.0 knows no chunks: the end of the connection is the end of the page.
    with Connection(server) as connection:
        old = connection.ask("/many/", version="HTTP/1.0")
        links, _ = links_of(old.body, "http://localhost/many/")
        check.holds(wanted <= set(links), "the same for HTTP/1.0")
