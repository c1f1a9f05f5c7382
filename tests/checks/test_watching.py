"""The items of the checklist that are about the watch itself: on one that is kept, and with one fault at a time."""

from dataclasses import replace
from pathlib import Path

import pytest

from console.checks.check import Doors
from console.checks.registry import PRE
from console.checks.watching import rules
from console.domain.metric import MetricValue
from console.processes.postgres import EmbeddedPostgres
from console.rules.file import SHIPPED
from console.runbooks.library import Library
from console.runbooks.reading import Vocabulary
from console.sections import AlertingSettings
from console.store import books, findings, ticks
from tests.checks.conftest import Stage, applied, by_id, failures
from tests.conftest import NewDatabase
from tests.store.stores import NOON, Place, spec, upgraded

_WATCH = ("mon.metrics", "mon.security", "mon.dashboards")


@pytest.fixture
def place(cluster: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    return Place(cluster, new_database(cluster, template=upgraded(cluster, session_database)))


async def test_a_watch_that_nobody_keeps_fails_and_a_revoked_grant_is_named(
    stage: Stage, place: Place
) -> None:
    checks = tuple(check for check in PRE if check.id in _WATCH)
    async with place.open("vera") as store:
        found = by_id(await stage.run(checks, store=store))
        assert (found["mon.metrics"].status, found["mon.metrics"].evidence) == ("failed", "no agent leads")
        assert (found["mon.security"].status, found["mon.security"].evidence) == (
            "failed",
            "no detector ever ran",
        )
        assert found["mon.dashboards"].status == "warning", "nobody has logged in"
        await place.owner("REVOKE SELECT ON console.alert FROM console_viewer")
        assert (
            failures(await stage.run(checks, store=store))["mon.dashboards"]
            == "viewers may not read console.alert"
        )


async def test_a_detector_that_can_not_run_is_named(stage: Stage, place: Place) -> None:
    checks = tuple(check for check in PRE if check.id == "mon.security")

    async def ran(reason: str) -> None:
        async with place.leader() as (store, lease):
            standing = await findings.standing(store, "brute_force")
            await findings.write(
                store,
                lease,
                "brute_force",
                revision=standing.revision,
                settled_at=None,
                changed=[],
                reason=reason,
            )
            await store.fetchval("SELECT console.release_lease($1)", lease.fence)

    async with place.open("vera") as store:
        await ran("")
        found = by_id(await stage.run(checks, store=store))["mon.security"]
        assert (found.status, found.evidence) == (
            "warning",
            "brute_force ran; 4 of the 5 detectors: no source",
        )
        await ran("permission denied for auth_audit_log")
        found = by_id(await stage.run(checks, store=store))["mon.security"]
        assert found.status == "failed"
        assert "brute_force: permission denied for auth_audit_log" in found.evidence


async def test_a_rule_file_that_is_broken_or_short_of_a_rule_is_named(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    settings = stage.settings().model_copy(update={"alerting": AlertingSettings(rules=file)})
    doors = Doors.open(settings)
    text = SHIPPED.read_text()
    file.write_text(text)
    assert (await rules(doors)).good
    file.write_text(text.replace("High Error Rate", "Errors"))
    assert (await rules(doors)).evidence == f"{file}: no rule High Error Rate"
    file.write_text(text.replace("condition:", "conditoin:", 1))
    told = (await rules(doors)).evidence
    assert told.startswith(f"{file}:"), told
    assert "conditoin" in told
    await doors.close()


async def _watched(
    place: Place, *, value: MetricValue, detector: str = "", without: tuple[str, ...] = ()
) -> None:
    """An agent leads, has published its books and read its metrics, and its detector ran."""
    shelf = [book for book in Library().load(Vocabulary()).books if book.name not in without]
    async with place.leader() as (store, lease):
        await books.publish(store, lease, shelf)
        at = await store.now()
        number = await ticks.ensure_catalogue(store, lease, [spec("p95_execution_time")])
        values = [replace(value, at=at)]
        await ticks.write_tick(store, lease, at=at, catalogue_id=number, values=values, checks=[])
        standing = await findings.standing(store, "brute_force")
        await findings.write(
            *(store, lease, "brute_force"),
            revision=standing.revision,
            settled_at=None,
            changed=[],
            reason=detector,
        )


@pytest.mark.parametrize(
    ("fault", "evidence"),
    [
        ("mon.metrics", "p95_execution_time: timed out after 3 s"),
        ("mon.security", "brute_force: permission denied for auth_audit_log"),
        ("mon.rules", "rules.yaml: no rule High Error Rate"),
        ("mon.dashboards", "viewers may not read console.alert"),
        ("mon.incident", "no runbook names Security Breach Detection"),
    ],
)
async def test_a_fault_of_the_watch_fails_just_its_item(
    stage: Stage, place: Place, tmp_path: Path, fault: str, evidence: str
) -> None:
    good = MetricValue("p95_execution_time", 12.0, NOON)
    bad = MetricValue("p95_execution_time", None, NOON, reason="timed out after 3 s", failed=True)
    await _watched(
        place,
        value=bad if fault == "mon.metrics" else good,
        detector="permission denied for auth_audit_log" if fault == "mon.security" else "",
        without=("security-breach",) if fault == "mon.incident" else (),
    )
    alerting = AlertingSettings()
    if fault == "mon.rules":
        alerting = AlertingSettings(rules=tmp_path / "rules.yaml")
        (tmp_path / "rules.yaml").write_text(SHIPPED.read_text().replace("High Error Rate", "Errors"))
    if fault == "mon.dashboards":
        await place.owner("REVOKE SELECT ON console.alert FROM console_viewer")
    async with place.open("vera") as store:
        report = await stage.run(PRE, migrations=await applied(stage), store=store, alerting=alerting)
    found = failures(report)
    assert found.keys() == {fault}, found
    assert evidence in found[fault]
