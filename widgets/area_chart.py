"""A filled braille area with axes: one figure over time, its value and a fact above it."""

from dataclasses import dataclass
from datetime import datetime

from rich.segment import Segment

from widgets.cells import EMPTY, Cells, spread
from widgets.charts import area, beyond_roles, resample_worst
from widgets.line_widget import LineWidget
from widgets.opened import Openable
from widgets.scale import Axis
from widgets.times import time_axis


@dataclass(frozen=True, slots=True)
class AreaFacts:
    """`over` colours columns beyond `limit` (below it if `floor`); `stale` greys all."""

    head: Cells
    fact: Cells
    values: tuple[float | None, ...]
    start: datetime
    end: datetime
    y: Axis
    limit: float | None = None
    floor: bool = False
    over: str = "crit"
    stale: bool = False


class AreaChart(LineWidget, Openable, can_focus=True):
    """Value line, area with y labels, times."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self._facts: AreaFacts | None = None

    def show(self, facts: AreaFacts | None) -> None:
        if facts != self._facts:
            self._facts = facts
            self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        facts = self._facts
        if facts is None:
            return []
        lines: list[Cells] = [spread(facts.head, facts.fact, width, self.ellipsis)]
        rows = height - 2
        if rows < 2:
            return lines
        labels = self._labels(facts, rows)
        gutter = max(len(label) for label, _ in labels.values()) + 1
        if width < gutter + 8:
            return lines
        columns = width - gutter
        if not any(v is not None for v in facts.values):
            lines.extend(EMPTY for _ in range(rows // 2))
            lines.append((self.text("no data in this window", "muted"),))
            return lines
        picture = area(
            resample_worst(facts.values, columns * 2, facts.limit, floor=facts.floor),
            columns,
            rows,
            self.look,
            low=facts.y.low,
            high=facts.y.high,
            roles=self._roles(facts, columns),
            dotted=tuple(labels),
        )
        for y, row in enumerate(picture):
            label, role = labels.get(y, ("", "faint"))
            lines.append((self.text(f"{label:>{gutter - 1}} ", role), *row))
        times = time_axis(facts.start, facts.end, columns)
        lines.append((Segment(" " * gutter), self.text(times, "faint")))
        return lines

    def _labels(self, facts: AreaFacts, rows: int) -> dict[int, tuple[str, str]]:
        """Row -> (label, role); the limit's label wins over a tick beside it."""
        labels: dict[int, tuple[str, str]] = {}
        limit = facts.limit
        if limit is not None and facts.y.low < limit <= facts.y.high:
            labels[_row_of(limit, facts.y, rows)] = (facts.y.label(limit), facts.over)
        ticks = facts.y.ticks
        middle = [ticks[len(ticks) // 2]] if len(ticks) > 2 else []
        for tick in (ticks[-1], ticks[0], *middle):
            row = _row_of(tick, facts.y, rows)
            if all(abs(row - other) > 1 for other in labels):
                labels[row] = (facts.y.label(tick), "faint")
        return labels

    def _roles(self, facts: AreaFacts, count: int) -> list[str | None]:
        if facts.stale:
            return ["stale"] * count
        columns = resample_worst(facts.values, count, facts.limit, floor=facts.floor)
        return beyond_roles(columns, facts.limit, facts.over, floor=facts.floor)


def _row_of(value: float, axis: Axis, rows: int) -> int:
    return round((1 - (value - axis.low) / (axis.high - axis.low)) * (rows - 1))
