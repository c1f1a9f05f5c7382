"""The incidents that were, and what opens one: what the war-room shows while none is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from textual.app import ComposeResult
from textual.containers import Vertical

from console.domain import format as fmt
from console.domain.book import Runbook
from console.domain.incident import Incident, IncidentState, timings
from screens.incident_rows import LEVEL_ROLES, Scene, standing_role
from widgets.arrow_table import ArrowTable
from widgets.cells import EMPTY, Cells, cells, piece
from widgets.fact_list import FactList
from widgets.live_table import Column, Entry, Row
from widgets.panel import set_subtitle, set_title
from widgets.times import stopwatch

PAST_COLUMNS = (
    *(Column("", 8), Column("", 4), Column("", None), Column("opened", 13, right=True)),
    *(Column("acked", 8, right=True), Column("resolved", 9, right=True)),
)
PAST_COLUMNS_NARROW = (*(Column("", 8), Column("", 4), Column("", None), Column("opened", 12, right=True)),)
_MOST_BOOKS, _MOST_BOOKS_NARROW = 6, 2


class PastIncidents(Vertical):
    """What would open one, and all that there were, the latest first."""

    def __init__(self) -> None:
        super().__init__(id="past-incidents")

    def compose(self) -> ComposeResult:
        yield FactList(id="none")
        yield ArrowTable(id="past", empty="")

    def on_mount(self) -> None:
        set_title(self.table, "Incidents")

    @property
    def table(self) -> ArrowTable:
        return self.query_one("#past", ArrowTable)

    def show(
        self,
        incidents: Sequence[Incident],
        books: Sequence[Runbook],
        scene: Scene,
        *,
        open_now: int,
        empty: str,
    ) -> None:
        """Draw what was read; `open_now` is how many are open, `empty` what stands where there was none."""
        table, look, words = self.table, scene.look, self.query_one("#none", FactList)
        columns = PAST_COLUMNS_NARROW if scene.compact else PAST_COLUMNS
        state = Column("state", max((len(each.standing) for each in incidents), default=5))
        table.show((*columns, state), past_entries(incidents, scene), empty=empty)
        set_subtitle(table, table.place_words)
        first = f"{fmt.counted(open_now, 'incident')} open" if open_now else "no incident is open"
        keys = ["i opens one, here or on an alert"] if scene.writes else []
        keys += ["enter shows one"] if incidents else []
        first += f": {'; '.join(keys)}" if keys else ""
        lines = [(cells(first, look("strong", bold=True)), EMPTY)]
        for book in books:
            rules = ", ".join(dict.fromkeys(rule for symptom in book.symptoms for rule in symptom.rules))
            if rules:
                title = piece(f"{book.title}  ", look("text"))
                lines.append(((title, piece(f"is for {rules}", look("muted"))), EMPTY))
        lines = lines[: 1 + (_MOST_BOOKS_NARROW if scene.compact else _MOST_BOOKS)]
        words.styles.height = len(lines)
        words.show(lines)


def past_entries(incidents: Sequence[Incident], scene: Scene) -> list[Entry]:
    """Those that are open first, the worst of them on top; then the closed ones, the latest first; then those that
    another one goes on with."""
    ordered = sorted(
        incidents,
        key=lambda each: (
            each.state.over,
            each.state is IncidentState.MERGED,
            0 if each.state.over else each.level,
            -each.id,
        ),
    )
    return [Row(str(incident.id), _past_cells(incident, scene)) for incident in ordered]


def _past_cells(incident: Incident, scene: Scene) -> tuple[Cells, ...]:
    look = scene.look
    took = timings(incident)

    def span(value: timedelta | None) -> Cells:
        return cells("–" if value is None else stopwatch(value), look("muted"))

    opened = cells(
        f"{incident.opened_at:%d %b} {fmt.clock(incident.opened_at, seconds=False)}", look("muted")
    )
    open_now = not incident.state.over
    # One that was merged is not resolved by that.
    resolved = None if incident.state is IncidentState.MERGED else took.to_resolve
    return (
        cells(incident.name, look("strong", bold=open_now)),
        cells(f"SEV{incident.level}", look(LEVEL_ROLES.get(incident.level, "info") if open_now else "muted")),
        cells(incident.title, look("text")),
        opened,
        *(() if scene.compact else (span(took.to_acknowledge), span(resolved))),
        cells(incident.standing, look(standing_role(incident) if open_now else "muted")),
    )
