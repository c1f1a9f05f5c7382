"""One entry of the audit, whole: who did what to which, with its detail as it was written and its hash."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.action import AuditEntry
from screens.base import ConsoleScreen
from widgets.cells import cells, piece
from widgets.fact_list import FactList
from widgets.panel import set_title
from widgets.text_panel import TextPanel


class AuditDetail(ConsoleScreen):
    """Opened from the audit."""

    TITLE: ClassVar[str | None] = "Audit entry"
    AUTO_FOCUS: ClassVar[str | None] = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy", id="audit.copy"),
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
    ]

    def __init__(self, entry: AuditEntry, *, number: int) -> None:
        super().__init__(number=number)
        self.entry = entry

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield FactList(id="fields", classes="panel")
            yield TextPanel(id="text")

    def on_mount(self) -> None:
        set_title(self.query_one("#fields"), f"Entry {self.entry.seq}")
        set_title(self.query_one("#text"), "Detail")
        self.query_one("#text", TextPanel).show(self._detail())

    def _detail(self) -> str:
        try:
            return json.dumps(json.loads(self.entry.detail), indent=2, ensure_ascii=False)
        except ValueError:
            # It was cut because it is so long.
            return self.entry.detail

    def update(self, changed: frozenset[str]) -> None:
        entry, look = self.entry, self.look
        action = "" if entry.action_id is None else str(entry.action_id)
        rows = [
            *(
                ("at", fmt.iso(entry.at)),
                ("actor", entry.actor),
                ("what", entry.verb),
                ("about", entry.subject),
            ),
            *(("action", action), ("hash", entry.hash)),
        ]
        fields = self.query_one("#fields", FactList)
        lines = [
            ((piece(f"{name:<9}", look("faint")), *cells(value, look("text"))), ())
            for name, value in rows
            if value
        ]
        fields.styles.height = len(lines) + 2
        fields.show(lines)

    def action_copy(self) -> None:
        """The entry as one line of JSON."""
        entry = asdict(self.entry) | {"at": fmt.iso(self.entry.at)}
        self.copy_text(json.dumps(entry, ensure_ascii=False))
