"""What is read on demand about one alert, and how it is shown in the panels around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from console.domain.alert import Alert, AlertChange
from console.domain.event import Event, Severity
from console.domain.metric import Series
from console.feed import Feed
from console.query import FiredPerHour
from screens.window import LIVE, WINDOWS
from widgets.bars import Bar

BEFORE = timedelta(minutes=30)
"""How far back what changed is looked for; on a scaled clock a share of it."""
HOURS = 24
_HISTORY = 50
_ROLES = ((Severity.CRITICAL, "crit"), (Severity.WARNING, "warn"), (Severity.INFO, "info"))


@dataclass(frozen=True, slots=True)
class AlertReading:
    """The past of one alert: `series` is None where its window is the live one, or it has no numbers."""

    history: Sequence[AlertChange] = ()
    changes: Sequence[Event] = ()
    series: Series | None = None


def has_numbers(alert: Alert) -> bool:
    """Whether its metric can be plotted: a state can't."""
    return alert.metric is not None and alert.unit != "state"


def standing(alert: Alert) -> tuple[object, ...]:
    """What a new entry of its history comes with; a new value alone writes none."""
    return (
        alert.id,
        alert.phase,
        alert.severity,
        alert.stale,
        alert.acknowledged_by,
        alert.silence,
        alert.inhibited_by,
        alert.flaps,
    )


async def read_alert(feed: Feed, alert: Alert, window: int) -> AlertReading:
    """Ask the store. Raises StoreAway."""
    query, snapshot = feed.query, feed.snapshot
    before = BEFORE / max(snapshot.link.time_scale, 1.0)
    history = await query.alert_history(alert.id, limit=_HISTORY)
    changes = await query.changes_before(alert.pending_at, before, but=alert.rule)
    series = None
    if window != LIVE and alert.metric is not None and has_numbers(alert):
        span = WINDOWS[window]
        points = span.points(snapshot.agent.tick_s)
        series = (await query.series([alert.metric], span.span, points)).get(alert.metric)
    return AlertReading(history, changes, series)


def fired_bars(fired: FiredPerHour, feed: Feed) -> tuple[Bar, ...]:
    """One bar for each of the last HOURS hours, the present one last."""
    hour = feed.now().replace(minute=0, second=0, microsecond=0)
    found = {(at, severity): count for at, severity, count in fired}
    bars = []
    for i in range(HOURS - 1, -1, -1):
        at = hour - timedelta(hours=i)
        parts = tuple((role, found.get((at, severity), 0)) for severity, role in _ROLES)
        bars.append(Bar(f"{at:%H}", tuple((role, count) for role, count in parts if count)))
    return tuple(bars)


def fired_words(bars: Sequence[Bar]) -> str:
    """`24 h: 3 crit, 20 warn`."""
    counts = {role: sum(n for bar in bars for r, n in bar.parts if r == role) for _, role in _ROLES}
    words = ", ".join(f"{count} {role}" for role, count in counts.items() if count)
    return f"{HOURS} h: {words}" if words else ""
