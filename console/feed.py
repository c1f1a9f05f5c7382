"""The store, as live screens see it: a Snapshot that is kept current; beside it `query` for what is read on demand
and `desk` for what a person may change.

Knows nothing of screens and never touches the platform.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from console.domain.alert import Alert
from console.domain.errors import StoreAway, StoreRefused
from console.domain.event import Severity
from console.domain.health import Check, Overall, Verdict
from console.domain.metric import Series
from console.domain.snapshot import (
    RESOLVED_FOR,
    ComponentHealth,
    Link,
    Metrics,
    Snapshot,
)
from console.domain.text import printable
from console.domain.verdict import overall
from console.metrics.trend import StatusTrend, Trend, bucket_start
from console.rules.names import ACTIONS, named
from console.store import alerts, health, silences, ticks, timeline
from console.store import lease as leases
from console.store.health import latency_metric
from console.store.pool import Store

if TYPE_CHECKING:
    from console.desk import Desk
    from console.query import Query

SECTIONS = (
    *("link", "agent", "overall", "health", "metrics", "trends", "events", "alerts", "silences"),
    *("control", "kinds", "actions", "effects", "freezes", "glass"),
    *("findings", "detectors", "releases", "candidates", "checklist", "incidents", "checklists"),
)
TREND_STEP_S, TREND_POINTS = 30.0, 120
STATUS_STEP_S, STATUS_POINTS = 150.0, 24
EVENTS = 30
_RETRY_S = 1.0
_POLL_S = 4.0
_CLOCK_EVERY_S = 60.0
# Hints of what no snapshot holds; who shows it reads it.
_ON_DEMAND = frozenset({"log", "diagnosis", "output", "audit", "book", "presence", "handover"})
_SECTIONS_TOLD = frozenset(
    {"tick", "event", "alert", "action", "kind", "finding", "release", "check", "incident", "duty"}
)

Listener = Callable[[Snapshot, frozenset[str]], None]
# Critical ones about what people do, such as a broken glass, are apart: they tell nothing of the platform.
_PEOPLE = "people"
_Firing = Mapping[str, Sequence[str]]
"""What fires and counts in words, by severity."""


class Feed(Protocol):
    """What a screen is given."""

    snapshot: Snapshot

    @property
    def query(self) -> Query: ...

    @property
    def desk(self) -> Desk: ...

    def now(self) -> datetime:
        """The store's clock, estimated from its last answer and the monotonic clock."""
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each new snapshot and the names of the sections that changed.

        Returns a function that ends it. Called in the event loop.
        """
        ...

    def watch(self, hint: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` whenever the store hints that there is more of something (`log`, `diagnosis`, `output`,
        `audit`, `book`, `presence`, `handover`: no snapshot holds it; `action`: its steps; `event`: a timeline), and
        after each reconnection. Returns a function that ends it. Called in the event loop."""
        ...

    async def run(self) -> None:
        """Keep the snapshot current until cancelled. A store that is away is shown, never raised."""
        ...

    def refresh(self) -> None:
        """Read everything again now."""
        ...


