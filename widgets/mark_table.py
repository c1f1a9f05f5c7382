"""A live table whose rows can be marked, so that one key acts on several."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType

from widgets.live_table import Column, Entry, Group, LiveTable


class MarkTable(LiveTable):
    """Space marks the row under the cursor and goes on to the next; on a heading it is the same as enter."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "mark", "mark", id="table.mark")]

    class Marked(LiveTable.Highlighted):
        """The row of `key` was marked, or no longer is."""

    def __init__(self, *, id: str, empty: str = "nothing here", follow: bool = False) -> None:
        super().__init__(id=id, empty=empty, follow=follow)
        self._marked: set[str] = set()
        self._headings: frozenset[str] = frozenset()

    @property
    def marked(self) -> list[str]:
        """The keys of the marked rows, from top to bottom."""
        return [key for key in self.keys if key in self._marked] if self._marked else []

    def show(
        self,
        columns: Sequence[Column],
        entries: Sequence[Entry],
        *,
        header: bool | None = None,
        empty: str | None = None,
    ) -> None:
        """Replace the content. A mark goes with its row: nothing is acted on that can't be seen."""
        super().show(columns, entries, header=header, empty=empty)
        self._headings = frozenset(e.key for e in entries if isinstance(e, Group) and e.key is not None)
        if self._marked:
            before = min(self._marked)
            self._marked.intersection_update(self.keys)
            if not self._marked:
                # From here on keys act on the row under the cursor, which was not what was marked.
                self.handed_on = before

    def clear_marks(self) -> None:
        if self._marked:
            self._marked.clear()
            self.redraw()

    def action_mark(self) -> None:
        key = self.selected
        if key is None:
            return
        if key in self._headings:
            self.action_choose()
            return
        self._marked ^= {key}
        self.action_cursor(1)
        self.redraw()
        self.post_message(self.Marked(self, key))

    def bar(self, key: str | None, *, chosen: bool) -> Segment:
        if key not in self._marked:
            return super().bar(key, chosen=chosen)
        tick = self.look.glyphs["done"]
        return Segment(tick, self.look.chip("accent")) if chosen else self.text(tick, "accent", bold=True)
