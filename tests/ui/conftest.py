"""Screens are tested in a frozen moment: no animation, UTF-8, plots loaded before the first paint."""

import asyncio
import os
import sys
from typing import Any

import pytest
import textual.app
import textual.pilot
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

_SOON_S = 0.02

os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ["LC_ALL"] = "C.UTF-8"
for variable in ("TRADEX_ASCII", "NO_COLOR", "TEXTUAL_THEME"):
    os.environ.pop(variable, None)


@pytest.fixture(autouse=True, scope="session")
def _frozen() -> None:
    from textual import constants

    from widgets import plot

    # Textual reads its variables once; another test of this run may have been first.
    constants.TEXTUAL_ANIMATIONS = "none"  # type: ignore[misc]
    plot.load()
    assert "plotext" in sys.modules


async def _rest(_least: float = 0.0, most: float = 1.0) -> None:
    """Until the loop has nothing to do now and no timer that rings soon (Textual draws by one). Exact where Textual
    guesses from the time the process takes: it neither waits longer than that nor, on a busy machine, shorter."""
    loop: Any = asyncio.get_running_loop()
    end = loop.time() + most
    while (now := loop.time()) < end:
        await asyncio.sleep(0)
        if loop._ready:
            continue
        due = [handle.when() for handle in loop._scheduled if not handle.cancelled()]
        if min(due, default=end) - now > _SOON_S:
            return
        await asyncio.sleep(max(min(due) - now, 0.0))


@pytest.fixture(autouse=True, scope="session")
def _quick() -> None:
    """Most of the time went into waiting for an app to rest and into reading the same style sheets for each app."""
    textual.app.wait_for_idle = textual.pilot.wait_for_idle = _rest  # type: ignore[attr-defined, assignment]
    parsed: dict[tuple[object, ...], list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def parse_once(sheet: Stylesheet, css: str, *where: Any, **more: Any) -> list[RuleSet]:
        key = (css, *where, *more.items(), *sheet._variables.items())
        if key not in parsed:
            parsed[key] = parse(sheet, css, *where, **more)
        return parsed[key]

    Stylesheet._parse_rules = parse_once  # type: ignore[method-assign]
