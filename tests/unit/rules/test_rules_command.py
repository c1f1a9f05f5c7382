"""`tradex rules`: what it prints, and how it ends."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from console.cli import main_group
from console.domain.errors import Misuse
from console.domain.metric import MetricValue
from console.metrics import catalogue
from console.processes.postgres import EmbeddedPostgres
from console.rules import file
from console.store import ticks
from tests.cli.test_misuse import tradex
from tests.conftest import NewDatabase
from tests.store.stores import Place, password_of, prepare

RULES = """\
alert_rules:
  critical:
    - {name: Errors, condition: error_rate > 5% for 2m, severity: critical, action: notify_team}
  info:
    - name: Deployed
      condition: deployment_status == 'success'
      severity: info
      action: notify_team
      notification: [slack]
"""
Run = Callable[..., Result]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("TRADEX_STATE_DIR", str(tmp_path / "state"))

    def invoke(*args: str | Path) -> Result:
        return CliRunner().invoke(main_group, ["rules", *map(str, args)])

    return invoke


def recorded(folder: Path, *lines: dict[str, Any]) -> Path:
    path = folder / "samples.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def outage(folder: Path) -> Path:
    """Twenty minutes, seven of them bad, and one deployment."""
    errors = [
        {"t": t, "metric": "error_rate", "value": 6.2 if 300 <= t < 720 else 0.4} for t in range(0, 1201, 30)
    ]
    return recorded(folder, *errors, {"t": 605, "metric": "deployment_status", "value": "success"})


def test_the_shipped_rules_as_they_are_understood(run: Run) -> None:
    done = run("check", file.SHIPPED)
    assert done.exit_code == 0
    assert (
        "■ critical  Order Execution Failure  (ORDER_EXECUTION_FAILURE)\n    error_rate > 5%  for 2m\n"
        in done.output
    )
    assert done.output.splitlines()[-1] == f"8 rules in {file.SHIPPED}: good"


def test_the_rules_as_json(run: Run, rules: Path) -> None:
    errors, deployed = json.loads(run("check", rules, "--json").output)
    assert (errors["name"], errors["condition"], errors["for_s"]) == ("Errors", "error_rate > 5%", 120)
    assert deployed["notification"] == ["slack"]
    assert errors["where"] == f"{rules}:3"


def test_a_slip_is_three_lines_and_exit_2(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("'success'", "5ms"), encoding="utf-8")
    done = tradex("rules", "check", str(path), state=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"tradex: {path}:6:39: deployment_status is a text: expected one in quotes, such as 'down'",
        "          condition: deployment_status == 5ms",
        "                                          ^^^",
    ]


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    assert isinstance(run("check", tmp_path / "none").exception, Misuse)


def test_every_transition_as_json(run: Run, rules: Path, tmp_path: Path) -> None:
    done = run("replay", rules, "--samples", outage(tmp_path), "--json")
    assert json.loads(done.output) == [
        {"at": 300, "rule": "Errors", "from": "inactive", "to": "pending", "value": 6.2},
        {"at": 420, "rule": "Errors", "from": "pending", "to": "firing", "value": 6.2},
        {"at": 630, "rule": "Deployed", "from": "inactive", "to": "firing", "value": "success"},
        {"at": 660, "rule": "Deployed", "from": "firing", "to": "inactive", "value": None},
        {"at": 720, "rule": "Errors", "from": "firing", "to": "inactive", "value": 0.4},
    ]


def test_another_step(run: Run, rules: Path, tmp_path: Path) -> None:
    done = run("replay", rules, "--samples", outage(tmp_path), "--json", "--step", "100")
    assert [(t["at"], t["to"]) for t in json.loads(done.output) if t["rule"] == "Errors"] == [
        (300, "pending"), (500, "firing"), (800, "inactive"),
    ]  # fmt: skip


def test_one_rule_is_counted_as_one(run: Run, rules: Path, tmp_path: Path) -> None:
    rules.write_text(RULES.partition("  info:")[0], encoding="utf-8")
    assert run("replay", rules, "--samples", outage(tmp_path)).output.startswith("1 rule over 20m, ")


def test_a_timeline(run: Run, rules: Path, tmp_path: Path) -> None:
    done = run("replay", rules, "--samples", outage(tmp_path))
    lines = [line.rstrip() for line in done.output.splitlines()]
    assert lines[0] == "2 rules over 20m, 41 evaluations: 2 would have fired"
    assert lines[3].split() == [
        "■",
        "Errors",
        "·" * 15 + "◔" * 6 + "!" * 15 + "·" * 24,
        "1x",
        "5m",
        "0.40",
        "%",
    ]
    assert lines[4].split()[3:] == ["1x", "30s", "success"]
    assert lines[5].split() == ["0", "s", "1200", "s"]


def test_no_samples_at_all(run: Run, rules: Path, tmp_path: Path) -> None:
    assert run("replay", rules, "--samples", recorded(tmp_path)).output == "no samples\n"
    assert run("replay", rules, "--samples", recorded(tmp_path), "--json").output == "[]\n"


def test_a_bad_line_is_named(rules: Path, tmp_path: Path) -> None:
    samples = recorded(
        tmp_path, {"t": 0, "metric": "error_rate", "value": 1}, {"t": 1, "metric": "eror_rate"}
    )
    done = tradex("rules", "replay", str(rules), "--samples", str(samples), state=tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr == f'tradex: {samples}:2: metric: no such metric: "eror_rate"; did you mean error_rate?\n'
    )


def test_samples_or_the_store_not_both(run: Run, rules: Path, tmp_path: Path) -> None:
    done = run("replay", rules, "--samples", outage(tmp_path), "--since", "1h")
    assert (done.exit_code, "expected only one of them" in done.output) == (2, True)
    assert run("replay", rules, "--samples", outage(tmp_path), "--step", "0").exit_code == 2


@pytest.fixture
def place(postgres: EmbeddedPostgres, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A store (time scale 10) whose viewer runs the commands."""
    found = Place(postgres, new_database(postgres))
    asyncio.run(prepare(postgres, found.url))
    monkeypatch.setenv("TRADEX_STORE__URL", found.url_of("vera"))
    monkeypatch.setenv("TRADEX_STORE__PASSWORD", password_of("vera"))
    return found


