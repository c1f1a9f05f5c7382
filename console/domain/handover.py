"""A shift handed over: what there was to know, in words, signed by both. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
