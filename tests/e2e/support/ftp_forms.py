"""TYPE, STRU and MODE of RFC 959 in Python, independent of ferry's: a file as the data connection
has it, and back. Each is written straight from the RFC's text, whole files at a time."""

import functools
import subprocess
import zlib

from support.case import Failure

PAGE_BYTES = 255


@functools.cache
def latin_of(page):
    """What each octet of a code page is in ISO 8859-1, by iconv(1)."""
    return subprocess.run(["iconv", "-f", page, "-t", "ISO-8859-1"], input=bytes(range(256)),
                          capture_output=True, check=True).stdout


class Form:
    """`kind`: "A", "E" or "I"; `control`: "N", "T" or "C"; `structure`: "F", "R" or "P"; `mode`:
    "S", "B", "C" or "Z"; `page`: the code page of TYPE E as iconv calls it."""

    def __init__(self, kind, control="N", structure="F", mode="S", page="IBM037"):
        self.kind, self.control, self.structure, self.mode = kind, control, structure, mode
        self.page = page
        self.id = f"{kind}{control if kind != 'I' else ''}-{structure}-{mode}"

    def commands(self):
        kind = "I" if self.kind == "I" else f"{self.kind} {self.control}"
        return [f"TYPE {kind}", f"STRU {self.structure}", f"MODE {self.mode}"]

    @property
    def marks_ends(self):
        return self.mode in "BC"

    # EBCDIC: IBM's table, but LF and NEL change places (RFC 959 section 3.4: NL ends a line).

    def _ebcdic(self, octets):
        swapped = octets.translate(bytes.maketrans(b"\n\x85", b"\x85\n"))
        return swapped.translate(bytes.maketrans(latin_of(self.page), bytes(range(256))))

    def _from_ebcdic(self, octets):
        text = octets.translate(latin_of(self.page))
        return text.translate(bytes.maketrans(b"\n\x85", b"\x85\n"))

    # A file to and from the lines or octets that STRU and MODE carry.

    def _characters(self, octets):
        return self._ebcdic(octets) if self.kind == "E" else octets

    def _from_characters(self, octets):
        return self._from_ebcdic(octets) if self.kind == "E" else octets

    def encode(self, stored):
        """The file `stored` on the data connection."""
        if self.control == "C" and self.kind != "I":
            stored = add_controls(stored)
        if self.structure == "R":
            lines = stored.split(b"\n")
            records = [(self._characters(line), True) for line in lines[:-1]]
            if lines[-1]:
                records.append((self._characters(lines[-1]), False))
            return self._frame(records)
        if self.structure == "P":
            return self._frame([(pages_of(stored), False)])
        octets = self._characters(stored)
        if self.kind == "A":
            octets = octets.replace(b"\n", b"\r\n")
        return self._frame([(octets, False)])

    def _frame(self, records):
        """`records`: octets, and whether they end a record."""
        if self.mode == "B":
            return block_encode(records)
        if self.mode == "C":
            return compressed_encode(records, {"A": b" ", "E": b"\x40", "I": b"\0"}[self.kind])
        if self.structure == "R":
            plain = b""
            for number, (octets, ends) in enumerate(records, 1):
                is_last = number == len(records)
                plain += octets.replace(b"\xff", b"\xff\xff")
                plain += (b"\xff\x03" if is_last else b"\xff\x01") if ends else b"\xff\x02"
            plain = plain or b"\xff\x02"
        else:
            plain = b"".join(octets for octets, _ in records)
        return zlib.compress(plain, 6) if self.mode == "Z" else plain

    def decode(self, octets):
        """The file that `octets` are, its markers, and what follows its end: (stored, markers,
        rest). Failure where they are none."""
        markers, rest = [], b""
        line_end = b"\x15" if self.kind == "E" else b"\n"
        if self.mode == "B":
            octets, markers, rest = block_decode(octets, line_end)
        elif self.mode == "C":
            filler = {"A": b" ", "E": b"\x40", "I": b"\0"}[self.kind]
            octets, markers, rest = compressed_decode(octets, line_end, filler)
        else:
            if self.mode == "Z":
                unpacked = zlib.decompressobj()
                octets = unpacked.decompress(octets) + unpacked.flush()
                if not unpacked.eof or unpacked.unused_data:
                    raise Failure("not one whole zlib stream")
            if self.structure == "R":
                octets = records_decode(octets, line_end)
        if self.structure == "P":
            octets = pages_decode(octets)
        stored = self._from_characters(octets)
        if self.kind == "A" and self.structure == "F":
            stored = stored.replace(b"\r\n", b"\n")
        if self.control == "C" and self.kind != "I":
            stored = drop_controls(stored)
        return stored, markers, rest


def every_form():
    for mode in "SBCZ":
        for structure in "FRP":
            for kind in "AEI":
                if structure == "P" and kind != "I":
                    continue
                for control in "N" if kind == "I" else "NC":
                    yield Form(kind, control, structure, mode)


# Carriage control (section 3.1.1.5.3), as asa(1) prints it.

