"""Rows of the war-room: the action that a step has started, what changed before, an entry that has more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from console.domain.action import Action, ActionState, Proof
from console.domain.book import Done, Mark, Marked
from console.domain.event import Event
from console.domain.incident import Entry
from screens.incident_close_up import does_words
from screens.incident_entries import entry_rows
from screens.incident_rows import Scene
from screens.incident_step_rows import step_entries
from tests.ui import drive
from tests.ui.fixtures import actions, incidents
from tests.ui.fixtures.incidents import CHANGES, COURSE, LIVE, TIMELINE, event
from tests.ui.fixtures.story import NOW
from tests.ui.test_incident import opened
from themes.palette import DARK
from widgets.cells import Cells
from widgets.glyphs import UNICODE
from widgets.live_table import Deferred, Row
from widgets.look import Look
from widgets.tab_row import Tab

LOOK = Look(DARK, UNICODE)
RUNNING = replace(actions.RUNNING, id=29, step=1, steps=4)
"""What step 2 has started."""
DONE = replace(RUNNING, state=ActionState.DONE)


def text_of(cells: Cells) -> str:
    return "".join(segment.text for segment in cells)


def row_of(action: Action | None, *, compact: bool = False) -> tuple[Cells, ...]:
    """Of step 2."""
    known = {} if action is None else {action.id: action}
    _, rows = step_entries(LIVE, Scene(LOOK, NOW, compact=compact, actions=known))
    return next(row.cells for row in rows if isinstance(row, Row) and row.key == "7-2")


@pytest.mark.parametrize(
    ("action", "box", "end"),
    [
        (RUNNING, "[►]", "25 %"),
        (replace(RUNNING, state=ActionState.VERIFYING, step=4), "[►]", "► verifying"),
        (replace(RUNNING, state=ActionState.FAILED), "[✗]", "✗ failed"),
        (replace(RUNNING, state=ActionState.REFUSED), "[✗]", "✗ refused"),
        (replace(RUNNING, state=ActionState.CANCELLED), "[–]", "– cancelled"),
        (replace(RUNNING, state=ActionState.INTERRUPTED), "[!]", "! interrupted"),
        (replace(actions.WAITING, id=29), "[◔]", "◔ approval"),
        (replace(DONE, proof=Proof("worse", "8 % fail")), "[▲]", "▲ worse"),
        (replace(DONE, proof=Proof("proved", "it holds")), "[✓]", "ivo.s 02:58"),
        (replace(DONE, undone_by=31), "[–]", "– undone by 31"),
        (DONE, "[✓]", "ivo.s 02:58"),
        (None, "[✓]", "ivo.s 02:58"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_step_says_how_the_action_stands_that_it_has_started(
    action: Action | None, box: str, end: str
) -> None:
    for compact in (False, True):
        row = row_of(action, compact=compact)
        assert text_of(row[0]) == box
        assert text_of(row[3]).endswith(end if not compact else end.removeprefix("ivo.s "))


def test_what_went_wrong_has_the_colour_of_it() -> None:
    failed, worse = (
        replace(RUNNING, state=ActionState.FAILED),
        replace(DONE, proof=Proof("worse", "8 % fail")),
    )
    for action in (failed, worse):
        assert row_of(action)[3][0].style == LOOK("crit")
    assert row_of(DONE)[3][0].style == LOOK("faint")


async def test_an_action_that_fails_changes_its_row_at_once() -> None:
    async with opened() as seen:
        await seen.says("62 %", "nora.k 02:57")
        base = incidents.live()
        fails = tuple(
            replace(each, state=ActionState.FAILED) if each.id == 33 else each for each in base.actions
        )
        seen.app.static.publish(replace(base, actions=fails))
        await seen.says("[✗]", "✗ failed")
        await seen.press("up", "enter")
        await seen.says("33, failed; on the step space takes the tick back, then x starts it again")
        await seen.press("escape", "x")
        await seen.until(lambda: type(seen.app.screen).__name__ == "ActionDetail")


def test_an_entry_says_that_it_has_more_only_where_it_has() -> None:
    def drawn(text: str, body: str, *, compact: bool, kind: str = "note") -> str:
        entry = Entry(event(1, NOW, kind, TIMELINE[0].event.severity, "bob", "INC-147", text), 147, body)
        [row] = entry_rows([entry], (), LOOK, compact=compact, greyed=False)
        assert isinstance(row, Deferred)
        return " ".join(text_of(cell) for cell in row.build().cells)

    assert drawn("first line", "first line\nsecond", compact=True).endswith("first line …")
    assert "note+" in drawn("first line", "first line\nsecond", compact=False)
    said = "bob closed INC-147: the cache had no floor"
    for compact in (False, True):
        assert drawn(said, "the cache had no floor", compact=compact).endswith("no floor")
        assert "note+" not in drawn(said, "the cache had no floor", compact=compact)
    update = "internal, initial update: **INC-147 (level 2)**"
    assert drawn(update, "**INC-147 (level 2)**", compact=True, kind="comms").endswith(
        "update: INC-147 (level 2)"
    )


async def test_that_an_agent_starts_is_no_change_before_it() -> None:
    started = event(899, CHANGES[0].at, "agent", CHANGES[0].severity, "agent-1", "agent-1", "agent-1 leads")
    async with opened(changes=(started, *CHANGES)) as seen:
        await seen.says("price_cache_ttl 5s", "3 changes")
        assert "agent-1 leads" not in drive.shown(seen.app)


async def test_what_changed_is_looked_for_in_the_same_half_hour_as_the_timeline_has() -> None:
    base = incidents.live()
    asked: list[timedelta] = []
    async with opened(replace(base, link=replace(base.link, time_scale=10.0))) as seen:

        async def changes_before(_moment: datetime, window: timedelta, **_more: object) -> Sequence[Event]:
            asked.append(window)
            return CHANGES

        seen.app.static.changes_before = changes_before  # type: ignore[method-assign]
        seen.room._before.again()
        await seen.until(lambda: asked)
    assert asked == [timedelta(minutes=30)]


def marked(place: int, mark: Mark | None = None, **step: object) -> Marked:
    return Marked(place, replace(COURSE[-1], **step), mark)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"screen": 1}, "goes to Health"),
        ({"screen": 42}, "goes to screen 42"),
        ({"action": "block_ip", "params": {"length": "2h"}}, "starts block-ip, length 2h"),
        ({"check": "db.backups"}, "checks db.backups"),
        ({"metric": "error_rate"}, "shows error_rate"),
        ({}, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_x_does_in_words(step: dict[str, object], words: str) -> None:
    assert does_words(marked(1, **step), incidents.live(), [Tab(1, "Health", "Health")]) == words
    started = Mark(Done.DONE, "ivo.s", NOW, action_id=33)
    if "action" in step:
        assert does_words(marked(1, started, **step), incidents.live(), ()) == "shows action 33"


async def test_a_step_at_full_size_says_how_it_stands_by_whom_and_why_it_was_skipped() -> None:
    steps = (
        marked(1, screen=1),
        marked(2, Mark(Done.SKIPPED, "ivo.s", NOW, note="there is no such cache")),
        marked(3, Mark(Done.DONE, "agent-2", NOW, note="0.2 %", automatic=True)),
    )
    async with opened(
        incidents.of(replace(LIVE, runbooks=(replace(LIVE.runbooks[0], steps=steps),)))
    ) as seen:
        said: list[tuple[str, ...]] = [
            ("x         goes to Health", "state     to be done"),
            ("state     skipped by ivo.s, 2026-", "reason    there is no such cache"),
            ("state     done by the agent (agent-2), 2026-", "note      0.2 %"),
        ]
        await seen.press("home")
        for words in said:
            await seen.press("enter")
            await seen.says(*words)
            await seen.press("escape")
            await seen.until(lambda: seen.app.screen is seen.room)
            await seen.press("down")


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_the_panel_of_the_steps_says_how_many_are_below(size: str) -> None:
    compact = size == "80x24"
    long = replace(
        LIVE.runbooks[0],
        steps=tuple(replace(LIVE.runbooks[0].steps[n % 8], place=n + 1, mark=None) for n in range(30)),
    )
    async with opened(incidents.of(replace(LIVE, runbooks=(long,))), size=size) as seen:
        await seen.says("0 of 30 done, ", " more below")
        await seen.press("end")
        await seen.until(lambda: "more below" not in drive.shown(seen.app))
        widths = [len(line.split("││")[0]) for line in drive.rows(seen.app) if "││" in line]
        assert not compact or all(width >= 50 for width in widths), "the steps have two thirds"
