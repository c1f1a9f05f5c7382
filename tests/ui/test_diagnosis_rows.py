"""What of a diagnosis's tables fits, and how its numbers are written."""

import pytest

from console.domain.diagnosis import Sample, Section
from screens.diagnosis import shares
from screens.diagnosis_rows import arranged, number_and_unit, row_keys, sample_columns
from tests.ui.fixtures.diagnoses import FOUND_ERRORS


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
    ],
)
def test_numbers(value: float, unit: str, expected: str) -> None:
    assert " ".join(filter(None, number_and_unit(value, unit))) == expected


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
