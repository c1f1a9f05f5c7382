"""What an agent found out about an alert: tables that answer the first questions, and the log lines beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from console.domain.log import LogLine

Cell = str | float | None


@dataclass(frozen=True, slots=True)
class Section:
    """One table. Cells are numbers (in `units`, by column, "" for none) or printable text; `reason` says why there
    are no rows. `bar` names the column to draw as a bar: a share where its unit is `%`, else compared with the
    largest of the table. `more`: there would have been further rows.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    units: tuple[str, ...] = ()
    reason: str | None = None
    bar: str = ""
    more: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One order that shows the trouble: its fields by name, and what the logs say of it."""

    fields: tuple[tuple[str, str], ...]
    log: tuple[LogLine, ...] = ()

    def field(self, name: str) -> str | None:
        """What it says for `name`; None when it has no such field."""
        return next((value for key, value in self.fields if key == name), None)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`kind` is `errors` or `performance`; `at` is when the platform was asked, `start` where its window begins.

    `samples_reason` and `log_reason` say why there are no samples, or no log lines; `note` what had to be left out.
    """

    alert_id: int
    kind: str
    at: datetime
    start: datetime
    sections: tuple[Section, ...]
    samples: tuple[Sample, ...] = ()
    samples_title: str = ""
    samples_reason: str | None = None
    log_reason: str | None = None
    note: str = ""


def matches(sample: Sample, column: str, value: str) -> bool:
    """Whether a sample belongs to a row whose `column` says `value`: by its field of that name, or, where it has
    none, by what wrote its log lines (a function)."""
    found = sample.field(column)
    if found is not None:
        return found == value
    return any(line.origin == value for line in sample.log)


def narrowing(section: Section, row: tuple[Cell, ...], samples: tuple[Sample, ...]) -> tuple[str, str] | None:
    """The column and value of a row by which samples can be told apart: the first text whose column is a field of
    the samples or names who writes their logs; None when nothing in the row is about samples."""
    texts = [
        (column, cell) for column, cell in zip(section.columns, row, strict=False) if isinstance(cell, str)
    ]
    for column, cell in texts:
        if any(sample.field(column) is not None for sample in samples):
            return column, cell
    origins = {line.origin for sample in samples for line in sample.log}
    return next(((column, cell) for column, cell in texts if cell in origins), None)
