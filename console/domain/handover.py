"""A shift handed over: what there was to know, in words, signed by both. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from console.domain.event import Event, tally
from console.domain.format import age, counted


@dataclass(frozen=True, slots=True)
class Handover:
    """`text` is printable Markdown of several lines, `note` what the giver adds. `signed_at` is None until the taker
    has signed; the giver signs by offering it."""

    id: int
    giver: str
    taker: str
    text: str
    note: str
    at: datetime
    signed_at: datetime | None = None


def meanwhile(handover: Handover, events: Sequence[Event], now: datetime) -> str:
    """What it does not say: `23m passed before it was signed: 2 critical in 9 entries`. `events` are the latest ones,
    newest first; where they do not reach back to the offer nothing is counted."""
    until = handover.signed_at or now
    passed = f"{age(until - handover.at)} {'passed before it was signed' if handover.signed_at else 'ago'}"
    if not events or events[-1].at > handover.at:
        return passed
    since = [e for e in events if handover.at < e.at <= until and e.kind != "handover"]
    if not since:
        return f"{passed}: nothing happened"
    return f"{passed}: {tally(since) or 'nothing of weight'} in {counted(len(since), 'entry', 'entries')}"
