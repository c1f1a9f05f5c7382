"""Block a network at the platform's own block list and at Vercel's firewall, and take that back (FACTS, section 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from console.actions.guards import may_be_blocked, second_person_for
from console.actions.kind import EARLIER, Context, Request, Run, StepDef, Usual, duration_of, in_time, planned
from console.actions.wording import clock, equal_command, no_source
from console.domain.action import Fact, Guard, KindSpec, Parameter, Plan, Proof
from console.domain.duration import written as length_written
from console.domain.errors import Refused, SourceFailed
from console.domain.format import counted
from console.domain.network import Network, network_of, written
from console.gateway.changes import Changes
from console.gateway.reasons import NoSource

PLATFORM, VERCEL = "platform", "vercel"
USUAL, USUAL_WORD = timedelta(hours=24), "24h"
_LEAST, _MOST = timedelta(minutes=1), timedelta(days=30)
_BEFORE = timedelta(minutes=5)
# From so many people with a success on, an address is taken for a shared one (FACTS, section 5).
SHARED_BY = 5
_FROM = Parameter("network", "Address or network", type="network")


def _layers(doors: Collection[str]) -> tuple[str, ...]:
    """Where a block can be put here."""
    return tuple(layer for layer, door in ((PLATFORM, "database"), (VERCEL, "vercel")) if door in doors)


@dataclass(frozen=True, slots=True)
class _OfNetwork(Usual):
    """What both have in common. `doors` are those of the platform that are configured."""

    spec: KindSpec
    doors: Collection[str]
    # Fewer orders may be the very aim of it.
    watches = ("error_rate", "p95_execution_time")

    def target(self, request: Request) -> str:
        return written(_network(request))

    async def names(self, changes: Changes, request: Request) -> tuple[str, ...]:
        return (self.target(request),)


@dataclass(frozen=True, slots=True)
class BlockIp(_OfNetwork):
    """`many`: where more people than this worked in the last day a block takes two."""

    many: int
    puts = True
    lifts = ""

    def length(self, request: Request) -> timedelta:
        return duration_of(request, "length", USUAL, least=_LEAST, most=_MOST)

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        return may_be_blocked(_network(request), context.protected)

    async def plan(self, context: Context, request: Request) -> Plan:
        network, length = _network(request), self.length(request)
        guards = await self.check(context, request)
        layers = _layers(self.doors)
        # What can't be asked now is no reason to leave the rest open.
        answers = await asyncio.gather(*(_found(layer, context.changes, network) for layer in layers))
        found = dict(zip(layers, answers, strict=True))
        people = found[PLATFORM].people if PLATFORM in found else 0
        return Plan(
            title=f"Block {written(network)} for {request.params.get('length', '').strip() or USUAL_WORD}",
            steps=planned(self.steps(request), context.scale),
            facts=tuple(fact for one in answers for fact in one.facts),
            guards=guards,
            notes=(*(note for one in answers for note in one.notes), *_not_configured(self.doors)),
            until=context.now + length / context.scale,
            second_person=second_person_for(network, people, self.many),
            command=equal_command(self.spec, request, self.target(request)),
        )

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        network = _network(request)

        async def block(run: Run) -> str:
            end = run.later(self.length(request))
            made = await run.changes.block(network, _note(run), end)
            return f"on the platform's list until {clock(made.expires_at)}"

        async def is_blocked(run: Run, _before: str) -> bool:
            found = await run.changes.is_blocked(network)
            if found is None or found.network != network:
                return False
            # One that ends earlier is the block before.
            return found.expires_at is None or found.expires_at >= run.later(self.length(request)) - EARLIER

        async def deny(run: Run) -> str:
            rule = await run.changes.deny(network, _note(run))
            return f"denied by rule {rule}"

        async def is_denied(run: Run, _before: str) -> bool:
            return any(rule.network == network for rule in await run.changes.denied(network))

        shown, wanted = written(network), _layers(self.doors)
        # One layer that can't be reached is no reason to leave the other one open.
        steps = (
            StepDef(
                PLATFORM,
                f"refuse {shown} at the platform's functions",
                block,
                PLATFORM,
                is_blocked,
                optional=True,
            ),
            StepDef(VERCEL, f"deny {shown} at Vercel's firewall", deny, VERCEL, is_denied, optional=True),
        )
        return tuple(step for step in steps if step.layer in wanted)

    async def prove(self, run: Run) -> Proof:
        """Requests refused since, and failed log-ins since and in a fixed time before."""
        network = _network(run.request)
        if PLATFORM not in _layers(self.doors):
            rules = await run.changes.denied(network)
            facts = (Fact("rules at Vercel", str(len(rules)), "ok" if rules else "warn"),)
            return Proof("unproved", "denied at Vercel; its counters can't be asked", facts)
        # The platform's rows are dated by its own clock.
        passed, now = run.now - run.begun, await run.changes.now()
        refused = await run.changes.refused_since(network, now - passed)
        since = await run.changes.failures_since(network, now - passed)
        before = await run.changes.failures_since(network, now - passed - _BEFORE / run.scale) - since
        # The platform takes a moment to hear of a block.
        lately = await run.changes.failures_since(network, now - passed / 2)
        facts = (
            *(
                Fact(f"refused with 403, {layer}", f"{n:,}", "ok" if n else "info")
                for layer, n in sorted(refused.items())
            ),
            Fact(f"failed log-ins in the {length_written(_BEFORE)} before", f"{before:,}"),
            Fact("failed log-ins since", f"{since:,}", "warn" if lately else "ok"),
        )
        total = sum(refused.values())
        if total:
            stopped = "; its log-ins stopped" if before and not lately else ""
            return Proof("proved", f"{counted(total, 'request')} refused with 403{stopped}", facts)
        return Proof("unproved", "nothing came from there since", facts)


@dataclass(frozen=True, slots=True)
class UnblockIp(_OfNetwork):
    puts = False
    lifts = "block_ip"

    def length(self, request: Request) -> timedelta | None:
        return None

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        """That there is something to lift: a block of exactly this network, on any layer."""
        network, wider, failure = _network(request), "", None
        if PLATFORM in _layers(self.doors):
            try:
                there = await in_time(context.changes.is_blocked(network))
            except SourceFailed as error:
                # A person takes back what can be; what ends by itself waits.
                if not request.people:
                    raise
                there, failure = None, error
            if there is not None and there.network == network:
                return (Guard("block", True, f"blocked: {there.reason}"),)
            wider = f": {written(there.network)} is, which contains it" if there is not None else ""
        if VERCEL in _layers(self.doors):
            rules = [r for r in await context.changes.denied(network) if r.network == network]
            if rules:
                return (Guard("block", True, f"denied at Vercel: {rules[0].notes}"),)
        if failure is not None:
            raise failure
        if (self.lifts, written(network)) in context.in_force:
            return (Guard("block", True, "no layer has it any more; what is left is to note that"),)
        raise Refused(f"{written(network)} is not blocked{wider}")

    async def plan(self, context: Context, request: Request) -> Plan:
        network = _network(request)
        guards = await self.check(context, request)
        facts, notes = (), _not_configured(self.doors)
        if PLATFORM in _layers(self.doors):
            try:
                seen = await in_time(context.changes.activity(network))
            except SourceFailed as error:
                away = _away(PLATFORM, "who was refused in 24 h", error)
                facts, notes = away.facts, (*away.notes, *notes)
            else:
                facts = (
                    Fact("failed log-ins in 24 h", f"{seen.failures:,}", "warn" if seen.failures else "ok"),
                    *(
                        Fact(f"refused in 24 h, {layer}", f"{n:,}")
                        for layer, n in sorted(seen.refused.items())
                    ),
                )
        return Plan(
            title=f"Unblock {written(network)}",
            steps=planned(self.steps(request), context.scale),
            facts=facts,
            guards=guards,
            notes=notes,
            command=equal_command(self.spec, request, self.target(request)),
        )

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        network = _network(request)

        async def unblock(run: Run) -> str:
            gone = await run.changes.unblock(network)
            return f"{counted(gone, 'entry', 'entries')} off the platform's list"

        async def is_gone(run: Run, _before: str) -> bool:
            found = await run.changes.is_blocked(network)
            return found is None or found.network != network

        async def allow(run: Run) -> str:
            gone = await run.changes.allow(network)
            return f"{counted(gone, 'rule')} removed"

        async def is_allowed(run: Run, _before: str) -> bool:
            return not any(rule.network == network for rule in await run.changes.denied(network))

        shown, wanted = written(network), _layers(self.doors)
        steps = (
            StepDef(
                PLATFORM, f"take {shown} off the platform's list", unblock, PLATFORM, is_gone, optional=True
            ),
            StepDef(
                VERCEL, f"remove the rule for {shown} at Vercel", allow, VERCEL, is_allowed, optional=True
            ),
        )
        return tuple(step for step in steps if step.layer in wanted)

    async def prove(self, run: Run) -> Proof:
        network, layers = _network(run.request), _layers(self.doors)
        failures, facts = 0, ()
        if PLATFORM in layers:
            now = await run.changes.now()
            failures = await run.changes.failures_since(network, now - (run.now - run.begun))
            facts = (Fact("failed log-ins since", f"{failures:,}", "warn" if failures else "ok"),)
            blocked = await run.changes.is_blocked(network)
            if blocked is not None:
                return Proof("unproved", f"still refused: {written(blocked.network)} is blocked", facts)
        if VERCEL in layers:
            rules = await run.changes.denied(network)
            if rules:
                return Proof(
                    "unproved", f"still refused: {written(rules[0].network)} is denied at Vercel", facts
                )
        if failures:
            return Proof("worse", f"{counted(failures, 'failed log-in')} from there since", facts)
        return Proof("proved", "no layer refuses it any more", facts)


def kinds(doors: Collection[str], many: int) -> tuple[BlockIp, UnblockIp]:
    """Both, where these doors of the platform are configured; `many` as `BlockIp` has it."""
    nowhere = "no source: neither platform.ops_database_url nor platform.vercel_project is set"
    block = KindSpec(
        name="block_ip",
        title="Block an address",
        verb="Block",
        command="block-ip",
        parameters=(_FROM, Parameter("length", "For", type="duration", required=False, default=USUAL_WORD)),
        target="network",
        budget=30,
        # An attack doesn't wait for the end of a freeze.
        freeze=False,
        undo="unblock_ip",
        expires=True,
        layers=(PLATFORM, VERCEL),
        unavailable="" if _layers(doors) else nowhere,
        group="security",
    )
    unblock = replace(
        block,
        name="unblock_ip",
        title="Unblock an address",
        verb="Unblock",
        command="unblock-ip",
        parameters=(_FROM,),
        budget=60,
        undo="block_ip",
        expires=False,
    )
    return BlockIp(block, doors, many), UnblockIp(unblock, doors)


class _Found(NamedTuple):
    """What a layer says of a network before it is blocked; `people` is None where it can't say."""

    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    people: int | None = None


