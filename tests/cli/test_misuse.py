"""Bad input gives one clear line and the documented exit code, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.processes.postgres import EmbeddedPostgres


def tradex(*args: str, state: Path, **env: str) -> subprocess.CompletedProcess[str]:
    base = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")}
    return subprocess.run(
        [sys.executable, "-m", "console.cli", *args],
        env={**base, "TRADEX_STATE_DIR": str(state), "XDG_CONFIG_HOME": str(state / "none"), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.mark.parametrize("command", [(), ("status",), ("metrics",)])
def test_without_a_store_it_says_how_to_get_one(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = tradex(*command, state=tmp_path)
    assert done.returncode == 2
    assert "`tradex demo` starts the sandbox" in one_line(done)


def test_a_store_that_is_away_is_one_line_and_exit_1(tmp_path: Path) -> None:
    done = tradex("status", state=tmp_path, TRADEX_STORE__URL="postgresql://x@127.0.0.1:1/console")
    assert done.returncode == 1
    assert "127.0.0.1:1/console" in one_line(done)


def test_a_wrong_store_url_is_a_misuse_that_names_the_variable(tmp_path: Path) -> None:
    done = tradex("status", state=tmp_path, TRADEX_STORE__URL="mysql://h/d")
    assert done.returncode == 2
    assert one_line(done).startswith(
        "tradex: TRADEX_STORE__URL: store.url: expected a URL like postgresql://"
    )


def test_a_wrong_password_is_not_repeated(tmp_path: Path, postgres: EmbeddedPostgres, database: str) -> None:
    done = tradex(
        "status", state=tmp_path, TRADEX_STORE__URL=database, TRADEX_STORE__PASSWORD="hunter2-wrong"
    )
    assert done.returncode == 1
    assert "hunter2" not in one_line(done)


def test_an_empty_database_says_how_to_make_a_store_of_it(
    tmp_path: Path, postgres: EmbeddedPostgres, database: str
) -> None:
    env = {"TRADEX_STORE__URL": database, "TRADEX_STORE__PASSWORD": postgres.password}
    done = tradex("status", state=tmp_path, **env)
    assert done.returncode == 1
    assert "tradex db upgrade" in one_line(done)
    assert tradex("db", "status", state=tmp_path, **env).returncode == 1
    assert tradex("db", "upgrade", state=tmp_path, **env).returncode == 2, (
        "the environment's name is asked for"
    )
    done = tradex("db", "upgrade", state=tmp_path, TRADEX_ENVIRONMENT="staging", **env)
    assert done.returncode == 0, done.stderr
    assert tradex("db", "status", state=tmp_path, **env).returncode == 0
    done = tradex("status", "--json", state=tmp_path, **env)
    assert done.returncode == 1, "nobody has looked yet"
    assert '"environment": "staging"' in done.stdout
    assert '"overall": "unknown"' in done.stdout
    refused = tradex("db", "upgrade", state=tmp_path, TRADEX_ENVIRONMENT="production", **env)
    assert refused.returncode == 1
    assert "staging" in one_line(refused)


def test_a_state_folder_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = tradex("demo", "--headless", state=file / "below")
    assert done.returncode == 1
    assert "set TRADEX_STATE_DIR" in one_line(done)


def test_up_without_a_platform_says_what_to_set(tmp_path: Path) -> None:
    done = tradex("up", "--headless", state=tmp_path)
    assert done.returncode == 2
    assert "platform.base_url" in one_line(done)


def test_a_drill_without_a_sandbox(tmp_path: Path) -> None:
    done = tradex("drill", "latency", state=tmp_path)
    assert done.returncode == 2
    assert "no sandbox runs" in one_line(done)


def test_an_unknown_command_is_a_misuse(tmp_path: Path) -> None:
    assert tradex("deplyo", state=tmp_path).returncode == 2


def test_config_show_has_origins_and_no_secret(tmp_path: Path) -> None:
    done = tradex(
        "config", "show", state=tmp_path, TRADEX_STORE__PASSWORD="hunter2", TRADEX_AGENT__TICK_S="7"
    )
    assert done.returncode == 0
    assert "hunter2" not in done.stdout
    assert "(TRADEX_AGENT__TICK_S)" in done.stdout
    assert "(default)" in done.stdout


PIPELINE = """title: Deploy
steps:
  frontend: {title: the pages, command: {argv: [npm, run, build]}}
  notice:
    title: tell
    action:
      kind: suspend-account
      target: "{frontend_said}"
      with:
        length: 1h
"""


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        (
            "suspend-account",
            "suspend-acount",
            7,
            "no such action: suspend-acount; did you mean suspend-account?",
        ),
        (
            "suspend-account",
            "restart-everythin",
            7,
            "no such action: restart-everythin; did you mean restart-everything?",
        ),
        ("length:", "lenght:", 10, "no such parameter of suspend-account: lenght; did you mean length?"),
        ("frontend_said", "fronted_said", 6, "did you mean frontend_said?"),
    ],
)
def test_a_pipelines_action_is_held_against_those_that_there_are(
    tmp_path: Path, before: str, after: str, line: int, said: str
) -> None:
    (tmp_path / "actions.yaml").write_text(
        "actions:\n"
        "  deploy: {second_person: true}\n"
        "  restart_everything: {title: Restart, steps: [{title: all, command: {argv: [restart]}}]}\n"
    )
    env = {"TRADEX_ACTIONS__FILE": str(tmp_path / "actions.yaml")}
    file = tmp_path / "deploy.yaml"
    file.write_text(f"{PIPELINE}  restart: {{title: restart, action: {{kind: restart-everything}}}}\n")
    done = tradex("pipeline", "check", str(file), state=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    file.write_text(PIPELINE.replace(before, after))
    done = tradex("pipeline", "check", str(file), state=tmp_path, **env)
    assert done.returncode == 2
    assert one_line(done).startswith(f"tradex: {file}:{line}: ") and said in done.stderr


@pytest.mark.parametrize(
    "command",
    [("deploy", "v2.9.0"), ("alerts", "silence", "x", "--for", "1h"), ("security", "dismiss", "1")],
)
def test_a_reason_that_says_nothing_is_a_misuse_wherever_one_is_given(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = tradex(*command, "--reason", " ", state=tmp_path)
    assert (done.returncode, one_line(done)) == (2, "tradex: --reason: expected why, not ' '")