def add_controls(stored):
    out = b""
    for number, line in enumerate(stored.split(b"\n")):
        if number:
            out += b"\n"
        elif not line and b"\n" not in stored:
            return b""
        if not line and number and number == stored.count(b"\n"):
            break  # The file ended with the line before.
        first, *over = line.split(b"\r")
        out += b"1" + first[1:] if first.startswith(b"\f") else b" " + first
        out += b"".join(b"\n+" + each for each in over)
    return out


def drop_controls(received):
    out, lines = b"", received.split(b"\n")
    for number, line in enumerate(lines):
        is_last = number == len(lines) - 1
        if is_last and not line:
            out += b"\n" if number else b""
            break
        control, text = line[:1] or b" ", line[1:]
        if number:
            out += b"\r" if control == b"+" else b"\n"
        out += {b"0": b"\n", b"-": b"\n\n", b"1": b"\f"}.get(control, b"") + text
    return out


# Records in stream mode (section 3.4.1).

def records_decode(octets, line_end):
    out, at, has_ended = b"", 0, False
    while at < len(octets):
        if has_ended:
            raise Failure("octets behind the end of the file")
        octet = octets[at:at + 1]
        at += 1
        if octet != b"\xff":
            if octet == line_end:
                raise Failure("a line end inside a record")
            out += octet
            continue
        code = octets[at]
        at += 1
        if code == 0xFF:
            out += b"\xff"
        elif code in (1, 2, 3):
            out += line_end if code & 1 else b""
            has_ended = bool(code & 2)
        else:
            raise Failure(f"escape {code}")
    return out


# Pages (section 3.1.2.3): header length, index, data length, type.

def pages_of(stored):
    out = b""
    for at in range(0, len(stored), PAGE_BYTES):
        page = stored[at:at + PAGE_BYTES]
        out += bytes((4, at // PAGE_BYTES, len(page), 1)) + page
    return out + bytes((4, 0, 0, 0))


def pages_decode(octets):
    file, at = {}, 0
    while True:
        header, index, data_bytes, kind = octets[at:at + 4]
        at += header
        if kind == 0:
            if at != len(octets):
                raise Failure("octets behind the last page")
            break
        file[index] = octets[at:at + data_bytes]
        at += data_bytes
    out = b""
    for index in sorted(file):
        out = out.ljust(index * PAGE_BYTES, b"\0") + file[index]
    return out


# Block mode (section 3.4.2): descriptor, count, data.

def block_encode(records, block_bytes=100):
    out = b""
    for octets, ends in records:
        pieces = [octets[at:at + block_bytes] for at in range(0, len(octets), block_bytes)] or [b""]
        for number, piece in enumerate(pieces, 1):
            codes = 128 if ends and number == len(pieces) else 0
            out += bytes((codes,)) + len(piece).to_bytes(2, "big") + piece
    return out + b"\x40\0\0"


def block_marker(text):
    return b"\x10" + len(text).to_bytes(2, "big") + text


def take(octets, at, size):
    if at + size > len(octets):
        raise Failure("the octets end in a string")
    return octets[at:at + size]


def block_decode(octets, line_end):
    out, markers, at = b"", [], 0
    while True:
        if at + 3 > len(octets):
            raise Failure("no end of the file")
        codes, size = octets[at], int.from_bytes(octets[at + 1:at + 3], "big")
        data = take(octets, at + 3, size)
        at += 3 + size
        if codes & 16:
            markers.append((data, len(out)))
            continue
        out += data
        if codes & 128:
            out += line_end
        if codes & 64:
            return out, markers, octets[at:]


# Compressed mode (section 3.4.3).

def compressed_encode(records, filler):
    strings = []  # (octets of one string, does it end a record?)
    for octets, ends in records:
        own = []
        at = 0
        while at < len(octets):
            run = 1
            while run < 63 and octets[at + run:at + run + 1] == octets[at:at + 1]:
                run += 1
            if octets[at:at + 1] == filler:
                own.append(bytes((0xC0 | run,)))
            elif run > 2:
                own.append(bytes((0x80 | run,)) + octets[at:at + 1])
            else:
                own.append(bytes((run,)) + octets[at:at + run])
            at += run
        if ends and not own:
            own.append(b"\xc0")
        strings += [(each, ends and each is own[-1]) for each in own]
    out = b"".join((b"\0\x80" if ends else b"") + each for each, ends in strings)
    return out + b"\0\x40\xc0"


def compressed_decode(octets, line_end, filler):
    out, markers, at, codes = b"", [], 0, 0
    while True:
        if at >= len(octets):
            raise Failure("no end of the file")
        control = octets[at]
        at += 1
        if control == 0:
            codes = take(octets, at, 1)[0]
            at += 1
            continue
        if control < 128:
            data = take(octets, at, control)
            at += control
        elif control < 192:
            data = take(octets, at, 1) * (control & 63)
            at += 1
        else:
            data = filler * (control & 63)
        if codes & 16:
            markers.append((data, len(out)))
        else:
            out += data
            out += line_end if codes & 128 else b""
        if codes & 64:
            return out, markers, octets[at:]
        codes = 0
