"""One line to type into, safe to show: what is pasted may come from anywhere."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from console.domain.text import printable

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

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "keep", id="filter.keep"),
        Binding("escape", "screen.back", "back", id="filter.back"),
    ]
