"""6 Runbooks: recurring checklists that are due, the runbooks to go by, and what the next shift has to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.domain.book import Runbook
from console.domain.event import Severity
from screens.base import ConsoleScreen
from screens.books_pane import Pane
from screens.duty_pane import ChecklistsPane
from screens.duty_rows import head_words
from screens.handover_pane import HandoverPane
from screens.paragraphs import folded
from screens.runbook_pane import RunbooksPane
from widgets.cells import EMPTY, cells, piece
from widgets.fact_list import FactList
from widgets.subtabs import Subtabs

_FILES = "books"
"""The subject of what the agent says of the files."""
_MOST_LINES = 3


class BooksScreen(ConsoleScreen):
    """Three views in one place; `v` leads from one to the next."""

    NUMBER = 6
    AUTO_FOCUS: ClassVar[str | None] = "#items"
    CHANGES: ClassVar[frozenset[str]] = frozenset("tick note skip open_early start hand_over sign".split())
    DEFAULT_CSS = """
    BooksScreen .pane { display: none; height: 1fr; }
    BooksScreen .pane.-seen { display: block; }
    BooksScreen #broken { display: none; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view(1)", "view", id="books.view"),
        Binding("V", "view(-1)", "view before", show=False, id="books.view-before"),
        Binding("r", "app.refresh", "refresh", show=False, id="books.refresh"),
        Binding("escape", "back", "back", show=False, id="books.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._view = 0
        self.runbooks: Sequence[Runbook] = ()
        self._reading = self.follow(self._read_books, self._draw_books, "book", what="the runbooks")
        self._broken = ""
        what = "what is wrong with the files"
        self.follow(self._read_broken, self._draw_broken, "event", what=what, rest_s=1.0)
        self.duties = ChecklistsPane(self)
        self.shelf = RunbooksPane(self)
        self.handover = HandoverPane(self)

    @property
    def panes(self) -> tuple[Pane, ...]:
        return self.duties, self.shelf, self.handover

    @property
    def pane(self) -> Pane:
        """The one that is seen."""
        return self.panes[self._view]

    def compose_body(self) -> Iterable[Widget]:
        yield Subtabs(id="views")
        yield FactList(id="broken")
        yield from self.panes
        self.pane.add_class("-seen")

    def empty_books(self, words: str) -> str:
        """What stands where no runbook is: `words` once that is known."""
        return self._reading.empty(words)

    # Reading

    async def _read_books(self) -> None:
        self.runbooks = await self.feed.query.runbooks()

    async def _read_broken(self) -> None:
        last = next(iter(await self.feed.query.events(subject=_FILES, limit=1)), None)
        self._broken = last.text if last is not None and last.severity is not Severity.INFO else ""

    def _draw_books(self) -> None:
        self.redraw_views()
        self.shelf.draw()

    # Drawing

    def _draw_broken(self) -> None:
        """Whoever writes books is told by which file, line and words one of them is not in force."""
        panel, look = self.query_one("#broken", FactList), self.look
        lines = folded(self._broken, self.size.width - 4, _MOST_LINES) if self._broken else []
        signs = (f"{look.glyphs['warn']} ", *("  " for _ in lines))
        panel.display = bool(lines)
        panel.styles.height = len(lines)
        panel.show([((piece(sign, look("warn")), *cells(line, look("text"))), EMPTY)
                    for sign, line in zip(signs, lines, strict=False)])  # fmt: skip

    def update(self, changed: frozenset[str]) -> None:
        self.redraw_views()
        self._draw_broken()
        self.pane.update(changed)

    def update_ages(self) -> None:
        self.redraw_views()
        self.pane.update_ages()

    def redraw_views(self) -> None:
        """Which views there are, and what waits in them."""
        names = [("Checklists", "")]
        names.append(("Runbooks", f"{len(self.runbooks)}" if self.runbooks else ""))
        mine = self.handover.offered_to_me
        names.append(("Hand-over", f"{len(mine)} to sign" if mine else ""))
        snapshot = self.snapshot
        right = head_words(snapshot, self.now, self.look) if snapshot.control else ()
        self.query_one(Subtabs).show(names, self._view, right)

    # Keys

    def show_view(self, pane: Pane) -> None:
        """Lead to one of the views."""
        if pane is self.pane:
            return
        self.pane.leave()
        self.pane.remove_class("-seen")
        self._view = self.panes.index(pane)
        pane.add_class("-seen")
        self.call_after_refresh(self._seen)

    def _seen(self) -> None:
        """It is laid out now."""
        if not self.is_attached:
            return
        self.redraw_views()
        self.pane.enter()
        self.refresh_bindings()

    def action_view(self, step: int) -> None:
        """The next of the three views."""
        self.show_view(self.panes[(self._view + step) % len(self.panes)])

    def begin_hand_over(self) -> None:
        """The view of hand-overs, with its dialog."""
        if self.is_attached:
            self.show_view(self.handover)
            self.handover.action_hand_over()

    def on_subtabs_chosen(self, event: Subtabs.Chosen) -> None:
        self.show_view(self.panes[event.place])

    def action_back(self) -> None:
        self.pane.back()

    def commands(self) -> Iterable[tuple[str, str, Callable[[], None]]]:
        """What the keys do, for the command palette: title, explanation, deed."""
        for pane, words in zip(self.panes, ("Checklists", "Runbooks", "Hand-over"), strict=True):
            if pane is not self.pane:
                yield f"{words}", f"the {words.lower()} of this screen", partial(self.show_view, pane)
        yield from self.pane.commands()
