"""What the war-room's dialogs say and begin with, what goes on below them, and where one comes back to."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from console.domain.alert import Phase
from console.domain.book import Runbook
from console.domain.incident import Presence
from screens import incident
from screens.drafts import Draft, Drafts, keys
from screens.incident_asking import closing
from screens.note_dialog import NoteDialog
from screens.reading import ReadingScreen
from tests.ui import drive
from tests.ui.drive import SIZES
from tests.ui.fixtures import incidents
from tests.ui.fixtures.alerts import PRICE
from tests.ui.fixtures.incidents import LIVE, PRESENT, RUNBOOKS, UNSEEN
from tests.ui.fixtures.story import NOW
from tests.ui.test_incident import Seen, opened
from widgets.field import Field

CLOSED_NOW = replace(LIVE, closed_at=NOW, closed_by="nora.k", resolution="the cache had no floor")
LATE = timedelta(seconds=50)
NOTE = "sandbox-ops_rw-note-147"


async def back(seen: Seen) -> None:
    await seen.press("escape")
    await seen.until(lambda: seen.app.screen is seen.room)
    await seen.pilot.pause()


# Where one comes back to


@pytest.mark.parametrize(
    "keys", [("v",), ("question_mark",), ("F",), ("home", "enter")], ids=lambda keys: keys[-1]
)
async def test_back_from_what_was_above_it_the_incident_is_the_same_also_when_it_is_closed(
    keys: tuple[str, ...],
) -> None:
    async with opened(incidents.of(CLOSED_NOW, UNSEEN)) as seen:
        seen.room.show_incident(147)
        await seen.says("INC-147", "closed")
        await seen.press(*keys)
        await seen.until(lambda: seen.app.screen is not seen.room)
        await back(seen)
        await seen.says("INC-147", "closed")
        assert "INC-148" not in drive.shown(seen.app)
        await seen.press("1")
        await seen.until(lambda: seen.app.current_mode == "health")
        await seen.press("5")
        await seen.says("INC-148", "nobody is on it")


async def test_back_from_another_screen_by_way_of_the_post_mortem_it_is_the_same_too() -> None:
    async with opened(incidents.of(CLOSED_NOW, UNSEEN)) as seen:
        seen.room.show_incident(147)
        await seen.press("v")
        await seen.until(lambda: isinstance(seen.app.screen, ReadingScreen))
        await seen.press("1")
        await seen.until(lambda: seen.app.current_mode == "health")
        await seen.press("5")
        await seen.until(lambda: isinstance(seen.app.screen, ReadingScreen))
        await back(seen)
        await seen.says("INC-147", "closed")


# Who is there, below a dialog


def subtitle(seen: Seen) -> str:
    return str(seen.room.query_one("#incident-head").border_subtitle)


async def test_who_is_there_is_read_on_below_a_dialog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident, "_LOOK_EVERY_S", 0.05)
    async with opened() as seen:
        await seen.until(lambda: "5 consoles" in subtitle(seen))
        await seen.press("n")
        await seen.dialog(NoteDialog)
        later = NOW + timedelta(minutes=3)
        seen.app.static._present = [Presence("nora.k", later, later, 5)]
        seen.app.static.publish(incidents.live(), now=later)
        await seen.until(lambda: "1 console" in subtitle(seen), "the one who is still there")


async def test_coming_back_who_is_there_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident, "_LOOK_EVERY_S", 3600.0)
    async with opened() as seen:
        await seen.until(lambda: "5 consoles" in subtitle(seen))
        await seen.press("n")
        await seen.dialog(NoteDialog)
        seen.app.static._present = PRESENT[:2]
        await back(seen)
        await seen.says("war room, 2 consoles")


# To close it


async def test_the_dialog_that_closes_says_what_is_still_promised_and_that_a_note_was_not_sent(
    tmp_path: Path,
) -> None:
    async with opened(drafts=tmp_path) as seen:
        name = seen.room.draft_name("note", LIVE)
        await seen.press("C")
        await seen.dialog()
        await seen.says("the next one is promised for 03:15, in 2:13")
        assert "not sent" not in drive.shown(seen.app)
        seen.app.static.publish(incidents.live(), now=LIVE.next_update_at + LATE)  # type: ignore[operator]
        await seen.says("the next one was promised for 03:15, late 0:50")
        await back(seen)
        Drafts(tmp_path).write(name, Draft("n", "half a"))
        await seen.press("C")
        await seen.dialog()
        await seen.says("a draft was not sent: n goes on with it", "o outcome")
    feed = incidents.feed(incidents.of(replace(LIVE, next_update_at=None)))
    told = closing(feed, replace(LIVE, next_update_at=None), draft=False).about
    assert callable(told) and not {"update", "note"} & {label for label, _ in told()}


# A draft that waits


async def test_a_draft_that_waits_is_seen_where_one_writes(tmp_path: Path) -> None:
    async with opened(drafts=tmp_path) as seen:
        await seen.says("note to timeline", "n write")
        await seen.press("n")
        await seen.dialog(NoteDialog)
        await seen.press(*"half")
        await back(seen)
        await seen.says("a draft waits", "n goes on with it")
    # That console was killed; this is another one.
    async with opened(incidents.unseen(), drafts=tmp_path) as seen:
        await seen.says("INC-148", "note to timeline", "n write")
        await seen.press("right_square_bracket")
        await seen.says("INC-147", "a draft waits", "n goes on with it")
        await seen.press("n")
        await seen.dialog(NoteDialog)
        await seen.press("ctrl+s")
        await seen.asked("add_note")
        await seen.says("note to timeline", "n write")


# What is asked


async def test_follow_ups_begin_in_the_text_where_there_is_none_to_end() -> None:
    ended = replace(LIVE.follow_ups[0], done_by="ivo.s", done_at=NOW)
    for left in ((), (ended,)):
        async with opened(incidents.of(replace(LIVE, follow_ups=left))) as seen:
            await seen.press("F", *"you try")
            await seen.dialog()
            assert seen.app.screen.query_one("#text", Field).value == "you try"
            await seen.press("enter", "y")
            *words, more = await seen.asked("add_follow_up")
            assert words == [147, "you try", ""] and more["key"]


async def test_where_nothing_can_be_merged_or_linked_that_is_said_once() -> None:
    by_hand = replace(LIVE, alerts=())
    resolved = replace(PRICE, phase=Phase.RESOLVED, resolved_at=NOW)
    nothing = "no other incident and no other alert is open"
    alone = incidents.of(by_hand, alerts=(resolved,))
    async with opened(alone) as seen:
        await seen.press("g")
        await seen.says(nothing)
        assert seen.app.screen is seen.room
        # The other one is closed while the dialog is open.
        seen.app.static.publish(incidents.of(by_hand, UNSEEN, alerts=(resolved,)))
        seen.room.say("")
        await seen.press("g")
        await seen.dialog()
        await seen.says("merge into", "y does it", "Merge")
        seen.app.static.publish(alone)
        seen.app.screen.changed()  # type: ignore[attr-defined]
        await seen.says(nothing)
        await seen.press("y")
        text = drive.shown(seen.app)
        assert text.count(nothing) == 1 and "y does it" not in text and " Link " not in text
        await back(seen)
        assert not seen.clerk.of("merge_incident")


@pytest.mark.parametrize("size", SIZES)
async def test_whoever_opens_one_sees_the_names_of_all_runbooks(size: str) -> None:
    names = [f"{word}-has-gone-wrong" for word in "database cache deployment order price user venue".split()]
    books = (*RUNBOOKS, *(Runbook(name, name) for name in names))
    async with opened(incidents.none(), size=size, runbooks=books) as seen:
        await seen.press("i")
        await seen.dialog()
        await seen.says(
            "runbooks", *names, "security-breach", "b runbook", "one of these", "n note", "Cancel"
        )


async def test_what_is_written_into_a_field_is_confirmed_from_there() -> None:
    async with opened() as seen:
        await seen.press("C")
        await seen.says("ctrl+s closes it")
        await seen.press("ctrl+s")
        assert not seen.clerk.asked, "nothing says yet what it was"
        await seen.press(*"by a flag", "ctrl+s")
        assert await seen.asked("close_incident") == (147, "by a flag")


async def test_the_last_update_is_written_after_its_end() -> None:
    async with opened(incidents.of(CLOSED_NOW)) as seen:
        seen.room.show_incident(147)
        await seen.says("closed", "w update")
        await seen.press("w")
        await seen.until(lambda: seen.app.screen is not seen.room)


def test_the_same_words_of_one_dialog_are_the_same_call() -> None:
    once, other = keys(), keys()
    assert once("a", "b") == once("a", "b")
    assert len({once("a", "b"), once("ab", ""), once("a", "c"), other("a", "b")}) == 4
    assert len(once("x" * 10_000)) <= 100, "the store takes no longer ones"
