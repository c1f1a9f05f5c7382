"""Runbooks: the list of them, searched while it is typed, and the one under the cursor in whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from console.domain.book import Runbook
from screens.base import ConsoleScreen
from screens.books_pane import Command, Pane
from screens.runbook_rows import BOOK_COLUMNS, book_entries, book_lines, found, showing
from widgets.cells import Cells, cells
from widgets.field import FilterField
from widgets.lines_panel import LinesPanel
from widgets.live_table import LiveTable
from widgets.panel import set_subtitle, set_title

if TYPE_CHECKING:
    from screens.books import BooksScreen


_LEAST_BOOKS, _MOST_BOOKS = 3, 5
"""Rows of the list where there is little room."""
_FRAME, _FIELD = 3, 1


class BookTable(LiveTable):
    """The book that is shown is marked also while the words it is found by are typed."""

    def bar(self, key: str | None, *, chosen: bool) -> Segment:
        return super().bar(key, chosen=key is not None and key == self.selected)


class RunbooksPane(Pane):
    """`s` works through the book under the cursor in an incident."""

    # How much room there is, is a class of the screen.
    SCOPED_CSS: ClassVar[bool] = False
    FOCUS: ClassVar[str] = "#books"
    DEFAULT_CSS = """
    RunbooksPane #shelf { height: 1fr; }
    RunbooksPane #found { width: 46; }
    RunbooksPane #books { height: 1fr; }
    RunbooksPane #book { width: 1fr; }
    .-wide RunbooksPane #found { width: 58; }
    .-compact RunbooksPane #shelf { layout: vertical; }
    .-compact RunbooksPane #found { width: 1fr; height: 8; }
    .-compact RunbooksPane #book { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "start", "start", id="runbook.start"),
        Binding("slash", "search", "search", id="runbook.search"),
    ]

    def __init__(self, home: BooksScreen) -> None:
        super().__init__(home, id="runbooks")
        self._begun = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="shelf"):
            with Vertical(id="found"):
                yield FilterField(id="filter", placeholder="words anywhere in the book", compact=False)
                yield BookTable(id="books", follow=True)
            yield LinesPanel(id="book")

    def on_mount(self) -> None:
        set_title(self.query_one("#books"), "Runbooks")
        self.table("books").on_cursor = self._draw_book

    @property
    def _words(self) -> str:
        return self.query_one("#filter", FilterField).value.strip()

    @property
    def _found(self) -> Sequence[Runbook]:
        return found(self.home.runbooks, self._words) if self._words else self.home.runbooks

    @property
    def book(self) -> Runbook | None:
        """The one under the cursor."""
        key = self.table("books").selected
        return next((book for book in self.home.runbooks if book.name == key), None)

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self.draw()

    def draw(self) -> None:
        """List and book, with the alerts as they are."""
        if not self.seen:
            return
        home, table, books = self.home, self.table("books"), self._found
        entries = book_entries(books, home.snapshot, home.look)
        nothing = f"no book has {self._words}" if self._words else "no runbook yet: the agent publishes them"
        table.show(BOOK_COLUMNS, entries, empty=home.empty_books(nothing))
        if not self._begun and (called := next((b for b in books if showing(b, home.snapshot.alerts)), None)):
            # What somebody most likely looks for.
            self._begun = True
            table.select(called.name)
        # With little room the book has what the list does not need.
        field = _FIELD if home.has_class("-filter") else 0
        rows = min(max(len(entries), _LEAST_BOOKS if field else 0), _MOST_BOOKS)
        self.query_one("#found").styles.height = rows + _FRAME + field if self.compact else None
        total = len(home.runbooks)
        set_subtitle(table, f"{len(books)} of {total}" if self._words else f"{total}" if total else "")
        self._draw_book()

    def _draw_book(self) -> None:
        panel, book = self.query_one("#book", LinesPanel), self.book
        set_title(panel, book.title if book is not None else "Runbook")
        panel.write(book.name if book is not None else "", self._write)

    def _write(self, width: int) -> Sequence[Cells]:
        book, home = self.book, self.home
        if book is None:
            return [cells("no runbook is selected", home.look("muted"))]
        return book_lines(book, home.snapshot, home.look, width)

    # Keys

    def action_search(self) -> None:
        """Words that stand anywhere in the book."""
        self.query_one("#filter", FilterField).open()
        self.draw()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.draw()
        if self._words and (first := next(iter(self._found), None)):
            # The cursor draws the book.
            self.table("books").select(first.name)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#filter", FilterField).keep(self.table("books"))
        self.draw()

    def back(self) -> None:
        if self.query_one("#filter", FilterField).drop(self.table("books")):
            self.draw()
        else:
            self.table("books").focus()

    def leave(self) -> None:
        # Its class is the screen's, where other views have no field.
        self.query_one("#filter", FilterField).drop(self.table("books"))

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        event.stop()
        book = self.book
        if book is not None:
            from screens.runbook_reading import RunbookReading

            self.app.push_screen(RunbookReading(book, number=self.home.number))

    def action_start(self) -> None:
        """Work through it, in an incident."""
        if self.book is None:
            self.home.say("there is no runbook to start")
        else:
            start(self.home, self.book)

    def commands(self) -> Iterable[Command]:
        if (book := self.book) is not None:
            yield "Start the runbook", f"work through {book.title} in an incident", self.action_start
        yield "Search the runbooks", "words that stand anywhere in them", self.action_search


def start(screen: ConsoleScreen, book: Runbook) -> None:
    """Ask in which incident it is worked through."""
    if reason := screen.snapshot.link.why_not("responder"):
        screen.say(reason, role="warn", glyph="warn")
        return
    from screens.runbook_starting import ask

    ask(screen, book)
