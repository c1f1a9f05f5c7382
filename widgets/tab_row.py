"""The second row: the finished screens with their numbers; the active one is a chip. A mark after a name says that
there is something critical."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from textual import events
from textual.message import Message

from widgets.cells import Cells, cut, measure
from widgets.line_widget import LineWidget


@dataclass(frozen=True, slots=True)
class Tab:
    """A screen of the row. `short` is its title where there is no room."""

    number: int
    title: str
    short: str


class TabRow(LineWidget):
    """Digits in accent, names muted. A click on a name is the same as its digit."""

    DEFAULT_CSS = "TabRow { height: 1; width: 1fr; }"

    class Clicked(Message):
        """The tab of `number` was clicked."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, tabs: Sequence[Tab], active: int) -> None:
        super().__init__(id="tabs")
        self._tabs = tabs
        self._active = active
        self._marked: frozenset[int] = frozenset()
        self._spans: list[tuple[int, int, int]] = []

    def mark(self, numbers: frozenset[int]) -> None:
        """Which of them have something critical to show: `■` after the name."""
        if numbers != self._marked:
            self._marked = numbers
            self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        for short, gap in ((False, 3), (False, 2), (True, 2), (True, 1)):
            row = self._row(short, gap)
            if measure(row) <= width:
                return [row]
        return [cut(row, width, self.ellipsis)]

    def _row(self, short: bool, gap: int) -> list[Segment]:
        row: list[Segment] = [Segment(" ")]
        self._spans = []
        for tab in self._tabs:
            start = measure(row)
            if tab.number == self._active:
                row.append(Segment(f" {tab.number} {tab.title} ", self.look.chip("accent")))
            else:
                row.append(self.text(f" {tab.number} ", "accent"))
                row.append(self.text(tab.short if short else tab.title, "muted"))
                row.append(Segment(" "))
            if tab.number in self._marked:
                row.append(self.text(f"{self.look.glyphs['crit']} ", "crit"))
            self._spans.append((start, measure(row), tab.number))
            row.append(Segment(" " * (gap - 2)))
        return row

    def on_click(self, event: events.Click) -> None:
        for start, end, number in self._spans:
            if start <= event.x < end:
                self.post_message(self.Clicked(number))
