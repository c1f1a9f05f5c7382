"""An incident in figures: what it cost, as far as the metrics tell, and a metric over its time as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from console.domain.alert import Alert
from console.domain.format import clock, counted, reading
from console.domain.incident import Incident
from console.domain.metric import Level, MetricSpec, Series
from console.domain.snapshot import Metrics
from console.store import ticks
from console.store.pool import Store

ERROR_RATE, FAILED_TODAY = "error_rate", "failed_today"
_POINTS = 240
_FRESH = timedelta(minutes=5)
_SHORTEST, _COUNTED = timedelta(seconds=1), timedelta(minutes=1)
# A limit so far above all values would flatten them: it is named instead.
_OFF_SCALE = 4
_EIGHTHS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Impact:
    """What happened to orders from `start` to `end`; None where nothing was recorded. `worst` is the highest error rate
    (%), `failed` how many orders failed, `least`: it may be more, since a part of it was not seen; else it is right but
    for the seconds by which the count lags behind."""

    start: datetime
    end: datetime
    worst: float | None = None
    worst_at: datetime | None = None
    failed: int | None = None
    least: bool = False

    def words(self, specs: Mapping[str, MetricSpec]) -> str:
        """`the error rate reached 12.34 % (03:05 UTC); about 231 orders failed from 03:02 to 03:20 UTC`; "" without any
        figure."""
        said: list[str] = []
        if self.worst is not None and self.worst_at is not None:
            spec = specs.get(ERROR_RATE)
            value, limit = reading(spec, self.worst), ""
            if spec is not None and spec.level(self.worst) is Level.OK:
                first = spec.warning if spec.warning is not None else spec.limit
                limit = f", within its limit of {reading(spec, first)}"
            verb = "stayed at or below" if limit else "reached"
            said.append(f"the error rate {verb} {value} ({_moment(self.worst_at)} UTC){limit}")
        if self.failed is not None:
            said.append(self._orders(self.failed))
        return "; ".join(said)

    def words_for_customers(self) -> str:
        """`about 231 orders failed from 03:02 to 03:20 UTC`; "" where none is known to have."""
        return self._orders(self.failed) if self.failed else ""

    def _orders(self, failed: int) -> str:
        span = f"from {_moment(self.start)} to {_moment(self.end)} UTC"
        return f"{'at least' if self.least else 'about'} {counted(failed, 'order')} failed {span}"


def harm_end(incident: Incident, alerts: Sequence[Alert], now: datetime) -> datetime:
    """When customers noticed nothing of it any more: when it was mitigated, else when the last of its alerts ended,
    else when it was closed; now, where it still goes on."""
    over = incident.closed_at or now
    ends = [alert.resolved_at or over for alert in alerts]
    return min(incident.mitigated_at or max(ends, default=over), over)


async def impact(store: Store, incident: Incident, alerts: Sequence[Alert], now: datetime) -> Impact:
    """From detection until the harm ended. Where none of its alerts is linked nothing is counted: what fails meanwhile
    may be another incident's. Raises StoreAway, StoreRefused."""
    start = incident.detected_at
    end = max(harm_end(incident, alerts, now), start + _SHORTEST)
    if not alerts:
        return Impact(start, end)
    found = await ticks.series(store, [ERROR_RATE, FAILED_TODAY], start=start, end=end, points=_POINTS)
    rate, count = found[ERROR_RATE], found[FAILED_TODAY]
    # Means of buckets flatten a peak; an alert on the same metric kept the very one.
    peaks = [
        (a.peak, a.peak_at)
        for a in alerts
        if a.metric == ERROR_RATE and a.peak is not None and a.peak_at is not None and a.peak_at <= end
    ]
    readings = [(v, rate.start + timedelta(seconds=i * rate.step_s)) for i, v in _known(rate.values)]
    worst, worst_at = max([*peaks, *readings], default=(None, None), key=lambda each: each[0])
    first, last = await ticks.before(store, start, _FRESH), await ticks.before(store, end, _FRESH)
    failed, least = None, False
    # The count is renewed every few ticks only: of less than this it says nothing.
    if end - start >= _COUNTED:
        failed, least = increase((_count(first), *count.values, _count(last)))
    return Impact(start, end, worst, worst_at, failed, least)


