"""Brings the platform's new log lines into the store, each second: all of them once, late ones too, never too many.

A log that can't be read has that as its reason and disturbs no other; nothing here ever keeps a tick waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.domain.errors import Fenced, SourceFailed, StoreRefused, TradexError
from console.domain.log import LogLine, LogSource
from console.domain.text import printable
from console.gateway.logs import LogQuery, LogRows, Logs
from console.gateway.platform import Platform
from console.monitors.running import Running
from console.store import logs
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.logs")

AGENT = "tradex"
"""The origin of lines that the tail itself writes."""
_EVERY_S = 1.0
_PATIENCE_S = 0.8
# Each read begins a little before the newest row; one of several looks for late rows in the whole overlap.
_TAIL = timedelta(seconds=3)
_WHOLE_EACH_S = 10.0
# How far back a store that is empty begins.
_PAST = timedelta(minutes=5)
# What waits for a store that is away.
_WAITING = 20_000

# So many rows at most are read again when late ones are looked for.
_READ_AGAIN = 5_000

Entry = tuple[str, LogLine]


class Cursor:
    """Where the tail is in one log: what was taken, where the next read begins. No I/O.

    The base is the time of the newest row, never in the future. Nothing is read before the floor: it rises when rows
    are left out, so that they do not come back as late ones.
    """

    def __init__(self, query: LogQuery, start: datetime, taken: Mapping[str, datetime] | None = None) -> None:
        self.taken = dict(taken or {})
        """The keys of what was taken, as far back as is read again, each with its row's time."""
        self._most = query.most
        self._overlap = max(timedelta(seconds=query.overlap_s), _TAIL)
        self._base = start
        self._floor = start - self._overlap

    def since(self, *, whole: bool) -> datetime:
        """Rows after this moment are read: the `whole` overlap before the base, or its last seconds."""
        if not whole:
            return max(self._base - _TAIL, self._floor)
        oldest = self._base - self._overlap
        self.taken = {key: at for key, at in self.taken.items() if at > oldest}
        if len(self.taken) > _READ_AGAIN:
            oldest = max(oldest, sorted(self.taken.values())[-_READ_AGAIN])
        return max(oldest, self._floor)

    def known(self, since: datetime) -> int:
        """How many rows after `since` were taken before."""
        return sum(at > since for at in self.taken.values())

    def take(self, found: LogRows) -> tuple[list[Entry], datetime | None]:
        """The new rows, oldest first. Of too many, the newest, and the time before which the others were left out."""
        new, cut = found.new, None
        if len(new) > self._most:
            new = new[: self._most]
            self._floor = cut = new[-1][1].at
        if new:
            self.taken |= {key: line.at for key, line in new}
            self._base = max(self._base, min(new[0][1].at, found.at))
        return list(new[::-1]), cut


@dataclass(frozen=True, slots=True)
class _Read:
    """What one read brought: lines with their keys, or the reason why there are none."""

    entries: tuple[Entry, ...] = ()
    reason: str = ""


