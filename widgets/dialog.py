"""The one way to ask before something is done: a dialog whose focus is on Cancel, and whose action has its own key.

A subclass says what it shows (`compose_fields`), why it can't be done yet (`problem`) and how it is done
(`carry_out`). Whatever opened it: Enter and Escape cancel, only CONFIRM_KEY or a click on the button acts.
"""

from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from console.domain.errors import TradexError
from widgets.cells import Cells, cut, measure, piece, space, spread
from widgets.fact_list import FactList
from widgets.field import Field
from widgets.line_widget import LineWidget
from widgets.opening import Opening
from widgets.panel import set_title

Done = TypeVar("Done")
CONFIRM_KEY = "y"
SAVE_KEY = "ctrl+s"
_COMPACT_BELOW = 30
_REFRESH_S = 1.0
_LEAST_WORDS = 12
"""So much of the action's words stays, whatever the hints need."""


class Buttons(LineWidget, can_focus=True):
    """Cancel, and the action: dim while it can't be done, in the colour of its risk when it can."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "cancel", "cancel", id="dialog.enter")]

    class Cancelled(Message):
        """Enter or a click on Cancel."""

    class Confirmed(Message):
        """A click on the action."""

    def __init__(self, *, verb: str, role: str, lead: str = "enter", leave: str = "cancels") -> None:
        super().__init__(id="buttons")
        self._verb, self._role, self._lead, self._leave = verb, role, lead, leave
        self._action, self._ready, self._busy, self._possible = "", False, "", True
        self._spans: list[tuple[int, int, type[Message]]] = []

    def show(self, action: str, *, ready: bool, busy: str = "", possible: bool = True) -> None:
        """`action` is the button's text; `busy` what goes on instead. `possible` is whether the key can ever act."""
        self._action, self._ready, self._busy, self._possible = action, ready, busy, possible
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        look = self.look
        cancels = (
            self.text("enter" if self.has_focus else "esc", "accent", bold=True),
            self.text(f" {self._leave}   ", "muted"),
        )
        confirms = (
            self.text(CONFIRM_KEY, "accent" if self._ready and self.has_focus else "faint", bold=True),
            self.text(f" {self._verb}", "muted"),
        )
        if not self.has_focus:
            # In a field the key is a letter like any other.
            lead = self.text(self._lead, "accent", bold=True)
            way = self.text(f" {self._verb}", "muted")
            confirms = (
                (lead, way) if self._lead == SAVE_KEY else (lead, self.text(" then ", "muted"), *confirms)
            )
        hints = (*cancels, *confirms) if self._possible else cancels
        bar = look.glyphs["button"] if self.has_focus else " "
        cancel = Segment(
            f" {bar} Cancel ",
            look.chip("accent") if self.has_focus else look("text", on="raised"),
        )
        words = f"   {self._busy or self._action} "
        # The key stays; what it acts on stands in the fields too.
        around = measure((cancel, *space(3)))
        room = max(width - around - measure(hints) - 1, _LEAST_WORDS)
        action = cut((piece(words, self._action_style()),), min(room, width - around), self.ellipsis)
        right = (cancel, *space(3), *action)
        room = width - measure(right) - 1
        line = spread(hints if measure(hints) <= room else cancels, right, width, self.ellipsis)
        begin = width - measure(right)
        middle = begin + measure((cancel,))
        self._spans = [(begin, middle, self.Cancelled), (middle + 3, width, self.Confirmed)]
        return [line]

    def _action_style(self) -> Style:
        look = self.look
        if look.palette.ansi:
            # Coloured text on blue is unreadable with 16 colours.
            return look("strong", bold=True, on="raised") if self._ready else look("faint", on="panel")
        role = "accent" if self._busy else self._role if self._ready else "faint"
        return look(role, on="raised")

    def action_cancel(self) -> None:
        self.post_message(self.Cancelled())

    def on_click(self, event: events.Click) -> None:
        for start, end, message in self._spans:
            if start <= event.x < end:
                self.post_message(message())

    def watch_has_focus(self, _has_focus: bool) -> None:
        # Not on_blur: that comes before has_focus has changed.
        super().watch_has_focus(_has_focus)
        self.redraw()


class LabelledField(Horizontal):
    """A field with its name, and the letter that leads to it."""

    def __init__(self, letter: str, label: str, field: Field) -> None:
        super().__init__(classes="field")
        self._letter, self._label, self._field = letter, label, field

    def compose(self) -> ComposeResult:
        yield FactList(id=f"label-{self._field.id}", classes="label", rows=1)
        yield self._field

    def on_mount(self) -> None:
        label = self.query_one(FactList)
        letter = label.text(self._letter, "accent", bold=True)
        label.show([((letter, label.text(f" {self._label}", "faint")), ())])


