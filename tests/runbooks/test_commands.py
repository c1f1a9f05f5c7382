"""`tradex runbook` on a store with the shipped books; files are checked with and without one."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from console.runbooks.library import SHIPPED
from console.store import books
from console.store import lease as leases
from tests import command
from tests.alerting.test_commands import Desk
from tests.runbooks.test_library import OWN, put
from tests.runbooks.words import SHELF
from tests.store.stores import Place


@pytest.fixture
async def desk(place: Place, tmp_path: Path) -> Desk:
    async with place.leader() as (store, lease):
        await books.publish(store, lease, SHELF.books)
        await leases.release(store, lease)
    return Desk(place, tmp_path)


def refused(done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert words in line


async def test_list_searches_everywhere_and_show_tells_all(desk: Desk) -> None:
    assert {book["name"] for book in desk.json("runbook", "list")} == {
        *("database-failover", "deployment-gone-wrong", "order-execution-failure"),
        *("platform-unreachable", "security-breach"),
    }
    assert [b["name"] for b in desk.json("runbook", "list", "Legal", "BLOCK_IP")] == ["security-breach"]
    assert "Order execution failure" in desk.run("runbook").stdout
    assert "no runbook has nonsense in it" in desk.run("runbook", "list", "nonsense").stdout
    shown = desk.run("runbook", "show", "security breach detection").stdout
    for line in (
        "Security breach  (security-breach, level 1)",
        "   [Security Breach Detection, open_critical_findings]",
        "   1  Block the addresses that the attack comes from   [action block_ip]",
        "      Screen 8 lists them.",
        "  12  Review what this showed about our security",
        "  Legal and compliance: after 10m, by 30m",
    ):
        assert line in shown
    book = desk.json("runbook", "show", "security-breach")
    assert [step["id"] for step in book["steps"]] == list(range(1, 13))
    assert book["steps"][0]["does"] == {"what": "action", "name": "block_ip"}
    assert book["ladder"][1] == {"who": "Management", "after_s": 300, "deadline_s": 600}
    refused(desk.run("runbook", "show", "security-breech"), 4, "did you mean security-breach?")


async def test_start_opens_an_incident_or_attaches_and_steps_are_ticked(desk: Desk) -> None:
    made = desk.json("runbook", "start", "order-execution-failure", "--level", "3", "--title", "Orders fail")
    number = str(made["id"])
    assert (made["title"], made["level"], made["runbooks"][0]["name"]) == (
        *("Orders fail", 3, "order-execution-failure"),
    )
    ticked = desk.json("runbook", "tick", made["name"], "1", "--note", "all red")
    step = ticked["runbooks"][0]["steps"][0]
    assert (step["state"], step["by"], step["note"]) == ("done", "alice", "all red")
    assert desk.run("runbook", "tick", number, "CTO").returncode == 4
    assert desk.run("runbook", "tick", number, "clear it", "--skip", "--note", "no cache").returncode == 0
    done = desk.run("runbook", "start", "database-failover", "--incident", number)
    assert "Database failover  0/10: tradex runbook tick INC-" in done.stdout
    assert desk.run("runbook", "tick", number, "1", "--book", "database-failover").returncode == 0
    undone = desk.json("runbook", "tick", number, "1", "--book", "order-execution-failure", "--undo")
    assert [(b["name"], b["done"]) for b in undone["runbooks"]] == [
        *(("order-execution-failure", 1), ("database-failover", 1)),
    ]
    refused(desk.run("runbook", "start", "database-failover", "--incident", "99"), 4, "no incident 99")
    refused(desk.run("runbook", "start", "x", "--incident", "1", "--level", "2"), 2, "--incident: expected")


async def test_viewers_may_read_and_start_nothing(desk: Desk, place: Place, tmp_path: Path) -> None:
    vera = Desk(place, tmp_path, "vera")
    assert len(vera.json("runbook", "list")) == 5
    refused(vera.run("runbook", "start", "security-breach"), 4, "vera may not")


def test_check_tells_each_broken_file_in_one_line(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")} | {
        "TRADEX_STATE_DIR": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }

    def check(*args: str) -> subprocess.CompletedProcess[str]:
        return command.run("runbook", "check", *args, env=env)

    def told(*args: str) -> Any:
        return json.loads(check("--json", *args).stdout)

    good = check(str(SHIPPED))
    assert (good.returncode, good.stderr) == (0, "")
    assert (
        good.stdout.splitlines()[0] == "runbook    database-failover: good"
        and good.stdout.count("good") == 15
    )
    bad = put(tmp_path, "runbooks/bad.md", OWN.format(title="Bad", step="Block {action: block_ipp}"))
    put(tmp_path, "runbooks/good.md", OWN.format(title="Good", step="Block {action: block_ip}"))
    worse = put(tmp_path, "templates/worse.md", "{{ title }}")
    done = check(str(tmp_path), str(tmp_path / "runbooks/good.md"))
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [
            f"{bad}:5: no such action: block_ipp; did you mean block_ip?",
            f"{worse}:1: expected front matter (title: ...) between two lines ---",
        ],
    )
    assert told(str(tmp_path / "runbooks")) == {
        "good": [{"kind": "runbook", "name": "good", "title": "Good"}],
        "broken": [f"{bad}:5: no such action: block_ipp; did you mean block_ip?"],
    }
    # A store that is configured and away does not keep anybody from checking files.
    env["TRADEX_STORE__URL"] = "postgresql://x@127.0.0.1:1/console"
    away = check(str(tmp_path / "runbooks/good.md"))
    assert away.returncode == 0 and "checked against what ships" in away.stderr
