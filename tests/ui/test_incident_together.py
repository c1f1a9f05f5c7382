"""Together: where a console is told to be, who is called by name, and seeing what the commander sees."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from console.domain.errors import StoreAway
from console.domain.event import Event, Severity
from console.domain.incident import Entry, Presence, Role
from console.domain.snapshot import Snapshot
from screens.following import calls
from tests.ui import drive
from tests.ui.drive import SIZES, QuietApp, at_once, shown, until
from tests.ui.fixtures import incidents
from tests.ui.fixtures.incidents import LIVE, PRESENT, TIMELINE, IncidentClerk, event
from tests.ui.fixtures.story import NOW
from tests.ui.test_incident import IncidentApp, Seen
from widgets.live_table import LiveTable


@asynccontextmanager
async def opened(
    snapshot: Snapshot | None = None,
    *,
    present: Sequence[Presence] = PRESENT,
    at: type[QuietApp] = IncidentApp,
) -> AsyncIterator[Seen]:
    clerk = IncidentClerk()
    app = at(incidents.feed(snapshot or incidents.live(), desk=clerk, present=list(present)))
    # Time is the test's.
    app.tick, app.following.second = app.following.second, lambda: None  # type: ignore[attr-defined, method-assign]
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await until(pilot, lambda: app.screen.focused)
        await pilot.pause()
        yield Seen(app, pilot, clerk)


async def beaten(seen: Seen, count: int) -> list[tuple[int | None, int, str, bool]]:
    await seen.until(lambda: len(seen.clerk.beats) >= count and not seen.app.following._beating, "the beat")
    return seen.clerk.beats


async def second(seen: Seen, count: int = 1) -> None:
    """Seconds pass, each with time for the store's answer."""
    for _ in range(count):
        seen.app.tick()  # type: ignore[attr-defined]
        await seen.until(lambda: not seen.app.following._beating, "the answer")


async def test_a_console_in_the_room_beats_every_ten_seconds_and_when_its_cursor_moves() -> None:
    async with opened() as seen:
        await second(seen)
        assert (await beaten(seen, 1))[0][:3] == (147, 5, "steps 7-5")
        await second(seen, 9)
        assert len(seen.clerk.beats) == 1
        await second(seen)
        assert seen.clerk.beats[1] == (147, 5, "steps 7-5", False)
        await seen.press("down")
        await second(seen)
        assert seen.clerk.beats[2] == (147, 5, "steps 7-6", True)
        await seen.press("1")
        await second(seen)
        assert seen.clerk.beats[3][:2] == (None, 1)
        await second(seen, 59)
        assert len(seen.clerk.beats) == 4
        await second(seen)
        assert len(seen.clerk.beats) == 5
        seen.clerk.error = StoreAway("away")
        await second(seen, 60)
        assert len(seen.clerk.beats) == 6 and "away" not in shown(seen.app), "nobody's work waits for it"


async def test_a_commander_is_seen_on_other_screens_too() -> None:
    async with opened(incidents.of(replace(LIVE, roles={Role.COMMANDER: "ops_rw"}))) as seen:
        await second(seen)
        await seen.press("4")
        await until(seen.pilot, lambda: seen.app.current_mode == "alerts" and seen.app.screen.focused)
        await second(seen)
        number, screen, selection, _ = seen.clerk.beats[-1]
        assert (number, screen) == (147, 4) and selection.startswith("alerts ")
        await seen.press("f")
        await seen.says("you lead INC-147: the others follow you")


@pytest.mark.parametrize(
    ("text", "rings"),
    [
        ("@nora.k, look", True),
        ("look (@Nora.K).", True),
        ("ask @nora.k", True),
        ("ask @nora.kx", False),
        ("nora.k has it", False),
        ("mail to x@nora.k", False),
    ],
)
def test_who_is_called(text: str, rings: bool) -> None:
    assert calls(text, "nora.k") is rings


def note(id: int, by: str, text: str, body: str) -> tuple[Event, Entry]:
    written = event(id, NOW, "note", Severity.INFO, by, "INC-147", text)
    return written, Entry(written, 147, body)


