"""A release held against what ran before it: orders finished since it took over beside those finished before the action
began, by the rule of its pipeline.

Both are counted by the platform's database, on its own clock. Who takes a watch over counts again from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from console.domain.action import Fact
from console.domain.canary import Allowed, Compared, Comparison, Watch
from console.domain.errors import SourceFailed
from console.domain.format import counted, number_and_unit, reading
from console.domain.metric import MetricSpec
from console.domain.release import ReleaseState
from console.gateway.orders import Orders, Outcomes
from console.metrics import intervals
from console.metrics.histogram import LogBuckets
from console.metrics.intervals import Estimate
from console.metrics.sources import Figure, FromBuckets, Query
from console.store import actions, releases
from console.store.pool import Store

_RATE = "orders_per_minute"


@dataclass(frozen=True, slots=True)
class Span:
    """On the store's clock: the action began at `begun`, what it deployed took over at `since` and is watched `until`;
    lengths run `scale` times as fast."""

    begun: datetime
    since: datetime
    until: datetime
    scale: float


class Canary:
    """The watch over one release. `others` are the metrics of its rule that are not counted from orders here."""

    def __init__(self, orders: Orders, watch: Watch, span: Span) -> None:
        self._orders = orders
        self._watch = watch
        self._span = span
        found = {name: orders.counts(name) for name in watch.worse}
        self._counted = {name: entry for name, entry in found.items() if entry is not None}
        self.others = tuple(name for name, entry in found.items() if entry is None)
        self._offset: timedelta | None = None
        self._before_s = 0.0
        self._before: dict[str, Outcomes] = {}
        self._now: dict[str, _Running] = {}
        self._last: Comparison | None = None
        self._failed = ""

    async def look(self, store: Store) -> tuple[Comparison | None, str]:
        """The platform as it is now against before, None as long as it could not be asked; and what of it is bad, in
        words. Raises StoreAway and StoreRefused."""
        if not self._counted:
            return None, ""
        try:
            if self._offset is None:
                await self._count_before(store)
            until = await self._orders.now()
            for running in self._now.values():
                await running.count(self._orders, until)
        except SourceFailed as error:
            self._failed = str(error)
            return self._last, ""
        self._failed = ""
        self._last = self._comparison((until - self._there(self._span.since)).total_seconds())
        return self._last, ", ".join(
            words(row, self._counted[row.name][0].spec, self._last.of_now)
            for row in self._last.rows
            if row.bad
        )

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What was in the way of the last look."""
        return (Fact("orders", f"can't be counted: {self._failed}", "warn"),) if self._failed else ()

    @property
    def doubt(self) -> str:
        """Why it says nothing, in words; "" when it does."""
        last = self._last
        if not self._counted:
            return ""
        if last is None:
            return f"orders can't be counted: {self._failed}"
        if not last.of_now:
            return "no orders came: nothing to compare"
        if last.of_now < self._watch.orders:
            return f"only {counted(last.of_now, 'order')} came: too few to compare"
        return "" if last.of_before else "no orders before: nothing to compare"

    async def _count_before(self, store: Store) -> None:
        """What does not change any more, and the difference of the two clocks."""
        begun, watch, span = await store.now(), self._watch, self._span
        there, ended = await self._orders.now(), await store.now()
        offset = there - (begun + (ended - begun) / 2)
        spans = pieces(await earlier_ones(store, span.begun), span.begun, watch.before / span.scale)
        for query in {
            source.query: self._orders.query(source) for _, source in self._counted.values()
        }.values():
            found: Outcomes = {}
            for since, until in spans:
                found = _together(found, await self._orders.finished(query, since + offset, until + offset))
            self._before[query.name] = found
            self._now[query.name] = _Running(query, span.since + offset)
        self._before_s = sum((until - since).total_seconds() for since, until in spans)
        self._offset = offset

    def _there(self, moment: datetime) -> datetime:
        """On the platform's clock."""
        return moment + (self._offset or timedelta())

    def _comparison(self, now_s: float) -> Comparison:
        now = {name: running.found for name, running in self._now.items()}
        # The first metric's orders are those that are spoken of: hardly ever do two count others.
        main = next(iter(self._counted.values()))[1].query
        of_before, of_now = _total(self._before[main]), _total(now[main])
        rows = [
            compared(
                entry.spec,
                source,
                self._watch.worse[name],
                self._before[source.query],
                now[source.query],
                enough=of_now >= self._watch.orders,
            )
            for name, (entry, source) in self._counted.items()
        ]
        rows.append(
            Compared(
                _RATE,
                "Orders per minute",
                "/min",
                _per_minute(of_before, self._before_s),
                _per_minute(of_now, now_s),
            )
        )
        return Comparison(of_before, of_now, self._span.since, self._span.until, tuple(rows))


