"""One component close up: every check of its last hour, percentiles, changes of status, what happened."""

import itertools
import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.errors import TradexError
from console.domain.event import Event
from console.domain.health import CheckPoint, Status
from console.domain.metric import MetricSpec
from console.domain.snapshot import ComponentHealth
from screens.base import ConsoleScreen
from screens.component_panel import head_lines
from screens.components import health_by_name, metric_of, short_name, state_of
from screens.figures import plain_number
from screens.marks import component_of, watching
from screens.metric_detail import MetricDetail
from screens.timeline import event_columns, event_entries
from widgets.cells import Cells, cells, piece
from widgets.fact_list import FactList
from widgets.live_table import LiveTable
from widgets.look import Look
from widgets.opened import Opened
from widgets.panel import set_subtitle, set_title
from widgets.plot import Chart, ChartPanel, Curve
from widgets.scale import axis
from widgets.states import status_severity, status_state
from widgets.status_strip import StatusStrip

HOUR = timedelta(hours=1)
_BUCKETS = 120
_READ_EVERY = timedelta(seconds=2)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values; `share` is 0..1."""
    return ordered[min(max(math.ceil(share * len(ordered) - 1e-9) - 1, 0), len(ordered) - 1)]


def status_changes(points: Sequence[CheckPoint]) -> list[tuple[datetime, Status, Status]]:
    """(when, before, after) for each change of status, newest first; gaps are passed over."""
    known = [(p.at, p.status) for p in points if p.status is not None]
    changes = [
        (after[0], before[1], after[1])
        for before, after in itertools.pairwise(known)
        if before[1] is not after[1]
    ]
    return changes[::-1]


def buckets(
    points: Sequence[CheckPoint], end: datetime, count: int
) -> tuple[list[float | None], list[Status | None]]:
    """Mean latency and worst status of the hour before `end`, in `count` equal buckets; None where nothing was."""
    start, step = end - HOUR, HOUR / count
    latencies: list[list[float]] = [[] for _ in range(count)]
    worst: list[Status | None] = [None] * count
    for point in points:
        i = int((point.at - start) / step)
        if point.status is None or not 0 <= i < count:
            continue
        if point.latency_ms is not None:
            latencies[i].append(point.latency_ms)
        before = worst[i]
        worst[i] = point.status if before is None or point.status.rank > before.rank else before
    return [sum(each) / len(each) if each else None for each in latencies], worst


class ComponentDetail(ConsoleScreen):
    """Opened from the component table and from events."""

    TITLE: ClassVar[str | None] = "Component"
    AUTO_FOCUS: ClassVar[str | None] = "#latency"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
        Binding("r", "app.refresh", "refresh", id="detail.refresh"),
        Binding("plus", "zoom", "zoom plot", key_display="+", id="detail.zoom"),
    ]

    def __init__(self, component: str, *, number: int) -> None:
        super().__init__(number=number)
        self.component = component
        self._points: Sequence[CheckPoint] = ()
        self._events: Sequence[Event] = ()
        self._failed = ""
        self._read_at: datetime | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield FactList(id="head", rows=1)
            yield ChartPanel(id="latency", empty="no answers in the last hour")
            yield StatusStrip(id="strip", label=" status")
            with Horizontal(id="about"):
                yield FactList(id="facts", classes="panel")
                yield LiveTable(
                    id="happened", header=False, newest_first=True, empty="nothing happened in the last hour"
                )

    def on_mount(self) -> None:
        set_title(self.query_one("#latency"), "Latency", subtitle="last hour")
        set_title(self.query_one("#facts"), "Last hour")
        set_title(self.query_one("#happened"), "What happened")

    @property
    def _health(self) -> ComponentHealth | None:
        return health_by_name(self.snapshot).get(self.component)

    @property
    def _spec(self) -> MetricSpec | None:
        return self.snapshot.metrics.specs.get(metric_of(self.component))

    def update(self, changed: frozenset[str]) -> None:
        if changed & {"health", "events", "link"}:
            self._reload()
        self._draw()

    def update_ages(self) -> None:
        self._draw_head()

    def _reload(self) -> None:
        if self._read_at is not None and self.now - self._read_at < _READ_EVERY:
            return
        self._read_at = self.now
        self.run_worker(self._read(), group="checks", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        query = self.feed.query
        try:
            self._points = await query.checks(self.component, HOUR)
            self._events = await query.events(subject=self.component, limit=50)
            self._failed = ""
        except TradexError as error:
            # The last hour that was read stays on the screen.
            self._failed = str(error)
            self._read_at = None
        if self.is_attached:
            self._draw()

    def _draw(self) -> None:
        self._draw_head()
        self._draw_plot()
        self.query_one("#facts", FactList).show(self._facts(self.look))
        self._draw_events()

    def _draw_head(self) -> None:
        head = self.query_one("#head", FactList)
        health = self._health
        if health is None:
            head.show([(cells(f"  {short_name(self.component)}: not checked", self.look("muted")), ())])
            return
        state = state_of(health, self.snapshot, self.now, greyed=self.greyed)
        (left, right), (detail, _) = head_lines(health, state, self.now, self.look)
        name = piece(f"  {short_name(self.component)}  ", self.look("strong", bold=True))
        head.show([((name, *left, piece("   "), *detail), (*right, piece(" ")))])

    def _draw_plot(self) -> None:
        spec = self._spec
        end = self._points[-1].at + timedelta(microseconds=1) if self._points else self.now
        means, worst = buckets(self._points, end, _BUCKETS)
        values = tuple(means)
        limit = spec.limit if spec is not None else None
        chart = Chart(
            curves=(Curve("stale" if self.greyed else "s2", values, over=not self.greyed),),
            start=end - HOUR,
            end=end,
            y=axis(values, limit=limit, ticks=self.query_one(ChartPanel).ticks, zoom=1),
            limit=limit,
            limit_role="crit" if spec is not None and spec.critical is not None else "warn",
        )
        self.query_one(StatusStrip).show(worst, stale=self.greyed)
        head = (
            piece(f"{self.look.glyphs['series']} ", self.look("s2")),
            piece("answer in ms", self.look("muted")),
        )
        fact: Cells = ()
        if self._failed:
            fact = cells("the last hour could not be read", self.look("warn"))
        elif spec is not None and limit is not None:
            fact = cells(f"limit {plain_number(limit, spec)}", self.look(chart.limit_role))
        self.query_one(ChartPanel).show(chart, head=head, fact=fact)

    def _facts(self, look: Look) -> list[tuple[Cells, Cells]]:
        lines: list[tuple[Cells, Cells]] = []

        def add(label: str, value: str, role: str = "text") -> None:
            lines.append(((piece(f"{label:<9}", look("faint")), piece(value, look(role))), ()))

        specs = self.snapshot.metrics.specs
        about = (a for a in self.snapshot.alerts if component_of(a, specs) == self.component)
        lines += watching(about, look, self.now, label=9, greyed=self.greyed)
        checked = [p for p in self._points if p.status is not None]
        ordered = sorted(p.latency_ms for p in checked if p.latency_ms is not None)
        add("checks", f"{len(checked):,}")
        bad = [p for p in checked if p.status is not Status.OK]
        if checked:
            add("not ok", f"{len(bad):,} of them", "warn" if bad else "text")
        if ordered:
            for label, rank in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
                add(label, f"{percentile(ordered, rank):,.0f} ms")
            add("slowest", f"{ordered[-1]:,.0f} ms")
        health = self._health
        if health is not None:
            add("since", fmt.clock(health.since))
        return lines

    def _draw_events(self) -> None:
        table = self.query_one("#happened", LiveTable)
        if self._events:
            table.show(event_columns(seconds=True), event_entries(self._events, self.look))
            set_subtitle(table, "")
            return
        # Without entries in the timeline the checks themselves tell what changed.
        changes = [
            Event(
                i,
                at,
                "health",
                status_severity(after),
                self.component,
                f"{status_state(before).word} to {status_state(after).word}",
                "",
            )
            for i, (at, before, after) in enumerate(status_changes(self._points))
        ]
        table.show(event_columns(seconds=True), event_entries(changes, self.look))
        set_subtitle(table, "changes of status" if changes else "")

    def on_opened(self, event: Opened) -> None:
        if self._spec is not None:
            self.app.push_screen(MetricDetail(self._spec.name, number=self.number))

    def action_zoom(self) -> None:
        """The plot alone, or with the facts."""
        self.toggle_class("-zoom")
        # There are other panels now, or none.
        self.call_after_refresh(self.refresh_bindings)
