"""Rows of log lines in a table, and who wrote a line. Pure."""

from collections.abc import Sequence

from console.domain import format as fmt
from console.domain.log import LogLine
from widgets.cells import EMPTY, Cells, cells
from widgets.live_table import Column, Entry, Row
from widgets.log_view import state_of
from widgets.look import Look
from widgets.text_panel import wrapped

LOG_COLUMNS = (Column("", 12), Column("", 1), Column("", 15), Column("", None))
LOG_COLUMNS_NARROW = (Column("", 8), Column("", 1), Column("", None))


def origins(line: LogLine) -> tuple[tuple[str, str], ...]:
    """What a line says about where it comes from, by name; an empty value is not known."""
    return (("log", line.source), ("from", line.origin), ("user", line.user), ("request", line.request))


def log_entries(lines: Sequence[LogLine], look: Look, *, narrow: bool, greyed: bool = False) -> list[Entry]:
    """Oldest first: when, how bad, who wrote it, what."""
    entries: list[Entry] = []
    for i, line in enumerate(lines):
        state = state_of(line.level)
        when = fmt.clock(line.at) if narrow else f"{fmt.clock(line.at)}.{line.at.microsecond // 1000:03d}"
        row: list[Cells] = [
            cells(when, look("muted")),
            cells(look.glyphs[state.glyph], look("stale" if greyed else state.role)),
        ]
        if not narrow:
            row.append(cells(line.origin or line.source, look("muted")))
        row.append(cells(line.text, look("stale" if greyed else "text")))
        entries.append(Row(str(i), tuple(row)))
    return entries


def log_lines(lines: Sequence[LogLine], look: Look, width: int, *, greyed: bool = False) -> list[Entry]:
    """The same to be read only: each text in as many lines as it takes."""
    room = max(width - 13, 1)
    entries: list[Entry] = []
    for entry, line in zip(log_entries(lines, look, narrow=True, greyed=greyed), lines, strict=True):
        head = entry.cells[:2] if isinstance(entry, Row) else ()
        for i, part in enumerate(wrapped(line.text, room)):
            text = cells(part, look("stale" if greyed else "text"))
            entries.append(Row(None, (*(head if i == 0 else (EMPTY, EMPTY)), text)))
    return entries
