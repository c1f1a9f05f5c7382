"""Rows of screen 7: the checklist's squares and counts, where the trouble began, the comparison."""

from collections import Counter
from dataclasses import replace

import pytest

from console.checks.registry import PRE
from console.domain.action import OutputLine
from console.domain.canary import Compared
from console.domain.check import CheckStatus
from screens.action_rows import first_error, looks_like_error
from screens.checklist_rows import GROUPS, checklist_lines, group_lines, is_ready, state_line
from screens.deploy_rows import comparison_lines, plotted
from screens.paragraphs import Line
from tests.ui.fixtures.deploys import BAD, CHECKLIST, COMPARED, NOW, RESULTS
from themes.palette import DARK
from widgets.cells import measure
from widgets.glyphs import UNICODE
from widgets.look import Look

LOOK = Look(DARK, UNICODE)
GOOD = tuple(replace(result, status=CheckStatus.PASSED) for result in RESULTS)


def text(line: Line) -> str:
    return " ".join(filter(None, ("".join(segment.text for segment in end) for end in line)))


def test_the_groups_are_those_that_are_checked() -> None:
    assert Counter(check.group for check in PRE) == {name: size for name, (_, size) in GROUPS.items()}


def test_before_the_first_result_all_squares_are_empty() -> None:
    run = replace(CHECKLIST, results=(), ended_at=None, total=0)
    assert [text(line) for line in group_lines(run, LOOK, gaps=False)][:2] == [
        "database         ○○○○○ 0/5",
        "edge functions   ○○○○○ 0/5",
    ]
    assert text(state_line(run, LOOK, 60)) == "0 of 25 ► running"
    assert text(state_line(replace(run, started_at=None), LOOK, 60)) == "0 of 25 ► asked for"


def test_checks_that_nobody_knows_have_a_group_too() -> None:
    run = replace(CHECKLIST, results=(replace(RESULTS[0], group="own"),), total=1)
    assert [text(line) for line in group_lines(run, LOOK, gaps=True)] == ["own              ■ 1/1"]


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (60, "22 of 25  1 failed  1 by hand  1 warning not ready"),
        (36, "22 of 25  ✗ 1  ○ 1  ▲ 1 not ready"),
        (29, "22 of 25  ✗ 1  ○ 1 not ready"),
        (20, "22 of 25 not ready"),
    ],
)
def test_the_counts_take_the_room_there_is(width: int, words: str) -> None:
    assert text(state_line(CHECKLIST, LOOK, width)) == words


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (CheckStatus.PASSED, True),
        (CheckStatus.WARNING, True),
        (CheckStatus.MANUAL, False),
        (CheckStatus.FAILED, False),
    ],
)
def test_what_failed_or_waits_for_a_person_is_not_ready(status: CheckStatus, ready: bool) -> None:
    run = replace(CHECKLIST, results=(*GOOD[1:], replace(GOOD[0], status=status)))
    assert is_ready(run) is ready
    assert not is_ready(replace(run, ended_at=None)) and not is_ready(replace(run, words="no agent"))


@pytest.mark.parametrize("room", range(1, 20))
@pytest.mark.parametrize("width", [20, 29, 36, 78, 118])
def test_the_panel_keeps_to_its_room(width: int, room: int) -> None:
    lines = checklist_lines(CHECKLIST, LOOK, width, room)
    assert len(lines) <= max(room, 6)
    if room == 8 and width == 29:
        assert text(lines[-1]).startswith("✗ Dependencies  axios")
    if room == 9 and width == 36:
        assert text(lines[-2]).startswith("✗ Dependencies") and text(lines[-1]) == "  2 more: c shows all"


def test_why_a_run_came_to_nothing_is_told() -> None:
    run = replace(CHECKLIST, results=(), words="the agent can't reach the platform")
    told = [text(line) for line in checklist_lines(run, LOOK, 40, 12)]
    assert told[-2:] == ["0 of 25 not run", "the agent can't reach the platform"]


@pytest.mark.parametrize(
    "line",
    [
        "npm error code E404", "npm ERR! code E404", "TypeError: x is undefined", "1 failed, 2 passed", "build failed.",
        "panic: runtime", "FATAL:  role \"x\" does not exist", "Unhandled exception", "[error] boo", "2 errors",
    ],
)  # fmt: skip
def test_lines_that_tell_of_an_error(line: str) -> None:
    assert looks_like_error(line)


@pytest.mark.parametrize(
    "line",
    [
        "0 errors", "no errors found", "1,204 passed, 0 failed", "dist/errors.js 1.00 kB", "src/error.ts",
        "error-boundary.tsx", "mirrored", "all is well", "error_rate",
    ],
)  # fmt: skip
def test_lines_that_tell_of_none(line: str) -> None:
    assert not looks_like_error(line)


def test_where_the_trouble_began() -> None:
    lines = [
        OutputLine(1, NOW, "build", "out", "Error: a warning in disguise"),
        OutputLine(2, NOW, "ship", "command", "vercel deploy"),
        OutputLine(3, NOW, "ship", "out", "Retrieving project"),
        OutputLine(4, NOW, "ship", "out", "Error: no such project"),
    ]
    telling = [line for line in lines if looks_like_error(line.text)]
    assert first_error(lines, telling, ()) is lines[0]
    assert first_error(lines, telling, {"ship"}) is lines[3]
    assert first_error(lines, telling[:1], {"ship"}) is lines[2]
    assert first_error(lines, [], ()) is None and first_error(lines, telling, {"other"}) is None


def row(found: Compared) -> str:
    return text(comparison_lines(replace(COMPARED, rows=(found,)), {}, LOOK, NOW, None)[1])


def test_half_an_interval_is_told_as_one() -> None:
    known = COMPARED.rows[0]
    assert "+1.10 or more" in row(replace(known, low=1.1, high=None))
    assert "up to +2.70" in row(replace(known, low=None, high=2.7))
    assert "–" in row(replace(known, low=None, high=None))
    assert "+68.7 to +92.2" in row(replace(known, low=68.71, high=92.22))


def test_the_comparison_fits_beside_the_log() -> None:
    for seen in (BAD, COMPARED):
        for line in comparison_lines(seen, {}, LOOK, NOW, None)[:-1]:
            assert measure((*line[0], *line[1])) == 46


def test_what_is_bad_is_plotted_else_the_latency() -> None:
    assert plotted(BAD) == "error_rate" and plotted(COMPARED) == "p95_execution_time"
    assert plotted(replace(COMPARED, rows=COMPARED.rows[:1])) == "error_rate"
    assert plotted(replace(COMPARED, rows=())) == ""
