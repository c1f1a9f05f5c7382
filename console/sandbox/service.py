"""The state that the service's endpoints share, and its background work. No HTTP here."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import random
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from console.sandbox import baseline, market
from console.sandbox.blobs import Blobs
from console.sandbox.config import SandboxConfig
from console.sandbox.database import Database
from console.sandbox.deployments import Deployments
from console.sandbox.edge import EdgeFunctions
from console.sandbox.firewall import Firewall
from console.sandbox.journal import Journal
from console.sandbox.kept import Kept
from console.sandbox.limits import BlockList, FailedLogins, Limit, RateLimiter
from console.sandbox.operations import Operations
from console.sandbox.pace import Pace
from console.sandbox.providers import ProviderDown, make_providers
from console.sandbox.realtime import Hub
from console.sandbox.replies import ApiError
from console.sandbox.resp import CacheClient, CacheServer
from console.sandbox.roles import DatabaseControl
from console.sandbox.servers import Servers

ENVIRONMENT = "sandbox"
_WATCH_S = 0.5
_RESTING_FOR_S = 120
_LOGS_KEPT_H = 30
_TICK_S = 0.5
# After the cache was cleared so many prices more are streamed into it each second.
_WARMING_PER_S = 2


@dataclass(slots=True)
class Faults:
    """What is wrong on purpose; drills set and reset it. Providers, cache and database carry their own."""

    venue_factor: float = 1.0
    order_failures: float = 0.0
    """Share (0..1) of orders that the venue refuses."""
    cpu_busy_pct: float | None = None


class Service:
    """One running platform. `run` keeps prices, block list, flags and counters current until cancelled."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.faults = Faults()
        kept = Kept(config.state_file)
        self.operations = Operations(kept)
        self.firewall = Firewall(kept)
        folder = Path(config.state_file).with_suffix("") if config.state_file else None
        self.edge = EdgeFunctions(kept, Blobs(folder and folder / "functions", "sha256"))
        self.deployments = Deployments(
            kept, Blobs(folder and folder / "frontend", "sha1"), f"127.0.0.1:{config.port}"
        )
        self.random = random.Random(config.seed)
        self.database = Database(config.database_url, config.database_password)
        control = DatabaseControl(config.database_url, config.database_password)
        self.servers = Servers(self.database, control, self.operations)
        self.journal = Journal(self.database)
        self.cache_server = CacheServer(config.cache_port)
        self.cache = CacheClient(config.cache_port)
        self.providers = make_providers(config.seed)
        self.hub = Hub()
        self.limiter = RateLimiter()
        self.limit_functions()
        self.failed_logins = FailedLogins()
        self.blocked = BlockList()
        self.maintenance = False
        self._warm = market.LIQUID
        self.probe_token = secrets.token_hex(16).encode()
        self.started_at = time.time()
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.durations_s: dict[str, float] = defaultdict(float)
        self.blocked_requests = 0
        self.rate_limited = 0
        self.cpu_s = {"user": 0.0, "system": 0.0, "iowait": 0.0, "idle": 0.0}
        self.network_bytes = {"receive": 0, "transmit": 0}

    @property
    def uptime_s(self) -> float:
        return time.time() - self.started_at

    def cpu_busy_pct(self, at: float) -> float:
        """How busy the host is, on the present size of it."""
        fixed = self.faults.cpu_busy_pct
        return min((baseline.cpu_pct(at) if fixed is None else fixed) * self.operations.compute.cpu, 100.0)

    @property
    def memory_bytes(self) -> int:
        return int(baseline.MEMORY_BYTES * self.operations.compute.total)

    def memory_pct(self, at: float) -> float:
        return min(baseline.memory_pct(at) * self.operations.compute.memory, 99.0)

    @property
    def venue_factor(self) -> float:
        return self.faults.venue_factor * self.operations.compute.venue

    @property
    def version(self) -> str:
        """The release whose frontend serves production."""
        return self.deployments.version

    def limit_functions(self) -> None:
        """Let the rate limit be what the running execute-order says; without one the last limit stays."""
        with contextlib.suppress(ApiError):
            burst = self.edge.constant("execute-order", "RATE_LIMIT_BURST")
            per_min = self.edge.constant("execute-order", "RATE_LIMIT_PER_MIN")
            self.limiter.limits["functions"] = Limit(max(burst, 1), max(per_min, 1) / 60)

    async def change_functions(self, change: Callable[..., object], *arguments: object) -> None:
        """Make a change of what is deployed, and count every function that runs differently after it."""
        before = {f["slug"]: f for f in self.edge.list()}
        change(*arguments)
        self.limit_functions()
        for now in self.edge.list():
            if now != before.get(now["slug"]):
                await self.record(
                    "function_deployed", now["slug"], version=now["version"], ezbr_sha256=now["ezbr_sha256"]
                )

    async def record(self, effect: str, target: str, **detail: object) -> None:
        """Count a write of an operator; where the database is away, as soon as it is back."""
        self.journal.effect(effect, target, detail)
        with contextlib.suppress(ApiError):
            await self.journal.flush()

    async def clear_cache(self) -> None:
        """Raises ConnectionError while the cache is away."""
        self._warm = 0
        await self.cache.run([("FLUSHALL",)])

    async def run(self) -> None:
        """All background work; ends when cancelled."""
        await self.cache_server.open()
        # As a warm-up does before a release takes traffic.
        await self._stream()
        async with asyncio.TaskGroup() as group:
            for work in (self._prices, self._watch, self._host, self._housekeeping, self.journal.run):
                group.create_task(work())

    async def close(self) -> None:
        await self.cache_server.close()
        self.cache.disconnect()
        with contextlib.suppress(ApiError):
            await self.journal.flush()
        await self.database.close()

    async def price(self, symbol: market.Symbol) -> tuple[float, str]:
        """The market price and where it came from: cache, the provider that serves the symbol, or another one.

        Raises ApiError 503 when no provider answers.
        """
        key = f"price:{symbol.symbol}"
        with contextlib.suppress(ConnectionError):
            cached = await self.cache.get(key)
            if cached is not None:
                return float(cached), "cache"
        for name in self.operations.providers_of(symbol):
            try:
                price = await self.providers[name].quote(symbol)
            except ProviderDown as error:
                self.journal.function("get-stock-price", "warning", f"{error}; trying the next provider")
                continue
            with contextlib.suppress(ConnectionError):
                await self.cache.run([("SET", key, repr(price), "EX", "1")])
            return price, name
        raise ApiError(503, "no_price", "no market data provider answers")

    async def _prices(self) -> None:
        """Each second: what the providers stream goes into the cache and to the websocket's listeners."""
        ticks = Pace(1.0)
        while True:
            await ticks.wait()
            await self._stream()

    async def _stream(self) -> None:
        now = time.time()
        routes = self.operations.routes
        live = [s for s in market.SYMBOLS[: market.LIQUID] if not self.providers[routes[s.provider]].down]
        prices = {s.symbol: market.price(s, now) for s in live}
        self._warm = min(self._warm + _WARMING_PER_S, market.LIQUID)
        warm = [(s.symbol, prices[s.symbol]) for s in live if s.rank < self._warm]
        if warm and self.cache_server.is_open:
            # Without a function that keeps prices nobody does.
            with contextlib.suppress(ConnectionError, ApiError):
                ttl_s = str(max(1, round(self.edge.constant("get-stock-price", "PRICE_TTL_S"))))
                await self.cache.run([("SET", f"price:{s}", repr(p), "EX", ttl_s) for s, p in warm])
        self.hub.broadcast(json.dumps({"type": "prices", "at": round(now, 3), "prices": prices}))

    async def _watch(self) -> None:
        """Twice a second: the block list and the flags. While the database is away the last ones hold."""
        while True:
            with contextlib.suppress(ApiError):
                async with self.database.connection() as connection:
                    networks = await connection.fetchval(
                        "SELECT coalesce(array_agg(network::text), '{}') FROM blocked_ips "
                        "WHERE expires_at IS NULL OR expires_at > now()"
                    )
                    self.maintenance = bool(
                        await connection.fetchval(
                            "SELECT enabled FROM platform_flags WHERE name = 'maintenance'"
                        )
                    )
                self.blocked.replace(ipaddress.ip_network(n) for n in networks or ())
            await asyncio.sleep(_WATCH_S)

    async def _host(self) -> None:
        """Let the simulated host's counters run as the baseline, or a drill, says."""
        ticks = Pace(_TICK_S)
        then = time.monotonic()
        while True:
            await ticks.wait()
            now = time.monotonic()
            passed, then = now - then, now
            busy = passed * self.cpu_busy_pct(time.time()) / 100
            for mode, share in (
                ("user", baseline.USER_SHARE), ("system", baseline.SYSTEM_SHARE), ("iowait", baseline.IOWAIT_SHARE)
            ):  # fmt: skip
                self.cpu_s[mode] += busy * share
            self.cpu_s["idle"] += passed - busy
            self.network_bytes["receive"] += int(passed * 240_000 * baseline.day_curve(time.time()))
            self.network_bytes["transmit"] += int(passed * 610_000 * baseline.day_curve(time.time()))

    async def _housekeeping(self) -> None:
        """Each half minute: resting orders expire, old logs and log-ins go."""
        while True:
            await asyncio.sleep(30)
            with contextlib.suppress(ApiError):
                async with self.database.connection() as connection:
                    await connection.execute(
                        "UPDATE orders SET status = 'cancelled' WHERE status IN ('pending', 'executing') "
                        "AND created_at < now() - $1 * interval '1 second'",
                        _RESTING_FOR_S,
                    )
                    await connection.execute(
                        "DELETE FROM auth.sessions WHERE created_at < now() - interval '24 hours'"
                    )
                    for table in ("function_logs", "auth_logs"):
                        await connection.execute(
                            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} "  # noqa: S608 - fixed names
                            "WHERE at < now() - $1 * interval '1 hour' ORDER BY at LIMIT 5000)",
                            _LOGS_KEPT_H,
                        )
