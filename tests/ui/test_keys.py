"""Keys do what the key row and the help say."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from textual import events
from textual.screen import Screen
from textual.widgets import Input

from screens.alert_detail import AlertDetail
from screens.catalogue import Catalogue
from screens.component_detail import ComponentDetail
from screens.health import HealthScreen
from screens.help import HelpScreen
from screens.latency_panel import LatencyPanel
from screens.logs import LogScreen
from screens.metric_detail import MetricDetail
from screens.metrics import MetricsScreen
from screens.window import WINDOWS
from tests.ui.drive import SIZES, QuietApp, app_of, rows, shown, until
from tests.ui.fixtures import alerts, story
from tests.ui.test_hostile_text import assert_clean
from widgets.key_row import key_label
from widgets.live_table import LiveTable


async def test_numbers_switch_screens_and_come_back() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        assert isinstance(app.screen, HealthScreen)
        await pilot.press("2")
        assert isinstance(app.screen, MetricsScreen)
        await pilot.press("1")
        assert isinstance(app.screen, HealthScreen)


async def test_a_number_on_a_detail_leads_back_to_its_screen() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ComponentDetail))
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, HealthScreen))


async def test_arrows_and_letters_move_the_selection_and_stop_at_the_ends() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        table = app.screen.query_one("#components", LiveTable)
        assert table.selected == "database"
        await pilot.press("up")
        assert table.selected == "database"
        await pilot.press("down", "j")
        assert table.selected == "external_apis"
        await pilot.press("k")
        assert table.selected == "cache"
        await pilot.press("end", "down")
        assert table.selected == "platform"
        await pilot.press("home")
        assert table.selected == "database"


async def test_enter_goes_deeper_twice_and_escape_comes_back() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ComponentDetail) and app.screen.focused)
        assert app.screen.component == "database"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MetricDetail))
        assert app.screen.metric_name == "database_latency_ms"  # type: ignore[attr-defined]
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, HealthScreen))


async def test_the_component_detail_tells_its_last_hour() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.screen.query_one("#components", LiveTable).select("edge_functions/get-stock-price")
        await pilot.press("enter")
        await until(pilot, lambda: "143 of them" in shown(app))
        text = shown(app)
        assert "720" in text and "get-stock-price ok to down" in text and "limit 500 ms" in text


@pytest.mark.parametrize(
    ("table", "detail"), [("alerts", AlertDetail), ("resources", MetricDetail), ("events", ComponentDetail)]
)
async def test_tab_reaches_every_panel_and_enter_opens_what_is_selected(
    table: str, detail: type[Screen[None]]
) -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        wanted = app.screen.query_one(f"#{table}", LiveTable)
        for _ in range(4):
            await pilot.press("tab")
            if wanted.has_focus:
                break
        assert wanted.has_focus
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, detail))


async def test_wide_screens_show_the_selected_component_beside_the_table() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["160x50"]) as pilot:
        await pilot.press("down", "down")
        await pilot.pause()
        panel = app.screen.query_one("#component")
        assert panel.border_title == "external_apis"


async def test_the_window_changes_with_brackets_and_w() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2")
        screen = app.screen
        assert isinstance(screen, MetricsScreen)
        seen = []
        for key in (
            "right_square_bracket",
            "right_square_bracket",
            "right_square_bracket",
            "w",
            "left_square_bracket",
        ):
            await pilot.press(key)
            seen.append(WINDOWS[screen.window_index].name)
        assert seen == ["6h", "24h", "24h", "15m", "15m"]
        await until(pilot, lambda: bool(screen.series), "the series of the window")


async def test_compare_asks_for_the_same_window_a_day_earlier() -> None:
    app = app_of(story.live())
    asked: list[timedelta] = []
    series = app.static.series

    async def spy(names, window, points, *, ago=timedelta()):  # type: ignore[no-untyped-def]
        asked.append(ago)
        return await series(names, window, points, ago=ago)

    app.static.series = spy  # type: ignore[method-assign]
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2", "c")
        await until(pilot, lambda: "p95 yesterday" in shown(app))
        assert asked == [timedelta(hours=24)]
        await pilot.press("c")
        await until(pilot, lambda: "p95 yesterday" not in shown(app))


async def test_arrows_pick_a_series_and_enter_opens_it() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2", "up")
        panel = app.screen.query_one(LatencyPanel)
        assert panel.picked == "p99_execution_time"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MetricDetail))
        assert app.screen.metric_name == "p99_execution_time"  # type: ignore[attr-defined]


async def test_zoom_leaves_the_plot_alone_and_comes_back() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2")
        panel = app.screen.query_one(LatencyPanel)
        before = panel.size.height
        await pilot.press("plus")
        await until(pilot, lambda: panel.size.height > before + 10)
        await pilot.press("plus")
        await until(pilot, lambda: panel.size.height == before)


async def test_every_metric_is_reached_through_the_filter() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await pilot.press("2", "slash")
        await until(pilot, lambda: isinstance(app.screen, Catalogue) and app.screen.focused)
        table = app.screen.query_one("#list", LiveTable)
        assert len(table.keys) == len(story.specs())
        await pilot.press(*"vulner")
        await until(pilot, lambda: table.keys == ["vulnerabilities_critical"])
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MetricDetail))
        await until(pilot, lambda: "no audit report" in shown(app), "the reason")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, Catalogue))
        await pilot.press("escape")
        assert app.screen.query_one(Input).value == ""
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MetricsScreen))


async def test_a_metric_shows_its_source_thresholds_and_window() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        app.push_screen(MetricDetail("error_rate", number=1))
        await until(pilot, lambda: "FROM orders" in shown(app))
        text = shown(app)
        for part in (
            "> 0.3 %",
            "> 0.5 %",
            "the last 5m",
            "status = 'failed'",
            "failed / (executed + failed)",
        ):
            assert part in text


async def test_help_lists_the_keys_of_the_panel_the_screen_and_the_app() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2", "question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        text = shown(app)
        for part in (
            "this panel",
            "series",
            "[ ] w",
            "compare",
            "all metrics",
            "everywhere",
            "theme",
            "quit",
        ):
            assert part in text
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, MetricsScreen))


async def test_t_changes_the_theme_everywhere() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2", "1", "t")
        await until(pilot, lambda: app.look.palette.name == "light")
        assert app.screen.query_one("#components", LiveTable).look.palette.name == "light"
        await pilot.press("2")
        await until(pilot, lambda: app.screen._drawn_look is app.look)  # type: ignore[attr-defined]


async def test_colon_opens_the_commands() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("colon")
        await until(pilot, lambda: type(app.screen).__name__ == "CommandPalette")
        await pilot.press(*"metrics")
        await until(pilot, lambda: "2 Metrics" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MetricsScreen))


async def test_l_opens_the_logs_once_from_any_screen() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2", "l")
        await until(pilot, lambda: isinstance(app.screen, LogScreen))
        app.action_logs()
        await pilot.pause()
        assert sum(isinstance(screen, LogScreen) for screen in app.screen_stack) == 1
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape", "1")
        await until(pilot, lambda: isinstance(app.screen, HealthScreen))


async def test_refresh_asks_the_feed() -> None:
    app = app_of(story.live())
    asked: list[bool] = []
    app.static.refresh = lambda: asked.append(True)  # type: ignore[method-assign]
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("r")
        assert asked == [True]


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_quit(key: str) -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: not app.is_running)


async def test_a_click_on_a_tab_and_on_a_row() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        row = next(i for i, line in enumerate(rows(app)) if "external_apis" in line)
        await pilot.click(offset=(10, row))
        assert app.screen.query_one("#components", LiveTable).selected == "external_apis"
        await pilot.click("#tabs", offset=(16, 0))
        await until(pilot, lambda: isinstance(app.screen, MetricsScreen))


async def test_what_is_pasted_into_the_filter_of_all_metrics_is_made_visible() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await pilot.press("2", "slash")
        await until(pilot, lambda: isinstance(app.screen, Catalogue) and app.screen.focused)
        app.post_message(events.Paste("a\x1b]52;c;x\x07\u202eb"))
        field = app.screen.query_one(Input)
        await until(pilot, lambda: field.value == "a␛]52;c;x␇\ufffdb", "the paste")
        await pilot.pause()
        assert_clean(app, SIZES["80x24"])


SCREENS: dict[str, tuple[str, Sequence[str]]] = {
    "health": ("HealthScreen", ()),
    "metrics": ("MetricsScreen", ("2",)),
    "alerts": ("AlertsScreen", ("4",)),
    "detail": ("AlertDetail", ("4", "enter")),
    "diagnosis": ("DiagnosisScreen", ("4", "enter", "enter")),
    "logs": ("LogScreen", ("l",)),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SCREENS)
async def test_every_key_that_is_shown_works(name: str, size: str) -> None:
    kind, path = SCREENS[name]
    app = QuietApp(alerts.feed(alerts.live()))
    async with app.run_test(size=SIZES[size]) as pilot:
        for key in path:
            before = app.screen
            await pilot.press(key)
            await until(pilot, lambda before=before: app.screen is not before and app.screen.focused)
        await until(pilot, lambda: type(app.screen).__name__ == kind and app.screen.focused)
        for _ in range(3):
            await pilot.pause()
            working = {
                f"{key_label(active.binding, app.look.glyphs.keys)} {active.binding.description}"
                for active in app.screen.active_bindings.values()
                if active.enabled and active.binding.show
            }
            hints = re.split(r" {2,}", rows(app)[-1].strip())
            assert set(hints) <= working and {"? help", "q quit"} < set(hints)
            # In another panel other keys work.
            await pilot.press("tab")


async def test_every_binding_has_an_id_and_none_has_priority() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        for key in ("1", "2"):
            await pilot.press(key)
            for active in app.screen.active_bindings.values():
                if active.node in (app, app.screen) and active.binding.show:
                    assert active.binding.id
