"""Which of the events before an alert explains it best."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.domain.causes import ranked
from console.domain.event import Event, Severity
from console.domain.incident import KINDS as INCIDENT_KINDS

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WINDOW = timedelta(minutes=30)
KINDS = ("deployment", "configuration", "action", "drill", "security", "agent", "health", "alert")


def event(
    kind: str, minutes_before: float, subject: str = "x", *, id: int = 1, severity: Severity = Severity.INFO
) -> Event:
    at = NOON - timedelta(minutes=minutes_before)
    return Event(id, at, kind, severity, subject, f"{kind} of {subject}", "somebody")


def order(*events: Event, but: str | None = None) -> list[tuple[str, str]]:
    return [(e.kind, e.subject) for e in ranked(events, NOON, WINDOW, but=but)]


def test_equally_near_the_kind_decides() -> None:
    found = order(*(event(kind, 5, id=i) for i, kind in enumerate(("new-kind", *reversed(KINDS)))))
    assert [kind for kind, _ in found] == [*KINDS, "new-kind"]


def test_what_is_written_down_about_trouble_explains_none() -> None:
    written = [*INCIDENT_KINDS, "handover", "checklist"]
    assert order(*(event(kind, 1, id=i) for i, kind in enumerate(written)), event("agent", 29)) == [
        ("agent", "x")
    ]


@pytest.mark.parametrize(
    ("case", "events", "expected"),
    [
        (
            "nearer is better within a kind",
            [event("drill", 20, "a"), event("drill", 1, "b"), event("drill", 9, "c")],
            ["b", "c", "a"],
        ),
        (
            "a little nearer does not make up for the kind",
            [event("action", 1, "a"), event("deployment", 4, "d")],
            ["d", "a"],
        ),
        (
            "a deployment at the window's far end still beats a component's change just now",
            [event("health", 0, "h"), event("deployment", 30, "d")],
            ["d", "h"],
        ),
        (
            "a component that broke just now beats a new leader long ago",
            [event("agent", 28, "a"), event("health", 0.1, "h", severity=Severity.CRITICAL)],
            ["h", "a"],
        ),
        (
            "what got better explains less than what got worse",
            [
                event("health", 2, "ok", severity=Severity.OK),
                event("health", 9, "down", severity=Severity.CRITICAL),
            ],
            ["down", "ok"],
        ),
        (
            "a deployment that ended well is no recovery",
            [event("deployment", 5, "d", severity=Severity.OK), event("configuration", 5, "c")],
            ["d", "c"],
        ),
        (
            "only the window counts, its ends included",
            [event("drill", 31, "early"), event("drill", 30, "edge"), event("drill", 0, "now"), event("drill", -1)],
            ["now", "edge"],
        ),
        ("nothing happened", [], []),
    ],
)  # fmt: skip
def test_cases(case: str, events: list[Event], expected: list[str]) -> None:
    assert [subject for _, subject in order(*events)] == expected, case


def test_ten_changes_of_one_component_count_once_as_the_newest() -> None:
    flapping = [event("health", 10 - i, "cache", id=i) for i in range(10)]
    found = ranked([*flapping, event("health", 4, "database")], NOON, WINDOW)
    assert [(e.subject, e.at) for e in found] == [
        ("cache", flapping[-1].at),
        ("database", NOON - timedelta(minutes=4)),
    ]


def test_of_two_entries_at_one_moment_the_later_written_is_kept() -> None:
    both = [event("health", 3, "cache", id=7), event("health", 3, "cache", id=9)]
    assert [e.id for e in ranked(both, NOON, WINDOW)] == [9]


def test_the_alerts_own_entries_are_left_out() -> None:
    own, other = event("alert", 1, "High Error Rate"), event("alert", 2, "High Order Latency")
    assert order(own, other, but="High Error Rate") == [("alert", "High Order Latency")]


def test_a_window_without_length_does_no_harm() -> None:
    now = event("drill", 0)
    assert ranked([now, event("drill", 1)], NOON, timedelta()) == [now]


_events = st.builds(
    event,
    kind=st.sampled_from((*KINDS, "?")),
    minutes_before=st.floats(-5, 40),
    subject=st.sampled_from("abc"),
    id=st.integers(1, 50),
    severity=st.sampled_from(Severity),
)


@given(st.lists(_events, max_size=30, unique_by=lambda e: e.id))
def test_the_order_of_the_input_does_not_matter_and_nothing_is_made_up(events: list[Event]) -> None:
    found = ranked(events, NOON, WINDOW)
    assert found == ranked(events[::-1], NOON, WINDOW)
    assert set(found) <= set(events)
    assert len({(e.kind, e.subject) for e in found}) == len(found)
