"""One line to type into, safe to show: what is pasted may come from anywhere."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from console.domain.text import printable
from widgets.opening import Keeping
from widgets.panel import set_title

_MOST = 2000


class Field(Input):
    """A text field in which control characters become visible signs. `compact`: without a frame of its own."""

    def __init__(self, value: str = "", *, id: str, placeholder: str = "", compact: bool = True) -> None:
        super().__init__(
            printable(value, _MOST), placeholder=placeholder, id=id, compact=compact, select_on_focus=False
        )

    def validate_value(self, value: str) -> str:
        return printable(value, _MOST)


class FilterField(Field):
    """A field that narrows a list while it is typed into; Enter keeps that and goes back to the list, Escape is its
    screen's `action_back`."""

    HEADING: ClassVar[str] = "Filter"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "keep", id="filter.keep"),
        Binding("escape", "screen.back", "back", id="filter.back"),
    ]

    def on_mount(self) -> None:
        set_title(self, self.HEADING)

    def open(self) -> None:
        """Show it, to be typed into."""
        self.screen.add_class("-filter")
        if isinstance(self.screen, Keeping):
            self.screen.hold()
        self.focus()

    def keep(self, table: Widget) -> None:
        """Back to `table`; what was typed stays, and is seen."""
        table.focus()
        self.screen.set_class(bool(self.value.strip()), "-filter")

    def drop(self, table: Widget) -> bool:
        """Back to all of `table`; False where nothing was filtered."""
        if not self.screen.has_class("-filter"):
            return False
        self.value = ""
        self.keep(table)
        return True
