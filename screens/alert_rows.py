"""Rows of the list of alerts: how each stands, in groups by state. Pure functions from domain values to cells."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from console.domain import format as fmt
from console.domain.alert import Alert, AlertState, remaining, title_of
from console.domain.event import Severity
from console.domain.metric import MetricSpec
from console.domain.text import printable
from screens.figures import plain_number
from widgets.cells import Cells, cells, piece
from widgets.live_table import Column, Entry, Group, Row
from widgets.look import Look
from widgets.states import STALE, alert_state, severity_state

if TYPE_CHECKING:
    from screens.alert_filter import Term

SORTS = ("severity", "age", "name")
FOLD = "fold:inhibited"
"""The key of the heading that stands for all inhibited alerts."""
SEVERITY_WORDS = {
    Severity.CRITICAL: "crit",
    Severity.WARNING: "warn",
    Severity.INFO: "info",
    Severity.OK: "ok",
}

COLUMNS = (
    Column("", 1),
    Column("sev", 4),
    Column("alert", None),
    Column("value", 8, right=True),
    Column("for", 4, right=True),
    Column("next step", 13),
)
COLUMNS_COMPACT = (
    Column("", 1),
    Column("alert", None),
    Column("state", 11),
    Column("value", 8, right=True),
    Column("limit", 9),
    Column("for", 4, right=True),
    Column("next step", 13),
)
_SOON = timedelta(hours=20)
_NAMES = {AlertState.ACKNOWLEDGED: "acked", AlertState.RESOLVED: "resolved today"}
QUIET = (AlertState.SILENCED, AlertState.INHIBITED)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the rows of one drawing share. `acting` says by id what was asked for and is not done yet."""

    look: Look
    now: datetime
    specs: Mapping[str, MetricSpec]
    greyed: bool = False
    compact: bool = False
    acting: Mapping[int, str] = field(default_factory=dict)


def spec_of(alert: Alert, specs: Mapping[str, MetricSpec]) -> MetricSpec:
    """How to write an alert's values; a metric that the catalogue no longer has is written in the alert's unit."""
    spec = specs.get(alert.metric or "")
    if spec is not None and spec.unit == alert.unit:
        return spec
    number = alert.value if isinstance(alert.value, int | float) else alert.limit or 0.0
    name = alert.metric or ""
    return MetricSpec(name, name, alert.unit, "", "", "", decimals=0 if abs(number) >= 100 else 2)


def grouped(alerts: Iterable[Alert], sort: str) -> dict[AlertState, list[Alert]]:
    """The alerts by state, in the order of a list; within a state by `sort`, one of SORTS.

    By severity they stay in the order in which they come, which is domain.alert.order.
    """
    groups: dict[AlertState, list[Alert]] = {}
    for alert in alerts:
        groups.setdefault(alert.state, []).append(alert)
    if sort == "age":
        for group in groups.values():
            group.sort(key=lambda alert: alert.since)
    elif sort == "name":
        for group in groups.values():
            group.sort(key=lambda alert: alert.rule.lower())
    return {state: groups[state] for state in AlertState if state in groups}


def alert_entries(
    alerts: Sequence[Alert],
    entry: Callable[[Alert], Entry],
    look: Look,
    specs: Mapping[str, MetricSpec],
    *,
    sort: str,
    wanted: "Sequence[Term]" = (),
    unfolded: bool = False,
    compact: bool = False,
) -> list[Entry]:
    """The list's entries; `entry` is the one of an alert.

    Without room there are no headings, and resolved alerts only where there is nothing else or they are asked for.
    """
    if wanted:
        from screens.alert_filter import matches

        alerts = [a for a in alerts if matches(a, wanted, title_of(a, specs))]
    groups = grouped(alerts, sort)
    if compact and not wanted and len(groups) > 1:
        groups.pop(AlertState.RESOLVED, None)
    entries: list[Entry] = []
    for state, group in groups.items():
        folded = state is AlertState.INHIBITED and not unfolded and not wanted
        if state is AlertState.INHIBITED and not wanted:
            word = "shows" if folded else "hides"
            fact = (piece("space", look("accent")), piece(f" {word} them", look("muted")))
            entries.append(Group(f"inhibited {len(group)}", fact, FOLD))
        elif not compact:
            entries.append(Group(f"{_NAMES.get(state, state)} {len(group)}"))
        if not folded:
            entries.extend(map(entry, group))
    return entries


