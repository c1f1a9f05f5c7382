"""Rows about components: how each one answers, in groups. Pure functions from domain values to cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.domain import format as fmt
from console.domain.alert import Alert
from console.domain.health import Status
from console.domain.metric import MetricSpec
from console.domain.snapshot import ComponentHealth, Snapshot
from screens.marks import component_marks, mark
from widgets.cells import EMPTY, Cells, cells, piece
from widgets.charts import HEADROOM, resample, spark, typical
from widgets.live_table import Column, Entry, Group, Row
from widgets.look import Look
from widgets.states import STALE, State, status_state

FUNCTIONS = "edge_functions"
_CORE = ("database", "cache", "external_apis")
_GROUPS = ("core", "edge functions", "platform")
_STEADY_SHARE = 0.35

COMPACT_COLUMNS = (
    Column("", 1),
    Column("component", 16),
    Column("state", 10),
    Column("latency", 8, right=True),
    Column("last hour", 10),
    Column("age", 3, right=True),
    Column("detail", None),
)
FULL_COLUMNS = (
    Column("", 1),
    Column("component", 18),
    Column("state", 11),
    Column("latency", 9, right=True),
    Column("last hour", 24),
    Column("errors", 9, right=True),
    Column("age", 4, right=True),
    Column("detail", None),
)


def group_of(component: str) -> str:
    """`core`, `edge functions` or `platform`."""
    if component in _CORE:
        return _GROUPS[0]
    return _GROUPS[1] if component.startswith(FUNCTIONS) else _GROUPS[2]


def short_name(component: str) -> str:
    """How a row calls it: `execute-order`, `platform /health`."""
    if component == "platform":
        return "platform /health"
    return component.removeprefix(f"{FUNCTIONS}/")


def metric_of(component: str) -> str:
    """The name of the metric that holds a component's latency."""
    return component.replace("/", "_").replace("-", "_") + "_latency_ms"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many components are in which state; the sum of the functions is not counted."""

    ok: int = 0
    degraded: int = 0
    down: int = 0
    unknown: int = 0
    stale: int = 0


def listed(snapshot: Snapshot) -> list[ComponentHealth]:
    """The components of the table in its order; the sum of the functions is its group's heading."""
    parts = [h for h in snapshot.health if h.check.component != FUNCTIONS]
    order = {name: i for i, name in enumerate((*_CORE, FUNCTIONS, "websocket", "platform"))}

    def place(health: ComponentHealth) -> tuple[int, int, str]:
        name = health.check.component
        return _GROUPS.index(group_of(name)), order.get(name, len(order)), name

    return sorted(parts, key=place)


def state_of(health: ComponentHealth, snapshot: Snapshot, now: datetime, *, greyed: bool) -> State:
    """A component's state as shown: stale wins over what it was."""
    if greyed or snapshot.is_stale(health.check.at, now):
        return STALE
    return status_state(health.check.status)


def counts(snapshot: Snapshot, now: datetime, *, greyed: bool) -> Counts:
    words = [state_of(h, snapshot, now, greyed=greyed).word for h in listed(snapshot)]
    return Counts(
        words.count("ok"),
        words.count("degraded"),
        words.count("down"),
        words.count("unknown"),
        words.count("stale"),
    )


def component_entries(
    snapshot: Snapshot, now: datetime, look: Look, *, compact: bool, greyed: bool
) -> list[Entry]:
    """The table's rows; groups only where there is room for their headings."""
    entries: list[Entry] = []
    marks = component_marks(snapshot)
    group = ""
    for health in listed(snapshot):
        name = health.check.component
        if not compact and group_of(name) != group:
            group = group_of(name)
            entries.append(
                Group(group, _sum_fact(snapshot, now, look, greyed) if group == _GROUPS[1] else EMPTY)
            )
        alert = marks.get(name)
        entries.append(_component_row(health, snapshot, now, look, alert, compact=compact, greyed=greyed))
    return entries


def _sum_fact(snapshot: Snapshot, now: datetime, look: Look, greyed: bool) -> Cells:
    """The functions as one, at the end of their heading."""
    total = next((h for h in snapshot.health if h.check.component == FUNCTIONS), None)
    if total is None:
        return EMPTY
    state = state_of(total, snapshot, now, greyed=greyed)
    word = total.check.detail or state.word
    role = "muted" if state.calm else state.role
    return (piece(look.glyphs[state.glyph], look(state.role)), piece(f" {word}", look(role)))


