"""What is written for the width there is, read as a text is: scrolled with the arrows."""

from collections.abc import Callable, Sequence

from widgets.cells import Cells
from widgets.markdown_panel import MarkdownPanel


class LinesPanel(MarkdownPanel):
    """A text whose lines change while it is read stays where it was scrolled to."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._write: Callable[[int], Sequence[Cells]] = lambda _width: ()

    def write(self, about: str, lines: Callable[[int], Sequence[Cells]]) -> None:
        """`lines` gives them for a width; `about` is what they tell of: another one is read from its top."""
        self._write = lines
        if about != self._text:
            self._text, self._top = about, 0
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Cells]:
        self._rendered, self._lines = (self._text, width, self.look), self._write(width)
        return super().build(width, height)
