"""The two market data providers: outside services that answer after a real delay, or don't."""

from __future__ import annotations

import asyncio
import itertools
import random
import time

from console.sandbox import market

_TIMEOUT_S = 1.0
_HANG_S = 8.0
_AVOID_S = 5.0


class ProviderDown(Exception):
    """The provider refused or did not answer in time."""


class Provider:
    """One provider. `down` makes every second request hang and the others fail at once."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.down = False
        self.quotes = 0
        self._avoid_until = 0.0
        self._random = random.Random(f"{seed} {name}")
        self._turn = itertools.count()

    async def answer(self) -> None:
        """Take the provider's time; raises ProviderDown."""
        if self.down:
            if next(self._turn) % 2:
                await asyncio.sleep(_HANG_S)
            raise ProviderDown(f"{self.name} answers 503")
        await asyncio.sleep(min(self._random.lognormvariate(2.9, 0.35), 90) / 1000)

    async def quote(self, symbol: market.Symbol) -> float:
        """A fresh price; raises ProviderDown, after 1 s at the latest.

        A provider that failed is left alone for a few seconds, so that not every order waits for it.
        """
        if time.monotonic() < self._avoid_until:
            raise ProviderDown(f"{self.name} failed a moment ago")
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self.answer()
        except TimeoutError:
            self._avoid_until = time.monotonic() + _AVOID_S
            raise ProviderDown(f"{self.name} does not answer within {_TIMEOUT_S:g} s") from None
        except ProviderDown:
            self._avoid_until = time.monotonic() + _AVOID_S
            raise
        self.quotes += 1
        return market.price(symbol, time.time())


def make_providers(seed: int) -> dict[str, Provider]:
    return {name: Provider(name, seed) for name in market.PROVIDERS}