class LogTail:
    """Follows the platform's logs for the agent that leads."""

    def __init__(self, platform: Platform, queries: Sequence[LogQuery]) -> None:
        self._platform = platform
        self._queries = {query.name: query for query in queries}

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled, or until the lease has passed on: then it raises Fenced, and nothing else ever."""
        term = _Term(Logs(self._platform), self._queries)
        try:
            while True:
                begun = time.monotonic()
                await term.round(store, lease)
                await asyncio.sleep(max(begun + _EVERY_S - time.monotonic(), _EVERY_S / 10))
        finally:
            await term.close()


class _Term:
    """One term of leading: begins where the store's lines end."""

    def __init__(self, door: Logs, queries: dict[str, LogQuery]) -> None:
        self._door = door
        self._queries = queries
        self._cursors: dict[str, Cursor] | None = None
        self._running: Running[str, _Read] = Running()
        self._whole_at: dict[str, float] = {}
        self._reasons: dict[str, str] = {name: query.absent for name, query in queries.items()}
        self._told: dict[str, str] | None = None
        self._waiting: list[Entry] = []
        self._overflow = 0
        self._store_failed = False

    async def round(self, store: Store, lease: Lease) -> None:
        """Read every log once and write what is new. Raises Fenced."""
        try:
            if await self._begin(store):
                await self._read()
            await self._write(store, lease)
        except Fenced:
            raise
        except TradexError as error:
            if not self._store_failed:
                log.warning("log lines wait: %s", error)
            self._store_failed = True
        else:
            self._store_failed = False

    async def close(self) -> None:
        self._running.cancel()
        await self._door.close()

    async def _begin(self, store: Store) -> bool:
        """Whether it is known where to begin."""
        if self._cursors is not None:
            return True
        try:
            now = await self._door.now()
        except SourceFailed as error:
            self._reasons = {name: query.absent or str(error) for name, query in self._queries.items()}
            return False
        longest = max((query.overlap_s for query in self._queries.values()), default=0.0)
        taken = await logs.taken(store, within=timedelta(seconds=longest))
        self._cursors = {
            name: Cursor(
                query, min(max(taken[name].values()), now) if name in taken else now - _PAST, taken.get(name)
            )
            for name, query in self._queries.items()
            if not query.absent
        }
        return True

    async def _read(self) -> None:
        jobs: dict[str, Callable[[], Awaitable[_Read]]] = {
            name: lambda name=name, cursor=cursor: self._read_one(self._queries[name], cursor)
            for name, cursor in (self._cursors or {}).items()
        }
        ended = await self._running.run(jobs, _PATIENCE_S)
        for name, found in ended.items():
            if found.reason and found.reason != self._reasons[name]:
                log.warning("log %s: %s", name, found.reason)
            self._reasons[name] = found.reason
            self._waiting += found.entries
        over = len(self._waiting) - _WAITING
        if over > 0:
            del self._waiting[:over]
            self._overflow += over

    async def _read_one(self, query: LogQuery, cursor: Cursor) -> _Read:
        try:
            return await self._ask(query, cursor)
        except SourceFailed as error:
            return _Read(reason=str(error))
        except Exception as error:
            # Whatever a log holds, the agent goes on.
            log.exception("log %s", query.name)
            return _Read(reason=f"cannot be read: {printable(error, 100)}")

    async def _ask(self, query: LogQuery, cursor: Cursor) -> _Read:
        whole = time.monotonic() - self._whole_at.get(query.name, -_WHOLE_EACH_S) >= _WHOLE_EACH_S
        since = cursor.since(whole=whole)
        known = cursor.known(since)
        limit = known + query.most + 1
        found = await self._door.read(query, since, limit, known=cursor.taken)
        total = await self._door.count(query, since) if found.count >= limit else found.count
        if whole:
            self._whole_at[query.name] = time.monotonic()
        entries, cut = cursor.take(found)
        left_out = total - known - len(entries)
        if cut is not None and left_out > 0:
            entries.insert(0, _left_out(query.name, cut, left_out))
        return _Read(tuple(entries))

    async def _write(self, store: Store, lease: Lease) -> None:
        if self._waiting:
            batch = sorted(self._waiting, key=lambda entry: entry[1].at)
            if self._overflow:
                first = batch[0][1]
                batch.insert(0, _left_out(first.source, first.at, self._overflow))
            try:
                await logs.append(store, lease, [line for _, line in batch], keys=[key for key, _ in batch])
            except Fenced:
                raise
            except StoreRefused:
                # It would say so again, and hold up all that comes after.
                self._overflow += len(self._waiting)
                self._waiting = []
                raise
            self._waiting, self._overflow = [], 0
        if self._told != self._reasons:
            told = dict(self._reasons)
            await logs.set_sources(
                store,
                lease,
                [LogSource(name, self._queries[name].title, reason) for name, reason in told.items()],
            )
            self._told = told


def _left_out(source: str, at: datetime, count: int) -> Entry:
    """The line that stands for those that were too many."""
    text = f"{count:,} lines left out" if count > 1 else "1 line left out"
    return f"left out {at.isoformat()}", LogLine(0, at, source, "warning", AGENT, text)
