"""Keys do what the key row and the help say."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from textual import events
from textual.binding import Binding
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from console.feed import SECTIONS
from screens.alert_detail import AlertDetail
from screens.alerts import AlertsScreen
from screens.base import ConsoleScreen
from screens.catalogue import Catalogue
from screens.component_detail import ComponentDetail
from screens.health import HealthScreen
from screens.help import HelpScreen
from screens.latency_panel import LatencyPanel
from screens.log_detail import LogDetail
from screens.logs import LogScreen
from screens.metric_detail import MetricDetail
from screens.metrics import MetricsScreen
from screens.window import WINDOWS
from tests.ui.drive import SIZES, QuietApp, app_of, rows, shown, strips, until
from tests.ui.fixtures import actions, alerts, books, diagnoses, incidents, story
from tests.ui.test_hostile_text import assert_clean
from tests.ui.test_logs import SOURCES as LOG_SOURCES
from tests.ui.test_logs import lines as log_lines
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


async def test_help_is_titled_with_the_page_it_explains() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        for keys, page in (
            (("enter",), ComponentDetail),
            (("2", "slash"), Catalogue),
            (("enter",), MetricDetail),
        ):
            await pilot.press(*keys)
            await until(pilot, lambda page=page: isinstance(app.screen, page) and app.screen.focused)
            app.action_help()
            await until(pilot, lambda: isinstance(app.screen, HelpScreen))
            title = {ComponentDetail: "Component", Catalogue: "All metrics", MetricDetail: "Metric"}[page]
            await until(pilot, lambda title=title: f" {title}: keys " in shown(app), title)
            await pilot.press("escape")


async def test_help_lists_the_keys_of_the_panel_the_screen_and_the_app() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2", "question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        text = shown(app)
        assert " Metrics: keys " in text
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


async def test_the_commands_name_the_screens_the_logs_and_what_may_be_done_to_the_alert() -> None:
    app = QuietApp(alerts.feed(alerts.live()))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, AlertsScreen) and app.screen.focused)
        there = {c.title: c for c in app.get_system_commands(app.screen)}
        wanted = {"Acknowledge", "Unacknowledge", "Silence", "Unsilence"}
        assert {"Go to 1 Health", "Go to 2 Metrics", "Go to 4 Alerts", "Logs"} | wanted < set(there)
        assert all("Price Feed Slow" in there[title].help for title in wanted)
        for typed, offered, seen in (
            ("unack", "nobody is on Price Feed Slow", "nobody has acknowledged this"),
            ("unsil", "lift the silence that keeps", "no silence keeps this quiet"),
            ("silence", "keep Price Feed Slow quiet", "enter cancels"),
        ):
            await pilot.press("colon", *typed)
            await until(pilot, lambda offered=offered: offered in shown(app), offered)
            await pilot.press("enter")
            await until(pilot, lambda seen=seen: seen in shown(app), seen)
        await pilot.press("escape", "2")
        await until(pilot, lambda: isinstance(app.screen, MetricsScreen))
        assert not wanted & {c.title for c in app.get_system_commands(app.screen)}


async def test_l_opens_the_logs_once_from_any_screen() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2", "l")
        await until(pilot, lambda: isinstance(app.screen, LogScreen))
        logs = app.screen
        await pilot.press("l")
        app.push_screen(LogDetail(log_lines(1, 1)[0], number=2))
        await until(pilot, lambda: isinstance(app.screen, LogDetail))
        await pilot.press("l")
        await until(pilot, lambda: app.screen is logs, "back up to the logs")
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


# What leads to each, keys or the panel that has the focus, the deepest first: so nothing that was pressed on a screen
# is in the way to another. Behind the name of a screen stands what it shows, where that makes a difference.
SCREENS: dict[str, Sequence[str]] = {
    "SampleScreen": ("4", "enter", "enter", "enter", "enter"),
    "DiagnosisScreen": ("4", "enter", "enter"),
    "AlertDetail": ("4", "enter"),
    "AlertsScreen": ("4",),
    "LogScreen": ("4", "l"),
    "Catalogue": ("2", "slash"),
    "MetricDetail": ("2", "enter"),
    "MetricsScreen": ("2",),
    "ComponentDetail": ("1", "enter"),
    "HealthScreen": ("1",),
    "ActionDetail": ("9", "enter"),
    "AuditDetail": ("9", "v", "enter"),
    "ActionsScreen": ("9", "escape"),
    "SecurityScreen": ("8",),
    "DeployScreen": ("7",),
    "ReadingScreen, a step": ("5", "#steps", "enter"),
    "ReadingScreen, an entry": ("5", "#timeline", "enter"),
    "IncidentScreen, the steps": ("5", "#steps"),
    "IncidentScreen, the timeline": ("5", "#timeline"),
    "ReadingScreen, an item": ("6", "#items", "enter"),
    "BooksScreen, the checklists": ("6", "#items"),
    "BooksScreen, the lists": ("6", "#lists"),
    "RunbookReading": ("6", "v", "#books", "enter"),
    "BooksScreen, the runbooks": ("6", "#books"),
    "ReadingScreen, a hand-over": ("6", "v", "#handovers", "enter"),
    "BooksScreen, the hand-overs": ("6", "#handovers"),
    "SinceScreen": ("1", "h"),
}
# Where a key leads within a screen, this one leads back.
BACK = {"books.view": "V", "duty.history": "escape"}


_SAME_EVERYWHERE = ("app.theme", "app.commands", "app.help")


class Everything(incidents.IncidentClerk, books.BookClerk):
    """A desk for every screen."""


class Pressed:
    """A running app whose every key is tried: what a key did is seen, or was asked for."""

    def __init__(self, app: QuietApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot
        self.asked: list[object] = []
        # That it quits is shown elsewhere.
        self._done = {"app.quit"}
        app.static.refresh = lambda: self.asked.append("refresh")  # type: ignore[method-assign]

    def _state(self) -> object:
        drawn = [[(s.text, s.style) for s in strip] for strip in strips(self.app)]
        desk = self.app.feed.desk
        assert isinstance(desk, Everything)
        return self.app.screen, self.app.focused, drawn, len(self.asked), len(desk.asked)

    async def go(self, name: str) -> None:
        for key in SCREENS[name]:
            before = self.app.screen, self.app.focused
            if key.startswith("#"):
                panel = self.app.screen.query_one(key)
                panel.focus()
                await self.until(lambda panel=panel: self.app.focused is panel, f"{key} of {name}")
                continue
            await self.pilot.press(key)
            if not key.isdigit():
                await self.until(
                    lambda before=before: before != (self.app.screen, self.app.focused) and self.app.focused
                )
        kind = name.partition(",")[0]
        await self.until(lambda: type(self.app.screen).__name__ == kind and self.app.focused, name)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object], what: str = "the condition") -> None:
        await until(self.pilot, condition, what)

    def hints(self) -> dict[str, Binding]:
        """The key row's hints with their bindings; each is one that is in force."""
        working = {
            f"{key_label(active.binding, self.app.look.glyphs.keys)} {active.binding.description}": active.binding
            for active in self.app.screen.active_bindings.values()
            if active.enabled and active.binding.show
        }
        shown = re.split(r" {2,}", rows(self.app)[-1].strip())
        assert set(shown) <= set(working) and {"? help", "q quit"} & set(working) <= set(shown)
        return {hint: working[hint] for hint in shown}

    async def press_all(self) -> None:
        screen, focused, mode = self.app.screen, self.app.focused, self.app.current_mode
        assert isinstance(screen, ConsoleScreen)
        for _ in range(3):
            # In another panel other keys work.
            screen.action_focus_pane(1)
            await self.pilot.pause()
            self.hints()
        screen.set_focus(focused)
        await self.pilot.pause()
        # While nothing is zoomed there are other panels; the word of a tick on its way goes by itself, which would seem
        # to be what another key did; what leaves the screen comes last.
        order = {"tab": 0, "space": 2, "escape": 3, "detail.back": 3}
        hints = sorted(self.hints().items(), key=lambda h: order.get(h[1].key, order.get(h[1].id or "", 1)))
        for hint, binding in hints:
            if binding.id in self._done or hint not in self.hints():
                continue
            if binding.id in _SAME_EVERYWHERE:
                self._done.add(binding.id)
            screen.say("")
            await self.pilot.pause()
            before = self._state()
            await self.pilot.press(binding.key)
            await self.until(lambda before=before: self._state() != before, f"{hint} on {screen}")
            if self.app.current_mode != mode:
                await self.app.switch_mode(mode)
            while self.app.screen is not screen and screen in self.app.screen_stack:
                self.app.pop_screen()
                await self.pilot.pause()
            if screen.is_current and (back := BACK.get(binding.id or "")):
                await self.pilot.press(back)
                await self.until(lambda: focused in screen.focus_chain, f"back from {hint}")
            if screen.is_attached and focused in screen.focus_chain:
                screen.set_focus(focused)
                await self.pilot.pause()