def _component_row(
    health: ComponentHealth,
    snapshot: Snapshot,
    now: datetime,
    look: Look,
    alert: Alert | None,
    *,
    compact: bool,
    greyed: bool,
) -> Row:
    check = health.check
    state = state_of(health, snapshot, now, greyed=greyed)
    stale = state is STALE
    quiet = state.role if not state.calm else None
    spec = snapshot.metrics.specs.get(metric_of(check.component))
    spark_width = COMPACT_COLUMNS[4].width if compact else FULL_COLUMNS[4].width
    row: list[Cells] = [
        cells(look.glyphs[state.glyph], look(state.role)),
        cells(short_name(check.component), look(quiet or "text", bold=bool(quiet) and not stale)),
        (piece(state.word, look(quiet or "muted")), *_mark(alert, look, stale)),
        latency_cells(check.latency_ms, look, role=quiet),
        latency_spark(health, spec, spark_width or 0, look, stale=stale),
    ]
    if not compact:
        row.append(_error_cells(health.error_pct, look, "stale" if stale else None))
    row.append(cells(fmt.age(now - check.at), look("stale" if stale else "muted", bold=stale)))
    row.append(cells(check.detail, look(quiet or "muted")))
    return Row(check.component, tuple(row))


def _mark(alert: Alert | None, look: Look, stale: bool) -> Cells:
    """Behind the state: whether an alert fires about it, and whether somebody is on it."""
    return EMPTY if alert is None else (piece(" "), mark(alert, look, greyed=stale))


def latency_cells(latency_ms: float | None, look: Look, *, role: str | None) -> Cells:
    """`45 ms`, the number bold; a dash when no answer came."""
    if latency_ms is None:
        return cells(look.glyphs["none"], look(role or "muted"))
    return (
        piece("<1" if 0 < latency_ms < 0.5 else fmt.number(latency_ms, 0), look(role or "strong", bold=True)),
        piece(" ms", look("faint")),
    )


def _error_cells(error_pct: float | None, look: Look, role: str | None) -> Cells:
    if error_pct is None:
        return cells(look.glyphs["none"], look(role or "muted"))
    return (piece(fmt.number(error_pct, 2), look(role or "text")), piece(" %", look(role or "faint")))


def latency_spark(
    health: ComponentHealth, spec: MetricSpec | None, width: int, look: Look, *, stale: bool
) -> Cells:
    """The last hour in `width` cells: height is latency against its limit, colour the worst status of each bucket."""
    top = latency_top(health.latency, spec)
    # A bucket that only failed has no latency; it stands at full height, so that an outage is seen.
    values = [
        top if latency is None and worst is Status.DOWN else latency
        for latency, worst in _pairs(health.latency, health.worst)
    ]
    roles = ["stale"] * width if stale else status_roles(health.worst, width)
    return spark(values, width, look, top=top, roles=roles, role="stale" if stale else "s1")


def latency_top(latency: Sequence[float | None], spec: MetricSpec | None) -> float:
    """The scale's upper end: 1.2 times the limit; without one, so that a steady line stays low."""
    limit = spec.limit if spec is not None else None
    if limit is not None:
        return limit * HEADROOM
    usual = typical(latency)
    return usual / _STEADY_SHARE if usual else 1.0


def status_roles(worst: Sequence[Status | None], width: int) -> list[str | None]:
    """The colour of each of `width` columns by its worst status; None where all was well."""
    roles: list[str | None] = []
    total = len(worst)
    for i in range(width):
        first = i * total // width
        part = [s for s in worst[first : max((i + 1) * total // width, first + 1)] if s is not None]
        bad = max(part, key=lambda s: s.rank, default=Status.OK)
        roles.append(None if bad is Status.OK else status_state(bad).role)
    return roles


def _pairs(
    latency: Sequence[float | None], worst: Sequence[Status | None]
) -> Iterable[tuple[float | None, Status | None]]:
    for i, value in enumerate(latency):
        yield value, worst[i] if i < len(worst) else None


def columns_of(compact: bool) -> Sequence[Column]:
    return COMPACT_COLUMNS if compact else FULL_COLUMNS


def latency_values(health: ComponentHealth, points: int) -> list[float | None]:
    """The last hour's latencies in `points` columns."""
    return resample(health.latency, points)


def health_by_name(snapshot: Snapshot) -> Mapping[str, ComponentHealth]:
    return {h.check.component: h for h in snapshot.health}
