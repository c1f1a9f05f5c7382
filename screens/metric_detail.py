"""One metric close up: plot over a window, value, thresholds, where it comes from, why it has no value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.metric import Direction, MetricSpec, Series
from screens.figures import Reading, plain_number, reading, value_cells
from screens.marks import watching
from screens.window import WindowBar, WindowedScreen
from widgets.cells import Cells, cells, piece
from widgets.fact_list import FactList
from widgets.panel import set_title
from widgets.plot import Chart, Curve, Plot
from widgets.scale import axis, log_axis
from widgets.states import level_state
from widgets.text_panel import TextPanel
from widgets.times import span_words

_SOURCES = {
    "buckets": "latency buckets, counted by the platform's database",
    "sql": "a query on the platform's database",
    "scrape": "a sample of the platform's metrics page",
    "http": "the platform's HTTP answers",
    "probe": "a probe of the agent",
    "derived": "a formula over other metrics",
}


class MetricDetail(WindowedScreen):
    """Opened from every row that shows a metric."""

    TITLE: ClassVar[str | None] = "Metric"
    AUTO_FOCUS: ClassVar[str | None] = "#source"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
        Binding("L", "log", "log scale", id="detail.log"),
        Binding("plus", "zoom", "zoom plot", key_display="+", id="detail.zoom"),
        Binding("r", "app.refresh", "refresh", show=False, id="detail.refresh"),
    ]

    def __init__(self, name: str, *, number: int, window: int = 1) -> None:
        super().__init__(number=number, window=window)
        self.metric_name = name
        self._log = False

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield WindowBar()
            yield Plot(id="plot")
            with Horizontal(id="about"):
                yield FactList(id="facts", classes="panel")
                yield TextPanel(id="source")

    def on_mount(self) -> None:
        set_title(self.query_one("#facts"), "Value")
        set_title(self.query_one("#source"), "Source")

    def series_names(self) -> Sequence[str]:
        return [self.metric_name]

    @property
    def _reading(self) -> Reading | None:
        return reading(self.snapshot.metrics, self.metric_name)

    def update(self, changed: frozenset[str]) -> None:
        super().update(changed)
        self._draw_facts()

    def update_ages(self) -> None:
        self._draw_facts()

    def draw_series(self) -> None:
        found = self._reading
        look = self.look
        title = found.spec.title if found is not None else self.metric_name
        head = (
            piece(title, look("strong", bold=True)),
            piece(f"  {self.metric_name}", look("faint")) if self.app.size.width >= 100 else Segment(""),
        )
        self.query_one(WindowBar).show(self.window_index, self.bar_parts(), head=head)
        plot = self.query_one(Plot)
        set_title(plot, f"Last {self.window.name}")
        if found is None:
            plot.show(None)
            return
        plot.show(self._chart(found.spec, plot), head=self._legend(found), fact=self._breach(found.spec))

    def _chart(self, spec: MetricSpec, plot: Plot) -> Chart:
        start, end = self.bounds
        values = self._values(self.series)
        earlier = self._values(self.earlier)
        ceiling = 100.0 if spec.unit in ("%", "score") else None
        scale = (
            log_axis((*values, *earlier), limit=spec.limit)
            if self._log
            else axis(
                (*values, *earlier),
                limit=spec.limit,
                decimals=spec.decimals,
                ticks=plot.ticks,
                ceiling=ceiling,
                zoom=0.3,
            )
        )
        curves = [Curve("stale" if self.greyed else "s2", values, over=not self.greyed)]
        if self.compare:
            curves.insert(0, Curve("s1", earlier))
        return Chart(
            curves=tuple(curves),
            start=start,
            end=end,
            y=scale,
            limit=spec.limit,
            limit_role="crit" if spec.critical is not None else "warn",
            floor=spec.direction is Direction.LOW,
            log=self._log,
        )

    def _values(self, source: Mapping[str, Series]) -> tuple[float | None, ...]:
        found = source.get(self.metric_name)
        return found.values if found is not None else ()

    def _legend(self, found: Reading) -> Cells:
        look = self.look
        line = [
            piece(f"{look.glyphs['series']} ", look("s2")),
            piece("now ", look("muted")),
            *value_cells(found, look, greyed=self.greyed),
        ]
        known = [v for v in self._values(self.series) if v is not None]
        if known and self.app.size.width >= 100:
            low, high = (fmt.value_and_unit(found.spec, v)[0] for v in (min(known), max(known)))
            mean = fmt.value_and_unit(found.spec, sum(known) / len(known))[0]
            line.append(piece(f"    mean {mean}   lowest {low}   highest {high}", look("muted")))
        if self.compare:
            before = [v for v in self._values(self.earlier) if v is not None]
            mean = fmt.metric(found.spec, sum(before) / len(before)) if before else "no data"
            line += [
                piece(f"    {look.glyphs['series']} ", look("s1")),
                piece(f"yesterday {mean}", look("muted")),
            ]
        return tuple(line)

    def _breach(self, spec: MetricSpec) -> Cells:
        """The limit, and how long it was broken within the window."""
        limit = spec.limit
        if limit is None:
            return ()
        source = self.series.get(self.metric_name)
        values = source.values if source is not None else ()
        low = spec.direction is Direction.LOW
        count = sum(1 for v in values if v is not None and (v < limit if low else v > limit))
        role = "crit" if spec.critical is not None else "warn"
        words = [piece(f"limit {plain_number(limit, spec)}", self.look(role))]
        if source is not None and count:
            words.append(piece(f" breached {span_words(source.step_s * count)}", self.look("muted")))
        return tuple(words)

    def _draw_facts(self) -> None:
        found = self._reading
        facts = self.query_one("#facts", FactList)
        source = self.query_one("#source", TextPanel)
        if found is None:
            facts.show([(cells("the catalogue has no such metric", self.look("muted")), ())])
            source.show("")
            return
        spec = found.spec
        facts.show(self._facts(found))
        missing = f"no value now: {found.value.reason}" if found.value.reason else ""
        parts = (missing, spec.help, _SOURCES.get(spec.source_kind, spec.source_kind), spec.source)
        source.show("\n\n".join(part for part in parts if part))

    def _facts(self, found: Reading) -> list[tuple[Cells, Cells]]:
        look, spec, value = self.look, found.spec, found.value
        state = level_state(value.level)
        lines: list[tuple[Cells, Cells]] = []

        def add(label: str, content: Cells) -> None:
            lines.append(((piece(f"{label:<10}", look("faint")), *content), ()))

        add("value", value_cells(found, look, greyed=self.greyed))
        if state is not None:
            role = state.role if not state.calm else "text"
            add(
                "state",
                (piece(f"{look.glyphs[state.glyph]} ", look(state.role)), piece(state.word, look(role))),
            )
        else:
            add("state", cells("no thresholds" if spec.limit is None else "no value", look("muted")))
        found_on = (a for a in self.snapshot.alerts if a.metric == spec.name)
        lines += watching(found_on, look, self.now, label=10, greyed=self.greyed)
        sign = ">" if spec.direction is Direction.HIGH else "<"
        for label, threshold in (("warning", spec.warning), ("critical", spec.critical)):
            if threshold is not None:
                add(label, cells(f"{sign} {plain_number(threshold, spec)}", look("text")))
        window = "an instant" if spec.window_s is None else f"the last {span_words(spec.window_s)}"
        add("window", cells(window, look("text")))
        add("read", cells(f"{fmt.clock(value.at)}, {fmt.age(self.now - value.at)} ago", look("text")))
        add("group", cells(spec.group, look("muted")))
        add("name", cells(spec.name, look("muted")))
        return lines

    def action_log(self) -> None:
        """Logarithmic or linear."""
        self._log = not self._log
        self.draw_series()

    def action_zoom(self) -> None:
        """The plot alone, or with the facts."""
        self.toggle_class("-zoom")
        # There are other panels now, or none.
        self.call_after_refresh(self.refresh_bindings)