# What 120x40 shows lies between these two.
@pytest.mark.parametrize("size", ["80x24", "160x50"])
async def test_every_key_that_is_shown_does_something(size: str) -> None:
    found = replace(diagnoses.FOUND_ERRORS, alert_id=1)
    acts = actions.live()
    sections = {name: getattr(acts, name) for name in SECTIONS[SECTIONS.index("control") :]}
    sections |= {"incidents": incidents.live().incidents, "checklists": books.STANDINGS}
    past = {"steps": actions.STEPS, "output": actions.OUTPUT, "audit": actions.AUDIT}
    past |= {"diagnoses": {1: found}, "lines": log_lines(1, 60), "sources": LOG_SOURCES}
    feed = books.feed(
        replace(alerts.live(), **sections),
        **(past | {"desk": Everything(), "history": alerts.HISTORY, "fired": alerts.FIRED}),
        timeline={147: incidents.TIMELINE},
        present=incidents.PRESENT,
        changes=incidents.CHANGES,
        templates=incidents.TEMPLATES,
        texts=incidents.TEXTS | {"handover": books.TEXT},
        last_seen=story.NOW - timedelta(hours=2),
    )
    app = QuietApp(feed)
    async with app.run_test(size=SIZES[size]) as pilot:
        pressed = Pressed(app, pilot)
        for name in SCREENS:
            await pressed.go(name)
            await pressed.press_all()


async def test_every_binding_has_an_id_and_none_has_priority() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        for key in ("1", "2"):
            await pilot.press(key)
            for active in app.screen.active_bindings.values():
                if active.node in (app, app.screen) and active.binding.show:
                    assert active.binding.id
