"""95 % intervals: of a share, of a quantile, and of the difference of two of either. Pure.

A share's is Wilson's score interval (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927). A quantile's lies between two order
statistics whose ranks the binomial distribution gives, whatever the values' distribution is (W. J. Conover, Practical
Nonparametric Statistics, section 3.2). A difference's is put together from the two by the squares of their arms
(MOVER: G. Y. Zou and A. Donner, Stat. Med. 27, 2008); of two shares that is Newcombe's method 10 (R. G. Newcombe,
Stat. Med. 17, 1998, 873-890).
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import NamedTuple

from console.metrics.histogram import BASE, LogBuckets

_Z = 1.959963984540054
_TAIL = 0.025
# What is less likely than this adds nothing to a sum of chances.
_NEVER = 1e-18
# From a bucket's middle to its edges: what was rounded makes no interval narrower.
_EDGE = math.sqrt(BASE)


class Estimate(NamedTuple):
    """A figure and its interval; an end that is None has no bound, since too few values were seen for one."""

    value: float
    low: float | None
    high: float | None


def share(hits: int, of: int) -> Estimate | None:
    """`hits` of `of` in %; None of nothing."""
    if not of:
        return None
    part, spread = hits / of, _Z * _Z / of
    middle = (part + spread / 2) / (1 + spread)
    arm = _Z / (1 + spread) * math.sqrt(part * (1 - part) / of + spread / (4 * of))
    return Estimate(100 * part, 100 * max(middle - arm, 0.0), 100 * min(middle + arm, 1.0))


def quantile(buckets: LogBuckets, q: float) -> Estimate | None:
    """The q-quantile in ms, of the values with a latency; None without any."""
    value = buckets.quantile(q)
    if value is None:
        return None
    low, high = ranks(buckets.timed, q)
    return Estimate(
        value,
        None if low is None else buckets.at(low - 1)[0] / _EDGE,
        None if high is None else buckets.at(high - 1)[0] * _EDGE,
    )


def ranks(n: int, q: float) -> tuple[int | None, int | None]:
    """Between which of `n` ordered values (1 is the smallest) the q-quantile lies, each side missed with a chance of at
    most 2.5 %; None for a side on which `n` are too few."""
    if not 0 < q < 1:
        return None, None
    first, chances = _binomial(n, q)
    up_to = list(accumulate(chances))
    low = next(first + k for k, chance in enumerate(up_to) if chance > _TAIL)
    high = next((first + k + 1 for k, chance in enumerate(up_to) if chance >= 1 - _TAIL), n + 1)
    return low or None, high if high <= n else None


def _binomial(n: int, q: float) -> tuple[int, list[float]]:
    """The chances of k, k + 1, ... hits in `n` tries, as far as they count for anything, and that first k."""
    top = min(int((n + 1) * q), n)
    peak = math.exp(
        math.lgamma(n + 1) - math.lgamma(top + 1) - math.lgamma(n - top + 1)
        + top * math.log(q) + (n - top) * math.log1p(-q)
    )  # fmt: skip
    below: list[float] = []
    k, chance = top, peak
    while k > 0 and chance > _NEVER:
        chance *= k / (n - k + 1) * (1 - q) / q
        below.append(chance)
        k -= 1
    first, above = k, [peak]
    k, chance = top, peak
    while k < n and chance > _NEVER:
        chance *= (n - k) / (k + 1) * q / (1 - q)
        above.append(chance)
        k += 1
    return first, below[::-1] + above


def difference(before: Estimate, now: Estimate) -> tuple[float | None, float | None]:
    """The interval of `now` less `before`; None for an end without a bound."""
    change = now.value - before.value
    low = high = None
    if now.low is not None and before.high is not None:
        low = change - math.hypot(now.value - now.low, before.high - before.value)
    if now.high is not None and before.low is not None:
        high = change + math.hypot(now.high - now.value, before.value - before.low)
    return low, high
