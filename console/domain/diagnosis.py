"""What an agent found out about an alert: tables that answer the first questions, and the log lines beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from console.domain.log import LogLine


@dataclass(frozen=True, slots=True)
class Section:
    """One table. Cells are numbers (in `units`, by column, "" for none) or printable text; `reason` says why there
    are no rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...] = ()
    units: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One order that shows the trouble: its fields by name, and what the logs say of it."""

    fields: tuple[tuple[str, str], ...]
    log: tuple[LogLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`kind` is `errors` or `performance`; `at` is when the platform was asked, `start` where its window begins."""

    alert_id: int
    kind: str
    at: datetime
    start: datetime
    sections: tuple[Section, ...]
    samples: tuple[Sample, ...] = ()
