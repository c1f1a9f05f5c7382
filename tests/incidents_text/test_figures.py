"""Metrics as text, and what a counter that begins anew each day went up by."""

import pytest

from console.domain.metric import Direction, MetricSpec
from console.incidents.figures import increase, plotted
from tests.incidents_text.cases import RATE, at, series


def test_a_plot_shows_values_gaps_the_limit_the_times_and_the_clocks() -> None:
    values = [0.3] * 10 + [6.0] * 5 + [None] * 5 + [12.0] * 10 + [0.5] * 10
    lines = plotted(series(*values), RATE, limit=5, marks=[("D", at(10.5)), ("R", at(30)), ("X", at(90))])
    assert lines == [
        "12.00 % │                    ██████████",
        "        │                    ██████████",
        "        │                    ██████████",
        "        │                    ██████████",
        " 5.00 % │╌╌╌╌╌╌╌╌╌╌█████╌╌╌╌╌██████████╌╌╌╌╌╌╌╌╌╌  limit",
        "        │          █████     ██████████",
        "        │          █████     ██████████",
        " 0.00 % │▂▂▂▂▂▂▂▂▂▂█████     ██████████▃▃▃▃▃▃▃▃▃▃",
        "        └────────────────────────────────────────",
        "                   D                   R",
        "         12:00                          12:40 UTC",
    ]


def test_a_metric_whose_low_values_are_bad_is_not_drawn_from_zero() -> None:
    hits = MetricSpec(
        "hits", "Hits", "%", "cache", "sql", "", warning=90, critical=80, direction=Direction.LOW
    )
    lines = plotted(series(97, 97, 79, 85, 97), hits, limit=80)
    assert lines[0] == "97 % │██  █" and lines[7] == "77 % │██▆██"
    assert any("80 % │" in line and line.endswith("limit") for line in lines)


def test_a_limit_far_above_flattens_nothing() -> None:
    lines = plotted(series(0.1, 0.2, 0.1), RATE, limit=5)
    assert lines[-1].strip() == "limit 5.00 %: above all that is shown" and not any("╌" in x for x in lines)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-9, 1e12])
def test_a_metric_that_stands_still_is_drawn(value: float) -> None:
    lines = plotted(series(value, value, None), RATE)
    assert any(cell in line for line in lines for cell in "▁▂▃▄▅▆▇█")


def test_without_a_reading_there_is_no_plot() -> None:
    assert plotted(series(None, None), RATE, limit=5) == []
    assert plotted(series(float("nan"), None), RATE) == []


def test_a_counter_is_counted_over_midnight_and_says_when_it_may_be_more() -> None:
    assert increase([100, None, 120.4, 150]) == (50, False)
    assert increase([100, 130, 4, 9]) == (35, True)
    assert increase([None, 130, 140]) == (10, True)
    assert increase([7]) == (None, False)
    assert increase([None, None]) == (None, False)