async def test_a_name_in_a_note_rings_that_console_with_a_way_in() -> None:
    class HealthApp(QuietApp):
        DEFAULT_MODE = "health"

    async with opened(at=HealthApp) as seen:
        base = incidents.live()
        seen.app.static.publish(replace(base, events=(event(1, NOW, "note", Severity.INFO, "a", "b", "c"),)))
        rung = seen.app.rung
        for id, by, body in ((920, "ops_rw", "@ops_rw"), (921, "nora.k", "no name")):
            written, entry = note(id, by, "first line", f"first line\n{body}")
            seen.app.static.timeline[147] = (entry, *TIMELINE)
            seen.app.static.publish(replace(base, events=(written, *base.events)))
        await seen.pilot.pause()
        assert seen.app.rung == rung, "neither one's own note nor one without the name"
        written, entry = note(
            922, "nora.k", "the cache is the cause", "the cache is the cause\n\nask @ops_rw"
        )
        seen.app.static.timeline[147] = (entry, *TIMELINE)
        seen.app.static.publish(replace(base, events=(written, *base.events)))
        await seen.says("nora.k calls you in INC-147; 5 shows it: ask @ops_rw")
        assert "calls you" not in "".join(row for row in drive.rows(seen.app) if "the cache is" in row)
        assert seen.app.rung == rung + 1
        seen.app.static.publish(replace(incidents.unseen(), events=(written, *base.events)))
        await seen.press("5")
        await seen.says("INC-147", "SEV2")
        assert seen.app.rung == rung + 1
        # On another incident it waits until it is asked for.
        written = event(923, NOW, "note", Severity.INFO, "nora.k", "INC-148", "@ops_rw here, too")
        seen.app.static.timeline[148] = (Entry(written, 148),)
        seen.app.static.publish(replace(incidents.unseen(), events=(written, *base.events)))
        await seen.says("nora.k calls you in INC-148; 5 shows it", "SEV2", "INC-147")
        await seen.press("5")
        await seen.says("SEV1", "INC-148  Logins")
        assert "calls you" not in shown(seen.app), "whoever is there needs no way there"


async def test_f_goes_where_the_commander_goes_until_f_again() -> None:
    def there(screen: int, selection: str, age: int) -> list[Presence]:
        return [Presence("nora.k", NOW - timedelta(seconds=age), NOW, screen, selection), *PRESENT[1:]]

    async with opened(present=there(5, "steps 7-2", 9)) as seen:
        await seen.press("f")
        await seen.says("following nora.k")
        await seen.until(lambda: seen.table("steps").selected == "7-2")
        seen.app.static._present = there(4, "alerts 3", 5)
        seen.app.static.hint("presence")
        await seen.until(lambda: seen.app.current_mode == "alerts")
        await seen.until(lambda: seen.app.screen.query("#alerts"))
        table = seen.app.screen.query_one("#alerts", LiveTable)
        await seen.until(lambda: table.keys)
        await second(seen)
        assert table.selected == "3"
        # Who looks about alone is not dragged back before the commander moves on.
        at_once(seen.app, "down")
        await seen.until(lambda: table.selected != "3")
        mine = table.selected
        seen.app.static.hint("presence")
        await second(seen, 3)
        assert table.selected == mine
        await seen.press("f")
        await seen.says("nora.k is not followed any more")
        seen.app.static._present = there(7, "", 1)
        seen.app.static.hint("presence")
        await second(seen, 3)
        assert seen.app.current_mode == "alerts"


async def test_a_dialog_is_not_taken_away_and_following_ends_with_the_incident() -> None:
    there = Presence("nora.k", NOW, NOW, 4, "")
    async with opened(present=[replace(there, screen=5)]) as seen:
        await seen.press("f", "n")
        await seen.dialog(object)
        seen.app.static._present = [there]
        seen.app.static.hint("presence")
        await second(seen, 3)
        assert seen.app.current_mode == "incident" and len(seen.app.screen_stack) == 2
        await seen.press("escape")
        await second(seen, 2)
        await seen.until(lambda: seen.app.current_mode == "alerts")
        seen.app.static.publish(incidents.none())
        await seen.says("there is nobody to follow any more")


async def test_following_says_why_it_can_not_be() -> None:
    async with opened(incidents.of(replace(LIVE, roles={}))) as seen:
        await seen.press("f")
        await seen.says("INC-147 has no commander yet: o takes the role")
        seen.app.static.publish(incidents.none())
        await seen.press("1", "f")
        await seen.says("no incident is open here: 5 shows those that are")
