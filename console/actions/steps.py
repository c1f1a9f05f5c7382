"""The steps of one action: each begins when those that it needs are over, so several may run at the same time.

One that was cut off, or whose call was sent and got no answer, is done again only when its probe says that it has not
happened; where no probe can say, a person chooses.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

from console.actions.aftermath import Aftermath
from console.actions.journal import Journal
from console.actions.kind import Failed, Request, Run, StepDef
from console.actions.planner import plan_of
from console.actions.proving import happened
from console.actions.surroundings import Surroundings
from console.domain.action import ActionState, Proof, Step, StepState
from console.domain.errors import Fenced, Refused, SourceFailed, TradexError

log = logging.getLogger("tradex.actions")

BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 10.0
LOOK_S = 0.5
CUT = frozenset({StepState.RUNNING, StepState.UNKNOWN})
OVER = frozenset({StepState.DONE, StepState.SKIPPED, StepState.CANCELLED})


class Stopped(Exception):
    """The action does not go on: what was done may be taken back, then it ends so."""

    def __init__(self, state: ActionState, words: str, proof: Proof | None = None) -> None:
        super().__init__(words)
        self.state, self.words, self.proof = state, words, proof


class Unsure(Exception):
    """Nobody can say whether a step has happened."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.text)
        self.step = step


class _CutOff(Exception):
    """A step was told to end at once."""


