"""The alert under the cursor close up: its rule, why it is true, its states, its value against the limit."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from console.domain.alert import Alert, Silence
from screens.alert_facts import (
    Line,
    chain_line,
    head_line,
    quiet_lines,
    rule_lines,
    value_line,
    why_lines,
)
from screens.alert_rows import Scene
from widgets.cells import EMPTY, cells
from widgets.fact_list import FactList
from widgets.panel import set_subtitle, set_title
from widgets.plot import Chart, Plot

_MOST = 8
"""How many lines of words a plot leaves at most."""


def fact_lines(alert: Alert, scene: Scene, silences: Sequence[Silence], width: int) -> list[Line]:
    """The words above the plot, in `width` cells."""
    look, most = scene.look, 1 if scene.compact else 2
    lines = [head_line(alert, scene)]
    lines += rule_lines(alert, look, width, most=most)
    lines += why_lines(alert, look, width, most=most)
    lines += quiet_lines(alert, silences, scene.now, look)
    lines.append(chain_line(alert, look, scene.now, width))
    return lines


class AlertPanel(Vertical):
    """Follows the cursor of the list. The words come at once, the plot when somebody stays."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self._width, self._most = 0, 0

    def on_resize(self) -> None:
        if self.size.width != self._width:
            self._width, self._most = self.size.width, 0

    def compose(self) -> ComposeResult:
        yield FactList(id="alert-words", classes="inner")
        yield Plot(id="alert-plot", classes="inner")

    def on_mount(self) -> None:
        set_title(self, "Detail")

    @property
    def plot(self) -> Plot:
        return self.query_one("#alert-plot", Plot)

    def show_words(self, alert: Alert | None, scene: Scene, silences: Sequence[Silence]) -> None:
        """Draw one alert; None clears the panel."""
        words = self.query_one("#alert-words", FactList)
        lines: list[Line] = [(cells("no alert is selected", scene.look("muted")), EMPTY)]
        if alert is not None and (width := self.content_size.width):
            lines = fact_lines(alert, scene, silences, width)
            if not scene.compact:
                # The plot below does not jump from alert to alert: one with few words leaves lines blank.
                self._most = min(max(self._most, len(lines) + 1), _MOST)
                lines += [(EMPTY, EMPTY)] * (self._most - len(lines))
                lines.append(value_line(alert, scene))
        if alert is not None or words.styles.height is None:
            words.styles.height = len(lines)
        words.show(lines)
        set_subtitle(self, "" if alert is None else alert.runbook)

    def show_plot(self, chart: Chart | None) -> None:
        self.plot.show(chart)
