"""`tradex incident watch`: everything once, as long as somebody looks."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.cli.incident_desk import Desk, furnished
from tests.conftest import NewDatabase


@pytest.fixture(scope="module")
def desk(
    postgres: EmbeddedPostgres, session_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Desk:
    return furnished(postgres, session_database, tmp_path_factory.mktemp("home"))


def test_watch_tells_everything_once_also_after_it_was_reopened(
    desk: Desk, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    number = str(desk.json("open", "Watched")["id"])
    out, plain = tmp_path / "watched", tmp_path / "plain"
    with watching(desk, out, number, "--json"), watching(desk, plain, number):
        wait_until(lambda: out.read_text() and plain.read_text())
        for i in range(5):
            desk.done("note", number, f"note {i}")
        wait_until(lambda: "note 4" in out.read_text())
        # It joins again, and tells what came meanwhile.
        desk.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'vera'")
        desk.done("note", number, "note 5")
        wait_until(lambda: "note 5" in out.read_text(), timeout=20)
        desk.done("close", number, "--resolution", "seen")
        wait_until(lambda: "Watched  CLOSED" in plain.read_text(), timeout=20)
        desk.done("reopen", number, "--reason", "again")
        desk.done("note", number, "note 6")
        wait_until(lambda: "note 6" in out.read_text() and "note 6" in plain.read_text(), timeout=20)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len({line["id"] for line in lines}) == len(lines)
    assert [line["text"] for line in lines if line["state"] == "note"] == [f"note {i}" for i in range(7)]
    own = desk.sql("SELECT id FROM console.event WHERE incident_id = $1 ORDER BY id", int(number))
    assert {row["id"] for row in own} <= {line["id"] for line in lines}
    heads = [line for line in plain.read_text().splitlines() if "SEV2" in line]
    said = [line.partition("Watched  ")[2] for line in heads]
    assert said == ["NOBODY IS ON IT", "CLOSED", "BEING WORKED ON"]
    desk.done("close", number, "--resolution", "seen")


def test_watch_without_a_number_goes_on_with_whatever_is_open(
    desk: Desk, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    out = tmp_path / "big screen"

    def heads() -> list[str]:
        return [x for x in out.read_text().splitlines() if "SEV" in x or x == "no incident is open"]

    with watching(desk, out):
        wait_until(lambda: heads() == ["no incident is open"])
        one = str(desk.json("open", "First")["id"])
        wait_until(lambda: "First" in heads()[-1])
        two = str(desk.json("open", "Second", "--level", "3")["id"])
        desk.done("close", one, "--resolution", "over")
        wait_until(lambda: "Second" in heads()[-1])
        desk.done("close", two, "--resolution", "over")
        wait_until(lambda: heads()[-1] == "no incident is open")
        desk.done("reopen", one, "--reason", "again")
        wait_until(lambda: "First" in heads()[-1])
        desk.done("close", one, "--resolution", "really over")
        wait_until(lambda: heads()[-1] == "no incident is open")
    said = [line.split("  ")[-1] for line in heads()]
    assert said == [
        *("no incident is open", "NOBODY IS ON IT", "CLOSED", "NOBODY IS ON IT", "CLOSED"),
        *("no incident is open", "BEING WORKED ON", "CLOSED", "no incident is open"),
    ]
    text = out.read_text()
    assert text.count("alice reopened INC-") == text.count("opened INC-" + one + ",") == 1


@contextmanager
def watching(desk: Desk, out: Path, *args: str) -> Iterator[None]:
    """`tradex incident watch` into a file, until ctrl+c."""
    with out.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "console.cli", "incident", "watch", *args],
            env=desk.env("vera"),
            stdout=file,
            text=True,
        )
    try:
        yield
        assert process.poll() is None, "it goes on until ctrl+c"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
