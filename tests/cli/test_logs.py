"""`tradex logs` on a real store."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from console.cli import main_group
from console.domain.errors import Misuse
from console.domain.log import LogLine, LogSource
from console.processes.postgres import EmbeddedPostgres
from console.store import lease as leases
from console.store import logs
from tests.conftest import NewDatabase
from tests.store.stores import Place, password_of, upgraded


@cache
def begin() -> datetime:
    """Sixteen minutes before the first test of this module."""
    return datetime.now(UTC) - timedelta(seconds=1000)


def line(i: int, source: str = "functions", level: str = "info", text: str = "") -> LogLine:
    at = begin() + timedelta(seconds=i)
    return LogLine(0, at, source, level, "execute-order", text or f"line {i}", "u1", "r1" if i == 3 else "")


@cache
def story() -> list[LogLine]:
    return [
        *(line(i) for i in range(1, 301)),
        line(301, "orders", "error", "order failed: venue timeout after 301 ms"),
        line(302, "orders", "error", "order failed: venue timeout after 302 ms"),
        line(990, "auth", "warning", "sign-in refused"),
    ]


@pytest.fixture(scope="module")
def place(postgres: EmbeddedPostgres, session_database: NewDatabase) -> Place:
    template = upgraded(postgres, session_database)
    place = Place(postgres, session_database(postgres, template=template))
    add(place, story())
    return place


SOURCES = [
    LogSource("functions", ""),
    LogSource("auth", ""),
    LogSource("orders", ""),
    LogSource("edge", "", "no source: the database has no edge_logs"),
]


def add(place: Place, lines: Sequence[LogLine]) -> None:
    async def write() -> None:
        async with place.leader() as (store, lease):
            await logs.append(store, lease, lines, keys=[f"{x.at}{x.text}" for x in lines])
            await logs.set_sources(store, lease, SOURCES)
            await leases.release(store, lease)

    asyncio.run(write())


@pytest.fixture
def env(place: Place, tmp_path: Path) -> dict[str, str]:
    return {
        "TRADEX_STORE__URL": place.url_of("vera"),
        "TRADEX_STORE__PASSWORD": password_of("vera"),
        "TRADEX_STATE_DIR": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "none"),
    }


@pytest.fixture
def tradex(env: dict[str, str]) -> Callable[..., Result]:
    def run(*args: str) -> Result:
        return CliRunner().invoke(main_group, ["logs", *args], env=env, obj={}, catch_exceptions=True)

    return run


Tradex = Callable[..., Result]


def texts(done: Result) -> list[str]:
    assert done.exit_code == 0, done.output
    return [row["text"] for row in json.loads(done.stdout)]


def test_the_last_200_lines_oldest_first(tradex: Tradex) -> None:
    found = json.loads(tradex("--json").stdout)
    assert len(found) == 200
    assert [row["text"] for row in found[-1:]] == ["sign-in refused"]
    assert found[0].keys() == {"id", "at", "source", "level", "origin", "text", "user", "request"}
    assert [row["id"] for row in found] == sorted(row["id"] for row in found)
    assert texts(tradex("-n", "2", "--json")) == [story()[-2].text, story()[-1].text]


def test_every_filter(tradex: Tradex) -> None:
    assert texts(tradex("--source", "auth", "--json")) == ["sign-in refused"]
    assert len(texts(tradex("--level", "warning", "--json"))) == 3
    assert len(texts(tradex("--level", "error", "--json"))) == 2
    assert texts(tradex("--grep", "LINE 300$|refused", "--json")) == ["line 300", "sign-in refused"]
    assert texts(tradex("--since", "8m", "--json")) == ["sign-in refused"]
    assert len(texts(tradex("--since", "1h", "--json"))) == len(story())
    assert texts(tradex("--grep", "line", "-n", "1", "--json")) == ["line 300"]


def test_a_page_is_not_the_end(tradex: Tradex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.cli.logs._PAGE", 7)
    assert texts(tradex("--grep", "^line [12]$", "--json")) == ["line 1", "line 2"]


def test_equal_lines_are_counted(tradex: Tradex) -> None:
    found = json.loads(tradex("--group", "--json").stdout)
    assert [(row["count"], row["template"]) for row in found] == [
        (300, "line #"),
        (2, "order failed: venue timeout after # ms"),
        (1, "sign-in refused"),
    ]
    assert found[1]["text"] == story()[-2].text
    first = tradex("--group").stdout.splitlines()[0]
    assert first.startswith("    300 x  ") and first.endswith("line 300")


def test_rows_for_people_have_glyph_and_word(tradex: Tradex) -> None:
    row = tradex("--source", "orders", "-n", "1").stdout
    assert "■ error   orders    execute-order    order failed: venue timeout after 302 ms" in row


def test_a_log_without_a_source_says_so(tradex: Tradex) -> None:
    done = tradex("--source", "edge")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "tradex: edge: no source: the database has no edge_logs\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--grep", "("), "not a regular expression: missing \\)"),
        (("--since", "soon"), "--since: expected a span"),
        (("--source", "nowhere"), "no log 'nowhere': choose one of functions, auth, orders, edge"),
        (("--follow", "--group"), "can't be followed"),
    ],
)
def test_misuse(tradex: Tradex, args: tuple[str, ...], said: str) -> None:
    with pytest.raises(Misuse, match=said):
        raise tradex(*args).exception  # type: ignore[misc]


@contextmanager
def following(env: dict[str, str], *args: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "console.cli", "logs", "--follow", *args],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")}, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_follows_until_interrupted(place: Place, env: dict[str, str]) -> None:
    with following(env, "--source", "auth", "--json", "-n", "1") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["text"] == "sign-in refused"
        add(place, [line(991, "auth", text="a new one"), line(992, text="of another log")])
        assert json.loads(process.stdout.readline())["text"] == "a new one"
        add(place, [line(993, "auth", text="and another")])
        assert json.loads(process.stdout.readline())["text"] == "and another"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == ""
