"""A line of one of the platform's logs, and the logs that are followed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LEVELS = ("debug", "info", "warning", "error")
"""From the least to the worst."""


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


@dataclass(frozen=True, slots=True)
class LogSource:
    """One of the logs that are followed: `reason` says why it can't be read, since `since`; empty while it can."""

    name: str
    title: str
    reason: str = ""
    since: datetime | None = None
