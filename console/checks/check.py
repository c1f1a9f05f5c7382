"""What a check is, what it may ask, and how several run: each within its own time-out, together where none depends on
another.
"""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from console.checks.source import Source
from console.domain.check import CheckReport, CheckResult, Outcome, Tick, failed, ticked, warned
from console.domain.errors import Misuse, TradexError
from console.domain.text import printable
from console.gateway.management import Management
from console.gateway.platform import Platform
from console.gateway.reasons import NoSource
from console.gateway.validation import Visitor
from console.settings import Settings
from console.store.pool import Store

STORE = "store.url"
"""Needed by what only the console's own database knows."""
_LONGEST = 400


@dataclass(slots=True)
class Doors:
    """What checks ask. `store` is the console's own database, `migrations` are the versions of the files that should
    be applied by now, `source` is the commit that is to be deployed; None where this run has no such thing, which then
    is no source. `ticks` are those that hold."""

    settings: Settings
    platform: Platform
    visitor: Visitor
    management: Management
    store: Store | None = None
    migrations: tuple[str, ...] | None = None
    source: Source | None = None
    ticks: tuple[Tick, ...] = ()

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        store: Store | None = None,
        migrations: tuple[str, ...] | None = None,
        source: Source | None = None,
        ticks: tuple[Tick, ...] = (),
    ) -> Doors:
        """The doors of these settings, without any I/O but reading the files of secrets. Raises Misuse."""
        platform = Platform.open(settings.platform)
        visitor = Visitor(platform.settings, settings.checks)
        management = Management(platform.settings)
        return cls(settings, platform, visitor, management, store, migrations, source, ticks)

    async def close(self) -> None:
        """End all connections but the store's, which is whose who passed it in; the checkout is removed."""
        if self.source is not None:
            await self.source.close()
        await self.visitor.close()
        await self.management.close()
        await self.platform.close()

    def url(self, path: str) -> str:
        """Of the platform's own paths."""
        return f"{self.platform.settings.base_url}{path}"

    def function(self, name: str) -> str:
        """Where an edge function answers."""
        return f"{self.platform.settings.functions_url}/{name}"

    def missing(self, names: Iterable[str]) -> str | None:
        """The first of these settings (`checks.account`) that is unset."""
        for name in names:
            if name == STORE:
                unset = self.store is None
            else:
                section, _, key = name.partition(".")
                place = self.platform.settings if section == "platform" else getattr(self.settings, section)
                unset = not getattr(place, key)
            if unset:
                return name
        return None


Run = Callable[[Doors], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Check:
    """`needs` are settings without which nobody can be asked; it begins when those of `after` that run too have
    ended, since it gets in their way."""

    id: str
    title: str
    group: str
    run: Run
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    timeout_s: float = 5.0


def chosen(checks: Sequence[Check], only: Iterable[str]) -> tuple[Check, ...]:
    """Those of these ids, all without any. Raises Misuse for an id that is not there."""
    ids = [check.id for check in checks]
    wanted = set(only)
    for name in sorted(wanted.difference(ids)):
        near = difflib.get_close_matches(name, ids, 1)
        hint = f"; did you mean {near[0]}?" if near else f": choose of {', '.join(ids)}"
        raise Misuse(f"no check {printable(name, 60)!r} here{hint}")
    return tuple(check for check in checks if not wanted or check.id in wanted)


async def run(
    doors: Doors, checks: Sequence[Check], *, told: Callable[[CheckResult], None] | None = None
) -> CheckReport:
    """Run these, and tell of each as it ends. Never raises for what a check meets: that is its result."""
    ended = {check.id: asyncio.Event() for check in checks}

    async def one(check: Check) -> CheckResult:
        for before in check.after:
            if before in ended:
                await ended[before].wait()
        begun = time.perf_counter()
        outcome = await _outcome(doors, check)
        ms = (time.perf_counter() - begun) * 1000
        evidence = doors.visitor.redaction(outcome.evidence, _LONGEST)
        result = ticked(
            CheckResult(check.id, check.title, check.group, outcome.status, evidence, ms), doors.ticks
        )
        ended[check.id].set()
        if told is not None:
            told(result)
        return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(check)) for check in checks]
    return CheckReport(tuple(task.result() for task in tasks))


async def _outcome(doors: Doors, check: Check) -> Outcome:
    unset = doors.missing(check.needs)
    if unset is not None:
        return warned(f"no source: {unset} is not set")
    try:
        async with asyncio.timeout(check.timeout_s):
            return await settled(check.run(doors))
    except TimeoutError:
        return failed(f"{check.title}: no answer within {check.timeout_s:g} s")
    except Exception as error:
        # Nobody knows how it is: that is no pass, and the others go on.
        return failed(f"the check itself failed: {error!r}")


async def settled(asking: Awaitable[Outcome]) -> Outcome:
    """The outcome, also where nobody could be asked."""
    try:
        return await asking
    except NoSource as error:
        return warned(str(error))
    except TradexError as error:
        return failed(str(error))
