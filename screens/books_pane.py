"""What the views of screen 6 have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from screens.base import Layout
from widgets.live_table import LiveTable

if TYPE_CHECKING:
    from screens.books import BooksScreen

Command = tuple[str, str, Callable[[], None]]


class Pane(Vertical):
    """One view. Its keys work while the focus is in it; it is drawn only while it is seen."""

    FOCUS: ClassVar[str] = ""
    """Where the focus is led when it comes into view."""

    def __init__(self, home: BooksScreen, *, id: str) -> None:
        super().__init__(id=id, classes="pane")
        self.home = home

    # What a view fills in

    def update(self, changed: frozenset[str]) -> None:
        """Draw the sections of the snapshot that changed."""

    def update_ages(self) -> None:
        """Draw what changes by time alone."""

    def back(self) -> None:
        """Escape: out of what was opened within it."""

    def leave(self) -> None:
        """Another one is seen from now on."""

    def commands(self) -> Iterable[Command]:
        """What its keys do, for the command palette."""
        return ()

    def catch_up(self) -> None:
        """Read what was not read while it was not seen."""

    # What all of them need

    @property
    def seen(self) -> bool:
        """Whether it is the one in view."""
        return self.home.is_attached and self.home.pane is self

    def enter(self) -> None:
        """It is seen from now on."""
        self.query_one(self.FOCUS).focus()
        self.update(frozenset())
        self.catch_up()

    def table(self, name: str) -> LiveTable:
        return self.query_one(f"#{name}", LiveTable)

    @property
    def greyed(self) -> bool:
        """Whether what the store has may be different by now. An agent that is late changes nothing of it."""
        return self.home.snapshot.link.away is not None

    @property
    def compact(self) -> bool:
        return self.home.arrangement is Layout.COMPACT

    def may(self) -> bool:
        """Whether this person may change anything here now; else it is said why not."""
        if reason := self.home.snapshot.link.why_not("responder"):
            self.home.say(reason, role="warn", glyph="warn")
        return not reason
