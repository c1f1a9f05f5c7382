"""Intervals against published values, exact sums, and many samples."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.metrics.histogram import LogBuckets, bucket_of
from console.metrics.intervals import Estimate, difference, quantile, ranks, share


def filled(values: list[float]) -> LogBuckets:
    buckets = LogBuckets()
    for ms in values:
        buckets.add(bucket_of(ms), 1, ms, int(ms < 500))
    return buckets


def the_share(hits: int, of: int) -> Estimate:
    found = share(hits, of)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # The examples of R. G. Newcombe, Stat. Med. 17 (1998), 857-872, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_a_share_has_wilsons_interval(hits: int, of: int, low: float, high: float) -> None:
    found = the_share(hits, of)
    assert found.value == pytest.approx(100 * hits / of)
    assert (found.low, found.high) == (
        pytest.approx(100 * low, abs=0.005),
        pytest.approx(100 * high, abs=0.005),
    )


@pytest.mark.parametrize(
    ("now", "before", "low", "high"),
    # The examples of R. G. Newcombe, Stat. Med. 17 (1998), 873-890, method 10.
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_two_shares_differ_as_newcombe_says(
    now: tuple[int, int], before: tuple[int, int], low: float, high: float
) -> None:
    found = difference(the_share(*before), the_share(*now))
    assert found == (pytest.approx(100 * low, abs=0.006), pytest.approx(100 * high, abs=0.006))


def test_of_nothing_there_is_no_share() -> None:
    assert share(0, 0) is None


@pytest.mark.parametrize(
    ("n", "q", "expected"),
    [
        # Of the median: W. J. Conover, Practical Nonparametric Statistics, and any table of the sign test.
        (5, 0.5, (None, None)), (6, 0.5, (1, 6)), (10, 0.5, (2, 9)), (20, 0.5, (6, 15)), (100, 0.5, (40, 61)),
        # 0.95^71 > 2.5 % >= 0.95^72.
        (71, 0.95, (63, None)), (72, 0.95, (64, 72)),
        (100, 0.0, (None, None)), (100, 1.0, (None, None)),
    ],
)  # fmt: skip
def test_between_which_ranks_a_quantile_lies(
    n: int, q: float, expected: tuple[int | None, int | None]
) -> None:
    assert ranks(n, q) == expected


@given(st.integers(1, 400), st.floats(0.01, 0.99))
def test_ranks_are_the_narrowest_that_miss_rarely_enough(n: int, q: float) -> None:
    chances = [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]
    low, high = ranks(n, q)
    slack = 1e-9
    missed_low = 0.0 if low is None else sum(chances[:low])
    missed_high = 0.0 if high is None else sum(chances[high:])
    assert missed_low <= 0.025 + slack and missed_high <= 0.025 + slack
    assert sum(chances[: (low or 0) + 1]) > 0.025 - slack
    assert sum(chances[(n + 1 if high is None else high) - 1 :]) > 0.025 - slack


def test_ranks_of_a_million_are_those_of_the_normal_distribution() -> None:
    low, high = ranks(1_000_000, 0.95)
    arm = 1.959964 * math.sqrt(1_000_000 * 0.95 * 0.05)
    assert low == pytest.approx(950_000 - arm, abs=3) and high == pytest.approx(950_000 + arm, abs=3)


def test_a_quantile_lies_between_values_that_were_seen() -> None:
    values = [float(ms) for ms in range(1, 1001)]
    found = quantile(filled(values), 0.95)
    low, high = ranks(1000, 0.95)
    assert found is not None and low is not None and high is not None
    # The edges of buckets: at most 2 % beyond.
    assert found.low is not None and low / 1.021 < found.low <= low
    assert found.high is not None and high <= found.high < high * 1.021


def test_of_few_values_no_bound_is_made_up() -> None:
    few = quantile(filled([100.0] * 30), 0.95)
    assert few is not None and few.high is None and few.low is not None
    many = quantile(filled([500.0] * 400), 0.95)
    assert many is not None
    assert difference(many, few)[1] is None and difference(few, many)[0] is None
    assert quantile(LogBuckets(), 0.95) is None


@pytest.mark.parametrize("slower", [1.0, 1.4])
def test_nineteen_of_twenty_intervals_hold_the_true_change_of_a_p95(slower: float) -> None:
    rng = random.Random(11)
    truth = math.exp(5.1 + 1.6448536 * 0.42) * (slower - 1)
    held, runs = 0, 150
    for _ in range(runs):
        before = quantile(filled([rng.lognormvariate(5.1, 0.42) for _ in range(500)]), 0.95)
        now = quantile(filled([slower * rng.lognormvariate(5.1, 0.42) for _ in range(250)]), 0.95)
        assert before is not None and now is not None
        low, high = difference(before, now)
        assert low is not None and high is not None
        held += low <= truth <= high
    assert held / runs >= 0.94
