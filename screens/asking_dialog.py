"""One dialog for what needs few words: a list to choose from, some fields, or both."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.widget import Widget

from screens.console_dialog import LABELS, ConsoleDialog
from widgets.arrow_table import ArrowTable
from widgets.cells import Cells, cells
from widgets.dialog import SAVE_KEY, LabelledField
from widgets.fact_list import FactList
from widgets.field import Field
from widgets.live_table import Column, LiveTable, Row
from widgets.look import Look

Values = Mapping[str, str]
About = Sequence[tuple[str, str]]
_MOST = 9
_BESIDE_ABOUT = 14
"""So many rows are left to the rest, however much there is to say about it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A field. `letter` leads to it; `required` are the words that are said while it is empty, "" where it may be."""

    letter: str
    name: str
    value: str = ""
    hint: str = ""
    required: str = ""


@dataclass(frozen=True, slots=True)
class Pick:
    """A row to choose: `words` are what the button says then; `why_not` why it can't be chosen now."""

    key: str
    cells: tuple[Cells, ...]
    words: str
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked. `about` are labelled lines on top, or what tells them now; `call` gets the key of the chosen row
    ("" without a list) and the fields, and returns what is said afterwards. `check` says what is wrong with the fields,
    and with which. It begins on the row `first`, and in the field `begin`."""

    title: str
    words: str
    call: Callable[[str, Values], Awaitable[str]]
    about: About | Callable[[], About] = ()
    questions: Sequence[Question] = ()
    check: Callable[[Values], tuple[str, str | None]] = lambda _values: ("", None)
    columns: Sequence[Column] = ()
    picks: Callable[[Look], Sequence[Pick]] | None = None
    first: str = ""
    begin: str = ""
    nothing: str = "there is nothing to choose"
    role: str = "accent"
    verb: str = "does it"


class PickTable(ArrowTable):
    """The row that is chosen is seen wherever the focus is: a key of the dialog acts on it."""

    def bar(self, key: str | None, *, chosen: bool) -> Segment:
        return super().bar(key, chosen=key is not None and key == self.selected)


class AskingDialog(ConsoleDialog[str]):
    """Returns what was done, in words; None when it was cancelled."""

    DEFAULT_CSS = """
    AskingDialog #picks { margin: 1 0 0 0; }
    AskingDialog.-compact #picks { margin: 0; }
    """
    LEAD: ClassVar[str] = SAVE_KEY
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(SAVE_KEY, "confirm", "confirm", show=False, id="asking.confirm"),
        Binding("down", "pick(1)", "choose", show=False, id="asking.down"),
        Binding("up", "pick(-1)", "choose", show=False, id="asking.up"),
    ]

    def __init__(self, asking: Asking) -> None:
        super().__init__(asking.title, role=asking.role, verb=asking.verb)
        self._asking = asking

    def compose_fields(self) -> Iterable[Widget]:
        yield FactList(id="about", rows=1)
        if self._asking.picks is not None:
            yield PickTable(id="picks", header=False, frame=False, follow=True, empty=self._asking.nothing)
        for question in self._asking.questions:
            self._bindings.bind(question.letter, f"edit('{question.name}')", question.name)
            field = Field(question.value, id=question.name, placeholder=question.hint)
            yield LabelledField(question.letter, question.name.replace("_", " "), field)

    def on_mount(self) -> None:
        required = (q.name for q in self._asking.questions if q.required and not q.value)
        begin = self._asking.begin or (next(required, "") if self._asking.picks is None else "")
        if begin:
            # Whoever has to write something begins at once.
            self.action_edit(begin)
        if self._asking.first and self._asking.picks is not None:
            # It is filled first.
            self.changed()
            self.query_one(PickTable).select(self._asking.first)

    def changed(self) -> None:
        look, about = self.host.look, self.query_one("#about", FactList)
        width = about.content_size.width or 68
        lines, most = [self.where(look)], max(self.app.size.height - _BESIDE_ABOUT, 2)
        told = self._asking.about
        for label, text in told() if callable(told) else told:
            role = "strong" if label == "incident" else "text"
            lines += LABELS.text(label, text, look, width, role=role, most=most)
        about.styles.height = len(lines)
        about.show(lines)
        if self._asking.picks is not None:
            table, picks = self.query_one(PickTable), self._asking.picks(look)
            table.styles.height = min(max(len(picks), 1), _MOST)
            table.show(self._asking.columns, [Row(pick.key, pick.cells) for pick in picks])
        super().changed()

    @property
    def picked(self) -> Pick | None:
        """The row under the cursor."""
        if self._asking.picks is None:
            return None
        key = self.query_one(PickTable).selected
        return next((pick for pick in self._asking.picks(self.host.look) if pick.key == key), None)

    @property
    def values(self) -> dict[str, str]:
        """What is written in the fields."""
        return {q.name: self.query_one(f"#{q.name}", Field).value.strip() for q in self._asking.questions}

    def action_pick(self, step: int) -> None:
        """The arrows choose, wherever the focus is."""
        if self._asking.picks is not None:
            self.query_one(PickTable).action_cursor(step)
            self.changed()

    def on_live_table_highlighted(self, event: LiveTable.Highlighted) -> None:
        self.changed()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        """Enter leads on; it never acts."""
        missing = next((q for q in self._asking.questions if not self.values[q.name]), None)
        if missing is not None:
            self.action_edit(missing.name)
        else:
            self.query_one("#buttons").focus()

    def possible(self) -> bool:
        return self._asking.picks is None or bool(self._asking.picks(self.host.look))

    def action_confirm(self) -> None:
        # The list says why there is nothing to do.
        if self.possible():
            super().action_confirm()

    def problem(self) -> tuple[str, str | None]:
        if self._asking.picks is not None:
            pick = self.picked
            if pick is None:
                return self._asking.nothing, None
            if pick.why_not:
                return pick.why_not, None
        values = self.values
        for question in self._asking.questions:
            if question.required and not values[question.name]:
                return question.required, question.name
        return self._asking.check(values)

    def action_words(self) -> str:
        if not self.possible():
            return ""
        pick = self.picked
        return self._asking.words if pick is None else pick.words

    async def carry_out(self) -> str:
        pick = self.picked
        return await self._asking.call("" if pick is None else pick.key, self.values)


def said(text: str, look: Look, role: str = "text") -> Cells:
    """One cell of a row to choose."""
    return cells(text, look(role))
