"""The checks as the leading agent runs them: those that were asked for, those of a step, and the checklist of what
could be deployed next. Each result is in the store as soon as it is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from console.checks.check import Check, Doors, run
from console.checks.registry import OCCASIONS
from console.checks.source import Source
from console.domain.action import ActionState
from console.domain.check import CheckReport, CheckResult, CheckRun, Subject, Tick
from console.domain.errors import Misuse, StoreAway, StoreRefused, TradexError
from console.domain.release import ReleaseState
from console.domain.snapshot import DEPLOYMENTS
from console.gateway.repository import Repository
from console.settings import Settings
from console.store import actions, checks, releases, ticks
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.checks")

PRE = "pre"
_LOOK_S = 5.0
_RETRY_S = 1.0
# A step waits no longer for the store than this: whatever was found is in its output, too.
_STEP_S = 5.0
# Of runs that nobody asked for: a rate limit that each of them reaches is left in peace meanwhile.
_APART_S = 300.0
_UNDER_WAY = tuple(state for state in ActionState if state.runs or state is ActionState.CONFIRMED)


@dataclass(frozen=True, slots=True)
class _Term:
    """While this agent leads."""

    store: Store
    lease: Lease


class Checking:
    """Of one agent. `hear` is told what the store notifies."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._repository = Repository.of(settings.deploy)
        self._term: _Term | None = None
        self._woken = asyncio.Event()

    def hear(self, payload: str) -> None:
        """What the store told."""
        if payload in ("check", "release", "listening", "reconnected"):
            self._woken.set()

    def duty(self, store: Store, lease: Lease) -> Callable[[], Awaitable[None]]:
        """What this agent does about checks while it leads: runs what is asked for, one after the other. Raises Fenced,
        StoreAway and StoreRefused."""
        self._term = _Term(store, lease)
        return partial(self._run, store, lease)

    async def _run(self, store: Store, lease: Lease) -> None:
        begun = await store.now()
        while True:
            self._woken.clear()
            wanted = await checks.due(store, lease) or await self._next(store, lease, begun)
            if wanted is not None:
                await self._asked(store, lease, wanted)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._woken.wait()

    async def validated(
        self, occasion: str, told: Callable[[CheckResult], None], about: Subject
    ) -> CheckReport:
        """A step's run, kept as that of its action while the store is there. Raises Misuse for a secret that can't be
        read, and Fenced."""
        wanted, number = OCCASIONS[occasion], None
        term = self._term
        if term is not None:
            with _without_store():
                number = await checks.begin(term.store, term.lease, occasion, about)
                await checks.start(term.store, term.lease, number, len(wanted))
        store = None if term is None else term.store
        async with opened(
            self._settings, self._repository, about.commit, wanted=wanted, store=store
        ) as doors:
            if term is None or number is None:
                return await run(doors, wanted, told=told)
            keeping, words = _Keeping(term.store, term.lease, number, wanted), "cut off"

            def tell(result: CheckResult) -> None:
                told(result)
                keeping.take(result)

            try:
                report = await run(doors, wanted, told=tell)
                words = ""
                return report
            finally:
                with _without_store(), contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_STEP_S):
                        await keeping.end(words)
                keeping.close()

    async def _asked(self, store: Store, lease: Lease, wanted: CheckRun) -> None:
        """From its beginning, whoever began it before."""
        listed = OCCASIONS[wanted.occasion]
        if not await checks.start(store, lease, wanted.id, len(listed)):
            return
        keeping, words = _Keeping(store, lease, wanted.id, listed), ""
        try:
            try:
                async with opened(
                    self._settings, self._repository, wanted.commit, wanted=listed, store=store
                ) as doors:
                    await run(doors, listed, told=keeping.take)
            except Misuse as error:
                words = str(error)
            await keeping.end(words)
        finally:
            keeping.close()

    async def _next(self, store: Store, lease: Lease, begun: datetime) -> CheckRun | None:
        """The checklist of the newest commit that could be deployed, where it is time for one: not before this agent
        has looked at the platform itself, and not while something is deployed, whose effect is watched."""
        every = self._settings.checks.every_s
        if every is None:
            return None
        newest = next(iter(await releases.candidates(store)), None)
        looked = await ticks.latest_at(store)
        if newest is None or looked is None or looked < begun:
            return None
        if any(each.kind in DEPLOYMENTS for each, _, _ in await actions.in_states(store, _UNDER_WAY)):
            return None
        now, last = await store.now(), await checks.latest(store, PRE)
        mine = await checks.latest(store, PRE, commit=newest.sha)
        if last is not None and now - last.asked_at < timedelta(seconds=_APART_S) / self._settings.time_scale:
            return None
        if mine is not None and now - mine.asked_at < timedelta(seconds=every):
            deployed = next(iter(await releases.recent(store, limit=1)), None)
            if deployed is None or deployed.at < mine.asked_at:
                return None
        number = await checks.begin(store, lease, PRE, Subject(newest.sha, newest.name))
        return await checks.one(store, number)


