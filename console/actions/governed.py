"""A kind of the program itself under the rules of an installation: who may do it, how often, with whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from console.actions.kind import Context, Kind, Request, Run, StepDef
from console.domain.action import Guard, KindSpec, Plan, Proof
from console.gateway.changes import Changes


@dataclass(frozen=True, slots=True)
class Governed:
    """`kind`, which is asked for everything but its `spec`."""

    kind: Kind
    spec: KindSpec

    @property
    def puts(self) -> bool:
        return self.kind.puts

    @property
    def lifts(self) -> str:
        return self.kind.lifts

    @property
    def watches(self) -> tuple[str, ...]:
        return self.kind.watches

    def target(self, request: Request) -> str:
        return self.kind.target(request)

    async def names(self, changes: Changes, request: Request) -> tuple[str, ...]:
        return await self.kind.names(changes, request)

    def length(self, request: Request) -> timedelta | None:
        return self.kind.length(request)

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        return await self.kind.check(context, request)

    async def plan(self, context: Context, request: Request) -> Plan:
        return await self.kind.plan(context, request)

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        return self.kind.steps(request)

    async def prove(self, run: Run) -> Proof:
        return await self.kind.prove(run)
