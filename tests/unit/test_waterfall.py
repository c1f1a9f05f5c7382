"""Where bars stand on the axis of a waterfall, and the axis."""

from datetime import UTC, datetime, timedelta

import pytest

from console.domain.action import StepState
from console.domain.forecast import Stretch
from themes.palette import DARK
from widgets.cells import measure
from widgets.glyphs import ASCII, UNICODE
from widgets.look import Look
from widgets.times import stopwatch
from widgets.waterfall import (
    axis_cells,
    axis_labels,
    bar_cells,
    bar_parts,
    scale_of,
    state_words,
    time_words,
)

START = datetime(2026, 3, 14, 3, 5, tzinfo=UTC)
NOW = START + timedelta(minutes=7)


def row(state: StepState, start: float | None, end: float | None) -> Stretch:
    begins, ends = (None if m is None else START + timedelta(minutes=m) for m in (start, end))
    return Stretch("1", "a", "step a", state, begins, ends)


ROWS = (
    row(StepState.DONE, 0, 2),
    row(StepState.DONE, 2, 2.01),
    row(StepState.RUNNING, 2, 12),
    row(StepState.PENDING, 12, 20),
    row(StepState.PENDING, None, None),
)
SCALE = scale_of(ROWS, START, NOW, 41, over=False)


def text(cells: object) -> str:
    return "".join(segment.text for segment in cells)  # type: ignore[attr-defined]


def test_bars_stand_where_their_times_are() -> None:
    parts = [bar_parts(each, SCALE) for each in ROWS]
    assert parts == [
        [("bar", "oklo", 0, 5)],
        # However short, it is seen.
        [("bar", "oklo", 4, 5)],
        # Solid up to now, then what is left of it.
        [("bar", "accent", 4, 15), ("bar-rest", "faint", 15, 25)],
        [("limit", "faint", 24, 41)],
        [],
    ]
    assert text(bar_cells(ROWS[3], SCALE, Look(DARK, UNICODE))) == " " * 24 + "╌" * 17
    assert text(bar_cells(ROWS[2], SCALE, Look(DARK, ASCII))) == "    " + "=" * 11 + "." * 10


def test_one_that_failed_is_red_and_one_whose_end_is_unknown_ends_now() -> None:
    assert bar_parts(row(StepState.FAILED, 2, 4), SCALE)[0][1] == "crit"
    assert bar_parts(row(StepState.RUNNING, 2, None), SCALE) == [("bar", "accent", 4, 15)]


def test_the_axis_has_both_ends_and_now() -> None:
    assert axis_labels(SCALE) == [(0, "03:05", False), (14, "03:12 now", True), (36, "03:25", False)]
    assert text(axis_cells(SCALE, Look(DARK, UNICODE))).rstrip() == (
        "03:05         03:12 now             03:25"
    )
    done = scale_of(ROWS[:1], START, NOW, 30, over=True)
    assert axis_labels(done) == [(0, "03:05:00", False), (22, "03:07:00", False)]


@pytest.mark.parametrize("width", range(1, 60))
@pytest.mark.parametrize("minutes", [0, 1, 7, 19, 400])
def test_nothing_leaves_its_width_or_overlaps(width: int, minutes: int) -> None:
    scale = scale_of(ROWS, START, START + timedelta(minutes=minutes), width, over=False)
    end = 0
    for cell, label, _ in axis_labels(scale):
        assert cell >= end
        end = cell + len(label)
    assert end <= width
    for each in ROWS:
        assert measure(bar_cells(each, scale, Look(DARK, UNICODE))) <= width


def test_an_action_that_has_just_begun_has_a_scale() -> None:
    scale = scale_of([], START, START, 20, over=False)
    assert scale.cell(START) == 0 and scale.end > scale.start


def test_words_of_a_row() -> None:
    assert [time_words(each, NOW) for each in ROWS] == ["2:00", "0.6s", "5:00", "~8:00", ""]
    assert [state_words(each, NOW) for each in ROWS] == ["done", "done", "50 %", "waiting", "waiting"]
    assert state_words(row(StepState.RUNNING, 2, None), NOW) == "running"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0:00"), (0.45, "0.4s"), (72.9, "1:12"), (3727, "1:02:07"), (-5, "0:00")],
)
def test_as_a_stop_watch_shows_it(seconds: float, words: str) -> None:
    assert stopwatch(timedelta(seconds=seconds)) == words
