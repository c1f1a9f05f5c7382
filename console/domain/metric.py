"""What a metric is and what one reading of it says."""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Level(StrEnum):
    """How a value stands to its thresholds."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


class Direction(StrEnum):
    """Which side of a threshold is bad: `HIGH` values (latency) or `LOW` ones (hit rate)."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One entry of the metric catalogue, as far as others than its collector need it.

    `unit` is one of `ms`, `s`, `%`, `/s`, `/min`, `count`, `bytes`, `score`, `money`, `ratio` (0..1),
    `state` (text values). `window_s` is None for an instantaneous value. `source_kind` is `buckets`, `sql`,
    `scrape`, `http`, `report`, `probe` or `derived`; `source` is the query, sample or formula as a person would check
    it. `decimals` is how many a screen shows. `origin` is what a reading depends on: `sql:QUERY`, `scrape`,
    `http:PATH`, `report`, `probe:COMPONENT`, `cache`, `network`, `derived` or "". An `event` is true for one tick: its
    value says what has just happened, not how things stand.
    """

    name: str
    title: str
    unit: str
    group: str
    source_kind: str
    source: str
    help: str = ""
    window_s: float | None = None
    decimals: int = 0
    warning: float | None = None
    critical: float | None = None
    direction: Direction = Direction.HIGH
    origin: str = ""
    event: bool = False

    @property
    def limit(self) -> float | None:
        """The threshold that a plot draws: the critical one, else the warning one."""
        return self.critical if self.critical is not None else self.warning

    def level(self, value: float | str | None) -> Level | None:
        """`value` against the thresholds; None without a value or without thresholds."""
        if not isinstance(value, int | float) or math.isnan(value) or self.limit is None:
            return None
        sign = 1 if self.direction is Direction.HIGH else -1
        for level, bound in ((Level.CRITICAL, self.critical), (Level.WARNING, self.warning)):
            if bound is not None and value * sign > bound * sign:
                return level
        return Level.OK


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One reading. `value` is None when it could not be had; then `reason` says why, in words, and `failed` whether the
    source could not be asked or gave nonsense (else there is no such source, or it has nothing to say)."""

    name: str
    value: float | str | None
    at: datetime
    level: Level | None = None
    reason: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """Equally spaced buckets of one metric: bucket i covers [start + i * step_s, start + (i + 1) * step_s).

    A bucket without a numeric reading is None, never a number made up between its neighbours.
    """

    start: datetime
    step_s: float
    values: tuple[float | None, ...]
