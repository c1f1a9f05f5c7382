"""When what is shown is no longer the present: it is said in words, greyed, rung once, and goes away by itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from console.domain.alert import Alert, Phase
from console.domain.event import Severity
from console.domain.snapshot import AgentState, Link, Snapshot
from screens.trouble import trouble
from tests.ui.drive import SIZES, app_of, rows, shown, until
from tests.ui.fixtures import story
from tests.ui.fixtures.story import NOW


def test_a_live_snapshot_has_no_trouble() -> None:
    assert trouble(story.live(), NOW) is None


@pytest.mark.parametrize(
    ("snapshot", "words", "greyed", "rings"),
    [
        (story.store_away(), "store away 12s: connection refused; trying again", True, True),
        (
            story.no_agent(),
            "no agent leads since 03:11:12 (1m): nothing is watched; last data at 03:12:44",
            True,
            True,
        ),
        (story.stale(), "data is 4m old: the last tick came at 03:08:47, one is due every 5 s", True, True),
        (story.nothing(), "waiting for the first tick: agent-2 leads", False, False),
        (Snapshot(at=NOW), "connecting to the store", False, False),
        (
            Snapshot(at=NOW, link=Link("sandbox", away=None)),
            "no agent leads: nothing is watched",
            False,
            False,
        ),
    ],
)
def test_trouble_is_said_in_words(snapshot: Snapshot, words: str, greyed: bool, rings: bool) -> None:
    found = trouble(snapshot, NOW)
    assert found is not None
    assert (found.text, found.greyed, found.rings) == (words, greyed, rings)


def test_data_is_stale_after_three_ticks_and_not_before() -> None:
    base = story.live()
    for age_s, stale in ((15, False), (16, True)):
        snapshot = replace(base, metrics=replace(base.metrics, at=NOW - timedelta(seconds=age_s)))
        assert (trouble(snapshot, NOW) is not None) is stale


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_a_store_that_goes_and_comes_back(size: str) -> None:
    app = app_of(story.calm())
    async with app.run_test(size=SIZES[size]) as pilot:
        assert app.rung == 0
        calm = rows(app)
        away = replace(story.calm(), link=story.store_away().link)
        app.static.publish(away)
        await until(pilot, lambda: "store away 12s: connection refused" in shown(app))
        assert "stale" in shown(app) and "database" in shown(app)
        app.static.publish(away, now=NOW + timedelta(seconds=1))
        app._second()
        await until(pilot, lambda: "store away 13s" in shown(app))
        assert app.rung == 1
        app.static.publish(story.calm(), now=NOW)
        await until(pilot, lambda: rows(app) == calm, "the screen as before")
        assert app.rung == 1


CRIT = story.alert(1, "probe:database", Severity.CRITICAL, "03:10:00", "database_status", "down")


def firing(*alerts: Alert) -> Snapshot:
    return replace(story.calm(), alerts=alerts)


HEARD: list[tuple[list[Alert], list[Alert], bool]] = [
    ([], [CRIT], True),
    ([], [CRIT, replace(CRIT, id=2, rule="probe:cache")], True),
    ([CRIT], [CRIT, replace(CRIT, id=2, rule="probe:cache")], True),
    ([CRIT], [replace(CRIT, value="degraded", at=NOW)], False),
    ([CRIT], [replace(CRIT, stale=True)], False),
    ([CRIT], [], False),
    ([CRIT], [replace(CRIT, flaps=1)], True),
    ([replace(CRIT, severity=Severity.WARNING)], [CRIT], True),
    ([replace(CRIT, phase=Phase.PENDING, fired_at=None)], [CRIT], True),
    ([CRIT], [replace(CRIT, acknowledged_by="alice")], False),
    ([replace(CRIT, acknowledged_by="alice")], [CRIT], True),
    ([replace(CRIT, silence=7)], [CRIT], True),
    ([], [replace(CRIT, severity=Severity.WARNING)], False),
    ([], [replace(CRIT, phase=Phase.PENDING, fired_at=None)], False),
    ([], [replace(CRIT, acknowledged_by="alice")], False),
    ([], [replace(CRIT, silence=7)], False),
    ([], [replace(CRIT, inhibited_by="x")], False),
    ([], [replace(CRIT, phase=Phase.RESOLVED, resolved_at=NOW)], False),
]


async def test_it_rings_for_what_is_newly_critical_and_nobody_is_on() -> None:
    app = app_of(firing())
    async with app.run_test(size=SIZES["80x24"]):
        for before, after, rings in HEARD:
            app.static.publish(firing())
            app.static.publish(firing(*before))
            heard = app.rung
            app.static.publish(firing(*after))
            assert app.rung == heard + rings, (before, after)
            app._second()
            app.static.publish(replace(firing(*after), at=NOW + timedelta(seconds=1)))
            assert app.rung == heard + rings, (before, after)


async def test_a_console_that_starts_into_trouble_rings_once() -> None:
    app = app_of(Snapshot(at=NOW))
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        assert app.rung == 0
        app.static.publish(story.failing())
        await pilot.pause()
        app._second()
        assert app.rung == 1


async def test_a_store_that_comes_back_does_not_ring_for_what_was_known() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        app._second()
        assert app.rung == 1
        for snapshot, rung in ((story.store_away(), 2), (story.live(), 2)):
            app.static.publish(snapshot)
            await pilot.pause()
            assert app.rung == rung


async def test_the_bell_can_be_turned_off() -> None:
    app = app_of(story.calm(), bell=False)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.static.publish(story.failing())
        await pilot.pause()
        assert app.rung == 0


async def test_an_agent_that_is_lost_is_named_in_banner_and_notice() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.static.publish(replace(story.live(), agent=AgentState(None, 41, NOW, 5.0)))
        await until(
            pilot, lambda: "no agent leads since 03:12:47 (0s): waiting for one to take over" in shown(app)
        )
        assert "no agent" in rows(app)[0]


async def test_data_turns_stale_by_time_alone() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.static._now = NOW + timedelta(seconds=30)
        app._second()
        await until(pilot, lambda: "data is 33s old" in shown(app))
        assert rows(app)[0].count("33s") == 1


async def test_what_changed_behind_another_screen_is_drawn_on_return() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2")
        app.static.publish(story.failing())
        await pilot.press("1")
        await until(pilot, lambda: "the database is down" in shown(app))
