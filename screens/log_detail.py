"""One line of a log: the whole text, its fields, and the other lines of its request."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.errors import TradexError
from console.domain.log import LogLine
from screens.aim import Aim, at_line
from screens.base import ConsoleScreen, Layout
from screens.log_rows import LOG_COLUMNS, LOG_COLUMNS_NARROW, log_entries, origins
from widgets.cells import Cells, cells, piece
from widgets.fact_list import FactList
from widgets.live_table import LiveTable
from widgets.log_view import state_of
from widgets.panel import set_subtitle, set_title
from widgets.text_panel import TextPanel, wrapped

_MOST = 100
_LABEL = 9


class LogDetail(ConsoleScreen):
    """Opened from a line, and from the lines of its request."""

    TITLE: ClassVar[str | None] = "Log line"
    AUTO_FOCUS: ClassVar[str | None] = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
    ]

    def __init__(self, line: LogLine, *, number: int) -> None:
        super().__init__(number=number)
        self.line = line
        self._others: Sequence[LogLine] = ()
        self._reason = ""

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield FactList(id="fields", classes="panel")
            yield TextPanel(id="text")
            yield LiveTable(id="request", header=False, empty="")

    def on_mount(self) -> None:
        set_title(self.query_one("#fields"), "Line")
        set_title(self.query_one("#text"), "Text")
        set_title(self.query_one("#request"), "Same request")
        self.query_one("#text", TextPanel).show(self._text)
        self.query_one("#request").display = bool(self.line.request)
        if self.line.request:
            self.run_worker(self._read(), exit_on_error=False)

    def aimed_at(self) -> Aim:
        return at_line(self.line)

    @property
    def _text(self) -> str:
        """What ended a line where it was written is a visible sign by now; here it ends the line again."""
        return self.line.text.replace("␍␊", "\n").replace("␊", "\n")

    async def _read(self) -> None:
        try:
            self._others = await self.feed.query.logs(request=self.line.request, limit=_MOST)
        except TradexError as error:
            self._reason = str(error)
        if self.is_attached:
            self._draw_request()

    def update(self, changed: frozenset[str]) -> None:
        fields = self.query_one("#fields", FactList)
        facts = self._facts()
        fields.styles.height = len(facts) + 2
        fields.show(facts)
        text = self.query_one("#text", TextPanel)
        if self.line.request:
            # As high as it needs to be, and no more than a third: the other lines take the rest.
            rows = len(wrapped(self._text, max(text.content_size.width, 1)))
            text.styles.height = min(rows + 2, max(self.app.size.height // 3, 4))
        self._draw_request()

    def _facts(self) -> list[tuple[Cells, Cells]]:
        line, look = self.line, self.look
        state = state_of(line.level)
        level = (
            piece(f"{look.glyphs[state.glyph]} ", look(state.role)),
            piece(line.level, look("text" if state.calm else state.role)),
        )
        rows: list[tuple[str, Cells]] = [
            ("at", cells(fmt.iso(line.at), look("text"))),
            ("level", level),
            *((name, cells(value, look("text"))) for name, value in origins(line)),
        ]
        return [
            ((piece(f"{name:<{_LABEL}}", look("faint")), *content), ()) for name, content in rows if content
        ]

    def _draw_request(self) -> None:
        table = self.query_one("#request", LiveTable)
        narrow = self.arrangement is Layout.COMPACT
        entries = log_entries(self._others, self.look, narrow=narrow, greyed=self.greyed)
        table.show(
            LOG_COLUMNS_NARROW if narrow else LOG_COLUMNS, entries, empty=self._reason or "no other line"
        )
        count = len(self._others)
        set_subtitle(table, fmt.counted(count, "line") if count else "")

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        place = int(event.key)
        if place < len(self._others) and self._others[place].id != self.line.id:
            self.app.push_screen(LogDetail(self._others[place], number=self.number))
