"""Lines of words with two ends: labels and values beside a plot."""

from collections.abc import Sequence

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