async def _found(layer: str, changes: Changes, network: Network) -> _Found:
    """Also of a layer that can't be asked: its step is tried all the same."""
    try:
        return await in_time((_of_platform if layer == PLATFORM else _of_vercel)(changes, network))
    except SourceFailed as error:
        what = "who and which orders came from there" if layer == PLATFORM else "rules at Vercel"
        return _away(layer, what, error)


def _away(layer: str, what: str, error: SourceFailed) -> _Found:
    notes = () if isinstance(error, NoSource) else (f"{layer}: away now, it will be tried",)
    return _Found((Fact(what, no_source(error), "warn"),), notes)


async def _of_platform(changes: Changes, network: Network) -> _Found:
    seen, there = await changes.activity(network), await changes.is_blocked(network)
    shared = seen.users_succeeded >= SHARED_BY
    facts = (
        Fact("users in 24 h", f"{seen.user_count:,}", "warn" if seen.user_count else "ok"),
        Fact("orders in 24 h", f"{seen.orders:,}", "warn" if seen.orders else "ok"),
        Fact("failed log-ins in 24 h", f"{seen.failures:,}", "info"),
        Fact("users who logged in in 24 h", f"{seen.users_succeeded:,}", "warn" if shared else "info"),
        *(Fact(f"refused already, {layer}", f"{n:,}") for layer, n in sorted(seen.refused.items())),
    )
    notes = [f"{one.email}: {counted(one.orders, 'order')}" for one in seen.users[:5]]
    if shared:
        words = (
            f"{seen.users_succeeded} different people logged in from here: this looks like a shared address"
        )
        notes.insert(0, words)
    if there is not None:
        notes.append(f"blocked already: {written(there.network)}; its reason and its end become the new ones")
    return _Found(facts, tuple(notes), seen.user_count)


async def _of_vercel(changes: Changes, network: Network) -> _Found:
    rules = await changes.denied(network)
    return _Found(notes=tuple(f"denied at Vercel already: {written(rule.network)}" for rule in rules[:1]))


def _network(request: Request) -> Network:
    return network_of(request.params.get("network", "") or request.target)


def _note(run: Run) -> str:
    return f"action {run.request.id} of {run.request.by}: {run.request.reason}"[:200]


def _not_configured(doors: Collection[str]) -> tuple[str, ...]:
    missing = [layer for layer in (PLATFORM, VERCEL) if layer not in _layers(doors)]
    return tuple(f"{layer}: not configured here" for layer in missing)
