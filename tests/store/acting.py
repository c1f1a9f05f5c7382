"""What the tests of actions share: kinds, plans, and the store's side of an agent that plans and runs what is asked for
without touching any platform."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from console.domain.action import (
    Action,
    ActionState,
    Choice,
    Danger,
    Fact,
    Guard,
    KindSpec,
    Layer,
    Parameter,
    Plan,
    PlannedStep,
    Proof,
    Step,
    StepState,
)
from console.domain.errors import Fenced, StoreAway
from console.domain.text import printable
from console.store import actions, audit, effects
from console.store.lease import Lease
from console.store.pool import Store
from tests.store.stores import Place

BLOCK = KindSpec(
    "block_ip",
    "Block an address",
    "Block",
    "block-ip",
    (Parameter("network", "Address", "network"), Parameter("length", "For", "duration", default="24h")),
    target="network",
    undo="unblock_ip",
    budget=5,
    freeze=False,
    expires=True,
    group="security",
)
UNBLOCK = KindSpec(
    "unblock_ip",
    "Unblock an address",
    "Unblock",
    "unblock-ip",
    (Parameter("network", "Address", "network"),),
    target="network",
    undo="block_ip",
    freeze=False,
    group="security",
)
SUSPEND = KindSpec(
    "suspend_account",
    "Suspend an account",
    "Suspend",
    "suspend",
    (Parameter("account", "Account", "account"),),
    target="account",
    role="commander",
    budget=2,
)
FAILOVER = KindSpec(
    "failover",
    "Fail over",
    "Fail over to",
    "actions start failover",
    (Parameter("to", "To", "choice", choices=("primary", "replica")),),
    target="to",
    danger=Danger.HIGH,
    second_person=True,
    exclusive="database",
)
RESTART = replace(FAILOVER, name="restart", second_person=False, budget=2, undo="", danger=Danger.LOW)
NOTIFY = KindSpec("notify", "Tell", "Tell", "actions start notify", unavailable="it has no channels yet")
KINDS = (BLOCK, UNBLOCK, SUSPEND, FAILOVER, RESTART, NOTIFY)
PLAN = Plan("Block 203.0.113.7", (PlannedStep("platform", "block list", "platform"),))


def a_plan(action: Action) -> Plan:
    """The plan of the tests' agent."""
    return Plan(
        title=f"{action.kind} {action.target}",
        steps=(
            PlannedStep("platform", "the platform's list", "platform"),
            PlannedStep("vercel", "the firewall", "vercel", after_s=2),
        ),
        facts=(Fact("users seen in 24 h", "3", "warn"),),
        guards=(Guard("address", True, "it is nobody's of ours"),),
        choices=(
            Choice("positions", "Open positions", (("keep", "they stay open"), ("refuse", "go no further"))),
        )
        if action.kind == "suspend_account"
        else (),
        typed=action.target if action.kind == "failover" or action.target.startswith("typed") else "",
        command=f"tradex {action.kind} {action.target}",
    )


async def ask(store: Store, kind: str = "block_ip", target: str = "203.0.113.7", **params: str) -> int:
    """The number of a request of this store's person."""
    asked = await actions.request(store, kind=kind, target=target, params=params, reason="a test")
    return asked.id


async def planned(
    person: Store,
    agent: Store,
    lease: Lease,
    kind: str = "block_ip",
    target: str = "203.0.113.7",
    plan: Plan = PLAN,
    **params: str,
) -> Action:
    """A request of this person with its plan."""
    number = await ask(person, kind, target, **params)
    assert await actions.write_plan(agent, lease, number, plan)
    return await found(person, number)


async def found(store: Store, number: int) -> Action:
    action = await actions.one(store, number)
    assert action is not None
    return action


async def verbs(store: Store, number: int | None = None) -> list[str]:
    """What the audit has of an action, or altogether, oldest first."""
    return [e.verb for e in reversed(await audit.recent(store, action_id=number, limit=1000))]


@dataclass
class Agent:
    """An agent whose steps do nothing. It stops before the last step while `go` is clear; targets in `refused` get no
    plan but these words; those in `cut` are interrupted at their last step, those in `failing` fail there, those in
    `worsened` make it worse."""

    store: Store
    lease: Lease
    go: asyncio.Event = field(default_factory=asyncio.Event)
    refused: dict[str, str] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    worsened: set[str] = field(default_factory=set)

    async def run(self) -> None:
        tasks: dict[int, asyncio.Task[None]] = {}
        while True:
            for action, _, choice in await actions.in_states(self.store, ActionState):
                if action.state is ActionState.PLANNING:
                    words = self.refused.get(action.target)
                    plan = None if words else a_plan(action)
                    await actions.write_plan(self.store, self.lease, action.id, plan, words)
                waits = action.state is ActionState.INTERRUPTED and not choice
                done = action.id not in tasks or tasks[action.id].done()
                if not waits and done and action.state not in (ActionState.PLANNING, ActionState.PLANNED):
                    tasks[action.id] = asyncio.create_task(self.act(action))
            await asyncio.sleep(0.01)

    async def act(self, action: Action) -> None:
        chosen = await actions.start(self.store, self.lease, action.id)
        if chosen is None:
            return
        plan = a_plan(action)
        first, last = (
            Step(i, s.name, s.title, s.layer, StepState.PENDING) for i, s in enumerate(plan.steps, 1)
        )
        now = await self.store.now()
        first = replace(
            first, state=StepState.DONE, attempt=1, started_at=now, ended_at=now, text="in the list now"
        )
        last = replace(last, due_at=now + timedelta(seconds=1))
        await actions.write_steps(self.store, self.lease, action.id, (first, last))
        await actions.append_output(
            self.store,
            self.lease,
            action.id,
            step="platform",
            kind="command",
            lines=["INSERT INTO blocked_ips"],
        )
        await self.go.wait()
        if action.target in self.cut and not chosen:
            await actions.interrupt(self.store, self.lease, action.id, "did it happen?")
            return
        state = StepState.FAILED if action.target in self.failing else StepState.DONE
        last = replace(last, state=state, attempt=1, started_at=now, ended_at=await self.store.now())
        await actions.write_steps(self.store, self.lease, action.id, (last,))
        if state is StepState.FAILED:
            await actions.finish(
                self.store, self.lease, action.id, ActionState.FAILED, "the firewall said no"
            )
            return
        if action.kind == "block_ip":
            await effects.put(
                self.store,
                self.lease,
                action.id,
                kind=action.kind,
                target=action.target,
                expires_at=now + timedelta(hours=1),
                layers=[Layer("platform", "in force")],
            )
        await actions.watch(self.store, self.lease, action.id)
        verdict = "worse" if action.target in self.worsened else "proved"
        proof = Proof(verdict, printable("403 counted"), (Fact("403s", "12"),))
        await actions.finish(self.store, self.lease, action.id, ActionState.DONE, "it is done", proof)


@asynccontextmanager
async def working(place: Place) -> AsyncIterator[Agent]:
    """An agent that leads and works."""
    async with place.leader() as (store, lease):
        await actions.publish_kinds(store, lease, KINDS)
        agent = Agent(store, lease)
        agent.go.set()
        task = asyncio.create_task(agent.run())
        try:
            yield agent
        finally:
            task.cancel()
            # A test may have taken the store away from it.
            with contextlib.suppress(asyncio.CancelledError, Fenced, StoreAway):
                await task
