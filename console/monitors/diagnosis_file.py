"""Reads diagnosis.yaml: the shipped one with an installation's own merged over it, entry by entry.

Everything is checked when it is read; what is wrong is a Misuse with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from console.domain.text import printable
from console.located import Table, layered, read
from console.metrics.catalogue import UNITS
from console.metrics.reading import span_s

SHIPPED = Path(__file__).resolve().parent.parent / "defaults" / "diagnosis.yaml"
_ASK = ("title", "sql", "columns", "bar", "limit", "timeout", "empty", "none")
_LOG = ("sql", "timeout", "none")
_MOST_SECTIONS, _MOST_COLUMNS, _MOST_ROWS = 8, 12, 50
_TIMEOUT_S, _MOST_TIMEOUT_S = 3.0, 10.0
_ROWS, _EMPTY = 12, "nothing in the window"
_LOG_PARAMETERS = 5
# What is replaced as a whole.
_WHOLE = ("columns",)


@dataclass(frozen=True, slots=True)
class Ask:
    """One statement that fills a table: `columns` are (name, unit). `none` says why it is not asked at all."""

    title: str
    sql: str
    columns: tuple[tuple[str, str], ...]
    bar: str = ""
    limit: int = _ROWS
    timeout_s: float = _TIMEOUT_S
    empty: str = _EMPTY
    none: str | None = None

    @property
    def parameters(self) -> int:
        """How many of the window's two ends the statement takes."""
        return 2 if "$2" in self.sql else 1 if "$1" in self.sql else 0


@dataclass(frozen=True, slots=True)
class LogAsk:
    """One statement that finds the log lines of samples."""

    source: str
    sql: str
    timeout_s: float = _TIMEOUT_S
    none: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What one kind of diagnosis asks."""

    sections: tuple[Ask, ...]
    samples: Ask | None


@dataclass(frozen=True, slots=True)
class Plans:
    """By kind; and the logs that all of them share."""

    kinds: Mapping[str, Plan]
    logs: tuple[LogAsk, ...]


def load(path: Path | None = None) -> Plans:
    """The shipped file with `path` merged over it. Raises Misuse."""
    whole = _top(read(SHIPPED))
    if path is not None:
        whole = layered(whole, _top(read(path)), whole=_WHOLE)
    kinds = whole.table("diagnoses")
    logs = whole.table("logs")
    return Plans(
        {name: _plan(kinds.table(name)) for name in kinds},
        tuple(_log(name, logs.table(name)) for name in logs),
    )


def _top(table: Table) -> Table:
    table.only(("diagnoses", "logs"), "section")
    return table


def _plan(table: Table) -> Plan:
    table.only(("sections", "samples"), "key of a diagnosis")
    sections = table.table("sections") if "sections" in table else Table(table.file, table.line)
    if len(sections) > _MOST_SECTIONS:
        table.fail("sections", f"at most {_MOST_SECTIONS} of them")
    return Plan(
        tuple(_ask(sections.table(name)) for name in sections),
        _ask(table.table("samples")) if "samples" in table else None,
    )


def _ask(table: Table) -> Ask:
    table.only(_ASK, "key of a table")
    columns = table.labels("columns")
    if not 1 <= len(columns) <= _MOST_COLUMNS:
        table.fail("columns", f"1 to {_MOST_COLUMNS} names with their units")
    for name, unit in columns.items():
        if unit and unit not in UNITS:
            table.table("columns").fail(name, f'a unit ({", ".join(UNITS)}) or ""')
    limit = table.number("limit")
    if limit is not None and not (1 <= limit <= _MOST_ROWS and limit == int(limit)):
        table.fail("limit", f"a whole number from 1 to {_MOST_ROWS}")
    found = Ask(
        title=printable(table.text("title"), 100),
        sql=_sql(table),
        columns=tuple((printable(name, 40), unit) for name, unit in columns.items()),
        bar=table.choice("bar", columns) if "bar" in table else "",
        limit=int(limit or _ROWS),
        timeout_s=_timeout(table),
        empty=printable(table.text("empty", _EMPTY)),
        none=_none(table),
    )
    if "$2" in found.sql and "$1" not in found.sql:
        table.fail("sql", "$1 (the window's start) wherever $2 (its end) is used")
    return found


def _log(source: str, table: Table) -> LogAsk:
    table.only(_LOG, "key of a log")
    sql = _sql(table)
    missing = [f"${i}" for i in range(1, _LOG_PARAMETERS + 1) if f"${i}" not in sql]
    if missing:
        table.fail("sql", f"a statement with $1 to ${_LOG_PARAMETERS} ({', '.join(missing)} missing)")
    return LogAsk(printable(source, 40), sql, _timeout(table), _none(table))


def _sql(table: Table) -> str:
    return re.sub(r";\s*$", "", table.text("sql").strip())


def _none(table: Table) -> str | None:
    return f"no source: {printable(table.text('none'))}" if "none" in table else None


def _timeout(table: Table) -> float:
    seconds = span_s(table, "timeout") or _TIMEOUT_S
    if seconds > _MOST_TIMEOUT_S:
        table.fail("timeout", f"at most {_MOST_TIMEOUT_S:g}s")
    return seconds
