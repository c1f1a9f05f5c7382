"""Plain text that may be longer than its panel: wrapped by cells, scrolled with the arrows."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from textual.binding import Binding, BindingType

from console.domain.text import printable
from widgets.cells import Cells
from widgets.line_widget import LineWidget


class TextPanel(LineWidget, can_focus=True):
    """`show` takes text with newlines; each line is made safe by itself and wrapped at words."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll(1)", "scroll", key_display="↑↓", id="text.down"),
        Binding("up,k", "scroll(-1)", "scroll up", show=False, id="text.up"),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self._text = ""
        self._role = "text"
        self._top = 0
        self._overhang = 0

    def show(self, text: str, *, role: str = "text") -> None:
        if (text, role) != (self._text, self._role):
            self._text, self._role, self._top = text, role, 0
            self.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What fits is not scrolled, and no hint says that it is."""
        return (action != "scroll" or self._overhang > 0) and super().check_action(action, parameters)

    def action_scroll(self, step: int) -> None:
        self._top = min(max(self._top + step, 0), self._overhang)
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Cells]:
        lines = wrapped(self._text, width)
        before, self._overhang = self._overhang, max(len(lines) - height, 0)
        if (before > 0) is not (self._overhang > 0):
            self.call_later(self.refresh_bindings)
        self._top = min(self._top, self._overhang)
        style = self.look(self._role)
        return [[Segment(line, style)] for line in lines[self._top : self._top + height]]


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at blanks where there are any; indentation is kept."""
    lines: list[str] = []
    for raw in text.expandtabs(4).splitlines():
        line = printable(raw, 10_000).rstrip()
        indent = line[: len(line) - len(line.lstrip(" "))][: width // 2]
        current = indent
        for word in line.split():
            joined = f"{current} {word}" if current.strip() else current + word
            if cell_len(joined) <= width:
                current = joined
                continue
            if current.strip():
                lines.append(current)
            *full, current = chop_cells(indent + word, width)
            lines.extend(full)
        lines.append(current)
    return lines
