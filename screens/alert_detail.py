"""One alert at full size: its rule, why it is true, its value with what changed around it, its history, what the
agent found out. Enter goes deeper, to the diagnosis."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain.alert import Alert
from console.domain.diagnosis import Diagnosis
from console.domain.errors import TradexError
from screens.alert_acting import ActingScreen
from screens.alert_facts import (
    HISTORY_COLUMNS,
    HISTORY_COLUMNS_NARROW,
    Line,
    chain_line,
    head_line,
    history_entries,
    place_lines,
    quiet_lines,
    rule_lines,
    value_line,
    why_lines,
)
from screens.alert_plot import alert_chart, window_index
from screens.alert_reading import AlertReading, has_numbers, read_alert, standing
from screens.alert_rows import Scene, spec_of
from screens.base import Layout
from screens.diagnosis_preview import PREVIEW_COLUMNS, preview_entries
from screens.timeline import event_columns, event_entries
from screens.window import LIVE, WindowBar, WindowedScreen
from widgets.cells import cells
from widgets.fact_list import FactList
from widgets.live_table import LiveTable
from widgets.opened import Opened
from widgets.panel import set_subtitle, set_title
from widgets.plot import ChartPanel

_MARKED = 3
"""How many of the likeliest causes are marked in the plot: more would hide each other."""


class AlertDetail(ActingScreen, WindowedScreen):
    """Opened from the list of alerts; `alert` is followed while it is known."""

    TITLE: ClassVar[str | None] = "Alert"
    AUTO_FOCUS: ClassVar[str | None] = "#plot"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
        Binding("r", "app.refresh", "refresh", show=False, id="detail.refresh"),
    ]

    def __init__(self, alert: Alert, *, number: int) -> None:
        super().__init__(number=number)
        self.alert = alert
        self._reading: AlertReading | None = None
        self._diagnosis: Diagnosis | None = None
        self._read_of: tuple[object, ...] | None = None
        self._unwatch: Callable[[], None] | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield FactList(id="words")
            yield WindowBar()
            yield ChartPanel(id="plot")
            with Horizontal(id="about"):
                yield LiveTable(id="diagnosis", header=False)
                yield LiveTable(id="changes", header=False, empty="")
                yield LiveTable(id="history", header=False, empty="")

    def on_mount(self) -> None:
        for name, title in (
            ("diagnosis", "Diagnosis"),
            ("changes", "Changed before, likeliest first"),
            ("history", "History"),
        ):
            set_title(self.query_one(f"#{name}"), title)
        self.window_index = window_index(self.alert, self.now)
        self._unwatch = self.feed.watch("diagnosis", self._reread)
        numbers = has_numbers(self.alert)
        self.set_class(not numbers, "-state")
        if not numbers:
            self.query_one("#history", LiveTable).focus()

    def on_unmount(self) -> None:
        if self._unwatch is not None:
            self._unwatch()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a plot there is no window to choose."""
        return has_numbers(self.alert) or action not in ("window", "cycle_window", "compare")

    def series_names(self) -> Sequence[str]:
        return [self.alert.metric] if self.alert.metric is not None and has_numbers(self.alert) else []

    def targets(self) -> Sequence[Alert]:
        return [self.alert]

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        if "alerts" in changed:
            self.alert = next((a for a in self.snapshot.alerts if a.id == self.alert.id), self.alert)
            self.settle()
        super().update(changed)
        self._draw_words()
        self._draw_reading()
        if standing(self.alert) != self._read_of:
            self._reread()

    def update_ages(self) -> None:
        self.settle()
        self._draw_words()

    def acted(self) -> None:
        self._draw_words()

    def _draw_words(self) -> None:
        words = self.query_one("#words", FactList)
        width = words.content_size.width
        if not width:
            return
        lines = self._lines(self.scene, width)
        words.styles.height = len(lines)
        words.show(lines)

    def _lines(self, scene: Scene, width: int) -> list[Line]:
        alert, look = self.alert, scene.look
        lines = [head_line(alert, scene)]
        lines += rule_lines(alert, look, width, most=1 if scene.compact else 3)
        lines += why_lines(alert, look, width)
        if not scene.compact:
            lines += place_lines(alert, look, width)
        lines += quiet_lines(alert, self.snapshot.silences, scene.now, look)
        state, _ = chain_line(alert, look, scene.now, width)
        doing = self.acting.get(alert.id, "")
        lines.append((state, cells(doing, look("accent"))))
        if not has_numbers(alert):
            lines.append(value_line(alert, scene))
        return lines

    def draw_series(self) -> None:
        plot, scene = self.query_one("#plot", ChartPanel), self.scene
        self.query_one(WindowBar).show(self.window_index, self.bar_parts())
        set_title(plot, f"Last {self.window.name}")
        name = self.alert.metric or ""
        series = self.series.get(name)
        events = () if self._reading is None else self._reading.changes[:_MARKED]
        spec = spec_of(self.alert, scene.specs)
        chart = alert_chart(
            self.alert,
            spec,
            series,
            ticks=plot.ticks,
            greyed=self.greyed,
            events=events,
            earlier=self.earlier.get(name) if self.compare else None,
        )
        left, right = value_line(self.alert, scene)
        plot.show(chart, head=left, fact=right)

    def _draw_reading(self) -> None:
        reading = self._reading
        narrow = self.arrangement is not Layout.WIDE
        self.set_class(self._diagnosis is not None, "-diagnosed")
        diagnosis, changes, history = (
            self.query_one(f"#{name}", LiveTable) for name in ("diagnosis", "changes", "history")
        )
        if self._diagnosis is not None:
            diagnosis.show(PREVIEW_COLUMNS, preview_entries(self._diagnosis, self.look))
            set_subtitle(diagnosis, f"{self._diagnosis.kind}, enter goes deeper")
        if reading is None:
            return
        changes.show(
            event_columns(seconds=not narrow),
            event_entries(reading.changes, self.look, seconds=not narrow),
            empty="nothing in the half hour before",
        )
        history.show(
            HISTORY_COLUMNS_NARROW if narrow else HISTORY_COLUMNS,
            history_entries(
                reading.history, self.snapshot.metrics.specs, self.alert, self.look, narrow=narrow
            ),
            empty="nothing was written about it",
        )

    # Reading

    def _reread(self) -> None:
        self._read_of = standing(self.alert)
        self.run_worker(self._read_past(), group="alert", exclusive=True, exit_on_error=False)

    async def _read_past(self) -> None:
        alert = self.alert
        try:
            reading = await read_alert(self.feed, alert, LIVE)
            diagnosis = await self.feed.query.diagnosis(alert.id)
        except TradexError as error:
            self._read_of = None
            self.say(f"the past could not be read: {error}", role="crit", glyph="crit")
            return
        if self.is_attached:
            self._reading, self._diagnosis = reading, diagnosis
            self.draw_series()
            self._draw_reading()

    # Going deeper

    def on_opened(self, event: Opened) -> None:
        self._go_deeper()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        self._go_deeper()

    def _go_deeper(self) -> None:
        from screens.diagnosis import DiagnosisScreen

        self.app.push_screen(DiagnosisScreen(self.alert, number=self.number))
