"""The vital figures of Health: each a value, what it is measured against, and its last hour. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from console.domain import format as fmt
from console.domain.alert import Alert
from console.domain.metric import Direction, MetricSpec
from console.domain.snapshot import Metrics, Snapshot
from screens.figures import Reading, limit_note, plain_number, reading, value_role, worst_note
from screens.marks import mark, metric_marks
from widgets.cells import EMPTY, Cells, cells, join, piece
from widgets.charts import HEADROOM
from widgets.look import Look
from widgets.scale import nice_step
from widgets.tile import TileFacts


@dataclass(frozen=True, slots=True)
class Vital:
    """A tile of Health: which metric, under which names."""

    metric: str
    title: str
    short: str


VITALS = (
    Vital("p95_execution_time", "latency p95", "p95"),
    Vital("error_rate", "error rate", "err"),
    Vital("orders_per_second", "orders", "ord"),
    Vital("cpu_usage", "cpu", "cpu"),
    Vital("websocket_connections", "websocket", "ws"),
    Vital("connection_pool_pct", "db pool", "pool"),
)


def vital_tiles(snapshot: Snapshot, look: Look, *, greyed: bool) -> tuple[TileFacts, ...]:
    marks = metric_marks(snapshot.alerts)
    return tuple(vital_tile(v, snapshot, look, marks.get(v.metric), greyed=greyed) for v in VITALS)


def vital_tile(
    vital: Vital, snapshot: Snapshot, look: Look, alert: Alert | None, *, greyed: bool
) -> TileFacts:
    """One tile: value, what it is measured against, and the last hour on a scale that holds the limit. `alert` is
    open on its metric."""
    found = reading(snapshot.metrics, vital.metric)
    marked = EMPTY if alert is None else (mark(alert, look, greyed=greyed),)
    trend = snapshot.trends.get(vital.metric)
    values = trend.values if trend is not None else ()
    if found is None or found.value.value is None:
        reason = "no source" if found is None else found.value.reason or "no value"
        if snapshot.metrics.at is None:
            reason = ""
        unread = TileFacts(
            vital.title,
            vital.short,
            look.glyphs["none"],
            mark=marked,
            role="muted",
            note=cells(reason, look("muted")),
        )
        # What was before is still known.
        return unread if found is None else _with_trend(unread, found, values, greyed=greyed)
    number, unit = fmt.value_and_unit(found.spec, found.value.value)
    read = TileFacts(
        vital.title,
        vital.short,
        number,
        unit,
        mark=marked,
        role=value_role(found, greyed=greyed),
        note=_note(vital.metric, found, snapshot, look, values, greyed=greyed),
    )
    return _with_trend(read, found, values, greyed=greyed)


def _with_trend(
    facts: TileFacts, found: Reading, values: tuple[float | None, ...], *, greyed: bool
) -> TileFacts:
    """The tile with its last hour, `values`, on a scale that holds the limit."""
    low, high = tile_range(found.spec, values, found.number)
    return replace(
        facts,
        values=values,
        low=low,
        high=high,
        limit=found.spec.limit,
        floor=found.spec.direction is Direction.LOW,
        over="crit" if found.spec.critical is not None else "warn",
        stale=greyed,
    )


def tile_range(
    spec: MetricSpec, values: Sequence[float | None], current: float | None
) -> tuple[float, float]:
    """A scale that stays put: 0 to 1.2 times the limit (100 for shares), else to a round number above the values."""
    known = [v for v in (*values, current) if v is not None]
    top = max(known, default=1.0)
    if spec.unit == "%" and spec.limit is not None and spec.limit >= 10:
        return 0.0, 100.0
    if spec.limit is not None:
        return 0.0, max(spec.limit * HEADROOM, min(top, spec.limit * 2))
    return 0.0, nice_step(top * HEADROOM) if top > 0 else 1.0


def _note(
    name: str,
    found: Reading,
    snapshot: Snapshot,
    look: Look,
    values: Sequence[float | None],
    *,
    greyed: bool,
) -> Cells:
    """What stands beside a tile's value: a figure that qualifies it, else its limit, else its peak."""
    spec, metrics = found.spec, snapshot.metrics
    if name == "p95_execution_time" and (aside := _aside("p99", "p99_execution_time", metrics, look, greyed)):
        limit = metrics.specs["p99_execution_time"].limit
        of = f" of {plain_number(limit, spec, unit=False)}" if limit else ""
        return (*aside, *cells(of, look("muted")))
    if name == "orders_per_second":
        return _aside("< 500 ms", "success_under_500ms_pct", metrics, look, greyed, unit=True)
    if name == "cpu_usage":
        gap = cells("  ")
        return join(
            (
                _aside("mem", "memory_usage", metrics, look, greyed),
                _aside("disk", "disk_usage", metrics, look, greyed),
            ),
            gap,
        )
    return cells(limit_note(spec) or worst_note(found, values), look("muted"))


def _aside(label: str, name: str, metrics: Metrics, look: Look, greyed: bool, *, unit: bool = False) -> Cells:
    """`label value`, coloured only past a threshold; nothing without a value."""
    found = reading(metrics, name)
    if found is None or found.value.value is None:
        return EMPTY
    role = value_role(found)
    style = look("muted") if greyed or role == "strong" else look(role, bold=True)
    shown = fmt.value_and_unit(found.spec, found.value.value)
    return (
        piece(f"{label} ", look("muted")),
        piece(" ".join(filter(None, shown)) if unit else shown[0], style),
    )
