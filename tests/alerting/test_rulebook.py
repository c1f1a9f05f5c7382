"""Rule files that change while alerts are open: what did not change keeps its state, what is broken changes nothing."""

from datetime import timedelta
from pathlib import Path

import pytest

from console.alerting.engine import Engine
from console.domain.errors import Misuse
from console.rules import file
from console.store import alerts, freezes
from tests.alerting import recorded
from tests.alerting.recorded import TICK, row
from tests.store.stores import NOON, Place

RULES = """\
alert_rules:
  critical:
    - {name: 'Busy', condition: 'cpu_usage > 60%', severity: critical, action: notify_team}
  warning:
    - {name: 'Full', condition: 'memory_usage > 70%', severity: warning, action: notify_team}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "alert_rules.yaml"
    path.write_text(RULES)
    return path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


async def states(place: Place) -> dict[str, tuple[str, str]]:
    """Phase and resolution of the named rules' alerts."""
    found = await place.owner(
        "SELECT fingerprint, phase, resolution FROM console.alert WHERE fingerprint !~ ':'"
    )
    return {r["fingerprint"]: (r["phase"], r["resolution"]) for r in found}


async def test_a_change_touches_only_the_alerts_of_rules_that_changed(place: Place, rules: Path) -> None:
    await recorded.record(
        place, [row(NOON + TICK * (i + 1), cpu_usage=75.0, memory_usage=80.0) for i in range(10)]
    )
    book = recorded.rulebook(rules=rules)
    async with place.leader() as (store, lease):
        engine = Engine(book)
        await engine.catch_up(store, lease, until=NOON + TICK * 3)
        replace(rules, "memory_usage > 70%", "memory_usage > 90%")
        assert book.refresh()
        await engine.catch_up(store, lease, until=NOON + TICK * 6)
        assert await states(place) == {
            "Busy": ("firing", ""),
            "Full": ("resolved", "the rule was changed"),
        }
        (fired,) = await place.owner("SELECT fired_at FROM console.alert WHERE fingerprint = 'Busy'")
        assert fired["fired_at"] == NOON + TICK
        replace(rules, "name: 'Busy'", "name: 'Very busy'")
        assert book.refresh()
        await engine.catch_up(store, lease, until=NOON + TICK * 9)
    assert await states(place) == {
        "Busy": ("resolved", "the rule was removed"),
        "Very busy": ("firing", ""),
        "Full": ("resolved", "the rule was changed"),
    }


async def test_another_severity_is_the_same_alert(place: Place, rules: Path) -> None:
    await recorded.record(place, [row(NOON + TICK * (i + 1), cpu_usage=75.0) for i in range(10)])
    book = recorded.rulebook(rules=rules)
    async with place.leader() as (store, lease):
        engine = Engine(book)
        await engine.catch_up(store, lease, until=NOON + TICK * 3)
        replace(rules, "  critical:", "  info:")
        replace(rules, "severity: critical", "severity: info")
        assert book.refresh()
        await engine.catch_up(store, lease, until=NOON + TICK * 6)
    found = await place.owner(
        "SELECT severity, fired_at, flaps FROM console.alert WHERE fingerprint = 'Busy'"
    )
    assert [tuple(r) for r in found] == [("info", NOON + TICK, 0)]


async def test_a_broken_file_keeps_the_old_rules_and_is_an_alert_with_the_place(
    place: Place, rules: Path
) -> None:
    await recorded.record(place, [row(NOON + TICK * (i + 1), cpu_usage=75.0) for i in range(10)])
    book = recorded.rulebook(rules=rules)
    before = book.rules
    async with place.leader() as (store, lease):
        engine = Engine(book)
        await engine.catch_up(store, lease, until=NOON + TICK * 2)
        replace(rules, "cpu_usage > 60%", "cpu_usge > 60%")
        assert "broken" in (book.refresh() or "")
        assert book.rules == before
        await engine.catch_up(store, lease, until=NOON + TICK * 4)
        (alert,) = await place.owner(
            "SELECT summary FROM console.alert WHERE fingerprint = 'configuration:rules'"
        )
        assert "alert_rules.yaml:3:" in alert["summary"] and "did you mean cpu_usage" in alert["summary"]
        replace(rules, "cpu_usge", "cpu_usage")
        book.refresh()
        await engine.catch_up(store, lease, until=NOON + TICK * 6)
    found = await place.owner(
        "SELECT fingerprint, phase FROM console.alert WHERE fingerprint IN ('configuration:rules', 'Busy') ORDER BY 1"
    )
    assert [tuple(r) for r in found] == [("Busy", "firing"), ("configuration:rules", "resolved")]


def test_a_file_that_vanishes_keeps_the_old_rules(rules: Path) -> None:
    book = recorded.rulebook(rules=rules)
    before = book.rules
    rules.unlink()
    assert "broken" in (book.refresh() or "")
    assert book.rules == before
    assert book.broken is not None and "alert_rules.yaml" in book.broken


