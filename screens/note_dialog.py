"""Dialogs to write in: a note on an incident's timeline, a stakeholder update. What is written is kept as a draft."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import TextArea
from textual.widgets.text_area import Edit, EditResult

from console.domain.text import lines_of, printable
from screens.console_dialog import LABELS, ConsoleDialog
from screens.drafts import Draft, Drafts
from widgets.dialog import SAVE_KEY
from widgets.fact_list import FactList

_MOST = 8000


class NoteArea(TextArea):
    """Several lines to type into; what is pasted may come from anywhere."""

    def edit(self, edit: Edit) -> EditResult:
        """Only what can be shown gets in, typed or pasted."""
        lines = edit.text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).split("\n")
        edit.text = "\n".join(printable(line, _MOST) for line in lines)
        return super().edit(edit)


class NoteDialog(ConsoleDialog[str]):
    """Returns what was done, in words; None when it was left: then the draft is there the next time."""

    VERB: ClassVar[str] = "saves"
    LEAD: ClassVar[str] = SAVE_KEY
    LEAVE: ClassVar[str] = "keeps it"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(SAVE_KEY, "confirm", "save", id="note.confirm"),
        Binding("t", "write", "text", id="note.text"),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#text"
    DEFAULT_CSS = """
    NoteDialog #text {
        height: 12; margin: 1 0 0 0; border: round $tx-border; padding: 0; background: $tx-surface;
        color: $tx-text; background-tint: $tx-surface 0%;
    }
    NoteDialog #text:focus { border: round $tx-accent; }
    .ascii NoteDialog #text, NoteDialog.ascii #text { border: ascii $tx-border; }
    NoteDialog #text .text-area--cursor-line { background: $tx-surface; }
    NoteDialog.-compact #text { height: 11; margin: 0; }
    """

    def __init__(
        self,
        title: str,
        send: Callable[[str, str], Awaitable[str]],
        *,
        name: str,
        drafts: Drafts,
        about: Sequence[tuple[str, str]] = (),
        text: str = "",
        words: str = "Save note",
        hint: str = "Markdown, @name rings",
        check: Callable[[str], str] = lambda _text: "",
    ) -> None:
        """`send` gets the text and its key; `text` is what it begins with, where no draft is kept under `name`; `hint`
        says what may be written, `check` what is wrong with it ("" for nothing)."""
        super().__init__(title)
        self._send, self._name, self._drafts = send, name, drafts
        self._about, self._words, self._hint, self._check = about, words, hint, check
        self._draft = drafts.read(name)
        self._kept = bool(self._draft.text)
        self._begun = lines_of(text, _MOST)
        self._trouble = ""

    def compose_fields(self) -> Iterable[Widget]:
        yield FactList(id="about", rows=1)
        area = NoteArea(self._draft.text or self._begun, id="text", show_line_numbers=False, soft_wrap=True)
        area.move_cursor(area.document.end)
        yield area

    @property
    def text(self) -> str:
        """What is written, safe to show."""
        return lines_of(self.query_one("#text", TextArea).text, _MOST + 1)

    @property
    def kept(self) -> bool:
        """Whether leaving it now keeps something."""
        return bool(self._draft.text) and self._draft.text != self._begun and not self._trouble

    def changed(self) -> None:
        look, about = self.host.look, self.query_one("#about", FactList)
        width = about.content_size.width or 68
        lines = [self.where(look)]
        for label, text in self._about:
            lines += LABELS.text(label, text, look, width)
        hint, role = self._hint, "muted"
        if self._trouble:
            hint, role = self._trouble, "warn"
        elif self._kept:
            hint, role = "a draft that was not sent", "pending"
        lines += LABELS.text("text", hint, look, width, role=role)
        about.styles.height = len(lines)
        about.show(lines)
        super().changed()

    def on_text_area_changed(self, _event: TextArea.Changed) -> None:
        text = self.text
        if text != self._draft.text:
            self._draft = Draft(self._draft.nonce, text)
            # What a template begins with is no work of anybody.
            if text and text != self._begun:
                self._trouble = self._drafts.write(self._name, self._draft)
            else:
                self._drafts.drop(self._name)
        self.say("")
        self.changed()

    def action_write(self) -> None:
        """Back into the text."""
        self.query_one("#text", TextArea).focus()

    def action_edit(self, field: str) -> None:
        self.action_write()

    def problem(self) -> tuple[str, str | None]:
        text = self.text
        if not text.strip():
            return "there is nothing to save yet", "text"
        if len(text) > _MOST:
            return f"expected at most {_MOST:,} characters: it has more", "text"
        wrong = self._check(text)
        return (wrong, "text") if wrong else ("", None)

    def action_words(self) -> str:
        return self._words

    def busy_words(self) -> str:
        return "saving"

    async def carry_out(self) -> str:
        draft = Draft(self._draft.nonce, self.text)
        done = await self._send(draft.text, draft.key)
        # Only now: until the store has confirmed it, nobody knows whether it arrived.
        self._drafts.drop(self._name)
        return done
