"""Open the console on a store."""

from __future__ import annotations

import gc
import os
from typing import Any

from console.cli.connect import Target, loaded, target, unconfigured


def open_console(options: dict[str, Any]) -> None:
    """The console of these options, until the person quits. Raises Misuse before anything is drawn."""
    # Nothing that is imported goes away again: collecting while a console starts only costs time.
    gc.disable()
    where = unconfigured(options)
    if where is not None:
        run_app(where, theme=options.get("theme"))
        return
    settings = loaded(options)
    look = settings.settings.console
    run_app(target(options, settings), theme=look.theme, ascii=look.ascii, bell=look.bell)


def run_app(where: Target, *, theme: str | None = None, ascii: bool = False, bell: bool = True) -> None:
    """Draw until the person quits. The store is reached by the app's own loop, so it may be away."""
    # How soon one frame may follow another: a key that comes just after one waits for up to two of these.
    os.environ.setdefault("TEXTUAL_FPS", "120")

    from console.app import TradexApp
    from console.feed import LiveFeed
    from console.places import state_dir

    gc.freeze()
    # With thousands of alerts the usual steps looked through everything, 30 ms long, every few seconds.
    gc.set_threshold(20_000, 5, 100)
    gc.enable()
    feed = LiveFeed(where.url, user=where.user, password=where.password, read_only=where.read_only)
    app = TradexApp(
        feed,
        theme=theme,
        ascii=ascii or bool(os.environ.get("TRADEX_ASCII")),
        bell=bell,
        drafts=state_dir() / "drafts",
    )
    app.run()
    if app.return_code:
        raise SystemExit(app.return_code)
