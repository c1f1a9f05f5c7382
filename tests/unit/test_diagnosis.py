"""What belongs to a row of a diagnosis; its document in the store: pure, bounded, printable."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.domain.diagnosis import Diagnosis, Sample, Section, matches, narrowing
from console.domain.log import LogLine
from console.domain.text import printable
from console.store.diagnoses import LARGEST, decode, encode

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def line(origin: str = "execute-order", text: str = "order failed") -> LogLine:
    return LogLine(0, NOON, "functions", "error", origin, text, "u1", "r1")


TIMEOUT = Sample((("id", "o1"), ("reason", "venue timeout"), ("symbol", "EURUSD")), (line(),))
FUNDS = Sample((("id", "o2"), ("reason", "insufficient funds"), ("symbol", "AAPL")))


@pytest.mark.parametrize(
    ("columns", "row", "expected"),
    [
        (("reason", "failures"), ("venue timeout", 3.0), ("reason", "venue timeout")),
        (("level", "symbol"), ("error", "AAPL"), ("symbol", "AAPL")),
        (("function", "level"), ("execute-order", "error"), ("function", "execute-order")),
        (("function", "level"), ("get-stock-price", "error"), None),
        (("hour", "p95"), ("03:00", 500.0), None),
        (("reason",), (None,), None),
    ],
)
def test_a_row_leads_to_its_samples_by_field_or_by_who_wrote_their_logs(
    columns: tuple[str, ...], row: tuple[str | float | None, ...], expected: tuple[str, str] | None
) -> None:
    assert narrowing(Section("t", columns), row, (TIMEOUT, FUNDS)) == expected


def test_what_matches() -> None:
    assert matches(TIMEOUT, "reason", "venue timeout")
    assert not matches(FUNDS, "reason", "venue timeout")
    assert matches(TIMEOUT, "function", "execute-order")
    assert not matches(FUNDS, "function", "execute-order")


def diagnosis(
    sections: int = 4, rows: int = 12, samples: int = 40, lines: int = 15, text: str = "x"
) -> Diagnosis:
    table = Section(
        "Failures",
        ("reason", "failures"),
        tuple((f"{text}{i}", float(i)) for i in range(rows)),
        ("", "count"),
    )
    order = Sample((("id", "o"), ("reason", text)), (line(text=text),) * lines)
    return Diagnosis(7, "errors", NOON, NOON - timedelta(minutes=5), (table,) * sections, (order,) * samples)


def again(found: Diagnosis, **more: int) -> Diagnosis:
    return decode(encode(found, **more), alert_id=found.alert_id, kind=found.kind, at=found.at)


def test_the_largest_shipped_size_is_kept_whole() -> None:
    whole = diagnosis(text="a reason of a usual length, such as a venue gives")
    assert again(whole) == whole


@pytest.mark.parametrize(
    ("largest", "lines", "samples", "rows", "sections"),
    [
        (50_000, 3, 40, 12, 4),
        (7_000, 0, 20, 12, 4),
        (2_000, 0, 0, 3, 4),
        (600, 0, 0, 0, 2),
        (10, 0, 0, 0, 0),
    ],
)
def test_what_is_too_large_is_cut_and_says_so(
    largest: int, lines: int, samples: int, rows: int, sections: int
) -> None:
    whole = diagnosis(text="x" * 60)
    text = encode(whole, largest=largest)
    assert len(text.encode()) <= max(largest, 400)
    found = again(whole, largest=largest)
    assert max((len(s.log) for s in found.samples), default=0) == lines
    assert max((len(s.rows) for s in found.sections), default=0) == rows
    assert (len(found.samples), len(found.sections)) == (samples, sections)
    assert found.note.startswith("too much to keep: without ")
    assert all(s.more for s in found.sections) == (rows < 12)


def test_the_note_counts_what_is_missing() -> None:
    found = again(diagnosis(text="x" * 60), largest=7_000)
    assert found.note == "too much to keep: without 20 samples, 600 log lines"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e200, True])
def test_a_number_that_no_json_holds_is_no_value(number: float) -> None:
    section = Section("t", ("a", "b"), ((number, 1),), ("count", "count"))
    assert again(Diagnosis(1, "errors", NOON, NOON, (section,))).sections[0].rows == ((None, 1.0),)


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        "{}",
        "null",
        '"x"',
        '{"start":"yesterday","sections":[],"samples":[]}',
        '{"start":"2026-03-10T12:00:00","sections":[],"samples":[]}',
        '{"start":"2026-03-10T12:00:00Z","sections":[1],"samples":[]}',
        '{"start":"2026-03-10T12:00:00Z","sections":[],"samples":[{"fields":[["a"]],"log":[]}]}',
    ],
)
def test_a_document_of_another_kind_is_an_error_of_four_kinds(document: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        decode(document, alert_id=1, kind="errors", at=NOON)


def test_fields_of_a_later_version_are_passed_over() -> None:
    document = json.loads(encode(diagnosis()))
    document["new"] = document["sections"][0]["new"] = document["samples"][0]["log"][0]["new"] = [1]
    assert decode(json.dumps(document), alert_id=7, kind="errors", at=NOON) == diagnosis()


texts = st.text(max_size=40)
safe = texts.map(printable)
times = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)
numbers = st.floats(allow_nan=False, min_value=-1e90, max_value=1e90)


def diagnoses(text: st.SearchStrategy[str]) -> st.SearchStrategy[Diagnosis]:
    maybe = st.none() | text
    sections = st.builds(
        Section,
        title=text,
        columns=st.lists(text, max_size=4).map(tuple),
        rows=st.lists(st.lists(text | numbers | st.none(), max_size=4).map(tuple), max_size=5).map(tuple),
        units=st.lists(text, max_size=4).map(tuple),
        reason=maybe,
        bar=text,
        more=st.booleans(),
    )
    lines = st.builds(
        LogLine,
        id=st.just(0),
        at=times,
        source=text,
        level=text,
        origin=text,
        text=text,
        user=text,
        request=text,
    )
    samples = st.builds(
        Sample,
        fields=st.lists(st.tuples(text, text), max_size=5).map(tuple),
        log=st.lists(lines, max_size=3).map(tuple),
    )
    return st.builds(
        Diagnosis,
        alert_id=st.integers(1, 2**62),
        kind=text,
        at=times,
        start=times,
        sections=st.lists(sections, max_size=3).map(tuple),
        samples=st.lists(samples, max_size=3).map(tuple),
        samples_title=text,
        samples_reason=maybe,
        log_reason=maybe,
        note=text,
    )


@settings(max_examples=60)
@given(diagnoses(safe))
def test_it_comes_back_as_it_was(found: Diagnosis) -> None:
    assert again(found) == found


@settings(max_examples=60)
@given(diagnoses(texts | st.text(alphabet="\x00\x1b\x9b\u202e\ud800[/]\\", max_size=20)))
def test_hostile_text_comes_back_printable(found: Diagnosis) -> None:
    document = encode(found)
    assert not UNSAFE.search(document)
    assert len(document.encode()) <= LARGEST
    kept = again(found)
    assert [len(s.rows) for s in kept.sections] == [len(s.rows) for s in found.sections]
    # What somebody else wrote there is made printable when it is read.
    raw = json.dumps({**json.loads(document), "note": "\x1b[2J\x9b", "samples_title": "\x00"})
    assert decode(raw, alert_id=1, kind="\x1b", at=NOON).note == "␛[2J�"
