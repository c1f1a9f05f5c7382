"""The third row, only while something is deployed: a thin line, what it is, at which step, how far, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment

from console.domain import format as fmt
from widgets.cells import Cells, cut, join, measure, restyle, space
from widgets.charts import meter
from widgets.line_widget import LineWidget

# The first screen is there without it.
if TYPE_CHECKING:
    from console.domain.forecast import Forecast

_LEAST_BAR = 12


class ProgressRow(LineWidget):
    """`show` with None hides it."""

    DEFAULT_CSS = "ProgressRow { height: 1; width: 1fr; display: none; }"

    def __init__(self) -> None:
        super().__init__(id="progress")
        self._shown: tuple[str, str, Forecast] | None = None
        self._stale = False

    def show(self, name: str, command: str, course: Forecast | None, *, stale: bool = False) -> bool:
        """`name` is that of the release, `command` what is done with it; `stale`: it is no longer the present. Whether
        it came or went by this."""
        self._shown, self._stale = None if course is None else (name, command, course), stale
        before, self.display = bool(self.display), self._shown is not None
        self.redraw()
        return before is not self.display

    def build(self, width: int, height: int) -> list[Cells]:
        if self._shown is None:
            return []
        name, command, course = self._shown
        text = self.text
        running = text(f"{self.look.glyphs['running']} ", "accent", bold=True)
        parts: list[Cells] = [(running, text(name or command, "strong", bold=True))]
        if name:
            parts.append((text(command, "muted"),))
        step = (text(f"step {course.step}/{course.steps} ", "muted"),) if course.step else ()
        if course.name:
            parts.append((*step, text(course.name, "text")))
        whole = "going back" if course.percent is None else f"{course.percent} %"
        parts.append((text(whole, "strong", bold=True),))
        if course.eta is not None:
            eta = fmt.clock(course.eta, seconds=False)
            parts.append((text("eta ", "faint"), text(eta, "text")))
        words = cut(join(parts, space(2)), max(width - _LEAST_BAR - 4, 0), self.ellipsis)
        role = "stale" if self._stale else "accent"
        if self._stale:
            words = restyle(words, self.look("stale"))
        bar = meter((course.percent or 0) / 100, width - measure(words) - 4, self.look, role=role)
        return [[Segment(" "), *bar, Segment("  "), *words]]
