"""Stacked bars on one scale, one per bucket of time: how often, and how bad."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment

from widgets.cells import Cells, cut
from widgets.line_widget import LineWidget


@dataclass(frozen=True, slots=True)
class Bar:
    """`parts` are (role, count) from the bottom up; a role is also the glyph that draws it in ASCII."""

    label: str
    parts: tuple[tuple[str, int], ...] = ()

    @property
    def total(self) -> int:
        return sum(count for _, count in self.parts)


class Bars(LineWidget):
    """The largest count stands at the top of the axis; every sixth bar has its label, the last one always."""

    def __init__(self, *, id: str, empty: str = "nothing yet") -> None:
        super().__init__(id=id, classes="panel")
        self._bars: Sequence[Bar] = ()
        self._empty = empty
        self._stale = False

    def show(self, bars: Sequence[Bar], *, stale: bool = False) -> None:
        if (bars, stale) != (self._bars, self._stale):
            self._bars, self._stale = bars, stale
            self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        top = max((bar.total for bar in self._bars), default=0)
        rows = height - 1
        if rows < 1 or not self._bars:
            return []
        if not top:
            return [
                *([()] * (rows // 2)),
                cut((self.text(f" {self._empty}", "muted"),), width, self.ellipsis),
            ]
        gutter = max(len(str(top)) + 1, 2)
        step = 2 if gutter + 2 * len(self._bars) <= width else 1
        bars = self._bars[-((width - gutter) // step) :]
        lines: list[Cells] = []
        for y in range(rows):
            label = str(top) if y == 0 else ""
            line = [self.text(f"{label:>{gutter - 1}} ", "faint")]
            for bar in bars:
                line.append(self._cell(bar, rows - 1 - y, top / rows))
                line.append(Segment(" " * (step - 1)))
            lines.append(line)
        lines.append(self._labels(bars, gutter, step, width))
        return lines

    def _cell(self, bar: Bar, row: int, per_row: float) -> Segment:
        """The cell of a bar in the `row`-th line from the bottom."""
        glyphs = self.look.glyphs
        total = max(round(bar.total / per_row * 8), 8) if bar.total else 0
        filled = min(total - row * 8, 8)
        if filled <= 0:
            return self.text(glyphs["dot"], "grid") if row == 0 and not bar.total else Segment(" ")
        role, reached = bar.parts[-1][0], 0
        for each, count in bar.parts:
            # A part is never thinner than a row: one critical among twenty must be seen.
            reached += max(round(count / per_row), 1) if count else 0
            if reached > row:
                role = each
                break
        if not glyphs.braille:
            return self.text(glyphs[role], "stale" if self._stale else role)
        char = glyphs["full"] if filled == 8 else glyphs.blocks[max(filled, 1) - 1]
        return self.text(char, "stale" if self._stale else role)

    def _labels(self, bars: Sequence[Bar], gutter: int, step: int, width: int) -> Cells:
        row = [" "] * width
        last = len(bars) - 1

        def put(index: int) -> None:
            for j, char in enumerate(bars[index].label):
                if gutter + index * step + j < width:
                    row[gutter + index * step + j] = char

        for i in range(0, last - 2, 6):
            put(i)
        put(last)
        at = gutter + last * step
        return (
            self.text("".join(row[:at]), "faint"),
            self.text("".join(row[at:]), "text", bold=True),
        )
