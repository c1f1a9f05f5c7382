"""A line of one of the platform's logs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LogLine:
    """`id` grows in the order in which lines reached the store (0 for a line that is not from there). `source` is
    `functions`, `auth` or `orders`; `level` is `error`, `warning`, `info` or `debug`; `origin` is what wrote it (a
    function's name, an address). All text is printable."""

    id: int
    at: datetime
    source: str
    level: str
    origin: str
    text: str
    user: str = ""
    request: str = ""