class Dialog(Opening[Done | None], Generic[Done]):
    """Returns what `carry_out` returned, or None when it was cancelled. `ROLE` is the colour of the risk, `LEAD` what
    leads from a field to the buttons, or SAVE_KEY where that confirms from within a field."""

    ROLE: ClassVar[str] = "accent"
    VERB: ClassVar[str] = "confirms"
    LEAD: ClassVar[str] = "enter"
    LEAVE: ClassVar[str] = "cancels"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="dialog.cancel"),
        Binding(CONFIRM_KEY, "confirm", "confirm", id="dialog.confirm"),
        Binding("ctrl+c", "app.quit", "quit", show=False, id="dialog.interrupt"),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#buttons"

    def __init__(self, title: str, *, role: str | None = None, verb: str | None = None) -> None:
        """`role` and `verb` where they are known only now."""
        super().__init__()
        self._title = title
        self._role, self._verb = role or self.ROLE, verb or self.VERB
        self._busy = ""

    # What a dialog fills in

    def compose_fields(self) -> Iterable[Widget]:
        """The widgets between the title and the buttons."""
        raise NotImplementedError

    def action_words(self) -> str:
        """What the button says: verb and target."""
        raise NotImplementedError

    def busy_words(self) -> str:
        """What the button says while it is done."""
        return "working"

    def problem(self) -> tuple[str, str | None]:
        """Why it can't be done now, and the id of the field to mend; ("", None) when it can."""
        return "", None

    def possible(self) -> bool:
        """Whether it can be done at all, once what is missing is there."""
        return True

    async def carry_out(self) -> Done:
        """Do it. Raises TradexError with the reason why it was not done; the dialog stays and shows it."""
        raise NotImplementedError

    # The frame

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes=f"dialog -{self._role}"):
            yield from self.compose_fields()
            yield FactList(id="problem", rows=1)
            yield Buttons(verb=self._verb, role=self._role, lead=self.LEAD, leave=self.LEAVE)

    def on_mount(self) -> None:
        set_title(self.query_one("#dialog"), f" {self._title} ")
        self._arrange()
        self.changed()
        # Meanwhile the end of a silence moves on, and what it matches changes.
        self.set_interval(_REFRESH_S, self._refresh)

    def _refresh(self) -> None:
        # While an app ends, its screens lose their widgets first.
        if self.is_attached and self.query(Buttons):
            self.changed()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        self.set_class(self.app.size.height < _COMPACT_BELOW, "-compact")

    def say(self, text: str, *, role: str = "warn") -> None:
        """A line above the buttons: what is missing, or why it was refused."""
        line = self.query_one("#problem", FactList)
        glyph = f"{line.look.glyphs['warn']} " if text else ""
        line.show([((line.text(glyph + text, role),), ())])

    def changed(self) -> None:
        """What was typed or read has changed, or time has: draw the buttons again."""
        ready = not self.problem()[0] and not self._busy
        self.query_one(Buttons).show(
            self.action_words(), ready=ready, busy=self._busy, possible=self.possible()
        )

    def on_input_changed(self, event: Input.Changed) -> None:
        self.say("")
        self.changed()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter ends a field; it never acts."""
        self.query_one(Buttons).focus()

    def on_buttons_cancelled(self) -> None:
        self.action_cancel()

    def on_buttons_confirmed(self) -> None:
        self.action_confirm()

    def action_edit(self, field: str) -> None:
        """Lead to a field."""
        self.query_one(f"#{field}", Field).focus()

    def action_cancel(self) -> None:
        if self._busy:
            # It is asked for already: whether it was done is known only from the answer.
            self.say("wait for the store's answer")
        else:
            self.dismiss(None)

    def action_confirm(self) -> None:
        if self._busy:
            return
        text, field = self.problem()
        if text:
            self.say(text)
            if field is not None:
                self.action_edit(field)
            return
        self._busy = self.busy_words()
        self.say("")
        self.changed()
        self.run_worker(self._carry_out(), group="dialog", exclusive=True, exit_on_error=False)

    async def _carry_out(self) -> None:
        try:
            done = await self.carry_out()
        except TradexError as error:
            self.say(str(error), role="crit")
        else:
            self.dismiss(done)
        finally:
            self._busy = ""
            self._refresh()
