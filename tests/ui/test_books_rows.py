"""What stands in the rows of screen 6: due times in words, the calendar, runbooks and what shows their symptoms."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from console.domain.book import Done, Mark, Marked, Step
from console.domain.duties import Past, Run, Standing
from console.domain.event import Event, Severity
from screens import duty_calendar as calendar
from screens.duty_reading import item_facts, item_text
from screens.duty_rows import (
    by_itself,
    due_words,
    item_entries,
    list_columns,
    list_entries,
    moment,
    over_words,
    run_line,
    state_of,
    tools,
    urgency,
)
from screens.handover_rows import handover_entries
from screens.runbook_rows import book_lines, found, of_symptom, showing
from screens.since import counted
from tests.ui.fixtures import alerts, books, story
from tests.ui.fixtures.books import BERLIN, DAY, HOUR, MORNING, STANDINGS, items
from tests.ui.fixtures.story import NOW
from themes.palette import DARK
from widgets.cells import Cells
from widgets.glyphs import ASCII, UNICODE
from widgets.live_table import Entry, Note, Row
from widgets.look import Look

LOOK, PLAIN = Look(DARK, UNICODE), Look(DARK, ASCII)


def text(content: Cells) -> str:
    return "".join(segment.text for segment in content)


def line(entry: Entry) -> str:
    if isinstance(entry, Row):
        return " ".join(text(cell) for cell in entry.cells).strip()
    return text(entry.content) if isinstance(entry, Note) else str(entry)


def stands(due: datetime, **more: object) -> Standing:
    """A checklist whose run is due then."""
    run = books.run(1, "x", "X", "daily", due, *books.plain(2, 0))
    return Standing("x", "X", "daily", replace(run, **more), due + DAY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("standing", "words", "role", "glyph"),
    [
        (stands(NOW + timedelta(hours=5)), "due 08:12", "muted", "running"),
        (stands(NOW + timedelta(minutes=17)), "due 03:29", "pending", "running"),
        (stands(NOW - timedelta(minutes=17)), "due 02:55", "pending", "running"),
        (stands(NOW - timedelta(hours=3)), "over 3h", "warn", "warn"),
        (stands(NOW - timedelta(days=1, hours=3)), "over 1d 3h", "warn", "warn"),
        (stands(NOW - timedelta(days=4)), "over 4d", "crit", "crit"),
        (stands(NOW - HOUR, ended_at=NOW - HOUR * 2), "done 01:12", "muted", "done"),
        (stands(NOW - HOUR * 5, ended_at=NOW - HOUR), "late 02:12", "muted", "done"),
        (stands(NOW - 2 * DAY, missed=True), "missed Thu", "crit", "failed"),
        (Standing("x", "X", "daily"), "none yet", "faint", "to-do"),
        (Standing("x", "X", "daily", None, NOW + 2 * DAY), "due Mon", "muted", "to-do"),
    ],
)
def test_how_a_checklist_stands(standing: Standing, words: str, role: str, glyph: str) -> None:
    assert due_words(standing, NOW) == (words, role)
    assert state_of(standing, NOW).glyph == glyph


def test_times_are_of_the_zone_of_the_list() -> None:
    seven = datetime(2026, 3, 28, 7, tzinfo=UTC)
    assert moment(seven, "UTC", seven) == "07:00"
    assert moment(seven, BERLIN, seven) == "08:00 CET"
    # The next morning the clocks were put forward: the same time there is an hour earlier here.
    assert moment(seven + timedelta(hours=23), BERLIN, seven + timedelta(hours=22)) == "08:00 CEST"
    # It is the next day there, and here still today.
    late = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)
    assert moment(late, BERLIN, late.replace(hour=12)) == "Sun"
    assert moment(late + 9 * DAY, BERLIN, late) == "24 Mar"
    assert moment(seven, "Nowhere/../[/]", seven) == "07:00"
    assert [over_words(timedelta(minutes=m)) for m in (12, 180, 1620, 5760)] == ["12m", "3h", "1d 3h", "4d"]


def test_where_a_list_has_another_zone_than_the_clock_the_head_says_so_and_the_column_has_room() -> None:
    at = datetime(2026, 3, 12, 4, 20, tzinfo=UTC)
    run = books.run(1, "x", "X", "daily", at, *books.plain(2, 2, at=at), ended_at=at)
    there, here = (Standing("x", "X", "daily", run, at + DAY, name) for name in (BERLIN, "UTC"))
    rows = [line(entry) for entry in item_entries(run, BERLIN, LOOK, at, 62, {}, greyed=False)]
    assert rows[0].endswith("nora.k 05:20")
    heads = [text(run_line(each, run, LOOK, at, 90)[0]) for each in (there, here)]
    assert heads[0].endswith("times CET") and "times" not in heads[1]
    widths = [list_columns([each], at, compact=False)[-1].width for each in (there, here)]
    assert due_words(there, at)[0] == "done 05:20 CET" and widths == [14, 13]


def test_who_comes_to_tick_begins_with_what_is_due_today() -> None:
    assert [s.name for s in sorted(STANDINGS, key=lambda s: urgency(s, NOW))][:4] == [
        *("daily-health", "keys", "restore", "access"),
    ]


def test_lists_stand_under_their_rhythm_and_all_of_them_where_there_is_little_room() -> None:
    wide = list_entries(STANDINGS, LOOK, NOW, compact=False, greyed=False)
    assert [line(e) for e in wide if not isinstance(e, Row)] == [
        f"Group(title='{rhythm}', fact=(), key=None)" for rhythm in ("daily", "weekly", "monthly")
    ]
    compact = list_entries(STANDINGS, LOOK, NOW, compact=True, greyed=False)
    assert [e.key for e in compact if isinstance(e, Row)] == [s.name for s in STANDINGS]
    assert line(compact[3]).split()[-1] == "tess.w"


def test_an_item_has_its_whole_text_its_note_and_who_ticked_it_when() -> None:
    lines = [line(e) for e in item_entries(MORNING, "UTC", LOOK, NOW, 62, {6: "ticking"}, greyed=False)]
    shown = "\n".join(lines)
    assert "[✓] 1 Overall status is healthy, or it is" in lines[0] and lines[1].strip() == "explained"
    assert lines[2].strip() == "INC-147 open" and "nora.k 03:01" in lines[0]
    assert "auto 03:02" in shown and "success rate 99.94 %, over 99.90 %" in shown
    assert (
        "[–] 4" in shown and "skipped: the list of slow queries can't be read" in shown and "OPS-912" in shown
    )
    assert "[ ] 6 p99 stays there for ten minutes ticking" in shown
    assert "[ ] 8 Certificates are valid for 21 days auto" in shown
    assert "[ ] 7 No security finding is open x go" in shown and lines[-1].strip().endswith("an owner")
    plain = [line(e) for e in item_entries(MORNING, "UTC", PLAIN, NOW, 62, {}, greyed=False)]
    assert plain[0].startswith("[x] 1") and all(each.isascii() for each in plain)


def test_an_item_that_does_not_tick_itself_says_why() -> None:
    waits = "12 alerts acknowledged by nobody: probe:platform, probe:cache and 10 more"
    (item,) = items((Step("See the alerts", evidence="alerts"), None))
    held = replace(item, waits=waits)

    def shown(item: Marked) -> str:
        entries = item_entries(replace(MORNING, items=(item,)), "UTC", LOOK, NOW, 62, {}, greyed=False)
        return " ".join(line(entry).strip() for entry in entries)

    assert shown(held) == f"[ ] 1 See the alerts auto {waits}" and waits in item_text(held)
    taken = replace(item, waits="taken back by alice: yours to tick", taken_back_by="alice")
    assert shown(taken) == "[ ] 1 See the alerts taken back by alice: yours to tick"
    assert ("ticked", "by hand") in item_facts(taken, "UTC", NOW)
    ticked = replace(held, mark=Mark(Done.DONE, "a", NOW))
    assert waits not in shown(ticked) and waits not in item_text(ticked)


def test_a_note_of_many_lines_does_not_push_the_others_away() -> None:
    long = items((Step("x"), Mark(Done.DONE, "a", NOW, "\n".join("one more line" for _ in range(90)))))
    entries = item_entries(replace(MORNING, items=long), "UTC", LOOK, NOW, 62, {}, greyed=False)
    assert len(entries) == 5


def past(day: int, how: str) -> Past:
    return books._past("x", NOW - day * DAY - HOUR * 2, day, how)


def days_of(runs: list[Past], standing: Standing, *, narrow: bool = True) -> str:
    entries = calendar.entries([standing], runs, LOOK, NOW, narrow=narrow, greyed=False)
    assert isinstance(entries[0], Row)
    return text(entries[0].cells[1])


def test_the_calendar_has_a_sign_a_day_and_the_worst_of_several() -> None:
    standing = replace(stands(NOW - DAY, ended_at=NOW - DAY), next_due_at=NOW + HOUR)
    runs = [past(5, "d"), past(4, "l"), past(3, "m"), past(2, "d"), past(2, "m")]
    row = days_of(runs, standing)
    assert row.replace(" ", "") == "·" * 24 + "■▲✗✗■○"
    assert row.index(" ") == 16, "March begins apart"
    rate, streak = (text(cell) for cell in _row_of(runs, standing).cells[2:])
    assert (rate, streak) == ("50 %", "1")


def _row_of(runs: list[Past], standing: Standing) -> Row:
    entry = calendar.entries([standing], runs, LOOK, NOW, narrow=False, greyed=False)[0]
    assert isinstance(entry, Row)
    return entry


def test_what_runs_is_no_failure_and_what_is_over_its_time_is_late_already() -> None:
    begun = books.run(1, "x", "X", "daily", NOW + HOUR, *books.plain(2, 1))
    assert days_of([], Standing("x", "X", "daily", begun, NOW + DAY)).endswith("►")
    assert days_of([], stands(NOW - 2 * HOUR)).endswith("▲")
    assert days_of([], stands(NOW + HOUR)).endswith("►"), "it is open, whatever is done of it"
    assert days_of([], Standing("x", "X", "daily", None, NOW + HOUR)).endswith("○"), "it is not open yet"
    assert days_of([], Standing("x", "X", "daily")) == "·" * 16 + " " + "·" * 14


def test_the_days_are_those_of_the_zone_of_the_list() -> None:
    at = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)
    run = Past(1, "x", at - DAY, at, at - DAY, False, 1, 1)
    there = replace(stands(at + DAY), run=None, timezone=BERLIN, next_due_at=None)
    entries = calendar.entries([there], [run], LOOK, at, narrow=True, greyed=False)
    assert isinstance(entries[0], Row) and text(entries[0].cells[1]).endswith("·■·")


def test_a_week_counts_what_was_due_since_monday() -> None:
    runs = [past(1, "d"), past(2, "m"), past(9, "m")]
    lines = calendar.who_lines([("nora.k", 6)], runs, LOOK, NOW, 20)
    assert text(lines[0][1]) == "8/12 done" and text(lines[3][0]) == "nora.k"
    assert calendar.week_start(NOW) == datetime(2026, 3, 9, tzinfo=UTC)


def test_a_runbook_is_found_by_words_anywhere_in_it() -> None:
    assert [b.name for b in found(books.BOOKS, "address")] == ["security-breach"]
    assert [b.name for b in found(books.BOOKS, "CTO refuse")] == ["order-execution-failure"]
    assert not found(books.BOOKS, "nobody wrote this")
    assert len(found(books.BOOKS, "  ")) == 3


def test_symptoms_are_shown_by_the_alerts_that_are_open() -> None:
    snapshot = story.live()
    _, slow, unseen = books.EXECUTION.symptoms
    assert [a.rule for a in of_symptom(slow, snapshot.alerts)] == ["threshold:p99_execution_time"]
    assert not of_symptom(unseen, snapshot.alerts)
    assert [a.id for a in showing(books.EXECUTION, snapshot.alerts)] == [33]
    named = [replace(a, runbook="Order Execution Failure") for a in snapshot.alerts if a.id == 32]
    assert showing(books.EXECUTION, named) == named
    over = [replace(a, phase=alerts.Phase.RESOLVED) for a in snapshot.alerts]
    assert not showing(books.EXECUTION, over)


def test_a_book_is_written_whole() -> None:
    shown = "\n".join(text(each) for each in book_lines(books.EXECUTION, story.live(), LOOK, 70))
    for part in (
        *("Symptoms", "threshold:p99_execution_time  firing 7m", "quiet now: High Error Rate, error_rate"),
        *("no rule shows it: look for yourself", "Immediate", "· open orders are kept", "Investigation"),
        *("action maintenance_on length=15m", "metric error_rate  0.06 % now", "screen 7", "Resolution"),
        *("Escalation", "after 5m    engineering manager  before 15m", "order-execution-failure.md, level 1"),
    ):
        assert part in shown
    held = replace(books.FAILOVER, steps=(Step("It answers again", holds="database_latency_ms < 50ms"),))
    assert "ticked by itself while database_latency_ms < 50ms" in "\n".join(
        text(each) for each in book_lines(held, story.live(), LOOK, 70)
    )
    assert all(len(text(each)) <= 40 for each in book_lines(books.EXECUTION, story.live(), LOOK, 40))


@pytest.mark.parametrize(
    ("step", "opens", "ticks"),
    [
        (Step("x"), "", ""),
        (Step("x", action="block_ip", params={"network": "a"}), "action block_ip network=a", ""),
        (
            Step("x", check="db.backups"),
            "check db.backups",
            "ticked by itself once the check db.backups has passed",
        ),
        (Step("x", screen=4), "screen 4", ""),
        (Step("x", metric="m", holds="m < 1"), "metric m", "ticked by itself while m < 1"),
        (Step("x", evidence="health"), "", "ticked by itself by the evidence of health"),
    ],
)
def test_a_step_says_what_it_opens_and_whether_it_ticks_itself(step: Step, opens: str, ticks: str) -> None:
    assert (tools(step), by_itself(step)) == (opens, ticks)


def test_a_hand_over_says_whether_it_was_signed_and_by_whom() -> None:
    rows = [line(e) for e in handover_entries(books.HANDOVERS, "ops_rw", LOOK, NOW)]
    assert rows[0] == "► as things are now"
    assert rows[1] == "◔ ivo.s → ops_rw sign it: s 00:12" and rows[2] == "✓ tess.w → ivo.s signed 13 Mar"
    assert "not signed" in line(handover_entries(books.HANDOVERS, "vera", LOOK, NOW)[1])


def event(id: int, kind: str, severity: Severity, subject: str = "x") -> Event:
    return Event(id, NOW, kind, severity, subject, "words", "alice")


def test_what_happened_meanwhile_is_counted_by_its_weight() -> None:
    found = [
        *(event(1, "alert", Severity.CRITICAL), event(2, "alert", Severity.WARNING)),
        *(event(3, "action", Severity.INFO), event(4, "action", Severity.OK)),
        *(event(5, "incident", Severity.INFO, "INC-1"), event(6, "incident", Severity.INFO, "INC-1")),
    ]
    assert counted(found) == "1 critical, 1 warning, 2 changes of actions, 1 incident in 6 entries"
    assert counted(found[3:4]) == "1 change of actions in 1 entry"
    assert counted([event(1, "agent", Severity.INFO)]) == "1 entry, nothing of weight"


def test_a_run_without_items_is_no_division_by_nothing() -> None:
    bare = Standing("x", "X", "daily", Run(1, "x", "X", "daily", NOW, NOW, NOW + HOUR), NOW + DAY)
    assert line(list_entries([bare], LOOK, NOW, compact=False, greyed=False)[1]).endswith("0/0 due 03:12")
