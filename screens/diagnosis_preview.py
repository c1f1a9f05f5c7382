"""The first rows of a diagnosis, for a panel beside other things. Pure."""

from console.domain import format as fmt
from console.domain.diagnosis import Cell, Diagnosis, Section
from widgets.cells import Cells, cells
from widgets.live_table import Column, Entry, Group, Note, Row
from widgets.look import Look

PREVIEW_COLUMNS = (Column("", None), Column("", 10, right=True))
_ROWS = 3


def preview_entries(diagnosis: Diagnosis, look: Look) -> list[Entry]:
    """The largest rows of each section: what it is, and its first number."""
    entries: list[Entry] = []
    for i, section in enumerate(diagnosis.sections):
        entries.append(Group(section.title))
        if not section.rows:
            entries.append(Note(cells(section.reason or "nothing", look("muted"))))
        entries.extend(
            Row(f"{i}.{j}", _preview(section, row, look)) for j, row in enumerate(section.rows[:_ROWS])
        )
    return entries


def _preview(section: Section, row: tuple[Cell, ...], look: Look) -> tuple[Cells, ...]:
    words = [cell for cell in row if isinstance(cell, str)]
    number = ""
    for i, cell in enumerate(row):
        if isinstance(cell, int | float):
            unit = section.units[i] if i < len(section.units) else ""
            number = fmt.amount(cell, unit)
            break
    return cells(", ".join(words), look("text")), cells(number, look("strong", bold=True))
