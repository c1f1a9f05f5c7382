"""The last month of every checklist, and who ticked what this week."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal

from console.domain.duties import Past
from screens import duty_calendar as calendar
from screens.base import Layout
from widgets.cells import EMPTY, cells
from widgets.fact_list import FactList
from widgets.live_table import LiveTable
from widgets.panel import set_subtitle, set_title

if TYPE_CHECKING:
    from screens.books import BooksScreen

_LEAST = 8


class DutyPast(Horizontal):
    """`runs` are those of the last thirty days, oldest first, as they were read last; `changed` draws what was read."""

    def __init__(self, home: BooksScreen, changed: Callable[[], None], *, wanted: Callable[[], bool]) -> None:
        super().__init__(id="past")
        self._home = home
        self.runs: Sequence[Past] = ()
        self._ticked: Sequence[tuple[str, int]] = ()
        what = "the history of the checklists"
        self.reading = home.follow(self._read, changed, "duty", what=what, wanted=wanted, rest_s=1.0)

    def compose(self) -> ComposeResult:
        yield LiveTable(id="history", follow=True, empty="")
        yield FactList(id="who", classes="panel")

    def on_mount(self) -> None:
        set_title(self.query_one("#history"), f"History, {calendar.DAYS} days")
        set_title(self.query_one("#who"), "Who")

    async def _read(self) -> None:
        query, now = self._home.feed.query, self._home.now
        runs = await query.past_runs(since=now - calendar.PERIOD)
        ticked = await query.ticked_by(since=calendar.week_start(now))
        self.runs, self._ticked = runs, ticked

    def draw(self, *, greyed: bool) -> None:
        """Both panels; nothing while they are not seen."""
        if not self.is_attached or not self.display:
            return
        home, reading = self._home, self.reading
        snapshot, look, now = home.snapshot, home.look, home.now
        table, who = self.query_one("#history", LiveTable), self.query_one("#who", FactList)
        narrow, known = home.arrangement is Layout.COMPACT, reading.known
        # Without its past a list would seem never to have been done.
        lists = snapshot.checklists if known else ()
        rows = calendar.entries(lists, self.runs, look, now, narrow=narrow, greyed=greyed)
        table.show(calendar.columns(now, look, narrow=narrow), rows, empty=reading.empty("no checklist yet"))
        set_subtitle(table, "right: percent on time, how many of them in a row" if rows else "")
        lines = [(cells(reading.problem, look("muted")), EMPTY)]
        if known:
            lines = calendar.who_lines(self._ticked, self.runs, look, now, who.content_size.width or 20)
        who.show(lines)

    def fit(self, wide: bool) -> None:
        """As high as there are lists, or as there is room where it is `wide`."""
        room = max(len(self._home.snapshot.checklists) + 6, _LEAST)
        self.styles.height = None if wide else min(room, self.app.size.height // 3)
