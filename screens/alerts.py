"""4 Alerts: what fires, who is on it, what is quiet and why; and what may be done about it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from console.domain.alert import Alert, Silence
from console.domain.errors import TradexError
from screens import alert_filter
from screens.alert_acting import ActingScreen
from screens.alert_panel import AlertPanel
from screens.alert_past import AlertPast
from screens.alert_plot import alert_chart, window_index
from screens.alert_reading import (
    HOURS,
    AlertReading,
    fired_bars,
    fired_words,
    has_numbers,
    read_alert,
    standing,
)
from screens.alert_rows import (
    COLUMNS,
    COLUMNS_COMPACT,
    FOLD,
    SORTS,
    Scene,
    alert_entries,
    alert_row,
    spec_of,
)
from screens.base import EVERYTHING, Layout
from screens.silence_rows import SILENCE_COLUMNS, silence_entries
from screens.window import LIVE, WINDOWS
from widgets.bars import Bars
from widgets.field import FilterField
from widgets.live_table import Deferred, LiveTable, Row
from widgets.mark_table import MarkTable
from widgets.panel import set_subtitle, set_title

_STAY_S = 0.2
"""How long the cursor stays before what is behind its row is read: whoever scrolls by asks nothing."""
_FIRED_EVERY = timedelta(seconds=5)
_MOST_SILENCES = 4
_MOST_COMPACT = 7


class AlertsScreen(ActingScreen):
    """The list; beside it the alert under the cursor, what changed before it, its history; below it when alerts
    fired, and the silences in force."""

    NUMBER = 4
    AUTO_FOCUS: ClassVar[str | None] = "#alerts"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", id="alerts.filter"),
        Binding("o", "sort", "sort", id="alerts.sort"),
        Binding("s", "silences", "silences", id="alerts.silences"),
        Binding("i", "open_incident", "incident", id="screen.incident"),
        Binding("r", "app.refresh", "refresh", show=False, id="alerts.refresh"),
        Binding("escape", "back", "back", show=False, id="alerts.back"),
        Binding("down", "move(1)", "select", show=False, id="alerts.down"),
        Binding("up", "move(-1)", "select", show=False, id="alerts.up"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._sort = SORTS[0]
        self._wanted: Sequence[alert_filter.Term] = ()
        self._unfiltered: str | None = None
        self._unfolded = False
        self._by_key: dict[str, Alert] = {}
        self._entries: dict[int, tuple[Alert, Deferred]] = {}
        self._fired: tuple[int, datetime | None] = (0, None)
        self._scene: Scene | None = None
        self._reading: AlertReading | None = None
        self._read_of: tuple[object, ...] | None = None
        self._read_at: datetime | None = None
        self._timer: Timer | None = None
        self._fired_of: tuple[object, ...] | None = None
        self._fired_at: datetime | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="columns"):
            with Vertical(id="left"):
                hint = "words, state:firing, severity:critical, !word"
                yield FilterField(id="filter", placeholder=hint)
                yield MarkTable(id="alerts", empty="", follow=True)
                yield Bars(id="fired", empty=f"no alert fired in {HOURS} h")
                yield LiveTable(id="silences", empty="no silence is in force")
            with Container(id="right"):
                yield AlertPanel(id="detail")
                yield AlertPast(id="around")

    def on_mount(self) -> None:
        for name, title in (
            ("alerts", "Alerts"),
            ("fired", "Fired per hour"),
            ("silences", "Silences"),
        ):
            set_title(self.query_one(f"#{name}"), title)
        self._list.on_cursor = self._moved

    @property
    def _list(self) -> MarkTable:
        return self.query_one("#alerts", MarkTable)

    def _table(self, name: str) -> LiveTable:
        return self.query_one(f"#{name}", LiveTable)

    @property
    def selected(self) -> Alert | None:
        """The alert under the cursor."""
        return self._by_key.get(self._list.selected or "")

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self._scene = self.scene
        if "alerts" in changed:
            self._by_key = {str(a.id): a for a in self.snapshot.alerts}
            self._entries = {a.id: e for a in self.snapshot.alerts if (e := self._entries.get(a.id))}
            fired = [a.fired_at for a in self.snapshot.alerts if a.fired_at is not None]
            self._fired = (len(fired), max(fired, default=None))
            self.settle()
        if changed & {"alerts", "link"} or (self._wanted and "metrics" in changed):
            self._draw_list()
        elif changed & {"silences", "metrics", "agent"}:
            # The same alerts in the same order: only what is seen of them is drawn.
            self._list.redraw()
            self._draw_words()
        if changed & {"alerts", "silences", "metrics", "link", "agent"}:
            self._draw_silences()
        if changed & {"trends", "metrics"} and self._reading is not None:
            self._draw_plot()
        if "events" in changed and self.arrangement is Layout.WIDE:
            self.query_one(AlertPast).show_events(self.snapshot.events, self.look)
        if changed == EVERYTHING:
            self._draw_reading()
        self._follow()

    def update_ages(self) -> None:
        self.settle()
        self._scene = self.scene
        self._list.redraw()
        self._draw_words()
        self._draw_silences()
        self._follow()

    def acted(self) -> None:
        self._scene = self.scene
        self._list.redraw()

    def _row(self, alert: Alert) -> Row:
        return alert_row(alert, self._scene or self.scene)

    def _entry(self, alert: Alert) -> Deferred:
        """The alert's row, the same one as long as the alert is the same: thousands are listed with each tick."""
        known = self._entries.get(alert.id)
        if known is None or known[0] is not alert:
            known = alert, Deferred(str(alert.id), lambda: self._row(alert))
            self._entries[alert.id] = known
        return known[1]

    def _draw_list(self) -> None:
        compact = self.arrangement is Layout.COMPACT
        entries = alert_entries(
            self.snapshot.alerts,
            self._entry,
            self.look,
            self.snapshot.metrics.specs,
            sort=self._sort,
            wanted=self._wanted,
            unfolded=self._unfolded,
            compact=compact,
        )
        if self._wanted and self.snapshot.alerts:
            empty = "no alert matches"
        else:
            empty = "no alert has fired today" if self.snapshot.link.environment else ""
        self._list.show(COLUMNS_COMPACT if compact else COLUMNS, entries, empty=empty)
        # Without room for both the detail below keeps more than half.
        short = compact and self.snapshot.alerts
        self._list.styles.height = min(max(len(entries), 1), _MOST_COMPACT) + 3 if short else "1fr"
        self.set_class(not self.snapshot.alerts, "-empty")
        self._draw_place()
        self._draw_words()

    def _draw_place(self) -> None:
        table = self._list
        total = len(table.keys)
        words = [f"{len(table.marked)} marked"] if table.marked else []
        if total:
            words.append(f"{(table.place or 0) + 1} of {total}")
            words.append(f"sorted by {self._sort}")
        set_subtitle(table, ", ".join(words))

    def _draw_words(self) -> None:
        if self._scene is not None:
            self.query_one(AlertPanel).show_words(self.selected, self._scene, self.snapshot.silences)

    def _draw_silences(self) -> None:
        table, silences = self._table("silences"), self.snapshot.silences
        table.show(SILENCE_COLUMNS, silence_entries(silences, self.look, self.now, greyed=self.greyed))
        set_subtitle(table, f"{len(silences)} in force" if silences else "")
        self.set_class(bool(silences), "-quietened")
        if not silences and self.has_class("-silences"):
            self._leave_silences()
        compact = self.arrangement is Layout.COMPACT
        table.styles.height = "1fr" if compact else min(max(len(silences), 1), _MOST_SILENCES) + 3

    def _draw_plot(self) -> None:
        alert = self.selected
        panel = self.query_one(AlertPanel)
        if alert is None or self._reading is None or not has_numbers(alert):
            panel.show_plot(None)
            return
        series = self._reading.series
        if window_index(alert, self.now) == LIVE:
            series = self.snapshot.trends.get(alert.metric or "")
        spec = spec_of(alert, self.snapshot.metrics.specs)
        panel.show_plot(alert_chart(alert, spec, series, ticks=panel.plot.ticks, greyed=self.greyed))

    def _draw_reading(self) -> None:
        """The plot, what changed before, and the history: what was read for the alert under the cursor."""
        alert, reading = self.selected, self._reading
        self.set_class(alert is not None and not has_numbers(alert), "-state")
        specs = self.snapshot.metrics.specs
        self.query_one(AlertPast).show(alert, reading, specs, self.look, self.arrangement)
        self._draw_plot()

    # Reading

    def _follow(self) -> None:
        """Read again what has changed about the alert under the cursor, and when alerts fired."""
        alert = self.selected
        if alert is not None and standing(alert) != self._read_of:
            self._read_soon()
        elif alert is not None and self._read_at is not None:
            window = WINDOWS[window_index(alert, self.now)]
            step = timedelta(seconds=max(window.step_s, self.snapshot.agent.tick_s))
            if window is not WINDOWS[LIVE] and self.now - self._read_at >= step:
                self._read_soon()
        self._follow_fired()

    def _read_soon(self) -> None:
        alert = self.selected
        if self._read_of is None or alert is None or self._read_of[0] != alert.id:
            # Another alert's past must not stand beside this one.
            self._reading = self._read_of = None
            self._draw_reading()
        if alert is None:
            return
        self._read_of, self._read_at = standing(alert), self.now
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_STAY_S, self._begin_reading)

    def _begin_reading(self) -> None:
        alert = self.selected
        if alert is not None:
            self.run_worker(self._read(alert), group="alert", exclusive=True, exit_on_error=False)

    async def _read(self, alert: Alert) -> None:
        try:
            reading = await read_alert(self.feed, alert, window_index(alert, self.now))
        except TradexError as error:
            self._read_of = None
            self.say(f"the past of {alert.rule} could not be read: {error}", role="crit", glyph="crit")
            return
        selected = self.selected
        if self.is_attached and selected is not None and selected.id == alert.id:
            self._reading = reading
            self._draw_reading()

    def _follow_fired(self) -> None:
        now = self.now
        of = (now.replace(minute=0, second=0, microsecond=0), *self._fired)
        soon = self._fired_at is not None and now - self._fired_at < _FIRED_EVERY
        if of == self._fired_of or soon or self.snapshot.link.away is not None:
            return
        self._fired_of, self._fired_at = of, now
        self.run_worker(self._read_fired(), group="fired", exclusive=True, exit_on_error=False)

    async def _read_fired(self) -> None:
        try:
            fired = await self.feed.query.fired_per_hour(HOURS)
        except TradexError:
            # The bars that were read stay; the notice above says that the store is away.
            self._fired_of = None
            return
        if self.is_attached:
            bars = fired_bars(fired, self.feed)
            self.query_one(Bars).show(bars, stale=self.greyed)
            set_subtitle(self.query_one(Bars), fired_words(bars))

    # Selecting

    def _moved(self) -> None:
        """The cursor of the list is on another row."""
        self._draw_place()
        self._draw_words()
        self._read_soon()

    def on_mark_table_marked(self, event: MarkTable.Marked) -> None:
        self._draw_place()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        if event.table.id == "silences":
            self.action_end_silence()
        elif event.key == FOLD:
            self._unfolded = not self._unfolded
            self._draw_list()
        elif (alert := self.selected) is not None:
            # Imported when somebody looks closer: the list is full sooner without.
            from screens.alert_detail import AlertDetail

            self.app.push_screen(AlertDetail(alert, number=self.number))

    def targets(self) -> Sequence[Alert]:
        keys = self._list.marked or [self._list.selected or ""]
        return [self._by_key[key] for key in keys if key in self._by_key]

    def silence_in_view(self) -> Silence | None:
        table = self._table("silences")
        if table.has_focus:
            return next((s for s in self.snapshot.silences if str(s.id) == table.selected), None)
        return super().silence_in_view()

    # Keys

    def aim(self, *, silences: bool = False) -> LiveTable | None:
        table = self._table("silences")
        if silences and table.has_focus:
            return table
        # Marks go with their rows, and the cursor doesn't matter while there are any.
        return None if self._list.marked else self._list

    def begun(self) -> None:
        self._unmark()

    def _unmark(self) -> None:
        self._list.clear_marks()
        self._draw_place()

    def action_sort(self) -> None:
        """By severity, by age, by name."""
        self._sort = SORTS[(SORTS.index(self._sort) + 1) % len(SORTS)]
        self._draw_list()

    def action_filter(self) -> None:
        self._unfiltered = self._list.selected
        self.query_one(FilterField).open()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._wanted = alert_filter.terms(event.value)
        self._draw_list()
        # Half a word may leave out what the whole one finds: the cursor comes back to where it was.
        keys = self._list.keys
        if keys:
            self._list.select(self._unfiltered if self._unfiltered in keys else keys[0])
        # Whoever types moves the cursor.
        self._list.handed_on = None

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.query_one(FilterField).keep(self._list)

    def action_move(self, step: int) -> None:
        self._list.action_cursor(step)

    def action_silences(self) -> None:
        """The silences in force; again: back to the list."""
        table = self._table("silences")
        if table.has_focus:
            self._leave_silences()
        elif not self.snapshot.silences:
            self.say("no silence is in force; z silences what is selected")
        else:
            self.add_class("-silences")
            table.focus()

    def _leave_silences(self) -> None:
        self._list.focus()
        self.remove_class("-silences")

    def action_back(self) -> None:
        """First out of the silences, then the filter is emptied, then the marks go."""
        if self._table("silences").has_focus:
            self._leave_silences()
        elif not self.query_one(FilterField).drop(self._list):
            self._unmark()
