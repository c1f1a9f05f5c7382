"""The journal of one action that runs: every step before and after it is done, and every call, under the own fence.

A write that the store doesn't take, because it is away, is tried until it does or the lease is lost: what was done must
not be forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from console.domain.action import Action, ActionState, Effect, Layer, Plan, Proof, Step, StepState
from console.domain.errors import Fenced, StoreAway, StoreRefused, TradexError
from console.domain.release import Released
from console.store import actions, effects, releases
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.actions")

P = ParamSpec("P")
T = TypeVar("T")

TAKEOVER_S = 3.0
"""So long after it has the lease an agent leaves alone what another one ran."""
# An effect is begun only so soon after a write under the fence: whoever takes over waits longer than that, so that an
# agent that stood still in between can't do what its successor has done meanwhile.
FRESH_S = 2.5
_SIGN_S = 0.8
_BATCH_S, _MOST_LINES = 0.1, 2000
_AGAIN_S = 0.25


class Stale(TradexError):
    """Too long since the last write under the fence: nothing is sent before another one."""


class Journal:
    """`steps` are those of the action as they stand in the store."""

    def __init__(self, store: Store, lease: Lease, action_id: int) -> None:
        self.store = store
        self.lease = lease
        self.action_id = action_id
        self.steps: list[Step] = []
        self._held_at = 0.0
        self._sent: Counter[str] = Counter()
        self._lines: list[tuple[str, str, str]] = []
        self._more = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._told = ""

    async def insist(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, however long the store is away. Raises Fenced and StoreRefused."""
        while True:
            try:
                return await work()
            except StoreAway:
                await asyncio.sleep(_AGAIN_S)

    async def _held(self, write: Awaitable[T]) -> T:
        """The result of a write under the fence: when it was begun the lease was held."""
        begun = _now()
        result = await write
        self._held_at = begun
        return result

    async def _fenced(
        self,
        write: Callable[Concatenate[Store, Lease, int, P], Awaitable[T]],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """As `insist`, of a write under the fence about this action."""
        return await self.insist(
            lambda: self._held(write(self.store, self.lease, self.action_id, *args, **options))
        )

    async def now(self) -> datetime:
        """The store's clock."""
        return await self.insist(self.store.now)

    async def start(self) -> str | None:
        """As `actions.start`."""
        return await self._fenced(actions.start)

    async def read(self) -> Action:
        """The action as it stands."""
        found = await self.insist(lambda: actions.one(self.store, self.action_id))
        if found is None:
            raise StoreRefused(f"the store has no action {self.action_id} any more")
        return found

    async def read_steps(self) -> None:
        """Into `steps`."""
        self.steps = await self.insist(lambda: actions.steps(self.store, self.action_id))

    async def output_size(self) -> tuple[int, int]:
        """How many bytes and lines of output are kept."""
        return await self.insist(lambda: actions.output_size(self.store, self.action_id))

    async def plan(self, steps: Sequence[Step]) -> None:
        """These are its steps."""
        self.steps = list(steps)
        await self._fenced(actions.write_steps, self.steps)

    async def write(self, step: Step, **changes: Any) -> Step:
        """This step as it is from now on; what was said in it is written before."""
        new = replace(step, **changes)
        await self._try(self._flush())
        await self._fenced(actions.write_steps, [new])
        self.steps[self.steps.index(step)] = new
        return new

    async def begin(self, step: Step, **changes: Any) -> Step:
        """It is about to be done."""
        return await self.write(step, state=StepState.RUNNING, **changes)

    def sent(self, step: str) -> int:
        """How many calls that change something a step made so far."""
        return self._sent[step]

    def command(self, step: str, line: str) -> None:
        """A call that a step is about to make. Raises Stale when it must not be."""
        if _now() - self._held_at > FRESH_S:
            raise Stale("nothing is sent so long after the last sign of the lease")
        self._sent[step] += 1
        self.say(step, [line], "command")

    def say(self, step: str, lines: Sequence[str], kind: str = "out") -> None:
        """Lines of output of a step; they are written soon."""
        self._lines += [(step, kind, line) for line in lines]
        self._more.set()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Within it what was said is written, in at most ten batches a second."""
        writer = asyncio.create_task(self._write_forever())
        try:
            yield
        finally:
            with contextlib.suppress(Fenced):
                await self._try(self._flush())
            # Not in the middle of a batch, which would be written twice.
            async with self._flushing:
                writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SIGN_S):
                    await self._more.wait()
            await self._try(self._flush())
            if _now() - self._held_at > _SIGN_S / 2:
                # Writes nothing of this action's: what counts is that it is under the fence.
                await self._try(self._held(actions.expire(self.store, self.lease)))
            await asyncio.sleep(_BATCH_S)

    async def _try(self, work: Awaitable[object]) -> None:
        """Work that is done again in a moment where the store doesn't take it. Raises Fenced."""
        try:
            await work
        except Fenced:
            raise
        except TradexError as error:
            if str(error) != self._told:
                log.warning("action %d, not written yet: %s", self.action_id, error)
                self._told = str(error)

    async def _flush(self) -> None:
        async with self._flushing:
            while self._lines:
                step, kind, _ = self._lines[0]
                alike = (i for i, line in enumerate(self._lines) if line[:2] != (step, kind))
                count = min(next(alike, len(self._lines)), _MOST_LINES)
                lines = [text for _, _, text in self._lines[:count]]
                await self._held(
                    actions.append_output(
                        self.store, self.lease, self.action_id, step=step, kind=kind, lines=lines
                    )
                )
                del self._lines[:count]
            self._more.clear()

    async def watch(self) -> None:
        """All steps are over."""
        await self._fenced(actions.watch)

    async def prove(self, proof: Proof) -> None:
        """What is seen so far."""
        await self._fenced(actions.write_proof, proof)

    async def add(self, step: Step) -> Step:
        """One more step, after those that there are."""
        await self._fenced(actions.write_steps, [step])
        self.steps.append(step)
        return step

    async def release(self, made: Released) -> None:
        """What became of the release that it deployed."""
        await self._fenced(releases.put, made)

    async def finish(self, state: ActionState, words: str, proof: Proof | None = None) -> None:
        """The end of it."""
        await self._fenced(actions.finish, state, words, proof)

    async def interrupt(self, question: str, *, approval: bool = False) -> None:
        """A person has to choose, or with `approval` a second one to agree."""
        await self._fenced(actions.interrupt, question, approval=approval)

    async def act(
        self, kind: str, target: str, params: Mapping[str, str], *, reason: str, cause: str, plan: Plan
    ) -> tuple[int | None, str]:
        """As `actions.request_automatic`, of an action that this one asks for."""
        return await self.insist(
            lambda: self._held(
                actions.request_automatic(
                    self.store,
                    self.lease,
                    kind=kind,
                    target=target,
                    params=params,
                    reason=reason,
                    cause=cause,
                    plan=plan,
                    undo_of=None,
                )
            )
        )

    async def caused(self, cause: str) -> Action | None:
        """The latest action of this cause."""
        return await self.insist(lambda: actions.caused(self.store, cause))

    async def put_effect(
        self, kind: str, target: str, expires_at: datetime | None, layers: Sequence[Layer]
    ) -> None:
        """It is in force on these layers."""
        await self._fenced(effects.put, kind=kind, target=target, expires_at=expires_at, layers=layers)

    async def lift_effect(self, kind: str, target: str, layers: Sequence[Layer]) -> None:
        """What an action of that kind put in force is not any more."""
        await self._fenced(effects.lift, kind=kind, target=target, layers=layers)

    async def effects(self, kind: str, targets: Sequence[str], since: datetime) -> list[Effect]:
        """Those of that kind and one of these targets which are in force, or were lifted since then."""
        found = await self.insist(lambda: effects.current(self.store, lifted_since=since))
        return [e for e in found if e.kind == kind and e.target in targets]


def _now() -> float:
    """Seconds that also pass while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
