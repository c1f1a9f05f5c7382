"""Faults on purpose: each drill is a YAML file (what people read) and an effect here (what really happens).

An effect is an async context manager: entering it breaks something, leaving it mends it. A drill ends by itself
after its seconds, when it is deleted, and with the service; several run at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from console.sandbox import attacks, releases
from console.sandbox.edge import entrypoint
from console.sandbox.service import Service

LONGEST_S = 86_400.0
_BAD_RELEASE = "v2.10.0"
Effect = Callable[[Service, int], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Drill:
    """`effect` says what is done, `expect` what a watcher should see; `seconds` is how long it runs by default."""

    name: str
    title: str
    seconds: float
    effect: str
    expect: str


@asynccontextmanager
async def _latency(service: Service, run: int) -> AsyncIterator[None]:
    service.faults.venue_factor = 3.0
    try:
        yield
    finally:
        service.faults.venue_factor = 1.0


@asynccontextmanager
async def _errors(service: Service, run: int) -> AsyncIterator[None]:
    service.faults.order_failures = 0.12
    try:
        yield
    finally:
        service.faults.order_failures = 0.0


@asynccontextmanager
async def _cpu(service: Service, run: int) -> AsyncIterator[None]:
    service.faults.cpu_busy_pct = 99.5
    try:
        yield
    finally:
        service.faults.cpu_busy_pct = None


@asynccontextmanager
async def _database_down(service: Service, run: int) -> AsyncIterator[None]:
    try:
        await service.servers.lose_primary()
        yield
    finally:
        await asyncio.shield(open_database(service))


@asynccontextmanager
async def _cache_down(service: Service, run: int) -> AsyncIterator[None]:
    await service.cache_server.close()
    try:
        yield
    finally:
        await service.cache_server.open()


@asynccontextmanager
async def _websocket_down(service: Service, run: int) -> AsyncIterator[None]:
    service.hub.refuse(True)
    try:
        yield
    finally:
        service.hub.refuse(False)


@asynccontextmanager
async def _provider_down(service: Service, run: int) -> AsyncIterator[None]:
    service.providers["market-data-b"].down = True
    try:
        yield
    finally:
        service.providers["market-data-b"].down = False


@asynccontextmanager
async def _bad_release(service: Service, run: int) -> AsyncIterator[None]:
    """Of its functions only the bad one: the others are those of later releases too, and nobody could tell whose."""
    edge, slug, path = service.edge, "execute-order", entrypoint("execute-order")
    before = edge.get(slug)
    source = releases.tree(_BAD_RELEASE)[path].decode()
    bad = edge.bundle(slug, slug, path, None, {path: source})
    try:
        await service.change_functions(edge.replace, [bad])
        yield
    finally:
        now = edge.get(slug)
        # What somebody has deployed or rolled back since stays.
        if before is not None and now is not None and now["ezbr_sha256"] == bad["ezbr_sha256"]:
            await service.change_functions(edge.replace, [before])


def _attack(attack: Callable[[Service, int], Any]) -> Effect:
    """An effect that lets somebody do something all the while."""

    @asynccontextmanager
    async def effect(service: Service, run: int) -> AsyncIterator[None]:
        task = asyncio.create_task(attack(service, run))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return effect


EFFECTS: dict[str, Effect] = {
    "latency": _latency,
    "errors": _errors,
    "db-down": _database_down,
    "cache-down": _cache_down,
    "websocket-down": _websocket_down,
    "provider-down": _provider_down,
    "cpu": _cpu,
    "bad-release": _bad_release,
    "brute-force": _attack(attacks.brute_force),
    "rapid-orders": _attack(attacks.rapid_orders),
    "symbol-scan": _attack(attacks.symbol_scan),
}


async def open_database(service: Service) -> None:
    """Let everybody log in again, however long it takes; also what a killed service left shut."""
    while True:
        try:
            await service.servers.regain_primary()
            return
        except Exception as error:  # the drill must not outlive its end, whatever is in the way
            service.journal.function("sandbox", "error", f"the database can't be opened again: {error}")
            await asyncio.sleep(0.5)


def load() -> dict[str, Drill]:
    """The shipped drills by name, in the order of EFFECTS."""
    folder = resources.files("console").joinpath("defaults", "drills")
    found = {}
    for name in EFFECTS:
        data = yaml.safe_load(folder.joinpath(f"{name}.yaml").read_text())
        found[name] = Drill(
            name, data["title"], float(data["seconds"]), data["effect"].strip(), data["expect"].strip()
        )
    return found


class Drills:
    """What runs now, and until when."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known = load()
        self._running: dict[str, tuple[asyncio.Task[None], float]] = {}
        self._runs = itertools.count()

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def state(self) -> list[dict[str, Any]]:
        """All drills, running or not."""
        now = time.monotonic()
        return [
            {
                "name": d.name, "title": d.title, "default_seconds": d.seconds, "effect": d.effect, "expect": d.expect,
                "running": d.name in self._running,
                "remaining_s": round(max(self._running[d.name][1] - now, 0), 1) if d.name in self._running else 0,
            }
            for d in self._known.values()
        ]  # fmt: skip

    async def start(self, name: str, seconds: float | None) -> dict[str, Any]:
        """Begin, or begin again with new seconds; returns when the fault is in place."""
        await self.stop(name)
        drill = self._known[name]
        length = drill.seconds if seconds is None else seconds
        in_place = asyncio.Event()
        task = asyncio.create_task(self._run(name, length, in_place))
        self._running[name] = (task, time.monotonic() + length)
        waiter = asyncio.create_task(in_place.wait())
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        if not in_place.is_set():
            await task  # it failed while it was set up: say why
        return {"name": name, "seconds": length, "effect": drill.effect, "expect": drill.expect}

    async def stop(self, name: str) -> bool:
        """End it now; returns when all is mended. False when it did not run."""
        running = self._running.get(name)
        if running is None:
            return False
        running[0].cancel()
        await asyncio.wait({running[0]})
        return True

    async def stop_all(self) -> None:
        for name in tuple(self._running):
            await self.stop(name)

    async def _run(self, name: str, seconds: float, in_place: asyncio.Event) -> None:
        self._service.journal.function("sandbox", "warning", f"drill {name} began")
        try:
            async with EFFECTS[name](self._service, next(self._runs)):
                in_place.set()
                await asyncio.sleep(seconds)
        finally:
            self._running.pop(name, None)
            self._service.journal.function("sandbox", "info", f"drill {name} ended")
