"""One word for where an incident stands, which key comes next, and what is said to whom for how long."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from console.domain.alert import Alert, Phase
from console.domain.incident import Incident, Role
from console.domain.snapshot import Snapshot
from screens.incident_past import past_entries
from screens.incident_rows import Scene, clock_lines, head_lines
from screens.paragraphs import Line
from tests.ui import drive
from tests.ui.drive import SIZES, AlertsApp, QuietApp
from tests.ui.fixtures import incidents
from tests.ui.fixtures.alerts import PRICE
from tests.ui.fixtures.incidents import BOOK, CLOSED, LIVE, UNSEEN, IncidentClerk
from tests.ui.fixtures.story import NOW
from tests.ui.test_incident import Seen, opened
from themes.palette import DARK
from widgets.glyphs import UNICODE
from widgets.live_table import Entry, Row
from widgets.look import Look

LOOK = Look(DARK, UNICODE)
WRITER, VIEWER = Scene(LOOK, NOW), Scene(LOOK, NOW, writes=False)
FRESH = replace(LIVE, acknowledged_at=None, acknowledged_by=None)
MITIGATED = replace(LIVE, mitigated_at=NOW - timedelta(minutes=1), mitigated_by="nora.k")
MERGED = replace(LIVE, closed_at=NOW, closed_by="nora.k", merged_into=148)
RESOLVED = replace(PRICE, phase=Phase.RESOLVED, resolved_at=NOW)


def text_of(lines: Sequence[Line]) -> str:
    return "\n".join("".join(s.text for part in line for s in part) for line in lines)


def list_of(rows: Sequence[Entry]) -> list[str]:
    return [
        "  ".join("".join(s.text for s in cell) for cell in row.cells) for row in rows if isinstance(row, Row)
    ]


def keys(seen: Seen) -> str:
    """The last row."""
    return drive.rows(seen.app)[-1]


def quiet(*shown: Incident) -> Snapshot:
    """Nothing fires any more."""
    return incidents.of(*shown, alerts=(RESOLVED,))


def seen_by_vera(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, link=replace(snapshot.link, user="vera", role="viewer"))


# Where it stands


@pytest.mark.parametrize(
    ("incident", "words"),
    [
        (FRESH, "nobody is on it"),
        (LIVE, "being worked on"),
        (MITIGATED, "mitigated"),
        (CLOSED, "closed"),
        (MERGED, "merged into INC-148"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_it_stands_has_one_word(incident: Incident, words: str) -> None:
    for compact in (False, True):
        scene = replace(WRITER, compact=compact)
        first = text_of(head_lines(incident, (), (), scene)[:1])
        assert words in first and "open" not in first
        assert list_of(past_entries([incident], scene))[0].endswith(words)


def test_roles_that_are_free_have_their_names_and_the_key() -> None:
    free = "(o) free: database, security, documentation"
    assert free in text_of(head_lines(LIVE, (), (), WRITER))
    assert "(o)" not in text_of(head_lines(LIVE, (), (), VIEWER))
    assert "free" not in text_of(head_lines(CLOSED, (), (), WRITER)), "nobody takes one any more"
    alone = replace(LIVE, roles={Role.TECHNICAL: "ivo.s"})
    compact = text_of(head_lines(alone, (), (), replace(WRITER, compact=True)))
    assert "no commander (o)" in compact and "tech ivo.s" in compact


def test_the_list_has_the_open_ones_first_then_the_closed_and_last_the_merged() -> None:
    merged = replace(MERGED, id=200, merged_into=147)
    mild = replace(LIVE, id=150, level=3)
    earlier = replace(CLOSED, id=120)
    found = list_of(past_entries([merged, earlier, mild, CLOSED, LIVE, UNSEEN], WRITER))
    assert [row.split()[0] for row in found] == [
        "INC-148",
        "INC-147",
        "INC-150",
        "INC-139",
        "INC-120",
        "INC-200",
    ]
    assert found[-1].endswith("  –  merged into INC-147"), "that resolves nothing"


# Which key comes next


@pytest.mark.parametrize("compact", [False, True])
def test_once_its_alerts_are_resolved_it_says_which_key_comes_next(compact: bool) -> None:
    def prompts(incident: Incident, of: Sequence[Alert], scene: Scene = WRITER) -> str:
        scene = replace(scene, compact=compact)
        drawn = head_lines(incident, of, (), scene) if compact else clock_lines(incident, of, scene, 116)
        return text_of(drawn)

    says = "2:10  m says mitigated" if compact else "alerts resolved: m says mitigated"
    assert says in prompts(LIVE, [RESOLVED])
    assert "m says" not in prompts(LIVE, [PRICE]), "one fires"
    assert "m says" not in prompts(LIVE, [PRICE, RESOLVED]), "one of them fires"
    assert "m says" not in prompts(replace(LIVE, alerts=()), []), "nobody knows"
    assert "C closes it" in prompts(MITIGATED, [RESOLVED])
    assert "m says" not in prompts(MITIGATED, [RESOLVED])
    assert "closes" not in prompts(CLOSED, [RESOLVED])
    for incident in (LIVE, MITIGATED):
        assert "m says" not in prompts(incident, [RESOLVED], VIEWER)
        assert "C closes" not in prompts(incident, [RESOLVED], VIEWER)


@pytest.mark.parametrize("size", drive.SIZES)
async def test_m_and_C_are_called_what_they_do_now(size: str) -> None:
    async with opened(size=size) as seen:
        await seen.until(lambda: "m mitigated" in keys(seen) and "C close" in keys(seen))
        seen.app.static.publish(quiet(MITIGATED))
        await seen.until(lambda: "m not mitigated" in keys(seen))
        await seen.says("C closes it")
        over = replace(MITIGATED, closed_at=NOW, closed_by="nora.k")
        seen.app.static.publish(quiet(over))
        await seen.until(lambda: "C reopen" in keys(seen) and "mitigated" not in keys(seen))
        seen.app.static.publish(quiet(replace(over, merged_into=12)))
        await seen.until(lambda: "reopen" not in keys(seen), "what was merged goes on elsewhere")


async def test_brackets_are_offered_where_they_lead_somewhere() -> None:
    # Whose last row has the room.
    async with opened(seen_by_vera(incidents.live())) as seen:
        await seen.until(lambda: "v post-mortem" in keys(seen))
        assert "other incident" not in keys(seen)
        seen.app.static.publish(seen_by_vera(incidents.unseen()))
        await seen.until(lambda: "[ ] other incident" in keys(seen))


@pytest.mark.parametrize("size", drive.SIZES)
async def test_the_brackets_do_not_look_like_a_box_to_tick(size: str) -> None:
    async with opened(incidents.unseen(), size=size) as seen:
        await seen.says("+1: [ or ]" if size == "80x24" else "1 other: [ or ]", "nobody is on it")


# The ladder


def test_whose_turn_is_next_pushes_nothing_out_of_line() -> None:
    rung = replace(BOOK.ladder[1], who="Engineering manager", after=timedelta(minutes=20))
    long = replace(FRESH, detected_at=NOW - timedelta(minutes=2), runbooks=(replace(BOOK, ladder=(rung,)),))
    top, below = (text_of([line]) for line in clock_lines(long, [PRICE], WRITER, 116))
    assert "next due: Engineering manager in 18:00" in below
    assert below.rindex("--") == top.index("resolved")


def test_the_clock_says_whose_turn_is_next_and_claims_that_nobody_was_told() -> None:
    def ladder(minutes: float, scene: Scene = WRITER, **more: object) -> str:
        begun = replace(FRESH, detected_at=NOW - timedelta(minutes=minutes), **more)  # type: ignore[arg-type]
        return text_of(clock_lines(begun, (), scene, 116))

    assert "next due: engineering manager in 17:42" in ladder(2.3)
    assert "next due: CTO in 0:39" in ladder(39.35)
    assert "the whole ladder is due" in ladder(41)
    for words in (ladder(2.3), ladder(41)):
        assert "told" not in words
    unladdered = (replace(BOOK, ladder=()),)
    assert "a says you are on it" in ladder(2, runbooks=unladdered)
    assert "a says" not in ladder(2, VIEWER, runbooks=unladdered)
    assert "due" not in text_of(clock_lines(LIVE, (), WRITER, 116)), "somebody is on it"


# Who may only look


@pytest.mark.parametrize("size", drive.SIZES)
async def test_who_may_only_look_is_offered_nothing_that_writes(size: str) -> None:
    async with opened(seen_by_vera(quiet(MITIGATED)), size=size) as seen:
        await seen.says("you may only look", "v post-mortem")
        offered = "note", "do", "tick", "ack", "mitigated", "update", "close", "roles", "skip", "level", "pin"
        assert not set(offered) & set(keys(seen).split())
        assert "follow-ups" not in keys(seen)
        assert not any(words in drive.shown(seen.app) for words in ("(o)", "n write", "C closes"))
        steps = [line for line in drive.rows(seen.app) if re.search(r"\[.\] ", line)]
        chips = {found[1] for line in steps if (found := re.search(r" x  (\w+)", line))}
        assert len(steps) >= 4 and chips <= {"go", "show"}
        seen.app.static.publish(quiet(MITIGATED))
        await seen.says("n write", "m not mitigated")


async def test_who_may_only_look_is_not_offered_to_open_one() -> None:
    async with opened(seen_by_vera(incidents.none())) as seen:
        await seen.says("INC-139", "no incident is open: enter shows one")
        assert "open incident" not in keys(seen) and "i opens" not in drive.shown(seen.app)
        seen.app.static.publish(incidents.none())
        await seen.until(lambda: "i open incident" in keys(seen))
        await seen.says("no incident is open: i opens one, here or on an alert; enter shows one")


async def test_where_there_was_none_yet_nothing_is_offered_that_shows_one() -> None:
    async with opened(incidents.of()) as seen:
        await seen.says("there was none yet", "i opens one, here or on an alert ")
        assert "enter shows" not in drive.shown(seen.app)
        seen.app.static.publish(seen_by_vera(incidents.of()))
        await seen.says("no incident is open ")
        assert "i opens" not in drive.shown(seen.app)


class HealthApp(QuietApp):
    DEFAULT_MODE = "health"


@pytest.mark.parametrize("begun", [AlertsApp, HealthApp])
async def test_who_may_only_look_is_offered_nothing_about_alerts_either(begun: type[QuietApp]) -> None:
    app = begun(incidents.feed(seen_by_vera(incidents.live())))
    async with app.run_test(size=SIZES["160x50"]) as pilot:
        seen = Seen(app, pilot, IncidentClerk())
        await seen.says("Price Feed Slow", "t theme")
        offered = {"a ack", "z silence", "u undo ack", "Z lift silence", "i incident"}
        assert not {words for words in offered if words in keys(seen)}
        base = incidents.live()
        app.static.publish(replace(base, link=replace(base.link, read_only=True)))
        await seen.pilot.pause()
        assert not {words for words in offered if words in keys(seen)}
        app.static.publish(base)
        await seen.until(
            lambda: {"a ack", "z silence", "u undo ack"} <= {w for w in offered if w in keys(seen)}
        )


async def test_who_reads_only_by_its_connection_is_offered_nothing_either() -> None:
    base = incidents.live()
    async with opened(replace(base, link=replace(base.link, read_only=True))) as seen:
        await seen.says("you may only look")
        assert "n note" not in keys(seen)
    away = replace(base.link, away="the store does not answer", away_since=NOW)
    async with opened() as seen:
        seen.app.static.publish(replace(base, link=away))
        await seen.says("the store does not answer")
        assert "n note" in keys(seen), "nobody knows better"


# What is said


async def test_what_was_said_goes_with_its_screen() -> None:
    async with opened(seen_by_vera(incidents.live())) as seen:
        await seen.press("n")
        await seen.says("vera is a viewer and may only look")
        await seen.press("4")
        await seen.until(lambda: seen.app.current_mode == "alerts" and "Alerts" in drive.shown(seen.app))
        assert "may only look" not in drive.shown(seen.app)
        await seen.press("5")
        await seen.until(lambda: seen.app.current_mode == "incident" and seen.app.screen is seen.room)
        await seen.says("INC-147")
        assert "may only look: that takes" not in drive.shown(seen.app)


async def test_press_again_is_not_left_behind_either() -> None:
    async with opened() as seen:
        seen.room.say("press again to take that back")
        await seen.says("press again")
        await seen.press("question_mark")
        await seen.until(lambda: seen.app.screen is not seen.room)
        await seen.press("escape")
        await seen.until(lambda: seen.app.screen is seen.room)
        await seen.until(lambda: "press again" not in drive.shown(seen.app))


# Merged


async def test_when_it_is_merged_the_screen_goes_on_with_the_other_one_and_says_so() -> None:
    both = incidents.of(LIVE, UNSEEN)
    async with opened(both) as seen:
        await seen.says("INC-147", "1 other: [ or ]")
        seen.app.static.publish(incidents.of(MERGED, UNSEEN))
        await seen.says("INC-147 was merged: INC-148 goes on with it", "INC-148  Logins fail")
        await seen.press("space")
        assert (await seen.asked("mark_step"))[0] == 148


async def test_one_that_was_merged_elsewhere_or_long_ago_can_still_be_read() -> None:
    async with opened(incidents.of(UNSEEN, MERGED)) as seen:
        seen.room.show_incident(147)
        await seen.says("INC-147", "merged into INC-148")
        seen.app.static.publish(incidents.of(replace(UNSEEN, title="another title"), MERGED))
        await seen.until(lambda: seen.room._chosen == 147)
        assert "was merged:" not in drive.shown(seen.app)
        await seen.press("C")
        await seen.says("INC-147 goes on as INC-148")


async def test_what_is_merged_while_somebody_looks_elsewhere_is_said_when_they_come_back() -> None:
    async with opened(incidents.of(LIVE, UNSEEN)) as seen:
        await seen.press("4")
        await seen.until(lambda: seen.app.current_mode == "alerts")
        seen.app.static.publish(incidents.of(MERGED, UNSEEN))
        await seen.press("5")
        await seen.says("INC-147 was merged: INC-148 goes on with it", "INC-148  Logins fail")
