"""The last hour in equal buckets, kept current tick by tick, so that a live screen never reads it again."""

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from console.domain.health import Status
from console.domain.metric import Series


def bucket_start(at: datetime, step_s: float) -> datetime:
    """The start of the bucket that `at` falls into; buckets are aligned to the epoch."""
    return datetime.fromtimestamp(at.timestamp() // step_s * step_s, UTC)


class _Mean:
    """Sum and count of one bucket; a bucket without a reading has no mean."""

    __slots__ = ("count", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0


class Trend:
    """Bucket means of many metrics over a fixed span.

    `step_s` is a bucket's width, `points` how many there are; the last one is the bucket of the latest tick.
    """

    def __init__(self, step_s: float, points: int) -> None:
        self.step_s = step_s
        self.points = points
        self._values: dict[str, deque[float | None]] = {}
        self._last: dict[str, _Mean] = {}
        self._end: datetime | None = None

    @property
    def span(self) -> timedelta:
        return timedelta(seconds=self.step_s * self.points)

    def load(self, series: Mapping[str, Series], end: datetime) -> None:
        """Start anew from the store's answer for the span before `end`, of this step and number of points."""
        self._end = bucket_start(end, self.step_s)
        self._values = {name: deque(s.values, maxlen=self.points) for name, s in series.items()}
        self._last = {}
        for name, values in self._values.items():
            mean = self._last[name] = _Mean()
            if values and values[-1] is not None:
                # The store's mean of the open bucket counts as one reading; later ticks refine it.
                mean.total, mean.count = values[-1], 1

    def add(self, at: datetime, numbers: Mapping[str, float | None]) -> None:
        """Take one tick in. A tick older than the open bucket changes nothing."""
        start = bucket_start(at, self.step_s)
        if self._end is None:
            self._end = start
        behind = round((start - self._end).total_seconds() / self.step_s)
        if behind < 0:
            return
        if behind:
            self._end = start
            for name, values in self._values.items():
                values.extend([None] * min(behind, self.points))
                self._last[name] = _Mean()
        for name, number in numbers.items():
            values = self._values.get(name)
            if values is None:
                values = self._values[name] = deque([None] * self.points, maxlen=self.points)
                self._last[name] = _Mean()
            if number is None:
                continue
            mean = self._last[name]
            mean.total += number
            mean.count += 1
            values[-1] = mean.total / mean.count

    def series(self) -> dict[str, Series]:
        """Every metric's buckets, oldest first."""
        if self._end is None:
            return {}
        start = self._end - self.span + timedelta(seconds=self.step_s)
        return {name: Series(start, self.step_s, tuple(values)) for name, values in self._values.items()}


class StatusTrend:
    """The worst status per bucket, and the share of ticks that were not ok, of each component."""

    def __init__(self, step_s: float, points: int) -> None:
        self.step_s = step_s
        self.points = points
        self._worst: dict[str, deque[Status | None]] = {}
        self._counts: dict[str, deque[list[int]]] = {}
        self._loaded: frozenset[str] = frozenset()
        self._end: datetime | None = None

    def load(
        self,
        history: Mapping[str, tuple[tuple[Status | None, ...], tuple[tuple[int, int], ...]]],
        end: datetime,
    ) -> None:
        """`history` is, per component, the worst status and (checks, checks not ok) of each bucket."""
        self._end = bucket_start(end, self.step_s)
        self._loaded = frozenset(history)
        self._worst = {name: deque(worst, maxlen=self.points) for name, (worst, _) in history.items()}
        self._counts = {
            name: deque(([*c] for c in counts), maxlen=self.points) for name, (_, counts) in history.items()
        }

    def add(self, at: datetime, statuses: Mapping[str, Status]) -> None:
        """Take one tick's statuses in."""
        start = bucket_start(at, self.step_s)
        if self._end is None:
            self._end = start
        behind = round((start - self._end).total_seconds() / self.step_s)
        if behind < 0:
            return
        self._end = start
        for name in {*self._worst, *statuses}:
            worst = self._worst.setdefault(name, deque([None] * self.points, maxlen=self.points))
            counts = self._counts.setdefault(
                name, deque(([0, 0] for _ in range(self.points)), maxlen=self.points)
            )
            for _ in range(min(behind, self.points)):
                worst.append(None)
                counts.append([0, 0])
            status = statuses.get(name)
            if status is None:
                continue
            before = worst[-1]
            worst[-1] = status if before is None or status.rank > before.rank else before
            counts[-1][0] += 1
            counts[-1][1] += status is not Status.OK

    @property
    def components(self) -> frozenset[str]:
        """Those whose past was loaded."""
        return self._loaded

    def worst(self, component: str) -> tuple[Status | None, ...]:
        return tuple(self._worst.get(component, ()))

    def error_pct(self, component: str) -> float | None:
        """Share of the checks in the span that were not ok, 0..100; None without checks.

        Each bucket weighs the same, so that an hour of few checks counts as much as one of many.
        """
        shares = [bad / checks for checks, bad in self._counts.get(component, ()) if checks]
        return 100.0 * sum(shares) / len(shares) if shares else None
