"""An agent is killed or stopped at each boundary of an action's journal, and at random moments; another one goes on.

What reached the platform is counted by the platform: nothing twice that has a probe, and every action is final or waits
for a person.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from console.domain.action import Action, ActionState
from console.processes.postgres import EmbeddedPostgres
from console.store import actions
from console.store.pool import Store
from tests.conftest import run_now
from tests.sandbox.platform import Platform, somebody
from tests.sandbox.test_changes import settings_of
from tests.store.stores import Place, password_of, prepare

from .action_agent import TTL_S
from .census import Failure

SCALE = 1000.0
"""The effect is watched for 0.12 s; the second deletion of sessions is due after 0.3 s."""
MOMENTS = 20
_MOMENTS_S = 0.6
_LONGEST_S = 60.0
_ROOT = Path(__file__).resolve().parents[2]
_hosts = itertools.count(1)
KILL, STOP = signal.SIGKILL, signal.SIGSTOP


@dataclass(frozen=True)
class Case:
    """What is asked for, and what may reach the platform how often at most: effect, target, times."""

    kind: str
    target: str
    param: str
    most: tuple[tuple[str, str, int], ...]

    @classmethod
    def block(cls) -> Case:
        host = next(_hosts)
        address = f"192.0.2.{host}" if host < 255 else f"198.51.100.{host - 254}"
        return cls("block_ip", address, "network", (("block", f"{address}/32", 1), ("ip.insert", address, 1)))

    @classmethod
    def suspend(cls) -> Case:
        person = somebody()
        return cls(
            "suspend_account",
            person.email,
            "account",
            # The second deletion is a step of its own.
            (
                ("account_status", person.id, 1),
                ("auth_user", person.id, 1),
                ("sessions_deleted", person.id, 2),
            ),
        )


@dataclass(frozen=True)
class Blow:
    """A signal at a boundary; or, where that is 0, so long after the confirmation, while the other agent stands by."""

    number: int
    boundary: int = 0
    after_s: float = 0.0

    def __str__(self) -> str:
        place = f"boundary {self.boundary}" if self.boundary else f"{self.after_s:.3f} s"
        return f"{signal.Signals(self.number).name} at {place}"


class Agents:
    """The processes of one round."""

    def __init__(self, place: Place, settings: Path) -> None:
        self._place, self._settings = place, settings
        self._all: list[subprocess.Popen[str]] = []

    def start(self, name: str, boundary: int = 0, number: int = 0) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.chaos.action_agent", self._place.url_of("auto"), name]
        agent = subprocess.Popen(
            [*argv, str(self._settings), str(boundary), str(int(number))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT,
        )  # fmt: skip
        self._all.append(agent)
        assert agent.stdin is not None and agent.stdout is not None
        agent.stdin.write(password_of("auto") + "\n")
        agent.stdin.flush()
        if agent.stdout.readline() != "ready\n":
            raise Failure(f"{name} did not start")
        return agent

    def end(self) -> None:
        for agent in self._all:
            if agent.poll() is None:
                os.kill(agent.pid, signal.SIGCONT)
                agent.kill()
            agent.wait()
            for stream in (agent.stdin, agent.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


async def boundaries(platform: Platform, place: Place, case: Case) -> int:
    """How many an undisturbed agent passes."""
    agents = Agents(place, _settings(platform))
    try:
        calm = agents.start("calm")
        async with place.open("alice") as alice:
            number = await _confirmed(alice, case)
            ended = await until(alice, number, lambda a: a.state.final)
        if ended.state is not ActionState.DONE:
            raise Failure(f"undisturbed, it is {ended.state}: {ended.words}")
        calm.kill()
        assert calm.stdout is not None
        return sum(line[:1].isdigit() for line in calm.stdout)
    finally:
        agents.end()


async def disturbed(platform: Platform, place: Place, case: Case, blow: Blow) -> str:
    """One action whose agent is struck; how it ended. Raises Failure."""
    agents = Agents(place, _settings(platform))
    number = blow.number
    try:
        first = agents.start("first", blow.boundary, number)
        async with place.open("alice") as alice:
            if not blow.boundary:
                await _led(place)
                agents.start("second")
            confirming = asyncio.create_task(_confirmed(alice, case))
            if not blow.boundary:
                await confirming
                await asyncio.sleep(blow.after_s)
                first.send_signal(number)
            # It may come to grief at something else that is due, before this one is even planned.
            await asyncio.to_thread(struck, first, number)
            if blow.boundary:
                agents.start("second")
            asked = await confirming
            ended = await until(alice, asked, lambda a: a.state.final or a.state is ActionState.INTERRUPTED)
            if ended.state is ActionState.INTERRUPTED and not ended.question:
                raise Failure("it waits for a person, without a question")
            if number == STOP:
                # It wakes up where it stood, finds out that it leads no more, and must have done nothing.
                first.send_signal(signal.SIGCONT)
                await heard(place, first)
            for effect, target, most in case.most:
                times = await platform.effects(effect, target)
                if times > most:
                    raise Failure(f"{effect} of {target} happened {times} times")
                if ended.state is ActionState.DONE and times == 0 and effect != "sessions_deleted":
                    raise Failure(f"{effect} of {target} never happened, and the action is done")
            return str(ended.state)
    finally:
        agents.end()


def struck(agent: subprocess.Popen[str], number: int) -> None:
    """Wait until the signal has done its work."""
    deadline = time.monotonic() + _LONGEST_S
    while True:
        if number == KILL and agent.poll() is not None:
            return
        if number == STOP and Path(f"/proc/{agent.pid}/stat").read_text().rpartition(") ")[2][0] == "T":
            return
        if time.monotonic() > deadline:
            raise Failure("the boundary was never reached")
        time.sleep(0.01)


async def heard(place: Place, agent: subprocess.Popen[str]) -> None:
    """Until the agent that was stopped has asked for the lease again: everything it was in the middle of is over."""
    seen = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%acquire_lease%'"
    deadline = time.monotonic() + _LONGEST_S
    begun = datetime.now(UTC)
    while True:
        (row,) = await place.owner(f"{seen} AND query_start > $1", begun)
        if row["count"]:
            return
        if agent.poll() is not None or time.monotonic() > deadline:
            raise Failure("the agent that was stopped does not wake up")
        await asyncio.sleep(0.02)


async def _led(place: Place) -> None:
    """Until somebody leads."""
    deadline = time.monotonic() + _LONGEST_S
    while not (await place.owner("SELECT FROM console.lease WHERE expires_at > clock_timestamp()")):
        if time.monotonic() > deadline:
            raise Failure("no agent leads")
        await asyncio.sleep(0.02)


async def until_known(alice: Store, kind: str) -> None:
    """Until an agent has said that there is such an action here, and that it can be done."""
    deadline = time.monotonic() + _LONGEST_S
    while not any(k.name == kind and not k.unavailable for k in await actions.kinds(alice)):
        if time.monotonic() > deadline:
            raise Failure("no agent leads")
        await asyncio.sleep(0.02)


async def _confirmed(alice: Store, case: Case) -> int:
    await until_known(alice, case.kind)
    asked = await actions.request(
        alice, kind=case.kind, target=case.target, params={case.param: case.target}, reason="chaos"
    )
    planned = await until(alice, asked.id, lambda a: a.state is not ActionState.PLANNING)
    if planned.plan is None:
        raise Failure(f"not planned: {planned.words}")
    choices = {choice.name: choice.options[0][0] for choice in planned.plan.choices}
    await actions.confirm(
        alice, asked.id, plan_hash=planned.plan_hash, typed=planned.plan.typed, choices=choices
    )
    return asked.id


async def until(alice: Store, number: int, condition: Callable[[Action], bool]) -> Action:
    deadline = time.monotonic() + _LONGEST_S
    while True:
        action = await actions.one(alice, number)
        if action is not None and condition(action):
            return action
        if time.monotonic() > deadline:
            state = None if action is None else action.state
            raise Failure(f"action {number} is still {state} after {_LONGEST_S:.0f} s")
        await asyncio.sleep(0.02)


def _settings(platform: Platform) -> Path:
    file = platform.folder / "agent.json"
    if not file.exists():
        data = settings_of(platform).model_dump(mode="json", exclude_defaults=True)
        for name in ("ops_database_password", "service_key", "vercel_token"):
            data[name] = getattr(settings_of(platform), name).get_secret_value()
        rules = platform.folder / "actions.yaml"
        rules.write_text("actions: {block_ip: {budget: 10000}, suspend_account: {budget: 10000}}")
        file.write_text(json.dumps({"time_scale": SCALE, "platform": data, "actions": {"file": str(rules)}}))
        file.chmod(0o600)
    return file


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[tuple[Platform, Place]]:
    """A server with a platform and a store."""
    server = EmbeddedPostgres(folder / "server")
    await asyncio.to_thread(server.start)
    try:
        platform = Platform(server, folder)
        await platform.install(hours=1)
        await asyncio.to_thread(platform.start)
        try:
            run_now(server, 'CREATE DATABASE "store"')
            await prepare(server, server.url("store"))
            yield platform, Place(server, server.url("store"))
        finally:
            await asyncio.to_thread(platform.stop)
    finally:
        await asyncio.to_thread(server.stop)


def rounds(dice: random.Random, count: dict[str, int]) -> Iterator[tuple[str, Blow]]:
    """Every case, boundary and signal, and a few moments, in an order of its own."""
    found = [
        (name, Blow(number, boundary))
        for name, most in count.items()
        for boundary in range(1, most + 1)
        for number in (KILL, STOP)
    ]
    for _ in range(MOMENTS):
        blow = Blow(dice.choice((KILL, STOP)), after_s=dice.uniform(0, _MOMENTS_S))
        found.append((dice.choice(sorted(count)), blow))
    dice.shuffle(found)
    yield from found


CASES = {"block": Case.block, "suspend": Case.suspend}


async def share(platform: Platform, place: Place, dice: random.Random, most: int | None = None) -> str:
    """At most so many rounds (all without a number); what was met. Raises Failure."""
    count = {name: await boundaries(platform, place, make()) for name, make in CASES.items()}
    met: dict[str, int] = {}
    played = 0
    for name, blow in itertools.islice(rounds(dice, count), most):
        try:
            state = await disturbed(platform, place, CASES[name](), blow)
        except Failure as failure:
            raise Failure(f"{name} (of {count[name]} boundaries), {blow}: {failure}") from None
        met[state] = met.get(state, 0) + 1
        played += 1
        await lapsed(place)
    return f"{played} rounds over {count} boundaries, {met}"


async def lapsed(place: Place) -> None:
    """Until no lease of the round before holds."""
    while True:
        (row,) = await place.owner(
            "SELECT expires_at IS NULL OR expires_at < clock_timestamp() AS free FROM console.lease"
        )
        if row["free"]:
            return
        await asyncio.sleep(TTL_S / 10)


def play(folder: Path, dice: random.Random, most: int | None = None) -> str:
    """Every boundary once with each signal, on a server of its own."""

    folder.mkdir(parents=True, exist_ok=True)

    async def run() -> str:
        async with stage(folder) as (platform, place):
            return await share(platform, place, dice, most)

    return asyncio.run(run())
