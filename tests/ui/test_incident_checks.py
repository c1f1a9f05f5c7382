"""A step that is a check: what `x` asks for, and what its row says, to whoever asked and to whoever looks later."""

from dataclasses import replace
from datetime import timedelta

import pytest

from console.domain.book import Done, Mark
from console.domain.check import CheckResult, CheckRun, CheckStatus, Known
from screens.reading import ReadingScreen
from tests.ui import drive
from tests.ui.fixtures import incidents
from tests.ui.fixtures.incidents import BOOK, LIVE
from tests.ui.fixtures.story import NOW
from tests.ui.test_incident import Seen, opened

CHECK = "db.backups"
STEP = "See that the backups"
GOOD = CheckResult(CHECK, "Backups", "database", CheckStatus.PASSED, "41 GB of 02:30 can be read", 12.0)
BAD = replace(GOOD, status=CheckStatus.FAILED, evidence="the last one is 3 days old")
NO_SOURCE = replace(GOOD, status=CheckStatus.WARNING, evidence="no source: platform.database_url is not set")
RUN = CheckRun(1, "pre", "nora.k", NOW - timedelta(seconds=3), total=25)
BEGUN = replace(RUN, started_at=NOW - timedelta(seconds=2))
OVER = replace(BEGUN, ended_at=NOW)


def row(seen: Seen) -> str:
    return next((line for line in drive.rows(seen.app) if STEP in line), "")


async def row_says(seen: Seen, *parts: str) -> None:
    await seen.until(lambda: all(part in row(seen) for part in parts), f"{parts} in the row")


async def at_the_check(seen: Seen) -> None:
    await seen.press("end", "up")
    await seen.until(lambda: seen.table("steps").selected == "7-7")


def tell(seen: Seen, known: Known) -> None:
    """What the store knows of the check, now."""
    seen.app.static.known[CHECK] = known
    seen.app.static.hint("check")


async def test_x_asks_and_the_row_says_how_far_it_is_until_the_result_is_there() -> None:
    async with opened() as seen:
        await at_the_check(seen)
        await row_says(seen, " x  check")
        await seen.press("x")
        await seen.until(lambda: seen.clerk.of("ask_checks"))
        await seen.says("the agent was asked to check db.backups: the result comes on this row")
        tell(seen, Known(CHECK, run=RUN))
        await row_says(seen, "asked")
        other = replace(GOOD, id="db.rls")
        tell(seen, Known(CHECK, run=replace(BEGUN, results=(other,))))
        await row_says(seen, "checking 1/25")
        await seen.press("x")
        await seen.says("nora.k asked for it, it runs since 2s: the result comes on this row")
        assert len(seen.clerk.of("ask_checks")) == 1, "it is asked for already"
        tell(seen, Known(CHECK, GOOD, NOW, replace(BEGUN, results=(other, GOOD))))
        await row_says(seen, "passed 0s")
        await seen.says("✓ Backups: passed, 0s ago: 41 GB of 02:30 can be read")
        await seen.press("x")
        await seen.pilot.pause()
        assert len(seen.clerk.of("ask_checks")) == 1, "it is known"


@pytest.mark.parametrize(
    ("known", "in_row", "said"),
    [
        (
            Known(CHECK, BAD, NOW, replace(OVER, results=(BAD,))),
            "failed 0s",
            "Backups: failed, 0s ago: the last one is 3 days old",
        ),
        (
            Known(CHECK, NO_SOURCE, NOW, replace(OVER, results=(NO_SOURCE,))),
            "warning 0s",
            "Backups: warning, 0s ago: no source: platform.database_url is not set",
        ),
        (
            Known(CHECK, run=replace(OVER, words="agent-1 does not run checks")),
            "no result",
            "db.backups: no result: agent-1 does not run checks",
        ),
        (
            # What was found before says nothing about now.
            Known(CHECK, GOOD, NOW - timedelta(hours=1), replace(OVER, words="agent-1 was stopped")),
            "no result",
            "db.backups: no result: agent-1 was stopped",
        ),
    ],
    ids=["failed", "no source", "came to nothing", "came to nothing after a good one"],
)
async def test_what_is_not_good_is_said_to_who_asked_and_stands_on_the_row_and_behind_it(
    known: Known, in_row: str, said: str
) -> None:
    async with opened(size="160x50") as seen:
        await at_the_check(seen)
        await seen.press("x")
        await seen.until(lambda: CHECK in seen.room.awaited)
        tell(seen, known)
        await row_says(seen, in_row)
        await seen.says(said)
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ReadingScreen))
        await seen.says(said.rpartition(": ")[2])


@pytest.mark.parametrize(("result", "asks"), [(GOOD, 0), (BAD, 1), (NO_SOURCE, 1)])
async def test_what_was_not_good_is_asked_for_again_at_once(result: CheckResult, asks: int) -> None:
    known = Known(CHECK, result, NOW - timedelta(seconds=20), replace(OVER, results=(result,)))
    async with opened(known={CHECK: known}) as seen:
        await at_the_check(seen)
        await row_says(seen, "20s")
        await seen.press("x")
        await seen.says("the agent was asked" if asks else f"Backups: {result.status}, 20s ago")
        assert len(seen.clerk.of("ask_checks")) == asks


async def test_who_looks_later_sees_what_was_found_and_its_age_and_x_asks_again() -> None:
    old = Known(CHECK, GOOD, NOW - timedelta(minutes=5), replace(OVER, results=(GOOD,)))
    for size in drive.SIZES:
        async with opened(known={CHECK: old}, size=size) as seen:
            await at_the_check(seen)
            await row_says(seen, "passed 5m")
            assert not seen.clerk.asked
            await seen.press("x")
            await seen.until(lambda: seen.clerk.of("ask_checks"))


async def test_what_is_nobodys_news_is_not_said() -> None:
    async with opened() as seen:
        tell(seen, Known(CHECK, GOOD, NOW, replace(OVER, results=(GOOD,))))
        await row_says(seen, "passed 0s")
        assert "Backups: passed" not in drive.shown(seen.app)


async def test_a_tick_after_the_check_says_who_and_a_check_after_the_tick_says_what() -> None:
    mark = Mark(Done.DONE, "ivo.s", NOW - timedelta(minutes=2))
    steps = tuple(replace(m, mark=mark) if m.place == 7 else m for m in BOOK.steps)
    snapshot = incidents.of(replace(LIVE, runbooks=(replace(BOOK, steps=steps),)))
    before = Known(CHECK, GOOD, NOW - timedelta(minutes=4), replace(OVER, results=(GOOD,)))
    async with opened(snapshot, known={CHECK: before}) as seen:
        await row_says(seen, "[✓]", "ivo.s 03:10")
        tell(seen, Known(CHECK, BAD, NOW - timedelta(minutes=1), replace(OVER, results=(BAD,))))
        await row_says(seen, "[✓]", "failed 1m")


async def test_a_viewer_is_told_what_was_found_and_asks_for_nothing() -> None:
    base = incidents.live()
    viewer = replace(base, link=replace(base.link, user="vera", role="viewer"))
    async with opened(viewer) as seen:
        await at_the_check(seen)
        assert " x " not in row(seen)
        await seen.press("x")
        await seen.says("vera is a viewer and may only look")
        tell(seen, Known(CHECK, BAD, NOW, replace(OVER, results=(BAD,))))
        await row_says(seen, "failed 0s")
        await seen.press("x")
        await seen.says("Backups: failed, 0s ago: the last one is 3 days old")
        assert not seen.clerk.asked
