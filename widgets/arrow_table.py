"""A table whose letters belong to its screen: only arrows and their like move the cursor."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from widgets.live_table import LiveTable


class ArrowTable(LiveTable, inherit_bindings=False):
    """Where `k` skips a step, `j` must not go to the next one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "cursor(1)", "select", key_display="arrows", id="table.down"),
        Binding("up", "cursor(-1)", "select", show=False, id="table.up"),
        Binding("enter", "choose", "open", key_display="⏎", id="table.open"),
        Binding("home", "cursor(-9999)", "first", show=False, id="table.first"),
        Binding("end", "cursor(9999)", "last", show=False, id="table.last"),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False, id="table.page-up"),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False, id="table.page-down"),
    ]