@dataclass
class _Running:
    """What one query counts since a moment: `settled` is up to where late rows no longer change it."""

    query: Query
    settled: datetime
    found: Outcomes = field(default_factory=dict)
    _sums: dict[str, LogBuckets] = field(default_factory=dict)

    async def count(self, orders: Orders, until: datetime) -> None:
        """Up to this moment of the platform's clock. Raises SourceFailed; then it is as it was."""
        settle_to = until - timedelta(seconds=self.query.overlap_s)
        if settle_to > self.settled:
            self._sums = _together(self._sums, await orders.finished(self.query, self.settled, settle_to))
            self.settled = settle_to
        self.found = _together(self._sums, await orders.finished(self.query, self.settled, until))


def compared(
    spec: MetricSpec, source: FromBuckets, allowed: Allowed, before: Outcomes, now: Outcomes, *, enough: bool
) -> Compared:
    """One metric before and now. `enough`: so much was seen that it can be called bad."""
    was, is_ = _estimate(source, before), _estimate(source, now)
    row = Compared(
        spec.name,
        spec.title,
        spec.unit,
        None if was is None else was.value,
        None if is_ is None else is_.value,
    )
    if was is None or is_ is None:
        return row
    low, high = intervals.difference(was, is_)
    tolerated = allowed.change(was.value)
    bad = enough and low is not None and low > tolerated
    return replace(row, low=low, high=high, allowed=tolerated, bad=bad)


def words(row: Compared, spec: MetricSpec, of_now: int) -> str:
    """`error rate 0.00 % before, 1.78 % now (95 %: 1.1 to 2.7 more, of 412 orders)`."""
    low, high = (None if end is None else number_and_unit(end, row.unit)[0] for end in (row.low, row.high))
    more = f"at least {low}" if high is None else f"{low} to {high}"
    return (
        f"{row.title.lower()} {reading(spec, row.before)} before, {reading(spec, row.now)} now "
        f"(95 %: {more} more, of {counted(of_now, 'order')})"
    )


def _estimate(source: FromBuckets, found: Outcomes) -> Estimate | None:
    """The metric's figure and its interval; None without any order for it."""
    kept = _merged(found.values()) if source.of is None else found.get(source.of, LogBuckets())
    match source.figure:
        case Figure.SHARE:
            return intervals.share(kept.count, _total(found))
        case Figure.QUANTILE:
            return intervals.quantile(kept, source.q)
        case _:
            return None


def _merged(several: Iterable[LogBuckets]) -> LogBuckets:
    merged = LogBuckets()
    for each in several:
        merged.merge(each)
    return merged


def _together(one: Outcomes, other: Outcomes) -> dict[str, LogBuckets]:
    return {
        name: _merged([found[name] for found in (one, other) if name in found]) for name in {**one, **other}
    }


def _total(found: Outcomes) -> int:
    return sum(each.count for each in found.values())


def _per_minute(orders: int, seconds: float) -> float | None:
    return orders * 60 / seconds if seconds > 0 else None


class Earlier(NamedTuple):
    """An earlier action that released something: when it began, and when what ran after it had taken over, which is
    what ran before it where it `failed`."""

    began: datetime
    over: datetime
    failed: bool


def pieces(earlier: Iterable[Earlier], begun: datetime, length: timedelta) -> list[tuple[datetime, datetime]]:
    """The last `length` before `begun` of the release that ran then, the latest piece first: without the time of those
    that failed, and shorter where it had not run so long. `earlier` has the latest first."""
    found: list[tuple[datetime, datetime]] = []
    end, left = begun, length
    for each in earlier:
        since = min(max(each.over, end - left), end)
        found.append((since, end))
        left -= end - since
        if not each.failed or left <= timedelta():
            return found
        end = min(each.began, since)
    return [*found, (end - left, end)]


async def earlier_ones(store: Store, begun: datetime) -> list[Earlier]:
    """The actions before this one as far as they are needed: up to the first that did not fail."""
    found: list[Earlier] = []
    for release in await releases.recent(store):
        if release.at > begun:
            continue
        made = None if release.action_id is None else await actions.one(store, release.action_id)
        if made is None or made.started_at is None:
            # What was found running has run for nobody knows how long.
            break
        failed = release.state is ReleaseState.FAILED
        seen = None if failed or made.proof is None else made.proof.comparison
        found.append(Earlier(made.started_at, release.at if seen is None else seen.since, failed))
        if not failed:
            break
    return found