class Listeners:
    """Who is told of a new snapshot."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def publish(self, before: Snapshot, after: Snapshot) -> None:
        changed = frozenset(s for s in SECTIONS if getattr(before, s) != getattr(after, s))
        if changed:
            for listener in tuple(self._listeners):
                listener(after, changed)


class Hints:
    """Who is told of which hint."""

    def __init__(self) -> None:
        self._watchers: list[tuple[str, Callable[[], None]]] = []

    def add(self, hint: str, callback: Callable[[], None]) -> Callable[[], None]:
        entry = (hint, callback)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry) if entry in self._watchers else None

    def tell(self, what: str) -> None:
        for hint, callback in tuple(self._watchers):
            if what in (hint, "listening", "reconnected", "all"):
                callback()


class LiveFeed:
    """Follows a store. The connection is made in `run`, so that a screen is there before the first answer."""

    def __init__(
        self, url: str, *, user: str | None = None, password: str | None = None, read_only: bool = False
    ) -> None:
        self.snapshot = Snapshot(datetime.now(UTC))
        self._open = partial(Store.open, url, user=user, password=password, read_only=read_only)
        self._store: Store | None = None
        self._listeners = Listeners()
        self._watchers = Hints()
        self._wake = asyncio.Event()
        self._hints: set[str] = set()
        self._offset = time.time() - time.monotonic()
        self._clock_at = -math.inf
        self._trend = Trend(TREND_STEP_S, TREND_POINTS)
        self._statuses = StatusTrend(STATUS_STEP_S, STATUS_POINTS)
        self._firing_of: Sequence[Alert] = ()
        self._firing: _Firing = {}

    @property
    def query(self) -> Query:
        # The first screen asks nothing.
        from console.query import StoreQuery

        return StoreQuery(self)

    @property
    def desk(self) -> Desk:
        from console.desk import StoreDesk

        return StoreDesk(self)

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.monotonic() + self._offset, UTC)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._listeners.add(listener)

    def watch(self, hint: str, callback: Callable[[], None]) -> Callable[[], None]:
        return self._watchers.add(hint, callback)

    def refresh(self) -> None:
        self._hint("all")

    async def run(self) -> None:
        try:
            while True:
                try:
                    await self._follow()
                except (StoreAway, StoreRefused) as error:
                    self._publish(link=self._away(printable(error)))
                    await self._pause(_RETRY_S)
        finally:
            await self.close()

    async def read(self) -> Snapshot:
        """Connect if needed, read everything once, and return it. Raises StoreAway, StoreRefused."""
        if self._store is None:
            self._store = await self._open()
        await self._load(self._store, {"all"})
        return self.snapshot

    async def close(self) -> None:
        """Give the connections back."""
        store, self._store = self._store, None
        if store is not None:
            with contextlib.suppress(Exception):
                await store.close()

    async def connected(self) -> Store:
        """The store in use. Raises StoreAway while there is none."""
        if self._store is None:
            raise StoreAway(self.snapshot.link.away or "the store is not connected yet")
        return self._store

    def _away(self, reason: str) -> Link:
        link = self.snapshot.link
        return replace(link, away=reason, away_since=link.away_since or self.now())

    def _hint(self, what: str) -> None:
        self._watchers.tell(what)
        if what == "listening":
            # What was written since the first reading, and before anybody listened, told nobody.
            self._hints |= _SECTIONS_TOLD
            self._wake.set()
        elif what not in _ON_DEMAND:
            self._hints.add(what)
            self._wake.set()

    async def _pause(self, seconds: float) -> None:
        """Wait for a hint, at most this long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _follow(self) -> None:
        """Read all, then what notifications and the clock ask for, until the store is away."""
        if self._store is None:
            self._store = await self._open()
        store = self._store
        await self._load(store, {"all"})
        listening = asyncio.create_task(store.listen(self._hint))
        try:
            while True:
                await self._pause(_POLL_S)
                hints, self._hints = self._hints, set()
                if listening.done():
                    listening.result()
                # Without a hint the lease is read all the same: a leader that died notifies nobody.
                await self._load(store, hints or {"lease"})
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _load(self, store: Store, hints: set[str]) -> None:
        everything = bool(hints & {"all", "reconnected"}) or self.snapshot.link.away is not None
        if everything or time.monotonic() - self._clock_at > _CLOCK_EVERY_S:
            await self._measure_clock(store)
        sections: dict[str, Any] = {}
        past = everything
        if everything:
            sections["link"] = await store.link()
        sections["agent"] = await leases.agent_state(store)
        if everything or "event" in hints:
            sections["events"] = tuple(await timeline.recent(store, limit=EVENTS))
        if everything or "alert" in hints or self._silence_ended():
            since = self.now() - RESOLVED_FOR
            sections["alerts"] = tuple(await alerts.current(store, resolved_since=since))
            sections["silences"] = tuple(await silences.active(store))
        current: Sequence[tuple[Check, datetime]] = ()
        if everything or "tick" in hints:
            metrics = await ticks.latest(store)
            current = await health.current(store)
            # A component that was never seen before may have a past all the same: at a first start, a seeded one.
            past = past or not {check.component for check, _ in current} <= self._statuses.components
            if not everything and metrics.at is not None and metrics.at != self.snapshot.metrics.at:
                self._trend.add(metrics.at, _numbers(metrics))
                self._statuses.add(metrics.at, {c.component: c.status for c, _ in current})
            sections["metrics"] = metrics
            sections |= self._with_trends(current)
        self._publish(**sections)
        if not everything and (told := await self._control(store, hints)):
            self._publish(**told)
        if past:
            # The present is on the screen before the past is read.
            await self._load_past(store, self.snapshot.metrics, [check.component for check, _ in current])
            self._publish(**self._with_trends(current))
        if everything:
            self._publish(**await self._control(store, _SECTIONS_TOLD))

    async def _control(self, store: Store, hints: Collection[str]) -> dict[str, Any]:
        # Nothing of it is on the first screen.
        from console import control

        return await control.read(store, hints, self.now())

    def _with_trends(self, current: Sequence[tuple[Check, datetime]]) -> dict[str, Any]:
        trends = self._trend.series()
        return {"trends": trends, "health": self._component_health(current, trends)}

    def _silence_ended(self) -> bool:
        """A silence ends by the clock: nobody tells."""
        now = self.now()
        return any(silence.ends_at <= now for silence in self.snapshot.silences)

    async def _measure_clock(self, store: Store) -> None:
        begun = time.monotonic()
        answer = await store.now()
        ended = time.monotonic()
        self._offset = answer.timestamp() - (begun + ended) / 2
        self._clock_at = ended

    async def _load_past(self, store: Store, metrics: Metrics, components: Sequence[str]) -> None:
        """The last hour, once: from here on each tick is added as it comes."""
        now = self.now()
        end = bucket_start(now, TREND_STEP_S) + timedelta(seconds=TREND_STEP_S)
        names = [n for n, spec in metrics.specs.items() if spec.unit != "state"]
        past = await ticks.series(store, names, start=end - self._trend.span, end=end, points=TREND_POINTS)
        self._trend.load(past, now)
        span = timedelta(seconds=STATUS_STEP_S * STATUS_POINTS)
        end = bucket_start(now, STATUS_STEP_S) + timedelta(seconds=STATUS_STEP_S)
        worst = await health.history(store, components, start=end - span, end=end, points=STATUS_POINTS)
        self._statuses.load(worst, now)

    def _component_health(
        self, current: Sequence[tuple[Check, datetime]], trends: Mapping[str, Series]
    ) -> tuple[ComponentHealth, ...]:
        ratio = round(STATUS_STEP_S / TREND_STEP_S)
        out = []
        for check, since in current:
            latency = trends.get(latency_metric(check.component))
            values = latency.values if latency else ()
            groups = [values[i : i + ratio] for i in range(0, len(values), ratio)]
            out.append(
                ComponentHealth(
                    check,
                    since,
                    latency=tuple(_mean(g) for g in groups),
                    worst=self._statuses.worst(check.component),
                    error_pct=self._statuses.error_pct(check.component),
                )
            )
        return tuple(sorted(out, key=lambda c: _order(c.check.component)))

    def _publish(self, **sections: Any) -> None:
        before = self.snapshot
        after = replace(before, at=self.now(), **sections).without_the_past()
        if after.alerts is not self._firing_of:
            self._firing_of, self._firing = after.alerts, _firing(after.alerts)
        self.snapshot = replace(after, overall=_overall(after, self._firing))
        self._listeners.publish(before, self.snapshot)


