"""What no snapshot holds, read again whenever there may be more of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual.timer import Timer

from console.domain.errors import TradexError

if TYPE_CHECKING:
    from screens.base import ConsoleScreen

_STAY_S = 0.2
"""How long the cursor stays before what is under it is read."""


class Rereading:
    """One reading at a time. What the store hints at meanwhile, or while the screen is not in front, is read by the
    next one; what failed is said, and tried again with the next hint or when the screen comes back."""

    def __init__(
        self,
        screen: "ConsoleScreen",
        read: Callable[[], Awaitable[None]],
        draw: Callable[[], None],
        *hints: str,
        what: str,
        about: Callable[[], int | None] = lambda: None,
        wanted: Callable[[], bool] = lambda: True,
        rest_s: float = 0.0,
    ) -> None:
        """`draw` is called after each reading, also after one that failed; without `hints` it is read when asked for
        only, and never while it is not `wanted`. Where there are several to read of, `about` tells which is in view."""
        self._screen, self._read, self._draw, self._hints = screen, read, draw, hints
        self._what, self._about, self._wanted, self._rest_s = what, about, wanted, rest_s
        self._more, self.busy = bool(hints), False
        self._ends: list[Callable[[], None]] = []
        self._timer: Timer | None = None
        self.of: int | None = None
        """Which one was read last."""
        self.known = False
        """Whether it was ever read."""
        self.problem = ""
        """Why the last reading failed; "" when it did not."""

    def begin(self) -> None:
        """Hear the store's hints."""
        self._ends = [self._screen.feed.watch(hint, self.again) for hint in self._hints]

    def end(self) -> None:
        """Hear no more of them."""
        for end in self._ends:
            end()

    def again(self) -> None:
        """There may be more of it."""
        self._more = True
        self.catch_up()

    def catch_up(self) -> None:
        """Read, if there may be more than what was read."""
        if self._due and not self.busy:
            self.busy = True
            self._screen.run_worker(self._run(), group="reading", exit_on_error=False)

    def empty(self, words: str) -> str:
        """What stands where nothing is: `words` once that is known."""
        return self.problem or (words if self.known and not self.is_other else "")

    @property
    def is_other(self) -> bool:
        """Whether one is in view that was not read."""
        return self._about() not in (None, self.of)

    def soon(self) -> None:
        """Read another one, once it stays in view; a hint tells that there is more of the same."""
        if self._timer is not None:
            self._timer.stop()
        if self.is_other and self._screen.snapshot.link.away is None:
            self._timer = self._screen.set_timer(_STAY_S, self._stayed)

    def _stayed(self) -> None:
        if self.is_other:
            self.again()

    @property
    def _due(self) -> bool:
        return self._more and self._screen.is_current and self._wanted()

    async def _run(self) -> None:
        try:
            while self._due:
                about = self._about()
                self._more, self.problem = False, ""
                await self._read()
                self.known, self.of = True, about
                if self._screen.is_attached:
                    self._draw()
                await asyncio.sleep(self._rest_s)
        except TradexError as error:
            self._more, self.problem = True, f"{self._what} could not be read: {error}"
            if self._screen.is_attached:
                if self._screen.snapshot.link.away is None:
                    # That the store is away is said of everything already.
                    self._screen.say(self.problem, role="crit", glyph="crit")
                self._draw()
        finally:
            self.busy = False
