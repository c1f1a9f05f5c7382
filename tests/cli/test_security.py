"""`tradex security` on a real store."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from subprocess import CompletedProcess

import pytest

from console.domain.event import Severity
from console.domain.finding import Finding, FindingPhase
from console.processes.postgres import EmbeddedPostgres
from console.store import findings
from console.store import lease as leases
from console.store.findings import Written
from tests import command
from tests.conftest import NewDatabase
from tests.store.stores import Place, password_of, upgraded

Ask = Callable[..., CompletedProcess[str]]
ATTACKER = "203.0.113.200"


@pytest.fixture
def place(postgres: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    return Place(postgres, new_database(postgres, template=upgraded(postgres, session_database)))


@pytest.fixture
def ask(place: Place) -> Ask:
    def run(*args: str, person: str = "alice") -> CompletedProcess[str]:
        variables = {"STORE__URL": place.url_of(person), "STORE__PASSWORD": password_of(person)}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")}
        return command.run("security", *args, env=kept | {f"TRADEX_{k}": v for k, v in variables.items()})

    return run


def write(place: Place, *found: Finding, reason: str = "") -> list[int]:
    async def run() -> list[int]:
        async with place.leader() as (store, lease):
            standing = await findings.standing(store, "brute_force")
            ids = await findings.write(
                store,
                lease,
                "brute_force",
                revision=standing.revision,
                settled_at=None,
                changed=[Written(one, {}) for one in found],
                reason=reason,
            )
            await leases.release(store, lease)
            assert ids is not None
            return ids

    return asyncio.run(run())


def now(place: Place) -> Finding:
    """An open one whose last failure was two seconds ago."""

    async def clock() -> Finding:
        async with place.open("vera") as store:
            at = await store.now()
        return Finding(
            id=0,
            kind="brute_force",
            severity=Severity.CRITICAL,
            source=ATTACKER,
            phase=FindingPhase.OPEN,
            at=at,
            opened_at=at,
            since=at,
            first_at=at - timedelta(seconds=60),
            attack_at=at - timedelta(seconds=55),
            last_at=at - timedelta(seconds=2),
            count=1234,
            peak=105,
            threshold=10,
            window=timedelta(seconds=30),
            users=("6f1c2a34-0000-4000-8000-000000000001", "6f1c2a34-0000-4000-8000-000000000002"),
            action="block_ip",
        )

    return asyncio.run(clock())


def test_the_list_says_what_attacks_and_how_to_end_it(place: Place, ask: Ask) -> None:
    one = now(place)
    [a, b, c] = write(
        place,
        one,
        replace(one, source="203.0.113.7", phase=FindingPhase.QUIET),
        replace(one, source="203.0.113.8", phase=FindingPhase.BLOCKED, affected=("u1",)),
    )
    told = ask("findings", person="vera")
    assert told.returncode == 0, told.stderr
    rows = told.stdout.splitlines()
    assert rows[0].split() == [
        *("id", "address", "kind", "state", "failures", "peak", "users", "first", "last", "note"),
    ]
    assert rows[1].split()[:8] == [str(a), "■", ATTACKER, "brute", "force", "open", "1,234", "105"]
    assert "1 logged in afterwards" in rows[2] and "203.0.113.8" in rows[2]
    assert rows[3:] == [
        f"to end {a}:  tradex block-ip {ATTACKER} --for 1d "
        f"--reason 'brute force: 1,234 failed log-ins (finding {a})'"
    ]
    found = json.loads(ask("findings", "--all", "--json").stdout)
    assert [(f["id"], f["state"], f["address"], f["affected"]) for f in found] == [
        (a, "open", ATTACKER, []),
        (c, "blocked", "203.0.113.8", ["u1"]),
        (b, "quiet", "203.0.113.7", []),
    ]
    assert found[0]["count"] == 1234 and found[0]["users"] == list(one.users)
    assert found[0]["at"].endswith("Z") and found[0]["severity"] == "critical"
    assert [f["id"] for f in json.loads(ask("findings", "--state", "quiet", "--json").stdout)] == [b]
    assert "no finding is dismissed" in ask("findings", "--state", "dismissed").stdout


def test_nobody_who_looks_is_said(place: Place, ask: Ask) -> None:
    told = ask("findings")
    assert (told.returncode, told.stdout) == (0, "no finding is open\n")
    assert told.stderr == "tradex: no agent has looked for attacks yet\n"
    write(place, reason="no source: the database has no auth_audit_log")
    told = ask("findings", "--json")
    assert json.loads(told.stdout) == []
    assert told.stderr == "tradex: brute_force: no source: the database has no auth_audit_log\n"
    write(place)
    assert ask("findings").stderr == ""


def test_one_is_shown_with_its_accounts_and_history(place: Place, ask: Ask) -> None:
    [n] = write(place, replace(now(place), affected=("u2",), users_more=True))
    told = ask("show", str(n))
    assert told.returncode == 0, told.stderr
    assert f"■ CRITICAL  brute force from {ATTACKER}  OPEN  (number {n})" in told.stdout
    for line in (
        "1,234 failed log-ins of 2+ accounts, at most 105 within 30s; 1 account logged in afterwards",
        "  6f1c2a34-0000-4000-8000-000000000002\n  and others\n",
        "logged in afterwards\n  u2\n",
        "opened     auto",
        f"to end it  tradex block-ip {ATTACKER}",
    ):
        assert line in told.stdout
    found = json.loads(ask("show", str(n), "--json").stdout)
    assert [change["state"] for change in found["history"]] == ["affected", "opened"]
    unknown = ask("show", "99")
    assert (unknown.returncode, unknown.stderr.splitlines()) == (
        2, ["tradex: there is no finding 99: `tradex security findings --all` shows those of the last day"],
    )  # fmt: skip


def test_a_responder_dismisses_with_a_reason(place: Place, ask: Ask) -> None:
    [n] = write(place, now(place))
    assert ask("dismiss", str(n)).returncode == 2
    refused = ask("dismiss", str(n), "--reason", "ours", person="vera")
    assert (refused.returncode, refused.stderr) == (
        4, "tradex: vera is a viewer: to dismiss a finding takes a responder\n",
    )  # fmt: skip
    assert ask("dismiss", str(n), "--reason", "our load test").stdout == f"dismissed: finding {n}\n"
    assert ask("findings").stdout == "no finding is open\n"
    assert "alice: our load test" in ask("findings", "--all").stdout
    unknown = ask("dismiss", "99", "--reason", "x")
    assert unknown.returncode == 2 and "there is no finding 99" in unknown.stderr
    again = ask("dismiss", str(n), "--reason", "again")
    assert again.returncode == 4 and f"alice dismissed finding {n} 0 s ago: our load test" in again.stderr
