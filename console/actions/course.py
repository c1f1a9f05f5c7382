"""One action from where its journal says it is, step by step, to its end or to a question for a person.

A step that was cut off, or whose call was sent and got no answer, is done again only when its probe says that it has
not happened; where no probe can say, a person chooses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NoReturn, TypeVar

from console.actions.aftermath import Aftermath
from console.actions.journal import Journal
from console.actions.kind import Failed, Kind, Request, Run, StepDef
from console.actions.proving import happened
from console.actions.surroundings import Surroundings
from console.domain.action import Action, ActionState, Proof, Step, StepState
from console.domain.errors import Fenced, Refused, SourceFailed, TradexError

T = TypeVar("T")

log = logging.getLogger("tradex.actions")

_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 10.0
_CHECKS = 3
_CUT = frozenset({StepState.RUNNING, StepState.UNKNOWN})
_OVER = frozenset({StepState.DONE, StepState.SKIPPED, StepState.CANCELLED})


class _Ended(Exception):
    """The action is final, or waits for a person: nothing is left to do for now."""


class Course:
    """One action from where its journal says it is."""

    def __init__(self, journal: Journal, action: Action, around: Surroundings) -> None:
        self._journal = journal
        self._action = action
        self._around = around

    async def run(self) -> None:
        """To its end or its interruption. Raises Fenced."""
        choice = await self._journal.start()
        if choice is None:
            return
        self._action = await self._journal.read()
        await self._journal.read_steps()
        try:
            async with self._journal.writing():
                kind = await self._kind()
                run = await self._begin(kind)
                defs = {step.name: step for step in kind.steps(run.request)}
                names = await self._names(kind, run.request)
                aftermath = Aftermath(self._journal, self._around, kind, run, names)
                if self._action.state is not ActionState.VERIFYING:
                    await self._steps(run, defs, aftermath, choice)
                    await self._journal.watch()
                await self._end(*await aftermath.verify(defs))
        except _Ended:
            pass

    async def _kind(self) -> Kind:
        kind = self._around.kinds.get(self._action.kind)
        if kind is None:
            await self._end(
                ActionState.FAILED, f"this agent knows no action {self._action.kind}; {self._so_far()}"
            )
        return kind

    async def _begin(self, kind: Kind) -> Run:
        """The guards again, as long as nothing was done; and the steps into the journal."""
        request = Request.of(self._action)
        begun = self._action.started_at or await self._journal.now()
        if all(step.state is StepState.PENDING for step in self._journal.steps):
            await self._check(kind, request)
        if not self._journal.steps:
            scale = self._around.scale
            await self._journal.plan(
                [
                    Step(
                        seq=number,
                        name=step.name,
                        title=step.title,
                        layer=step.layer,
                        state=StepState.PENDING,
                        due_at=begun + step.after / scale if step.after else None,
                    )
                    for number, step in enumerate(kind.steps(request), 1)
                ]
            )
        return Run(
            request=request,
            changes=self._around.changes.traced(self._journal.command),
            begun=begun,
            now=await self._journal.now(),
            scale=self._around.scale,
            say=self._journal.say,
            sending=self._journal.command,
        )

    async def _names(self, kind: Kind, request: Request) -> tuple[str, ...]:
        try:
            return await _patiently(lambda: kind.names(self._around.changes, request))
        except (Refused, SourceFailed):
            # Then it is known as its plan wrote it, and as it was asked for.
            return tuple(dict.fromkeys((request.target or kind.target(request), kind.target(request))))

    async def _check(self, kind: Kind, request: Request) -> None:
        async def check() -> None:
            context = await self._journal.insist(lambda: self._around.context(self._journal.store))
            await kind.check(context, request)

        try:
            await _patiently(check)
        except Refused as error:
            await self._end(ActionState.REFUSED, f"refused when it was about to begin: {error}")
        except SourceFailed as error:
            await self._end(ActionState.FAILED, f"nothing was done: its guards can't be checked: {error}")

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _steps(self, run: Run, defs: Mapping[str, StepDef], aftermath: Aftermath, choice: str) -> None:
        for step in list(self._journal.steps):
            if step.state in _OVER:
                continue
            known = defs.get(step.name)
            if known is None:
                await self._interrupt(step, "this agent doesn't know it")
            if step.state is StepState.FAILED:
                if not known.optional:
                    await self._fail(step)
                continue
            await self._raise_cancelled()
            if step.state is StepState.PENDING and step.due_at is not None:
                await self._until(step.due_at, aftermath)
                later = await aftermath.superseded()
                if later:
                    await self._over(step, StepState.SKIPPED, f"its effect was {later} meanwhile")
                    continue
            run = replace(run, now=await self._journal.now())
            after = await self._step(run, step, known, choice)
            if step.state in _CUT:
                choice = ""
            await aftermath.put()
            if after.state is StepState.FAILED and not known.optional:
                await self._fail(after)
        if all(step.state is StepState.FAILED for step in self._journal.steps):
            await self._fail(self._journal.steps[-1])
        await aftermath.lift()

    async def _step(self, run: Run, step: Step, known: StepDef, choice: str) -> Step:
        """One step until it is over. Raises _Ended when a person has to choose."""
        if step.state in _CUT and choice == "skip":
            return await self._over(step, StepState.SKIPPED, "taken as done, as was chosen")
        attempt = step.attempt
        if step.state in _CUT and choice != "again":
            found = await happened(run, known, step.before, patient=False)
            if found:
                return await self._over(step, StepState.DONE, "it had happened when the agent was cut off")
            if found is None:
                await self._interrupt(step, "it was cut off")
        tries = attempt + known.retries
        while True:
            sent = self._journal.sent
            try:
                before = "" if known.before is None else await known.before(run)
                started_at = await self._journal.now()
                step = await self._journal.begin(
                    step, attempt=attempt + 1, started_at=started_at, text="", before=before
                )
                async with asyncio.timeout(known.timeout_s):
                    told = await known.do(run)
                return await self._over(step, StepState.DONE, told)
            except Fenced:
                raise
            except (Refused, Failed) as error:
                return await self._over(step, StepState.FAILED, str(error))
            except Exception as error:
                if not isinstance(error, TradexError | TimeoutError):
                    log.exception("action %d, step %s", self._action.id, step.name)
                why = _why(error, known)
                unsure = not isinstance(error, SourceFailed) and self._journal.sent > sent
            if unsure:
                found = await happened(run, known, step.before, patient=True)
                if found:
                    return await self._over(step, StepState.DONE, f"it has happened, though {why}")
                if found is None:
                    await self._interrupt(step, why)
                why = f"it has not happened: {why}"
            if attempt >= tries:
                return await self._over(step, StepState.FAILED, why)
            self._journal.say([f"again in a moment: {why}"], "note")
            await asyncio.sleep(min(_BACKOFF_S * 2 ** (attempt - tries + known.retries), _LONGEST_BACKOFF_S))
            attempt += 1
            await self._raise_cancelled()

    async def _over(self, step: Step, state: StepState, text: str) -> Step:
        return await self._journal.write(step, state=state, ended_at=await self._journal.now(), text=text)

    async def _until(self, due_at: datetime, aftermath: Aftermath) -> None:
        """Meanwhile what was done so far is watched."""
        while (left := (due_at - await self._journal.now()).total_seconds()) > 0:
            await self._raise_cancelled()
            await aftermath.prove()
            await asyncio.sleep(min(left, aftermath.pause_s))

    async def _raise_cancelled(self) -> None:
        """Ends it where somebody asked for that."""
        now = await self._journal.read()
        if now.cancelled_by:
            await self._end(ActionState.CANCELLED, f"{now.cancelled_by} cancelled it; {self._so_far()}")

    async def _fail(self, step: Step) -> NoReturn:
        await self._end(ActionState.FAILED, f"{step.title}: {step.text}; {self._so_far()}")

    async def _interrupt(self, step: Step, why: str) -> NoReturn:
        """Raises _Ended: a person chooses."""
        await self._journal.write(step, state=StepState.UNKNOWN, text=why)
        place = f"step {step.seq} of {len(self._journal.steps)} ({step.title})"
        await self._journal.interrupt(
            f"{place}: {why}; nobody can say whether it has happened: "
            "run it again, skip it as done, or stop here"
        )
        raise _Ended

    async def _end(self, state: ActionState, words: str, proof: Proof | None = None) -> NoReturn:
        """Raises _Ended."""
        await self._journal.finish(state, words, proof)
        raise _Ended

    def _so_far(self) -> str:
        """What is done, in words."""
        steps = self._journal.steps
        done = [s.title for s in steps if s.state in (StepState.DONE, StepState.SKIPPED)]
        if not done:
            return "nothing was done"
        return f"done, and not undone: {', '.join(done)} ({len(done)} of {len(steps)})"


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """What the platform answers, which is asked a few times. Raises what `work` raises."""
    for attempt in range(_CHECKS - 1):
        try:
            return await work()
        except SourceFailed:
            await asyncio.sleep(_BACKOFF_S * 2**attempt)
    return await work()


def _why(error: Exception, known: StepDef) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer came within {known.timeout_s:g} s"
    return (
        str(error) if isinstance(error, TradexError) else f"the agent failed at it ({type(error).__name__})"
    )
