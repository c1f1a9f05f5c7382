"""A platform before a deployment and since it, metric by metric, with how sure that is; and what is tolerated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Allowed:
    """How bad a metric may become: by `more` in its unit, to so many `times` what it was, and to `over` in any case."""

    more: float = 0.0
    times: float = 1.0
    over: float = 0.0

    def change(self, before: float) -> float:
        """The change that is tolerated, in the metric's unit; never negative."""
        return max(self.more, (self.times - 1) * before, self.over - before)


@dataclass(frozen=True, slots=True)
class Watch:
    """How a release is watched. `length` is for how long, `before` how much of the time before it is compared with it
    (neither scaled); `orders` is how many have to be finished before anything is called bad."""

    length: timedelta
    before: timedelta
    orders: int
    worse: Mapping[str, Allowed]


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric, before and since, in `unit`. `low` to `high` is the 95 % interval of the change; an end is None where
    too little was seen for it. `allowed` is the change that is tolerated (None: it is only shown); `bad` says that even
    `low` is more than that."""

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
