"""What planner, runner and ends of effects share: the kinds, the platform's writing doors, and who must not be shut
out."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from console.actions.guards import Protected
from console.actions.kind import Context, Kind
from console.domain.network import Network, written
from console.gateway.changes import Changes
from console.gateway.orders import Orders
from console.store import actions, checks, effects, releases
from console.store.pool import Store

_PATIENCE_S = 2.0
_KNOWN_FOR_S = 600.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`scale` is how much faster than the clock lengths run; `own` says where this agent's connections come from."""

    kinds: Mapping[str, Kind]
    changes: Changes
    scale: float
    allowed: tuple[Network, ...]
    own: OwnAddresses
    orders: Orders | None = None
    """What a release is held against; only deployments need it."""

    async def context(self, store: Store) -> Context:
        """For one plan or check. Raises StoreAway and StoreRefused."""
        places = await actions.operator_addresses(store)
        operators = [(network, "this agent") for network in await self.own.known()]
        for login, address in places:
            with contextlib.suppress(ValueError):
                operators.append((ipaddress.ip_network(address), login))
        found = await effects.current(store)
        return Context(
            self.changes,
            Protected(self.allowed, tuple(operators)),
            await store.now(),
            self.scale,
            frozenset((effect.kind, effect.target) for effect in found),
            tuple(await releases.recent(store)),
            lambda commit: checks.latest(store, "pre", commit=commit),
        )


async def woken(event: asyncio.Event, seconds: float) -> None:
    """Until it is set, though not for longer; it is not set any more then."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Those of the setting platform.allow_list, which has checked them."""
    return tuple(ipaddress.ip_network(text) for text in texts)


class OwnAddresses:
    """Where this machine's connections to these places come from, looked up late and again after a while: a name server
    that is away must hold up nobody."""

    def __init__(self, urls: Sequence[str | None]) -> None:
        self._urls = urls
        self._known: tuple[Network, ...] = ()
        self._looked_at = 0.0
        self._looking: asyncio.Future[None] | None = None

    async def known(self) -> tuple[Network, ...]:
        """Those known so far; the first time it is waited for them, though not for long."""
        if self._looking is None and (
            not self._looked_at or time.monotonic() - self._looked_at > _KNOWN_FOR_S
        ):
            self._looking = asyncio.ensure_future(self._look())
        if self._looking is not None and not self._looked_at:
            await asyncio.wait({self._looking}, timeout=_PATIENCE_S)
        return self._known

    async def _look(self) -> None:
        try:
            self._known = await asyncio.to_thread(own_addresses, self._urls)
            self._looked_at = time.monotonic()
        finally:
            self._looking = None


def own_addresses(urls: Sequence[str | None]) -> tuple[Network, ...]:
    """Where this machine's connections to these places come from, as far as it can see itself."""
    found: dict[str, Network] = {}
    for url in urls:
        with contextlib.suppress(OSError, ValueError):
            parts = urlsplit(url or "")
            if not parts.hostname:
                continue
            for family, kind, _, _, place in socket.getaddrinfo(
                parts.hostname, parts.port or 443, type=socket.SOCK_DGRAM
            ):
                with contextlib.suppress(OSError), socket.socket(family, kind) as probe:
                    # Nothing is sent: the kernel only chooses the way.
                    probe.connect(place)
                    network = ipaddress.ip_network(str(probe.getsockname()[0]).partition("%")[0])
                    found[written(network)] = network
    return tuple(found.values())
