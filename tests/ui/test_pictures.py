"""Pictures of both screens in every state. Each was looked at before it was accepted."""

from collections.abc import Callable, Sequence

import pytest

from console.domain.snapshot import Snapshot
from tests.ui.drive import SIZES, app_of
from tests.ui.fixtures import story

STATES: dict[str, Callable[[], Snapshot]] = {
    "live": story.live,
    "stale": story.stale,
    "store-away": story.store_away,
    "failing": story.failing,
    "nothing": story.nothing,
}
SCREENS: dict[str, Sequence[str]] = {"health": [], "metrics": ["2"]}


@pytest.mark.parametrize("size", ["80x24", "120x40"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("screen", SCREENS)
def test_screen_in_state(snap_compare: Callable[..., bool], screen: str, state: str, size: str) -> None:
    app = app_of(STATES[state]())
    assert snap_compare(app, press=SCREENS[screen], terminal_size=SIZES[size])


@pytest.mark.parametrize("screen", SCREENS)
def test_wide(snap_compare: Callable[..., bool], screen: str) -> None:
    assert snap_compare(app_of(story.live()), press=SCREENS[screen], terminal_size=SIZES["160x50"])


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("theme", ["light", "high-contrast"])
def test_theme(snap_compare: Callable[..., bool], screen: str, theme: str) -> None:
    app = app_of(story.live(), theme=theme)
    assert snap_compare(app, press=SCREENS[screen], terminal_size=SIZES["120x40"])


@pytest.mark.parametrize("screen", SCREENS)
def test_16_colours_in_ascii(snap_compare: Callable[..., bool], screen: str) -> None:
    app = app_of(story.live(), theme="16-colours", ascii=True)
    assert snap_compare(app, press=SCREENS[screen], terminal_size=SIZES["120x40"])


def test_calm_screen_is_grey(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_of(story.calm()), terminal_size=SIZES["120x40"])


DETAILS: dict[str, Sequence[str]] = {
    "component": ["end", "up", "up", "up", "enter"],
    "metric": ["2", "slash", "p", "9", "9", "enter"],
    "catalogue": ["2", "slash", "p", "9"],
    "compare": ["2", "c", "down", "down"],
    "log": ["2", "L"],
    "zoom": ["2", "plus"],
    "help": ["question_mark"],
    "metrics-help": ["2", "question_mark"],
}


@pytest.mark.parametrize("size", ["80x24", "120x40"])
@pytest.mark.parametrize("detail", DETAILS)
def test_detail(snap_compare: Callable[..., bool], detail: str, size: str) -> None:
    assert snap_compare(app_of(story.live()), press=DETAILS[detail], terminal_size=SIZES[size])


def test_too_small_terminal(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_of(story.live()), terminal_size=(50, 12))