@asynccontextmanager
async def opened(
    settings: Settings,
    repository: Repository,
    commit: str,
    *,
    wanted: tuple[Check, ...],
    store: Store | None,
    told: Callable[[str], None] = log.info,
) -> AsyncIterator[Doors]:
    """The doors of a run about a commit ("": about what is live, if anybody knows that). Where the repository is away
    its checks have no source, and `told` why. Raises Misuse for a secret that can't be read."""
    ids = {check.id for check in wanted}
    migrations, source = None, None
    held: tuple[Tick, ...] = ()
    if store is not None:
        with _without_store():
            held = tuple(await checks.ticks(store, commit=commit))
    if repository.configured and "db.migrations" in ids:
        try:
            chosen = commit or await _live(store)
            if chosen:
                migrations = await _migrations(repository, chosen)
        except TradexError as error:
            told(str(error))
    if repository.configured and commit:
        source = Source(repository, commit, settings.deploy)
    doors = Doors.open(settings, store=store, migrations=migrations, source=source, ticks=held)
    try:
        yield doors
    finally:
        await doors.close()


@contextmanager
def _without_store() -> Iterator[None]:
    """What only keeps a record: the store may be away meanwhile."""
    try:
        yield
    except (StoreAway, StoreRefused) as error:
        log.warning("not kept: %s", error)


async def _migrations(repository: Repository, commit: str) -> tuple[str, ...]:
    """The versions that a commit has, which may have come since the repository was fetched. Raises Refused and
    SourceFailed."""
    try:
        return tuple(await repository.versions(await repository.resolve(commit)))
    except TradexError:
        await repository.fetch()
        return tuple(await repository.versions(await repository.resolve(commit)))


async def _live(store: Store | None) -> str:
    known = () if store is None else await releases.recent(store)
    return next((each.commit for each in known if each.state is ReleaseState.LIVE), "")


class _Keeping:
    """Writes results down while others are still awaited; one that finds the store away waits for it."""

    def __init__(self, store: Store, lease: Lease, number: int, wanted: tuple[Check, ...]) -> None:
        self._store, self._lease, self._number = store, lease, number
        self._places = {check.id: place for place, check in enumerate(wanted, 1)}
        self._ended: asyncio.Queue[CheckResult | None] = asyncio.Queue()
        self._writing = asyncio.create_task(self._write())

    def take(self, result: CheckResult) -> None:
        """One more."""
        self._ended.put_nowait(result)

    async def end(self, words: str) -> None:
        """All are written, and that is all. Raises Fenced and StoreRefused."""
        self._ended.put_nowait(None)
        await self._writing
        await checks.end(self._store, self._lease, self._number, words)

    def close(self) -> None:
        """Nothing more is written."""
        self._writing.cancel()

    async def _write(self) -> None:
        while (result := await self._ended.get()) is not None:
            while True:
                try:
                    await checks.put(self._store, self._lease, self._number, self._places[result.id], result)
                    break
                except StoreAway:
                    await asyncio.sleep(_RETRY_S)
