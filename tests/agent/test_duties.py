"""What goes wrong in one duty of an agent takes neither the others nor the watch with it."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.agent import _duty
from console.anchoring import to_syslog
from console.domain.errors import Fenced, StoreRefused
from tests.agent.conftest import Watch


async def test_a_duty_begins_again_whatever_ended_it_until_the_lease_is_lost() -> None:
    ends: list[Exception] = [ValueError("nobody thought of it"), StoreRefused("no"), Fenced("over")]
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        raise ends.pop(0)

    async with asyncio.timeout(20):
        with pytest.raises(Fenced):
            await _duty("work", work)
    assert begun == 3


def test_ticks_go_on_while_nothing_is_evaluated_and_consoles_say_so(
    watch: Watch, wait_until: Callable[..., Any]
) -> None:
    write = "console.write_alerts(bigint, timestamptz, jsonb)"
    late = "SELECT at < clock_timestamp() - interval '2 s' AS late FROM console.alert_cursor"
    newest = "SELECT max(at) > clock_timestamp() - interval '2 s' AS fresh FROM console.tick"
    watch.agent("a1")
    wait_until(lambda: watch.sql("SELECT at FROM console.alert_cursor WHERE at IS NOT NULL"), 30)
    watch.sql(f"REVOKE EXECUTE ON FUNCTION {write} FROM console_agent")
    wait_until(lambda: watch.sql(late)[0]["late"] and watch.sql(newest)[0]["fresh"], 30)
    assert watch.leader() == "a1"
    watch.sql(f"GRANT EXECUTE ON FUNCTION {write} TO console_agent")
    wait_until(lambda: not watch.sql(late)[0]["late"], 30)
    assert watch.agents[0].process.poll() is None


def test_how_the_audit_ends_stands_in_the_agents_log_as_an_anchor(
    watch: Watch, wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    watch.sql("SELECT console.note_audit('tried', 'something', NULL, '{}') FROM generate_series(1, 3)")
    log = watch.agent("a1").log
    wait_until(lambda: "audit anchor " in log.read_text(), 30)
    (line,) = [line for line in log.read_text().splitlines() if "audit anchor" in line]
    anchor = tmp_path / "anchor"
    anchor.write_text(line.partition("audit anchor ")[2] + "\n")
    assert anchor.read_text().startswith("3 ")
    verify = [
        sys.executable,
        "-m",
        "console.cli",
        "--config",
        str(watch.folder / "agent.toml"),
        "audit",
        "verify",
    ]
    done = subprocess.run([*verify, "--anchor", anchor], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "● 3 entries, unbroken\n"), done.stderr
    anchor.write_text(f"3 {'0' * 64} then\n")
    done = subprocess.run([*verify, "--anchor", anchor], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "not the one of the anchor" in done.stdout


def test_the_machines_own_log_gets_it_too_where_there_is_one(tmp_path: Path) -> None:
    place = tmp_path / "log"
    to_syslog("audit anchor 3 abc", place)  # nobody listens there
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(place))
        to_syslog("audit anchor 3 abc", place)
        assert log.recv(200).decode() == f"<86>tradex-agent[{os.getpid()}]: audit anchor 3 abc"
