"""Secrets that are planted wherever an agent may get them are nowhere afterwards: not in a table, a log, an argv, a
traceback, nor in what a command prints."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from console.domain.action import ActionState
from console.sandbox.firewall import PROJECT, TEAM
from console.store import actions
from tests.gateway.servers import Writer, tcp
from tests.sandbox.platform import somebody
from tests.store.stores import password_of

from .conftest import Stage, fresh_address

_KINDS = """
actions:
  tell_all:
    title: A program that tells all it knows
    steps:
      - title: tell
        command: {{argv: [{python}, {program}], secrets: {{KEY: {secret}}}}}
"""
_PROGRAM = """
import os, pathlib, sys
told = [b" ".join(p.read_bytes().split(bytes(1))) for p in pathlib.Path("/proc").glob("[0-9]*/cmdline")]
pathlib.Path({argvs!r}).write_bytes(b"\\n".join(told))
for name, value in os.environ.items():
    print(name, value)
sys.exit("no: " + os.environ["KEY"])
"""


async def _echo(reader: asyncio.StreamReader, writer: Writer) -> None:
    """A server that repeats to everybody what they came with."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    came = [
        line
        for line in head.split("\r\n")
        if line.lower().startswith(("authorization", "apikey", "x-api-key"))
    ]
    body = json.dumps({"error": {"message": " ".join(came)}}).encode()
    writer.write(
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    await writer.drain()


@asynccontextmanager
async def _agent(env: dict[str, str], log: Path) -> AsyncIterator[None]:
    """A whole agent of its own, which has its secrets from its environment."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "console.cli", "agent", "--name", "a1",
            env=os.environ | env, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield
        assert process.returncode is None
    finally:
        process.terminate()
        await process.wait()


async def test_planted_secrets_are_nowhere(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = {
        "PLATFORM__API_KEY": "planted-api-key",
        "PLATFORM__SERVICE_KEY": "planted-service-key",
        "PLATFORM__VERCEL_TOKEN": "planted-vercel-token",
        "PLATFORM__OPS_DATABASE_PASSWORD": stage.platform.ops_password,
        "PLATFORM__DATABASE_PASSWORD": stage.platform.reader_password,
        "STORE__PASSWORD": password_of("auto"),
    }
    secret, program, argvs, log = (tmp_path / name for name in ("secret", "tell.py", "argvs", "agent.log"))
    secret.write_text("planted-secret-of-a-command")
    secret.chmod(0o600)
    program.write_text(_PROGRAM.format(argvs=str(argvs)))
    kinds = tmp_path / "actions.yaml"
    kinds.write_text(_KINDS.format(python=sys.executable, program=program, secret=secret))
    database = stage.platform.cluster.url(stage.platform.database, "platform_ops")
    async with tcp(_echo) as port:
        plain = {
            "ENVIRONMENT": "test",
            "TIME_SCALE": str(stage.scale),
            "AGENT__TICK_S": "0.5",
            "STORE__URL": stage.place.url_of("auto"),
            "ACTIONS__FILE": str(kinds),
            "PLATFORM__BASE_URL": f"http://127.0.0.1:{port}",
            "PLATFORM__WEBSOCKET_URL": f"ws://127.0.0.1:{port}/realtime",
            "PLATFORM__DATABASE_URL": database.replace("platform_ops", "platform_reader"),
            "PLATFORM__OPS_DATABASE_URL": database,
            "PLATFORM__VERCEL_URL": f"http://127.0.0.1:{port}",
            "PLATFORM__VERCEL_PROJECT": PROJECT,
            "PLATFORM__VERCEL_TEAM": TEAM,
        }
        async with _agent({f"TRADEX_{name}": value for name, value in (plain | planted).items()}, log):
            await stage.wait_for(lambda: actions.kinds(stage.alice), timeout=30)
            ended = [
                await _tried(stage, "block_ip", fresh_address(), "network"),
                await _tried(stage, "suspend_account", somebody().email, "account"),
                await _tried(stage, "clear_cache"),
                await _tried(stage, "tell_all"),
            ]
            # Probes have been told the same by then.
            await stage.wait_for(
                lambda: stage.place.owner("SELECT FROM console.health WHERE component = 'platform'"),
                timeout=30,
            )
    assert all(state in (ActionState.FAILED, ActionState.REFUSED, ActionState.INTERRUPTED) for state in ended)
    needles = [*planted.values(), secret.read_text()]
    found = {"the agent's log": log.read_text(), "an argv": argvs.read_text(errors="replace")}
    tables = await stage.place.owner(
        "SELECT relname FROM pg_class WHERE relnamespace = 'console'::regnamespace AND relkind IN ('r', 'p', 'v')"
    )
    for table in (row["relname"] for row in tables):
        rows = await stage.place.owner(f"SELECT t::text AS row FROM console.{table} AS t")
        found[table] = "\n".join(row["row"] for row in rows)
    assert "sent, and" in found["audit"] or "HTTP 400" in found["audit"], "the other side was heard"
    assert "KEY ********" in found["action_output"]
    for where, text in found.items():
        assert not [needle for needle in needles if needle in text], where


async def _tried(stage: Stage, kind: str, target: str = "", parameter: str = "") -> ActionState:
    """Ask for it and confirm it, whatever then becomes of it."""
    asked = await stage.ask(kind, target, **({parameter: target} if parameter else {}))
    if asked.state is not ActionState.PLANNED:
        return asked.state
    await stage.confirm(asked)
    ended = await stage.until(
        asked.id, lambda a: a.state.final or a.state is ActionState.INTERRUPTED, timeout=60
    )
    return ended.state
