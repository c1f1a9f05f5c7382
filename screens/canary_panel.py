"""The panel of a release that is watched: its figures beside those before it, and the course of the one that tells."""

from collections.abc import Iterable
from datetime import datetime

from textual.containers import Vertical
from textual.widget import Widget

from console.domain.action import Action
from console.domain.canary import Comparison
from console.domain.metric import Series
from console.domain.snapshot import Snapshot
from console.query import Query
from screens.deploy_rows import comparison_chart, comparison_lines, plotted
from widgets.fact_list import FactList
from widgets.look import Look
from widgets.panel import set_subtitle, set_title
from widgets.plot import Plot

_FEWEST_POINTS = 8
_POINTS = 60


class CanaryPanel(Vertical):
    """`-plotted` gives the plot its place."""

    DEFAULT_CSS = """
    CanaryPanel { height: auto; }
    CanaryPanel #canary-facts { height: 4; }
    CanaryPanel #canary-plot { display: none; height: 7; }
    CanaryPanel.-plotted #canary-plot { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(id="canary", classes="panel")
        self.series: Series | None = None

    def compose(self) -> Iterable[Widget]:
        yield FactList(id="canary-facts")
        yield Plot(id="canary-plot", classes="inner")

    def on_mount(self) -> None:
        set_title(self, "Canary against before")

    async def read(self, query: Query, seen: Comparison, now: datetime, tick_s: float) -> None:
        """The course that is plotted. Raises StoreAway."""
        name, end = plotted(seen), min(now, seen.until)
        # As long before as it is watched, so that a change is seen.
        span = (end - seen.since) + (seen.until - seen.since)
        # A point for each tick: more would have holes between them.
        points = min(max(int(span.total_seconds() / tick_s), _FEWEST_POINTS), _POINTS)
        self.series = (await query.series([name], span, points, ago=now - end))[name]

    def draw(
        self,
        seen: Comparison,
        action: Action,
        snapshot: Snapshot,
        look: Look,
        now: datetime,
        *,
        compact: bool,
        plots: bool,
        known: bool,
    ) -> None:
        """`plots`: there is room for the course; `known`: what was read is that of this action."""
        specs, name = snapshot.metrics.specs, plotted(seen)
        lines = comparison_lines(seen, specs, look, now, action.ended_at)
        if compact and seen.rows:
            lines = [line for line in lines if line[0]][: max(len(lines) - 1, 1)]
        facts, plot = self.query_one("#canary-facts", FactList), self.query_one("#canary-plot", Plot)
        facts.styles.height = len(lines)
        facts.show(lines)
        series = self.series if known else None
        chart = comparison_chart(seen, series, specs.get(name), action.target, plot.ticks)
        self.set_class(plots, "-plotted")
        plot.show(chart)
        set_subtitle(self, name.replace("_", " ") if chart is not None and plots else "")
