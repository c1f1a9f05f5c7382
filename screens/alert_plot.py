"""An alert's value over time against what it is compared with. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from console.domain.alert import Alert
from console.domain.event import Event
from console.domain.metric import MetricSpec, Series
from screens.window import LIVE, WINDOWS
from widgets.plot import Chart, Curve, Marker
from widgets.scale import axis
from widgets.states import severity_state

_MARGIN = 1.2
"""How much more than the time since it turned bad a plot shows, so that what was before is seen."""


def window_index(alert: Alert, now: datetime) -> int:
    """The shortest window, from the live one up, that holds the moment at which it turned bad."""
    wanted = (now - alert.pending_at) * _MARGIN
    return next((i for i, w in enumerate(WINDOWS) if i >= LIVE and w.span >= wanted), len(WINDOWS) - 1)


def alert_chart(
    alert: Alert,
    spec: MetricSpec,
    series: Series | None,
    *,
    ticks: int,
    greyed: bool,
    events: Sequence[Event] = (),
    earlier: Series | None = None,
) -> Chart | None:
    """The series with the limit, and markers for when it fired and resolved and for `events`; None without one.

    `earlier` is the same time yesterday, drawn behind it.
    """
    if series is None or not series.values:
        return None
    limit = alert.limit
    before = earlier.values if earlier is not None else ()
    y = axis(
        (*series.values, *before),
        limit=limit,
        decimals=spec.decimals,
        ticks=ticks,
        ceiling=100.0 if spec.unit in ("%", "score") else None,
        zoom=0.3,
    )
    markers = [Marker(event.at, event.subject) for event in events]
    markers += [
        Marker(at, word) for at, word in ((alert.fired_at, "fired"), (alert.resolved_at, "resolved")) if at
    ]
    curves = [Curve("stale" if greyed else "s3", series.values, over=not greyed)]
    if before:
        curves.insert(0, Curve("s1", before))
    return Chart(
        curves=tuple(curves),
        start=series.start,
        end=series.start + timedelta(seconds=series.step_s * max(len(series.values) - 1, 1)),
        y=y,
        limit=limit,
        limit_role=severity_state(alert.severity).role,
        floor=alert.low,
        markers=tuple(markers),
    )
