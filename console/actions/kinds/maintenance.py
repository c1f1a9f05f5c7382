"""Maintenance mode: a flag of the platform, on which every function answers 503; and whom that stops."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from console.actions.kind import Context, Request, Run, StepDef, Usual, in_time, missing, planned
from console.actions.wording import equal_command, no_source
from console.domain.action import Danger, Fact, Guard, KindSpec, Plan, Proof
from console.domain.errors import Refused, SourceFailed
from console.gateway.changes import Changes

FLAG = "maintenance"
_LAYER = "platform"
# What, where that is read, and how.
_RADIUS = (
    (
        "orders in the last minute",
        "orders",
        "SELECT count(*) FROM orders WHERE status IN ('executed', 'failed') AND executed_at > now() - interval '60 s'",
    ),
    ("open positions", "positions", "SELECT count(*) FROM positions WHERE status = 'open'"),
    (
        "people signed in",
        "user_sessions",
        "SELECT count(DISTINCT user_id) FROM user_sessions WHERE status = 'active'",
    ),
)


@dataclass(frozen=True, slots=True)
class Maintenance(Usual):
    """Both ways of it."""

    spec: KindSpec
    on: bool

    @property
    def puts(self) -> bool:
        return self.on

    @property
    def lifts(self) -> str:
        return "" if self.on else "maintenance_on"

    # Orders that are refused on purpose are no fault.
    watches = ()

    def target(self, request: Request) -> str:
        return ""

    async def names(self, changes: Changes, request: Request) -> tuple[str, ...]:
        return (self.target(request),)

    def length(self, request: Request) -> timedelta | None:
        return None

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        if await context.changes.flag(FLAG) == self.on and (self.lifts, "") not in context.in_force:
            raise Refused(f"maintenance is {_word(self.on)} already")
        return (Guard("flag", True, f"maintenance is to be {_word(self.on)}"),)

    async def plan(self, context: Context, request: Request) -> Plan:
        guards = await self.check(context, request)
        return Plan(
            title="Begin maintenance: every function answers 503" if self.on else "End maintenance",
            steps=planned(self.steps(request), context.scale),
            facts=await _radius(context.changes) if self.on else (),
            guards=guards,
            notes=("orders are refused until it is ended; it does not end by itself",) if self.on else (),
            typed=FLAG if self.on else "",
            command=equal_command(self.spec, request, ""),
        )

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        async def switch(run: Run) -> str:
            was = await run.changes.set_flag(FLAG, self.on)
            return f"{_word(self.on)}, was {_word(was)}"

        async def is_set(run: Run, _before: str) -> bool:
            return await run.changes.flag(FLAG) == self.on

        return (StepDef("flag", f"set the flag {FLAG} to {_word(self.on)}", switch, _LAYER, is_set),)

    async def prove(self, run: Run) -> Proof:
        now = await run.changes.flag(FLAG)
        facts = (Fact(f"flag {FLAG}", _word(now), "ok" if now == self.on else "crit"),)
        if now == self.on:
            return Proof("proved", f"the platform's flag is {_word(now)}", facts)
        return Proof("unproved", f"the platform's flag is {_word(now)}", facts)


def kinds(doors: Collection[str]) -> tuple[Maintenance, Maintenance]:
    """Both ways, where these doors of the platform are configured."""
    begin = KindSpec(
        name="maintenance_on",
        title="Begin maintenance",
        verb="Begin maintenance",
        command="maintenance on",
        role="commander",
        danger=Danger.HIGH,
        budget=10,
        undo="maintenance_off",
        layers=(_LAYER,),
        unavailable=missing(doors, "database"),
        group="operations",
    )
    end = replace(
        begin,
        name="maintenance_off",
        title="End maintenance",
        verb="End maintenance",
        command="maintenance off",
        role="responder",
        danger=Danger.MEDIUM,
        freeze=False,
        undo="maintenance_on",
    )
    return Maintenance(begin, on=True), Maintenance(end, on=False)


async def _radius(changes: Changes) -> tuple[Fact, ...]:
    async def fact(what: str, table: str, sql: str) -> Fact:
        label = f"{what} ({table})"
        try:
            count = await in_time(changes.ask(sql))
        except SourceFailed as error:
            return Fact(label, no_source(error), "warn")
        return Fact(label, f"{count:,}", "warn" if count else "ok")

    return tuple(await asyncio.gather(*(fact(*one) for one in _RADIUS)))


def _word(on: bool) -> str:
    return "on" if on else "off"
