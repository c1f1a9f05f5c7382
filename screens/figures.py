"""Metrics as figures: values, limits, what is over its threshold, what has no value; rows of resources. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from console.domain import format as fmt
from console.domain.alert import Alert
from console.domain.metric import Direction, Level, MetricSpec, MetricValue
from console.domain.snapshot import Metrics, Snapshot
from screens.marks import mark, metric_marks
from widgets.cells import Cells, cells, piece
from widgets.charts import HEADROOM, meter
from widgets.live_table import Column, Entry, Note, Row
from widgets.look import Look
from widgets.states import level_state

RESOURCE_COLUMNS = (Column("", 10), Column("", None), Column("", 9, right=True))

_RESOURCES: tuple[tuple[str, str] | None, ...] = (
    ("cpu", "cpu_usage"),
    ("memory", "memory_usage"),
    ("disk", "disk_usage"),
    ("network", "network_latency_ms"),
    None,
    ("db pool", "connection_pool_pct"),
    ("db hit", "cache_hit_pct"),
    ("cache hit", "redis_hit_pct"),
    ("slow query", "slow_queries_pct"),
    ("api avail", "availability_pct"),
    ("< 500 ms", "success_under_500ms_pct"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric with its value of the latest tick."""

    spec: MetricSpec
    value: MetricValue

    @property
    def number(self) -> float | None:
        return self.value.value if isinstance(self.value.value, int | float) else None


def reading(metrics: Metrics, name: str) -> Reading | None:
    """None for a metric that the catalogue doesn't have."""
    spec, value = metrics.specs.get(name), metrics.values.get(name)
    return Reading(spec, value) if spec is not None and value is not None else None


def bound(spec: MetricSpec, level: Level | None) -> float | None:
    """The threshold that `level` is about; the one a plot draws where nothing is wrong."""
    if level is Level.WARNING and spec.warning is not None:
        return spec.warning
    return spec.limit


def limit_words(spec: MetricSpec, level: Level | None) -> str:
    """`> 500 ms`, `< 95 %`; empty without a threshold."""
    limit = bound(spec, level)
    if limit is None:
        return ""
    return f"{'>' if spec.direction is Direction.HIGH else '<'} {plain_number(limit, spec)}"


def plain_number(value: float, spec: MetricSpec, *, unit: bool = True) -> str:
    """A threshold without needless zeros: `500 ms`, `99.9 %`."""
    number, suffix = fmt.value_and_unit(spec, value)
    if "." in number and number[-1:].isdigit():
        number = number.rstrip("0").rstrip(".")
    exact = f"{value:,.4f}".rstrip("0").rstrip(".")
    if spec.unit not in ("bytes", "money", "s") and len(exact) <= 8:
        number = exact
    return f"{number} {suffix}".strip() if unit else number


def limit_note(spec: MetricSpec) -> str:
    """`limit 500`, `floor 99.9`, `warn at 80`; empty without a threshold."""
    if spec.limit is None:
        return ""
    word = "floor" if spec.direction is Direction.LOW else "limit" if spec.critical is not None else "warn at"
    return f"{word} {plain_number(spec.limit, spec, unit=False)}"


def worst_note(found: Reading, values: Sequence[float | None], *, unit: bool = False) -> str:
    """`peak 19.5`, `lowest 99.9`: the worst of a series; empty without any value. A series holds means: what is read
    now may lie beyond them."""
    known = [v for v in (*values, found.number) if v is not None]
    if not known:
        return ""
    low = found.spec.direction is Direction.LOW
    worst = min(known) if low else max(known)
    number = fmt.metric(found.spec, worst) if unit else fmt.value_and_unit(found.spec, worst)[0]
    return f"{'lowest' if low else 'peak'} {number}"


def value_role(reading: Reading, *, greyed: bool = False) -> str:
    """The colour of a value: strong while it is fine."""
    if greyed:
        return "stale"
    state = level_state(reading.value.level)
    return state.role if state is not None and not state.calm else "strong"


def value_cells(reading: Reading, look: Look, *, greyed: bool = False) -> Cells:
    """`356 ms`: the number bold, the unit faint."""
    if reading.value.value is None:
        return cells(look.glyphs["none"], look("muted"))
    number, unit = fmt.value_and_unit(reading.spec, reading.value.value)
    parts = [piece(number, look(value_role(reading, greyed=greyed), bold=True))]
    if unit:
        parts.append(piece(f" {unit}", look("stale" if greyed else "faint")))
    return parts


def over_threshold(metrics: Metrics) -> list[Reading]:
    """Metrics at warning or critical now: critical first, then by how far they are beyond."""
    bad = [
        Reading(metrics.specs[name], value)
        for name, value in metrics.values.items()
        if value.level in (Level.WARNING, Level.CRITICAL) and name in metrics.specs
    ]
    return sorted(bad, key=lambda r: (r.value.level is not Level.CRITICAL, -_excess(r), r.spec.name))


def _excess(reading: Reading) -> float:
    limit, number = bound(reading.spec, reading.value.level), reading.number
    if limit is None or number is None:
        return 0.0
    if reading.spec.direction is Direction.LOW:
        return (limit - number) / abs(limit) if limit else limit - number
    return (number - limit) / abs(limit) if limit else number


def unavailable(metrics: Metrics) -> list[Reading]:
    """Metrics without a value, by name."""
    lost = [
        Reading(metrics.specs[name], value)
        for name, value in metrics.values.items()
        if value.value is None and name in metrics.specs
    ]
    return sorted(lost, key=lambda r: (r.spec.group, r.spec.name))


def fraction(spec: MetricSpec, value: float | None) -> float | None:
    """Where a value stands on its meter, 0..1: of 100 % for shares, else of 1.2 times the limit."""
    if value is None:
        return None
    if spec.unit == "%" and not (spec.limit is not None and spec.limit < 10):
        return value / 100
    if spec.unit == "score":
        return value / 100
    if spec.unit == "ratio":
        return value
    return value / (spec.limit * HEADROOM) if spec.limit else None


def resource_entries(snapshot: Snapshot, look: Look, width: int, *, greyed: bool) -> list[Entry]:
    """The rows of `Resources`: label, meter, value; in colour only past a threshold. `width` of the panel's inside."""
    entries: list[Entry] = []
    marks = metric_marks(snapshot.alerts)
    bar = width - 1 - 10 - 9 - 2
    for item in _RESOURCES:
        if item is None:
            entries.append(Note())
            continue
        label, name = item
        found = reading(snapshot.metrics, name)
        entries.append(_resource_row(label, found, name, look, bar, greyed, marks.get(name)))
    return entries


def _resource_row(
    label: str, found: Reading | None, name: str, look: Look, bar: int, greyed: bool, alert: Alert | None
) -> Row:
    marked = [] if alert is None else [mark(alert, look, greyed=greyed), piece(" ")]
    if found is None or found.value.value is None:
        dash = (*marked, piece(look.glyphs["none"], look("muted")))
        key = name if found is not None else None
        return Row(key, (cells(label, look("muted")), meter(None, bar, look), dash))
    state = level_state(found.value.level)
    bad = state is not None and not state.calm
    role = "stale" if greyed else state.role if state is not None and bad else "s2"
    shown = value_cells(found, look, greyed=greyed)
    if not marked and state is not None and bad and not greyed:
        marked = [piece(f"{look.glyphs[state.glyph]} ", look(state.role))]
    return Row(
        name,
        (
            cells(label, look("stale" if greyed else state.role if state is not None and bad else "muted")),
            meter(fraction(found.spec, found.number), bar, look, role=role),
            (*marked, *shown),
        ),
    )
