"""The large latency plot: p50, p95, p99 against the limit; one of them can be picked out."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.message import Message

from console.domain import format as fmt
from console.domain.metric import Series
from console.domain.snapshot import Metrics, Snapshot
from screens.figures import plain_number, reading, value_role
from screens.marks import mark, metric_marks
from widgets.cells import Cells, piece
from widgets.plot import Chart, ChartPanel, Curve
from widgets.scale import axis, log_axis
from widgets.times import span_words

LATENCIES = (
    ("p50", "p50_execution_time", "s1"),
    ("p95", "p95_execution_time", "s2"),
    ("p99", "p99_execution_time", "s3"),
)


class LatencyPanel(ChartPanel):
    """Arrows pick a series: the others step back, and a comparison shows its yesterday."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "pick(1)", "series", key_display="↑↓", id="latency.next"),
        Binding("up,k", "pick(-1)", "series back", show=False, id="latency.previous"),
    ]

    class Picked(Message):
        """Another series is picked out."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._picked: int | None = None

    @property
    def picked(self) -> str | None:
        """The metric that is picked out; None while all are shown alike."""
        return None if self._picked is None else LATENCIES[self._picked][1]

    def action_pick(self, step: int) -> None:
        """All, p50, p95, p99, all ..."""
        place = -1 if self._picked is None else self._picked
        place = (place + 1 + step) % (len(LATENCIES) + 1) - 1
        self._picked = None if place < 0 else place
        self.post_message(self.Picked())

    def draw(
        self,
        snapshot: Snapshot,
        series: Mapping[str, Series],
        earlier: Mapping[str, Series],
        start: datetime,
        end: datetime,
        *,
        log: bool,
        greyed: bool,
    ) -> None:
        """Show the window; `earlier` holds the same time yesterday, or nothing."""
        metrics = snapshot.metrics
        spec = metrics.specs.get("p99_execution_time")
        limit = spec.limit if spec is not None else None
        curves: list[Curve] = []
        compared = self.picked or "p95_execution_time"
        if compared in earlier:
            curves.append(Curve("faint", earlier[compared].values))
        for _, name, role in LATENCIES:
            if name not in series:
                continue
            faded = self.picked not in (None, name)
            curve = Curve(
                "stale" if greyed else "border" if faded else role, series[name].values, over=not greyed
            )
            curves.append(curve if name == "p99_execution_time" and not faded else _calm(curve))
        values = [v for curve in curves for v in curve.values]
        scale = (
            log_axis(values, limit=limit) if log else axis(values, limit=limit, ticks=self.ticks, zoom=0.2)
        )
        chart = Chart(
            tuple(curves),
            start,
            end,
            scale,
            limit=limit,
            limit_role="crit" if spec is not None and spec.critical is not None else "warn",
            log=log,
        )
        head = self._legend(snapshot, earlier, greyed=greyed)
        self.show(chart, head=head, fact=self._breach(metrics, series, chart.limit_role))

    def _legend(self, snapshot: Snapshot, earlier: Mapping[str, Series], *, greyed: bool) -> Cells:
        look, marks = self.look, metric_marks(snapshot.alerts)
        line: list[Segment] = []
        for label, name, role in LATENCIES:
            found = reading(snapshot.metrics, name)
            shown = (
                look.glyphs["none"] if found is None else fmt.value_and_unit(found.spec, found.value.value)[0]
            )
            if line:
                line.append(Segment("    "))
            faded = self.picked not in (None, name)
            line += [
                piece(f"{look.glyphs['series']} ", look("stale" if greyed else "border" if faded else role)),
                piece(f"{label} ", look("faint" if faded else "muted")),
                *([mark(marks[name], look, greyed=greyed), piece(" ")] if name in marks else []),
                piece(shown, look(value_role(found, greyed=greyed) if found else "muted", bold=not faded)),
            ]
        line.append(piece(" ms", look("faint")))
        compared = self.picked or "p95_execution_time"
        if compared in earlier:
            known = [v for v in earlier[compared].values if v is not None]
            mean = f"{sum(known) / len(known):,.0f}" if known else "no data"
            label = next(short for short, name, _ in LATENCIES if name == compared)
            line += [
                piece(f"    {look.glyphs['series']} ", look("faint")),
                piece(f"{label} yesterday, mean {mean}", look("muted")),
            ]
        return tuple(line)

    def _breach(self, metrics: Metrics, series: Mapping[str, Series], role: str) -> Cells:
        """The limit of p99, and how long it was broken within the window."""
        spec, source = metrics.specs.get("p99_execution_time"), series.get("p99_execution_time")
        if spec is None or spec.limit is None:
            return ()
        limit = spec.limit
        count = 0 if source is None else sum(1 for v in source.values if v is not None and v > limit)
        words = [piece(f"limit {plain_number(limit, spec)}", self.look(role))]
        if source is not None and count and self.content_size.width >= 90:
            words.append(piece(f" breached {span_words(source.step_s * count)}", self.look("muted")))
        return tuple(words)


def _calm(curve: Curve) -> Curve:
    """A curve that the limit is not about: it keeps its colour above it."""
    return Curve(curve.role, curve.values)
