"""2 Metrics: the figures of operation over a window of time, and the way to every metric of the catalogue."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from screens.base import Layout
from screens.catalogue import Catalogue
from screens.catalogue_rows import CATALOGUE_COLUMNS, catalogue_entries
from screens.latency_panel import LATENCIES, LatencyPanel
from screens.metric_detail import MetricDetail
from screens.metric_tiles import MORE, MORE_COLUMNS, TILES, area_facts, metric_tiles, more_entries
from screens.window import WindowBar, WindowedScreen
from widgets.area_chart import AreaChart
from widgets.live_table import LiveTable
from widgets.opened import Opened
from widgets.panel import set_subtitle, set_title
from widgets.tile import MeterTile
from widgets.tile_grid import TileGrid

AREAS = (
    ("throughput", "Throughput", "orders_per_second", "orders/s"),
    ("errors", "Error rate", "error_rate", "%"),
    ("websocket", "WebSocket", "websocket_connections", "connections"),
)


class MetricsScreen(WindowedScreen):
    """Window, six tiles, latency, three areas; five rows instead of the areas where there is no room."""

    NUMBER = 2
    AUTO_FOCUS: ClassVar[str | None] = "#latency"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus", "zoom", "zoom plot", key_display="+", id="metrics.zoom"),
        Binding("L", "log", "log scale", id="metrics.log"),
        Binding("slash", "catalogue", "all metrics", id="metrics.catalogue"),
        Binding("r", "app.refresh", "refresh", show=False, id="metrics.refresh"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._log = False

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield WindowBar()
            with Horizontal(id="tiles"):
                for i, _ in enumerate(TILES):
                    yield MeterTile(id=f"tile-{i}")
            yield TileGrid(id="tile-grid")
            with Horizontal(id="columns"):
                with Vertical(id="main"):
                    yield LatencyPanel(id="latency")
                    with Horizontal(id="areas"):
                        for name, _, _, _ in AREAS:
                            yield AreaChart(id=name)
                    yield LiveTable(id="more", header=False, empty="no metric was read yet")
                yield LiveTable(id="catalogue", header=False, empty="no metric was read yet")

    def on_mount(self) -> None:
        set_title(self.query_one("#latency"), "Latency")
        set_title(self.query_one("#more"), "More")
        set_title(self.query_one("#catalogue"), "All metrics")
        for name, title, _, _ in AREAS:
            set_title(self.query_one(f"#{name}"), title)

    def series_names(self) -> Sequence[str]:
        shown = [name for _, name, _ in LATENCIES] + [metric for _, _, metric, _ in AREAS]
        return [*shown, *(name for _, name in MORE if name not in shown)]

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        super().update(changed)
        if not changed & {"metrics", "link", "agent", "trends", "alerts"}:
            return
        self._draw_tiles()
        if self.arrangement is Layout.WIDE:
            table = self.query_one("#catalogue", LiveTable)
            entries = catalogue_entries(self.snapshot, self.look, greyed=self.greyed)
            table.show(CATALOGUE_COLUMNS, entries)
            set_subtitle(table, f"{len(self.snapshot.metrics.specs)} metrics" if entries else "")

    def _draw_tiles(self) -> None:
        tiles = metric_tiles(self.snapshot, self.look, greyed=self.greyed)
        if self.arrangement is Layout.COMPACT:
            self.query_one(TileGrid).show(tiles)
            return
        for i, facts in enumerate(tiles):
            self.query_one(f"#tile-{i}", MeterTile).show(facts)

    def draw_series(self) -> None:
        compact = self.arrangement is Layout.COMPACT
        start, end = self.bounds
        self.query_one(WindowBar).show(self.window_index, self.bar_parts())
        self.query_one(LatencyPanel).draw(
            self.snapshot,
            self.series,
            self.earlier if self.compare else {},
            start,
            end,
            log=self._log,
            greyed=self.greyed,
        )
        if compact:
            entries = more_entries(
                self.snapshot, self.series, self.look, self.app.size.width - 2, greyed=self.greyed
            )
            self.query_one("#more", LiveTable).show(MORE_COLUMNS, entries)
            return
        for name, _, metric, unit in AREAS:
            facts = area_facts(
                metric,
                unit,
                self.snapshot,
                self.series,
                self.earlier,
                start,
                end,
                self.look,
                greyed=self.greyed,
            )
            self.query_one(f"#{name}", AreaChart).show(facts)

    # Keys

    def action_zoom(self) -> None:
        """The latency plot alone, or with the rest."""
        self.toggle_class("-zoom")
        # There are other panels now, or none.
        self.call_after_refresh(self.refresh_bindings)

    def action_log(self) -> None:
        """Logarithmic or linear."""
        self._log = not self._log
        self.draw_series()

    def action_catalogue(self) -> None:
        """Every metric there is."""
        self.app.push_screen(Catalogue(number=self.number, window=self.window_index))

    def on_latency_panel_picked(self, event: LatencyPanel.Picked) -> None:
        self.draw_series()

    def on_opened(self, event: Opened) -> None:
        metric = next((m for name, _, m, _ in AREAS if name == event.panel.id), None)
        if isinstance(event.panel, LatencyPanel):
            metric = event.panel.picked or "p95_execution_time"
        if metric is not None:
            self._open(metric)

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        self._open(event.key)

    def _open(self, metric: str) -> None:
        self.app.push_screen(MetricDetail(metric, number=self.number, window=self.window_index))
