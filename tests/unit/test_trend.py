from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from console.domain.health import Status
from console.domain.metric import Series
from console.metrics.trend import StatusTrend, Trend

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@given(st.lists(st.tuples(st.integers(0, 400), st.none() | st.floats(-1e6, 1e6)), max_size=60))
def test_a_trend_is_the_mean_per_bucket_of_the_last_span(ticks: list[tuple[int, float | None]]) -> None:
    ticks.sort(key=lambda t: t[0])
    trend = Trend(step_s=30, points=6)
    for second, number in ticks:
        trend.add(START + timedelta(seconds=second), {"m": number})
    if not ticks:
        assert trend.series() == {}
        return
    series = trend.series()["m"]
    assert len(series.values) == 6
    for i, got in enumerate(series.values):
        begin = series.start + timedelta(seconds=30 * i)
        inside = [
            n
            for s, n in ticks
            if n is not None and 0 <= (START + timedelta(seconds=s) - begin).total_seconds() < 30
        ]
        if not inside:
            assert got is None
        else:
            assert got is not None
            assert abs(got - sum(inside) / len(inside)) <= 1e-6 * max(1, *(abs(n) for n in inside))


def test_a_loaded_trend_goes_on_from_the_store() -> None:
    trend = Trend(step_s=30, points=3)
    trend.load({"m": Series(START, 30, (1.0, 2.0, 3.0))}, START + timedelta(seconds=75))
    trend.add(START + timedelta(seconds=95), {"m": 9.0})
    series = trend.series()["m"]
    assert series.start == START + timedelta(seconds=30)
    assert series.values == (2.0, 3.0, 9.0)


def test_a_gap_stays_a_gap() -> None:
    trend = Trend(step_s=30, points=4)
    trend.add(START, {"m": 1.0})
    trend.add(START + timedelta(seconds=95), {"m": 4.0})
    assert trend.series()["m"].values == (1.0, None, None, 4.0)


def test_the_worst_status_of_a_bucket_wins_and_errors_are_a_share() -> None:
    trend = StatusTrend(step_s=60, points=2)
    for second, status in ((0, Status.OK), (10, Status.DOWN), (20, Status.DEGRADED), (70, Status.OK)):
        trend.add(START + timedelta(seconds=second), {"cache": status})
    assert trend.worst("cache") == (Status.DOWN, Status.OK)
    assert trend.error_pct("cache") == 100 * (2 / 3 + 0) / 2
    assert trend.error_pct("nobody") is None
