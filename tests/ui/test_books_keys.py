"""Keys of screen 6: ticking, notes, the month, runbooks that are started, hand-overs; and looking back at the start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console.domain.book import Done, Mark
from console.domain.errors import Refused, StoreAway
from console.domain.event import Event, Severity
from console.domain.handover import Handover
from console.domain.incident import Entry
from console.domain.snapshot import Snapshot
from screens import handover_dialog
from screens.asking_dialog import AskingDialog
from screens.books import BooksScreen
from screens.handover_dialog import HandoverDialog
from screens.metric_detail import MetricDetail
from screens.note_dialog import NoteDialog
from screens.reading import ReadingScreen
from screens.runbook_reading import RunbookReading
from screens.since import SinceScreen
from tests.ui import drive
from tests.ui.drive import SIZES, QuietApp, rows, shown, until
from tests.ui.fixtures import actions, books, story
from tests.ui.fixtures.books import BookClerk
from tests.ui.fixtures.story import NOW
from widgets.dialog import Buttons
from widgets.field import Field
from widgets.live_table import LiveTable

MINE = Mark(Done.DONE, "ops_rw", NOW)


class BooksApp(QuietApp):
    """Begins on 6."""

    DEFAULT_MODE = "runbooks"


class Seen(drive.Seen[BookClerk]):
    """A running app on screen 6."""

    @property
    def books(self) -> BooksScreen:
        found = [screen for screen in self.app.screen_stack if isinstance(screen, BooksScreen)]
        return found[0]

    def table(self, name: str) -> LiveTable:
        return self.books.query_one(f"#{name}", LiveTable)

    async def item(self, place: int) -> None:
        self.table("items").select(str(place))
        self.table("items").focus()
        await self.pilot.pause()

    async def dialog(self, kind: type[Any]) -> Any:
        await self.until(lambda: isinstance(self.app.screen, kind), kind.__name__)
        return self.app.screen

    async def confirm(self) -> None:
        """From wherever the focus is in a dialog."""
        self.app.screen.query_one(Buttons).focus()
        await self.press("y")
        await self.until(lambda: isinstance(self.app.screen, BooksScreen), "the dialog is gone")


@asynccontextmanager
async def opened(
    snapshot: Snapshot | None = None, *, size: str = "120x40", clerk: BookClerk | None = None, **more: Any
) -> AsyncIterator[Seen]:
    clerk = clerk or BookClerk()
    app = BooksApp(books.feed(snapshot or books.live(), desk=clerk, **more))
    async with app.run_test(size=SIZES[size]) as pilot:
        seen = Seen(app, pilot, clerk)
        await seen.until(lambda: isinstance(app.screen, BooksScreen) and app.screen.focused)
        await seen.until(
            lambda: seen.books.runbooks and seen.books.handover._found and seen.books.duties._past.runs
        )
        yield seen


async def test_space_ticks_and_shows_it_only_once_the_store_does() -> None:
    wait = asyncio.Event()
    async with opened(clerk=BookClerk(wait=wait)) as seen:
        assert seen.table("lists").selected == "daily-health" and seen.table("items").selected == "6"
        await seen.press("space")
        await seen.says("ticking")
        assert seen.clerk.asked == [("mark_item", 11, 6, Done.DONE, "")]
        await seen.press("space")
        await seen.says("wait for the store's answer")
        assert len(seen.clerk.asked) == 1 and "5/9" in shown(seen.app)
        wait.set()
        await seen.until(lambda: seen.clerk.answered)
        seen.app.static.publish(books.marked(books.live(), 11, 6, MINE))
        await seen.says("6/9", "6 of 9")
        await seen.until(lambda: "ticking" not in shown(seen.app))
        await seen.press("space")
        assert seen.clerk.asked[1] == ("mark_item", 11, 6, None, "")
        await seen.says("unticking")


async def test_a_refusal_and_a_lost_store_are_said_and_nothing_looks_ticked() -> None:
    async with opened(clerk=BookClerk(error=Refused("vera has ticked it at 03:12"))) as seen:
        await seen.press("space")
        await seen.says("vera has ticked it at 03:12")
        assert "ticking" not in shown(seen.app) and "5/9" in shown(seen.app)
        seen.clerk.error = StoreAway("connection reset")
        await seen.press("space")
        await seen.says("connection reset")
        away = replace(books.live(), link=story.store_away().link)
        seen.app.static.publish(away)
        await seen.press("space")
        await seen.says("the store is away")
        assert len(seen.clerk.asked) == 2


async def test_what_somebody_else_said_takes_a_second_key_to_take_back() -> None:
    async with opened() as seen:
        await seen.item(1)
        await seen.press("space")
        await seen.says("press again to take back nora.k's tick: ")
        assert not seen.clerk.asked
        await seen.press("space")
        assert seen.clerk.asked == [("mark_item", 11, 1, None, "")]
        await seen.item(3)
        await seen.press("space")
        await seen.says("press again to take back auto's tick: ")
        # Ticked by another one between looking and pressing: the key was meant for what was seen.
        seen.app.static.publish(books.marked(books.live(), 11, 7, Mark(Done.DONE, "vera", NOW)))
        await seen.item(7)
        await seen.press("space")
        await seen.says("press again to take back vera's tick: ")
        assert len(seen.clerk.asked) == 1


@pytest.mark.parametrize(
    ("person", "role", "words"),
    [("vera", "viewer", "vera is a viewer"), ("ops_rw", "responder", "this console is read-only")],
)
async def test_who_may_only_look_is_told(person: str, role: str, words: str) -> None:
    only = {"read_only": True} if role == "responder" else {}
    async with opened(actions.as_person(books.live(), person, role, **only)) as seen:
        for key in ("space", "n", "k", "o"):
            await seen.press(key)
            await seen.says(words)
        offered = rows(seen.app)[-1]
        assert "history" in offered and not [w for w in ("tick", "note", "skip", "begin") if w in offered]
        await seen.press("v", "s")
        assert not seen.clerk.asked and isinstance(seen.app.screen, BooksScreen)
        assert "search" in rows(seen.app)[-1] and "start" not in rows(seen.app)[-1]


async def test_a_note_ticks_in_whole_and_begins_with_the_one_there_is() -> None:
    async with opened() as seen:
        await seen.press("n")
        dialog = await seen.dialog(NoteDialog)
        await seen.press(*"3 of 4", "enter", *"ok")
        await seen.press("ctrl+s")
        await seen.until(lambda: isinstance(seen.app.screen, BooksScreen))
        assert seen.clerk.asked == [("mark_item", 11, 6, Done.DONE, "3 of 4\nok")]
        await seen.says("ticked: p99 stays there for ten minutes")
        await seen.item(2)
        await seen.press("n")
        dialog = await seen.dialog(NoteDialog)
        assert dialog.text == "p99 478 after the fix"
        await seen.press("escape")


@pytest.mark.parametrize(
    ("place", "key", "words"),
    [
        (1, "k", "nora.k ticked it 11m ago: untick it first"),
        (1, "n", "nora.k ticked it 11m ago: untick it first"),
        (2, "k", "ops_rw ticked it 10m ago: untick it first"),
        (3, "k", "the agent ticked it 10m ago: untick it first"),
        (5, "n", "the agent ticked it 42m ago: untick it first"),
        (4, "n", "ivo.s skipped it 9m ago: untick it first"),
    ],
)
async def test_what_was_said_of_an_item_is_in_the_way_of_a_note_before_that_is_written(
    place: int, key: str, words: str
) -> None:
    async with opened() as seen:
        await seen.item(place)
        await seen.press(key)
        await seen.says(words)
        assert isinstance(seen.app.screen, BooksScreen) and not seen.clerk.asked


async def test_what_is_skipped_takes_a_reason_and_a_refusal_loses_nothing() -> None:
    async with opened(clerk=BookClerk(error=Refused("it is over"))) as seen:
        await seen.press("k")
        dialog = await seen.dialog(NoteDialog)
        seen.app.screen.query_one(Buttons).focus()
        await seen.press("y")
        await seen.says("nothing to save yet")
        await seen.press(*"no access", "ctrl+s")
        await seen.says("it is over")
        assert dialog.text == "no access"
        seen.clerk.error = None
        await seen.press("ctrl+s")
        await seen.until(lambda: isinstance(seen.app.screen, BooksScreen))
        assert seen.clerk.asked[-1] == ("mark_item", 11, 6, Done.SKIPPED, "no access")


def _names(folder: Path) -> list[str]:
    names = [file.name for file in folder.iterdir()]
    assert names
    return names


async def test_what_was_being_written_is_there_again_after_the_console_was_killed(tmp_path: Path) -> None:
    for written in ("half a", "half a note"):
        app = BooksApp(books.feed(books.live()), drafts=tmp_path)
        async with app.run_test(size=SIZES["80x24"]) as pilot:
            seen = Seen(app, pilot, BookClerk())
            await seen.until(lambda app=app: isinstance(app.screen, BooksScreen) and app.screen.duties.item)
            await seen.press("n")
            dialog = await seen.dialog(NoteDialog)
            await seen.press(*(written if written == "half a" else " note"))
            await seen.until(lambda dialog=dialog, written=written: dialog.text == written)
    link = books.live().link
    begins = f"{link.environment}-{link.user}-item-"
    assert all(name.startswith(begins) for name in _names(tmp_path)), (
        "another store has an item of its number"
    )


async def test_from_the_lists_the_first_key_leads_to_the_item_it_would_act_on() -> None:
    async with opened() as seen:
        seen.table("lists").focus()
        await seen.press("down", "space")
        await seen.says("Night hand-over", "press again for thing number 1")
        await seen.until(lambda: seen.table("items").has_focus)
        assert not seen.clerk.asked


async def test_o_opens_the_next_one_early_and_only_where_none_is_open() -> None:
    async with opened() as seen:
        await seen.press("o")
        await seen.says("Morning health is open already, due 03:29")
        seen.table("lists").select("market-open")
        await seen.says("no run yet, due 07:45 CET", "o opens the next one early")
        await seen.press("o")
        await seen.says("press o again: opens Market open of 07:45 CET, 3h before it is due")
        assert not seen.clerk.asked
        # It is forgotten with the words.
        await seen.press("1")
        await seen.until(lambda: not isinstance(seen.app.screen, BooksScreen))
        await seen.press("6")
        await seen.until(lambda: "press o again" not in shown(seen.app))
        await seen.press("o")
        await seen.says("press o again: opens Market open of 07:45 CET, 3h before it is due")
        assert not seen.clerk.asked
        await seen.press("o")
        await seen.says("Market open is open")
        assert seen.clerk.asked == [("start_checklist", "market-open")]
        seen.table("lists").select("drill")
        await seen.item(1)
        await seen.press("space")
        await seen.says("this one was missed")


async def test_brackets_lead_through_the_runs_of_before() -> None:
    async with opened() as seen:
        await seen.press("left_square_bracket")
        await seen.says("Morning health, Fri 13 Mar", "done Fri", "vera")
        await seen.press("space")
        await seen.says("this one is over")
        await seen.press("left_square_bracket")
        await seen.says("nothing is kept of this one any more")
        await seen.press("escape")
        await seen.says("5 of 9")
        await seen.press("right_square_bracket")
        await seen.says("this is the latest one")
        assert not seen.clerk.asked


async def test_enter_opens_an_item_and_x_what_it_is_about() -> None:
    async with opened() as seen:
        await seen.item(9)
        await seen.press("enter")
        await seen.dialog(ReadingScreen)
        await seen.says("Ask in the channel of the shift", "until when", "by hand")
        await seen.press("escape", "x")
        await seen.says("there is nothing behind this one")
        await seen.item(8)
        await seen.press("x")
        await seen.says("ticked by itself once the check tls.expiry has passed")
        await seen.item(6)
        await seen.press("x")
        await seen.dialog(MetricDetail)
        await seen.press("escape")
        await seen.item(7)
        await seen.press("x")
        await seen.until(lambda: seen.app.current_mode == "security")


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_h_shows_the_month_alone_and_leads_back_to_the_list_that_is_chosen_there(size: str) -> None:
    async with opened(size=size) as seen:
        assert ("percent on time" in shown(seen.app)) is (size == "120x40")
        await seen.press("h")
        await seen.until(lambda: seen.table("history").has_focus)
        await seen.says("percent on time", "82 %", "97 %")
        await seen.press("down", "enter")
        await seen.until(lambda: seen.table("items").has_focus)
        assert seen.table("lists").selected == "night"
        await seen.says("Night hand-over", "done 00:04, next due Sun")


async def test_the_month_that_can_not_be_read_is_no_month_without_anything() -> None:
    feed = books.feed(books.live())

    async def away(**_more: Any) -> Any:
        raise StoreAway("connection reset")

    read, feed.past_runs = feed.past_runs, away  # type: ignore[method-assign]
    app = BooksApp(feed)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await until(pilot, lambda: "the history of the checklists could not be read" in shown(app))
        assert "on time" not in shown(app) and "5 of 9" in shown(app)
        feed.past_runs = read  # type: ignore[method-assign]
        feed.hint("duty")
        await until(pilot, lambda: "82 %" in shown(app))


async def test_what_the_agent_has_not_published_yet_is_said() -> None:
    async with opened_bare(books.nothing()) as (app, pilot):
        await until(pilot, lambda: "no checklist yet: the agent publishes them" in shown(app))
        await pilot.press("space")
        await until(pilot, lambda: "there is no item to tick" in shown(app))
        await pilot.press("x")
        await until(pilot, lambda: "there is no item to show anything of" in shown(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "there is no checklist" in shown(app))
        await pilot.press("v")
        await until(pilot, lambda: "no runbook yet: the agent publishes them" in shown(app))
        await pilot.press("s")
        await until(pilot, lambda: "there is no runbook to start" in shown(app))
        await pilot.press("enter", "v")
        await until(pilot, lambda: "nothing is open" in shown(app))
        await pilot.press("s")
        await until(pilot, lambda: "nothing is offered to you" in shown(app))


@asynccontextmanager
async def opened_bare(snapshot: Snapshot) -> AsyncIterator[tuple[BooksApp, Any]]:
    empty: dict[str, Any] = dict.fromkeys(("runbooks", "past_runs", "ticked", "handovers"), ())
    app = BooksApp(books.feed(snapshot, texts={}, **empty))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        yield app, pilot


async def test_hostile_text_stays_text() -> None:
    async with opened(books.hostile()) as seen:
        await seen.says("␛]52;c;eA==␇", "(javascript:y)")
        assert "\x1b" not in shown(seen.app) and "\u202e" not in shown(seen.app)
        await seen.press("enter")
        await seen.dialog(ReadingScreen)
        assert "\x1b" not in shown(seen.app)


# Runbooks


async def test_runbooks_begin_with_the_one_that_is_called_for_and_are_searched_while_it_is_typed() -> None:
    async with opened() as seen:
        await seen.press("v")
        await seen.says(
            "Order execution fails", "threshold:p99_execution_time  firing 7m", "error_rate  0.06 % now"
        )
        assert seen.table("books").selected == "order-execution-failure"
        await seen.press("slash", *"address")
        await seen.says("1 of 3", "Somebody is in who should not be", "Block the address")
        await seen.press("enter")
        await seen.until(lambda: seen.table("books").has_focus)
        await seen.press("escape")
        await seen.until(lambda: len(seen.table("books").keys) == 3)
        await seen.press("slash", *"qqq")
        await seen.says("no book has qqq")


async def test_with_little_room_the_books_that_are_found_are_seen_while_words_are_typed() -> None:
    many = tuple(replace(books.BREACH, name=f"b{i}", title=f"Breach {i}") for i in range(4))
    async with opened(size="80x24", runbooks=(*books.BOOKS, *many)) as seen:
        await seen.press("v", "slash")
        table, found = seen.table("books"), seen.books.query_one("#found")
        for words, count in (("b", 7), ("reach", 5), (" 2", 1)):
            await seen.press(*words)
            await seen.until(lambda count=count: len(table.keys) == count)
            await seen.until(
                lambda: found.styles.height and found.outer_size.height == found.styles.height.value
            )
            await seen.pilot.pause()
            assert table.content_size.height >= 4, "three rows below the header"
            assert table.selected == table.keys[0], "the first that is found"
        await seen.until(lambda: any("▌" in row and "Breach 2" in row for row in rows(seen.app)))
        await seen.press("enter")
        await seen.until(lambda: table.has_focus)
        assert table.keys == ["b2"] and seen.books.query_one("#filter", Field).value == "breach 2"
        await seen.press("escape")
        await seen.until(lambda: len(table.keys) == 7)


async def test_a_runbook_is_attached_to_the_incident_that_is_open() -> None:
    async with opened() as seen:
        await seen.press("v", "enter")
        await seen.dialog(RunbookReading)
        await seen.says("CTO  before 30m")
        await seen.press("s")
        await seen.dialog(AskingDialog)
        await seen.says("INC-147", "Attach to INC-147", "a new incident")
        await seen.press("y")
        await seen.until(lambda: seen.app.current_mode == "incident")
        assert seen.clerk.asked == [("attach_runbook", 147, "order-execution-failure")]


async def test_a_runbook_opens_an_incident_of_its_level_with_what_shows_it() -> None:
    attached = replace(books.INCIDENT, runbooks=(books.attached(books.EXECUTION),))
    async with opened(replace(books.live(), incidents=(attached,))) as seen:
        await seen.press("v", "s")
        await seen.dialog(AskingDialog)
        await seen.says("Open incident")
        await seen.press("up", "y")
        await seen.says("INC-147 works through it already")
        await seen.press("down", "l")
        await seen.until(lambda: isinstance(seen.app.focused, Field))
        await seen.press("backspace", "7", "enter", "y")
        await seen.says("expected a level of 1 (worst), 2 or 3")
        await seen.press("backspace", "1", "enter", "y")
        await seen.until(lambda: seen.app.current_mode == "incident")
        assert seen.clerk.asked == [
            ("open_incident", "Order execution fails", 1, (33,), "order-execution-failure")
        ]
        # An alert that belongs to one that is open stays there, and keeps nobody from opening another one.
        seen.app.static.publish(replace(books.live(), incidents=(replace(attached, alerts=(33,)),)))
        await seen.press("6", "s")
        await seen.dialog(AskingDialog)
        await seen.says("shown by")
        await seen.press("down", "y")
        await seen.until(lambda: len(seen.clerk.asked) == 2)
        assert seen.clerk.asked[1][3] == ()


async def test_a_book_that_is_longer_than_its_panel_is_scrolled_and_stays_while_alerts_change() -> None:
    async with opened(size="80x24") as seen:
        await seen.press("v", "tab", "end")
        await seen.says("CTO  before 30m")
        seen.app.static.publish(replace(books.live(), alerts=()))
        await seen.until(lambda: "!" not in rows(seen.app)[5])
        await seen.says("CTO  before 30m")


# Hand-over


async def test_h_hands_over_from_anywhere_with_the_text_of_now_and_a_note() -> None:
    async with opened() as seen:
        await seen.press("1", "H")
        dialog = await seen.dialog(HandoverDialog)
        await seen.says("nora.k, vera", "ctrl+s offers it", "esc keeps it", "esc, then up and down")
        await seen.press("ctrl+s")
        await seen.says("say who takes over")
        dialog.query_one("#taker", Field).value = "ops_rw"
        await seen.press("ctrl+s")
        await seen.says("hand over to somebody else")
        dialog.query_one("#taker", Field).value = "vera"
        dialog.action_write()
        await seen.press(*"calm", "ctrl+s")
        await seen.until(lambda: isinstance(seen.app.screen, BooksScreen))
        ((*asked, key),) = seen.clerk.asked
        assert asked == ["offer_handover", "vera", books.TEXT, "calm"] and key.endswith(" vera")
        await seen.says("offered to vera, who is to sign it")
        await seen.press("w")
        dialog = await seen.dialog(HandoverDialog)
        assert dialog.text == "", "what was sent is no draft any more"
        dialog.query_one("#taker", Field).value = "vera"
        await seen.press("ctrl+s")
        await seen.until(lambda: len(seen.clerk.asked) == 2)
        assert seen.clerk.asked[1][3] == "", "there may be nothing to add"
        assert seen.clerk.asked[1][4] != key, "it is another one"


async def test_what_is_offered_is_what_is_so_when_it_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover_dialog, "_READ_AGAIN_S", 0.02)
    async with opened() as seen:
        await seen.press("H")
        dialog = await seen.dialog(HandoverDialog)
        await seen.says("nothing is open")
        seen.app.static._texts = {"handover": "## Incidents (3)\n\n- INC-1\n"}
        await seen.says("gives       Incidents 3")
        # The last look was before the fourth one opened, and the answer to the first call is lost.
        monkeypatch.setattr(dialog, "_look_again", lambda: None)
        dialog.query_one("#taker", Field).value = "vera"
        keys: list[str] = []
        for said, answer in (("4", StoreAway("connection reset")), ("5", None)):
            seen.app.static._texts = {"handover": f"## Incidents ({said})\n"}
            seen.clerk.error = answer
            await seen.press("ctrl+s")
            await seen.until(
                lambda said=said: f"({said})" in seen.clerk.asked[-1][2] if seen.clerk.asked else 0
            )
            keys.append(seen.clerk.asked[-1][4])
        assert keys[0] == keys[1], "the store makes one of it"


async def test_while_what_is_offered_can_not_be_read_nothing_is_offered() -> None:
    async with opened() as seen:
        await seen.press("H")
        dialog = await seen.dialog(HandoverDialog)

        async def away() -> str:
            raise StoreAway("connection reset")

        seen.app.static.handover_text = away  # type: ignore[method-assign]
        dialog.query_one("#taker", Field).value = "vera"
        await seen.press("ctrl+s")
        await seen.says("connection reset")
        assert not seen.clerk.asked and seen.app.screen is dialog


async def test_the_only_one_who_could_take_it_over_stands_there_and_the_note_is_written_at_once() -> None:
    async with opened(responders=("ops_rw", "vera")) as seen:
        await seen.press("H")
        dialog = await seen.dialog(HandoverDialog)
        await seen.press(*"calm", "ctrl+s")
        await seen.until(lambda: seen.clerk.asked)
        assert seen.clerk.asked[0][1] == "vera" and seen.clerk.asked[0][3] == "calm"
    async with opened() as seen:
        await seen.press("H")
        dialog = await seen.dialog(HandoverDialog)
        await seen.says("one of nora.k, vera")
        await seen.press(*"vera", "enter", *"why not", "ctrl+s")
        await seen.until(lambda: seen.clerk.asked)
        assert seen.clerk.asked[0][1] == "vera" and seen.clerk.asked[0][3] == "why not"
        assert not dialog.is_attached


async def test_what_is_offered_is_signed_once_it_was_seen() -> None:
    async with opened() as seen:
        await seen.says("Hand-over 1 to sign")
        await seen.press("v", "v")
        await seen.says("What to know now", "External APIs latency  17m  nora.k")
        await seen.press("s")
        await seen.says(
            *("read it, then press again to take over from ivo.s", "Note of ivo.s", "watch the price feed"),
            "as of   00:12, 3h ago",
        )
        assert not seen.clerk.asked
        await seen.press("s")
        await seen.says("you took over from ivo.s")
        assert seen.clerk.asked == [("sign_handover", 4)]
        signed = replace(books.HANDOVERS[0], signed_at=NOW)
        seen.app.static._handovers = (signed, *books.HANDOVERS[1:])
        seen.app.static.hint("handover")
        await seen.until(lambda: "to sign" not in shown(seen.app))
        await seen.press("s")
        await seen.says("ops_rw has signed it")
        await seen.press("enter")
        await seen.dialog(ReadingScreen)


async def test_the_store_that_goes_away_before_the_dialog_is_said_and_opens_none() -> None:
    async with opened() as seen:

        async def away() -> str:
            raise StoreAway("connection reset")

        await seen.press("v", "v")
        seen.app.static.handover_text = away  # type: ignore[method-assign]
        await seen.press("w")
        await seen.says("what there is to hand over could not be read: connection reset")
        assert isinstance(seen.app.screen, BooksScreen)


# The frame


async def test_the_banner_counts_what_is_overdue_and_says_nothing_when_nothing_is() -> None:
    app = QuietApp(books.feed(books.live()))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await until(pilot, lambda: "2 overdue" in rows(app)[0])
        app.static.publish(books.calm())
        await until(pilot, lambda: "overdue" not in rows(app)[0])


async def test_the_palette_leads_to_every_view_and_to_handing_over() -> None:
    async with opened() as seen:
        found = {command.title: command for command in seen.app.get_system_commands(seen.app.screen)}
        assert {"Tick", "Skip", "Runbooks", "Hand-over", "Hand over", "Since you were last here"} <= set(
            found
        )
        found["Runbooks"].callback()
        await seen.until(lambda: seen.books.shelf.book is not None)
        again = {command.title for command in seen.app.get_system_commands(seen.app.screen)}
        assert "Start the runbook" in again and "Tick" not in again


def happened(id: int, minutes: float, severity: Severity, text: str) -> Event:
    return Event(id, NOW - timedelta(minutes=minutes), "alert", severity, "x", text, "agent-2")


async def test_who_comes_back_is_told_what_happened_meanwhile() -> None:
    events = (
        happened(3, 5, Severity.WARNING, "it is slow again"),
        happened(2, 200, Severity.CRITICAL, "the cache is down"),
        happened(1, 2000, Severity.CRITICAL, "long before"),
    )
    snapshot = replace(books.live(), events=events)
    app = QuietApp(books.feed(snapshot, last_seen=NOW - timedelta(hours=4)))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        words = "since you were last here, 4h ago: 1 critical, 1 warning in 2 entries; h shows them"
        app.static.publish(replace(snapshot, at=NOW + timedelta(seconds=1), alerts=()))
        await until(pilot, lambda: words in shown(app))
        await pilot.press("h")
        await until(pilot, lambda: isinstance(app.screen, SinceScreen) and "the cache is down" in shown(app))
        assert "Fri 13 Mar" in shown(app) and "long before" not in shown(app)
        await pilot.press("h")
        await until(pilot, lambda: not isinstance(app.screen, SinceScreen))


async def test_notes_since_then_name_author_and_incident_and_lead_there() -> None:
    def note(id: int, actor: str, text: str) -> Event:
        return Event(id, NOW - timedelta(minutes=5), "note", Severity.INFO, "INC-147", text, actor)

    venue, ours, call = (
        note(5, "bob", "venue refuses"),
        note(4, "bob", "look at"),
        note(3, "vera", "@ops_rw?"),
    )
    alert = happened(2, 200, Severity.CRITICAL, "the cache is down")
    snapshot = replace(books.live(), events=(venue, ours, call, alert))
    feed = books.feed(snapshot, last_seen=NOW - timedelta(hours=4))
    feed.timeline[147] = [Entry(ours, 147, "look at\n\nthe **venue**, @ops_rw")]
    app = QuietApp(feed)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.static.publish(replace(snapshot, at=NOW + timedelta(seconds=1), alerts=()))
        await until(pilot, lambda: app.since.known)
        await pilot.press("h")
        await until(pilot, lambda: "INC-147 bob: venue refuses" in shown(app))
        assert "five minutes without a console end a visit" in shown(app)
        loud = [s.text for s in drive.strips(app) for s in s if s.style and s.style.color == _accent(app)]
        assert [t for t in loud if ": " in t] == ["INC-147 bob: look at", "INC-147 vera: @ops_rw?"]
        table = app.screen.query_one("#since", LiveTable)
        table.select("2")
        await pilot.press("enter")
        await until(pilot, lambda: "it belongs to no incident" in shown(app))
        table.select("4")
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "incident" and "INC-147" in shown(app))


def _accent(app: QuietApp) -> Any:
    screen = app.screen
    assert isinstance(screen, SinceScreen)
    return screen.look("accent").color


async def test_a_first_visit_that_lasts_is_told_what_happened_since_it_began() -> None:
    events = (
        happened(2, 5, Severity.CRITICAL, "the cache is down"),
        happened(1, 40, Severity.WARNING, "before"),
    )
    snapshot = replace(books.live(), events=events)
    app = QuietApp(books.feed(snapshot, first_came=NOW - timedelta(minutes=18)))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        words = "your first visit began 18m ago: 1 critical in 1 entry; h shows them"
        app.static.publish(replace(snapshot, at=NOW + timedelta(seconds=1), alerts=()))
        await until(pilot, lambda: words in shown(app))
        await pilot.press("h")
        await until(pilot, lambda: "the cache is down" in shown(app))
        assert "Since your first visit began, Sat" in shown(app) and "before" not in shown(app)


async def test_who_is_handed_over_to_is_told_so_once_at_the_start_and_whenever_it_comes() -> None:
    app = QuietApp(books.feed(books.live()))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.static.publish(replace(books.live(), at=NOW + timedelta(seconds=1), alerts=()))
        await until(pilot, lambda: "ivo.s hands over to you: 6 shows it" in shown(app))
        await pilot.press("6", "1")
        await until(pilot, lambda: "hands over" not in shown(app))
        others = Handover(6, "nora.k", "vera", "x", "", NOW)
        app.static._handovers = (replace(others, id=7, taker="ops_rw"), others, *books.HANDOVERS)
        app.static.hint("handover")
        await until(pilot, lambda: "nora.k hands over to you: 6 shows it" in shown(app))
        # Whoever writes something is told below the dialog.
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, AskingDialog))
        app.static._handovers = (
            replace(others, id=8, giver="tess.w", taker="ops_rw"),
            *app.static._handovers,
        )
        app.static.hint("handover")
        await until(pilot, lambda: "tess.w hands over to you" in shown(app))


async def test_who_was_never_here_is_told_nothing() -> None:
    app = QuietApp(books.feed(books.live(), handovers=books.HANDOVERS[1:]))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.static.publish(replace(books.live(), alerts=()))
        await until(pilot, lambda: app.since.known)
        await pilot.press("h")
        await until(pilot, lambda: "this is your first visit" in shown(app))
