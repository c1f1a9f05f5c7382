"""Open the console on a store."""

from __future__ import annotations

import os
from typing import Any

from console.cli.connect import Target, loaded, target
from console.settings import Settings


def open_console(options: dict[str, Any]) -> None:
    """The console of these options, until the person quits. Raises Misuse before anything is drawn."""
    settings = loaded(options)
    run_app(target(options, settings), settings.settings)


def run_app(where: Target, settings: Settings) -> None:
    """Draw until the person quits. The store is reached by the app's own loop, so it may be away."""
    from console.app import TradexApp
    from console.feed import LiveFeed

    feed = LiveFeed(where.url, user=where.user, password=where.password, read_only=where.read_only)
    look = settings.console
    app = TradexApp(
        feed,
        theme=look.theme,
        ascii=look.ascii or bool(os.environ.get("TRADEX_ASCII")),
        bell=look.bell,
    )
    app.run()
    if app.return_code:
        raise SystemExit(app.return_code)
