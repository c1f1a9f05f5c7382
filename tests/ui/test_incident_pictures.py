"""Pictures of the war-room. Each was looked at before it was accepted."""

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from screens.incident import IncidentScreen
from screens.note_dialog import NoteDialog
from tests.ui.drive import SIZES, until
from tests.ui.fixtures import incidents
from tests.ui.test_incident import IncidentApp

SETTLED = Callable[[Pilot[None]], object]


def settled(*pressed: str, dialog: type | None = None) -> SETTLED:
    """Wait until what is read is drawn, then press."""

    async def settle(pilot: Pilot[None]) -> None:
        screen = pilot.app.screen
        assert isinstance(screen, IncidentScreen)
        has_one = screen._has_one()
        readings = (screen._timeline, screen._before, screen._company) if has_one else (screen._shelf,)
        await until(pilot, lambda: all(each.known and not each.is_other for each in readings))
        await until(pilot, lambda: screen.focused is not None and screen.focused.display)
        await pilot.press(*pressed)
        if dialog is not None:
            await until(pilot, lambda: isinstance(pilot.app.screen, dialog) and pilot.app.screen._is_open)
        await pilot.wait_for_scheduled_animations()
        await pilot.pause()

    return settle


@pytest.mark.parametrize("size", SIZES)
def test_live(snap_compare: Callable[..., bool], size: str) -> None:
    app = IncidentApp(incidents.feed(incidents.live()))
    assert snap_compare(app, run_before=settled(), terminal_size=SIZES[size])


def test_nobody_is_on_it(snap_compare: Callable[..., bool]) -> None:
    app = IncidentApp(incidents.feed(incidents.unseen()))
    assert snap_compare(app, run_before=settled(), terminal_size=SIZES["120x40"])


@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_none_is_open(snap_compare: Callable[..., bool], size: str) -> None:
    app = IncidentApp(incidents.feed(incidents.none()))
    assert snap_compare(app, run_before=settled(), terminal_size=SIZES[size])


def test_16_colours_in_ascii(snap_compare: Callable[..., bool]) -> None:
    app = IncidentApp(incidents.feed(incidents.live()), theme="16-colours", ascii=True)
    assert snap_compare(app, run_before=settled(), terminal_size=SIZES["80x24"])


def test_light(snap_compare: Callable[..., bool]) -> None:
    app = IncidentApp(incidents.feed(incidents.live()), theme="light")
    assert snap_compare(app, run_before=settled("o"), terminal_size=SIZES["120x40"])


def test_a_note(snap_compare: Callable[..., bool]) -> None:
    app = IncidentApp(incidents.feed(incidents.live()))
    before = settled("n", *"- p99 is **478**", "enter", *"- @ivo.s go on", dialog=NoteDialog)
    assert snap_compare(app, run_before=before, terminal_size=SIZES["80x24"])
