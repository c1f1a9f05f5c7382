"""Health probes: asks every component concurrently, each within a time-out of its own, and says how it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from console.domain.errors import SourceFailed
from console.domain.health import Check, Status
from console.domain.text import printable
from console.gateway.http import Response
from console.gateway.platform import Platform
from console.monitors import verdicts
from console.monitors.running import Running
from console.monitors.verdicts import Outcome
from console.sections import PlatformSettings

# What is told to a function that is only asked whether it answers; the platform's functions know this body.
HARMLESS = {"test": "validation"}
HEALTH_BODY = {"test": "health_check"}


@dataclass(frozen=True, slots=True)
class Limits:
    """When a component counts as degraded, and when it is given up."""

    degraded_ms: float
    timeout_s: float


LIMITS = {
    "database": Limits(200, 3),
    "cache": Limits(50, 3),
    "external_apis": Limits(500, 3),
    "edge_functions": Limits(1000, 10),
    "websocket": Limits(500, 5),
    "platform": Limits(500, 5),
}
# Probes start this far apart: each is to measure its component, not the crowd at our own door.
_STAGGER_S = 0.01
FUNCTIONS = "edge_functions"
_HEALTH = f"{FUNCTIONS}/"
_ORDER = ("database", "cache", "external_apis", FUNCTIONS, "websocket", "platform")


class Probes:
    """Probes of the components that this installation has; one whose door is not configured is left out."""

    def __init__(self, platform: Platform, settings: PlatformSettings) -> None:
        self._platform = platform
        self._settings = settings
        self._probes = self._configured()
        self._running: Running[str, Outcome] = Running()
        self._begun: dict[str, float] = {}
        self._last: dict[str, Outcome] = {}

    @property
    def components(self) -> tuple[str, ...]:
        """What is probed, in the order of the checks."""
        return tuple(check.component for check in self._checks({}, datetime.fromtimestamp(0, UTC)))

    def limits(self, component: str) -> Limits:
        """The limits of a component, with the settings' own time-out where there is one."""
        family = component.partition("/")[0]
        chosen = self._settings.probe_timeout_s
        base = LIMITS[family]
        return replace(base, timeout_s=chosen.get(component, chosen.get(family, base.timeout_s)))

    async def run(self, now: datetime, *, patience_s: float | None = None) -> list[Check]:
        """Probe everything once; the checks carry `now`.

        After `patience_s` the tick goes on without those that have not answered. Such a probe is not asked again
        until it ends: meanwhile it is degraded, or still down when its last answer was that.
        """
        for name in self._probes:
            if name not in self._running:
                self._begun[name] = time.monotonic()
        jobs = {
            name: self._guarded(name, probe, place * _STAGGER_S)
            for place, (name, probe) in enumerate(self._probes.items())
        }
        self._last |= await self._running.run(jobs, patience_s)
        outcomes = {
            name: self._unanswered(name) if name in self._running else self._last[name]
            for name in self._probes
        }
        return self._checks(outcomes, now)

    def close(self) -> None:
        """Give up what still runs."""
        self._running.cancel()

    def _configured(self) -> dict[str, Callable[[], Awaitable[Outcome]]]:
        have, settings = self._platform, self._settings
        probes: dict[str, Callable[[], Awaitable[Outcome]]] = {}
        if have.pulse.configured:
            probes["database"] = self._database
        if have.cache.configured:
            probes["cache"] = self._cache
        if settings.external_apis:
            probes["external_apis"] = self._external_apis
        if settings.functions_url:
            for name in settings.functions:
                probes[f"{FUNCTIONS}/{name}"] = lambda name=name: self._function(name)
            if settings.health_function:
                probes[_HEALTH] = lambda: self._function(settings.health_function, HEALTH_BODY)
        if have.websocket.configured:
            probes["websocket"] = self._websocket
        if settings.base_url:
            probes["platform"] = self._health
        return probes

    def _guarded(
        self, name: str, probe: Callable[[], Awaitable[Outcome]], delay_s: float
    ) -> Callable[[], Awaitable[Outcome]]:
        async def run() -> Outcome:
            await asyncio.sleep(delay_s)
            try:
                outcome = await probe()
            except SourceFailed as error:
                return Outcome(Status.DOWN, None, str(error))
            except Exception as error:
                # A fault of the probe itself says nothing about the component.
                return Outcome(Status.UNKNOWN, None, f"probe failed: {printable(repr(error), 120)}")
            return verdicts.slow(outcome, self.limits(name).degraded_ms)

        return run

    def _unanswered(self, name: str) -> Outcome:
        """What is known of a probe that still waits."""
        waited_s = time.monotonic() - self._begun[name]
        last = self._last.get(name)
        if last is not None and last.status is Status.DOWN:
            return last
        if waited_s * 1000 < self.limits(name).degraded_ms:
            return last or Outcome(Status.UNKNOWN, None, "not answered yet")
        return Outcome(Status.DEGRADED, None, f"no answer for {waited_s:.1f} s so far")

    def _checks(self, outcomes: dict[str, Outcome], now: datetime) -> list[Check]:
        names = [name for name in self._probes if name != _HEALTH]
        if any(name.startswith(_HEALTH) for name in self._probes):
            names.append(FUNCTIONS)
        nothing = Outcome(Status.UNKNOWN, None, "not probed yet")
        checks = []
        for name in sorted(names, key=lambda n: (_ORDER.index(n.partition("/")[0]), n.count("/"))):
            outcome = self._sum(outcomes) if name == FUNCTIONS else outcomes.get(name, nothing)
            checks.append(
                Check(name, outcome.status, outcome.latency_ms, printable(outcome.detail, 200), now)
            )
        return checks

    def _sum(self, outcomes: dict[str, Outcome]) -> Outcome:
        functions = {
            name.removeprefix(_HEALTH): outcomes[name]
            for name in self._probes
            if name != _HEALTH and name in outcomes and name.startswith(_HEALTH)
        }
        return verdicts.functions(functions, outcomes.get(_HEALTH), self._settings.health_function)

    async def _database(self) -> Outcome:
        ms = await self._platform.pulse.ping(timeout_s=self.limits("database").timeout_s)
        return Outcome(Status.OK, ms, f"PostgreSQL {self._platform.pulse.server_version or ''}".strip())

    async def _cache(self) -> Outcome:
        timeout_s = self.limits("cache").timeout_s
        begun = time.monotonic()
        ms = await self._platform.cache.ping(timeout_s=timeout_s)
        left_s = max(timeout_s - (time.monotonic() - begun), 0.1)
        return Outcome(
            Status.OK, ms, verdicts.cache_detail(await self._platform.cache.info(timeout_s=left_s))
        )

    async def _websocket(self) -> Outcome:
        sign = await self._platform.websocket.greet(timeout_s=self.limits("websocket").timeout_s)
        return Outcome(Status.OK, sign.elapsed_ms, f"connected, {sign.what} received")

    async def _function(self, name: str, body: dict[str, Any] | None = None) -> Outcome:
        answer = await self._platform.http.request(
            "POST",
            f"{self._settings.functions_url}/{name}",
            json=body or HARMLESS,
            timeout_s=self.limits(f"{FUNCTIONS}/{name}").timeout_s,
        )
        return verdicts.function(answer)

    async def _health(self) -> Outcome:
        answer = await self._platform.http.request(
            "GET", f"{self._settings.base_url}/health", timeout_s=self.limits("platform").timeout_s
        )
        return verdicts.platform(answer)

    async def _external_apis(self) -> Outcome:
        names = self._settings.external_apis
        answers = await asyncio.gather(*(self._provider(url) for url in names.values()))
        return verdicts.providers(
            dict(zip(names, answers, strict=True)), self.limits("external_apis").degraded_ms
        )

    async def _provider(self, url: str) -> Response | str:
        try:
            return await self._platform.http.request(
                "GET", url, timeout_s=self.limits("external_apis").timeout_s
            )
        except SourceFailed as error:
            return str(error)
