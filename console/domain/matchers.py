"""Matchers as a person writes them: `rule="High Error Rate" severity=critical`. Pure; a slip is Misuse."""

from __future__ import annotations

import re
from collections.abc import Iterable

from console.domain.alert import LABELS, Matcher
from console.domain.errors import Misuse
from console.domain.text import printable

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_MATCHER = re.compile(rf"\s*(\w+)\s*(=~|!~|!=|=)\s*(?:{_QUOTED}|([^\s,\"]+))\s*(?:,|$|(?=\s\w))")
_ALONE = re.compile(r"\s*(\w+)\s*(=~|!~|!=|=)\s*(\S.*?)\s*")


def parsed(text: str) -> tuple[Matcher, ...]:
    """Terms separated by blanks or commas; a value with blanks stands in double quotes. Raises Misuse."""
    found: list[Matcher] = []
    place, wanted = 0, text.strip()
    while place < len(wanted):
        part = _MATCHER.match(wanted, place)
        if part is None:
            raise Misuse(f'expected LABEL="VALUE" at: {printable(wanted[place:], 30)}')
        found.append(_matcher(part[1], part[2], part[4] if part[3] is None else _unquoted(part[3])))
        place = part.end()
    if not found:
        raise Misuse("at least one matcher is needed: a silence of everything hides everything")
    return tuple(found)


def single(text: str) -> Matcher:
    """One term by itself, whose quotes a shell may have taken away: the value is all that is left. Raises Misuse."""
    part = _ALONE.fullmatch(text)
    if part is None:
        raise Misuse(f"expected LABEL=VALUE, not {printable(text, 60)!r}")
    inner = re.fullmatch(_QUOTED, part[3])
    return _matcher(part[1], part[2], part[3] if inner is None else _unquoted(inner[1]))


def written(wanted: Iterable[Matcher]) -> str:
    """The text that `parsed` reads."""
    return " ".join(map(str, wanted))


def _matcher(label: str, op: str, value: str) -> Matcher:
    if label not in LABELS:
        raise Misuse(f"no label is called {label}: one of {', '.join(LABELS)}")
    return Matcher(label, op, value)


def _unquoted(value: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", value)
