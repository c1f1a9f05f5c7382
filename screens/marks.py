"""Which open alert marks what it is about, a component or a metric, and how the mark looks. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.segment import Segment

from console.domain import format as fmt
from console.domain.alert import Alert, AlertState, Phase
from console.domain.metric import MetricSpec
from console.domain.snapshot import Snapshot
from widgets.cells import Cells, cells, piece
from widgets.look import Look
from widgets.states import STALE, alert_state

_PROBE = "probe:"
_GENERATED = ("threshold", "collection", "probe")


def metric_marks(alerts: Iterable[Alert]) -> Mapping[str, Alert]:
    """By metric the first open alert on it, in the order in which they come; what another one explains marks
    nothing."""
    marks: dict[str, Alert] = {}
    for alert in alerts:
        if alert.metric is not None and alert.state not in (AlertState.INHIBITED, AlertState.RESOLVED):
            marks.setdefault(alert.metric, alert)
    return marks


def component_marks(snapshot: Snapshot) -> Mapping[str, Alert]:
    """By component the first alert that fires because of its probe or of what the probe measures."""
    marks: dict[str, Alert] = {}
    for alert in snapshot.alerts:
        if alert.phase is Phase.FIRING and alert.state is not AlertState.INHIBITED:
            component = component_of(alert, snapshot.metrics.specs)
            if component is not None:
                marks.setdefault(component, alert)
    return marks


def component_of(alert: Alert, specs: Mapping[str, MetricSpec]) -> str | None:
    """The component that an alert is about; None where it is about something else."""
    if alert.rule.startswith(_PROBE):
        return alert.rule.removeprefix(_PROBE)
    spec = specs.get(alert.metric or "")
    if spec is not None and spec.origin.startswith(_PROBE):
        return spec.origin.removeprefix(_PROBE)
    return None


def mark(alert: Alert, look: Look, *, greyed: bool) -> Segment:
    """One cell: `!` fires, `◉` somebody is on it, `◌` silenced. What is no longer the present loses its colour."""
    state = alert_state(alert)
    return piece(look.glyphs[state.glyph], look(STALE.role if greyed else state.role, bold=True))


def mark_words(alert: Alert, look: Look, *, greyed: bool) -> Cells:
    """`! firing`: the glyph is the first piece, so that it can stand alone."""
    state = STALE if greyed else alert_state(alert)
    return (
        piece(f"{look.glyphs[state.glyph]} ", look(state.role, bold=True)),
        piece(state.word, look(state.role)),
    )


def watching(
    alerts: Iterable[Alert], look: Look, now: datetime, *, label: int, greyed: bool
) -> list[tuple[Cells, Cells]]:
    """A line for each of them that is open: how it stands, which rule it is, for how long. `label` is how wide the
    labels are."""
    lines: list[tuple[Cells, Cells]] = []
    for alert in (a for a in alerts if a.state is not AlertState.RESOLVED):
        kind = alert.rule.partition(":")[0]
        left = (
            piece(f"{'alert':<{label}}", look("faint")),
            *mark_words(alert, look, greyed=greyed),
            piece(f" {kind if kind in _GENERATED else alert.rule}", look("text")),
        )
        lines.append((left, cells(fmt.age(now - alert.since), look("muted"))))
    return lines
