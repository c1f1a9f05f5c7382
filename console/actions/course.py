"""One action from where its journal says it is, step by step, to its end or to a question for a person.

A step that was cut off, or whose call was sent and got no answer, is done again only when its probe says that it has
not happened; where no probe can say, a person chooses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NoReturn, TypeVar

from console.actions.aftermath import Aftermath, Verdict
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


class _Stopped(Exception):
    """It does not go on: what was done may be taken back, then it ends so."""

    def __init__(self, state: ActionState, words: str, proof: Proof | None = None) -> None:
        super().__init__(words)
        self.state, self.words, self.proof = state, words, proof


class Course:
    """One action from where its journal says it is."""

    def __init__(self, journal: Journal, action: Action, around: Surroundings) -> None:
        self._journal = journal
        self._action = action
        self._around = around
        self._defs: Mapping[str, StepDef] = {}
        self._going_back = False

    async def run(self) -> None:
        """To its end or its interruption. Raises Fenced."""
        question = self._action.question
        choice = await self._journal.start()
        if choice is None:
            return
        self._action = await self._journal.read()
        await self._journal.read_steps()
        try:
            async with self._journal.writing():
                kind = await self._kind()
                run = await self._begin(kind)
                self._defs = {step.name: step for step in kind.steps(run.request)}
                names = await self._names(kind, run.request)
                aftermath = Aftermath(self._journal, self._around, kind, run, names)
                try:
                    self._raise_going_back()
                    if choice == "stop":
                        raise _Stopped(ActionState.FAILED, f"given up where it was cut off: {question}")
                    if self._action.state is not ActionState.VERIFYING:
                        await self._steps(run, aftermath, choice)
                        await self._journal.watch()
                    verdict = await aftermath.verify(self._defs)
                    if verdict.state is ActionState.FAILED and any(self._way_back()):
                        raise _Stopped(verdict.state, verdict.words, verdict.proof)
                except _Stopped as stopped:
                    words = f"{stopped.words}; {await self._go_back(run, choice) or self._so_far()}"
                    verdict = Verdict(stopped.state, words, stopped.proof)
                await self._record(kind, run, verdict)
                await self._end(*verdict)
        except _Ended:
            pass

    async def _record(self, kind: Kind, run: Run, verdict: Verdict) -> None:
        """What it made of a release."""
        made = await kind.released(self._told(run), verdict.state, verdict.words)
        if made is not None:
            await self._journal.release(made)

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

    async def _steps(self, run: Run, aftermath: Aftermath, choice: str) -> None:
        for step in list(self._journal.steps):
            if step.state in _OVER:
                continue
            known = self._defs.get(step.name)
            if known is None:
                await self._interrupt(step, "this agent doesn't know it")
            if step.state is StepState.FAILED:
                if not known.optional:
                    self._fail(step)
                continue
            await self._raise_cancelled()
            if step.state is StepState.PENDING and step.due_at is not None:
                await self._until(step.due_at, aftermath)
                later = await aftermath.superseded()
                if later:
                    await self._over(step, StepState.SKIPPED, f"its effect was {later} meanwhile")
                    continue
            run = replace(run, now=await self._journal.now())
            after = await self._step(self._told(run), step, known, choice)
            if step.state in _CUT:
                choice = ""
            await aftermath.put()
            if after.state is StepState.FAILED and not known.optional:
                self._fail(after)
        if all(step.state is StepState.FAILED for step in self._journal.steps):
            self._fail(self._journal.steps[-1])
        await aftermath.lift()

    async def _step(self, run: Run, step: Step, known: StepDef, choice: str) -> Step:
        """One step until it is over. Raises _Ended when a person has to choose."""
        if step.state in _CUT and choice == "skip":
            return await self._over(step, StepState.SKIPPED, "taken as done, as was chosen")
        attempt = step.attempt
        if step.state in _CUT and choice != "again" and not known.harmless:
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
                unsure = not (isinstance(error, SourceFailed) or known.harmless or self._journal.sent == sent)
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
        if now.cancelled_by and not self._going_back:
            raise _Stopped(ActionState.CANCELLED, f"{now.cancelled_by} cancelled it")

    def _fail(self, step: Step) -> NoReturn:
        raise _Stopped(ActionState.FAILED, f"{step.title}: {step.text}")

    # --- the way back -------------------------------------------------------------------------------------------------

    def _way_back(self) -> Iterator[tuple[Step, StepDef]]:
        """Steps that may have left something behind, the last first, and how each is taken back."""
        for step in reversed(self._journal.steps):
            undo = self._defs[step.name].undo if step.name in self._defs else None
            if undo is not None and step.state is not StepState.PENDING:
                yield step, undo

    def _raise_going_back(self) -> None:
        """Who takes it over goes on on the way back, if that is where it was."""
        if not any(step.name == undo.name for _, undo in self._way_back() for step in self._journal.steps):
            return
        for step in self._journal.steps:
            known = self._defs.get(step.name)
            if step.state is StepState.FAILED and known is not None and not known.optional:
                self._fail(step)
        if self._action.cancelled_by:
            raise _Stopped(ActionState.CANCELLED, f"{self._action.cancelled_by} cancelled it")
        proof = self._action.proof
        raise _Stopped(ActionState.FAILED, "it was given up" if proof is None else proof.text, proof)

    async def _go_back(self, run: Run, choice: str) -> str:
        """What was done is taken back; that in words, "" where no step says how. `choice` is that of a person about the
        step that was cut off."""
        self._going_back = True
        good, bad = [], []
        for _, undo in list(self._way_back()):
            step = next((s for s in self._journal.steps if s.name == undo.name), None)
            if step is None:
                number = len(self._journal.steps) + 1
                step = await self._journal.add(
                    Step(number, undo.name, undo.title, undo.layer, StepState.PENDING)
                )
            if step.state in _CUT and choice == "stop":
                step = await self._over(step, StepState.FAILED, "given up where it was cut off")
            elif step.state not in _OVER and step.state is not StepState.FAILED:
                step = await self._step(self._told(run), step, undo, choice)
            (bad if step.state is StepState.FAILED else good).append(step)
        if bad:
            return f"NOT ALL of it was taken back: {', '.join(f'{s.title}: {s.text}' for s in bad)}"
        return f"taken back: {', '.join(s.title for s in good)}" if good else ""

    def _told(self, run: Run) -> Run:
        """With what its steps said so far."""
        return replace(run, told={f"{s.name}_said": s.text for s in self._journal.steps})

    async def _interrupt(self, step: Step, why: str) -> NoReturn:
        """Raises _Ended: a person chooses."""
        await self._journal.write(step, state=StepState.UNKNOWN, text=why)
        place = f"step {step.seq} of {len(self._journal.steps)} ({step.title})"
        await self._journal.interrupt(
            f"{place}: {why}; nobody can say whether it has happened: "
            f"run it again, skip it as done, or stop here{' and go back' if any(self._way_back()) else ''}"
        )
        raise _Ended

    async def _end(self, state: ActionState, words: str, proof: Proof | None = None) -> NoReturn:
        """Raises _Ended."""
        await self._journal.finish(state, words, proof)
        raise _Ended

    def _so_far(self) -> str:
        """What is done, in words."""
        steps = self._journal.steps
        over = [s for s in steps if s.state in (StepState.DONE, StepState.SKIPPED)]
        done = [s.title for s in over if s.name not in self._defs or not self._defs[s.name].harmless]
        if not done:
            return "nothing was changed" if over else "nothing was done"
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
