"""The door to the platform's logs: which there are (logs.yaml), and what is new in one of them.

It has sessions of its own, so that a slow log keeps no metric waiting.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.domain.errors import Misuse, SourceFailed
from console.domain.log import LEVELS, LogLine
from console.domain.text import printable
from console.gateway.platform import Platform
from console.gateway.reasons import NoSource
from console.located import Table, layered, read
from console.metrics.reading import span_s

SHIPPED = Path(__file__).resolve().parent.parent / "defaults" / "logs.yaml"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,48}")
_ENTRY = ("title", "source", "overlap", "most", "timeout")
_COLUMNS = ("id", "at", "level", "origin", "text", "user", "request")
_MAX_TIMEOUT_S = 25.0
_SESSIONS = 2
_COUNTED = 100_000
# What loggers of other makes call their levels.
_WORDS = {
    "trace": "debug",
    "verbose": "debug",
    "warn": "warning",
    "err": "error",
    "severe": "error",
    "critical": "error",
    "fatal": "error",
    "panic": "error",
    "alert": "error",
    "emergency": "error",
}


@dataclass(frozen=True, slots=True)
class LogQuery:
    """One log of logs.yaml. `absent` says why this installation has no such log; then there is no `sql`."""

    name: str
    title: str
    sql: str
    absent: str = ""
    overlap_s: float = 30.0
    timeout_s: float = 3.0
    most: int = 1000


@dataclass(frozen=True, slots=True)
class LogRows:
    """The answer of a read: the platform database's clock, how many rows there were, and (id, line) of those that
    were not known, newest first."""

    at: datetime
    count: int
    new: tuple[tuple[str, LogLine], ...]


def load(path: Path | None = None) -> tuple[LogQuery, ...]:
    """The shipped logs with those of `path` merged over them, entry by entry. Raises Misuse with file and line."""
    whole = _logs(SHIPPED)
    if path is not None:
        whole = layered(whole, _logs(path), whole=("source",))
    return tuple(_query(name, whole.table(name)) for name in whole)


def _logs(path: Path) -> Table:
    top = read(path)
    top.only(("logs",), "section")
    if "logs" not in top:
        return Table(path, 1)
    found = top.table("logs")
    for name in found:
        if not _NAME.fullmatch(name):
            raise Misuse(
                f"{found.place(name)}: expected a name of a-z, 0-9 and _, not {printable(name, 60)!r}"
            )
        found.table(name)
    return found


def _query(name: str, table: Table) -> LogQuery:
    table.only(_ENTRY, "key of a log")
    source = table.table("source")
    source.only(("sql", "none"), "kind of source")
    if len(source) != 1:
        table.fail("source", "exactly one of sql, none")
    title = printable(table.text("title", name), 60)
    if "none" in source:
        return LogQuery(name, title, "", absent=f"no source: {printable(source.text('none'), 150)}")
    sql = source.text("sql").strip().rstrip(";")
    if missing := [mark for mark in ("$1", "$2") if mark not in sql]:
        source.fail("sql", f"a statement with $1 and $2 ({' and '.join(missing)} missing)")
    timeout_s, most = span_s(table, "timeout") or 3.0, table.number("most")
    if timeout_s > _MAX_TIMEOUT_S:
        table.fail("timeout", f"at most {_MAX_TIMEOUT_S:g}s")
    if most is not None and (not most.is_integer() or not 1 <= most <= 10_000):
        table.fail("most", "a whole number from 1 to 10000")
    return LogQuery(
        name,
        title,
        sql,
        overlap_s=span_s(table, "overlap") or 30.0,
        timeout_s=timeout_s,
        most=int(most or 1000),
    )


class Logs:
    """Reads the platform's logs. Each call raises SourceFailed, NoSource where there is no such log."""

    def __init__(self, platform: Platform) -> None:
        self._database = platform.sessions(_SESSIONS)

    async def read(self, query: LogQuery, since: datetime, limit: int, *, known: Container[str]) -> LogRows:
        """The newest `limit` rows after `since`; those with a known id are only counted."""
        # One row at least, for the clock: which lines lie in the future is told by the clock of the same database.
        rows = await self._ask(
            query,
            "SELECT clock_timestamp() AS read_at, l.* FROM (SELECT) AS always LEFT JOIN (\n{}\n) AS l ON true",
            since,
            limit,
        )
        if missing := [column for column in _COLUMNS if column not in rows[0].keys()]:  # noqa: SIM118
            raise SourceFailed(f"the query gives no column {missing[0]}")
        there = [(_text(row["id"], 100), row) for row in rows if row["id"] is not None]
        new = [(key, _line(query.name, row)) for key, row in there if key not in known]
        new.sort(key=lambda entry: entry[1].at, reverse=True)
        return LogRows(rows[0]["read_at"], len(there), tuple(new))

    async def count(self, query: LogQuery, since: datetime) -> int:
        """How many rows there are after `since`, as far as 100,000."""
        rows = await self._ask(query, "SELECT count(*) FROM (\n{}\n) AS l", since, _COUNTED)
        return rows[0][0]

    async def now(self) -> datetime:
        """The platform database's clock."""
        rows = await self._database.fetch("SELECT clock_timestamp()")
        return rows[0][0]

    async def close(self) -> None:
        """End the sessions."""
        await self._database.close()

    async def _ask(self, query: LogQuery, around: str, since: datetime, limit: int) -> list[Any]:
        if query.absent:
            raise NoSource(query.absent)
        return await self._database.fetch(around.format(query.sql), since, limit, timeout_s=query.timeout_s)


def _line(source: str, row: Mapping[str, Any]) -> LogLine:
    at = row["at"]
    if not isinstance(at, datetime):
        raise SourceFailed(f"the query gave a row whose at is no time: {printable(repr(at), 60)}")
    return LogLine(
        id=0,
        at=at if at.tzinfo is not None else at.replace(tzinfo=UTC),
        source=source,
        level=level_of(row["level"]),
        origin=_text(row["origin"], 100),
        text=_text(row["text"], 1000),
        user=_text(row["user"], 100),
        request=_text(row["request"], 100),
    )


def level_of(word: object) -> str:
    """The level that a logger's word means; `info` for one that nobody knows."""
    lower = str(word).strip().lower()
    return lower if lower in LEVELS else _WORDS.get(lower, "info")


def _text(value: object, limit: int) -> str:
    return "" if value is None else printable(value, limit)
