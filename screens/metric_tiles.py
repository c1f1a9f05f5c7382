"""The figures of Metrics: tiles with a meter, areas with axes, rows with a sparkline. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.domain import format as fmt
from console.domain.alert import Alert
from console.domain.metric import Direction, Series
from console.domain.snapshot import Metrics, Snapshot
from screens.figures import Reading, fraction, limit_note, reading, value_cells, value_role, worst_note
from screens.marks import mark, mark_words, metric_marks
from widgets.area_chart import AreaFacts
from widgets.cells import EMPTY, Cells, cells, piece
from widgets.charts import beyond_roles, resample_worst, spark
from widgets.live_table import Column, Entry, Row
from widgets.look import Look
from widgets.scale import axis
from widgets.states import level_state
from widgets.tile import TileFacts


@dataclass(frozen=True, slots=True)
class TileSpec:
    metric: str
    title: str


TILES = (
    TileSpec("avg_execution_time", "avg latency"),
    TileSpec("p95_execution_time", "p95"),
    TileSpec("p99_execution_time", "p99"),
    TileSpec("success_under_500ms_pct", "< 500 ms"),
    TileSpec("orders_per_second", "orders"),
    TileSpec("error_rate", "errors"),
)
MORE = (
    ("throughput", "orders_per_second"),
    ("error rate", "error_rate"),
    ("websocket", "websocket_connections"),
    ("db pool", "connection_pool_pct"),
    ("cpu", "cpu_usage"),
)
MORE_COLUMNS = (
    Column("", 10),
    Column("", 14, right=True),
    Column("", None),
    Column("", 18, right=True),
)


def metric_tiles(snapshot: Snapshot, look: Look, *, greyed: bool) -> tuple[TileFacts, ...]:
    marks = metric_marks(snapshot.alerts)
    return tuple(metric_tile(t, snapshot, look, marks.get(t.metric), greyed=greyed) for t in TILES)


def metric_tile(
    tile: TileSpec, snapshot: Snapshot, look: Look, alert: Alert | None, *, greyed: bool
) -> TileFacts:
    """Value, state, meter, limit. The state is that of `alert`, which is open on its metric, else how the value stands
    to its thresholds."""
    marked = None if alert is None else mark_words(alert, look, greyed=greyed)
    found = reading(snapshot.metrics, tile.metric)
    if found is None or found.value.value is None:
        reason = "" if found is None or snapshot.metrics.at is None else found.value.reason or "no value"
        return TileFacts(
            tile.title,
            tile.title,
            look.glyphs["none"],
            role="muted",
            state=marked or EMPTY,
            footnote=cells(reason, look("muted")),
        )
    number, unit = fmt.value_and_unit(found.spec, found.value.value)
    return TileFacts(
        tile.title,
        tile.title,
        number,
        unit,
        role=value_role(found, greyed=greyed),
        state=marked or _state(found, look, greyed=greyed),
        footnote=cells(
            limit_note(found.spec) or worst_note(found, _trend(snapshot, found.spec.name)), look("muted")
        ),
        fraction=fraction(found.spec, found.number),
        stale=greyed,
    )


def _state(found: Reading, look: Look, *, greyed: bool) -> Cells:
    state = level_state(found.value.level)
    if state is None:
        return EMPTY
    if greyed:
        return (piece(f"{look.glyphs['stale']} ", look("stale")), piece("stale", look("stale")))
    word = look("muted") if state.calm else look(state.role)
    return (piece(f"{look.glyphs[state.glyph]} ", look(state.role)), piece(state.word, word))


def area_facts(
    metric: str,
    unit: str,
    snapshot: Snapshot,
    series: Mapping[str, Series],
    earlier: Mapping[str, Series],
    start: datetime,
    end: datetime,
    look: Look,
    *,
    greyed: bool,
) -> AreaFacts | None:
    """One area under the latency plot; None for a metric the catalogue doesn't have."""
    found = reading(snapshot.metrics, metric)
    if found is None:
        return None
    source = series.get(metric)
    values = source.values if source is not None else ()
    spec = found.spec
    ceiling = 100.0 if spec.unit == "%" else None
    near = spec.limit is not None and any(v is not None and v > spec.limit * 0.5 for v in values)
    limit = spec.limit if near else None
    head = value_cells(found, look, greyed=greyed)
    if found.value.value is not None:
        head = (head[0], piece(f" {unit}", look("stale" if greyed else "faint")))
    elif found.value.reason:
        head = (*head, piece(f" {found.value.reason}", look("muted")))
    return AreaFacts(
        head=tuple(head),
        fact=_area_fact(found, values, earlier.get(metric), look),
        values=tuple(values),
        start=start,
        end=end,
        y=axis(values, limit=limit, decimals=spec.decimals, ticks=4, ceiling=ceiling),
        limit=limit,
        floor=spec.direction is Direction.LOW,
        over="crit" if spec.critical is not None else "warn",
        stale=greyed,
    )


def _area_fact(found: Reading, values: Sequence[float | None], earlier: Series | None, look: Look) -> Cells:
    """The peak within the window; in a comparison yesterday's mean."""
    if earlier is not None:
        before = [v for v in earlier.values if v is not None]
        mean = fmt.value_and_unit(found.spec, sum(before) / len(before))[0] if before else "no data"
        return cells(f"yesterday {mean}", look("muted"))
    return cells(worst_note(found, values, unit=True), look("muted"))


def _trend(snapshot: Snapshot, name: str) -> Sequence[float | None]:
    trend = snapshot.trends.get(name)
    return () if trend is None else trend.values


def more_entries(
    snapshot: Snapshot, series: Mapping[str, Series], look: Look, width: int, *, greyed: bool
) -> list[Entry]:
    """The rows of `More`: label, value, sparkline, what it is measured against. `width` of the panel's inside."""
    bar = width - 1 - 10 - 14 - 18 - 3
    marks = metric_marks(snapshot.alerts)
    return [
        _more_row(label, name, snapshot.metrics, series, look, bar, greyed, marks.get(name))
        for label, name in MORE
    ]


def _more_row(
    label: str,
    name: str,
    metrics: Metrics,
    series: Mapping[str, Series],
    look: Look,
    width: int,
    greyed: bool,
    alert: Alert | None,
) -> Row:
    found = reading(metrics, name)
    if found is None:
        return Row(
            None, (cells(label, look("muted")), cells(look.glyphs["none"], look("muted")), EMPTY, EMPTY)
        )
    source = series.get(name)
    values = source.values if source is not None else ()
    spec = found.spec
    known = [v for v in values if v is not None]
    top = spec.limit * 1.2 if spec.limit is not None else max(known, default=1.0) * 1.6
    if spec.unit == "%" and spec.limit is not None and spec.limit >= 10:
        top = 100.0
    low = spec.direction is Direction.LOW
    columns = resample_worst(values, width, spec.limit, floor=low)
    over = "crit" if spec.critical is not None else "warn"
    roles = ["stale"] * width if greyed else beyond_roles(columns, spec.limit, over, floor=low)
    note = limit_note(spec) or worst_note(found, values)
    if found.value.value is None:
        note = found.value.reason or "no value"
    marked = EMPTY if alert is None else (mark(alert, look, greyed=greyed), piece(" "))
    return Row(
        name,
        (
            cells(label, look("muted")),
            value_cells(found, look, greyed=greyed),
            spark(columns, width, look, top=top, roles=roles, role="stale" if greyed else "s1"),
            (*marked, piece(note, look("muted"))),
        ),
    )
