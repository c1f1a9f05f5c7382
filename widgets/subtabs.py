"""A row of chips that says which of a screen's views is seen, and what is worth knowing at its right end."""

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.message import Message

from widgets.cells import EMPTY, Cells, join, measure, piece, space, spread
from widgets.line_widget import LineWidget


class Subtabs(LineWidget):
    """A click on a name leads to its view."""

    DEFAULT_CSS = "Subtabs { height: 1; width: 1fr; }"

    class Chosen(Message):
        """The view at `place` (from 0) was clicked."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._names: Sequence[tuple[str, str]] = ()
        self._active = 0
        self._right: Sequence[Cells] = ()
        self._spans: list[tuple[int, int, int]] = []

    def show(self, names: Sequence[tuple[str, str]], active: int, right: Sequence[Cells]) -> None:
        """`names` are (name, count or sign after it); `active` is the place of the one that is seen; of
        `right` the last gives way first."""
        self._names, self._active, self._right = names, active, right
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        row: list[Segment] = [Segment(" ")]
        self._spans = []
        for place, (name, count) in enumerate(self._names):
            start = measure(row)
            words = f" {name} {count} " if count else f" {name} "
            if place == self._active:
                row.append(piece(words, self.look.chip("accent")))
            else:
                row.append(self.text(words, "muted"))
            self._spans.append((start, measure(row), place))
            row.append(Segment(" "))
        parts = list(self._right)
        while parts and measure(row) + measure(join(parts, space(3))) + 2 > width:
            parts.pop()
        right = (*join(parts, space(3)), Segment(" ")) if parts else EMPTY
        return [spread(row, right, width, self.ellipsis)]

    def on_click(self, event: events.Click) -> None:
        for start, end, place in self._spans:
            if start <= event.x < end:
                self.post_message(self.Chosen(place))
