"""Every metric of the catalogue in one list, with a filter; enter opens its details."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from screens.base import ConsoleScreen, Layout
from screens.catalogue_rows import (
    CATALOGUE_COLUMNS_COMPACT,
    CATALOGUE_COLUMNS_FULL,
    catalogue_entries,
)
from screens.metric_detail import MetricDetail
from widgets.field import Field
from widgets.live_table import LiveTable, Row
from widgets.panel import set_subtitle, set_title


class Catalogue(ConsoleScreen):
    """Typing filters at once; the arrows move the selection below while the filter has the focus."""

    TITLE: ClassVar[str | None] = "All metrics"
    AUTO_FOCUS: ClassVar[str | None] = "#filter"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", id="catalogue.back"),
        Binding("slash", "filter", "filter", id="catalogue.filter"),
        Binding("down", "move(1)", "select", show=False, id="catalogue.down"),
        Binding("up", "move(-1)", "select", show=False, id="catalogue.up"),
    ]

    def __init__(self, *, number: int, window: int) -> None:
        super().__init__(number=number)
        self._window = window

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield Field(id="filter", placeholder="filter by name, title or group", compact=False)
            yield LiveTable(id="list", empty="no metric matches")

    def on_mount(self) -> None:
        set_title(self.query_one("#list"), "All metrics")

    @property
    def _table(self) -> LiveTable:
        return self.query_one("#list", LiveTable)

    def update(self, changed: frozenset[str]) -> None:
        compact = self.arrangement is Layout.COMPACT
        metrics = self.snapshot.metrics
        needle = self.query_one(Input).value
        entries = catalogue_entries(
            self.snapshot, self.look, greyed=self.greyed, needle=needle, full=not compact, compact=compact
        )
        self._table.show(CATALOGUE_COLUMNS_COMPACT if compact else CATALOGUE_COLUMNS_FULL, entries)
        shown = sum(isinstance(e, Row) for e in entries)
        set_subtitle(self._table, f"{shown} of {len(metrics.specs)}")

    def on_input_changed(self, event: Input.Changed) -> None:
        self.update(frozenset())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._table.action_choose()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        self.app.push_screen(MetricDetail(event.key, number=self.number, window=self._window))

    def action_move(self, step: int) -> None:
        self._table.action_cursor(step)

    def action_filter(self) -> None:
        self.query_one(Input).focus()

    def action_back(self) -> None:
        """First empties the filter, then leaves."""
        field = self.query_one(Input)
        if field.value:
            field.value = ""
        else:
            self.dismiss()
