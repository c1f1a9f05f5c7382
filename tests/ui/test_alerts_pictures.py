"""Pictures of Alerts in every state. Each was looked at before it was accepted."""

from collections.abc import Callable, Sequence

import pytest
from textual.pilot import Pilot

from console.domain.snapshot import Snapshot
from screens.alert_detail import AlertDetail
from screens.alerts import AlertsScreen
from tests.ui.drive import SIZES, AlertsApp, QuietApp, until
from tests.ui.fixtures import alerts

STATES: dict[str, Callable[[], Snapshot]] = {
    "live": alerts.live,
    "nothing": alerts.quiet,
    "stale": alerts.stale,
    "store-away": alerts.store_away,
    "hostile": alerts.hostile,
}
SETTLED = Callable[[Pilot[None]], object]


def app_of(snapshot: Snapshot, **more: object) -> QuietApp:
    return AlertsApp(alerts.feed(snapshot), **more)


def keys(*pressed: str) -> SETTLED:
    """Wait until what is read is drawn, press, wait again."""

    async def settle(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: read(pilot), "the reading")
        for key in pressed:
            await pilot.press(key)
            await until(pilot, lambda: read(pilot), "the reading")
        await pilot.wait_for_scheduled_animations()
        await pilot.pause()

    return settle


def read(pilot: Pilot[None]) -> bool:
    """What stands behind the alert in front was read and drawn."""
    screen = pilot.app.screen
    if isinstance(screen, AlertsScreen):
        return screen.selected is None or screen._reading is not None
    return not isinstance(screen, AlertDetail) or screen._reading is not None


@pytest.mark.parametrize("size", ["80x24", "120x40"])
@pytest.mark.parametrize("state", STATES)
def test_state(snap_compare: Callable[..., bool], state: str, size: str) -> None:
    assert snap_compare(app_of(STATES[state]()), run_before=keys(), terminal_size=SIZES[size])


def test_wide(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_of(alerts.live()), run_before=keys(), terminal_size=SIZES["160x50"])


def test_light(snap_compare: Callable[..., bool]) -> None:
    app = app_of(alerts.live(), theme="light")
    assert snap_compare(app, run_before=keys(), terminal_size=SIZES["120x40"])


def test_16_colours_in_ascii(snap_compare: Callable[..., bool]) -> None:
    app = app_of(alerts.live(), theme="16-colours", ascii=True)
    assert snap_compare(app, run_before=keys(), terminal_size=SIZES["120x40"])


VIEWS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "detail": (["enter"], ["80x24", "120x40"]),
    "state-detail": (["down", "down", "enter"], ["120x40"]),
    "marked-and-unfolded": (["space", "space", "down", "down", "down", "down", "space"], ["120x40"]),
    "filter": (["slash", *"!info"], ["80x24", "120x40"]),
    "silence": (["space", "space", "z"], ["120x40"]),
    "silence-without-a-reason": (["z", "y"], ["80x24"]),
    "lift-silence": (["s", "Z"], ["120x40"]),
    "silences": (["s"], ["80x24"]),
}


@pytest.mark.parametrize(("view", "size"), [(view, size) for view in VIEWS for size in VIEWS[view][1]])
def test_view(snap_compare: Callable[..., bool], view: str, size: str) -> None:
    app = app_of(alerts.live())
    assert snap_compare(app, run_before=keys(*VIEWS[view][0]), terminal_size=SIZES[size])


def test_dialog_with_16_colours(snap_compare: Callable[..., bool]) -> None:
    app = app_of(alerts.live(), theme="16-colours", ascii=True)
    assert snap_compare(app, run_before=keys("z"), terminal_size=SIZES["80x24"])
