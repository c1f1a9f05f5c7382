"""`tradex validate` where the agent's settings are, and where they are not."""

import asyncio
import json
import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree as ET

import pytest

from console.domain.check import CheckResult, CheckRun, CheckStatus, Subject
from console.domain.release import Released, ReleaseState
from console.processes.postgres import EmbeddedPostgres
from console.sandbox import people, releases
from console.store import actions
from console.store import checks as stored_checks
from console.store import releases as stored
from tests import command
from tests.checks.conftest import OTHER, private
from tests.conftest import NewDatabase
from tests.dear import running_platform
from tests.sandbox.platform import Platform
from tests.store.acting import KINDS, planned
from tests.store.stores import Place, password_of, upgraded

Ask = Callable[..., CompletedProcess[str]]
pytestmark = pytest.mark.xdist_group("validate")
cluster, platform = running_platform("validate")


@pytest.fixture
def config(platform: Platform, tmp_path: Path) -> Path:
    """config.toml as an agent has it, secrets by file."""
    secrets = {
        "reader": platform.reader_password,
        "key": platform.anon,
        "account": people.password(platform.config.database_password, people.SYNTHETIC_EMAIL),
        "other": people.password(platform.config.database_password, OTHER.email),
    }
    for name, text in secrets.items():
        private(tmp_path / name, text)
    base = platform.config.base_url
    file = tmp_path / "config.toml"
    file.write_text(f"""
[platform]
base_url = "{base}"
websocket_url = "{base.replace("http", "ws")}/realtime"
database_url = "{platform.cluster.url(platform.database, "platform_reader")}"
database_password_file = "{tmp_path / "reader"}"
api_key_file = "{tmp_path / "key"}"
[checks]
account = "{people.SYNTHETIC_EMAIL}"
account_password_file = "{tmp_path / "account"}"
other_account = "{OTHER.email}"
other_account_password_file = "{tmp_path / "other"}"
""")
    return file


@pytest.fixture
def place(cluster: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    return Place(cluster, new_database(cluster, template=upgraded(cluster, session_database)))


async def live(place: Place, release: Released) -> None:
    async with place.leader() as (store, lease):
        await stored.put(store, lease, None, release)


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def run(*args: str) -> CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")}
        folders = {"TRADEX_STATE_DIR": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "none")}
        return command.run(*args, env=kept | folders)

    return run


def test_a_console_without_secrets_says_where_to_run_it(ask: Ask) -> None:
    done = ask("validate", "--post")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "tradex: no platform is configured here: `tradex validate` needs its secrets, so run it where the agent runs"
    )


def test_misuse_is_one_line(ask: Ask, tmp_path: Path) -> None:
    for args, said in (
        ((), "expected --env, --pre, --post or --tick"),
        (("--post", "--only", "order_exection"), "did you mean order_execution?"),
    ):
        done = ask("validate", *args)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert said in done.stderr
    file = tmp_path / "config.toml"
    file.write_text('[platform]\nbase_url = "http://127.0.0.1:1"\n[checks]\nacount = "a"\n')
    done = ask("--config", str(file), "validate", "--post")
    assert done.returncode == 2
    assert f"{file}:4" in done.stderr
    assert "did you mean checks.account?" in done.stderr


def test_a_platform_that_is_well_exits_0_with_every_kind_of_report(
    ask: Ask, config: Path, tmp_path: Path
) -> None:
    junit, markdown = tmp_path / "report.xml", tmp_path / "report.md"
    done = ask(
        "--config", str(config), "validate", "--post", "--json", "--junit", str(junit), "--markdown", str(markdown)
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr)
    data = json.loads(done.stdout)
    assert data["overall"] == "warning", "nobody has an expired token"
    assert data["summary"]["total"] == 8
    assert data["summary"]["passed"] == 7
    assert {check["id"]: check["status"] for check in data["checks"]}["authentication"] == "warning"
    suite = ET.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("skipped")) == ("8", "1")
    assert "# tradex validate --post: warning" in markdown.read_text()


def test_one_that_is_not_exits_1_and_the_table_names_it(ask: Ask, config: Path, platform: Platform) -> None:
    asyncio.run(platform.execute("CREATE TABLE naked (id int)"))
    try:
        done = ask(
            "--config", str(config), "validate", "--env", "--only", "env.policies", "--only", "env.tables"
        )
    finally:
        asyncio.run(platform.execute("DROP TABLE naked"))
    assert done.returncode == 1
    assert done.stdout.startswith("failed: 1 of 2 passed (50.00 %), 1 failed")
    assert "no row level security on naked" in done.stdout
    assert done.stderr == ""


