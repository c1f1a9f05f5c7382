"""What a key that starts an action is filled in from: the row under the cursor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.domain import format as fmt
from console.domain.text import printable

# Every screen comes here, also the first one.
if TYPE_CHECKING:
    from console.domain.diagnosis import Sample
    from console.domain.log import LogLine

_MAYBE_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{3,45}")
_REASON = 120


@dataclass(frozen=True, slots=True)
class Aim:
    """`address` and `user` are "" where the row has none; `reason` is what is proposed as one, `cause` what the action
    comes from: `finding 3`."""

    address: str = ""
    user: str = ""
    reason: str = ""
    cause: str = ""


def at_line(line: LogLine) -> Aim:
    """The first address that stands in a line of a log, and its account."""
    reason = printable(f"{line.source} log {fmt.clock(line.at)}: {line.text}", _REASON)
    return Aim(address_in(f"{line.origin} {line.text}"), line.user, reason, f"log line {line.id}")


def at_sample(sample: Sample) -> Aim:
    """What an order of a diagnosis is about."""
    order, why = sample.field("id"), sample.field("reason")
    addresses = (address_in(f"{line.origin} {line.text}") for line in sample.log)
    return Aim(
        next(filter(None, addresses), ""),
        sample.field("user") or "",
        ": ".join(filter(None, (f"order {order}", why))) if order else "",
        f"order {order}" if order else "",
    )


def address_in(text: str) -> str:
    """The first address in a text, as a source of attacks counts (see finding.source_of); "" without one."""
    # Only where a key asks for it.
    from console.domain.finding import source_of

    for found in _MAYBE_ADDRESS.finditer(text):
        word = found.group().strip(".:") if "::" not in found.group() else found.group().strip(".")
        begin = text.find(word, found.start())
        if text[max(begin - 1, 0) : begin].isalnum():
            # A part of a longer word, as the number of a version is: v2.14.4.1.
            continue
        source = source_of(word) if "." in word or ":" in word else None
        if source is not None:
            return source
    return ""
