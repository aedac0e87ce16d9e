"""Assertions that say what was wrong."""

from support.case import Failure


def shown(value):
    """`value` as a message has room for it."""
    text = repr(value)
    return text if len(text) <= 600 else f"{text[:400]}...{text[-160:]} ({len(text)} characters)"


def holds(condition, what):
    if not condition:
        raise Failure(what)


def equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: got {shown(got)}, wanted {shown(wanted)}")


def one_of(got, wanted, what):
    if got not in wanted:
        raise Failure(f"{what}: got {shown(got)}, wanted one of {shown(sorted(wanted))}")


def contains(whole, part, what):
    if part not in whole:
        raise Failure(f"{what}: {shown(part)} is not in {shown(whole)}")


def lacks(whole, part, what):
    if part in whole:
        raise Failure(f"{what}: {shown(part)} is in {shown(whole)}")


def same_bytes(got, wanted, what):
    """Compares contents too long to be printed."""
    if got == wanted:
        return
    if len(got) != len(wanted):
        raise Failure(f"{what}: {len(got)} octets, wanted {len(wanted)}; "
                      f"begins {got[:60]!r}, wanted {wanted[:60]!r}")
    place = next(i for i, (a, b) in enumerate(zip(got, wanted)) if a != b)
    raise Failure(f"{what}: octet {place} of {len(wanted)} differs: "
                  f"{got[place:place + 40]!r}, wanted {wanted[place:place + 40]!r}")