def test_the_migrations_of_the_chosen_commit_are_compared(
    ask: Ask, config: Path, place: Place, tmp_path: Path
) -> None:
    source = releases.ensure_repository(tmp_path / "platform.git")
    config.write_text(config.read_text() + f'[deploy]\nrepository = "{source}"\n')

    def compared(*args: str) -> CompletedProcess[str]:
        return ask("--config", str(config), "validate", "--pre", "--only", "db.migrations", *args)

    done = compared("--release", "v2.9.0", "--json")
    (found,) = json.loads(done.stdout)["checks"]
    assert (done.returncode, found["status"]) == (0, "passed"), (found, done.stderr)
    assert found["evidence"].endswith("to come with it: 20251006090000")
    assert compared("--release", releases.FIRST).returncode == 0
    for args, code, said in (
        (("--release", "v0.0.1"), 4, "the repository has no commit v0.0.1"),
        (("--post", "--release", "v2.9.0"), 2, "--release goes with --pre or --tick"),
    ):
        done = compared(*args)
        assert (done.returncode, done.stderr.strip()) == (code, f"tradex: {said}")
    assert "no source: no commit was chosen" in compared().stdout
    asyncio.run(live(place, Released("v2.9.0", "v2.9.0", ReleaseState.LIVE)))
    with config.open("a") as more:
        more.write(login(place, tmp_path, "vera"))
    assert "pending 20251006090000" in compared().stdout, "without a word it is the one that is live"


def login(place: Place, tmp_path: Path, name: str) -> str:
    """The section of config.toml by which somebody of the tests is known to the store."""
    private(tmp_path / name, password_of(name))
    return f'[store]\nurl = "{place.url_of(name)}"\npassword_file = "{tmp_path / name}"\n'


def test_what_only_a_person_can_say_is_ticked_and_seen_by_the_next_run_which_the_store_keeps(
    ask: Ask, config: Path, place: Place, tmp_path: Path
) -> None:
    source = releases.ensure_repository(tmp_path / "platform.git")
    config.write_text(
        f'{config.read_text()}[deploy]\nrepository = "{source}"\n{login(place, tmp_path, "alice")}'
    )

    def run(*args: str) -> CompletedProcess[str]:
        return ask("--config", str(config), "validate", *args)

    done = run("--pre", "--release", "v2.9.0", "--json")
    told = {check["id"]: check for check in json.loads(done.stdout)["checks"]}
    assert told["fe.error_boundaries"]["status"] == "manual", done.stderr

    async def kept() -> CheckRun | None:
        async with place.open("vera") as store:
            return await stored_checks.latest(store, "pre")

    first = asyncio.run(kept())
    assert first is not None and (first.by, first.version, first.total) == ("alice", "v2.9.0", 25)
    assert [each.evidence for each in first.results] == [each["evidence"] for each in told.values()]
    asyncio.run(live(place, Released("v2.9.0", first.commit, ReleaseState.LIVE)))
    done = run("--tick", "fe.error_boundaries", "--note", "broke three pages", "--release", "v2.9.0")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"fe.error_boundaries is ticked: alice, \d+ \w+ \d\d:\d\d: broke three pages \(for this release\)",
        done.stdout.strip(),
    )
    done = run("--tick", "db.backups", "--note", "restored to staging", "--for", "30d", "--json")
    tick = json.loads(done.stdout)
    assert (tick["check"], tick["by"], tick["commit"]) == ("db.backups", "alice", "")
    assert datetime.fromisoformat(tick["until"]) - datetime.fromisoformat(tick["at"]) == timedelta(days=30)
    done = run("--pre", "--release", "v2.9.0", "--only", "fe.error_boundaries", "--json")
    (found,) = json.loads(done.stdout)["checks"]
    assert (found["status"], found["evidence"].partition(": ")[2]) == (
        "passed",
        "broke three pages (for this release)",
    )
    done = run("--pre", "--release", releases.FIRST, "--only", "fe.error_boundaries", "--json")
    assert json.loads(done.stdout)["summary"]["manual"] == 1, "that was another release"
    last = asyncio.run(kept())
    assert last is not None and last.id == first.id, "a part is no checklist"
    assert {r.id: r.status for r in last.results}["fe.error_boundaries"] == "passed"


