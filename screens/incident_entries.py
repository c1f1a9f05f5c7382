"""Rows of an incident's timeline, of what changed before it, and the plot of the metric that it is about. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from console.domain import format as fmt
from console.domain.alert import Alert
from console.domain.event import Event, Severity
from console.domain.incident import Entry as Written
from console.domain.incident import Incident, Pin
from console.domain.metric import Direction, MetricSpec, Series
from screens.alert_reading import has_numbers
from widgets.cells import EMPTY, Cells, cells
from widgets.live_table import Column, Deferred, Entry, Row
from widgets.look import Look
from widgets.plot import Chart, Curve, Marker
from widgets.scale import axis
from widgets.states import severity_state

ENTRY_COLUMNS = (Column("", 8), Column("", 1), Column("", 8), Column("", 6), Column("", None))
ENTRY_COLUMNS_NARROW = (Column("", 5), Column("", 1), Column("", 8), Column("", None))
CHANGE_COLUMNS = (Column("", 5), Column("", 6), Column("", None), Column("", 9, right=True))
CHANGE_COLUMNS_NARROW = (Column("", 5), Column("", None), Column("", 1))
PIN = "pin-"
"""Before the event's number in the key of a pinned entry's row."""
_KINDS: dict[str, tuple[str, str, str]] = {
    # kind: glyph, role, word
    "note": ("dot", "text", "note"),
    "join": ("dot", "muted", "join"),
    "role": ("dot", "muted", "role"),
    "step": ("done", "ok", "step"),
    "comms": ("info", "info", "comms"),
    "incident": ("info", "accent", "incid"),
    "action": ("running", "accent", "action"),
    "deployment": ("running", "accent", "deploy"),
    "configuration": ("warn", "warn", "change"),
    "drill": ("running", "accent", "drill"),
    "agent": ("info", "info", "agent"),
    "security": ("blocked", "info", "secur"),
    "checklist": ("done", "muted", "list"),
    "delivery": ("firing", "warn", "page"),
    "escalation": ("firing", "warn", "page"),
}
_BY_SEVERITY = ("alert", "health", "check")
_CAUSES = ("deployment", "configuration", "action", "drill", "security")
"""Kinds of changes that somebody made: the likeliest of these is the suspect."""


def entry_rows(
    entries: Sequence[Written], pins: Sequence[Pin], look: Look, *, compact: bool, greyed: bool
) -> list[Entry]:
    """Pinned entries first, then the newest first; a row is built when it is seen, there may be thousands."""
    first: list[Entry] = [Row(f"{PIN}{pin.event_id}", _pin_cells(pin, look, compact=compact)) for pin in pins]
    return first + [
        Deferred(str(each.event.id), partial(_entry_row, each, look, compact, greyed)) for each in entries
    ]


def _pin_cells(pin: Pin, look: Look, *, compact: bool) -> tuple[Cells, ...]:
    row = (
        cells(fmt.clock(pin.at, seconds=not compact), look("muted")),
        cells(look.glyphs["cursor"], look("pending")),
        cells(pin.by, look("text")),
        cells("pinned", look("pending")),
        cells(pin.text, look("strong", bold=True)),
    )
    return (*row[:3], row[4]) if compact else row


def kind_look(event: Event) -> tuple[str, str, str]:
    """Glyph, role and word of an entry: of what can be good or bad by how it is, else by its kind."""
    glyph, role, word = _KINDS.get(event.kind, ("dot", "muted", event.kind[:6]))
    if event.kind in _BY_SEVERITY or (event.severity in (Severity.CRITICAL, Severity.WARNING)):
        state = severity_state(event.severity)
        glyph, role = state.glyph, state.role
    if event.kind == "alert" and "acknowledged" in event.text:
        return "acked", "ack", "ack"
    return glyph, role, word


def _entry_row(entry: Written, look: Look, compact: bool, greyed: bool) -> Row:
    event = entry.event
    glyph, role, word = kind_look(event)
    own = entry.incident_id is not None
    text = "stale" if greyed else "text" if own or event.severity is not Severity.OK else "muted"
    # An update is Markdown; its first line stands here.
    said = event.text.replace("**", "") if event.kind == "comms" else event.text
    row = (
        cells(fmt.clock(event.at, seconds=not compact), look("muted")),
        cells(look.glyphs[glyph], look(role)),
        cells(event.actor, look("text" if own else "muted")),
        # The rest of it is behind enter.
        cells(f"{word}+" if entry.more else word, look(role if role != "text" else "muted")),
        cells(f"{said} {look.glyphs['ellipsis']}" if entry.more and compact else said, look(text)),
    )
    return Row(str(event.id), (*row[:3], row[4]) if compact else row)


def suspect(changes: Sequence[Event]) -> Event | None:
    """The likeliest cause among changes that are ranked by likelihood; None where nobody changed anything."""
    return next((event for event in changes if event.kind in _CAUSES), None)


def change_rows(changes: Sequence[Event], look: Look, *, compact: bool, most: int) -> list[Entry]:
    """The `most` likeliest, in the order of time."""
    likeliest = suspect(changes)
    shown = sorted(changes[:most], key=lambda event: (event.at, event.id))
    return [Row(str(event.id), _change_cells(event, event is likeliest, look, compact)) for event in shown]


def _change_cells(event: Event, is_suspect: bool, look: Look, compact: bool) -> tuple[Cells, ...]:
    _, _, word = kind_look(event)
    when = cells(fmt.clock(event.at, seconds=False), look("muted"))
    text = cells(event.text, look("strong" if is_suspect else "text", bold=is_suspect))
    sign = look.glyphs["warn"]
    if compact:
        return when, text, cells(sign, look("warn")) if is_suspect else EMPTY
    return (
        when,
        cells(word, look("muted")),
        text,
        cells(f"{sign} suspect", look("warn")) if is_suspect else EMPTY,
    )


def metric_of(incident: Incident, alerts: Sequence[Alert], shown: str = "") -> str:
    """The metric whose plot is shown: `shown` is what somebody looks at here, then what is pinned for everybody, then
    that of the alert that fired first; "" for none."""
    if shown or incident.plot:
        return shown or incident.plot
    numbers = [alert for alert in alerts if has_numbers(alert)]
    first = min(numbers, key=lambda alert: alert.fired_at or alert.pending_at, default=None)
    return "" if first is None or first.metric is None else first.metric


def limit_of(spec: MetricSpec | None, alert: Alert | None) -> float | None:
    """What the metric is compared with: by the alert, else as its catalogue says."""
    if alert is not None and alert.limit is not None:
        return alert.limit
    return None if spec is None else spec.limit


def metric_chart(
    incident: Incident,
    spec: MetricSpec | None,
    alert: Alert | None,
    series: Series | None,
    *,
    ticks: int,
    greyed: bool,
) -> Chart | None:
    """The last hour against the limit of the alert, else of the metric, with the clocks as markers."""
    if series is None or not series.values or spec is None:
        return None
    limit = limit_of(spec, alert)
    y = axis(
        series.values,
        limit=limit,
        decimals=spec.decimals,
        ticks=ticks,
        ceiling=100.0 if spec.unit in ("%", "score") else None,
        zoom=0.3,
    )
    marks: list[tuple[datetime | None, str]] = [
        (incident.detected_at, "detected"),
        (incident.mitigated_at, "mitigated"),
        (incident.closed_at, "resolved"),
    ]
    return Chart(
        curves=(Curve("stale" if greyed else "s3", series.values, over=not greyed),),
        start=series.start,
        end=series.start + timedelta(seconds=series.step_s * max(len(series.values) - 1, 1)),
        y=y,
        limit=limit,
        limit_role="crit" if alert is None else severity_state(alert.severity).role,
        floor=spec.direction is Direction.LOW if alert is None else alert.low,
        markers=tuple(Marker(at, word) for at, word in marks if at is not None),
    )
