"""Lines of words with two ends: labels and values beside a plot."""

from collections.abc import Sequence

from widgets.cells import Cells, spread
from widgets.line_widget import LineWidget


class FactList(LineWidget):
    """Each line has a left and a right end; `rows` is how many lines it takes at least."""

    def __init__(self, *, id: str, classes: str = "", rows: int = 1) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[tuple[Cells, Cells]] = ()
        self._rows = rows
        self.styles.height = rows

    def show(self, lines: Sequence[tuple[Cells, Cells]], *, rows: int | None = None) -> None:
        """Replace the lines; the widget grows with them."""
        self._lines = lines
        wanted = max(len(lines), self._rows) if rows is None else rows
        if self.styles.height is None or self.styles.height.value != wanted:
            self.styles.height = wanted
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        return [spread(left, right, width, self.ellipsis) for left, right in self._lines]
