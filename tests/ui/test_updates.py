"""What is sent is what changed; a terminal of any size is survived."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from console.domain.metric import Level
from tests.ui.drive import SIZES, QuietApp, app_of, rows, shown, strips, until
from tests.ui.fixtures import story
from widgets.banner import Banner, Clock
from widgets.line_widget import LineWidget
from widgets.live_table import LiveTable
from widgets.plot import Plot


def refreshed(app: QuietApp) -> dict[str, int]:
    return {str(w.id): w.lines_refreshed for w in app.screen.query(LineWidget)}


def since(app: QuietApp, before: dict[str, int]) -> dict[str, int]:
    """The widgets that redrew lines, and how many."""
    return {name: n - before[name] for name, n in refreshed(app).items() if n != before[name]}


async def test_one_changed_latency_refreshes_one_line() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.pause()
        before = refreshed(app)
        first, *others = story.live().health
        changed = replace(first, check=replace(first.check, latency_ms=46.0))
        app.static.publish(replace(story.live(), health=(changed, *others)))
        await until(pilot, lambda: "46 ms" in shown(app))
        assert since(app, before) == {"components": 1}


async def test_an_equal_snapshot_refreshes_nothing() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.pause()
        before = refreshed(app)
        app.static.publish(replace(story.live(), at=story.NOW + timedelta(seconds=1)))
        app.screen.update(frozenset(("health", "metrics", "trends", "events")))  # type: ignore[attr-defined]
        await pilot.pause()
        assert since(app, before) == {}


async def test_a_second_that_passes_touches_clock_ages_and_nothing_else() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.pause()
        before = refreshed(app)
        app.static._now = story.NOW + timedelta(seconds=1)
        app._second()
        await until(pilot, lambda: "03:12:48" in shown(app))
        touched = since(app, before)
        # Seven rows grow a second older; the stale one counts in minutes.
        assert touched == {"clock": 1, "banner": 1, "components": 7}


async def test_a_changed_value_repaints_only_its_cells() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.pause()
        table = app.screen.query_one("#resources", LiveTable)
        regions: list[object] = []
        refresh = table.refresh
        table.refresh = lambda *r, **k: (regions.extend(r), refresh(*r, **k))[1]  # type: ignore[method-assign]
        values = dict(story.values())
        values["cpu_usage"] = replace(values["cpu_usage"], value=46.0, level=Level.OK)
        base = story.live()
        app.static.publish(replace(base, metrics=replace(base.metrics, values=values)))
        await until(pilot, lambda: "46 %" in shown(app))
        assert regions and sum(r.width for r in regions) <= 3  # type: ignore[attr-defined]
        assert {r.height for r in regions} == {1}  # type: ignore[attr-defined]


async def test_a_plot_is_not_drawn_again_by_the_clock() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2")
        await pilot.pause()
        plot = app.screen.query_one(Plot)
        drawn, before = plot._drawn, plot.lines_refreshed
        app.static._now = story.NOW + timedelta(seconds=1)
        app._second()
        await pilot.pause()
        assert plot._drawn is drawn and plot.lines_refreshed == before


async def test_only_changed_lines_of_a_plot_are_refreshed() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press("2")
        await pilot.pause()
        plot = app.screen.query_one(Plot)
        before = plot.lines_refreshed
        base = story.live()
        trends = dict(base.trends)
        p50 = trends["p50_execution_time"]
        trends["p50_execution_time"] = replace(p50, values=(*p50.values[:-1], 260.0))
        app.static.publish(replace(base, trends=trends))
        await until(pilot, lambda: plot.lines_refreshed > before)
        assert plot.lines_refreshed - before <= 6


@pytest.mark.parametrize("key", ["1", "2"])
async def test_resize_to_20x5_and_back(key: str) -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.press(key)
        await pilot.pause()
        before = rows(app)
        for size in ((20, 5), (1, 1), (60, 15), (59, 40), (300, 90), SIZES["80x24"], SIZES["120x40"]):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            app.static.publish(story.failing())
            app.static.publish(story.live())
            await pilot.pause()
        await until(pilot, lambda: rows(app) == before, "the screen as before")


async def test_a_terminal_that_is_too_small_says_so() -> None:
    app = app_of(story.live())
    async with app.run_test(size=(50, 12)):
        assert "60x15 or larger, please (now 50x12)" in shown(app)
        assert "database" not in shown(app)


@pytest.mark.parametrize("size", ["80x24", "120x40", "160x50"])
async def test_ascii_means_ascii(size: str) -> None:
    app = app_of(story.live(), ascii=True)
    async with app.run_test(size=SIZES[size]) as pilot:
        for keys in ([], ["enter"], ["escape", "2"], ["slash"], ["escape", "question_mark"]):
            await pilot.press(*keys)
            await pilot.pause()
            for row in strips(app):
                text = "".join(s.text for s in row if not s.control)
                assert text.isascii(), text


async def test_the_banner_drops_parts_by_priority_and_never_the_environment_or_the_clock() -> None:
    app = app_of(story.live())
    async with app.run_test(size=(62, 16)):
        first = rows(app)[0]
        assert "PROD" in first and "03:12:47" in first and "■ 2" in first
        assert app.screen.query_one(Banner) and app.screen.query_one(Clock)


async def test_state_is_in_glyph_and_word_without_any_colour() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]):
        lines = rows(app)
        row = next(line for line in lines if "external_apis" in line)
        assert "▲" in row and "degraded" in row
        assert any("■ CRITICAL" in line for line in lines)


def test_first_paint_loads_no_plotext_httpx_or_pydantic() -> None:
    """Measured where it matters: in a fresh interpreter, up to the first full Health screen."""
    code = """
import asyncio, sys
from tests.ui.fixtures import story
from console.app import TradexApp
from widgets import plot

seen = []

class Watched(TradexApp):
    def _display(self, screen, renderable):
        if renderable is not None and screen.query("#components"):
            seen.append("paint")
        super()._display(screen, renderable)

async def main():
    plot.load = lambda: seen.append("plot")
    app = Watched(story.feed(story.live()), theme="dark")
    async with app.run_test(size=(120, 40)) as pilot:
        while "plot" not in seen:
            await pilot.pause()
    print(seen[0], sorted(m for m in ("plotext", "httpx", "pydantic", "apprise") if m in sys.modules))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "paint []"
