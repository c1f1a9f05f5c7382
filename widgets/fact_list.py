"""Lines of words with two ends: labels and values beside a plot, or more of them than there is room for."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from widgets.cells import Cells, spread
from widgets.line_widget import LineWidget


class FactList(LineWidget):
    """Each line has a left and a right end. `rows` is how high it is; None leaves that to the stylesheet."""

    def __init__(self, *, id: str, classes: str = "", rows: int | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[tuple[Cells, Cells]] = ()
        if rows is not None:
            self.styles.height = rows

    def show(self, lines: Sequence[tuple[Cells, Cells]]) -> None:
        """Replace the lines."""
        self._lines = lines
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        return [spread(left, right, width, self.ellipsis) for left, right in self._lines]


class ScrolledFacts(FactList):
    """What has no room is counted in the last line, and reached with the arrows; the focus comes only to what is
    cut."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll(1)", "read on", key_display="↑↓", id="facts.down"),
        Binding("up,k", "scroll(-1)", "read back", show=False, id="facts.up"),
    ]
    _top = 0

    def show(self, lines: Sequence[tuple[Cells, Cells]], *, room: int | None = None) -> None:
        """Replace the lines; `room` is how many there is room for."""
        self.can_focus = room is not None and len(lines) > room
        super().show(lines)

    def watch_has_focus(self, _has_focus: bool) -> None:
        super().watch_has_focus(_has_focus)
        self.redraw()

    def action_scroll(self, step: int) -> None:
        self._top += step
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        lines = super().build(width, height)
        if len(lines) <= height:
            return lines
        page = max(height - 1, 1)
        self._top = min(max(self._top, 0), len(lines) - page)
        below = len(lines) - page - self._top
        key = "down" if self.has_focus else "tab, down"
        words = [f"{below} more: {key}"] if below else []
        words += [f"{self._top} above: up"] if self._top else []
        more = (self.text("   ".join(words), "accent"),)
        return [*lines[self._top : self._top + page], list(more)]
