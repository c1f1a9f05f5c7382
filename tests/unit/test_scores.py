"""The performance score: the worked example, its corners, and parts that are missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.metrics.scores import PERFORMANCE, performance_score

EXAMPLE = {
    "p95_execution_time": 356.0,
    "success_under_500ms_pct": 99.94,
    "api_response_time": 156.0,
    "database_query_time": 45.0,
}


def test_the_worked_example() -> None:
    points = [round(part.points(EXAMPLE[part.metric]), 1) for part in PERFORMANCE]
    assert points == [80.5, 100, 99.3, 100]
    score = performance_score(EXAMPLE)
    assert score is not None
    assert round(score, 1) == 92.1


def test_the_weights_are_a_whole() -> None:
    assert sum(part.weight for part in PERFORMANCE) == pytest.approx(1)


def test_a_missing_part_is_left_out_and_the_rest_re_weighted() -> None:
    values = {**EXAMPLE, "p95_execution_time": None}
    expected = (0.30 * 100 + 0.15 * (1000 - 156) / 850 * 100 + 0.15 * 100) / 0.60
    assert performance_score(values) == pytest.approx(expected)
    assert performance_score({"database_query_time": 275.0}) == pytest.approx(50)


def test_nothing_available_is_no_data() -> None:
    assert performance_score({}) is None
    assert performance_score(dict.fromkeys(EXAMPLE)) is None


@given(st.fixed_dictionaries({name: st.none() | st.floats(-1e6, 1e6) for name in EXAMPLE}))
def test_it_stays_within_0_and_100(values: dict[str, float | None]) -> None:
    score = performance_score(values)
    assert score is None or 0 <= score <= 100 + 1e-9
