"""One runbook over the whole screen, with the alerts that show its symptoms as they are now."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.domain.book import Runbook
from screens.base import ConsoleScreen
from screens.runbook_pane import start
from screens.runbook_rows import book_lines
from widgets.lines_panel import LinesPanel
from widgets.panel import set_title


class RunbookReading(ConsoleScreen):
    """Opened from the list of runbooks."""

    TITLE: ClassVar[str | None] = "Runbook"
    AUTO_FOCUS: ClassVar[str | None] = "#book"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "start", "start", id="runbook.start"),
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
    ]

    def __init__(self, book: Runbook, *, number: int) -> None:
        super().__init__(number=number)
        self.book = book

    def compose_body(self) -> Iterable[Widget]:
        yield LinesPanel(id="book")

    def on_mount(self) -> None:
        set_title(self.query_one("#book"), self.book.title)

    def update(self, changed: frozenset[str]) -> None:
        panel = self.query_one("#book", LinesPanel)
        panel.write(self.book.name, lambda width: book_lines(self.book, self.snapshot, self.look, width))

    def action_start(self) -> None:
        """Work through it, in an incident."""
        start(self, self.book)
