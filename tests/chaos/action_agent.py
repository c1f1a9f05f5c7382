"""An agent that only plans and runs actions, and comes to grief at a boundary of its journal.

`python -m tests.chaos.action_agent URL NAME SETTINGS BOUNDARY SIGNAL`, the store's password on stdin. Boundaries are
counted from 1: just before and just after each write to the store that belongs to an action that runs, and just before
each call that changes the platform. BOUNDARY 0 comes to grief nowhere. Each boundary it passes is a line on stdout.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from console.actions.duties import Actions
from console.actions.journal import Journal
from console.domain.errors import StoreRefused, TradexError
from console.settings import Settings
from console.store import actions, effects
from console.store import lease as leases
from console.store.lease import Lease
from console.store.pool import Store

TTL_S = 1.0
WRITES = {actions: ("start", "write_steps", "watch", "finish"), effects: ("put", "lift")}


class Grief:
    """Counts boundaries, and sends this process a signal at one of them."""

    def __init__(self, boundary: int, number: int) -> None:
        self._boundary = boundary
        self._number = number
        self._passed = 0

    def passes(self, what: str) -> None:
        self._passed += 1
        print(f"{self._passed} {what}", flush=True)
        if self._passed == self._boundary:
            os.kill(os.getpid(), self._number)

    def around(self, name: str, write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def passed(*args: Any, **options: Any) -> Any:
            self.passes(f"before {name}")
            result = await write(*args, **options)
            self.passes(f"after {name}")
            return result

        return passed


def arm(grief: Grief) -> None:
    for module, names in WRITES.items():
        for name in names:
            setattr(module, name, grief.around(name, getattr(module, name)))
    told = Journal.command

    def command(self: Journal, *args: Any, **options: Any) -> None:
        # Before its last look at the lease: what is behind that is sent at once.
        grief.passes("before a call")
        told(self, *args, **options)

    Journal.command = command


async def main(url: str, name: str, settings: Settings) -> None:
    store = await Store.open(url, password=sys.stdin.readline().rstrip("\n"))
    made = Actions(settings)
    print("ready", flush=True)
    while True:
        try:
            lease = await leases.acquire(store, name, TTL_S)
            if lease is not None:
                async with asyncio.TaskGroup() as duties:
                    duties.create_task(_renew(store, lease))
                    for work in made.duties(store, lease).values():
                        duties.create_task(_duty(work))
        except* TradexError:
            pass
        await asyncio.sleep(0.05)


async def _duty(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _renew(store: Store, lease: Lease) -> None:
    while True:
        await asyncio.sleep(TTL_S / 3)
        if not await leases.renew(store, lease, TTL_S):
            raise StoreRefused("the lease has passed on")


if __name__ == "__main__":
    arm(Grief(int(sys.argv[4]), int(sys.argv[5])))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            main(sys.argv[1], sys.argv[2], Settings.model_validate_json(Path(sys.argv[3]).read_text()))
        )
