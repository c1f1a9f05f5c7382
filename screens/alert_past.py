"""What was before: what changed before an alert turned bad, and what it went through since; with room, the timeline."""

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from console.domain.alert import Alert
from console.domain.event import Event
from console.domain.metric import MetricSpec
from screens.alert_facts import HISTORY_COLUMNS_NARROW, history_entries
from screens.alert_reading import AlertReading, has_numbers
from screens.base import Layout
from screens.timeline import event_columns, event_entries
from widgets.live_table import LiveTable
from widgets.look import Look
from widgets.panel import set_title

_MOST_CHANGES, _MOST_HISTORY = 5, 8
_MOST_WIDE = 12


class AlertPast(Vertical):
    """Two or three panels that follow the cursor of the list; each as high as what it has to say."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._filled = False

    def compose(self) -> ComposeResult:
        yield LiveTable(id="changes", header=False, empty="")
        yield LiveTable(id="history", header=False, empty="")
        yield LiveTable(id="events", header=False, newest_first=True, empty="nothing happened yet")

    def on_mount(self) -> None:
        for name, title in (
            ("changes", "Changed before, likeliest first"),
            ("history", "History"),
            ("events", "Events"),
        ):
            set_title(self.query_one(f"#{name}"), title)

    def show(
        self,
        alert: Alert | None,
        reading: AlertReading | None,
        specs: Mapping[str, MetricSpec],
        look: Look,
        layout: Layout,
    ) -> None:
        """Draw what was read for `alert`; nothing while it is not read yet."""
        changes, history = (self.query_one(f"#{name}", LiveTable) for name in ("changes", "history"))
        wide = layout is Layout.WIDE
        read = alert is not None and reading is not None
        found = reading or AlertReading()
        changes.show(
            event_columns(seconds=True),
            event_entries(found.changes, look),
            empty="nothing in the half hour before" if read else "",
        )
        entries = [] if alert is None else history_entries(found.history, specs, alert, look, narrow=True)
        history.show(HISTORY_COLUMNS_NARROW, entries, empty="nothing was written about it" if read else "")
        if alert is None or reading is None:
            # What is not read yet does not move what stands beside it.
            if self._filled:
                history.styles.height = _rows((), _MOST_HISTORY)
                self._filled = False
            return
        changes.styles.height = _rows(found.changes, _MOST_WIDE if wide else _MOST_CHANGES)
        # Without a plot beside it, the history of its states takes the room.
        self._filled = not has_numbers(alert) and not wide
        height = _rows(found.history, _MOST_WIDE if wide else _MOST_HISTORY)
        history.styles.height = "1fr" if self._filled else height

    def show_events(self, events: Sequence[Event], look: Look) -> None:
        self.query_one("#events", LiveTable).show(event_columns(seconds=True), event_entries(events, look))


def _rows(entries: Sequence[object], most: int) -> int:
    return min(max(len(entries), 1), most) + 2
