"""The line in which a screen answers: it is said for a while, to whoever looks at this screen now."""

from typing import ClassVar

from textual.timer import Timer

from widgets.notice import Notice
from widgets.opening import Keeping


class Saying(Keeping[None]):
    """A screen with a `Notice` named `answer`."""

    SAID_FOR_S: ClassVar[float] = 8.0

    def __init__(self) -> None:
        super().__init__()
        self._said_for: Timer | None = None

    def say(self, text: str, *, role: str = "pending", glyph: str = "info") -> None:
        """One line about what was asked for; it goes away by itself."""
        self.query_one("#answer", Notice).say(text, role=role, glyph=glyph)
        if self._said_for is not None:
            # It belongs to the words before, and these are to be read as long.
            self._said_for.stop()
        self._said_for = self.set_timer(self.SAID_FOR_S, self._unsay) if text else None

    def _unsay(self) -> None:
        self._said_for = None
        self.query_one("#answer", Notice).say("")

    def on_screen_suspend(self) -> None:
        # What was said here is not about the next screen, and is over when somebody comes back.
        if self.query("#answer"):
            self.say("")
