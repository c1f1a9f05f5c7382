"""A recorded past for the alerts: ticks with episodes and gaps, the same for the same seed, and what came of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from console.alerting.rulebook import Rulebook
from console.domain.metric import Direction, MetricSpec, MetricValue
from console.store import lease as leases
from console.store import ticks
from tests.store.stores import NOON, Place

TICK = timedelta(seconds=2)
TIME_SCALE = 10.0


def _spec(name: str, unit: str, origin: str = "sql:orders", **more: object) -> MetricSpec:
    title = name.replace("_", " ").capitalize()
    return MetricSpec(name, title, unit, "test", "sql", name, origin=origin, **more)  # pyright: ignore[reportArgumentType]


SPECS = (
    _spec("error_rate", "%", warning=1, critical=5, decimals=2),
    _spec("avg_execution_time", "ms", warning=400, critical=500),
    _spec("cpu_usage", "%", "scrape", warning=80, critical=95),
    _spec("memory_usage", "%", "scrape", warning=85, critical=95),
    _spec("redis_hit_pct", "%", "cache", warning=90, critical=80, direction=Direction.LOW),
    _spec("database_status", "state", "probe:database"),
    _spec("platform_status", "state", "probe:platform"),
    _spec("performance_score", "score", "derived", decimals=1),
    _spec("security_score", "score", "derived", decimals=1),
    _spec("active_threats", "count", ""),
    _spec("deployment_status", "state", "", event=True),
)
_CALM: dict[str, float | str | None] = {
    "error_rate": 0.3,
    "avg_execution_time": 160.0,
    "cpu_usage": 30.0,
    "memory_usage": 50.0,
    "redis_hit_pct": 97.0,
    "database_status": "up",
    "platform_status": "up",
    "performance_score": 95.0,
    "security_score": 99.0,
    "active_threats": 0.0,
    "deployment_status": None,
}
_BAD: dict[str, Sequence[float | str | None]] = {
    "error_rate": (2.0, 7.0, 60.0, None),
    "avg_execution_time": (420.0, 900.0, None),
    "cpu_usage": (85.0, 99.0, None),
    "memory_usage": (86.0, 97.0),
    "redis_hit_pct": (85.0, 10.0),
    "database_status": ("down", "degraded", None),
    "platform_status": ("degraded", "down"),
    "security_score": (80.0,),
    "active_threats": (2.0, None),
}
Row = tuple[datetime, list[MetricValue]]


def reading(name: str, value: float | str | None, at: datetime) -> MetricValue:
    """A reading; one that is None failed to be collected, but for events, which just did not happen."""
    spec = next(s for s in SPECS if s.name == name)
    reason = None if value is not None else "nothing happened" if spec.event else "timed out after 3 s"
    return MetricValue(name, value, at, spec.level(value), reason, failed=value is None and not spec.event)


def row(at: datetime, **values: float | str | None) -> Row:
    """A calm tick but for these values."""
    return at, [reading(s.name, (_CALM | values)[s.name], at) for s in SPECS]


def rows(seed: int, count: int, *, start: datetime = NOON) -> list[Row]:
    """`count` ticks: now and then a metric is bad for a while, flaps, is not collected, or whole ticks are missing."""
    dice = random.Random(seed)
    found: list[Row] = []
    bad: dict[str, tuple[float | str | None, int]] = {}
    at = start
    for _ in range(count):
        at += TICK * (dice.choice((30, 90)) if dice.random() < 0.004 else 1)
        for name, values in _BAD.items():
            if name not in bad and dice.random() < 0.012:
                bad[name] = (dice.choice(values), dice.choice((1, 2, 4, 8, 20, 60)))
        now = {name: value for name, (value, _) in bad.items()}
        if dice.random() < 0.01:
            now["deployment_status"] = "success"
        found.append(row(at, **now))
        bad = {name: (value, left - 1) for name, (value, left) in bad.items() if left > 1}
    return found


def rulebook(**more: object) -> Rulebook:
    """The shipped rules on the recorded metrics."""
    return Rulebook(SPECS, time_scale=TIME_SCALE, **more)  # pyright: ignore[reportArgumentType]


async def record(place: Place, recorded: Sequence[Row]) -> None:
    """Put these ticks into the store, and where alerts begin before the first of them."""
    async with place.leader("recorder") as (store, lease):
        await ticks.write_seeded(store, lease, SPECS, recorded)
        await leases.release(store, lease)
    first = recorded[0][0] - TICK / 2
    await place.owner(
        "INSERT INTO console.alert_cursor (at) VALUES ($1) ON CONFLICT (one) DO UPDATE SET at = $1", first
    )


async def transitions(place: Place) -> list[tuple[object, ...]]:
    """The alerts' history as plain SQL has it: when, which rule, what, and at which value."""
    found = await place.owner(
        "SELECT at, rule, kind, value, value_text FROM console.alert_change ORDER BY at, rule, id"
    )
    return [tuple(entry) for entry in found]
