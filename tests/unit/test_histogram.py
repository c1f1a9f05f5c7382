"""Logarithmic buckets and sliding windows against naive references."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.metrics.histogram import LogBuckets, Row, SlidingWindow, bucket_middle, bucket_of

LATENCIES = st.floats(min_value=0.01, max_value=1e6)


def percentile_cont(values: list[float], q: float) -> float:
    """PostgreSQL's percentile_cont (SQL:2003): linear interpolation between the ranks."""
    ordered = sorted(values)
    rank = q * (len(ordered) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def filled(values: list[float]) -> LogBuckets:
    buckets = LogBuckets()
    for ms in values:
        buckets.add(bucket_of(ms), 1, ms, int(ms < 500))
    return buckets


@given(LATENCIES)
def test_a_bucket_holds_its_values_within_one_percent(ms: float) -> None:
    middle = bucket_middle(bucket_of(ms))
    assert abs(middle - ms) / ms < 0.0101


@given(st.lists(LATENCIES, min_size=1, max_size=300), st.floats(0, 1))
def test_quantiles_are_within_two_percent_of_percentile_cont(values: list[float], q: float) -> None:
    assert filled(values).quantile(q) == pytest.approx(percentile_cont(values, q), rel=0.02)


@given(st.lists(LATENCIES, min_size=1, max_size=100))
def test_the_mean_is_exact_to_a_microsecond(values: list[float]) -> None:
    assert filled(values).mean() == pytest.approx(statistics.fmean(values), abs=0.001)


def test_a_real_distribution_of_latencies() -> None:
    rng = random.Random(7)
    values = [rng.lognormvariate(5.1, 0.42) for _ in range(20_000)]
    buckets = filled(values)
    for q in (0.5, 0.95, 0.99):
        assert buckets.quantile(q) == pytest.approx(percentile_cont(values, q), rel=0.011)


def test_nothing_in_it_is_no_data_and_not_zero() -> None:
    assert LogBuckets().mean() is None
    assert LogBuckets().quantile(0.95) is None


def test_values_without_a_latency_are_counted_and_nothing_else() -> None:
    buckets = LogBuckets()
    buckets.add(None, 3, None, 0)
    assert (buckets.count, buckets.mean(), buckets.quantile(0.5)) == (3, None, None)
    buckets.add(bucket_of(100), 1, 100.0, 1)
    assert buckets.count == 4
    assert buckets.mean() == 100


@pytest.mark.parametrize("odd", [0.0, -3.0, math.nan, math.inf, -math.inf])
def test_latencies_that_have_no_bucket(odd: float) -> None:
    assert bucket_of(odd) is None
    buckets = LogBuckets()
    buckets.add(bucket_of(odd), 1, odd, 0)
    assert buckets.count == 1
    assert buckets.quantile(0.5) in (0.0, None)


EVENT = st.tuples(
    st.integers(0, 40), st.sampled_from(["executed", "failed"]), st.floats(min_value=1, max_value=2000)
)


def rows_of(events: list[tuple[int, str, float]], first: int, last: int) -> list[Row]:
    """What the database would say of these events: one row per slice, outcome and bucket."""
    found: dict[tuple[int, str, int | None], tuple[int, float, int]] = {}
    for number, outcome, ms in events:
        if first <= number <= last:
            key = number, outcome, bucket_of(ms)
            n, total, under = found.get(key, (0, 0.0, 0))
            found[key] = n + 1, total + ms, under + (ms < 500)
    return [Row(k[0], k[1], k[2], *v) for k, v in found.items()]


@given(
    st.lists(
        st.tuples(st.lists(EVENT, max_size=12), st.integers(0, 12), st.integers(0, 20)),
        min_size=1,
        max_size=8,
    )
)
def test_windows_with_late_rows_equal_a_recount(
    rounds: list[tuple[list[tuple[int, str, float]], int, int]],
) -> None:
    """Each round new events come in, some of them late; the window reads an overlap again and moves on."""
    window = SlidingWindow((5, 20))
    events: list[tuple[int, str, float]] = []
    last = 20
    known: list[tuple[int, str, float]] = []
    for arrived, step, overlap in rounds:
        events += arrived
        last += step
        first = last - 20 + 1 if window.end is None else max(last - 20 + 1, window.end + 1 - overlap)
        window.replace(first, last, rows_of(events, first, last))
        known = [e for e in known if e[0] < first] + [e for e in events if first <= e[0] <= last]
        for length in (5, 20):
            inside = [e for e in known if last - length < e[0] <= last]
            outcomes = window.outcomes(length)
            for outcome in ("executed", "failed"):
                values = [ms for _, o, ms in inside if o == outcome]
                found = outcomes.get(outcome, LogBuckets())
                assert found.count == len(values)
                assert found.under == sum(ms < 500 for ms in values)
                assert found.total_us == pytest.approx(1000 * sum(values), abs=len(values))
                assert found.buckets == filled(values).buckets


def test_reading_the_same_slices_twice_counts_nothing_twice() -> None:
    window = SlidingWindow((10,))
    rows = rows_of([(3, "executed", 100.0), (4, "failed", 200.0)], 1, 10)
    for _ in range(3):
        window.replace(1, 10, rows)
    assert {o: b.count for o, b in window.outcomes(10).items()} == {"executed": 1, "failed": 1}


def test_a_clock_that_went_back_starts_anew() -> None:
    window = SlidingWindow((10,))
    window.replace(91, 100, rows_of([(95, "executed", 100.0)], 91, 100))
    window.replace(41, 50, rows_of([(45, "executed", 300.0)], 41, 50))
    assert window.outcomes(10)["executed"].count == 1
    assert window.outcomes(10)["executed"].mean() == 300


def test_rows_outside_the_slices_asked_for_are_ignored() -> None:
    window = SlidingWindow((10,))
    window.replace(91, 100, rows_of([(5, "executed", 1.0), (200, "executed", 1.0)], 0, 300))
    assert window.outcomes(10) == {}


def test_a_long_gap_leaves_nothing_of_the_past() -> None:
    window = SlidingWindow((10,))
    window.replace(91, 100, rows_of([(95, "executed", 100.0)], 91, 100))
    window.replace(991, 1000, [])
    assert window.outcomes(10) == {}