def test_what_is_broken_from_the_start_is_refused(rules: Path) -> None:
    replace(rules, "cpu_usage >", "cpu_usage >>")
    with pytest.raises(Misuse, match=r"alert_rules\.yaml:3:"):
        recorded.rulebook(rules=rules)


def test_nothing_is_read_again_while_nothing_changes(rules: Path) -> None:
    book = recorded.rulebook(rules=rules)
    assert book.refresh() is None
    assert "read again: " in (book.refresh(force=True) or "")
    assert book.broken is None


def test_the_shipped_rules_are_the_default() -> None:
    assert len([r for r in recorded.rulebook().rules if ":" not in r.name]) == 8
    assert file.SHIPPED.exists()


async def test_another_action_reaches_the_open_alert(place: Place, rules: Path) -> None:
    await recorded.record(place, [row(NOON + TICK * (i + 1), cpu_usage=75.0) for i in range(10)])
    book = recorded.rulebook(rules=rules)
    async with place.leader() as (store, lease):
        engine = Engine(book)
        await engine.catch_up(store, lease, until=NOON + TICK * 3)
        replace(
            rules, "severity: critical, action: notify_team", "severity: critical, action: scale_resources"
        )
        book.refresh()
        await engine.catch_up(store, lease, until=NOON + TICK * 6)
    found = await place.owner("SELECT id, action FROM console.alert WHERE fingerprint = 'Busy'")
    assert [r["action"] for r in found] == ["scale_resources"]


async def test_a_broken_glass_is_an_alert_to_all_until_it_is_mended(place: Place, rules: Path) -> None:
    await recorded.record(place, [row(NOON + TICK * (i + 1), cpu_usage=10.0) for i in range(8)])
    async with place.leader() as (store, lease), place.open("alice") as alice:
        engine = Engine(recorded.rulebook(rules=rules))
        await freezes.break_glass(alice, reason="alone at night", length=timedelta(minutes=5))
        # As if it had been broken, and ended, in the middle of the recorded past.
        await place.owner(
            "UPDATE console.glass SET starts_at = $1, ends_at = $2", NOON + TICK * 3, NOON + TICK * 6
        )
        await engine.catch_up(store, lease, until=NOON + TICK * 4)
        (alert,) = await place.owner(
            "SELECT phase, severity, summary, fired_at FROM console.alert WHERE fingerprint = 'actions:break-glass'"
        )
        assert (alert["phase"], alert["severity"], alert["fired_at"]) == (
            "firing",
            "critical",
            NOON + TICK * 3,
        )
        end = f"{NOON + TICK * 6:%H:%M}"
        assert alert["summary"] == f"alice broke the glass until {end}: alone at night"
        await engine.catch_up(store, lease, until=NOON + TICK * 8)
    found = await place.owner("SELECT phase FROM console.alert WHERE fingerprint = 'actions:break-glass'")
    assert [r["phase"] for r in found] == ["resolved"]


async def test_maintenance_that_was_begun_here_explains_what_comes_of_it(place: Place) -> None:
    day = timedelta(hours=24)
    past = [row(NOON - day + TICK * (i + 1), performance_score=80.0) for i in range(60)]
    await recorded.record(place, past + [row(NOON + TICK * (i + 1)) for i in range(60)])
    await place.owner("UPDATE console.alert_cursor SET at = $1", NOON)
    await place.owner(
        "WITH a AS (INSERT INTO console.action (kind, target, params, reason, origin, cause, exclusive) "
        "VALUES ('maintenance_on', '', '{}', 'a release', 'person', '', '') RETURNING id) "
        "INSERT INTO console.effect (kind, target, action_id, reason, author, since, layers, lifted_at) "
        "SELECT 'maintenance_on', '', id, 'a release', 'bob', $1::timestamptz, '[]', $2::timestamptz FROM a",
        NOON + TICK * 3,
        NOON + TICK * 10,
    )
    found: dict[int, dict[str, tuple[str, str | None]]] = {}
    async with place.leader() as (store, lease):
        engine = Engine(recorded.rulebook())
        for tick in (2, 5, 20, 30):
            await engine.catch_up(store, lease, until=NOON + TICK * tick)
            found[tick] = {
                a.rule: (str(a.phase), a.inhibited_by)
                for a in await alerts.current(store, resolved_since=NOON)
            }
            if tick == 5:
                (alert,) = await place.owner(
                    "SELECT summary, severity FROM console.alert WHERE fingerprint = 'actions:maintenance'"
                )
                assert (alert["summary"], alert["severity"]) == ("bob began maintenance: a release", "info")
    better, held = "Performance Improvement", "actions:maintenance"
    assert found[2] == {better: ("firing", None)}
    assert found[5] == {better: ("firing", held), held: ("firing", None)}
    # What was refused is in the windows of metrics for five minutes more, which are fifteen ticks here.
    assert found[20][better] == ("firing", held)
    assert found[30][better] == ("firing", None) and found[30][held][0] == "resolved"
