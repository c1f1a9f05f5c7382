from datetime import UTC, datetime, timedelta

import pytest

from console.domain.format import age, clock, iso, metric, took, value_and_unit
from console.domain.metric import Direction, Level, MetricSpec


def spec(unit: str, decimals: int = 0, **more: object) -> MetricSpec:
    return MetricSpec("m", "m", unit, "g", "sql", "SELECT 1", decimals=decimals, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unit", "decimals", "value", "shown"),
    [
        ("ms", 0, 356.4, "356 ms"),
        ("%", 2, 0.06, "0.06 %"),
        ("/s", 1, 127.0, "127.0 /s"),
        ("count", 0, 1234, "1,234"),
        ("money", 0, 12_500_000.0, "$12.5M"),
        ("money", 2, 276.1, "$276.10"),
        ("bytes", 0, 1_234_000.0, "1.2 MB"),
        ("s", 0, 7300.0, "2h"),
        ("state", 0, "up", "up"),
        ("ms", 0, None, "–"),
        ("ms", 0, float("nan"), "–"),
    ],
)
def test_a_value_is_shown_with_its_unit(unit: str, decimals: int, value: float, shown: str) -> None:
    assert metric(spec(unit, decimals), value) == shown


def test_a_value_and_its_unit_come_apart() -> None:
    assert value_and_unit(spec("ms"), 356) == ("356", "ms")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0s"), (4, "4s"), (59.9, "59s"), (60, "1m"), (3600, "1h"), (400_000, "4d")]
)
def test_an_age_has_one_unit(seconds: float, shown: str) -> None:
    assert age(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0.0s"), (0.48, "0.4s"), (9.99, "9.9s"), (10, "10s"), (60, "1m")]
)
def test_how_long_something_took_has_a_decimal_while_it_is_short(seconds: float, shown: str) -> None:
    assert took(timedelta(seconds=seconds)) == shown


def test_times_are_utc() -> None:
    at = datetime(2026, 3, 1, 3, 12, 47, 5000, UTC)
    assert clock(at) == "03:12:47"
    assert clock(at, seconds=False) == "03:12"
    assert iso(at) == "2026-03-01T03:12:47.005Z"


@pytest.mark.parametrize(
    ("value", "level"),
    [(399, Level.OK), (400, Level.OK), (401, Level.WARNING), (500, Level.WARNING), (501, Level.CRITICAL)],
)
def test_high_values_pass_their_thresholds_upward(value: float, level: Level) -> None:
    assert spec("ms", warning=400, critical=500).level(value) is level


@pytest.mark.parametrize(
    ("value", "level"), [(91, Level.OK), (90, Level.OK), (89, Level.WARNING), (79, Level.CRITICAL)]
)
def test_low_values_pass_their_thresholds_downward(value: float, level: Level) -> None:
    assert spec("%", warning=90, critical=80, direction=Direction.LOW).level(value) is level


def test_no_value_and_no_threshold_have_no_level() -> None:
    assert spec("ms", warning=1).level(None) is None
    assert spec("ms", warning=1).level(float("nan")) is None
    assert spec("ms").level(3) is None
