"""NO_COLOR: in a terminal with 16 colours every text is still there to be read, and what is chosen stands out."""

from collections.abc import Callable

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from console.app import TradexApp
from screens.asking_dialog import AskingDialog
from tests.ui import drive
from tests.ui.drive import SIZES, QuietApp, until
from tests.ui.fixtures import incidents
from tests.ui.test_incident import IncidentApp
from widgets.plain import Plain

Made = Callable[[], QuietApp]


def written(app: TradexApp) -> list[Segment]:
    """Every cell that is not blank."""
    return [s for strip in drive.strips(app) for s in strip if not s.control and s.text.strip()]


def readable(style: Style | None) -> bool:
    """Two colours that differ, or the terminal's own."""
    color, ground = (style.color, style.bgcolor) if style is not None else (None, None)
    own = (color is None or color.is_default) and (ground is None or ground.is_default)
    return own or color != ground


def look_of(app: TradexApp, words: str) -> Style:
    found = next((s.style for s in written(app) if words in s.text), None)
    assert found is not None, words
    return found


def health() -> QuietApp:
    return QuietApp(incidents.feed(incidents.live()), theme="16-colours")


def war_room() -> QuietApp:
    return IncidentApp(incidents.feed(incidents.live()), theme="16-colours")


@pytest.fixture(autouse=True)
def _no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("made", "tab"), [(health, "1 Health"), (war_room, "5 Incid")])
async def test_every_cell_is_readable_with_16_colours_and_none(made: Made, tab: str, size: str) -> None:
    app = made()
    async with app.run_test(size=SIZES[size]) as pilot:
        await until(pilot, lambda: app.screen.focused and tab in drive.shown(app))
        await pilot.pause()
        assert all(readable(s.style) for s in written(app))
        assert not {s.style.color.name for s in written(app) if s.style and s.style.color} - {"default"}
        assert look_of(app, tab).reverse, "where one is"
        assert not look_of(app, "Metrics").reverse


async def test_a_dialog_and_the_row_under_the_cursor_stand_out_too() -> None:
    app = war_room()
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await until(pilot, lambda: app.screen.focused and "Block the address" in drive.shown(app))
        await until(pilot, lambda: look_of(app, "Block the address").reverse)
        assert not look_of(app, "Roll out fix").reverse
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, AskingDialog) and "Cancel" in drive.shown(app))
        assert all(readable(s.style) for s in written(app))
        assert look_of(app, "Cancel").reverse, "where the focus is"


async def test_with_more_colours_it_is_grey() -> None:
    app = IncidentApp(incidents.feed(incidents.live()))
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await until(pilot, lambda: app.screen.focused and "INC-147" in drive.shown(app))
        found = [s.style for s in written(app) if s.style is not None]
        colors = {c.triplet for s in found for c in (s.color, s.bgcolor) if c is not None}
        assert len(colors) > 4 and None not in colors
        assert all(max(c) - min(c) <= 1 for c in colors if c is not None)
        assert all(readable(style) for style in found)


def test_black_on_a_named_colour_is_reversed_and_weight_is_kept() -> None:
    def plain(style: str) -> Style:
        [segment] = Plain().apply([Segment("x", Style.parse(style))], Color(0, 0, 0))
        assert segment.style is not None
        return segment.style

    assert plain("black on cyan").reverse and not plain("bright_red on black").reverse
    assert not plain("reverse black on cyan").reverse, "reversed twice"
    assert plain("bold bright_red").bold and plain("italic red").italic and plain("underline red").underline
    assert plain("red").color == plain("green").color
    meta = Style.parse("dim red") + Style(meta={"offset": (1, 2)})
    [kept] = Plain().apply([Segment("x", meta)], Color(0, 0, 0))
    assert kept.style is not None and kept.style.dim and kept.style.meta == {"offset": (1, 2)}
    assert Plain().apply([Segment("x")], Color(0, 0, 0)) == [Segment("x")]
