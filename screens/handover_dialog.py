"""The dialog that hands over: to whom, with what to say beside what the store knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from console.domain.errors import TradexError
from screens.base import ConsoleScreen
from screens.drafts import draft_name
from screens.note_dialog import NoteDialog
from widgets.dialog import LabelledField
from widgets.field import Field

_READ_AGAIN_S = 3.0
_READ_IT = ("read it", "esc, then up and down: the note stays")
_HEADING = re.compile(r"^## (.+) \((\d+)\)$", re.MULTILINE)


def contents(text: str) -> str:
    """`Incidents 2, Alerts 4`: how much a hand-over says of what."""
    found = ", ".join(f"{title} {count}" for title, count in _HEADING.findall(text))
    return found or "nothing is open"


class HandoverDialog(NoteDialog):
    """The note may be empty; who takes over may not."""

    VERB: ClassVar[str] = "offers it"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("h", "edit('taker')", "hand to", id="handover.taker")]
    AUTO_FOCUS: ClassVar[str | None] = "#taker"

    def __init__(self, screen: ConsoleScreen, text: str, takers: Sequence[str] = ()) -> None:
        """`text` is what would be handed over now, `takers` the logins of all who could take it."""
        user = screen.feed.snapshot.link.user
        self._reading = False
        self._takers = [name for name in takers if name != user]

        async def send(note: str, key: str) -> str:
            taker = self._taker
            # What is so at this moment; a call whose answer was lost is the same call by its key, whatever it says.
            text = await screen.feed.query.handover_text()
            # The same note to somebody else is another hand-over.
            await screen.feed.desk.offer_handover(taker, text, note=note, key=f"{key} {taker}")
            return f"offered to {taker}, who is to sign it"

        super().__init__(
            "Hand over",
            send,
            name=draft_name(screen.feed.snapshot.link, "handover"),
            drafts=screen.host.drafts,
            about=(("gives", contents(text)), _READ_IT),
            words="Offer it",
            hint="a note, or nothing",
        )

    def compose_fields(self) -> Iterable[Widget]:
        first, *rest = super().compose_fields()
        yield first
        hint = f"one of {', '.join(self._takers)}" if len(self._takers) > 1 else "the login of who takes over"
        yield LabelledField("h", "hand to", Field(self._only_taker, id="taker", placeholder=hint))
        yield from rest

    def on_mount(self) -> None:
        if self._only_taker:
            self.action_write()
        # What is written meanwhile takes minutes, and what there is to hand over changes.
        self.set_interval(_READ_AGAIN_S, self._look_again)

    def _look_again(self) -> None:
        if not self._reading:
            self._reading = True
            self.run_worker(self._read_again(), group="handover-text", exit_on_error=False)

    async def _read_again(self) -> None:
        try:
            gives = contents(await self.host.feed.query.handover_text())
        except TradexError as error:
            gives = f"could not be read again: {error}"
        finally:
            self._reading = False
        self._about = (("gives", gives), _READ_IT)
        self._refresh()

    @property
    def _only_taker(self) -> str:
        """Where nobody else could take it, nothing is to be asked."""
        return self._takers[0] if len(self._takers) == 1 else ""

    @property
    def _taker(self) -> str:
        return self.query_one("#taker", Field).value.strip()

    def action_edit(self, field: str) -> None:
        self.query_one(f"#{field}").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """From whom it is for to what is said to them."""
        event.prevent_default()
        self.action_write()

    def problem(self) -> tuple[str, str | None]:
        if not self._taker:
            return "say who takes over", "taker"
        if self._taker == self.host.feed.snapshot.link.user:
            return "hand over to somebody else: you are the one who gives", "taker"
        text, field = super().problem()
        # There may be nothing to add.
        return (text, field) if self.text.strip() else ("", None)
