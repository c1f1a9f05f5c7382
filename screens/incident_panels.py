"""The panels of the war-room: the steps, the story with the line where to write, what changed, the metric."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from console.domain import format as fmt
from console.domain.alert import Alert
from console.domain.event import Event
from console.domain.incident import Entry, Incident
from console.domain.metric import Series
from console.domain.snapshot import Snapshot
from screens.incident_entries import (
    CHANGE_COLUMNS,
    CHANGE_COLUMNS_NARROW,
    ENTRY_COLUMNS,
    ENTRY_COLUMNS_NARROW,
    change_rows,
    entry_rows,
    limit_of,
    metric_chart,
)
from screens.incident_rows import Scene
from screens.incident_step_rows import step_entries, step_key
from screens.paragraphs import Line
from widgets.arrow_table import ArrowTable
from widgets.cells import EMPTY, Cells, cells, piece
from widgets.fact_list import FactList
from widgets.live_table import Row
from widgets.panel import set_subtitle, set_title
from widgets.plot import Plot

MOST_CHANGES, _MOST_CHANGES_NARROW = 5, 8
_LEAST_PLOT, _LEAST_STEPS = 9, 6
_NOTE_WORDS = "note to timeline", "faint", "write"


class Steps(ArrowTable):
    """The runbooks; whoever comes in finds the cursor on what is to be done next."""

    _begun_of: int | None = None
    _done = ""
    _below = 0

    def build(self, width: int, height: int) -> list[Cells]:
        lines = super().build(width, height)
        below = sum(isinstance(entry, Row) for entry in self._entries[self._top + height :])
        if below != self._below:
            self._below = below
            # Not while it is drawn.
            self.call_later(self._tell)
        return lines

    def _tell(self) -> None:
        more = f", {self._below} more below" if self._below else ""
        set_subtitle(self, f"{self._done}{more}" if self._done else "")

    def show_incident(self, incident: Incident | None, scene: Scene, *, room: int) -> None:
        """Draw the steps in at most `room` rows."""
        if incident is None:
            self.show((), [])
            return
        columns, entries = step_entries(incident, scene)
        self.show(columns, entries, empty="no runbook is attached: b attaches one")
        books = incident.runbooks
        if self._begun_of != incident.id and entries:
            self._begun_of = incident.id
            steps = [(book, marked) for book in books for marked in book.steps]
            to_do = next((step_key(*each) for each in steps if each[1].mark is None), None)
            self.select(to_do or step_key(*steps[0]))
        set_title(self, books[0].title if len(books) == 1 else "Runbooks" if books else "Runbook")
        done, total = sum(book.done for book in books), sum(len(book.steps) for book in books)
        self._done = f"{done} of {total} done" if total else ""
        self._tell()
        # The plot keeps its rows.
        height = min(max(len(entries), 1) + 2, max(room - _LEAST_PLOT, _LEAST_STEPS))
        self.styles.height = "1fr" if scene.compact else height


class Changed(ArrowTable):
    """What changed before it was detected; the likeliest cause is marked."""

    def show_changes(self, changes: Sequence[Event], scene: Scene, *, empty: str) -> int:
        """Draw the likeliest of `changes`, which are ranked; how many rows the panel takes."""
        most = _MOST_CHANGES_NARROW if scene.compact else MOST_CHANGES
        rows = change_rows(changes, scene.look, compact=scene.compact, most=most)
        self.show(CHANGE_COLUMNS_NARROW if scene.compact else CHANGE_COLUMNS, rows, empty=empty)
        set_title(self, "Changed before, 30 m" if scene.compact else "Changed in the 30 m before")
        count = len(changes)
        words = f"{most} of {count}" if count > most else fmt.counted(count, "change")
        set_subtitle(self, words if count else "")
        height = max(len(rows), 1) + 2
        self.styles.height = "1fr" if scene.compact else height
        return height


class Story(Vertical):
    """The timeline, and the line that says how to write on it."""

    def __init__(self) -> None:
        super().__init__(id="story", classes="panel")

    def compose(self) -> ComposeResult:
        yield ArrowTable(id="timeline", header=False, frame=False, newest_first=True, empty="")
        yield FactList(id="say-here")

    def on_mount(self) -> None:
        set_title(self, "Timeline")

    @property
    def table(self) -> ArrowTable:
        return self.query_one("#timeline", ArrowTable)

    def show(
        self,
        incident: Incident | None,
        entries: Sequence[Entry],
        scene: Scene,
        *,
        complete: bool,
        empty: str,
        draft: bool = False,
    ) -> None:
        """Draw what was read; `complete`: there are no older ones. `draft`: a note was begun and not sent."""
        pins = () if incident is None else incident.pins
        rows = entry_rows(entries, pins, scene.look, compact=scene.compact, greyed=scene.greyed)
        self.table.show(ENTRY_COLUMNS_NARROW if scene.compact else ENTRY_COLUMNS, rows, empty=empty)
        words = f"newest first, {len(entries):,}{'' if complete else '+'} entries" if entries else ""
        set_subtitle(self, words)
        self._show_where_to_write(scene, draft)

    def _show_where_to_write(self, scene: Scene, draft: bool) -> None:
        line, look = self.query_one("#say-here", FactList), scene.look
        words, role, does = ("a draft waits", "pending", "goes on with it") if draft else _NOTE_WORDS
        left = (piece(f"{look.glyphs['button']} ", look("accent")), piece(words, look(role)))
        right = (piece("n", look("accent", bold=True)), piece(f" {does}", look("muted")))
        if not scene.writes:
            left, right = cells("you may only look", look("faint")), EMPTY
        lines: list[Line] = [(left, right)]
        if not scene.compact:
            rule = look.glyphs["rule"] * (line.content_size.width or 1)
            lines.insert(0, (cells(rule, look("grid")), EMPTY))
        line.show(lines)


class MetricPlot(Plot):
    """The metric that it is about, or that is pinned, against its limit."""

    def __init__(self) -> None:
        super().__init__(id="incident-plot", empty="nothing was measured then")

    def show_metric(
        self,
        incident: Incident,
        alerts: Sequence[Alert],
        snapshot: Snapshot,
        metric: str,
        scene: Scene,
        *,
        series: Series | None,
    ) -> None:
        """Draw `metric`; `series` is that of the time of one that is over, None for the last hour."""
        spec = snapshot.metrics.specs.get(metric)
        alert = next((each for each in alerts if each.metric == metric), None)
        set_title(self, (metric if spec is None else spec.title) or "Metric")
        value, limit = snapshot.metrics.values.get(metric), limit_of(spec, alert)
        parts = [fmt.metric(spec, value.value)] if spec is not None and value is not None else []
        parts += [f"limit {limit:g}"] if limit is not None else []
        parts += ["pinned"] if incident.plot and incident.plot == metric else []
        set_subtitle(self, ", ".join(parts))
        words = "" if metric else "x on a step shows its metric, p pins it"
        shown = snapshot.trends.get(metric) if series is None else series
        chart = metric_chart(incident, spec, alert, shown, ticks=self.ticks, greyed=scene.greyed)
        self.show(chart, head=cells(words, scene.look("muted")))
