"""Hand-over: what the next shift has to know now, and who handed over to whom before, signed by both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from console.domain.errors import TradexError
from console.domain.event import Event
from console.domain.handover import Handover
from screens.books_pane import Command, Pane
from screens.duty_dialog import said
from screens.handover_rows import HANDOVER_COLUMNS, NOW, handover_entries, handover_facts, handover_text
from widgets.cells import Cells, cells
from widgets.lines_panel import LinesPanel
from widgets.live_table import LiveTable
from widgets.markdown_panel import markdown_lines
from widgets.panel import set_subtitle, set_title

if TYPE_CHECKING:
    from screens.books import BooksScreen

_MOST = 500
"""Entries that what happened since an offer is counted of."""
_REST_S = 5.0
"""The text is put together from all that is open; more often than this nobody reads it."""


class HandoverPane(Pane):
    """`w` hands over to somebody, `s` takes over what was offered."""

    # How much room there is, is a class of the screen.
    SCOPED_CSS: ClassVar[bool] = False
    FOCUS: ClassVar[str] = "#handovers"
    DEFAULT_CSS = """
    HandoverPane #shifts { height: 1fr; }
    HandoverPane #handovers { width: 46; }
    HandoverPane #text { width: 1fr; }
    .-wide HandoverPane #handovers { width: 58; }
    .-compact HandoverPane #shifts { layout: vertical; }
    .-compact HandoverPane #handovers { width: 1fr; height: 7; }
    .-compact HandoverPane #text { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "hand_over", "hand over", id="handover.offer"),
        Binding("s", "sign", "sign", id="handover.sign"),
        Binding("y", "copy", "copy", id="handover.copy"),
    ]

    def __init__(self, home: BooksScreen) -> None:
        super().__init__(home, id="handover")
        self._text = ""
        self._found: Sequence[Handover] = ()
        self._events: Sequence[Event] = ()
        # Whether something waits for a signature is worth knowing in the other views, too.
        self._reading = home.follow(*(self._read, self._draw, "handover"), what="the hand-overs", rest_s=1.0)
        self._reading_text = home.follow(
            *(self._read_text, self._draw, "incident", "duty", "alert", "action", "release", "handover"),
            what="what there is to hand over",
            wanted=lambda: self.seen,
            rest_s=_REST_S,
        )

    def compose(self) -> ComposeResult:
        with Horizontal(id="shifts"):
            yield LiveTable(id="handovers", header=False, follow=True)
            yield LinesPanel(id="text")

    def on_mount(self) -> None:
        set_title(self.query_one("#handovers"), "Hand-overs")
        self.table("handovers").on_cursor = self._draw_text

    @property
    def offered_to_me(self) -> Sequence[Handover]:
        """What waits for this person's signature."""
        user = self.home.snapshot.link.user
        return [h for h in self._found if h.taker == user and h.signed_at is None]

    @property
    def selected(self) -> Handover | None:
        """The one under the cursor; None where that is how things are now."""
        key = self.table("handovers").selected
        return next((h for h in self._found if str(h.id) == key), None)

    # Reading

    async def _read(self) -> None:
        self._found = await self.home.feed.query.handovers()

    async def _read_text(self) -> None:
        query = self.home.feed.query
        self._text, self._events = await query.handover_text(), await query.events(limit=_MOST)

    def catch_up(self) -> None:
        self._reading.catch_up()
        self._reading_text.catch_up()

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self.update_ages()
        self._draw_text()

    def update_ages(self) -> None:
        home, table = self.home, self.table("handovers")
        user = home.snapshot.link.user
        entries = handover_entries(self._found, user, home.look, home.now)
        if self._reading.problem:
            table.show(HANDOVER_COLUMNS, entries[:1], empty=self._reading.problem)
        else:
            table.show(HANDOVER_COLUMNS, entries)
        waiting = len(self.offered_to_me)
        set_subtitle(table, f"{waiting} for you to sign" if waiting else "")

    def _draw(self) -> None:
        if self.is_attached:
            self.home.redraw_views()
            if self.seen:
                self.update(frozenset())

    def _draw_text(self) -> None:
        panel, handover = self.query_one("#text", LinesPanel), self.selected
        if handover is None:
            set_title(panel, "What to know now")
            panel.write(NOW, self._write_now)
        else:
            set_title(panel, f"{handover.giver} to {handover.taker}")
            panel.write(str(handover.id), partial(self._write_past, handover))

    def _write_now(self, width: int) -> Sequence[Cells]:
        look, reading = self.home.look, self._reading_text
        if not self._text:
            words = reading.problem or ("nothing is open" if reading.known else "it is being put together")
            return [cells(words, look("muted"))]
        return markdown_lines(self._text, width, look)

    def _write_past(self, handover: Handover, width: int) -> Sequence[Cells]:
        look, now = self.home.look, self.home.now
        facts: list[Cells] = [line for line, _ in handover_facts(handover, self._events, look, now, width)]
        return [*facts, (), *markdown_lines(handover_text(handover), width, look)]

    # Keys

    def action_hand_over(self) -> None:
        """Write a note to what is known, and offer it to somebody, who is to sign it."""
        if self.may():
            self.home.run_worker(self._offer(), group="handover", exclusive=True, exit_on_error=False)

    async def _offer(self) -> None:
        """What is handed over is what is so now, not when the view was opened."""
        home, query = self.home, self.home.feed.query
        try:
            self._text, takers = await query.handover_text(), await query.responders()
        except TradexError as error:
            home.say(f"what there is to hand over could not be read: {error}", role="crit", glyph="crit")
            return
        if home.is_current:
            from screens.handover_dialog import HandoverDialog

            self._draw()
            self.app.push_screen(HandoverDialog(home, self._text, takers), partial(said, home))

    def action_sign(self) -> None:
        """Take over what was offered: the one under the cursor, which was read."""
        handover, offered = self.selected, self.offered_to_me
        if handover is None or handover not in offered:
            if offered:
                self.table("handovers").select(str(offered[0].id))
                self.home.say(f"read it, then press again to take over from {offered[0].giver}")
            elif handover is not None and handover.signed_at is not None:
                self.home.say(f"{handover.taker} has signed it")
            else:
                self.home.say("nothing is offered to you: w hands over to somebody")
        elif self.may():
            from screens.action_asking import tell

            call = partial(self.home.feed.desk.sign_handover, handover.id)
            tell(self.home, call, f"you took over from {handover.giver}")

    def action_copy(self) -> None:
        """The text that is seen."""
        handover = self.selected
        self.home.copy_text(self._text if handover is None else handover_text(handover), lines=True)

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        event.stop()
        from screens.reading import ReadingScreen

        handover, home = self.selected, self.home
        facts = [("from", handover.giver), ("to", handover.taker)] if handover is not None else []
        text = self._text if handover is None else handover_text(handover)
        self.app.push_screen(ReadingScreen("Hand-over", text, number=home.number, facts=facts))

    def back(self) -> None:
        self.table("handovers").focus()

    def commands(self) -> Iterable[Command]:
        yield "Sign the hand-over", "take over what was offered to you", self.action_sign
