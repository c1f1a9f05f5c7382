"""A component close up: its state, its last hour as a plot, and the facts behind it."""

from datetime import datetime, timedelta

from textual.app import ComposeResult
from textual.containers import Vertical

from console.domain import format as fmt
from console.domain.health import Status
from console.domain.metric import Direction, MetricSpec
from console.domain.snapshot import ComponentHealth
from screens.components import latency_cells, short_name
from widgets.cells import Cells, cells, piece
from widgets.fact_list import FactList
from widgets.look import Look
from widgets.panel import set_title
from widgets.plot import Chart, Curve, Plot
from widgets.scale import axis
from widgets.states import State

HOUR = timedelta(hours=1)


class ComponentPanel(Vertical):
    """The right column of wide screens: follows the selection of the component table."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="panel")

    def compose(self) -> ComposeResult:
        yield FactList(id="component-head", classes="inner", rows=2)
        yield Plot(id="component-plot", classes="inner", empty="no answers in the last hour")
        yield FactList(id="component-facts", classes="inner", rows=5)

    def show(
        self, health: ComponentHealth | None, state: State, spec: MetricSpec | None, now: datetime, look: Look
    ) -> None:
        """Draw one component; None clears the panel."""
        if health is None:
            set_title(self, "Component")
            for facts in self.query(FactList):
                facts.show([])
            self.query_one(Plot).show(None)
            return
        set_title(self, short_name(health.check.component), subtitle="last hour")
        self.query_one("#component-head", FactList).show(head_lines(health, state, now, look))
        self.query_one(Plot).show(health_chart(health, spec, now, stale=state.word == "stale"))
        self.query_one("#component-facts", FactList).show(fact_lines(health, spec, now, look))


def head_lines(health: ComponentHealth, state: State, now: datetime, look: Look) -> list[tuple[Cells, Cells]]:
    """State and since when; the latest answer."""
    check = health.check
    role = state.role if not state.calm else "text"
    latency = (
        "no answer"
        if check.latency_ms is None
        else "".join(s.text for s in latency_cells(check.latency_ms, look, role=None))
    )
    return [
        (
            (
                piece(f"{look.glyphs[state.glyph]} ", look(state.role)),
                piece(state.word, look(role, bold=not state.calm)),
                piece(f"  for {fmt.age(now - health.since)}", look("muted")),
            ),
            cells(latency, look("strong", bold=True)),
        ),
        (cells(check.detail, look(role if not state.calm else "muted")), ()),
    ]


def fact_lines(
    health: ComponentHealth, spec: MetricSpec | None, now: datetime, look: Look
) -> list[tuple[Cells, Cells]]:
    """What the last hour was like."""
    known = sorted(v for v in health.latency if v is not None)
    lines: list[tuple[Cells, Cells]] = []

    def add(label: str, value: str, role: str = "text") -> None:
        lines.append(((piece(f"{label:<11}", look("faint")), piece(value, look(role))), ()))

    if known:
        mean = sum(known) / len(known)
        add("mean", f"{mean:,.0f} ms, from {known[0]:,.0f} to {known[-1]:,.0f}")
    bad = sum(1 for s in health.worst if s not in (None, Status.OK))
    if health.error_pct is not None:
        add("not ok", f"{health.error_pct:.2f} % of the checks", "text" if not bad else "warn")
    if spec is not None and spec.limit is not None:
        sign = ">" if spec.direction is Direction.HIGH else "<"
        add("limit", f"{sign} {spec.limit:g} {spec.unit}")
    add("checked", f"{fmt.clock(health.check.at)}, {fmt.age(now - health.check.at)} ago")
    add("since", f"{health.since:%d %b} {fmt.clock(health.since)}")
    return lines


def health_chart(health: ComponentHealth, spec: MetricSpec | None, now: datetime, *, stale: bool) -> Chart:
    """The last hour's latency against its limit."""
    limit = spec.limit if spec is not None else None
    return Chart(
        curves=(Curve("stale" if stale else "s3", health.latency, over=not stale),),
        start=now.replace(second=0, microsecond=0) - HOUR,
        end=now.replace(second=0, microsecond=0),
        y=axis(health.latency, limit=limit, ticks=4, zoom=1),
        limit=limit,
        limit_role="crit" if spec is not None and spec.critical is not None else "warn",
    )
