"""What is said of one alert: its rule, why it is true, the chain of its states, its history. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from rich.segment import Segment

from console.domain import format as fmt
from console.domain.alert import Alert, AlertChange, AlertState, Phase, Silence, remaining, title_of
from console.domain.metric import MetricSpec
from screens.alert_rows import SEVERITY_WORDS, Scene, moment, spec_of, value_cells
from screens.paragraphs import Labels, Line, folded
from widgets.cells import EMPTY, Cells, cells, join, measure, piece
from widgets.live_table import Column, Entry, Row
from widgets.look import Look
from widgets.states import STALE, State, alert_state, severity_state
from widgets.times import span_words

_LABELS = Labels(7)
_COMPARISON = re.compile(r"((?:[<>]=?|[!=]=)\s*[\w.]+(?:\s*(?:%|ms\b|s\b))?)")
_KINDS: dict[str, tuple[str, str, str]] = {
    # kind: glyph, role, word
    "inactive": ("none", "muted", "dropped"),
    "pending": ("pending", "pending", "pending"),
    "firing": ("firing", "warn", "firing"),
    "resolved": ("done", "ok", "resolved"),
    "acknowledged": ("acked", "ack", "acked"),
    "unacknowledged": ("warn", "pending", "unacked"),
    "stale": ("stale", "stale", "no data"),
    "fresh": ("ok", "ok", "data again"),
    "inhibited": ("none", "muted", "inhibited"),
    "uninhibited": ("firing", "warn", "uninhibited"),
    "severity": ("warn", "warn", "severity"),
    "silenced": ("silenced", "muted", "silenced"),
    "unsilenced": ("firing", "warn", "unsilenced"),
}
_BY_PEOPLE = ("acknowledged", "unacknowledged", "silenced", "unsilenced")
"""Of these it is told who did it; all others come from evaluation, by the agent that leads."""
HISTORY_COLUMNS = (Column("", 8), Column("", 1), Column("", 11), Column("", 9, right=True), Column("", None))
HISTORY_COLUMNS_NARROW = (Column("", 5), Column("", 1), Column("", 11), Column("", None))


def state_of(alert: Alert, *, greyed: bool) -> State:
    """As shown: what is no longer the present is stale, whatever it was."""
    return STALE if greyed and alert.state is not AlertState.RESOLVED else alert_state(alert)


def head_line(alert: Alert, scene: Scene) -> Line:
    """`■ CRIT  High Error Rate` and the state as a chip."""
    look, state, severity = scene.look, state_of(alert, greyed=scene.greyed), severity_state(alert.severity)
    resolved = alert.state is AlertState.RESOLVED
    role = "stale" if state is STALE else "muted" if resolved else severity.role
    word = SEVERITY_WORDS[alert.severity]
    left = (
        piece(f"{look.glyphs[severity.glyph]} ", look(role)),
        piece(word if resolved else word.upper(), look(role, bold=not resolved)),
        piece(f"  {title_of(alert, scene.specs)}", look("strong", bold=True)),
    )
    return left, (piece(f" {look.glyphs[state.glyph]} {state.word.upper()} ", look.chip(state.role)),)


def rule_lines(alert: Alert, look: Look, width: int, *, most: int = 2) -> list[Line]:
    """The condition as written, its comparisons in bold."""
    text = alert.condition
    span = span_words(alert.for_s)
    if alert.for_s and " for " not in text.lower():
        text += f" for {span}"
    lines = []
    for line in folded(text, width - _LABELS.size, most):
        parts: list[Segment] = []
        for i, part in enumerate(_COMPARISON.split(line)):
            if part:
                parts.append(piece(part, look("strong", bold=True) if i % 2 else look("text")))
        lines.append(tuple(parts))
    return _LABELS.lines("rule", lines, look)


def why_lines(alert: Alert, look: Look, width: int, *, most: int = 2) -> list[Line]:
    """Why it is true, in one sentence; and what keeps it quiet, if something does."""
    words = alert.summary
    if alert.state is AlertState.RESOLVED and alert.resolution:
        words = f"{alert.resolution}; it was: {alert.summary}" if alert.summary else alert.resolution
    return _LABELS.text("why", words, look, width, most=most)


def quiet_lines(alert: Alert, silences: Sequence[Silence], now: datetime, look: Look) -> list[Line]:
    """Who or what keeps it quiet, and until when."""
    if alert.state is AlertState.SILENCED:
        silence = next((s for s in silences if s.id == alert.silence), None)
        until = alert.silenced_until or (silence.ends_at if silence else None)
        end = "" if until is None else f"until {moment(until, now)} "
        reason = f": {silence.reason}" if silence is not None else ""
        words = f"{end}by {alert.silenced_by or 'somebody'}{reason}"
        return _LABELS.lines("quiet", [cells(words, look("muted"))], look)
    if alert.state is AlertState.INHIBITED:
        words = f"{alert.inhibited_by} fires and explains it"
        return _LABELS.lines("quiet", [cells(words, look("muted"))], look)
    if alert.flaps:
        times = f"{alert.flaps} times" if alert.flaps > 1 else "once"
        words = f"it came back {times} soon after it was resolved"
        return _LABELS.lines("flaps", [cells(words, look("pending"))], look)
    return []


def chain_line(alert: Alert, look: Look, now: datetime, width: int) -> Line:
    """`pending 02:53:05 → firing 02:55:05 → acked --`; without seconds, then without names, where it is narrow."""
    for seconds, name in ((True, True), (True, False), (False, False)):
        parts = _chain(alert, look, now, seconds=seconds, name=name)
        line = join(parts, (piece(f" {look.glyphs['then']} ", look("faint")),))
        if measure(line) <= width - _LABELS.size:
            break
    return _LABELS.line("state", line, look)


def _chain(alert: Alert, look: Look, now: datetime, *, seconds: bool, name: bool) -> list[Cells]:
    def step(word: str, at: datetime, role: str, tail: str = "") -> Cells:
        far = abs(at - now) > timedelta(hours=20)
        when = f"{at:%d %b} {fmt.clock(at, seconds=False)}" if far else fmt.clock(at, seconds=seconds)
        return (piece(word, look(role)), piece(f" {when}{tail}", look("muted")))

    parts: list[Cells] = []
    fired = alert.fired_at
    if fired is None or fired > alert.pending_at:
        parts.append(step("pending", alert.pending_at, "pending"))
    left = remaining(alert, now)
    if fired is not None:
        parts.append(step("firing", fired, severity_state(alert.severity).role))
    elif left is not None:
        parts.append(cells(f"fires in {fmt.age(left)}", look("muted")))
    if alert.acknowledged_by is not None and alert.acknowledged_at is not None:
        parts.append(step("acked", alert.acknowledged_at, "ack", f" {alert.acknowledged_by}" if name else ""))
    elif alert.phase is Phase.FIRING:
        parts.append(cells("acked --", look("faint")))
    if alert.resolved_at is not None:
        parts.append(step("resolved", alert.resolved_at, "ok"))
    return parts


def value_line(alert: Alert, scene: Scene) -> Line:
    """The last value, and the worst."""
    look, spec = scene.look, spec_of(alert, scene.specs)
    left, _ = _LABELS.line("value", value_cells(alert, scene), look)
    if alert.peak is None:
        return left, EMPTY
    number, unit = fmt.value_and_unit(spec, alert.peak)
    at = "" if alert.peak_at is None else f" at {moment(alert.peak_at, scene.now)}"
    worst = "lowest" if alert.low else "peak"
    return left, cells(f"{worst} {' '.join(filter(None, (number, unit)))}{at}", look("muted"))


def place_lines(alert: Alert, look: Look, width: int) -> list[Line]:
    """Where the rule comes from, how long it waits, what it does and whom it tells."""
    kind = alert.rule.partition(":")[0]
    source = {
        "threshold": "a threshold of the metric catalogue",
        "collection": "the collection of a metric",
        "probe": "the probe of a component",
    }.get(kind, "the alert rules")
    parts = [f"{alert.rule} ({alert.type})", f"from {source}"]
    parts.append(f"for {span_words(alert.for_s)}" if alert.for_s else "fires at once")
    if alert.keep_firing_s:
        parts.append(f"keeps firing {span_words(alert.keep_firing_s)}")
    does = [alert.action.replace("_", " ")]
    if alert.channels:
        does.append(f"tells {', '.join(alert.channels)}")
    if alert.runbook:
        does.append(f"runbook {alert.runbook}")
    lines = _LABELS.text("place", ", ".join(parts), look, width, role="muted")
    return lines + _LABELS.lines("does", [cells(", ".join(does), look("muted"))], look)


def history_entries(
    changes: Sequence[AlertChange], specs: Mapping[str, MetricSpec], alert: Alert, look: Look, *, narrow: bool
) -> list[Entry]:
    """Newest first: when, what became of it, the value at that moment, what was said and by whom."""
    spec = spec_of(alert, specs)
    entries: list[Entry] = []
    for i, change in enumerate(changes):
        glyph, role, word = _KINDS.get(change.kind, ("info", "muted", change.kind))
        if change.kind == Phase.FIRING:
            role = severity_state(alert.severity).role
        value = "" if change.value is None else fmt.metric(spec, change.value)
        who = change.actor if change.kind in _BY_PEOPLE else ""
        said = ", ".join(part for part in (who, change.text) if part)
        row: list[Cells] = [
            cells(fmt.clock(change.at, seconds=not narrow), look("muted")),
            cells(look.glyphs[glyph], look(role)),
            cells(word, look("text")),
        ]
        if narrow:
            said = ", ".join(part for part in (said, value) if part)
        else:
            row.append(cells(value, look("text")))
        row.append(cells(said, look("muted")))
        entries.append(Row(str(i), tuple(row)))
    return entries