def alert_row(alert: Alert, scene: Scene) -> Row:
    """One alert in COLUMNS, or in COLUMNS_COMPACT."""
    look, state, severity = scene.look, alert.state, severity_state(alert.severity)
    old = scene.greyed and state is not AlertState.RESOLVED
    quiet = state in QUIET or state is AlertState.RESOLVED
    name = cells(
        title_of(alert, scene.specs),
        look(
            "stale" if old else "muted" if quiet else "text" if state is not AlertState.FIRING else "strong",
            bold=state is AlertState.FIRING,
        ),
    )
    glyph_role = "stale" if old else "ok" if state is AlertState.RESOLVED else severity.role
    if state in QUIET:
        glyph_role = "muted"
    glyph = look.glyphs["stale" if old else "done" if state is AlertState.RESOLVED else severity.glyph]
    row: list[Cells] = [cells(glyph, look(glyph_role))]
    if scene.compact:
        row += [name, _state_cells(alert, scene, old=old)]
    else:
        row += [severity_cells(alert, scene), name]
    row.append(value_cells(alert, scene))
    if scene.compact:
        row.append(cells(limit_words(alert, scene.specs), look("muted")))
    row.append(cells(fmt.age(scene.now - alert.since), look("stale" if old else "muted")))
    row.append(_next_cells(alert, scene, old=old))
    return Row(str(alert.id), tuple(row))


def severity_cells(alert: Alert, scene: Scene) -> Cells:
    """`CRIT`; without its colour where it is quiet, in small letters when it is over."""
    word, look = SEVERITY_WORDS[alert.severity], scene.look
    if alert.state is AlertState.RESOLVED:
        return cells(word, look("muted"))
    quiet = alert.state in QUIET
    role = "stale" if scene.greyed else "muted" if quiet else severity_state(alert.severity).role
    return cells(word.upper(), look(role, bold=not quiet))


def _state_cells(alert: Alert, scene: Scene, *, old: bool) -> Cells:
    state, look = STALE if old else alert_state(alert), scene.look
    bold = alert.state is AlertState.FIRING and not old
    return (
        piece(f"{look.glyphs[state.glyph]} ", look(state.role, bold=bold)),
        piece(state.word, look(state.role, bold=bold)),
    )


def value_cells(alert: Alert, scene: Scene) -> Cells:
    """`512 ms`: in colour while it fires and nobody is on it."""
    look, state = scene.look, alert.state
    if alert.value is None:
        return cells(look.glyphs["none"], look("muted"))
    number, unit = fmt.value_and_unit(spec_of(alert, scene.specs), alert.value)
    role = {
        AlertState.FIRING: severity_state(alert.severity).role,
        AlertState.STALE: "stale",
        AlertState.ACKNOWLEDGED: "strong",
        AlertState.PENDING: "strong",
    }.get(state, "muted")
    if scene.greyed and role != "muted":
        role = "stale"
    value = piece(number, look(role, bold=role != "muted"))
    return (value, piece(f" {unit}", look("faint" if role == "strong" else role))) if unit else (value,)


def limit_words(alert: Alert, specs: Mapping[str, MetricSpec]) -> str:
    """`> 500 ms`, `< 95 %`; empty where there is not one number."""
    if alert.limit is None:
        return ""
    return f"{'<' if alert.low else '>'} {plain_number(alert.limit, spec_of(alert, specs))}"


def _next_cells(alert: Alert, scene: Scene, *, old: bool) -> Cells:
    """What comes next, or who has it."""
    look = scene.look
    acting = scene.acting.get(alert.id)
    if acting:
        return cells(acting, look("accent"))
    words = next_words(alert, scene.now)
    if old:
        return cells(words, look("stale"))
    if alert.state is AlertState.FIRING:
        role = severity_state(alert.severity).role
        return cells(words, look(role, bold=True) if alert.severity is Severity.CRITICAL else look("muted"))
    return cells(words, look("stale" if alert.state is AlertState.STALE else "muted"))


def next_words(alert: Alert, now: datetime) -> str:
    """`not acked`, `nora.k, 02:59`, `fires in 40s`, `until 03:30`, `by Database Failure`, `at 02:12`."""
    match alert.state:
        case AlertState.FIRING:
            return f"back {alert.flaps}x" if alert.flaps else "not acked"
        case AlertState.STALE:
            return "no data"
        case AlertState.ACKNOWLEDGED:
            at = "" if alert.acknowledged_at is None else f", {moment(alert.acknowledged_at, now)}"
            return f"{alert.acknowledged_by}{at}"
        case AlertState.PENDING:
            left = remaining(alert, now)
            return f"fires in {fmt.age(left)}" if left else "due now"
        case AlertState.SILENCED:
            until = alert.silenced_until
            return "" if until is None else f"until {moment(until, now)}"
        case AlertState.INHIBITED:
            return printable(f"by {alert.inhibited_by}")
        case AlertState.RESOLVED:
            return f"at {moment(alert.since, now)}"


def moment(at: datetime, now: datetime) -> str:
    """`03:30`, and `16 Mar` for what is further away than most of a day."""
    return fmt.clock(at, seconds=False) if abs(at - now) < _SOON else f"{at:%d %b}"
