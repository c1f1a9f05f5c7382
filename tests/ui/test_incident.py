"""The war-room: what it shows, and what its keys ask of the store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import TextArea

from console.domain.book import Done, Mark
from console.domain.errors import Refused, StoreAway
from console.domain.event import Severity
from console.domain.incident import Entry, Incident, Pin, Role
from console.domain.snapshot import Snapshot
from screens.asking_dialog import AskingDialog
from screens.incident import IncidentScreen
from screens.note_dialog import NoteDialog
from screens.plan_dialog import PlanDialog
from screens.reading import ReadingScreen
from tests.ui import drive
from tests.ui.drive import SIZES, AlertsApp, QuietApp, shown, until
from tests.ui.fixtures import alerts, incidents
from tests.ui.fixtures.incidents import BOOK, CLOSED, LIVE, TIMELINE, UNSEEN, IncidentClerk, event
from tests.ui.fixtures.story import NOW
from widgets.field import Field
from widgets.live_table import LiveTable


class IncidentApp(QuietApp):
    DEFAULT_MODE = "incident"


class Seen(drive.Seen[IncidentClerk]):
    """A running app in the war-room."""

    @property
    def room(self) -> IncidentScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, IncidentScreen)
        return screen

    def table(self, name: str) -> LiveTable:
        return self.room.query_one(f"#{name}", LiveTable)

    async def asked(self, name: str) -> tuple[Any, ...]:
        """The last call of this name, without it."""
        await self.until(lambda: self.clerk.of(name), name)
        await self.until(lambda: self.app.screen is self.app.screen_stack[0], "the dialog's end")
        return self.clerk.of(name)[-1][1:]

    async def dialog(self, kind: type = AskingDialog) -> None:
        await self.until(lambda: isinstance(self.app.screen, kind), kind.__name__)
        await self.until(lambda: self.app.screen._is_open, "the dialog to be open")  # type: ignore[attr-defined]

    async def typed(self, field: str, text: str) -> None:
        """Into a field of the dialog in front; the focus goes to the buttons."""
        found = self.app.screen.query_one(f"#{field}", Field)
        found.value = text
        self.app.screen.query_one("#buttons").focus()
        await self.pilot.pause()


@asynccontextmanager
async def opened(
    snapshot: Snapshot | None = None, *, size: str = "120x40", drafts: Path | None = None, **more: Any
) -> AsyncIterator[Seen]:
    clerk = IncidentClerk()
    app = IncidentApp(incidents.feed(snapshot or incidents.live(), desk=clerk, **more), drafts=drafts)
    async with app.run_test(size=SIZES[size]) as pilot:
        seen = Seen(app, pilot, clerk)
        await until(pilot, lambda: isinstance(app.screen, IncidentScreen) and app.screen.focused)
        await until(pilot, lambda: seen.room._timeline.known or seen.room._shelf.known)
        yield seen


async def test_5_shows_who_is_on_it_its_clocks_what_happened_and_what_is_next() -> None:
    async with opened() as seen:
        await seen.says(
            "SEV2", "INC-147", "being worked on", "next update 03:15 in 2:13", "commander  nora.k"
        )
        await seen.says("✓ detected", "17:42 ago", "✓ acked", "after 2:10", "► mitigated", "○ resolved")
        await seen.says(
            "p99 down to 478 on canary", "note+", "pinned ttl 1s doubles", "newest first, 16 entries"
        )
        await seen.says("Slow price feed", "nora.k 02:57", "62 %", "x  start", "auto", "4 of 8 done")
        await seen.says("price_cache_ttl 5s", "▲ suspect", "512 ms, limit 500", "war room, 5 consoles")
        await seen.says("ivo.s on 7", "◇ ravi.p idle 6m", "1 follow-up open, 1 update", "5 Incident ■")
        assert seen.table("steps").selected == "7-5", "the first that is to be done"
        seen.app.static.publish(incidents.of(replace(LIVE, acknowledged_at=None, acknowledged_by=None)))
        await seen.says("nobody is on it", "engineering manager in 2:18", "a ack")


async def test_space_ticks_the_step_and_takes_it_back() -> None:
    async with opened() as seen:
        await seen.press("space")
        assert await seen.asked("mark_step") == (147, 7, 5, Done.DONE, {"action_id": None})
        steps = tuple(
            replace(m, mark=Mark(Done.DONE, "nora.k", NOW)) if m.place == 5 else m for m in BOOK.steps
        )
        seen.app.static.publish(incidents.of(replace(LIVE, runbooks=(replace(BOOK, steps=steps),))))
        await seen.says("nora.k 03:12", "5 of 8 done")
        await seen.press("space")
        await seen.until(lambda: len(seen.clerk.of("mark_step")) == 2)
        assert seen.clerk.of("mark_step")[-1][1:5] == (147, 7, 5, None)
        seen.clerk.error = Refused("alice ticked it already, 03:04")
        await seen.press("down", "space")
        await seen.says("alice ticked it already, 03:04")
        await seen.press("tab", "tab")
        await seen.until(lambda: seen.table("timeline").has_focus)
        await seen.press("space")
        await seen.says("no step is selected: tab leads to the steps")
        assert len(seen.clerk.of("mark_step")) == 3


async def test_a_row_says_what_was_asked_until_the_store_answers() -> None:
    import asyncio

    async with opened() as seen:
        seen.clerk.wait = asyncio.Event()
        await seen.press("space")
        await seen.says("ticking")
        await seen.press("space")
        await seen.says("step 5: ticking already")
        seen.clerk.wait.set()
        await seen.until(lambda: "ticking" not in "\n".join(drive.rows(seen.app)[15:]))
        assert len(seen.clerk.of("mark_step")) == 1


async def test_k_skips_with_a_reason_only() -> None:
    async with opened() as seen:
        await seen.press("k")
        await seen.dialog()
        await seen.press("enter", "y")
        await seen.says("a reason is required")
        await seen.typed("reason", "there is no such address")
        await seen.press("y")
        assert await seen.asked("mark_step") == (
            147,
            7,
            5,
            Done.SKIPPED,
            {"note": "there is no such address"},
        )
        await seen.says("step 5 is skipped")
        await seen.press("up", "k")
        await seen.says("ivo.s done it: space takes that back")


async def test_x_starts_the_action_with_its_plan_and_marks_the_step_once_it_is_confirmed() -> None:
    attacked = replace(LIVE, title="203.0.113.7 floods the price feed")
    async with opened(incidents.of(attacked)) as seen:
        await seen.press("x")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        await seen.until(lambda: seen.clerk.of("request"))
        kind, target, params, more = seen.clerk.of("request")[0][1:]
        assert (kind, target, params["length"]) == ("block_ip", "203.0.113.7", "2h")
        assert (more["reason"], more["cause"]) == (
            "INC-147: 203.0.113.7 floods the price feed",
            "incident 147",
        )
        dialog = seen.app.screen
        assert not seen.clerk.of("mark_step")
        action = replace(incidents.actions.RUNNING, id=40)
        dialog.dismiss(action)  # type: ignore[attr-defined]
        assert await seen.asked("mark_step") == (147, 7, 5, Done.DONE, {"action_id": 40})
        await seen.press("up", "x")
        await seen.until(lambda: type(seen.app.screen).__name__ == "ActionDetail")


async def test_x_shows_a_metric_a_check_or_a_screen_in_its_place() -> None:
    async with opened() as seen:
        await seen.press("home", "x")
        await seen.says("p99 execution", "p pins it for everybody")
        await seen.press("p")
        assert await seen.asked("pin_plot") == (147, "p99_execution_time")
        await seen.press("down", "down", "down", "down", "down", "down", "x")
        assert await seen.asked("ask_checks") == ("pre", "", "")
        await seen.press("up", "x")
        await seen.says("this step is a person's: space ticks it")
        await seen.press("up", "up", "up", "x")
        await seen.until(lambda: seen.app.current_mode == "deploy")


def kept(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_note_is_kept_while_it_is_written_and_sent_again_as_the_same(tmp_path: Path) -> None:
    async with opened(drafts=tmp_path) as seen:
        await seen.press("n")
        await seen.dialog(NoteDialog)
        await seen.press(*"one", "enter", *"y two")
        [file] = kept(tmp_path)
        assert file.stat().st_mode & 0o777 == 0o600
        assert "one\\ny two" in file.read_text()
    # That console was killed; this is another one.
    async with opened(drafts=tmp_path) as seen:
        await seen.press("n")
        await seen.dialog(NoteDialog)
        await seen.says("a draft that was not sent")
        assert seen.app.screen.query_one("#text", TextArea).text == "one\ny two"
        seen.clerk.error = StoreAway("the store did not answer")
        await seen.press("ctrl+s")
        await seen.says("the store did not answer")
        assert kept(tmp_path) == [file], "nobody knows whether it arrived"
        seen.clerk.error = None
        await seen.press("ctrl+s")
        incident, text, key = await seen.asked("add_note")
        assert (incident, text) == (147, "one\ny two")
        assert key == seen.clerk.of("add_note")[0][3], "sent again, it is no second note"
        await seen.says("the note is on the timeline")
        assert not kept(tmp_path)
        await seen.press("n")
        await seen.dialog(NoteDialog)
        await seen.press(*"one", "enter", *"y two", "ctrl+s")
        await seen.until(lambda: len(seen.clerk.of("add_note")) == 3)
        assert seen.clerk.of("add_note")[2][3] != key, "the same words later are another note"


async def test_left_with_escape_a_note_stays_a_draft_and_what_is_pasted_is_safe(tmp_path: Path) -> None:
    async with opened(drafts=tmp_path, size="80x24") as seen:
        await seen.press("n")
        await seen.dialog(NoteDialog)
        area = seen.app.screen.query_one("#text", TextArea)
        area.insert("a\x1b]52;c;eA==\x07\r\n[@click=app.quit]b[/]\u202e")
        await seen.pilot.pause()
        assert area.text == "a␛]52;c;eA==␇\n[@click=app.quit]b[/]\ufffd"
        await seen.press("escape")
        await seen.until(lambda: seen.app.screen is seen.room)
        assert not seen.clerk.of("add_note") and kept(tmp_path)
        await seen.says("it is kept as a draft: the same key goes on with it")
        await seen.press("n")
        await seen.dialog(NoteDialog)
        await seen.press("ctrl+a")
        seen.app.screen.query_one("#text", TextArea).clear()
        await seen.until(lambda: not kept(tmp_path), "an empty draft to go")
        await seen.press("ctrl+s")
        await seen.says("there is nothing to save yet")
        await seen.press("escape")
        await seen.until(lambda: seen.app.screen is seen.room)
        await seen.pilot.pause()
        assert "it is kept" not in shown(seen.app)


async def test_the_incident_itself_is_changed_with_one_key_each() -> None:
    fresh = replace(LIVE, acknowledged_at=None, acknowledged_by=None)
    async with opened(incidents.of(fresh)) as seen:
        await seen.press("a")
        assert await seen.asked("acknowledge_incident") == (147,)
        await seen.press("m")
        await seen.dialog()
        await seen.typed("note", "ttl is back at 5s")
        await seen.press("y")
        assert await seen.asked("mitigate") == (147, "ttl is back at 5s", {"back": False})
        await seen.press("L")
        await seen.dialog()
        await seen.typed("level", "2")
        await seen.typed("reason", "checkout fails, too")
        await seen.press("y")
        await seen.says("it has level 2 already")
        await seen.typed("level", "1")
        await seen.press("y")
        assert await seen.asked("set_level") == (147, 1, "checkout fails, too")
        await seen.press("o")
        await seen.dialog()
        await seen.press("y")
        assert await seen.asked("set_role") == (147, Role.DATABASE, "ops_rw")
        await seen.press("F")
        await seen.dialog()
        await seen.press("y")
        await seen.says("write what is to be done")
        await seen.press("down", "y")
        assert await seen.asked("end_follow_up") == (3,)
        await seen.press("b")
        await seen.dialog()
        await seen.press("y")
        assert await seen.asked("attach_runbook") == (147, "security-breach")
        await seen.press("g")
        await seen.dialog()
        await seen.press("y")
        assert (await seen.asked("link_alerts"))[0] == 147
        await seen.press("C")
        await seen.dialog()
        await seen.says("4 of 8 steps are neither done nor skipped")
        await seen.typed("outcome", "the cache had no floor")
        await seen.press("y")
        assert await seen.asked("close_incident") == (147, "the cache had no floor")
        await seen.says("closed: v shows the post-mortem")


async def test_an_update_is_written_by_a_template_seen_first_and_recorded() -> None:
    async with opened() as seen:
        await seen.press("w")
        await seen.dialog()
        await seen.says("First word to customers", "written")
        await seen.press("y")
        await seen.dialog(NoteDialog)
        await seen.says("Still: Price feed slow. {{ impact }}", "the next one in 30m")
        await seen.press("ctrl+s")
        await seen.says("no value yet for impact: write it, or take it out")
        await seen.press(*["backspace"] * len("{{ impact }}"), *"312 users", "ctrl+s")
        number, name, text, more = await seen.asked("record_update")
        assert more.pop("key"), "sent again, it is no second one"
        assert (number, name, more) == (147, "customer-update", {"again_s": 1800.0})
        assert text == "Still: Price feed slow. 312 users"


async def test_the_help_can_be_read_to_its_end_where_it_has_more_than_the_room() -> None:
    async with opened(size="80x24") as seen:
        await seen.press("question_mark")
        await seen.says("Incident: keys", "down reads on", "this panel")
        await seen.press("end")
        await seen.says("► runs", "◈ in force")
        await seen.press("home")
        await seen.says("this panel")
        await seen.press("escape")
        await seen.until(lambda: seen.app.screen is seen.room)


async def test_the_palette_has_what_the_keys_do() -> None:
    async with opened() as seen:
        titles = {command.title for command in seen.app.get_system_commands(seen.room)}
        assert {
            *(
                "Open an incident",
                "Note on INC-147",
                "Acknowledge INC-147",
                "Mitigated INC-147",
                "Close INC-147",
            ),
            *("Level of INC-147", "Roles of INC-147", "Rename INC-147", "Update on INC-147", "Pin"),
            *("Follow-ups of INC-147", "Merge, split or link INC-147", "Attach a runbook to INC-147"),
            *(
                "Post-mortem of INC-147",
                "Tick the step",
                "Skip the step",
                "Start the step",
                "Follow the commander",
            ),
        } <= titles


async def test_an_entry_is_pinned_and_read_in_whole() -> None:
    async with opened() as seen:
        await seen.press("tab", "tab")
        await seen.until(lambda: seen.table("timeline").has_focus)
        await seen.press("end", "p")
        assert await seen.asked("pin") == (147, TIMELINE[-1].event.id, {"off": False})
        await seen.press("home", "p")
        await seen.until(lambda: seen.clerk.of("pin")[-1][2:] == (913, {"off": True}))
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ReadingScreen))
        await seen.says("before: 120 /s", "ivo.s")
        await seen.press("escape", "v")
        await seen.says("Post-mortem of INC-147", "To acknowledge: 2m 10s", "[ ] give the cache a floor")
        await seen.press("escape")


async def test_a_viewer_reads_and_is_told_why_nothing_can_be_changed() -> None:
    base = incidents.live()
    viewer = replace(base, link=replace(base.link, user="vera", role="viewer"))
    async with opened(viewer) as seen:
        for key in ("space", "n", "a", "m", "L", "o", "C", "w"):
            await seen.press(key)
            await seen.says("vera is a viewer and may only look")
            seen.room.say("")
        assert not seen.clerk.asked
        await seen.press("v")
        await seen.says("Post-mortem of INC-147")


async def test_of_several_the_worst_is_shown_and_brackets_switch() -> None:
    async with opened(incidents.unseen()) as seen:
        await seen.says("SEV1", "INC-148", "1 other: [ or ]", "nobody is on it")
        await seen.press("right_square_bracket")
        await seen.says("SEV2", "INC-147", "p99 down to 478 on canary")
        await seen.press("left_square_bracket")
        await seen.says("INC-148", "nothing was written yet")
        await seen.press("escape")
        await seen.says("2 incidents open", "INC-147", "INC-148")
        await seen.press("down", "enter")
        await seen.says("INC-147", "p99 down to 478")


async def test_a_worse_one_that_opens_does_not_come_under_the_keys() -> None:
    async with opened() as seen:
        seen.app.static.publish(incidents.unseen())
        await seen.says("INC-147", "1 other: [ or ]")
        await seen.press("space")
        assert (await seen.asked("mark_step"))[0] == 147
        closed = replace(LIVE, closed_at=NOW, closed_by="nora.k")
        seen.app.static.publish(incidents.of(UNSEEN, closed))
        await seen.says("INC-147", "✓ resolved", "– mitigated", "v post-mortem")
        assert "space tick" not in shown(seen.app)
        await seen.press("a")
        await seen.says("INC-147 is closed: C opens it again")
        await seen.press("1", "5")
        await seen.says("INC-148", "nobody is on it")


async def test_text_from_outside_is_shown_as_it_is_and_does_nothing() -> None:
    text = "[/] [@click=app.quit]x[/] \x1b]52;c;eA==\x07 価格\u202e🚀"
    for size in ("80x24", "120x40"):
        more = incidents.hostile_past(text)
        async with opened(incidents.hostile(text), size=size, **more) as seen:
            await seen.says("[/] [@click")
            for key in (
                "enter",
                "escape",
                "tab",
                "tab",
                "enter",
                "escape",
                "v",
                "escape",
                "o",
                "escape",
                "g",
            ):
                await seen.press(key)
                whole = shown(seen.app).replace("\n", "")
                assert all(char.isprintable() for char in whole), key
                assert "\u202e" not in whole


async def test_without_an_incident_the_past_ones_are_listed_and_what_would_open_one() -> None:
    async with opened(incidents.none()) as seen:
        await seen.says(
            "no incident is open: i opens one", "Slow price feed  is for Price Feed Slow", "INC-139"
        )
        assert "5 Incident ■" not in shown(seen.app)
        await seen.press("space", "x", "n")
        await seen.press("enter")
        await seen.says("INC-139", "closed", "✓ resolved")
        await seen.press("space")
        await seen.says("INC-139 is closed: C opens it again")
        await seen.press("C")
        await seen.dialog()
        await seen.typed("reason", "it fails again")
        await seen.press("y")
        assert await seen.asked("reopen_incident") == (139, "it fails again")
        seen.app.static.publish(incidents.live())
        await seen.press("escape", "escape")
        await seen.says("INC-147")


async def test_an_old_incident_is_read_and_a_store_that_goes_away_says_so() -> None:
    old = replace(CLOSED, id=12, title="of last month")
    feed_incident: dict[int, Incident] = {12: old}
    answers = asyncio.Event()
    async with opened(incidents.none()) as seen:

        async def one(number: int) -> Incident | None:
            await answers.wait()
            return feed_incident.get(number)

        seen.app.static.incident = one  # type: ignore[method-assign]
        seen.room.show_incident(12)
        before = seen.room._before
        await seen.until(lambda: before.busy or before.of == 12, "what changed is read, too")
        answers.set()
        await seen.says("INC-12", "of last month")
        await seen.until(lambda: seen.table("changed").keys, "what changed before this one")

        async def away(*_: Any, **__: Any) -> Any:
            raise StoreAway("the store did not answer within 2 s")

        seen.app.static.incident_timeline = away  # type: ignore[method-assign]
        seen.app.static.hint("event")
        await seen.says(
            "the timeline could not be read: the store did not answer within 2 s", "of last month"
        )


def many(count: int) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            event(
                n, NOW - timedelta(seconds=2000 - n), "note", Severity.INFO, "nora.k", "INC-147", f"note {n}"
            ),
            147,
        )
        for n in range(count, 0, -1)
    )


async def test_pages_come_as_somebody_scrolls_and_news_come_on_top() -> None:
    async with opened(timeline={147: many(450)}) as seen:
        await seen.says("newest first, 200+ entries", "note 450")
        await seen.press("tab", "tab", "end")
        await seen.says("400+ entries")
        await seen.press("end")
        await seen.says("newest first, 450 entries")
        await seen.press("end")
        await seen.says("note 1 ")
        selected = seen.table("timeline").selected
        seen.app.static.timeline[147] = many(452)
        seen.app.static.hint("event")
        await seen.says("452 entries", "note 1 ")
        assert seen.table("timeline").selected == selected
        seen.app.static.timeline[147] = many(1000)
        seen.app.static.hint("event")
        await seen.says("+ entries")


async def test_i_opens_one_from_the_alert_under_the_cursor() -> None:
    clerk = IncidentClerk()
    app = AlertsApp(incidents.feed(replace(incidents.none(), alerts=alerts.live().alerts), desk=clerk))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        seen = Seen(app, pilot, clerk)
        await seen.says("Price Feed Slow")
        await seen.press("i")
        await seen.dialog()
        fields = {each.id: each.value for each in app.screen.query(Field)}
        assert fields == {
            "title": "get-stock-price latency is 512 ms, over 500 ms",
            "level": "2",
            "runbook": "slow-price-feed",
            "note": "",
        }
        await seen.typed("runbook", "nothing")
        await seen.press("y")
        await seen.says("there is no runbook nothing")
        await seen.typed("runbook", "")
        await seen.press("y")
        await seen.until(lambda: clerk.of("open_incident"))
        app.static.publish(incidents.of(replace(LIVE, id=149)))
        assert clerk.of("open_incident")[0][3]["alerts"] == [1]
        await seen.says("INC-149")
        assert app.current_mode == "incident"
        await seen.press("4", "i")
        await seen.says("Price Feed Slow belongs to INC-149")
        assert app.current_mode == "incident"


async def test_pins_and_several_runbooks_have_their_places() -> None:
    second = replace(BOOK, id=9, name="security-breach", title="Security breach")
    pins = tuple(Pin(918 - n, f"fact {n}", "nora.k", NOW) for n in range(2))
    async with opened(incidents.of(replace(LIVE, runbooks=(BOOK, second), pins=pins)), size="160x50") as seen:
        await seen.says("Runbooks", "Security breach", "4 of 8 ", "8 of 16 done", "fact 0", "fact 1")
        await seen.press("end", "space")
        assert (await seen.asked("mark_step"))[:3] == (147, 9, 8)


@pytest.mark.parametrize("size", ["80x24", "160x50"])
async def test_it_fits_other_sizes(size: str) -> None:
    async with opened(size=size) as seen:
        await seen.says("SEV2", "INC-147", "Slow price feed", "p99 down to 478 on canary", "4 of 8")
