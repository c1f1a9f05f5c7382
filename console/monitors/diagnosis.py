"""Asks the platform's database the first questions about an alert: who and what is hit, single orders, their logs.

Every statement is one of diagnosis.yaml, runs beside the others and has a time-out of its own. One that fails has that
as its reason and disturbs no other.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from console.domain import format as fmt
from console.domain.alert import Alert
from console.domain.diagnosis import Cell, Diagnosis, Sample, Section
from console.domain.errors import Misuse, SourceFailed
from console.domain.log import LogLine
from console.domain.text import printable
from console.gateway.logs import level_of
from console.gateway.platform import Platform
from console.monitors import diagnosis_file
from console.monitors.diagnosis_file import Ask, LogAsk
from console.monitors.reading import number

_BEFORE = timedelta(minutes=5)
_LONGEST = timedelta(hours=1)
_CLOCK_TIMEOUT_S = 3.0
# Sessions beside those of the collector, so that a diagnosis never makes a tick wait.
_SESSIONS = 2
_CELL, _TEXT = 200, 500
_MOST_LINES = 15
_UNITS = {"count": "", "score": "", "ratio": "", "state": "", "money": ""}


@dataclass(frozen=True, slots=True)
class _Order:
    """A sample with what leads to its log lines."""

    sample: Sample
    at: datetime
    id: str
    user: str
    request: str


class Diagnostician:
    """Diagnoses by kind, as `file` merged over the shipped diagnosis.yaml declares them. Raises Misuse for a wrong
    file. `time_scale` is how much faster than the clock windows run."""

    def __init__(self, platform: Platform, file: Path | None = None, *, time_scale: float = 1.0) -> None:
        self._database = platform.sessions(_SESSIONS)
        self._plans = diagnosis_file.load(file)
        self._before = _BEFORE / time_scale

    @property
    def kinds(self) -> frozenset[str]:
        """What `diagnose` takes."""
        return frozenset(self._plans.kinds)

    async def diagnose(self, alert: Alert, kind: str, now: datetime) -> Diagnosis:
        """What the platform says about `alert` as of `now`: the window begins a while before it became pending, and
        is an hour at most. Never raises for what the platform does; Misuse for a kind that is not declared.
        """
        plan = self._plans.kinds.get(kind)
        if plan is None:
            raise Misuse(f"no diagnosis {printable(kind, 60)}; there are {', '.join(sorted(self.kinds))}")
        start = max(alert.pending_at - self._before, now - _LONGEST)
        found = Diagnosis(
            alert.id, kind, now, start, (), samples_title=plan.samples.title if plan.samples else ""
        )
        try:
            end = await self._clock()
        except SourceFailed as error:
            # Then no statement has to wait for the same reason.
            sections = tuple(_nothing(ask, str(error)) for ask in plan.sections)
            return replace(found, sections=sections, samples_reason=str(error))
        window = (end - (now - start), end)
        sections, (samples, samples_reason, log_reason) = await asyncio.gather(
            asyncio.gather(*(self._section(ask, window) for ask in plan.sections)),
            self._samples(plan.samples, window),
        )
        return replace(
            found,
            sections=tuple(sections),
            samples=samples,
            samples_reason=samples_reason,
            log_reason=log_reason,
        )

    async def close(self) -> None:
        """End the sessions; the next diagnosis opens new ones."""
        await self._database.close()

    # Asking

    async def _clock(self) -> datetime:
        rows = await self._database.fetch("SELECT now()", timeout_s=_CLOCK_TIMEOUT_S)
        return rows[0][0]

    async def _rows(self, ask: Ask, window: tuple[datetime, datetime]) -> list[Mapping[str, Any]]:
        """At most one row more than the table keeps."""
        if ask.none is not None:
            raise SourceFailed(ask.none)
        # Only the statement's own text is put in: it is the installation's.
        sql = f"SELECT * FROM (\n{ask.sql}\n) AS asked LIMIT {ask.limit + 1}"  # noqa: S608
        rows = await self._database.fetch(sql, *window[: ask.parameters], timeout_s=ask.timeout_s)
        missing = [name for name, _ in ask.columns if rows and name not in rows[0].keys()]  # noqa: SIM118
        if missing:
            raise SourceFailed(f"the query gave no column {missing[0]}")
        return [dict(row) for row in rows]

    async def _section(self, ask: Ask, window: tuple[datetime, datetime]) -> Section:
        try:
            rows = await self._rows(ask, window)
            cells = tuple(
                tuple(_cell(row[name], name, unit) for name, unit in ask.columns) for row in rows[: ask.limit]
            )
        except SourceFailed as error:
            return _nothing(ask, str(error))
        section = _nothing(ask, None if cells else ask.empty)
        return replace(section, rows=cells, more=len(rows) > ask.limit)

    async def _samples(
        self, ask: Ask | None, window: tuple[datetime, datetime]
    ) -> tuple[tuple[Sample, ...], str | None, str | None]:
        """The samples, why there are none, and why they have no log lines."""
        if ask is None:
            return (), "this diagnosis has no samples", None
        try:
            rows = await self._rows(ask, window)
        except SourceFailed as error:
            return (), str(error), None
        orders = sorted((_order(row, ask, window[1]) for row in rows[: ask.limit]), key=lambda o: o.at)
        if not orders:
            return (), ask.empty, None
        orders.reverse()
        found = await asyncio.gather(*(self._lines(log, orders) for log in self._plans.logs))
        reasons = [reason for _, reason in found if reason is not None]
        samples = tuple(
            replace(order.sample, log=_kept([line for lines, _ in found for line in lines.get(i, ())], order))
            for i, order in enumerate(orders)
        )
        return samples, None, "; ".join(reasons) or None

    async def _lines(
        self, log: LogAsk, orders: Sequence[_Order]
    ) -> tuple[dict[int, list[LogLine]], str | None]:
        """Of one log, by the sample's number; and why there are none."""
        if log.none is not None:
            return {}, log.none
        try:
            rows = await self._database.fetch(
                log.sql,
                list(range(len(orders))),
                [o.at for o in orders],
                [o.id for o in orders],
                [o.user for o in orders],
                [o.request for o in orders],
                timeout_s=log.timeout_s,
            )
            lines: dict[int, list[LogLine]] = {}
            for row in rows:
                lines.setdefault(row["n"], []).append(_line(dict(row), log.source))
        except SourceFailed as error:
            return {}, str(error)
        except KeyError as error:
            return {}, f"the query for the log {log.source} gave no column {error.args[0]}"
        return lines, None


