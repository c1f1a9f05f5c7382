"""Row 1: the 25 items before a deployment: five of each group, asked of the platform where that is possible."""

from collections import Counter
from typing import Any

from tests.demo import Demo

GROUPS = {"database": "db", "functions": "fn", "frontend": "fe", "security": "sec", "monitoring": "mon"}
BY_HAND = {"fe.error_boundaries", "db.backups"}
"""What a person has to look at, of all or in part."""


def test_there_are_25_each_with_its_evidence(demo: Demo) -> None:
    report = demo.json("validate", "--pre", code=None)
    checks = {check["id"]: check for check in report["checks"]}
    assert len(checks) == 25 and report["summary"]["total"] == 25
    assert Counter(check["group"] for check in checks.values()) == dict.fromkeys(GROUPS, 5)
    for check in checks.values():
        assert check["id"].startswith(f"{GROUPS[check['group']]}."), check
        assert check["evidence"], check
    assert {check["id"] for check in checks.values() if check["status"] == "manual"} <= BY_HAND
    # Nothing that could not be asked counts as passed.
    assert not [c for c in checks.values() if c["status"] == "passed" and "no source" in c["evidence"]]


async def test_a_fault_of_the_platform_fails_its_item_and_no_other(demo: Demo) -> None:
    def failed() -> dict[str, str]:
        checks = demo.json("validate", "--pre", code=1)["checks"]
        return {check["id"]: check["evidence"] for check in checks if check["status"] == "failed"}

    platform = await demo.platform()
    try:
        await platform.execute("CREATE TABLE public.forgotten (id int)")
        # While the agent runs them too, one may be asked for too much.
        found = demo.until(lambda: found if (found := failed()).keys() == {"db.rls"} else None)
    finally:
        await platform.execute("DROP TABLE public.forgotten")
        await platform.close()
    assert "forgotten" in found["db.rls"]
    assert demo.json("validate", "--pre", "--only", "db.rls")["overall"] == "passed"


def test_the_migration_that_a_candidate_brings_is_named(demo: Demo) -> None:
    check = _only(demo, "db.migrations", "v2.9.0")
    assert check["status"] == "passed" and "to come with it: 20251006090000" in check["evidence"]


def test_what_only_a_person_can_try_is_ticked_with_a_note_for_one_release(demo: Demo) -> None:
    item, note = "fe.error_boundaries", "threw in the order form: the page stayed"
    demo.until(lambda: demo.ask("deploy", "v2.11.0", "--reason", "a look", "--dry-run").returncode == 0)
    assert _only(demo, item, "v2.11.0")["status"] == "manual"
    assert demo.ask("validate", "--tick", item, "--release", "v2.11.0").returncode != 0, "without a note"
    done = demo.ask("--as", "vera", "validate", "--tick", item, "--note", note, "--release", "v2.11.0")
    assert done.returncode == 4, "a viewer"
    assert demo.ask("validate", "--tick", item, "--note", note, "--release", "v2.11.0").returncode == 0
    check = _only(demo, item, "v2.11.0")
    assert check["status"] == "passed" and "alice" in check["evidence"] and note in check["evidence"]
    assert _only(demo, item, "v2.10.0")["status"] == "manual"


def _only(demo: Demo, check: str, release: str) -> dict[str, Any]:
    report = demo.json("validate", "--pre", "--only", check, "--release", release, code=None)
    (found,) = report["checks"]
    return found