def _count(metrics: Metrics) -> float | None:
    found = metrics.values.get(FAILED_TODAY)
    return float(found.value) if found is not None and isinstance(found.value, int | float) else None


def increase(counts: Sequence[float | None]) -> tuple[int | None, bool]:
    """How much a counter that begins anew each day went up, and whether that is only the least: where it began anew,
    or is not known at its ends. (None, False) with fewer than two readings."""
    known = [value for _, value in _known(counts)]
    if len(known) < 2:
        return None, False
    steps = [b - a for a, b in pairwise(known)]
    least = any(step < 0 for step in steps) or counts[0] is None or counts[-1] is None
    return round(sum(step for step in steps if step > 0)), least


def plotted(
    series: Series,
    spec: MetricSpec,
    *,
    limit: float | None = None,
    marks: Iterable[tuple[str, datetime]] = (),
    height: int = 8,
) -> list[str]:
    """Lines of text: a column for each bucket, with the limit as a dashed line, the times below, and above them a
    letter for each of `marks` in the span. [] without any reading."""
    known = [value for _, value in _known(series.values)]
    if not known or height < 2:
        return []
    width = len(series.values)
    on_scale = limit is not None and limit <= max(known) * _OFF_SCALE
    low, high = _range([*known, limit] if on_scale and limit is not None else known)
    step = (high - low) / height
    limit_row = min(int((limit - low) / step), height - 1) if on_scale and limit is not None else -1
    labels = {height - 1: reading(spec, high), 0: reading(spec, low)}
    if limit_row >= 0:
        labels[limit_row] = reading(spec, limit)
    gutter = max(map(len, labels.values()))
    lines: list[str] = []
    for row in range(height - 1, -1, -1):
        blank = "╌" if row == limit_row else " "
        cells = "".join(_cell(value, low, step, row, blank) for value in series.values)
        name = "  limit" if row == limit_row else ""
        lines.append(f"{labels.get(row, ''):>{gutter}} │{cells}{name}".rstrip())
    indent = " " * gutter
    lines.append(f"{indent} └{'─' * width}")
    start, span = series.start, timedelta(seconds=series.step_s * width)
    if placed := _marks(marks, start, span, width):
        lines.append(f"{indent}  {placed}".rstrip())
    left, right = _moment(start), f"{_moment(start + span)} UTC"
    lines.append(f"{indent}  {left}{right:>{max(width - len(left), len(right) + 1)}}")
    if limit is not None and not on_scale:
        lines.append(f"{indent}  limit {reading(spec, limit)}: above all that is shown")
    return lines


def _cell(value: float | None, low: float, step: float, row: int, blank: str) -> str:
    if value is None or not math.isfinite(value):
        return blank
    eighths = round((value - low) / step * 8) - row * 8
    # A reading at the bottom of the scale is there, other than none.
    shown = max(min(eighths, 8), 1 if row == 0 else 0)
    return _EIGHTHS[shown] if shown else blank


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low >= 0 and low < 0.7 * high:
        low = 0.0
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    return low if low == 0 else low - room, high if high > low else high + room


def _marks(marks: Iterable[tuple[str, datetime]], start: datetime, span: timedelta, width: int) -> str:
    row = [" "] * width
    for letter, at in marks:
        if start <= at <= start + span:
            place = min(int((at - start) / span * width), width - 1)
            # Two of them in one place stand beside each other as far as there is room.
            while place < width - 1 and row[place] != " ":
                place += 1
            row[place] = letter
    return "".join(row).rstrip()


def _known(values: Sequence[float | None]) -> list[tuple[int, float]]:
    return [(i, v) for i, v in enumerate(values) if v is not None and math.isfinite(v)]


def _moment(at: datetime) -> str:
    return clock(at, seconds=False)
