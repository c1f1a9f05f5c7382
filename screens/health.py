"""1 Health: is the platform well, and what is not."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget

from console.domain.alert import Alert
from screens.alert_acting import ActingScreen
from screens.base import EVERYTHING, Layout
from screens.components import (
    columns_of,
    component_entries,
    counts,
    group_of,
    health_by_name,
    listed,
    metric_of,
    state_of,
)
from screens.figures import RESOURCE_COLUMNS, resource_entries
from screens.marks import component_marks, metric_marks
from screens.open_alerts import columns_of as alert_columns
from screens.open_alerts import open_entries, open_row, open_words
from screens.timeline import event_columns, event_entries
from screens.verdict_line import VerdictLine
from screens.vitals import VITALS, vital_tiles
from widgets.live_table import LiveTable, Row
from widgets.panel import set_subtitle, set_title
from widgets.states import UNKNOWN
from widgets.tile import Tile, TileLine

if TYPE_CHECKING:
    from screens.component_panel import ComponentPanel

_MIN_LOWER, _MIN_LOWER_COMPACT = 8, 6
_MIN_EVENTS = 5
_IDLE_S = 2.0


class Shares(Vertical):
    """The column whose panels share its height; says when there is more or less of it."""

    class Changed(Message):
        """The column has another size."""

    def on_resize(self) -> None:
        self.post_message(self.Changed())


class HealthScreen(ActingScreen):
    """Verdict, vital figures, components, alerts, resources, events."""

    NUMBER = 1
    AUTO_FOCUS: ClassVar[str | None] = "#components"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "app.refresh", "refresh", id="health.refresh"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._panel: ComponentPanel | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield VerdictLine(id="verdict")
            with Horizontal(id="tiles"):
                for i, _ in enumerate(VITALS):
                    tile = Tile(id=f"tile-{i}")
                    tile.set_class(i >= 4, "wide-only")
                    yield tile
            yield TileLine(id="vitals")
            with Horizontal(id="columns"):
                with Shares(id="main"):
                    yield LiveTable(id="components", empty="no component was checked yet")
                    with Horizontal(id="lower"):
                        with Vertical(id="lower-left"):
                            yield LiveTable(id="alerts", empty="no rule was looked at yet")
                            yield LiveTable(
                                id="events", header=False, newest_first=True, empty="nothing happened yet"
                            )
                        yield LiveTable(id="resources", header=False, empty="")
                with Vertical(id="side"):
                    if self.arrangement is Layout.WIDE:
                        self._panel = self._new_panel()
                        yield self._panel
                    yield LiveTable(id="side-resources", header=False, empty="")

    def on_mount(self) -> None:
        for name, title in (
            ("components", "Components"),
            ("alerts", "Alerts"),
            ("events", "Events"),
            ("resources", "Resources"),
            ("side-resources", "Resources"),
        ):
            set_title(self._table(name), title)
        if self._panel is None:
            # With a panel its plot does this.
            self.set_timer(_IDLE_S, self._fetch_plots)

    def _fetch_plots(self) -> None:
        """Before anybody looks at a plot, but well after the first screen is full."""
        from widgets import plot

        self.run_worker(asyncio.to_thread(plot.load), group="plot-engine", exit_on_error=False)

    def _table(self, name: str) -> LiveTable:
        return self.query_one(f"#{name}", LiveTable)

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        if changed & {"health", "metrics", "link", "agent", "overall", "alerts"}:
            self._draw_verdict()
            self._draw_components()
        if changed & {"metrics", "trends", "link", "agent", "alerts"}:
            self._draw_figures()
            self._draw_alerts()
        if "alerts" in changed:
            self.settle()
        if "events" in changed or changed == EVERYTHING:
            self._draw_events()
        if changed & {"health", "metrics", "link", "agent", "overall", "alerts"}:
            self._arrange_heights()
            self._draw_selected()

    def update_ages(self) -> None:
        self._draw_verdict()
        self._draw_components()
        self.settle()
        self._table("alerts").redraw()
        self._draw_selected()

    def acted(self) -> None:
        self._table("alerts").redraw()

    def _draw_verdict(self) -> None:
        tally = counts(self.snapshot, self.now, greyed=self.greyed)
        self.query_one(VerdictLine).show(self.snapshot.overall, tally, greyed=self.greyed)

    def _draw_components(self) -> None:
        compact = self.arrangement is Layout.COMPACT
        entries = component_entries(self.snapshot, self.now, self.look, compact=compact, greyed=self.greyed)
        table = self._table("components")
        table.show(columns_of(compact), entries)
        checks = len(listed(self.snapshot))
        every = f"{self.snapshot.agent.tick_s:g} s"
        set_subtitle(table, f"{checks} checks, every {every}" if checks else "")

    def _draw_figures(self) -> None:
        compact = self.arrangement is Layout.COMPACT
        tiles = vital_tiles(self.snapshot, self.look, greyed=self.greyed)
        if compact:
            self.query_one(TileLine).show(tiles[:4])
        else:
            for i, facts in enumerate(tiles):
                self.query_one(f"#tile-{i}", Tile).show(facts)
        name = "side-resources" if self.arrangement is Layout.WIDE else "resources"
        if not compact:
            resources = self._table(name)
            width = resources.content_size.width
            entries = resource_entries(self.snapshot, self.look, width, greyed=self.greyed)
            resources.show(RESOURCE_COLUMNS, entries)

    def _draw_alerts(self) -> None:
        scene = self.scene
        table = self._table("alerts")
        entries = open_entries(self.snapshot, self._alert_row, scene)
        table.show(alert_columns(scene.compact), entries, header=not scene.compact)
        set_subtitle(table, open_words(self.snapshot))

    def _alert_row(self, alert: Alert) -> Row:
        return open_row(alert, self.scene)

    def _draw_events(self) -> None:
        self._table("events").show(
            event_columns(seconds=True), event_entries(self.snapshot.events, self.look)
        )

    def _draw_selected(self) -> None:
        if self.arrangement is not Layout.WIDE:
            return
        if self._panel is None:
            self.call_later(self._add_panel)
            return
        name = self._table("components").selected
        health = health_by_name(self.snapshot).get(name or "")
        state = UNKNOWN
        if health is not None:
            state = state_of(health, self.snapshot, self.now, greyed=self.greyed)
        spec = self.snapshot.metrics.specs.get(metric_of(name or ""))
        self._panel.show(health, state, spec, self.now, self.look)

    def _new_panel(self) -> "ComponentPanel":
        # Imported where there is room for it: it brings the plots along.
        from screens.component_panel import ComponentPanel

        return ComponentPanel(id="component")

    async def _add_panel(self) -> None:
        """There is room for it now, as there was not before."""
        if self._panel is None:
            panel = self._new_panel()
            await self.query_one("#side").mount(panel, before=0)
            self._panel = panel
        self._draw_selected()

    def _arrange_heights(self) -> None:
        """Components get what they need, the rest goes to alerts, then to events."""
        compact = self.arrangement is Layout.COMPACT
        main = self.query_one("#main").size.height
        if not main:
            return
        parts = listed(self.snapshot)
        groups = 0 if compact else len({group_of(p.check.component) for p in parts})
        wanted = max(len(parts), 1) + groups + 3
        least = _MIN_LOWER_COMPACT if compact else _MIN_LOWER
        upper = min(wanted, max(main - least, 5))
        self._table("components").styles.height = upper
        lower, alerts = main - upper, self._table("alerts")
        if compact:
            alerts.styles.height = lower
        else:
            alerts.styles.height = min(max(len(alerts.entries) + 3, 4), max(lower - _MIN_EVENTS, 4))

    def on_shares_changed(self, event: Shares.Changed) -> None:
        self._arrange_heights()

    # Going deeper

    def on_live_table_highlighted(self, event: LiveTable.Highlighted) -> None:
        if event.table.id == "components":
            self._draw_selected()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        match event.table.id:
            case "components":
                self._open_component(event.key)
            case "alerts" if (alert := self._alert(event.key)) is not None:
                self._open_alert(alert)
            case "alerts" | "resources" | "side-resources":
                self._open_metric(event.key)
            case "events":
                self._open_subject(event.key)

    def _open_subject(self, key: str) -> None:
        """What an event is about, if it is something that has details."""
        event = next((e for e in self.snapshot.events if str(e.id) == key), None)
        if event is None:
            return
        subject = event.subject
        # A rule fires again and again: the event belongs to the last time before it.
        alerts = [a for a in self.snapshot.alerts if a.rule == subject and a.pending_at <= event.at]
        if alerts:
            self._open_alert(max(alerts, key=lambda alert: alert.pending_at))
        elif subject in health_by_name(self.snapshot):
            self._open_component(subject)
        elif subject in self.snapshot.metrics.specs:
            self._open_metric(subject)

    def _alert(self, key: str) -> Alert | None:
        return next((a for a in self.snapshot.alerts if str(a.id) == key), None)

    def targets(self) -> Sequence[Alert]:
        """The selected alert; in another panel the one that marks the selected component or metric."""
        table = self.focused
        if not isinstance(table, LiveTable) or table.selected is None:
            return ()
        match table.id:
            case "alerts":
                found = self._alert(table.selected)
            case "components":
                found = component_marks(self.snapshot).get(table.selected)
            case "resources" | "side-resources":
                found = metric_marks(self.snapshot.alerts).get(table.selected)
            case _:
                found = None
        return () if found is None else (found,)

    def aim(self, *, silences: bool = False) -> LiveTable | None:
        table = self.focused
        return table if isinstance(table, LiveTable) else None

    # The details are imported when somebody looks at them: the first screen is full sooner without.

    def _open_alert(self, alert: Alert) -> None:
        from screens.alert_detail import AlertDetail

        self.app.push_screen(AlertDetail(alert, number=self.number))

    def _open_component(self, component: str) -> None:
        from screens.component_detail import ComponentDetail

        self.app.push_screen(ComponentDetail(component, number=self.number))

    def _open_metric(self, name: str) -> None:
        from screens.metric_detail import MetricDetail

        self.app.push_screen(MetricDetail(name, number=self.number))
