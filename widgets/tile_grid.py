"""Tiles without boxes: one line of names, one line of values with their glyphs, in equal columns."""

from rich.segment import Segment

from widgets.cells import Cells, fit
from widgets.line_widget import LineWidget
from widgets.tile import TileFacts


class TileGrid(LineWidget):
    """Two rows; for screens of 80 columns."""

    DEFAULT_CSS = "TileGrid { height: 2; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._tiles: tuple[TileFacts, ...] = ()

    def show(self, tiles: tuple[TileFacts, ...]) -> None:
        self._tiles = tiles
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        if not self._tiles:
            return []
        share = (width - 1) // len(self._tiles)
        names: list[Segment] = [Segment(" ")]
        values: list[Segment] = [Segment(" ")]
        for facts in self._tiles:
            names += fit((self.text(facts.title, "muted"),), share, self.ellipsis)
            value = [self.text(facts.value, "stale" if facts.stale else facts.role, bold=True)]
            if facts.unit:
                value.append(self.text(f" {facts.unit}", "faint"))
            if facts.state:
                # The glyph keeps the state where its word has no room.
                value += [Segment(" "), facts.state[0]]
            values += fit(value, share, self.ellipsis)
        return [names, values]
