"""What of a diagnosis's tables fits, and how its numbers are written."""

from dataclasses import replace

import pytest

from console.domain import format as fmt
from console.domain.diagnosis import Sample, Section
from screens.diagnosis import shares
from screens.diagnosis_preview import preview_entries
from screens.diagnosis_rows import arranged, row_keys, sample_columns, section_entries
from tests.ui.fixtures.diagnoses import FOUND_ERRORS
from themes.palette import DARK
from widgets.glyphs import UNICODE
from widgets.live_table import Row
from widgets.look import Look


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1234.0, "count", "1,234"),
        (61.44, "%", "61.4 %"),
        (512.4, "ms", "512 ms"),
        (0.43, "ms", "0.4 ms"),
        (12.5, "money", "$12.50"),
        (0.125, "", "0.12"),
        (3.0, "/s", "3 /s"),
        (None, "ms", "–"),
    ],
)
def test_a_number_is_written_as_everywhere_and_its_column_has_room(
    value: float | None, unit: str, expected: str
) -> None:
    section = Section("t", ("name", "n"), (("x", value), ("y", 1.0)), ("", unit))
    shape = arranged(section, 80)
    row = section_entries(section, shape, 80, Look(DARK, UNICODE), greyed=False)[0]
    assert isinstance(row, Row)
    assert "".join(segment.text for segment in row.cells[1]) == expected == fmt.amount(value, unit)
    beside = preview_entries(replace(FOUND_ERRORS, sections=(section,)), Look(DARK, UNICODE))[1]
    assert isinstance(beside, Row)
    if value is not None:
        assert "".join(segment.text for segment in beside.cells[1]) == expected
    assert shape.widths[1] is not None and shape.widths[1] >= len(expected)


@pytest.mark.parametrize(
    ("width", "columns", "bar"),
    [
        (80, ["reason", "failures", "share", "users"], 10),
        (56, ["reason", "failures", "share", "users"], 4),
        (36, ["reason", "failures", "share"], 4),
        (34, ["reason", "failures"], 4),
        (24, ["reason", "failures"], 0),
    ],
)
def test_what_gives_way_in_a_narrow_table(width: int, columns: list[str], bar: int) -> None:
    section = FOUND_ERRORS.sections[0]
    shape = arranged(section, width)
    assert ([section.columns[i] for i in shape.places], shape.bar) == (columns, bar)


def test_the_level_of_a_log_stays_beside_its_function() -> None:
    section = FOUND_ERRORS.sections[2]
    assert [section.columns[i] for i in arranged(section, 36).places] == ["function", "level", "lines"]


def test_equal_rows_have_keys_of_their_own() -> None:
    section = Section("t", ("a", "b"), (("x", 1.0), ("x", 2.0), (None, 3.0), (None, 4.0)))
    assert len(set(row_keys(section))) == 4


def test_samples_without_fields_or_without_samples_have_columns() -> None:
    assert [c.title for c in sample_columns((), 80)[1]] == ["log"]
    assert [c.title for c in sample_columns((Sample(()),), 80)[1]] == ["log"]


@pytest.mark.parametrize(
    ("wanted", "room", "expected"),
    [
        ([9, 12], 40, [9, 12]),
        ([9, 12], 18, [9, 9]),
        ([15, 28], 20, [10, 10]),
        ([15, 28], 3, [6, 6]),
        ([], 9, []),
    ],
)
def test_heights_are_cut_from_the_largest(wanted: list[int], room: int, expected: list[int]) -> None:
    assert shares(wanted, room, 6) == expected
