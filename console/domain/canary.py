"""A platform before a deployment and since it, metric by metric, with how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric, before and since, in `unit`. `low` to `high` is the 95 % interval of the change; None where too
    little was seen for one. `allowed` is the change that is tolerated; `bad` says that even `low` is more than that."""

    name: str
    title: str
    unit: str
    before: float | None
    now: float | None
    low: float | None = None
    high: float | None = None
    allowed: float | None = None
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """`of_before` and `of_now` are how many orders were counted; `since` is when the new release took over, `until`
    when the watch over it ends."""

    of_before: int
    of_now: int
    since: datetime
    until: datetime
    rows: tuple[Compared, ...] = ()
