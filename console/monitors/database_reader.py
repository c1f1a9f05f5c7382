"""Runs the catalogue's queries so that a tick's cost does not depend on how much history there is.

Windows end at U: the platform database's now(), rounded down to a slice. A query with `every` keeps its answer until
it is due again. A query that fails, or does not answer in time, has that as its reason and disturbs no other.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from console.domain.errors import SourceFailed
from console.gateway.database import Database
from console.gateway.orders import bucket_row
from console.gateway.reasons import NoSource
from console.metrics.catalogue import Catalogue
from console.metrics.histogram import SlidingWindow
from console.metrics.sources import FromBuckets, Query, QueryKind
from console.monitors.reading import Answer, number
from console.monitors.running import Running

_CLOCK = "now()"
_CLOCK_TIMEOUT_S = 3.0
_CHUNK = timedelta(hours=1)
_SMALLEST_CHUNK = timedelta(minutes=1)
_TICK = timedelta(microseconds=1)
# Where ticks are short, each looks for late rows in the last seconds, and one of several in the whole overlap.
_TAIL_S = 5.0
_WHOLE_OVERLAP_EACH = timedelta(seconds=10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class _DayTotals:
    """Sums since `day` up to `settled`, which late rows no longer change."""

    day: datetime
    settled: datetime
    sums: dict[str, float] = field(default_factory=dict)
    chunk: timedelta = _CHUNK

    def with_row(self, row: Mapping[str, float]) -> dict[str, float]:
        return {name: self.sums.get(name, 0.0) + value for name, value in row.items()}


def slice_length(tick_s: float) -> int:
    """Seconds of a slice: 1 where ticks are short, else 5."""
    return 1 if tick_s <= 5 else 5


def slices(window_s: float, slice_s: int) -> int:
    """A window in whole slices."""
    return max(round(window_s / slice_s), 1)


def midnight(moment: datetime, zone: ZoneInfo) -> datetime:
    """When the day of `moment` began in `zone`, in UTC."""
    return moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


class DatabaseReader:
    """Answers for every query of a catalogue, by name: a SlidingWindow for BUCKETS, else a mapping of columns."""

    def __init__(self, database: Database, catalogue: Catalogue, *, tick_s: float) -> None:
        self.slice_s = slice_length(tick_s)
        self._database = database
        self._queries = catalogue.queries
        self._zone = catalogue.time_zone
        self._running: Running[str, Answer] = Running()
        self._clock: Running[str, datetime | str] = Running()
        self._answers: dict[str, Answer] = {}
        self._begun: dict[str, float] = {}
        self._days: dict[str, _DayTotals] = {}
        self._overlap_read: dict[str, datetime] = {}
        self._windows = {
            query.name: SlidingWindow(
                slices(entry.spec.window_s or 0, self.slice_s)
                for entry in catalogue.entries
                if isinstance(entry.source, FromBuckets) and entry.source.query == query.name
            )
            for query in catalogue.queries.values()
            if query.kind is QueryKind.BUCKETS
        }

    async def read(self, now: datetime, *, patience_s: float) -> dict[str, Answer]:
        """All answers as of this tick, at most `patience_s` later."""
        if not self._queries:
            return {}
        begun = time.monotonic()
        until = await self._until(patience_s)
        if isinstance(until, str):
            return dict.fromkeys(self._queries, Answer(now, reason=until))
        # What failed last comes last, so that one that is slow keeps no other waiting.
        due = sorted((q for q in self._queries.values() if self._due(q, now)), key=self._failed)
        jobs: dict[str, Callable[[], Awaitable[Answer]]] = {}
        for query in due:
            if query.name not in self._running:
                self._begun[query.name] = time.monotonic()
                jobs[query.name] = lambda query=query: self._answer(query, now, until)
        left_s = max(patience_s - (time.monotonic() - begun), 0.0)
        self._answers |= await self._running.run(jobs, left_s)
        return {name: self._present(query, now) for name, query in self._queries.items()}

    def cancel(self) -> None:
        """Give up what still runs."""
        self._running.cancel()
        self._clock.cancel()

    async def _until(self, patience_s: float) -> datetime | str:
        """U, or why it can't be had: then no query has to wait for the same reason."""

        async def ask() -> datetime | str:
            try:
                rows = await self._database.fetch("SELECT now()", timeout_s=_CLOCK_TIMEOUT_S)
                return rows[0][0]
            except SourceFailed as error:
                return str(error)

        ended = await self._clock.run({_CLOCK: ask}, patience_s)
        answer = ended.get(_CLOCK, f"no answer for {patience_s:.1f} s so far")
        if isinstance(answer, str):
            return answer
        return _EPOCH + timedelta(seconds=(answer - _EPOCH) // timedelta(seconds=self.slice_s) * self.slice_s)

    def _due(self, query: Query, now: datetime) -> bool:
        last = self._answers.get(query.name)
        if query.every_s is None or last is None or (last.reason is not None and not last.absent):
            return True
        return (now - last.at).total_seconds() >= query.every_s or now < last.at

    def _failed(self, query: Query) -> bool:
        last = self._answers.get(query.name)
        return last is not None and last.reason is not None

    def _present(self, query: Query, now: datetime) -> Answer:
        """This tick's answer, the kept one, or that there is none yet."""
        last = self._answers.get(query.name)
        if query.name in self._running:
            kept_s = 3 * (query.every_s or 0)
            if last is None or last.reason is not None or (now - last.at).total_seconds() > kept_s:
                return self._not_yet(query, now)
        return last if last is not None else Answer(now, reason="not asked yet", absent=True)

    def _not_yet(self, query: Query, now: datetime) -> Answer:
        totals = self._days.get(query.name)
        if totals is not None and totals.settled > totals.day:
            settled = f"{totals.settled.astimezone(self._zone):%H:%M}"
            return Answer(now, reason=f"counting the day so far, at {settled}", absent=True)
        return Answer(now, reason=f"no answer for {time.monotonic() - self._begun[query.name]:.1f} s so far")

    async def _answer(self, query: Query, now: datetime, until: datetime) -> Answer:
        try:
            match query.kind:
                case QueryKind.BUCKETS:
                    return Answer(now, await self._buckets(query, now, until))
                case QueryKind.DAY:
                    return Answer(now, await self._day(query, until))
                case QueryKind.ROW:
                    return Answer(now, await self._row(query, until))
        except SourceFailed as error:
            return Answer(now, reason=str(error), absent=isinstance(error, NoSource))

    async def _fetch(self, query: Query, *args: Any) -> list[Any]:
        return await self._database.fetch(query.sql, *args, timeout_s=query.timeout_s)

    async def _row(self, query: Query, until: datetime) -> dict[str, Any]:
        args: list[Any] = []
        if query.takes_window and query.since_midnight:
            args.append((until - midnight(until, self._zone)).total_seconds())
        elif query.takes_window:
            args.append(query.window_s)
        if query.takes_end:
            args.append(until)
        rows = await self._fetch(query, *args)
        if not rows:
            raise SourceFailed("the query gave no row")
        return dict(rows[0])

    async def _buckets(self, query: Query, now: datetime, until: datetime) -> SlidingWindow:
        window = self._windows[query.name]
        last = (until - _EPOCH) // timedelta(seconds=self.slice_s)
        first = last - window.longest + 1
        read = self._overlap_read.get(query.name)
        whole = read is None or not timedelta() <= now - read < _WHOLE_OVERLAP_EACH
        if window.end is not None and window.end <= last:
            overlap_s = query.overlap_s if whole else min(query.overlap_s, _TAIL_S)
            first = max(first, window.end + 1 - slices(overlap_s, self.slice_s))
        rows = await self._fetch(query, self._moment(first - 1), self._moment(last), float(self.slice_s))
        window.replace(first, last, [bucket_row(row) for row in rows])
        if whole:
            self._overlap_read[query.name] = now
        return window

    def _moment(self, number_of_slice: int) -> datetime:
        return _EPOCH + timedelta(seconds=number_of_slice * self.slice_s)

    async def _day(self, query: Query, until: datetime) -> dict[str, float]:
        day = midnight(until, self._zone)
        totals = self._days.get(query.name)
        if totals is None or totals.day != day or until < totals.settled:
            # Ranges leave out their beginning; the first moment of a day belongs to it.
            totals = self._days[query.name] = _DayTotals(day, day - _TICK)
        settle_to = until - timedelta(seconds=query.overlap_s)
        while totals.settled < settle_to:
            end = min(totals.settled + totals.chunk, settle_to)
            row = await self._sums(query, totals, end)
            totals.sums, totals.settled = totals.with_row(row), end
        return totals.with_row(await self._sums(query, totals, until))

    async def _sums(self, query: Query, totals: _DayTotals, end: datetime) -> dict[str, float]:
        try:
            day = (totals.day,) if query.takes_day else ()
            rows = await self._fetch(query, totals.settled, end, *day)
        except SourceFailed:
            # Perhaps too much at once; what was settled stays, so that a slow database gets there as well.
            totals.chunk = max(totals.chunk / 2, _SMALLEST_CHUNK)
            raise
        if not rows:
            raise SourceFailed("the query gave no row")
        return {name: number(value, f"column {name}") or 0.0 for name, value in rows[0].items()}
