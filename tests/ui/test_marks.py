"""What alerts is marked wherever it is shown: counts in the banner, Health's list, components, metrics."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from console.domain.alert import Alert, AlertState, Phase, order
from console.domain.errors import Refused
from console.domain.event import Event, Severity
from console.domain.snapshot import Snapshot
from screens.alert_detail import AlertDetail
from screens.component_detail import ComponentDetail
from screens.marks import component_marks, metric_marks
from screens.metric_detail import MetricDetail
from screens.open_alerts import open_words, unwatched
from tests.ui.drive import SIZES, QuietApp, app_of, rows, shown, strips, until
from tests.ui.fixtures import story
from tests.ui.fixtures.alerts import Clerk
from tests.ui.test_hostile_text import HOSTILE, assert_clean
from widgets.line_widget import LineWidget
from widgets.live_table import LiveTable

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
SLOW = story.alert(
    1, "threshold:external_apis_latency_ms", WARNING, "02:55:03", "external_apis_latency_ms", 312.0
)
STATES: dict[AlertState, Alert] = {
    AlertState.FIRING: SLOW,
    AlertState.STALE: replace(SLOW, stale=True),
    AlertState.ACKNOWLEDGED: replace(SLOW, acknowledged_by="nora.k", acknowledged_at=story.NOW),
    AlertState.PENDING: replace(SLOW, phase=Phase.PENDING, fired_at=None, for_s=1800.0),
    AlertState.SILENCED: replace(SLOW, silence=7, silenced_until=story.NOW),
    AlertState.INHIBITED: replace(SLOW, inhibited_by="Database Connection Failure"),
    AlertState.RESOLVED: replace(SLOW, phase=Phase.RESOLVED, resolved_at=story.NOW),
}


def with_alerts(*alerts: Alert, base: Snapshot | None = None) -> Snapshot:
    return replace(base or story.live(), alerts=tuple(sorted(alerts, key=order)), silences=())


def many(severities: Sequence[Severity]) -> list[Alert]:
    return [replace(SLOW, id=i, rule=f"rule {i}", severity=s) for i, s in enumerate(severities)]


def line_with(app: QuietApp, text: str) -> str:
    return next(line for line in rows(app) if text in line)


def has_role(app: QuietApp, row: int, text: str, role: str) -> bool:
    """Whether `text` is drawn in the colour of `role` on a row."""
    found = next(s for s in strips(app)[row] if text in s.text)
    assert found.style is not None
    return found.style.color == app.look(role).color


# Banner


@pytest.mark.parametrize(
    ("size", "words"), [("120x40", "■ 1 crit ▲ 2 warn │ 03:12:47 UTC"), ("80x24", "■ 1 ▲ 2      03:12:47Z")]
)
async def test_the_banner_counts_what_fires_by_severity(size: str, words: str) -> None:
    snapshot = with_alerts(*many([CRITICAL, WARNING, WARNING, INFO]))
    app = app_of(snapshot)
    async with app.run_test(size=SIZES[size]):
        assert rows(app)[0].rstrip().endswith(words)


COUNTED: Sequence[tuple[Sequence[Alert], str]] = (
    ((), ""),
    (many([INFO]), ""),
    (many([WARNING]), "▲ 1 warn"),
    (many([CRITICAL]), "■ 1 crit"),
    ([STATES[AlertState.ACKNOWLEDGED]], "▲ 1 warn"),
    ([STATES[AlertState.STALE]], "▲ 1 warn"),
    ([STATES[AlertState.PENDING]], ""),
    ([STATES[AlertState.SILENCED]], ""),
    ([STATES[AlertState.INHIBITED]], ""),
    ([STATES[AlertState.RESOLVED]], ""),
)


async def test_the_banner_counts_only_what_counts() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        for alerts, words in COUNTED:
            app.static.publish(with_alerts(*alerts))
            await pilot.pause()
            first = rows(app)[0]
            assert words in first
            assert ("crit" in first, "warn" in first) == ("crit" in words, "warn" in words)


async def test_counts_that_are_no_longer_the_present_are_not_red() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        assert has_role(app, 0, "■ 2", "crit")
        app.static.publish(story.store_away())
        await until(pilot, lambda: "store away" in shown(app))
        assert has_role(app, 0, "■ 2", "stale")


# Health's list


async def test_health_lists_open_alerts_then_what_was_resolved_and_what_has_no_value() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["160x50"]):
        table = app.screen.query_one("#alerts", LiveTable)
        assert [int(key) for key in table.keys if key.isdigit()] == [a.id for a in story.alerts()]
        text = shown(app)
        assert "resolved today 1" in text and "no source" not in text
        assert "2 crit, 2 warn, 1 pending, 1 silenced, 2 without a value" in text
        acked = line_with(app, "◉ acked")
        assert "external_apis latency" in acked and "312 ms > 250 ms  17m nora.k, 02:59" in acked


async def test_six_alerts_and_nothing_else_are_seen_at_80x24() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["80x24"]):
        lines = rows(app)
        top = next(i for i, line in enumerate(lines) if "─ Alerts " in line)
        seen = lines[top + 1 : -2]
        assert len(seen) == 6 and "! firing" in seen[0] and "◌ silenced" in seen[5]


async def test_a_metric_over_its_threshold_without_an_alert_does_not_vanish() -> None:
    snapshot = with_alerts(*(a for a in story.alerts() if a.metric != "p99_execution_time"))
    assert [r.spec.name for r in unwatched(snapshot)] == ["p99_execution_time"]
    app = app_of(snapshot)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        row = line_with(app, "no alert")
        assert "▲ WARN" in row and "p99 execution" in row and "478 ms > 450 ms" in row
        table = app.screen.query_one("#alerts", LiveTable)
        table.focus()
        table.select("p99_execution_time")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MetricDetail))


async def test_health_says_that_nothing_is_open() -> None:
    app = app_of(story.calm())
    async with app.run_test(size=SIZES["120x40"]):
        assert "● no alert is open" in shown(app)
        assert "websocket probe" in line_with(app, "✓ resolved")


def test_what_is_not_there_is_not_counted() -> None:
    assert open_words(story.calm()) == ""
    assert open_words(with_alerts(*many([INFO]), STATES[AlertState.INHIBITED], base=story.calm())) == (
        "1 info, 1 inhibited"
    )


async def test_a_pending_alert_counts_down_by_time_alone() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        assert "fires in 3m" in line_with(app, "◔ pending")
        app.static._now = story.NOW + timedelta(seconds=200)
        app._second()
        await until(pilot, lambda: "fires in 37s" in shown(app))


async def test_a_changed_value_of_an_alert_repaints_its_cells_and_no_more() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.pause()
        before = {str(w.id): w.lines_refreshed for w in app.screen.query(LineWidget)}
        changed = tuple(
            replace(a, value=a.value + 1.0, at=story.NOW) if isinstance(a.value, float) else a
            for a in story.alerts()
        )
        app.static.publish(replace(story.live(), alerts=changed))
        await until(pilot, lambda: "513 ms" in shown(app))
        after = {str(w.id): w.lines_refreshed for w in app.screen.query(LineWidget)}
        assert {name: n - before[name] for name, n in after.items() if n != before[name]} == {"alerts": 4}


# From a row to what may be done


async def test_enter_on_an_alert_and_on_its_event_opens_it() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, AlertDetail))
        assert app.screen.alert.id == story.alerts()[0].id  # type: ignore[attr-defined]
        await pilot.press("escape")
        table = app.screen.query_one("#events", LiveTable)
        table.focus()
        table.select(next(str(e.id) for e in story.events() if e.kind == "alert"))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AlertDetail))
        assert app.screen.alert.rule == "threshold:p99_execution_time"  # type: ignore[attr-defined]


async def test_an_event_opens_the_alert_that_it_is_about_not_a_later_one_of_the_same_rule() -> None:
    then, soon = story.NOW - timedelta(hours=2), story.NOW - timedelta(hours=1)
    first = replace(SLOW, id=1, pending_at=then, phase=Phase.RESOLVED, resolved_at=soon)
    second = replace(SLOW, id=2, pending_at=soon)
    events = (
        Event(8, soon, "alert", WARNING, SLOW.rule, "fires again", "agent-2"),
        Event(7, then + timedelta(minutes=1), "alert", WARNING, SLOW.rule, "fires", "agent-2"),
    )
    snapshot = replace(with_alerts(first, second), events=events)
    app = app_of(snapshot)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        table = app.screen.query_one("#events", LiveTable)
        for key, wanted in (("7", 1), ("8", 2)):
            table.focus()
            table.select(key)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, AlertDetail))
            assert app.screen.alert.id == wanted  # type: ignore[attr-defined]
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, AlertDetail))


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_a_key_that_was_meant_for_a_row_that_has_gone_asks_nothing_of_the_next(size: str) -> None:
    first, second = many([WARNING, WARNING])
    app = app_of(with_alerts(first, second))
    clerk = app.static.desk = Clerk()
    async with app.run_test(size=SIZES[size]) as pilot:
        table = app.screen.query_one("#alerts", LiveTable)
        table.focus()
        app.static.publish(with_alerts(second))
        await until(pilot, lambda: table.selected == str(second.id))
        await pilot.press("a")
        await until(pilot, lambda: "has left the list; press again for rule 1" in shown(app))
        assert clerk.asked == []
        await pilot.press("a")
        await until(pilot, lambda: clerk.asked == [("acknowledge", (second.id,))])


ABOUT = (
    ("alerts", "33", 33),
    ("components", "edge_functions/get-stock-price", 32),
    ("resources", "connection_pool_pct", 35),
)


async def test_a_acknowledges_what_the_selected_row_is_about() -> None:
    app = app_of(story.live())
    clerk = app.static.desk = Clerk()
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: "no alert is selected" in shown(app))
        for i, (panel, key, _) in enumerate(ABOUT):
            table = app.screen.query_one(f"#{panel}", LiveTable)
            table.focus()
            table.select(key)
            await pilot.press("a")
            await until(pilot, lambda i=i: len(clerk.asked) > i)
            assert "acknowledging" in shown(app)
        assert clerk.asked == [("acknowledge", (id,)) for _, _, id in ABOUT]
        table = app.screen.query_one("#alerts", LiveTable)
        table.focus()
        table.select("34")
        await pilot.press("a")
        await until(pilot, lambda: "nora.k is on it already" in shown(app))
        assert len(clerk.asked) == len(ABOUT)


async def test_a_refusal_is_said_in_words() -> None:
    app = app_of(story.live())
    app.static.desk = Clerk(Refused("vera may not acknowledge: viewer"))
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await pilot.press("tab", "a")
        await until(pilot, lambda: "vera may not acknowledge: viewer" in shown(app))
        assert "acknowledging" not in shown(app)


# Components


GLYPHS = {
    AlertState.FIRING: " !",
    AlertState.STALE: " ◇",
    AlertState.ACKNOWLEDGED: " ◉",
    AlertState.SILENCED: " ◌",
    AlertState.PENDING: "",
    AlertState.INHIBITED: "",
    AlertState.RESOLVED: "",
}


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_a_component_says_that_an_alert_fires_about_it(size: str) -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES[size]) as pilot:
        for state, glyph in GLYPHS.items():
            app.static.publish(with_alerts(STATES[state]))
            await pilot.pause()
            row = line_with(app, "market-data-b")
            assert row[row.index("degraded") :].startswith(f"degraded{glyph}  "), state


def test_probes_and_what_they_measure_mark_a_component_and_the_worst_comes_first() -> None:
    base = story.live()
    probe = replace(SLOW, id=2, rule="probe:external_apis", metric="external_apis_status", severity=CRITICAL)
    elsewhere = replace(SLOW, id=3, rule="threshold:cpu_usage", metric="cpu_usage")
    named = replace(SLOW, id=4, rule="Database Slow", metric="database_latency_ms", acknowledged_by="x")
    gone = replace(SLOW, id=5, rule="collection:old", metric="a metric that is no longer in the catalogue")
    marks = component_marks(with_alerts(SLOW, probe, elsewhere, named, gone, base=base))
    assert {component: alert.id for component, alert in marks.items()} == {"external_apis": 2, "database": 4}


async def test_a_component_close_up_names_its_alerts() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.push_screen(ComponentDetail("external_apis", number=1))
        await until(pilot, lambda: "◉ acked threshold" in shown(app))
        assert "17m" in line_with(app, "◌ silenced probe")


# Metrics


def test_a_metric_is_marked_by_the_first_open_alert_on_it() -> None:
    hidden = [STATES[AlertState.INHIBITED], STATES[AlertState.RESOLVED]]
    assert metric_marks(hidden) == {}
    second = replace(SLOW, id=9)
    assert metric_marks([*hidden, SLOW, second, replace(SLOW, metric=None)]) == {
        "external_apis_latency_ms": SLOW
    }


P99 = next(a for a in story.alerts() if a.metric == "p99_execution_time")


TOLD = (
    (P99, "! firing", "warn"),
    (replace(P99, severity=CRITICAL), "! firing", "crit"),
    (replace(P99, acknowledged_by="nora.k"), "◉ acked", "ack"),
    (replace(P99, phase=Phase.PENDING, fired_at=None), "◔ pending", "pending"),
    (replace(P99, silence=7), "◌", "muted"),
    (replace(P99, inhibited_by="x"), "▲ warn", "warn"),
)


async def test_tiles_and_latency_show_how_an_alert_stands() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "│ 478 ms" in shown(app))
        for alert, words, role in TOLD:
            app.static.publish(with_alerts(alert))
            await pilot.pause()
            tile = next(i for i, line in enumerate(rows(app)) if "│ 478 ms" in line)
            assert words in rows(app)[tile]
            assert has_role(app, tile, words[0], role)
            legend = line_with(app, "p50 168")
            assert ("p99 478" if words == "▲ warn" else f"p99 {words[0]} 478") in legend


async def test_stale_data_is_stale_and_not_firing() -> None:
    app = app_of(story.stale())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "2 Metrics" in rows(app)[1])
        assert "◇ stale" in line_with(app, "478 ms") and "firing" not in shown(app)


async def test_the_list_of_all_metrics_marks_those_that_alert() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await pilot.press("2", "slash", *"lat")
        await until(pilot, lambda: "external_apis latency ◉" in shown(app))
        assert "■ get-stock-price latency !" in shown(app)


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_a_metric_close_up_shows_which_rules_watch_it_now(size: str) -> None:
    named = replace(P99, id=40, rule="Slow Orders", phase=Phase.PENDING, fired_at=None)
    app = app_of(with_alerts(P99, named, replace(SLOW, id=41)))
    async with app.run_test(size=SIZES[size]) as pilot:
        app.push_screen(MetricDetail("p99_execution_time", number=2))
        await until(pilot, lambda: "! firing threshold" in shown(app))
        assert line_with(app, "! firing threshold")[:45].count("7m") == 1
        assert "Slow Orders" in line_with(app, "◔ pending")
        assert sum("alert  " in line for line in rows(app)) == 2


async def test_an_acknowledgement_shows_on_every_screen_that_is_looked_at() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "! firing" in line_with(app, "478 ms"))
        acked = tuple(replace(a, acknowledged_by="alice", acknowledged_at=story.NOW) for a in story.alerts())
        app.static.publish(with_alerts(*acked))
        await until(pilot, lambda: "◉ acked" in line_with(app, "478 ms"))
        await pilot.press("1")
        await until(pilot, lambda: "alice, 03:12" in shown(app))
        assert "down ◉" in line_with(app, "no price within")


# Names from outside


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_hostile_names_in_alerts_stay_in_their_columns(size: str) -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES[size]) as pilot:
        for screen in ("1", "2"):
            await pilot.press(screen)
            for text in HOSTILE:
                hostile = {
                    "rule": text,
                    "summary": text,
                    "type": text,
                    "acknowledged_by": text,
                    "value": text,
                }
                bad = (replace(a, unit=text, **hostile) for a in story.alerts())  # type: ignore[arg-type]
                app.static.publish(with_alerts(*bad))
                await pilot.pause()
                assert_clean(app, SIZES[size])
        app.push_screen(MetricDetail("p99_execution_time", number=2))
        await until(pilot, lambda: isinstance(app.screen, MetricDetail))
        for text in HOSTILE:
            app.static.publish(with_alerts(*(replace(a, rule=text) for a in story.alerts())))
            await pilot.pause()
            assert_clean(app, SIZES[size])
