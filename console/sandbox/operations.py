"""What operators have set on the platform, and what follows from it. No I/O but the file it is kept in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from console.sandbox import market
from console.sandbox.kept import Kept

PRIMARY, REPLICA = "primary", "replica"
# With the security protocols on, everybody gets this share of the ordinary rate.
TIGHTENED = 0.25


@dataclass(frozen=True, slots=True)
class Compute:
    """One size of the project: factors on what the host's CPU and memory do, and on the venue's time."""

    cpu: float
    memory: float
    total: float
    venue: float
    settings: dict[str, Any]


COMPUTE = {
    "small": Compute(1.6, 1.35, 0.5, 1.35, {
        "database": {"max_connections": 60, "shared_buffers_mb": 128},
        "functions": {"memory_mb": 256, "concurrency": 250}, "autoscaling": False,
    }),
    "medium": Compute(1.0, 1.0, 1.0, 1.0, {
        "database": {"max_connections": 100, "shared_buffers_mb": 256},
        "functions": {"memory_mb": 512, "concurrency": 500}, "autoscaling": False,
    }),
    "large": Compute(0.6, 0.7, 2.0, 0.7, {
        "database": {"max_connections": 200, "shared_buffers_mb": 512},
        "functions": {"memory_mb": 1024, "concurrency": 1000}, "autoscaling": True,
    }),
}  # fmt: skip


@dataclass(slots=True)
class _Settings:
    size: str = "medium"
    active: str = PRIMARY
    routes: dict[str, str] = field(default_factory=lambda: {name: name for name in market.PROVIDERS})
    enhanced_monitoring: bool = False
    security_protocols: bool = False
    cache_clears: int = 0
    cache_cleared_at: str | None = None


class Operations:
    """The present settings; `change` keeps each one in the file before it takes effect."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._now = _Settings(**kept.section("operations"))

    def change(self, **values: Any) -> bool:
        """Set what is named; whether anything is different now."""
        old = asdict(self._now)
        new = old | values
        if new == old:
            return False
        self._kept.put("operations", new)
        self._now = _Settings(**new)
        return True

    @property
    def size(self) -> str:
        return self._now.size

    @property
    def compute(self) -> Compute:
        return COMPUTE[self._now.size]

    @property
    def active(self) -> str:
        """Which database server serves: primary or replica."""
        return self._now.active

    @property
    def routes(self) -> dict[str, str]:
        """Whose symbols are priced by whom."""
        return dict(self._now.routes)

    def providers_of(self, symbol: market.Symbol) -> list[str]:
        """Who is asked for its price, in order. One that was switched away from is not asked at all."""
        routes = self._now.routes
        own = routes[symbol.provider]
        return [own, *sorted(set(routes.values()) - {own})]

    @property
    def enhanced_monitoring(self) -> bool:
        return self._now.enhanced_monitoring

    @property
    def security_protocols(self) -> bool:
        return self._now.security_protocols

    @property
    def cache_clears(self) -> int:
        return self._now.cache_clears

    @property
    def cache_cleared_at(self) -> str | None:
        return self._now.cache_cleared_at
