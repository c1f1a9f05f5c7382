"""Rows of a diagnosis: tables with a bar of each row's share, and the samples below them. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from console.domain import format as fmt
from console.domain.diagnosis import Cell, Sample, Section
from widgets.cells import EMPTY, Cells, cells, piece
from widgets.charts import meter
from widgets.live_table import Column, Entry, Note, Row
from widgets.look import Look
from widgets.text_panel import wrapped

_BAR, _BAR_NARROW = 10, 4
_LEAST_TEXT, _MOST_TEXT = 14, 12
_SHORT = 8
_IDS = ("id", "user", "request")
_NUMBER = re.compile(r"\$?-?[\d,]+(\.\d+)?( \S{1,5})?")


@dataclass(frozen=True, slots=True)
class Arranged:
    """What of a table is shown in a width: places of its columns, how wide each is (None: what is left), and the
    width of the bar."""

    places: tuple[int, ...]
    widths: tuple[int | None, ...]
    bar: int


def arranged(section: Section, width: int) -> Arranged:
    """What gives way first where a table is narrow: the bar's length, further numbers from the right, the number
    that the bar shows too, further texts, the bar."""
    units = _units(section)
    numeric = [any(isinstance(row[i], int | float) for row in section.rows) for i in range(len(units))]
    flexible = next((i for i, number in enumerate(numeric) if not number), 0)
    longest = [
        max([len(title), *(len(fmt.amount(row[i], units[i])) for row in section.rows)])
        for i, title in enumerate(section.columns)
    ]
    # The beginning of an id tells it from others.
    needed = _SHORT if section.columns[flexible] in _IDS else longest[flexible]
    widths: list[int | None] = [
        None if i == flexible else size if numeric[i] else min(size, _MOST_TEXT)
        for i, size in enumerate(longest)
    ]
    barred = section.columns.index(section.bar) if section.bar in section.columns else None
    bar = _BAR if barred is not None and section.rows else 0
    places = list(range(len(section.columns)))
    first = next((i for i in places if numeric[i]), None)
    shown_twice = barred if barred is not None and units[barred] == "%" else None
    wanted = min(needed, _LEAST_TEXT)
    others = [i for i in reversed(places) if i not in (flexible, first, barred)]
    drops = [i for i in others if numeric[i]]
    drops += [shown_twice] if shown_twice not in (None, first) else []
    drops += [i for i in others if not numeric[i]]

    def left() -> int:
        fixed = sum(widths[i] or 0 for i in places)
        return width - 1 - fixed - bar - (len(places) - 1 + (bar > 0))

    if bar:
        bar = max(min(_BAR, _BAR + left() - needed), _BAR_NARROW)
    for place in drops:
        if left() >= wanted:
            break
        places.remove(place)
    if left() < wanted:
        bar = 0
    return Arranged(tuple(places), tuple(widths[i] for i in places), bar)


def _units(section: Section) -> tuple[str, ...]:
    return tuple(section.units[i] if i < len(section.units) else "" for i in range(len(section.columns)))


def section_columns(section: Section, shape: Arranged) -> tuple[Column, ...]:
    found = [
        Column(section.columns[place], width, right=any(isinstance(r[place], int | float) for r in section.rows))
        for place, width in zip(shape.places, shape.widths, strict=True)
    ]  # fmt: skip
    return (*found, Column("", shape.bar)) if shape.bar else tuple(found)


def section_entries(
    section: Section, shape: Arranged, width: int, look: Look, *, greyed: bool
) -> list[Entry]:
    """The rows, or why there are none, in as many lines as that takes."""
    if not section.rows:
        words = section.reason or "nothing in the window"
        return [Note(cells(line, look("muted"))) for line in wrapped(words, max(width - 2, 1))]
    return [
        Row(key, _section_row(section, row, shape, look, greyed))
        for key, row in zip(row_keys(section), section.rows, strict=True)
    ]


def _section_row(
    section: Section, row: tuple[Cell, ...], shape: Arranged, look: Look, greyed: bool
) -> tuple[Cells, ...]:
    units = _units(section)
    found = [_cell(row[i], units[i], i == shape.places[0], look, greyed) for i in shape.places]
    if shape.bar:
        found.append(meter(_share(section, row), shape.bar, look, role="stale" if greyed else "s2"))
    return tuple(found)


def row_keys(section: Section) -> list[str]:
    """One for each row: its texts, so that a row keeps the cursor when its numbers change."""
    keys: list[str] = []
    for row in section.rows:
        key = "\x1f".join(cell for cell in row if isinstance(cell, str))
        keys.append(key if key not in keys else f"{key}\x1f{len(keys)}")
    return keys


def _cell(cell: Cell, unit: str, first: bool, look: Look, greyed: bool) -> Cells:
    if cell is None:
        return cells(look.glyphs["none"], look("muted"))
    if isinstance(cell, str):
        return cells(cell, look("stale" if greyed else "text" if first else "muted"))
    number, suffix = fmt.number_and_unit(cell, unit)
    value = piece(number, look("stale" if greyed else "strong", bold=True))
    return (value, piece(f" {suffix}", look("faint"))) if suffix else (value,)


def _share(section: Section, row: tuple[Cell, ...]) -> float | None:
    """0..1: of all, where the column is a percentage; else of the table's largest."""
    place = section.columns.index(section.bar)
    value = row[place]
    if not isinstance(value, int | float):
        return None
    if _units(section)[place] == "%":
        return value / 100
    largest = max(v for r in section.rows if isinstance(v := r[place], int | float))
    return value / largest if largest > 0 else None


