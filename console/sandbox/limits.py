"""Who is kept out: token buckets per address, and the block list. No I/O here."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` requests at once, then `per_second`."""

    burst: float
    per_second: float


LIMITS = {"auth": Limit(15, 4), "functions": Limit(20, 5), "api": Limit(25, 5)}
_MOST_BUCKETS = 20_000


class RateLimiter:
    """One token bucket per kind of endpoint and address."""

    def __init__(self) -> None:
        self.limits = dict(LIMITS)
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, family: str, address: str, now: float, share: float = 1.0) -> float:
        """Take one token at `now` (s, monotonic): 0 when there was one, else the seconds until the next.

        `share` (0..1) of the family's limit is what this address gets.
        """
        limit = Limit(self.limits[family].burst * share, self.limits[family].per_second * share)
        tokens, then = self._buckets.get((family, address), (limit.burst, now))
        tokens = min(limit.burst, tokens + (now - then) * limit.per_second)
        allowed = tokens >= 1
        if len(self._buckets) >= _MOST_BUCKETS:
            self._forget_full(now)
        self._buckets[family, address] = (tokens - 1 if allowed else tokens, now)
        return 0.0 if allowed else (1 - tokens) / limit.per_second

    def _forget_full(self, now: float) -> None:
        for key, (tokens, then) in tuple(self._buckets.items()):
            limit = self.limits[key[0]]
            if tokens + (now - then) * limit.per_second >= limit.burst:
                del self._buckets[key]


class FailedLogins:
    """How often each address has failed to log in within the last 300 s."""

    WINDOW_S = 300.0
    MOST = 5

    def __init__(self) -> None:
        self._failures: dict[str, deque[float]] = {}

    def note(self, address: str, now: float) -> None:
        if len(self._failures) >= _MOST_BUCKETS:
            self._failures = {a: f for a, f in self._failures.items() if now - f[-1] < self.WINDOW_S}
        self._failures.setdefault(address, deque(maxlen=self.MOST)).append(now)

    def too_many(self, address: str, now: float) -> bool:
        """Whether there were at least MOST of them."""
        failures = self._failures.get(address)
        return failures is not None and len(failures) == self.MOST and now - failures[0] < self.WINDOW_S


class BlockList:
    """Networks that are refused."""

    def __init__(self) -> None:
        self._networks: frozenset[Network] = frozenset()
        self._known: dict[str, bool] = {}

    def replace(self, networks: Iterable[Network]) -> None:
        found = frozenset(networks)
        if found != self._networks:
            self._networks, self._known = found, {}

    def refuses(self, address: str) -> bool:
        if not self._networks:
            return False
        known = self._known.get(address)
        if known is None:
            ip = ipaddress.ip_address(address)
            known = any(ip.version == n.version and ip in n for n in self._networks)
            if len(self._known) > _MOST_BUCKETS:
                self._known.clear()
            self._known[address] = known
        return known


def plain_address(text: str) -> str | None:
    """The canonical form of an address (IPv4-mapped IPv6 as IPv4), None when it is none."""
    try:
        ip = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)
