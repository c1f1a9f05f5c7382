"""`tradex validate` where the agent's settings are, and where they are not."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree as ET

import pytest

from console.domain.release import Released, ReleaseState
from console.processes.postgres import EmbeddedPostgres
from console.sandbox import people, releases
from console.store import releases as stored
from tests import command
from tests.checks.conftest import OTHER, private
from tests.conftest import NewDatabase
from tests.dear import running_platform
from tests.sandbox.platform import Platform
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
        ((), "expected --env, --pre or --post"),
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
    assert (done.returncode, found["status"]) == (1, "failed"), (found, done.stderr)
    assert found["evidence"] == "pending 20251006090000"
    assert compared("--release", releases.FIRST).returncode == 0
    for args, said in (
        (("--release", "v0.0.1"), "the repository has no commit v0.0.1"),
        (("--post", "--release", "v2.9.0"), "--release goes with --pre"),
    ):
        done = compared(*args)
        assert (done.returncode, done.stderr.strip()) == (2, f"tradex: {said}")
    assert "no source: no commit was chosen" in compared().stdout
    asyncio.run(live(place, Released("v2.9.0", "v2.9.0", ReleaseState.LIVE)))
    private(tmp_path / "vera", password_of("vera"))
    with config.open("a") as more:
        more.write(f'[store]\nurl = "{place.url_of("vera")}"\npassword_file = "{tmp_path / "vera"}"\n')
    assert "pending 20251006090000" in compared().stdout, "without a word it is the one that is live"


def test_a_report_that_can_not_be_written_is_one_line(ask: Ask, config: Path, tmp_path: Path) -> None:
    done = ask(
        "--config", str(config), "validate", "--env", "--only", "env.tables", "--junit", str(tmp_path / "no" / "x")
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be written: No such file or directory" in done.stderr.splitlines()[-1]
