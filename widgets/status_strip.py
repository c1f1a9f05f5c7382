"""One row that shows how a component answered over time: low and dim where all was well, high where it was not."""

from collections.abc import Sequence

from rich.segment import Segment

from console.domain.health import Status
from widgets.cells import Cells
from widgets.line_widget import LineWidget
from widgets.states import status_state

_HEIGHTS = {Status.OK: 1, Status.DEGRADED: 4, Status.UNKNOWN: 2, Status.DOWN: 6}


class StatusStrip(LineWidget):
    """The worst status of each column; a dot where nothing was recorded."""

    DEFAULT_CSS = "StatusStrip { height: 1; }"

    def __init__(self, *, id: str, label: str = "") -> None:
        super().__init__(id=id)
        self._label = label
        self._worst: Sequence[Status | None] = ()
        self._stale = False

    def show(self, worst: Sequence[Status | None], *, stale: bool) -> None:
        self._worst, self._stale = worst, stale
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        label = f"{self._label} " if self._label else ""
        columns = width - len(label)
        total = len(self._worst)
        row: list[Segment] = [self.text(label, "faint")]
        for i in range(columns if total else 0):
            first = i * total // columns
            part = [
                s for s in self._worst[first : max((i + 1) * total // columns, first + 1)] if s is not None
            ]
            row.append(self._column(max(part, key=lambda s: s.rank) if part else None))
        return [row]

    def _column(self, status: Status | None) -> Segment:
        if status is None:
            return self.text(self.look.glyphs["dot"], "grid")
        state = status_state(status)
        role = "stale" if self._stale else "oklo" if state.calm else state.role
        if not self.look.glyphs.braille:
            return self.text(self.look.glyphs[state.glyph], role)
        return self.text(self.look.glyphs.blocks[_HEIGHTS[status]], role)
