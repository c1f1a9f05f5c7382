"""Panels that show one thing and open its details on enter."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget


class Opened(Message):
    """Enter, or a click on the focused panel."""

    def __init__(self, panel: Widget) -> None:
        super().__init__()
        self.panel = panel

    @property
    def control(self) -> Widget:
        return self.panel


class Openable(Widget):
    """Mix into a focusable widget, after its base: Textual takes default styles from the first base only."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", key_display="⏎", id="panel.open"),
    ]

    def action_open(self) -> None:
        self.post_message(Opened(self))
