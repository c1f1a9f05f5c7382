"""Ticks on their way: nothing is shown as done before the store shows it, until then an item says what was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from console.domain.book import Done, Mark, Marked
from console.domain.duties import Run, Standing
from console.domain.errors import TradexError
from screens.base import ConsoleScreen

_PATIENCE_S = 3.0
"""How long an item says what was asked for after the store has said that it is done."""


class Marking:
    """Of one screen; `changed` draws the items again."""

    def __init__(self, screen: ConsoleScreen, changed: Callable[[], None]) -> None:
        self._screen, self._changed = screen, changed
        self._asked: dict[tuple[int, int], tuple[str, Mark | None]] = {}

    def words(self, run_id: int) -> dict[int, str]:
        """What was asked of the items of a run, by place."""
        return {place: words for (run, place), (words, _) in self._asked.items() if run == run_id}

    def ask(self, run: Run, item: Marked, state: Done | None) -> None:
        """Ask for a mark, or for none."""
        self._asked[run.id, item.place] = "unticking" if state is None else "ticking", item.mark
        self._changed()
        # Of the app: it goes on, whatever is looked at meanwhile.
        self._screen.app.run_worker(self._mark(run.id, item.place, state), group="desk", exit_on_error=False)

    async def _mark(self, run_id: int, place: int, state: Done | None) -> None:
        screen = self._screen
        try:
            await screen.feed.desk.mark_item(run_id, place, state)
        except TradexError as error:
            self._forget(run_id, place)
            if screen.is_attached:
                screen.say(str(error), role="warn", glyph="warn")
        else:
            if screen.is_attached:
                screen.set_timer(_PATIENCE_S, lambda: self._forget(run_id, place))

    def _forget(self, run_id: int, place: int) -> None:
        if self._asked.pop((run_id, place), None) is not None and self._screen.is_attached:
            self._changed()

    def answered(self, standings: Sequence[Standing]) -> None:
        """What the store shows otherwise than when it was asked for is asked for no more."""
        marks = {
            (s.run.id, item.place): item.mark for s in standings if s.run is not None for item in s.run.items
        }
        self._asked = {k: v for k, v in self._asked.items() if marks.get(k, v[1]) == v[1]}