class Steps:
    """Those of one action, as its journal has them; `defs` is what is known of each, by name."""

    def __init__(self, journal: Journal, around: Surroundings) -> None:
        self.journal = journal
        self.defs: Mapping[str, StepDef] = {}
        self._around = around
        self._stopping = asyncio.Event()
        self._doing: dict[str, asyncio.Task[str]] = {}
        self._cut = ""

    async def all(self, run: Run, aftermath: Aftermath, choice: str) -> Step | None:
        """All of them, each as soon as it may begin; the one, if any, before which a second person has to agree.
        `choice` is that of a person about the step that was cut off. Raises Stopped, and Unsure when a person has to
        choose."""
        asked = self.asked_about()
        under_way: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                await self._raise_cancelled()
                for step in self._ready(under_way):
                    chosen = choice if step is asked else ""
                    under_way[step.name] = asyncio.create_task(self._in_time(run, step, aftermath, chosen))
                if not under_way:
                    break
                # One that waits for its time is looked after less often.
                waits = all(s.due_at is not None for s in self.journal.steps if s.name in under_way)
                pause_s = aftermath.pause_s if waits and not self._doing else LOOK_S
                await asyncio.wait(under_way.values(), timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
                for name in [name for name, task in under_way.items() if task.done()]:
                    under_way.pop(name).result()
        except (Stopped, Unsure) as error:
            await self._settle(under_way, error)
            # Who cancelled when the last step was done already ends only the watching.
            if not self._done():
                raise
        finally:
            await _ended(under_way.values())
        failed = self._failed()
        if failed is None and all(step.state is StepState.FAILED for step in self.journal.steps):
            failed = self.journal.steps[-1]
        if failed is not None:
            fail(failed)
        return next((s for s in self.journal.steps if s.state not in OVER | {StepState.FAILED}), None)

    def _done(self) -> bool:
        return all(step.state in (StepState.DONE, StepState.SKIPPED) for step in self.journal.steps)

    def asked_about(self) -> Step | None:
        """The step about which a person was asked, else the one at which it was cut off."""
        states = (StepState.UNKNOWN, StepState.RUNNING)
        return next((s for state in states for s in self.journal.steps if s.state is state), None)

    def _failed(self) -> Step | None:
        """The step for which it ends."""
        bad = (s for s in self.journal.steps if s.state is StepState.FAILED)
        return next((s for s in bad if s.name not in self.defs or not self.defs[s.name].optional), None)

    def _ready(self, under_way: Collection[str]) -> Iterator[Step]:
        """Those that may begin now. Where one failed already only what was cut off is brought to an end."""
        over = {s.name for s in self.journal.steps if s.state in OVER | {StepState.FAILED}}
        failed, before = self._failed() is not None, set[str]()
        for step in list(self.journal.steps):
            known = self.defs.get(step.name)
            needs = before if known is None or known.needs is None else before.intersection(known.needs)
            begins = step.state in CUT or (not failed and needs <= over)
            waits = known is not None and known.approval
            if step.name not in over and step.name not in under_way and begins and not waits:
                yield step
            before.add(step.name)

    async def _in_time(self, run: Run, step: Step, aftermath: Aftermath, choice: str) -> None:
        """One step, from its time on. Raises Stopped where it ends the action, and Unsure."""
        known = self.defs.get(step.name)
        if known is None and choice == "skip":
            await self.over(step, StepState.SKIPPED, "taken as done, as was chosen")
            return
        if known is None:
            await self._raise_unsure(step, "this agent doesn't know it")
        if step.state is StepState.PENDING and step.due_at is not None:
            await self._until(step.due_at, aftermath)
            later = await aftermath.superseded()
            if later:
                await self.over(step, StepState.SKIPPED, f"its effect was {later} meanwhile")
                return
        after = await self.one(run, step, known, choice)
        await aftermath.put()
        if after.state is StepState.FAILED and not known.optional:
            fail(after)

    async def _settle(self, under_way: Mapping[str, asyncio.Task[None]], error: Stopped | Unsure) -> None:
        """Brings what runs beside it to an end: at once what may be cut off. Raises Unsure where nobody can say of one
        whether it has happened: that comes first."""
        self._stopping.set()
        if isinstance(error, Stopped):
            self._cut = str(error)
            for name, doing in self._doing.items():
                if self.defs[name].cuttable:
                    doing.cancel()
        unsure = error if isinstance(error, Unsure) else None
        for end in await asyncio.gather(*under_way.values(), return_exceptions=True):
            if isinstance(end, Unsure):
                unsure = unsure or end
            elif end is not None and not isinstance(end, Stopped):
                raise end
        self._stopping.clear()
        if unsure is not None:
            raise unsure

    async def one(self, run: Run, step: Step, known: StepDef, choice: str) -> Step:
        """One step until it is over. Raises Unsure when a person has to choose."""
        if step.state in CUT and choice == "skip":
            return await self.over(step, StepState.SKIPPED, "taken as done, as was chosen")
        run = replace(run, now=await self.journal.now(), **self._own(step))
        attempt, repeats = step.attempt, known.harmless or known.repeats
        if step.state in CUT and choice != "again" and not repeats:
            found = await happened(run, known, step.before, patient=False)
            if found:
                return await self.over(step, StepState.DONE, "it had happened when the agent was cut off")
            if found is None:
                await self._raise_unsure(step, "it was cut off")
        tries = attempt + known.retries
        while True:
            sent = self.journal.sent(step.name)
            try:
                before = "" if known.before is None else await known.before(run)
                started_at = await self.journal.now()
                step = await self.journal.begin(
                    step, attempt=attempt + 1, started_at=started_at, text="", before=before
                )
                return await self.over(step, StepState.DONE, await self._do(run, step, known))
            except (Fenced, Stopped):
                raise
            except (Refused, Failed) as error:
                return await self.over(step, StepState.FAILED, str(error))
            except _CutOff:
                return await self._cut_off(run, step, known)
            except Exception as error:
                if not isinstance(error, TradexError | TimeoutError):
                    log.exception("action %d, step %s", self.journal.action_id, step.name)
                why = _why(error, known)
                unsure = not (
                    isinstance(error, SourceFailed) or repeats or self.journal.sent(step.name) == sent
                )
            if unsure:
                found = await happened(run, known, step.before, patient=True)
                if found:
                    return await self.over(step, StepState.DONE, f"it has happened, though {why}")
                if found is None:
                    await self._raise_unsure(step, why)
                why = f"it has not happened: {why}"
            if attempt >= tries:
                return await self.over(step, StepState.FAILED, why)
            self.journal.say(step.name, [f"again in a moment: {why}"], "note")
            pause_s = min(BACKOFF_S * 2 ** (attempt - tries + known.retries), _LONGEST_BACKOFF_S)
            if await self._stops(pause_s):
                if not self._cut:
                    # A person is asked about another step: this one is taken up again after that.
                    raise Stopped(ActionState.INTERRUPTED, why)
                return await self.over(step, StepState.CANCELLED, f"{self._cut}; before that {why}")
            attempt += 1

    async def _do(self, run: Run, step: Step, known: StepDef) -> str:
        """Raises _CutOff where it was told to end at once."""
        doing = asyncio.ensure_future(known.do(run))
        self._doing[step.name] = doing
        try:
            async with asyncio.timeout(known.timeout_s):
                return await doing
        except asyncio.CancelledError:
            # Of the step alone; else it is this agent that ends.
            current = asyncio.current_task()
            if current is not None and not current.cancelling():
                raise _CutOff from None
            raise
        finally:
            del self._doing[step.name]

    async def _cut_off(self, run: Run, step: Step, known: StepDef) -> Step:
        if not known.harmless and await happened(run, known, step.before, patient=True):
            return await self.over(step, StepState.DONE, f"it had happened when it was cut off: {self._cut}")
        return await self.over(step, StepState.CANCELLED, f"cut off: {self._cut}")

    async def over(self, step: Step, state: StepState, text: str) -> Step:
        """So it ended."""
        return await self.journal.write(step, state=state, ended_at=await self.journal.now(), text=text)

    async def _until(self, due_at: datetime, aftermath: Aftermath) -> None:
        """Meanwhile what was done so far is watched."""
        while (left := (due_at - await self.journal.now()).total_seconds()) > 0:
            await aftermath.prove()
            if await self._stops(min(left, aftermath.pause_s)):
                raise Stopped(ActionState.FAILED, self._cut)

    async def _stops(self, seconds: float) -> bool:
        """Waits; whether it is to end meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _raise_cancelled(self) -> None:
        """Ends it where somebody asked for that."""
        now = await self.journal.read()
        if now.cancelled_by:
            raise Stopped(ActionState.CANCELLED, f"{now.cancelled_by} cancelled it")

    async def _raise_unsure(self, step: Step, why: str) -> NoReturn:
        raise Unsure(await self.journal.write(step, state=StepState.UNKNOWN, text=why))

    def _own(self, step: Step) -> dict[str, Any]:
        """What of a run is this step's; and what the others said so far."""
        command = partial(self.journal.command, step.name)
        return {
            "told": {f"{s.name}_said": s.text for s in self.journal.steps},
            "say": partial(self.journal.say, step.name),
            "sending": command,
            "changes": self._around.changes.traced(command),
            "act": partial(act, self.journal, self._around, step.name),
        }


def fail(step: Step) -> NoReturn:
    """Raises Stopped for what this step says."""
    raise Stopped(ActionState.FAILED, f"{step.title}: {step.text}")


async def act(
    journal: Journal, around: Surroundings, name: str, kind: str, target: str, params: Mapping[str, str]
) -> str:
    """Another action, for the step `name`, to its end; how that was. Where that was cut off the same one is waited
    for. Raises Failed and Refused."""
    cause = f"action {journal.action_id}, {name}"
    made = await journal.caused(cause)
    if made is None or (made.state.final and made.state is not ActionState.DONE):
        request = Request(0, kind, target, params, f"part of action {journal.action_id}")
        plan = await plan_of(journal.store, around, request)
        number, refusal = await journal.act(
            kind, target, params, reason=request.reason, cause=cause, plan=plan
        )
        made = await journal.caused(cause)
        if made is None or made.id != number:
            raise Failed(refusal)
    told = False
    while not made.state.final:
        if made.state is ActionState.PLANNED and not told:
            journal.say(name, [f"action {made.id} waits for somebody to confirm it"], "note")
            told = True
        await asyncio.sleep(LOOK_S)
        made = await journal.caused(cause) or made
    words = f"action {made.id} is {made.state}: {made.words}"
    if made.state is not ActionState.DONE:
        raise Failed(words)
    return words


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancels what still runs, and waits for that."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _why(error: Exception, known: StepDef) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer came within {known.timeout_s:g} s"
    return (
        str(error) if isinstance(error, TradexError) else f"the agent failed at it ({type(error).__name__})"
    )
