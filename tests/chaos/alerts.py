"""Two agents evaluate a recorded past while they are killed and stopped at random moments; the alerts' history must
be that of an undisturbed run."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from console.alerting.engine import Engine
from console.processes.postgres import EmbeddedPostgres
from console.store import lease as leases
from tests.alerting import recorded
from tests.alerting.recorded import Row
from tests.conftest import run_now
from tests.store.stores import Place, password_of, prepare

from .alert_agent import TTL_S
from .census import Failure

TICKS = 1800
"""An hour of the sandbox."""
SPEED = 120.0
_LONGEST_S = 180.0
_START_S = 2.0
"""Until then both agents have started, and only then the recording begins."""
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Disturbance:
    """How hard a time the agents had; `terms` counts how often one of them began to lead."""

    kills: int
    stops: int
    terms: int

    def __str__(self) -> str:
        return f"{self.kills} kills, {self.stops} stops, {self.terms} terms of leading"


class Agents:
    """Two processes that take turns; one that was killed is started again."""

    def __init__(self, url: str, begun: float, end: float, speed: float) -> None:
        self._argv = (url, str(begun), str(speed), str(end))
        self._all: dict[str, subprocess.Popen[str]] = {}
        self.kills = self.stops = 0

    def start(self, name: str) -> None:
        url, begun, speed, end = self._argv
        argv = [sys.executable, "-m", "tests.chaos.alert_agent", url, name, begun, speed, end]
        agent = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True, cwd=_ROOT)
        assert agent.stdin is not None
        agent.stdin.write(password_of("auto") + "\n")
        agent.stdin.flush()
        self._all[name] = agent

    def disturb(self, dice: random.Random) -> None:
        """Kill one, or let it stand still for longer than its lease."""
        name = dice.choice(sorted(self._all))
        agent = self._all[name]
        if agent.poll() is not None:
            raise Failure(f"{name} ended by itself with {agent.returncode}")
        if dice.random() < 0.6:
            self.kill(name)
        else:
            self.stop(name, dice.uniform(0.3, 2.0))

    def kill(self, name: str) -> None:
        self._all[name].kill()
        self._all[name].wait()
        self.kills += 1
        self.start(name)

    def stop(self, name: str, seconds: float) -> None:
        """Let it stand still for so long."""
        self._all[name].send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._all[name].send_signal(signal.SIGCONT)
        self.stops += 1

    def end(self) -> None:
        for agent in self._all.values():
            if agent.poll() is None:
                os.kill(agent.pid, signal.SIGCONT)
                agent.kill()
            agent.wait()


async def undisturbed(place: Place, rows: list[Row]) -> list[tuple[object, ...]]:
    await recorded.record(place, rows)
    async with place.leader("calm") as (store, lease):
        await Engine(recorded.rulebook()).catch_up(store, lease, until=rows[-1][0])
        await leases.release(store, lease)
    return await recorded.transitions(place)


async def disturbed(
    place: Place, rows: list[Row], dice: random.Random, *, speed: float = SPEED
) -> tuple[list[tuple[object, ...]], Disturbance]:
    """The same recording, evaluated by two agents that have a hard time; and how hard. Whatever the dice say, the first
    that leads is killed and the next one stands still for longer than its lease. A Failure where it came to nothing."""
    await recorded.record(place, rows)
    (before,) = await place.owner("SELECT fence FROM console.lease")
    reached, end = rows[0][0], rows[-1][0]
    agents = Agents(place.url_of("auto"), time.time() + _START_S, end.timestamp(), speed)
    try:
        for name in ("one", "two"):
            agents.start(name)
        deadline = time.monotonic() + _LONGEST_S
        while True:
            (now,) = await place.owner("SELECT at, holder, fence FROM console.alert_cursor, console.lease")
            if now["at"] >= end:
                break
            if time.monotonic() > deadline:
                raise Failure(f"only {now['at']:%H:%M:%S} of {end:%H:%M:%S} was reached")
            if agents.stops == 0:
                if now["at"] > reached and now["fence"] > before["fence"] + agents.kills:
                    reached = now["at"]
                    if agents.kills == 0:
                        agents.kill(now["holder"])
                    else:
                        agents.stop(now["holder"], 1.5 * TTL_S)
                await asyncio.sleep(0.02)
                continue
            await asyncio.sleep(dice.uniform(0.3, 1.5))
            agents.disturb(dice)
    finally:
        agents.end()
    (after,) = await place.owner("SELECT fence FROM console.lease")
    met = Disturbance(agents.kills, agents.stops, after["fence"] - before["fence"])
    if met.kills == 0 or met.terms < 2:
        raise Failure(f"the agents were not disturbed: {met}")
    return await recorded.transitions(place), met


def play(folder: Path, dice: random.Random, *, count: int = TICKS) -> str:
    """One round on a server of its own; a Failure where the histories differ."""
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        return asyncio.run(_round(server, dice, count))
    finally:
        server.stop()


async def _round(server: EmbeddedPostgres, dice: random.Random, count: int) -> str:
    rows = recorded.rows(dice.randrange(10**6), count)
    places = []
    for kind in ("calm", "chaos"):
        name = f"{kind}_{dice.randrange(10**9)}"
        run_now(server, f'CREATE DATABASE "{name}"')
        await prepare(server, server.url(name))
        places.append(Place(server, server.url(name)))
    expected = await undisturbed(places[0], rows)
    found, met = await disturbed(places[1], rows, dice)
    compare(expected, found)
    return f"{len(rows)} ticks, {len(expected)} transitions, {met}"


def compare(expected: list[tuple[object, ...]], found: list[tuple[object, ...]]) -> None:
    """Raises Failure with the first difference."""
    for i, (wanted, came) in enumerate(zip(expected, found, strict=False)):
        if wanted != came:
            raise Failure(f"transition {i}: {came} instead of {wanted}")
    if len(expected) != len(found):
        raise Failure(f"{len(found)} transitions instead of {len(expected)}")
