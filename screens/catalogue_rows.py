"""Rows of the list of all metrics, by group. Pure."""

from console.domain.alert import Alert
from console.domain.metric import MetricSpec
from console.domain.snapshot import Snapshot
from screens.figures import Reading, limit_words, value_cells
from screens.marks import mark, metric_marks
from widgets.cells import Cells, cells, piece
from widgets.live_table import Column, Entry, Group, Row
from widgets.look import Look
from widgets.states import level_state

CATALOGUE_COLUMNS = (Column("", 1), Column("", None), Column("", 12, right=True))
CATALOGUE_COLUMNS_FULL = (
    Column("", 1),
    Column("metric", 30),
    Column("value", 12, right=True),
    Column("limit", 12),
    Column("window", 8, right=True),
    Column("name", None),
)
CATALOGUE_COLUMNS_COMPACT = (
    Column("", 1),
    Column("metric", 30),
    Column("value", 12, right=True),
    Column("limit", 12),
    Column("", None),
)


def matches(spec: MetricSpec, needle: str) -> bool:
    """Whether every word of `needle` is in a metric's name, title or group."""
    hay = f"{spec.name} {spec.title} {spec.group}".lower()
    return all(word in hay for word in needle.lower().split())


def catalogue_entries(
    snapshot: Snapshot,
    look: Look,
    *,
    greyed: bool,
    needle: str = "",
    full: bool = False,
    compact: bool = False,
) -> list[Entry]:
    """Every metric that matches, in groups, in the catalogue's order; a mark where an alert is open on it."""
    metrics, marks = snapshot.metrics, metric_marks(snapshot.alerts)
    groups: dict[str, list[Reading]] = {}
    for name, spec in metrics.specs.items():
        value = metrics.values.get(name)
        if value is not None and matches(spec, needle):
            groups.setdefault(spec.group, []).append(Reading(spec, value))
    entries: list[Entry] = []
    for group, readings in groups.items():
        entries.append(Group(group))
        entries.extend(
            _row(r, look, marks.get(r.spec.name), greyed=greyed, full=full, compact=compact) for r in readings
        )
    return entries


def _row(
    reading: Reading, look: Look, alert: Alert | None, *, greyed: bool, full: bool, compact: bool
) -> Row:
    spec, value = reading.spec, reading.value
    state = level_state(value.level)
    glyph: Cells = ()
    if value.value is None:
        glyph = cells(look.glyphs["none"], look("muted"))
    elif state is not None:
        glyph = cells(
            look.glyphs["stale" if greyed else state.glyph], look("stale" if greyed else state.role)
        )
    bad = state is not None and not state.calm
    title = [piece(spec.title, look("stale" if greyed else "strong" if bad else "text", bold=bad))]
    if alert is not None:
        title += [piece(" "), mark(alert, look, greyed=greyed)]
    shown = value_cells(reading, look, greyed=greyed)
    if not full and not compact:
        return Row(spec.name, (glyph, title, shown))
    limit = cells(limit_words(spec, value.level), look("muted"))
    last = cells(value.reason or spec.name, look("muted"))
    if compact:
        return Row(spec.name, (glyph, title, shown, limit, last))
    window = cells("" if spec.window_s is None else f"{spec.window_s:g} s", look("faint"))
    return Row(spec.name, (glyph, title, shown, limit, window, last))
