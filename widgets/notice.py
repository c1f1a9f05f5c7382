"""One line in words, over the whole width: what is wrong with what is shown, and since when."""

from widgets.cells import Cells, fit
from widgets.line_widget import LineWidget


class Notice(LineWidget):
    """Takes no room while there is nothing to say."""

    DEFAULT_CSS = "Notice { height: 1; width: 1fr; display: none; }"

    def __init__(self, *, id: str = "notice") -> None:
        super().__init__(id=id)
        self._glyph = ""
        self._role = "crit"
        self._message = ""

    @property
    def message(self) -> str:
        """What it says now; empty when nothing is wrong."""
        return self._message

    def say(self, message: str, *, role: str = "crit", glyph: str = "crit") -> None:
        self._message, self._role, self._glyph = message, role, glyph
        self.display = bool(message)
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        if not self._message:
            return []
        glyph = self.look.glyphs[self._glyph] if self._glyph else ""
        line = [
            self.text(f"  {glyph} ", self._role, bold=True),
            self.text(self._message, self._role, bold=True),
        ]
        return [fit(line, width, self.ellipsis)]
