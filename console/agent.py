"""The headless watch: holds the lease, keeps the schedule, and wires monitors to the store.

Any number of agents may run; one leads, the others wait for its lease to expire. The leader is the only
process that touches the platform. What is watched, and what is written, lives below this file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform as host
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from console import __version__, anchoring
from console.actions.duties import Actions
from console.alerting.diagnosing import Diagnosing
from console.alerting.engine import Engine
from console.alerting.rulebook import Rulebook
from console.checks.duty import Checking
from console.checks.registry import OCCASIONS
from console.domain.errors import Fenced, StoreAway, TradexError
from console.domain.event import Severity
from console.domain.health import Check, CheckPoint
from console.domain.metric import MetricValue
from console.domain.snapshot import STALE_AFTER_TICKS
from console.evidence import Evidence
from console.gateway import logs
from console.gateway.platform import Platform
from console.incidents.opening import Opening
from console.incidents.ticking import Ticking
from console.metrics import catalogue
from console.monitors.collector import Collector
from console.monitors.detectors import Detectors
from console.monitors.diagnosis import Diagnostician
from console.monitors.log_tail import LogTail
from console.monitors.probes import Probes
from console.runbooks.publishing import Publishing
from console.runbooks.reading import Vocabulary
from console.runbooks.rounds import Rounds
from console.sections import plain
from console.settings import Settings
from console.store import health, maintenance, ticks, timeline
from console.store import lease as leases
from console.store.clock import StoreClock
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.agent")

_RETRY_S = 1.0
_MAINTENANCE_EVERY_S = 600.0
_AVAILABILITY = timedelta(hours=1)
_CHECKS = frozenset(check.id for listed in OCCASIONS.values() for check in listed)


@dataclass
class Vitals:
    """What the agent knows of itself and saw last; served on its own /health and /metrics."""

    name: str
    started: float = field(default_factory=time.monotonic)
    leads: bool = False
    fence: int = 0
    ticks: int = 0
    ticks_skipped: int = 0
    ticks_failed: int = 0
    tick_seconds: float = 0.0
    store_away: str | None = None
    checks: Sequence[Check] = ()
    values: Sequence[MetricValue] = ()
    at: datetime | None = None


class Agent:
    """One agent. `run` ends when it is cancelled; then it hands the lease back."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        name = settings.agent.name or f"{host.node()}-{os.getpid()}"
        self.vitals = Vitals(name)
        self._clock = StoreClock()
        self._store: Store | None = None
        self._reload = False
        self._untold: str | None = None

    def reload(self) -> None:
        """Read the rule files again at the next tick, changed or not."""
        self._reload = True

    async def run(self) -> None:
        """Watch until cancelled. Raises StoreRefused when the store turns this agent away."""
        platform = Platform.open(self.settings.platform.resolved())
        metrics = catalogue.load(self.settings.platform.catalogue, time_scale=self.settings.time_scale)
        rulebook = Rulebook(
            metrics.specs,
            rules=self.settings.alerting.rules,
            alerting=self.settings.alerting.file,
            time_scale=self.settings.time_scale,
        )
        diagnostician = Diagnostician(
            platform, self.settings.platform.diagnosis, time_scale=self.settings.time_scale
        )
        log_tail = LogTail(platform, logs.load(self.settings.platform.logs))
        detectors = Detectors(
            platform,
            self.settings.platform.security,
            time_scale=self.settings.time_scale,
            tick_s=self.settings.agent.tick_s,
        )
        probes = Probes(platform, self.settings.platform.resolved())
        checking = Checking(self.settings)
        actions = Actions(self.settings, checking.validated)
        specs = {spec.name: spec for spec in metrics.specs}
        books = Publishing(
            self.settings.books.folder,
            lambda: Vocabulary(
                kinds={name: kind.spec for name, kind in actions.surroundings.kinds.items()},
                checks=_CHECKS,
                specs=specs,
            ),
        )
        try:
            self._store = await self._open_store()
            while True:
                lease = await self._wait_for_lease(self._store)
                past = await self._platform_past(self._store)
                evidence = Evidence(self._store)
                engine = Engine(rulebook)
                term = _Term(
                    store=self._store,
                    lease=lease,
                    probes=probes,
                    metrics=metrics,
                    collector=Collector(platform, metrics, tick_s=self.settings.agent.tick_s, past=past),
                    engine=engine,
                    diagnosing=Diagnosing(engine, diagnostician.diagnose),
                    log_tail=log_tail,
                    actions=actions,
                    checking=checking,
                    books=books,
                    rounds=Rounds(evidence.of),
                    ticking=Ticking(evidence.of),
                    opening=Opening(lambda: rulebook.alerting.incidents),
                    detectors=detectors,
                )
                try:
                    await self._lead(term)
                finally:
                    term.collector.close()
        finally:
            self.vitals.leads = False
            with contextlib.suppress(Exception):
                await diagnostician.close()
            with contextlib.suppress(Exception):
                await actions.close()
            with contextlib.suppress(Exception):
                await platform.close()
            if self._store is not None:
                with contextlib.suppress(Exception):
                    await self._store.close()

    async def _platform_past(self, store: Store) -> Sequence[CheckPoint]:
        """What earlier leaders saw of the platform, so that availability does not start anew with each."""
        try:
            now = await store.now()
            return await health.checks(store, "platform", start=now - _AVAILABILITY, end=now)
        except TradexError as error:
            log.warning("availability starts anew: %s", error)
            return ()

    async def _open_store(self) -> Store:
        wanted = self.settings.store
        password = plain(wanted.password, wanted.password_file)
        while True:
            try:
                store = await Store.open(
                    wanted.url or "",
                    user=wanted.user,
                    password=password,
                    application=f"tradex agent {self.vitals.name}",
                )
            except StoreAway as error:
                self._away(error)
                await asyncio.sleep(_RETRY_S)
            else:
                self.vitals.store_away = None
                return store

    def _away(self, error: TradexError) -> None:
        if self.vitals.store_away is None:
            log.warning("%s; trying again", error)
        self.vitals.store_away = str(error)

    async def _wait_for_lease(self, store: Store) -> Lease:
        """Until this agent leads. A waiting agent shows itself, so that consoles see the stand-by."""
        pause = self.settings.agent.lease_ttl_s / 10
        while True:
            try:
                held = await leases.acquire(store, self.vitals.name, self.settings.agent.lease_ttl_s)
                await leases.heartbeat(store, self.vitals.name, __version__)
            except StoreAway as error:
                self._away(error)
                held = None
            else:
                self.vitals.store_away = None
            if held is not None:
                log.info("leads with fence %d", held.fence)
                self.vitals.leads, self.vitals.fence = True, held.fence
                return held
            await asyncio.sleep(pause)

    async def _lead(self, term: _Term) -> None:
        """Until the lease is lost. Whatever else ends a duty is logged and the duty starts again."""
        store, lease = term.store, term.lease
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "ticks": lambda: self._tick_forever(term),
            "maintenance": lambda: self._maintain_forever(store, lease),
            "audit": lambda: anchoring.forever(store),
            "diagnosis": lambda: term.diagnosing.run(store, lease),
            "logs": lambda: term.log_tail.run(store, lease),
            **term.actions.duties(store, lease, others=term.hear),
            "checks": term.checking.duty(store, lease),
            "books": lambda: term.books.run(store, lease),
            "checklists": lambda: term.rounds.run(store, lease),
            "incidents": lambda: term.opening.run(store, lease),
            "steps of runbooks": lambda: term.ticking.run(store, lease),
            "security": lambda: term.detectors.run(store, lease),
        }
        try:
            async with asyncio.TaskGroup() as duties:
                duties.create_task(self._renew(store, lease))
                for name, work in works.items():
                    duties.create_task(_duty(name, work))
        except* (Fenced, _LeaseLost):
            log.warning("lost the lease of fence %d", lease.fence)
        finally:
            self.vitals.leads = False
            # One that is stopped need not let its lease run out; after a loss this changes nothing.
            with contextlib.suppress(TradexError, TimeoutError):
                async with asyncio.timeout(_RETRY_S):
                    await leases.release(store, lease)

    async def _renew(self, store: Store, lease: Lease) -> None:
        """Keep the lease; gives up before anybody else can have it."""
        ttl = self.settings.agent.lease_ttl_s
        good = time.monotonic()
        while True:
            await asyncio.sleep(ttl / 3)
            begun = time.monotonic()
            try:
                kept = await leases.renew(store, lease, ttl)
                await leases.heartbeat(store, self.vitals.name, __version__)
            except TradexError as error:
                self._away(error)
                if time.monotonic() - good > ttl:
                    raise _LeaseLost from None
                continue
            self.vitals.store_away = None
            if not kept:
                raise _LeaseLost
            good = begun

    async def _tick_forever(self, term: _Term) -> None:
        """A tick at each multiple of tick_s on the store's clock, the first one at once unless there is one that
        recent; one that came too late is left out."""
        store, lease = term.store, term.lease
        every = self.settings.agent.tick_s
        catalogue_id: int | None = None
        last = 0.0
        while True:
            try:
                await self._clock.measure(store)
                if catalogue_id is None:
                    catalogue_id = await ticks.ensure_catalogue(store, lease, term.metrics.specs)
                now = self._clock.now()
                due = max((now // every + 1) * every, last + every)
                if not last and await self._is_behind(store, now):
                    due = now
                elif last and due > last + every:
                    self.vitals.ticks_skipped += round((due - last) / every) - 1
                await asyncio.sleep(due - now)
                last = due // every * every
                begun = time.monotonic()
                at = datetime.fromtimestamp(due, UTC)
                checks = await term.probes.run(at, patience_s=every / 2)
                values = await term.collector.collect(at, checks)
                if self._clock.now() - due > STALE_AFTER_TICKS * every:
                    # This process stood still meanwhile: what was read now is not how things were then.
                    self.vitals.ticks_skipped += 1
                    continue
                await ticks.write_tick(
                    store, lease, at=at, catalogue_id=catalogue_id, values=values, checks=checks
                )
                self.vitals.checks, self.vitals.values, self.vitals.at = checks, values, at
                self.vitals.ticks += 1
                await self._judge(term, at, checks)
                self.vitals.tick_seconds = time.monotonic() - begun
            except Fenced:
                raise
            except TradexError as error:
                self.vitals.ticks_failed += 1
                log.warning("no tick: %s", error)
                await asyncio.sleep(_RETRY_S)

    async def _is_behind(self, store: Store, now: float) -> bool:
        """Whether the last tick, if there is any, is as old as one may become."""
        last = await ticks.latest_at(store)
        return last is None or now - last.timestamp() >= self.settings.agent.tick_s

    async def _judge(self, term: _Term, at: datetime, checks: Sequence[Check]) -> None:
        """What the tick means for the alerts. One that fails is made up for at the next tick, and consoles say that
        nobody evaluates when that goes on."""
        forced, self._reload = self._reload, False
        told = term.engine.rulebook.refresh(force=forced)
        if told is not None:
            log.info("%s", told)
            self._untold = told
        try:
            await term.engine.catch_up(term.store, term.lease, until=at, checks=checks)
            if self._untold is not None:
                await timeline.append(
                    term.store,
                    term.lease,
                    kind="configuration",
                    severity=Severity.INFO,
                    subject="rules",
                    text=self._untold,
                )
                self._untold = None
        except Fenced:
            raise
        except TradexError as error:
            log.warning("tick %s is not evaluated yet: %s", at.strftime("%H:%M:%S"), error)

    async def _maintain_forever(self, store: Store, lease: Lease) -> None:
        while True:
            await maintenance.maintain(store, lease)
            await asyncio.sleep(_MAINTENANCE_EVERY_S)


async def _duty(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Work that goes on whatever happens to it, until the lease is lost."""
    while True:
        try:
            await work()
        except Fenced:
            raise
        except TradexError as error:
            log.warning("%s: %s", name, error)
        except Exception:
            # A fault of ours, met by something nobody thought of: it must not take the watch with it.
            log.exception("%s", name)
        await asyncio.sleep(_RETRY_S)


@dataclass(frozen=True, slots=True)
class _Term:
    """What one term of leading works with."""

    store: Store
    lease: Lease
    probes: Probes
    metrics: catalogue.Catalogue
    collector: Collector
    engine: Engine
    diagnosing: Diagnosing
    log_tail: LogTail
    actions: Actions
    checking: Checking
    books: Publishing
    rounds: Rounds
    opening: Opening
    ticking: Ticking
    detectors: Detectors

    def hear(self, payload: str) -> None:
        """What the store told, for whom it concerns."""
        self.checking.hear(payload)
        self.opening.hear(payload)
        self.rounds.hear(payload)
        self.ticking.hear(payload)


class _LeaseLost(Exception):
    """The store did not confirm the lease in time, or gave it to another agent."""
