import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from console.domain.event import Severity
from console.domain.finding import Finding, FindingPhase, FindingState, order, source_of

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
FINDING = Finding(
    id=3,
    kind="brute_force",
    severity=Severity.CRITICAL,
    source="203.0.113.200",
    phase=FindingPhase.OPEN,
    at=NOON,
    opened_at=NOON,
    since=NOON,
    first_at=NOON,
    attack_at=NOON,
    last_at=NOON,
    count=1234,
    peak=105,
    threshold=10,
    window=timedelta(seconds=30),
    users=("u1",),
    action="block_ip",
    action_for=timedelta(hours=24),
)


def test_what_somebody_dismissed_counts_no_more_whatever_it_does() -> None:
    for phase in FindingPhase:
        one = replace(FINDING, phase=phase)
        assert (one.state, one.counts) == (FindingState(phase.value), phase is FindingPhase.OPEN)
        gone = replace(one, dismissed_by="alice", dismissed_at=NOON)
        assert (gone.state, gone.counts) == (FindingState.DISMISSED, False)


@pytest.mark.parametrize(
    ("changes", "summary"),
    [
        ({}, "1,234 failed log-ins of 1 account, at most 105 within 30s"),
        ({"users": ()}, "1,234 failed log-ins of 0 accounts, at most 105 within 30s"),
        (
            {"users": ("a", "b"), "users_more": True, "affected": ("a",)},
            "1,234 failed log-ins of 2+ accounts, at most 105 within 30s; 1 account logged in afterwards",
        ),
        (
            {"affected": ("a", "b"), "window": timedelta(minutes=5)},
            "1,234 failed log-ins of 1 account, at most 105 within 5m; 2 accounts logged in afterwards",
        ),
    ],
)
def test_one_sentence_with_the_numbers(changes: dict, summary: str) -> None:
    assert replace(FINDING, **changes).summary == summary


def test_the_command_that_is_equal_to_the_suggestion() -> None:
    assert shlex.split(FINDING.command) == [
        *("tradex", "block-ip", "203.0.113.200", "--for", "1d"),
        *("--reason", "brute force: 1,234 failed log-ins (finding 3)"),
    ]
    assert replace(FINDING, action="").command == ""


def test_a_list_begins_with_what_is_open_and_worst_and_latest() -> None:
    later = NOON + timedelta(seconds=1)
    ordered = [
        replace(FINDING, id=1, last_at=later),
        replace(FINDING, id=2),
        replace(FINDING, id=3, severity=Severity.WARNING, last_at=later),
        replace(FINDING, id=4, phase=FindingPhase.BLOCKED),
        replace(FINDING, id=5, phase=FindingPhase.QUIET),
        replace(FINDING, id=6, dismissed_by="alice", dismissed_at=NOON),
    ]
    ordered.reverse()
    assert [one.id for one in sorted(ordered, key=order)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("2001:db8:1:2:a:b:c:d", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.1", None),
        ("203.0.113.0/24", None),
        ("203.0.113.07", None),
        ("", None),
        ("\x1b[2J", None),
    ],
)
def test_who_an_address_counts_as(address: str, source: str | None) -> None:
    assert source_of(address) == source