def test_a_tick_is_refused_in_one_line(ask: Ask, config: Path, place: Place, tmp_path: Path) -> None:
    config.write_text(login(place, tmp_path, "alice"))
    for args, code, said in (
        (("--tick", "db.backups"), 2, "a tick needs a note"),
        (("--tick", "db.backups", "--note", " "), 2, "a tick needs a note"),
        (("--tick", "db.backup", "--note", "x"), 2, "did you mean db.backups?"),
        (("--tick", "db.rls", "--note", "x"), 4, "db.rls is not ticked by hand"),
        (("--tick", "fe.error_boundaries", "--note", "x"), 2, "is ticked for one release: which one?"),
        (("--tick", "fe.error_boundaries", "--note", "x", "--release", "v9"), 4, "there is no release v9"),
        (("--tick", "db.backups", "--note", "x", "--for", "91d"), 4, "at most 90 days"),
        (("--tick", "db.backups", "--note", "x", "--for", "long"), 2, "--for: expected a duration"),
        (("--tick", "db.backups", "--pre"), 2, "--tick stands alone"),
        (("--pre", "--note", "x"), 2, "--note and --for go with --tick"),
    ):
        done = ask("--config", str(config), "validate", *args)
        assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), (args, done.stderr)
        assert said in done.stderr
    config.write_text(login(place, tmp_path, "vera"))
    done = ask("--config", str(config), "validate", "--tick", "db.backups", "--note", "x")
    assert done.returncode == 4 and "vera is a viewer" in done.stderr


def test_who_may_only_look_runs_the_checks_and_keeps_nothing(
    ask: Ask, config: Path, place: Place, tmp_path: Path
) -> None:
    config.write_text(config.read_text() + login(place, tmp_path, "vera"))
    done = ask("--config", str(config), "validate", "--pre", "--json")
    assert json.loads(done.stdout)["summary"]["total"] == 25
    assert done.stderr == ""
    for table in ("check_run", "audit", "audit_waiting"):
        assert not asyncio.run(place.owner(f"SELECT FROM console.{table}"))


def test_a_release_is_shown_with_how_it_was_validated(
    ask: Ask, config: Path, place: Place, tmp_path: Path
) -> None:
    config.write_text(login(place, tmp_path, "vera"))
    good = CheckResult("monitoring", "Monitoring", "validation", CheckStatus.PASSED, "/health answers", 3)
    bad = CheckResult("order_execution", "Orders", "validation", CheckStatus.FAILED, "HTTP 500 [x]", 4)

    async def deployed() -> int:
        async with place.leader() as (store, lease), place.open("alice") as alice:
            await actions.publish_kinds(store, lease, KINDS)
            action = await planned(alice, store, lease)
            await actions.confirm(alice, action.id, plan_hash=action.plan_hash)
            run = await stored_checks.begin(store, lease, "post", Subject("ab" * 20, "v2", action.id))
            await stored_checks.start(store, lease, run, 2)
            for number, result in enumerate((good, bad), 1):
                await stored_checks.put(store, lease, run, number, result)
            await stored_checks.end(store, lease, run)
            await stored.put(store, lease, None, Released("v1", "cd" * 20, ReleaseState.LIVE))
            await stored.put(
                store, lease, action.id, Released("v2", "ab" * 20, ReleaseState.FAILED, words="no")
            )
            return action.id

    number = asyncio.run(deployed())
    done = ask("--config", str(config), "releases", "show", "v2", "--json")
    data = json.loads(done.stdout)
    assert (data["version"], data["action"], data["words"]) == ("v2", number, "no")
    (report,) = data["validation"]
    assert (report["occasion"], report["overall"], report["summary"]["failed"]) == ("post", "failed", 1)
    assert [check["evidence"] for check in report["checks"]] == ["/health answers", "HTTP 500 [x]"]
    done = ask("--config", str(config), "releases", "show", "abab")
    assert done.returncode == 0, done.stderr
    assert "failed: 1 of 2 passed (50.00 %), 1 failed" in done.stdout and "HTTP 500 [x]" in done.stdout
    done = ask("--config", str(config), "releases", "show", "v1")
    assert "it was not validated from here" in done.stdout
    assert json.loads(ask("--config", str(config), "releases", "--json").stdout)[0]["version"] == "v2"
    done = ask("--config", str(config), "releases", "show", "v3")
    assert (done.returncode, done.stderr.strip()) == (
        4,
        "tradex: there is no release v3: `tradex releases` lists them",
    )


def test_a_report_that_can_not_be_written_is_one_line(ask: Ask, config: Path, tmp_path: Path) -> None:
    done = ask(
        "--config", str(config), "validate", "--env", "--only", "env.tables", "--junit", str(tmp_path / "no" / "x")
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be written: No such file or directory" in done.stderr.splitlines()[-1]