def _numbers(metrics: Metrics) -> dict[str, float | None]:
    return {
        name: value.value if isinstance(value.value, int | float) else None
        for name, value in metrics.values.items()
        if metrics.specs[name].unit != "state"
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _order(component: str) -> tuple[int, str]:
    """Core first, then the functions under their sum, then the platform's own doors."""
    head = component.partition("/")[0]
    known = ("database", "cache", "external_apis", "edge_functions", "websocket", "platform")
    return (known.index(head) if head in known else len(known)), component


def _overall(snapshot: Snapshot, firing: _Firing) -> Overall:
    metrics = snapshot.metrics
    error_rate = metrics.values.get("error_rate")
    rate = error_rate.value if error_rate else None
    stale = snapshot.is_stale(metrics.at, snapshot.at)
    if not (stale or snapshot.agent.judging):
        return Overall(Verdict.UNKNOWN, "no rule is evaluated any more: the agent's log says why")
    return overall(
        (c.check for c in snapshot.health),
        error_rate_pct=rate if isinstance(rate, int | float) else None,
        critical=firing.get(Severity.CRITICAL, ()),
        warning=firing.get(Severity.WARNING, ()),
        stale=stale,
        people=firing.get(_PEOPLE, ()),
    )


def _firing(found: Sequence[Alert]) -> _Firing:
    """Rules that somebody named first, then what began first: that is nearest to the cause."""
    counting = [alert for alert in found if alert.counts]
    counting.sort(key=lambda alert: (not named(alert.rule), alert.since))
    words: dict[str, list[str]] = {}
    for alert in counting:
        people = alert.severity is Severity.CRITICAL and alert.rule.startswith(ACTIONS)
        words.setdefault(_PEOPLE if people else alert.severity, []).append(alert.summary or alert.rule)
    return words
