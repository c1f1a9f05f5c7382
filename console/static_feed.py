"""A feed that holds still: for pictures and pilot tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from console.desk import Desk
from console.domain.alert import AlertChange, Matcher, Silence
from console.domain.diagnosis import Diagnosis
from console.domain.errors import Refused
from console.domain.event import Event
from console.domain.health import CheckPoint
from console.domain.log import LogLine, LogSource
from console.domain.metric import Series
from console.domain.snapshot import Snapshot
from console.feed import Hints, Listener, Listeners
from console.query import FiredPerHour, Query


class ClosedDesk:
    """Refuses everything."""

    async def acknowledge(self, ids: Sequence[int], note: str = "") -> None:
        raise Refused("nothing can be changed here")

    async def unacknowledge(self, ids: Sequence[int]) -> None:
        raise Refused("nothing can be changed here")

    async def silence(self, matchers: Sequence[Matcher], length: timedelta, reason: str) -> Silence:
        raise Refused("nothing can be changed here")

    async def end_silence(self, silence_id: int) -> None:
        raise Refused("nothing can be changed here")


class StaticFeed:
    """`publish` shows another snapshot, `hint` tells watchers what a store would tell. What is asked on demand is
    answered from what was given."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        now: datetime,
        series: Mapping[str, Series] | None = None,
        checks: Mapping[str, Sequence[CheckPoint]] | None = None,
        history: Mapping[int, Sequence[AlertChange]] | None = None,
        fired: FiredPerHour = (),
        diagnoses: Mapping[int, Diagnosis] | None = None,
        changes: Sequence[Event] = (),
        lines: Sequence[LogLine] = (),
        sources: Sequence[LogSource] = (),
        desk: Desk | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.desk: Desk = desk or ClosedDesk()
        self.lines = list(lines)
        self.sources = list(sources)
        self.diagnoses = dict(diagnoses or {})
        self._now = now
        self._series = series if series is not None else snapshot.trends
        self._checks = checks or {}
        self._history = history or {}
        self._fired = fired
        self._changes = changes
        self._listeners = Listeners()
        self._hints = Hints()

    @property
    def query(self) -> Query:
        return self

    def now(self) -> datetime:
        return self._now

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._listeners.add(listener)

    def watch(self, hint: str, callback: Callable[[], None]) -> Callable[[], None]:
        return self._hints.add(hint, callback)

    def hint(self, what: str) -> None:
        self._hints.tell(what)

    def publish(self, snapshot: Snapshot, *, now: datetime | None = None) -> None:
        before, self.snapshot = self.snapshot, snapshot
        self._now = now or self._now
        self._listeners.publish(before, snapshot)

    async def run(self) -> None:
        """Nothing changes by itself."""

    def refresh(self) -> None:
        """There is nothing to read."""

    async def series(
        self, names: Sequence[str], window: timedelta, points: int, *, ago: timedelta = timedelta()
    ) -> Mapping[str, Series]:
        step = window.total_seconds() / points
        nothing = Series(self._now - window - ago, step, (None,) * points)
        return {name: self._series.get(name, nothing) for name in names}

    async def checks(self, component: str, window: timedelta) -> Sequence[CheckPoint]:
        return self._checks.get(component, ())

    async def events(self, *, subject: str | None = None, limit: int = 50) -> Sequence[Event]:
        return [e for e in self.snapshot.events if subject in (None, e.subject)][:limit]

    async def changes_before(
        self, moment: datetime, window: timedelta, *, but: str | None = None
    ) -> Sequence[Event]:
        return self._changes

    async def alert_history(self, alert_id: int, *, limit: int = 50) -> Sequence[AlertChange]:
        return self._history.get(alert_id, ())[:limit]

    async def fired_per_hour(self, hours: int) -> FiredPerHour:
        return self._fired

    async def diagnosis(self, alert_id: int) -> Diagnosis | None:
        return self.diagnoses.get(alert_id)

    async def logs(self, *, after: int | None = None, limit: int = 500, **more: Any) -> Sequence[LogLine]:
        """Of the filters only `after`, `sources`, `request` and `limit` count."""
        sources, request = more.get("sources"), more.get("request")
        found = [
            line
            for line in self.lines
            if (after is None or line.id > after)
            and (sources is None or line.source in sources)
            and (request is None or line.request == request)
        ]
        return found[:limit] if after is not None else found[-limit:]

    async def log_sources(self) -> Sequence[LogSource]:
        return self.sources
