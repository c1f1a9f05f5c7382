"""Rows of Health's panel of alerts: what is open; below it what needs a look although no rule says so. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from console.domain.alert import Alert, AlertState, counts
from console.domain.snapshot import Snapshot
from screens.alert_rows import COLUMNS_COMPACT, QUIET, Scene, alert_row, severity_cells
from screens.figures import Reading, limit_words, over_threshold, unavailable, value_cells
from widgets.cells import EMPTY, cells, piece
from widgets.live_table import Column, Deferred, Entry, Group, Note, Row
from widgets.states import level_state

COLUMNS = (
    Column("", 1),
    Column("sev", 4),
    Column("state", 11),
    Column("alert", None),
    Column("value", 8, right=True),
    Column("limit", 9),
    Column("for", 3, right=True),
    Column("next step", 13),
)


def columns_of(compact: bool) -> Sequence[Column]:
    return COLUMNS_COMPACT if compact else COLUMNS


def open_entries(snapshot: Snapshot, row: Callable[[Alert], Row], scene: Scene) -> list[Entry]:
    """Open alerts in the snapshot's order, metrics over a threshold that no alert is about, in one line how many others
    explain, then, where there is room, what was resolved today; metrics without a value come last. `row` builds an
    alert's row when it is seen."""
    found = [a for a in snapshot.alerts if a.state not in (AlertState.RESOLVED, AlertState.INHIBITED)]
    inhibited = sum(a.state is AlertState.INHIBITED for a in snapshot.alerts)
    resolved = [a for a in snapshot.alerts if a.state is AlertState.RESOLVED]
    compact = scene.compact
    entries: list[Entry] = [_deferred(row, alert) for alert in found]
    if not found and snapshot.metrics.at is not None:
        glyph = piece(scene.look.glyphs["ok"], scene.look("stale" if scene.greyed else "ok"))
        entries.append(Note((glyph, piece(" no alert is open", scene.look("muted")))))
    entries.extend(_over_row(r, scene, compact) for r in unwatched(snapshot))
    if inhibited:
        entries.append(Group(f"inhibited {inhibited}"))
    if resolved and not compact:
        entries.append(Group(f"resolved today {len(resolved)}"))
        entries.extend(_deferred(row, alert) for alert in resolved)
    # What has no source here is counted and no more, and what failed for long enough is an alert of its own.
    told = {a.rule for a in snapshot.alerts if a.state is not AlertState.RESOLVED}
    lost = [
        r for r in unavailable(snapshot.metrics) if r.value.failed and f"collection:{r.spec.name}" not in told
    ]
    if lost and not compact:
        entries.append(Group(f"not collected {len(lost)}"))
    entries.extend(_lost_row(r, scene, compact) for r in lost)
    return entries


def unwatched(snapshot: Snapshot) -> list[Reading]:
    """Metrics over a threshold that no open alert is about: the worst first."""
    watched = {a.metric for a in snapshot.alerts if a.state is not AlertState.RESOLVED}
    return [r for r in over_threshold(snapshot.metrics) if r.spec.name not in watched]


def open_words(snapshot: Snapshot) -> str:
    """`1 crit, 2 warn, 2 pending, 1 silenced, 3 without a value`; what is not there is not said."""
    tally = counts(snapshot.alerts)
    states = [a.state for a in snapshot.alerts]
    words = [
        (tally.critical, "crit"),
        (tally.warning, "warn"),
        (tally.info, "info"),
        *((states.count(s), str(s)) for s in (AlertState.PENDING, *QUIET)),
        (len(unavailable(snapshot.metrics)), "without a value"),
    ]
    return ", ".join(f"{number} {word}" for number, word in words if number)


def open_row(alert: Alert, scene: Scene) -> Row:
    """One alert as screen 4 shows it in one line; with its severity in a word where there is room."""
    full = alert_row(alert, replace(scene, compact=True))
    if scene.compact:
        return full
    glyph, name, *rest = full.cells
    state, *rest = rest
    return Row(full.key, (glyph, severity_cells(alert, scene), state, name, *rest))


def _deferred(row: Callable[[Alert], Row], alert: Alert) -> Deferred:
    return Deferred(str(alert.id), lambda: row(alert))


def _over_row(reading: Reading, scene: Scene, compact: bool) -> Row:
    look, state, spec = scene.look, level_state(reading.value.level), reading.spec
    role = "stale" if scene.greyed or state is None else state.role
    glyph = look.glyphs[state.glyph] if state is not None else ""
    word = state.word.upper() if state is not None else ""
    title = cells(spec.title, look("stale" if scene.greyed else "strong", bold=True))
    without = cells("no alert", look("muted"))
    middle = (title, without) if compact else (cells(word, look(role, bold=True)), without, title)
    value = value_cells(reading, look, greyed=scene.greyed)
    limit = cells(limit_words(spec, reading.value.level), look("muted"))
    return Row(spec.name, (cells(glyph, look(role)), *middle, value, limit))


def _lost_row(reading: Reading, scene: Scene, compact: bool) -> Row:
    muted = scene.look("muted")
    glyph, title = cells(scene.look.glyphs["none"], muted), cells(reading.spec.title, muted)
    head = (glyph, title) if compact else (glyph, EMPTY, cells("no value", muted), title)
    return Row(reading.spec.name, head, tail=cells(reading.value.reason or "no reason given", muted))