def _nothing(ask: Ask, reason: str | None) -> Section:
    return Section(
        title=ask.title,
        columns=tuple(name for name, _ in ask.columns),
        units=tuple(unit for _, unit in ask.columns),
        reason=reason,
        bar=ask.bar,
    )


def _cell(value: object, name: str, unit: str) -> Cell:
    """A number where the column has a unit, else text; None for what is neither there nor finite."""
    if value is None or (isinstance(value, float | Decimal) and not math.isfinite(value)):
        return None
    if unit and unit != "state":
        return number(value, f"column {name}")
    return _words(value, unit)


def _words(value: object, unit: str) -> str:
    """One field as text, for people: times in UTC, numbers without needless zeros, the unit behind."""
    if value is None:
        return fmt.NO_VALUE
    if isinstance(value, datetime):
        return fmt.iso(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, bool | str | uuid.UUID) or unit == "state":
        return printable(value, _CELL)
    try:
        amount = number(value, "value")
    except SourceFailed:
        return printable(value, _CELL)
    if amount is None:
        return fmt.NO_VALUE
    if unit == "money":
        return f"${amount:,.2f}"
    shown = fmt.number(amount, 0) if unit == "ms" else fmt.number(amount, 6).rstrip("0").rstrip(".")
    return f"{shown} {_UNITS.get(unit, unit)}".strip()


def _order(row: Mapping[str, Any], ask: Ask, end: datetime) -> _Order:
    at = row.get("at")
    known = {name: row[name] for name in ("id", "user", "request") if row.get(name) is not None}
    return _Order(
        Sample(tuple((name, _words(row[name], unit)) for name, unit in ask.columns)),
        at if isinstance(at, datetime) and at.tzinfo else end,
        **{name: printable(known.get(name, ""), _CELL) for name in ("id", "user", "request")},
    )


def _line(row: Mapping[str, Any], source: str) -> LogLine:
    at = row["at"]
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise SourceFailed(f"the query for the log {source} gave a column at that is no time with a zone")
    return LogLine(
        id=0,
        at=at,
        source=source,
        level=level_of(row["level"]),
        origin=printable(row["origin"] or "", 100),
        text=printable(row["text"] or "", _TEXT),
        user=printable(row["user"] or "", 100),
        request=printable(row["request"] or "", 100),
    )


def _kept(lines: list[LogLine], order: _Order) -> tuple[LogLine, ...]:
    """The nearest lines, in the order in which they were written."""
    nearest = sorted(lines, key=lambda line: abs(line.at - order.at))[:_MOST_LINES]
    return tuple(sorted(nearest, key=lambda line: line.at))
