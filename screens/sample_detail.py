"""One order of a diagnosis: its fields, and what the logs say of it."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.alert import Alert
from console.domain.diagnosis import Sample
from console.domain.log import LogLine
from screens.base import ConsoleScreen, Layout
from widgets.cells import EMPTY, Cells, cells, measure, piece, space
from widgets.fact_list import FactList
from widgets.live_table import Column, Entry, LiveTable, Row
from widgets.log_view import LEVELS
from widgets.look import Look
from widgets.panel import set_subtitle, set_title
from widgets.text_panel import TextPanel, wrapped

LOG_COLUMNS = (Column("", 12), Column("", 1), Column("", 15), Column("", None))
LOG_COLUMNS_NARROW = (Column("", 8), Column("", 1), Column("", None))
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


def log_entries(lines: Sequence[LogLine], look: Look, *, narrow: bool, greyed: bool = False) -> list[Entry]:
    """Oldest first: when, how bad, who wrote it, what."""
    entries: list[Entry] = []
    for i, line in enumerate(lines):
        state = LEVELS.get(line.level, LEVELS["info"])
        when = fmt.clock(line.at) if narrow else f"{fmt.clock(line.at)}.{line.at.microsecond // 1000:03d}"
        row: list[Cells] = [
            cells(when, look("muted")),
            cells(look.glyphs[state.glyph], look("stale" if greyed else state.role)),
        ]
        if not narrow:
            row.append(cells(line.origin or line.source, look("muted")))
        row.append(cells(line.text, look("stale" if greyed else "text")))
        entries.append(Row(str(i), tuple(row)))
    return entries


def log_lines(lines: Sequence[LogLine], look: Look, width: int, *, greyed: bool = False) -> list[Entry]:
    """The same to be read only: each text in as many lines as it takes."""
    room = max(width - 13, 1)
    entries: list[Entry] = []
    for entry, line in zip(log_entries(lines, look, narrow=True, greyed=greyed), lines, strict=True):
        head = entry.cells[:2] if isinstance(entry, Row) else ()
        for i, part in enumerate(wrapped(line.text, room)):
            text = cells(part, look("stale" if greyed else "text"))
            entries.append(Row(None, (*(head if i == 0 else (EMPTY, EMPTY)), text)))
    return entries


class SampleScreen(ConsoleScreen):
    """Opened from the samples of a diagnosis; holds still while newer diagnoses come. `reason` says why no log could
    be read."""

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
        # It shows lines as this screen does.
        from screens.log_detail import LogDetail

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
        facts = [
            f"{name} {value}"
            for name, value in (
                ("level", line.level),
                ("log", line.source),
                ("from", line.origin),
                ("user", line.user),
                ("request", line.request),
            )
            if value
        ]
        panel.show("\n".join((line.text, "", ", ".join(facts))))
