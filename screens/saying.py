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
        self._asked_again: object = None

    def say(self, text: str, *, role: str = "pending", glyph: str = "info") -> None:
        """One line about what was asked for; it goes away by itself."""
        self.query_one("#answer", Notice).say(text, role=role, glyph=glyph)
        self._asked_again = None
        if self._said_for is not None:
            # It belongs to the words before, and these are to be read as long.
            self._said_for.stop()
        self._said_for = self.set_timer(self.SAID_FOR_S, self._unsay) if text else None

    def again(self, what: object, text: str) -> bool:
        """Whether this is the second press for the same thing while the words of the first one still stand; else they
        are said."""
        if self._asked_again == what:
            self.say("")
            return True
        self.say(text)
        self._asked_again = what
        return False

    def _unsay(self) -> None:
        self._said_for = self._asked_again = None
        self.query_one("#answer", Notice).say("")

    def on_screen_suspend(self) -> None:
        # What was said here is not about the next screen, and is over when somebody comes back.
        if self.query("#answer"):
            self.say("")
