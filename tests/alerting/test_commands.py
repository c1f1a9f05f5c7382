"""`tradex alerts` and `status --watch` on a store with alerts; who did what is asked of plain SQL."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from console.alerting.engine import Engine
from console.domain.health import Status
from console.store import freezes, ticks
from tests import command
from tests.alerting import recorded
from tests.alerting.recorded import TICK, Row, row
from tests.store.stores import Place, check, password_of

TRADEX = [sys.executable, "-m", "console.cli"]
ESCAPES = "\x1b]52;c;aGk=\x07[@click=app.quit]x[/]\u202e"


class Desk:
    """Commands as one person on one store."""

    def __init__(self, place: Place, home: Path, person: str = "alice") -> None:
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")} | {
            "TRADEX_STATE_DIR": str(home),
            "XDG_CONFIG_HOME": str(home),
            "TRADEX_STORE__URL": place.url_of(person),
            "TRADEX_STORE__PASSWORD": password_of(person),
        }

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return command.run(*args, env=self.env)

    def start(self, out: Path, *args: str) -> "subprocess.Popen[str]":
        with out.open("w") as file:
            return subprocess.Popen([*TRADEX, *args], env=self.env, stdout=file, text=True)

    def json(self, *args: str) -> Any:
        done = self.run(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


async def fill(place: Place, **values: float | str | None) -> None:
    """Half a minute of ticks with these values, up to now, evaluated."""
    (now,) = await place.owner("SELECT date_bin('2 seconds', clock_timestamp(), 'epoch') AS at")
    rows: list[Row] = [row(now["at"] - TICK * (15 - i), **values) for i in range(16)]
    await recorded.record(place, rows)
    async with place.leader() as (store, lease):
        await Engine(recorded.rulebook()).catch_up(store, lease, until=rows[-1][0])


async def test_list_show_acknowledge_and_take_back(place: Place, tmp_path: Path) -> None:
    await fill(place, error_rate=8.0, cpu_usage=85.0)
    desk = Desk(place, tmp_path)
    listed = desk.json("alerts")
    assert {a["rule"]: a["state"] for a in listed} == {
        "Order Execution Failure": "firing",
        "Capacity Warning": "firing",
        "High Error Rate": "firing",
        "threshold:error_rate": "inhibited",
        "threshold:cpu_usage": "inhibited",
    }
    assert {"id", "state", "at"} <= set(listed[0])
    assert listed[0]["rule"] == "Order Execution Failure"
    table = desk.run("alerts").stdout
    assert "Error rate is 8.00 %, over 5 %" in table and "1 explained by Order Execution Failure" in table
    assert (
        desk.run("alerts", "ack", "Capacity Warning", str(listed[0]["id"]), "--note", "on it").returncode == 0
    )
    states = {a["rule"]: a for a in desk.json("alerts", "list", "--state", "acknowledged")}
    assert set(states) == {"Capacity Warning", "Order Execution Failure"}
    assert states["Capacity Warning"]["acknowledged_by"] == "alice"
    events = await place.owner(
        "SELECT actor, text FROM console.event WHERE text ~ 'acknowledged' ORDER BY id"
    )
    assert {(e["actor"], e["text"]) for e in events} == {
        ("alice", "alice acknowledged Capacity Warning: on it"),
        ("alice", "alice acknowledged Order Execution Failure: on it"),
    }
    assert desk.run("alerts", "unack", "Capacity Warning").returncode == 0
    shown = desk.json("alerts", "show", "Capacity Warning")
    assert [h["state"] for h in shown["history"]] == ["unacknowledged", "acknowledged", "firing"]
    assert "why      Cpu usage is 85 %, over 80 %" in desk.run("alerts", "show", "Capacity Warning").stdout


async def test_silences_have_an_end_and_a_reason_and_can_be_lifted(place: Place, tmp_path: Path) -> None:
    await fill(place, cpu_usage=85.0)
    desk = Desk(place, tmp_path)
    made = desk.json(
        "alerts", "silence", "--match", "type=~CAPA.*", "--for", "1h30m", "--reason", "load test"
    )
    (found,) = await place.owner("SELECT author, reason, ends_at - starts_at AS length FROM console.silence")
    assert tuple(found) == ("alice", "load test", timedelta(minutes=90))
    assert {a["rule"]: a["silenced_by"] for a in desk.json("alerts", "list", "--state", "silenced")} == {
        "Capacity Warning": "alice"
    }
    assert "load test" in desk.run("alerts", "list", "--silences").stdout
    assert desk.run("alerts", "unsilence", str(made["id"])).returncode == 0
    assert desk.json("alerts", "list", "--silences") == []
    assert desk.run("alerts", "unsilence", str(made["id"])).returncode == 4


MISUSES: list[tuple[tuple[str, ...], int, str]] = [
    (("ack", "Capacity Warnin"), 2, "did you mean 'Capacity Warning'?"),
    (("show", "99999"), 2, "no alert '99999'"),
    (("silence", "Capacity Warning", "--for", "soon", "--reason", "x"), 2, "such as 30m, 2h or 1d"),
    (("silence", "Capacity Warning", "--for", "1h", "--reason", " "), 2, "--reason: expected why"),
    (("silence", "--for", "1h", "--reason", "x"), 2, "name one alert"),
    (("silence", "--match", "rul=x", "--for", "1h", "--reason", "x"), 2, "one of rule, severity"),
    (("silence", "--match", "rule=~(", "--for", "1h", "--reason", "x"), 4, "parentheses"),
    (("silence", "--match", "rule!=x", "--for", "1h", "--reason", "x"), 4, "would quieten everything"),
    (("silence", "--match", "rule=x", "--for", "99d", "--reason", "x"), 4, "30 days"),
    (("unsilence", "77"), 4, "no silence 77"),
]


async def test_bad_input_is_one_line(place: Place, tmp_path: Path) -> None:
    await fill(place, cpu_usage=85.0)
    desk = Desk(place, tmp_path)
    for args, code, says in MISUSES:
        done = desk.run("alerts", *args)
        assert done.returncode == code, (args, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1 and says in done.stderr, args


async def test_a_viewer_may_look_and_nothing_else(place: Place, tmp_path: Path) -> None:
    await fill(place, cpu_usage=85.0)
    vera = Desk(place, tmp_path, "vera")
    assert len(vera.json("alerts")) == 2
    done = vera.run("alerts", "ack", "Capacity Warning")
    assert done.returncode == 4 and "vera" in done.stderr
    assert await place.owner("SELECT FROM console.alert WHERE acknowledged_by IS NOT NULL") == []


async def test_hostile_reasons_are_printable(place: Place, tmp_path: Path) -> None:
    await fill(place, cpu_usage=85.0)
    desk = Desk(place, tmp_path)
    assert (
        desk.run("alerts", "silence", "Capacity Warning", "--for", "1h", "--reason", ESCAPES).returncode == 0
    )
    for args in (("alerts", "list", "--silences"), ("alerts", "show", "Capacity Warning"), ("alerts",)):
        out = desk.run(*args).stdout
        assert "\x1b]" not in out and "\u202e" not in out and "\x07" not in out


async def test_status_counts_alerts_and_tells_by_its_exit_code(place: Place, tmp_path: Path) -> None:
    await fill(place, error_rate=8.0)
    desk = Desk(place, tmp_path)
    done = desk.run("status", "--json")
    assert json.loads(done.stdout)["alerts"] == {"critical": 1, "warning": 1, "info": 0}


async def test_a_broken_glass_says_whose_until_when_and_why_and_hides_no_component(
    place: Place, tmp_path: Path
) -> None:
    async with place.open("alice") as alice:
        glass = await freezes.break_glass(alice, reason="alone at night", length=timedelta(minutes=30))
    await place.owner("UPDATE console.glass SET starts_at = starts_at - interval '20 s'")
    await fill(place)
    await place.owner("UPDATE console.lease SET expires_at = now()")
    async with place.leader() as (store, lease):
        now = await store.now()
        catalogue = await ticks.ensure_catalogue(store, lease, recorded.SPECS)
        checks = [check("database", Status.OK, now)]
        await ticks.write_tick(
            store, lease, at=now, catalogue_id=catalogue, values=row(now)[1], checks=checks
        )
    done = Desk(place, tmp_path).run("status")
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == (
        f"■ CRITICAL  alice broke the glass until {glass.ends_at:%H:%M}: alone at night; all 1 components answer"
    )


async def test_status_watch_tells_each_change_once(
    place: Place, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    await fill(place, cpu_usage=85.0)
    desk = Desk(place, tmp_path)
    out = tmp_path / "watched.txt"
    watching = desk.start(out, "status", "--watch")
    try:
        wait_until(lambda: "warning Capacity Warning firing: Cpu usage is 85 %" in out.read_text())
        assert desk.run("alerts", "ack", "Capacity Warning").returncode == 0
        wait_until(lambda: "warning Capacity Warning acknowledged by alice" in out.read_text())
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 130
    lines = out.read_text().splitlines()
    assert len([x for x in lines if "Capacity Warning firing" in x]) == 1
