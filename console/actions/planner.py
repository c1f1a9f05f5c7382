"""Plans what was asked for: the platform is asked, all requests at a time, each within a few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import TypeVar

from console.actions.kind import Kind, Request, StepDef
from console.actions.surroundings import Surroundings, woken
from console.domain.action import Action, ActionState, Plan, worded
from console.domain.errors import Fenced, Refused, TradexError
from console.domain.text import printable
from console.store import actions
from console.store.lease import Lease
from console.store.pool import Store

T = TypeVar("T")

log = logging.getLogger("tradex.actions")

_POLL_S = 1.0
_TIMEOUT_S = 5.0
_AT_ONCE = 8


async def plan_of(store: Store, around: Surroundings, request: Request) -> Plan:
    """The plan of a request. Raises Refused with the guard's reason or why it could not be planned, StoreAway and
    StoreRefused."""
    kind = around.kinds.get(request.kind)
    if kind is None:
        raise Refused(f"this agent knows no action {printable(worded(request.kind), 60)}")
    if kind.spec.unavailable:
        raise Refused(f"{worded(kind.spec.name)} can't be done here: {kind.spec.unavailable}")
    _require_one_target(kind, request)
    plan = await _asked(kind.plan(await around.context(store), request))
    return _with_others(around, kind.steps(replace(request, pins=plan.pins)), plan)


def _with_others(around: Surroundings, steps: Sequence[StepDef], plan: Plan) -> Plan:
    """With what its steps that are other actions take: nobody gets round a second person by a step. Raises Refused."""
    for step in steps:
        if not step.acts:
            continue
        other, name = around.kinds.get(step.acts), printable(worded(step.acts), 60)
        if other is None:
            raise Refused(f"{step.title}: there is no action {name}")
        if other.spec.unavailable:
            raise Refused(f"{step.title}: {name} can't be done here: {other.spec.unavailable}")
        if other.spec.second_person or other.spec.role == "commander":
            plan = replace(
                plan, second_person=plan.second_person or f"{name}, a step of it, takes a commander"
            )
    return plan


async def target_of(around: Surroundings, request: Request) -> str | None:
    """The one spelling of what a request that was planned is about; None for a kind that is about nothing. Raises
    Refused."""
    kind = around.kinds[request.kind]
    return (await _asked(kind.names(around.changes, request)))[0] if kind.spec.target else None


async def _asked(answer: Awaitable[T]) -> T:
    """What the platform answers in time. Raises Refused with why it doesn't."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await answer
    except TimeoutError:
        raise Refused(
            f"it could not be planned: the platform gave no answer within {_TIMEOUT_S:g} s"
        ) from None
    except Refused:
        raise
    except TradexError as error:
        raise Refused(f"it could not be planned: {error}") from None


def _require_one_target(kind: Kind, request: Request) -> None:
    """What everybody is shown as the target is what would be acted on. Raises Refused."""
    name = kind.spec.target
    if not name or not request.target or not request.params.get(name, ""):
        return
    shown = kind.target(replace(request, params={**request.params, name: request.target}))
    meant = kind.target(request)
    if shown != meant:
        raise Refused(f"its target is {shown}, its parameter {name} is {meant}")


class Planner:
    """One term of leading. `woken` is set by whoever hears that something has changed."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.woken = asyncio.Event()
        self._around = surroundings
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way: set[int] = set()

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled. Raises Fenced, StoreAway and StoreRefused."""
        async with asyncio.TaskGroup() as plans:
            while True:
                for action, _, _ in await actions.in_states(store, (ActionState.PLANNING,)):
                    if action.id not in self._under_way:
                        self._under_way.add(action.id)
                        plans.create_task(self._plan(store, lease, action))
                await woken(self.woken, _POLL_S)

    async def _plan(self, store: Store, lease: Lease, action: Action) -> None:
        try:
            async with self._slots:
                target = None
                try:
                    request = Request.of(action)
                    plan, refusal = await plan_of(store, self._around, request), None
                    target = await target_of(self._around, request)
                except Refused as error:
                    plan, refusal = None, str(error)
                except TradexError:
                    raise
                except Exception as error:
                    log.exception("action %d can't be planned", action.id)
                    plan, refusal = (
                        None,
                        f"it could not be planned: the agent failed at it ({type(error).__name__})",
                    )
                await actions.write_plan(store, lease, action.id, plan, refusal, target)
        except Fenced:
            raise
        except TradexError as error:
            # It is still asked for, and looked at again.
            log.warning("action %d is not planned yet: %s", action.id, error)
        finally:
            self._under_way.discard(action.id)
