"""An agent that only evaluates: `python -m tests.chaos.alert_agent URL NAME BEGUN SPEED END`, the password on stdin.

Its clock is the recording's: SPEED seconds of it pass for each second since BEGUN, and everybody's runs alike.
"""

import asyncio
import contextlib
import sys
import time
from datetime import UTC, datetime, timedelta

from console.alerting.engine import Engine
from console.domain.errors import StoreRefused, TradexError
from console.store import lease as leases
from console.store.lease import Lease
from console.store.pool import Store
from tests.alerting.recorded import rulebook
from tests.store.stores import NOON

TTL_S = 1.0


async def main(url: str, name: str, begun: float, speed: float, end: datetime) -> None:
    store = await Store.open(url, password=sys.stdin.readline().rstrip("\n"))
    while True:
        try:
            lease = await leases.acquire(store, name, TTL_S)
            if lease is not None:
                async with asyncio.TaskGroup() as duties:
                    duties.create_task(_renew(store, lease))
                    duties.create_task(_evaluate(store, lease, begun, speed, end))
        except* TradexError:
            pass
        await asyncio.sleep(0.1)


async def _renew(store: Store, lease: Lease) -> None:
    while True:
        await asyncio.sleep(TTL_S / 3)
        if not await leases.renew(store, lease, TTL_S):
            raise StoreRefused("the lease has passed on")


async def _evaluate(store: Store, lease: Lease, begun: float, speed: float, end: datetime) -> None:
    engine = Engine(rulebook())
    await asyncio.sleep(max(begun - time.time(), 0))
    while True:
        now = NOON + timedelta(seconds=(time.time() - begun) * speed)
        await engine.catch_up(store, lease, until=min(now, end))
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            main(
                sys.argv[1],
                sys.argv[2],
                float(sys.argv[3]),
                float(sys.argv[4]),
                datetime.fromtimestamp(float(sys.argv[5]), UTC),
            )
        )