async def fill(place: Place) -> None:
    """Ten minutes of ticks each 2 s: bad from 3 minutes ago until 1 minute ago, deployed once."""
    specs = catalogue.load(time_scale=10).specs
    async with place.leader() as (store, lease):
        end = await store.now() - timedelta(seconds=2)
        rows = []
        for back in range(600, 0, -2):
            at = end - timedelta(seconds=back)
            known = {"error_rate": 6.5 if 60 < back <= 180 else 0.2}
            known |= {"deployment_status": "success"} if back == 40 else {}
            rows.append((at, [MetricValue(s.name, known.get(s.name), at) for s in specs]))
        await ticks.write_seeded(store, lease, specs, rows)


def test_over_what_the_store_has_recorded(run: Run, rules: Path, place: Place) -> None:
    assert isinstance(run("replay", rules).exception, Misuse), "nothing is recorded yet"
    asyncio.run(fill(place))
    done = run("replay", rules, "--since", "8m", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert [(t["rule"], t["from"], t["to"], t["value"]) for t in found] == [
        ("Errors", "inactive", "pending", 6.5),
        ("Errors", "pending", "firing", 6.5),
        ("Errors", "firing", "inactive", 0.2),
        ("Deployed", "inactive", "firing", "success"),
        ("Deployed", "firing", "inactive", None),
    ]
    at = [datetime.fromisoformat(t["at"]) for t in found]
    assert at[1] - at[0] == timedelta(seconds=12), "two minutes at ten times the speed"
    assert at[4] - at[3] == timedelta(seconds=2), "an event lasts one tick"
    coarse = json.loads(run("replay", rules, "--since", "8m", "--step", "10", "--json").output)
    assert [(t["rule"], t["to"]) for t in coarse] == [(t["rule"], t["to"]) for t in found], (
        "also with a coarser step"
    )
    assert "2 would have fired" in run("replay", rules, "--since", "8m").output
    assert "nothing is recorded for that time" in run("replay", rules, "--since", "1s").output
    assert isinstance(run("replay", rules, "--since", "soon").exception, Misuse)
