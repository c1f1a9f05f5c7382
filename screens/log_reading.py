"""What the log screen reads and keeps: new lines, older ones, the filter; and what went wrong with each."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from console.domain.errors import TradexError
from console.domain.log import LogLine, LogSource
from console.domain.log_lines import KEPT, LogFilter, LogLines
from console.query import Query
from screens.patience import TookTooLong, at_most

PAGE = 500
_PATIENCE_S = 0.5


class LogReading:
    """`holds()` says whether somebody stands still to read: then nothing is let in that would push out what is kept.

    `waiting`: newer lines in the store that were not read for that reason. `problem`: why the filter is not what it
    should be. `failed`: why the store could not be read; what was read stays.
    """

    def __init__(self, query: Callable[[], Query], holds: Callable[[], bool]) -> None:
        self.lines = LogLines(KEPT)
        self.sources: Sequence[LogSource] = ()
        self.waiting = 0
        self.problem = ""
        self.failed = ""
        self._query = query
        self._holds = holds
        self._whole = False

    async def read(self, *, sources: bool) -> None:
        """Everything new; with `sources` also what is known of the logs."""
        try:
            if sources or not self.sources:
                self.sources = await self._query().log_sources()
            await self._read()
            self.failed = ""
        except TradexError as error:
            self.failed = f"the log could not be read: {error}"

    async def _read(self) -> None:
        last = self.lines.last_id
        newest = await self._logs(limit=PAGE if last is None else 1)
        end = newest[-1].id if newest else 0
        if last is None:
            self._keep(lambda: self.lines.append(newest))
        elif not self._holds() and end - last > KEPT:
            newest = await self._logs(limit=PAGE)
            self._keep(lambda: self.lines.restart(newest))
            self._whole = False
        else:
            while last < end and not self._holding:
                found = await self._logs(after=last, limit=PAGE)
                self._keep(lambda found=found: self.lines.append(found))
                last = found[-1].id if found else end
            self.waiting = max(end - last, 0)
            return
        self.waiting = 0

    async def read_older(self) -> bool:
        """One page backwards; False when there is no more, or no room."""
        first = self.lines.first_id
        if self._whole or first is None:
            return False
        try:
            found = [] if self.lines.full else await self._logs(before=first, limit=PAGE)
        except TradexError:
            return False
        if self.lines.first_id != first:
            # Meanwhile the reading began anew elsewhere, or the oldest had to go.
            return True
        self._whole = not self._keep(lambda: self.lines.prepend(found))
        return not self._whole

    def choose(self, wanted: LogFilter) -> None:
        """Filter differently, unless that takes for ever."""
        try:
            with at_most(_PATIENCE_S):
                self.lines.choose(wanted)
            self.problem = ""
        except TookTooLong:
            self.problem = "this pattern takes too long; the one before it stays"

    @property
    def pattern(self) -> str:
        """The regular expression in force, as it was typed."""
        wanted = self.lines.filter.pattern
        return "" if wanted is None else wanted.pattern

    @property
    def _holding(self) -> bool:
        return self._holds() and len(self.lines) + PAGE > KEPT

    async def _logs(
        self, *, limit: int, after: int | None = None, before: int | None = None
    ) -> Sequence[LogLine]:
        return await self._query().logs(limit=limit, after=after, before=before)

    def _keep(self, change: Callable[[], bool | None]) -> bool:
        """Let lines in; a pattern that takes too long on one of them is given up."""
        try:
            with at_most(_PATIENCE_S):
                return bool(change())
        except TookTooLong:
            self.problem = f"/{self.pattern}/ took too long on a line and was taken away"
            self.lines.choose(replace(self.lines.filter, pattern=None))
            return bool(change())
