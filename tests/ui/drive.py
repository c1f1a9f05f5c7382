"""What the pilot tests share: an app on a StaticFeed, waiting for a condition, reading the screen."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from textual import events
from textual.pilot import Pilot
from textual.strip import Strip

from console.app import TradexApp
from console.domain.snapshot import Snapshot
from console.static_feed import StaticFeed
from tests.ui.fixtures import story

DEADLINE_S = 10.0
DeskT = TypeVar("DeskT")
SIZES = {"80x24": (80, 24), "120x40": (120, 40), "160x50": (160, 50)}


class QuietApp(TradexApp):
    """Counts the bell instead of ringing it, and leaves time to the test."""

    def __init__(self, feed: StaticFeed, **more: object) -> None:
        self.rung = 0
        super().__init__(feed, **{"theme": "dark", **more})  # type: ignore[arg-type]
        self.static = feed

    def bell(self) -> None:
        self.rung += 1


class AlertsApp(QuietApp):
    """Begins on Alerts, so that one screen less is built."""

    DEFAULT_MODE = "alerts"


def app_of(snapshot: Snapshot, **more: object) -> QuietApp:
    return QuietApp(story.feed(snapshot), **more)


async def until(pilot: Pilot[None], condition: Callable[[], object], what: str = "the condition") -> None:
    """Let the app work until `condition` holds; fails after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {DEADLINE_S:g} s")
        await pilot.pause()


def at_once(app: QuietApp, *keys: str) -> None:
    """Pressed before the app has looked at the first of them."""
    for key in keys:
        assert app._driver is not None
        event = events.Key(key, key if len(key) == 1 else None)
        event.set_sender(app)
        app._driver.send_message(event)


class Seen(Generic[DeskT]):
    """A running app, and the desk that takes down what it is asked."""

    def __init__(self, app: QuietApp, pilot: Pilot[None], clerk: DeskT) -> None:
        self.app, self.pilot, self.clerk = app, pilot, clerk

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, condition: Callable[[], object], what: str = "the condition") -> None:
        await until(self.pilot, condition, what)

    async def says(self, *parts: str) -> None:
        """All of them stand on the screen."""
        await self.until(lambda: all(part in shown(self.app) for part in parts), " and ".join(parts))


def strips(app: TradexApp) -> list[Strip]:
    """The rows as the terminal gets them."""
    return list(app.screen._compositor.render_strips(app.size))


def rows(app: TradexApp) -> list[str]:
    return ["".join(s.text for s in strip if not s.control) for strip in strips(app)]


def shown(app: TradexApp) -> str:
    return "\n".join(rows(app))
