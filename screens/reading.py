"""A text at full size: rendered Markdown under what is known of it. Can be copied."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from screens.base import ConsoleScreen
from screens.paragraphs import Labels
from widgets.fact_list import FactList
from widgets.markdown_panel import MarkdownPanel
from widgets.panel import set_title

_LABELS = Labels(10)


class ReadingScreen(ConsoleScreen):
    """`facts` are labels with what they name; `text` is Markdown."""

    TITLE: ClassVar[str | None] = "Text"
    AUTO_FOCUS: ClassVar[str | None] = "#reading"
    DEFAULT_CSS = "ReadingScreen #reading { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy", id="reading.copy"),
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
    ]

    def __init__(self, title: str, text: str, *, number: int, facts: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(number=number)
        self._title, self._text, self._facts = title, text, [fact for fact in facts if fact[1]]

    def compose_body(self) -> list[Widget]:
        return [Vertical(FactList(id="facts", classes="panel"), MarkdownPanel(id="reading"))]

    def on_mount(self) -> None:
        set_title(self.query_one("#facts"), self._title)
        self.query_one("#facts").display = bool(self._facts)
        set_title(self.query_one("#reading"), "Text" if self._facts else self._title)
        self.query_one("#reading", MarkdownPanel).show(self._text)

    def update(self, changed: frozenset[str]) -> None:
        look, panel = self.look, self.query_one("#facts", FactList)
        if width := panel.content_size.width:
            lines = [
                line for name, value in self._facts for line in _LABELS.text(name, value, look, width, most=4)
            ]
            panel.styles.height = len(lines) + 2
            panel.show(lines)

    def action_copy(self) -> None:
        """The whole text."""
        self.copy_text(self._text, lines=True)
