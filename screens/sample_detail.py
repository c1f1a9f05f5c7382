"""One order of a diagnosis: its fields, and what the logs say of it."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from console.domain.alert import Alert
from console.domain.diagnosis import Sample
from screens.aim import Aim, at_sample
from screens.base import ConsoleScreen, Layout
from screens.log_detail import LogDetail
from screens.log_rows import LOG_COLUMNS, LOG_COLUMNS_NARROW, log_entries, origins
from widgets.cells import Cells, measure, piece, space
from widgets.fact_list import FactList
from widgets.live_table import LiveTable
from widgets.look import Look
from widgets.panel import set_subtitle, set_title
from widgets.text_panel import TextPanel

NO_LINES = "no line of the logs is near it"


def field_lines(sample: Sample, look: Look, width: int, *, greyed: bool = False) -> list[tuple[Cells, Cells]]:
    """`symbol  EURUSD`, two fields in a line where both fit."""
    role = "stale" if greyed else "text"
    label = max((len(name) for name, _ in sample.fields), default=0)
    pairs = [
        (piece(f"{name:<{label}} ", look("faint")), piece(value, look(role))) for name, value in sample.fields
    ]
    half = (width - 2) // 2
    lines: list[tuple[Cells, Cells]] = []
    waiting: Cells = ()
    for pair in pairs:
        size = measure(pair)
        if waiting and size <= half:
            lines.append(((*waiting, *space(half + 2 - measure(waiting)), *pair), ()))
            waiting = ()
            continue
        if waiting:
            lines.append((waiting, ()))
        waiting = pair if size <= half else ()
        if not waiting:
            lines.append((pair, ()))
    return [*lines, (waiting, ())] if waiting else lines


class SampleScreen(ConsoleScreen):
    """Opened from the samples of a diagnosis; holds still while newer diagnoses come. `reason` says why no log could
    be read."""

    TITLE: ClassVar[str | None] = "Sample"
    AUTO_FOCUS: ClassVar[str | None] = "#log"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
    ]

    def __init__(self, sample: Sample, alert: Alert, *, number: int, reason: str | None = None) -> None:
        super().__init__(number=number)
        self.sample = sample
        self.alert = alert
        self._reason = reason

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield FactList(id="fields", classes="panel")
            yield LiveTable(id="log", header=False)
            yield TextPanel(id="line")

    def on_mount(self) -> None:
        order = self.sample.field("id")
        set_title(self.query_one("#fields"), f"Order {order}" if order else "Order", subtitle=self.alert.rule)
        set_title(self.query_one("#log"), "Log lines")
        set_title(self.query_one("#line"), "Line")

    def aimed_at(self) -> Aim:
        return at_sample(self.sample)

    def update(self, changed: frozenset[str]) -> None:
        compact = self.arrangement is Layout.COMPACT
        fields = self.query_one("#fields", FactList)
        lines = field_lines(self.sample, self.look, fields.content_size.width, greyed=self.greyed)
        fields.styles.height = len(lines) + 2
        fields.show(lines)
        log = self.query_one("#log", LiveTable)
        log.show(
            LOG_COLUMNS_NARROW if compact else LOG_COLUMNS,
            log_entries(self.sample.log, self.look, narrow=compact, greyed=self.greyed),
            empty=self._reason or NO_LINES,
        )
        count = len(self.sample.log)
        set_subtitle(log, f"{count} around its time" if count else "")
        self._draw_line()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        self.app.push_screen(LogDetail(self.sample.log[int(event.key)], number=self.number))

    def on_live_table_highlighted(self, event: LiveTable.Highlighted) -> None:
        self._draw_line()

    def _draw_line(self) -> None:
        """The selected line as it was written, with whose request it belongs to."""
        place = self.query_one("#log", LiveTable).place
        panel = self.query_one("#line", TextPanel)
        panel.display = place is not None
        if place is None or place >= len(self.sample.log):
            return
        line = self.sample.log[place]
        facts = (f"{name} {value}" for name, value in (("level", line.level), *origins(line)) if value)
        panel.show("\n".join((line.text, "", ", ".join(facts))))
