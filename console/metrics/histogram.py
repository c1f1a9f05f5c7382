"""Logarithmic latency buckets and sliding windows over replaceable slices. Pure: knows no clock and no database.

Bucket b holds the values in [1.02^b, 1.02^(b+1)), so its middle is at most 1 % away from each of them. The
platform's database does the same sum (`floor(ln(ms) / ln(1.02))`) and only counts travel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

BASE = 1.02
_LN_BASE = math.log(BASE)


def bucket_of(ms: float) -> int | None:
    """The bucket of a latency; None for what has none: zero, negative, NaN, infinite."""
    return math.floor(math.log(ms) / _LN_BASE) if 0 < ms < math.inf else None


def bucket_middle(bucket: int | None) -> float:
    """The value that stands for a bucket, in ms: its geometric middle; 0 for values without a bucket."""
    return 0.0 if bucket is None else BASE ** (bucket + 0.5)


@dataclass(slots=True)
class LogBuckets:
    """Counts by bucket, with the exact sum and the exact count of those under the limit (500 ms).

    The sum is kept in whole microseconds: taking slices out again must give back exactly what they put in.
    `count` includes values without a latency, which `timed` leaves out.
    """

    buckets: dict[int | None, int] = field(default_factory=dict)
    count: int = 0
    timed: int = 0
    under: int = 0
    total_us: int = 0

    def add(self, bucket: int | None, count: int, total_ms: float | None, under: int) -> None:
        """`count` values of one bucket. Without a `total_ms` they had no latency: they are only counted."""
        self.count += count
        self.under += under
        if total_ms is not None and math.isfinite(total_ms):
            self.timed += count
            self.total_us += round(total_ms * 1000)
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def merge(self, other: LogBuckets, sign: int = 1) -> None:
        """Put the other's counts in, or with sign -1 take them out again."""
        self.count += sign * other.count
        self.timed += sign * other.timed
        self.under += sign * other.under
        self.total_us += sign * other.total_us
        for bucket, count in other.buckets.items():
            left = self.buckets.get(bucket, 0) + sign * count
            if left:
                self.buckets[bucket] = left
            else:
                del self.buckets[bucket]

    def mean(self) -> float | None:
        """The exact mean in ms; None without a latency."""
        return self.total_us / 1000 / self.timed if self.timed else None

    def quantile(self, q: float) -> float | None:
        """The q-quantile (0..1) in ms as `percentile_cont` means it, within 1 %; None without a latency."""
        if not self.timed:
            return None
        rank = q * (self.timed - 1)
        below = math.floor(rank)
        low, high = self.at(below, min(below + 1, self.timed - 1))
        return low + (high - low) * (rank - below)

    def at(self, *ranks: int) -> list[float]:
        """The values at ascending ranks (0 is the smallest)."""
        found: list[float] = []
        seen = 0
        for bucket in sorted(self.buckets, key=lambda b: -math.inf if b is None else b):
            seen += self.buckets[bucket]
            while len(found) < len(ranks) and ranks[len(found)] < seen:
                found.append(bucket_middle(bucket))
            if len(found) == len(ranks):
                break
        return found


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a bucket query: the orders of one outcome that fell into one slice and one bucket.

    `slice` is the number of the slice: it ends at slice * slice_s after the epoch, that moment included.
    """

    slice: int
    outcome: str
    bucket: int | None
    count: int
    total_ms: float | None
    under: int


class SlidingWindow:
    """The outcomes of the last slices, for several window lengths at once.

    Slices are replaced, never added to, so reading an overlap again counts nothing twice. What a window holds is
    kept up to date by putting slices in and taking them out: its cost depends on what changed, not on its length.
    """

    def __init__(self, lengths: Iterable[int]) -> None:
        """`lengths`: the windows, in slices."""
        self._slices: dict[int, dict[str, LogBuckets]] = {}
        self._totals: dict[int, dict[str, LogBuckets]] = {length: {} for length in lengths}
        self._longest = max(self._totals, default=0)
        self.end: int | None = None

    @property
    def longest(self) -> int:
        """The longest window, in slices."""
        return self._longest

    def replace(self, first: int, last: int, rows: Iterable[Row]) -> None:
        """Slices first..last become what `rows` say, and the windows end with `last`.

        A slice without a row is empty. Everything is read anew when `last` lies before the present end.
        """
        if self.end is not None and last < self.end:
            self._forget()
        fresh: dict[int, dict[str, LogBuckets]] = {}
        for row in rows:
            if first <= row.slice <= last:
                outcomes = fresh.setdefault(row.slice, {})
                outcomes.setdefault(row.outcome, LogBuckets()).add(
                    row.bucket, row.count, row.total_ms, row.under
                )
        end = self.end if self.end is not None else last
        for number in [n for n in self._slices if first <= n <= last]:
            self._move(self._slices.pop(number), number, end, -1)
        for number, outcomes in fresh.items():
            if number > last - self._longest:
                self._slices[number] = outcomes
                self._move(outcomes, number, end, 1)
        self._advance(end, last)
        self.end = last

    def outcomes(self, length: int) -> dict[str, LogBuckets]:
        """What the window of this many slices holds, by outcome. Read only."""
        return self._totals[length]

    def _forget(self) -> None:
        self._slices.clear()
        for totals in self._totals.values():
            totals.clear()
        self.end = None

    def _move(self, outcomes: Mapping[str, LogBuckets], number: int, end: int, sign: int) -> None:
        """Put a slice into every window that ends at `end` and covers it, or take it out."""
        for length, totals in self._totals.items():
            if end - length < number <= end:
                _merge(totals, outcomes, sign)

    def _advance(self, end: int, last: int) -> None:
        """Move the windows' end forward: slices enter on one side and leave on the other."""
        if last == end:
            return
        for length, totals in self._totals.items():
            for number, outcomes in self._slices.items():
                was = end - length < number <= end
                will = last - length < number <= last
                if was != will:
                    _merge(totals, outcomes, 1 if will else -1)
        for number in [n for n in self._slices if n <= last - self._longest]:
            del self._slices[number]


def _merge(totals: dict[str, LogBuckets], outcomes: Mapping[str, LogBuckets], sign: int) -> None:
    for outcome, buckets in outcomes.items():
        total = totals.setdefault(outcome, LogBuckets())
        total.merge(buckets, sign)
        if not total.count:
            del totals[outcome]
