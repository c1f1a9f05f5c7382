"""What planner, runner and expiries share: the kinds, the platform's writing doors, and who must not be shut out."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from console.actions.guards import Protected, written
from console.actions.kind import Context, Kind
from console.gateway.changes import Changes
from console.gateway.network import Network
from console.store import actions
from console.store.pool import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`scale` is how much faster than the clock lengths run; `own` are the addresses of this agent."""

    kinds: Mapping[str, Kind]
    changes: Changes
    scale: float
    allowed: tuple[Network, ...] = ()
    own: tuple[Network, ...] = ()

    async def context(self, store: Store) -> Context:
        """For one plan or check. Raises StoreAway and StoreRefused."""
        places = await actions.operator_addresses(store)
        operators = [(network, "this agent") for network in self.own]
        for login, address in places:
            with contextlib.suppress(ValueError):
                operators.append((ipaddress.ip_network(address), login))
        effects = await actions.effects(store)
        return Context(
            self.changes,
            Protected(self.allowed, tuple(operators)),
            await store.now(),
            self.scale,
            frozenset((effect.kind, effect.target) for effect in effects),
        )


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Those of the setting platform.allow_list, which has checked them."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def own_addresses(urls: Sequence[str | None]) -> tuple[Network, ...]:
    """Where this machine's connections to these places come from, as far as it can see itself."""
    found: dict[str, Network] = {}
    for url in urls:
        parts = urlsplit(url or "")
        if not parts.hostname:
            continue
        with contextlib.suppress(OSError, ValueError):
            for family, kind, _, _, place in socket.getaddrinfo(
                parts.hostname, parts.port or 443, type=socket.SOCK_DGRAM
            ):
                with contextlib.suppress(OSError), socket.socket(family, kind) as probe:
                    # Nothing is sent: the kernel only chooses the way.
                    probe.connect(place)
                    network = ipaddress.ip_network(str(probe.getsockname()[0]).partition("%")[0])
                    found[written(network)] = network
    return tuple(found.values())