def sample_columns(samples: Sequence[Sample], width: int) -> tuple[list[str], tuple[Column, ...]]:
    """The fields that fit, in their order, and their columns; one takes what is left. The last column counts lines
    of the logs."""
    names = list(dict.fromkeys(name for sample in samples for name, _ in sample.fields))
    texts = {name: [shown(name, sample.field(name) or "") for sample in samples] for name in names}
    sizes = {name: max([len(name), *(len(text) for text in texts[name])]) for name in names}
    # Where nothing is long, the last one gets the room: columns after it would stand far away.
    longest = max(names, key=lambda name: sizes[name], default="")
    flexible = longest if sizes.get(longest, 0) > _MOST_TEXT else names[-1] if names else ""
    kept: list[str] = []
    room = width - 1 - 4 - (min(sizes[flexible], _LEAST_TEXT) if flexible else 0)
    for name in names:
        size = 0 if name == flexible else sizes[name] + 1
        if size <= room:
            kept.append(name)
            room -= size
    columns = [
        Column(
            name,
            None if name == flexible else sizes[name],
            right=all(_NUMBER.fullmatch(text) or text == fmt.NO_VALUE for text in texts[name])
            and name != "at",
        )
        for name in kept
    ]
    return kept, (*columns, Column("log", 3, right=True))


def shown(name: str, text: str, *, whole: bool = False) -> str:
    """A field as a table shows it: the time of day, the beginning of an id unless it is wanted `whole`."""
    if name == "at":
        at = moment(text)
        return text if at is None else fmt.clock(at)
    return text[:_SHORT] if name in _IDS and not whole else text


def moment(text: str) -> datetime | None:
    """A field that is a time; None for other text."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def sample_keys(samples: Sequence[Sample]) -> list[str]:
    """One for each sample: its id, else its place."""
    ids = [sample.field("id") or "" for sample in samples]
    return [id if id and ids.count(id) == 1 else f"{i}" for i, id in enumerate(ids)]


def sample_entries(
    samples: Sequence[Sample],
    keys: Sequence[str],
    names: Sequence[str],
    columns: Sequence[Column],
    look: Look,
    *,
    greyed: bool,
) -> list[Entry]:
    """The rows of `sample_columns`; where an id has room it is shown whole."""
    roles = {"at": "muted", "user": "muted", "id": "faint", "request": "faint"}
    entries: list[Entry] = []
    for key, sample in zip(keys, samples, strict=True):
        row: list[Cells] = [
            cells(
                shown(name, sample.field(name) or "", whole=column.width is None),
                look("stale" if greyed else roles.get(name, "text")),
            )
            for name, column in zip(names, columns, strict=False)
        ]
        lines = len(sample.log)
        row.append(cells(str(lines), look("muted")) if lines else EMPTY)
        entries.append(Row(key, tuple(row)))
    return entries
