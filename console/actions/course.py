"""One action from where its journal says it is, step by step, to its end or to a question for a person.

A step begins when those that it needs are over, so several may run at the same time. One that was cut off, or whose
call was sent and got no answer, is done again only when its probe says that it has not happened; where no probe can
say, a person chooses.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NoReturn, TypeVar

from console.actions.aftermath import Aftermath, Verdict
from console.actions.journal import Journal
from console.actions.kind import Failed, Kind, Request, Run, StepDef
from console.actions.planner import plan_of
from console.actions.proving import happened
from console.actions.surroundings import Surroundings
from console.domain.action import Action, ActionState, Proof, Step, StepState
from console.domain.errors import Fenced, Refused, SourceFailed, TradexError
from console.processes.commands import Room

T = TypeVar("T")

log = logging.getLogger("tradex.actions")

_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 10.0
_LOOK_S = 0.5
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


class _CutOff(Exception):
    """A step was told to end at once."""


class _Unsure(Exception):
    """Nobody can say whether a step has happened."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.text)
        self.step = step


class Course:
    """One action from where its journal says it is."""

    def __init__(self, journal: Journal, action: Action, around: Surroundings) -> None:
        self._journal = journal
        self._action = action
        self._around = around
        self._defs: Mapping[str, StepDef] = {}
        self._going_back = False
        self._stopping = asyncio.Event()
        self._doing: dict[str, asyncio.Task[str]] = {}
        self._cut = ""

    async def run(self) -> None:
        """To its end or its interruption. Raises Fenced."""
        question, waited = self._action.question, self._action.waits_for_approval
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
                        asked = self._asked_about()
                        if waited and asked is not None:
                            await self._over(asked, StepState.CANCELLED, "nobody agreed")
                        why = "nobody agreed" if waited else "given up where it was cut off"
                        raise _Stopped(ActionState.FAILED, f"{why}: {question}")
                    if self._action.state is not ActionState.VERIFYING:
                        await self._steps(run, aftermath, choice)
                        await self._journal.watch()
                    verdict = await aftermath.verify(self._defs)
                    if verdict.state is ActionState.FAILED and any(self._way_back()):
                        raise _Stopped(verdict.state, verdict.words, verdict.proof)
                except _Stopped as stopped:
                    self._journal.say("", [f"it does not go on: {stopped.words}"], "note")
                    back = await self._go_back(run, choice)
                    proof = stopped.proof
                    if back and proof is not None:
                        # What was seen then is not there any more.
                        proof = replace(proof, facts=())
                    verdict = Verdict(stopped.state, f"{stopped.words}; {back or self._so_far()}", proof)
                await self._record(kind, run, verdict)
                await self._end(*verdict)
        except _Ended:
            pass

    async def _record(self, kind: Kind, run: Run, verdict: Verdict) -> None:
        """What it made of a release."""
        made = await kind.released(run, verdict.state, verdict.words)
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
        size, lines = await self._journal.output_size()
        return Run(
            request=request,
            changes=self._around.changes,
            begun=begun,
            now=await self._journal.now(),
            scale=self._around.scale,
            say=partial(self._journal.say, ""),
            sending=partial(self._journal.command, ""),
            room=Room(bytes_used=size, lines_used=lines),
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
        """All of them, each as soon as it may begin. Raises _Stopped, and _Ended when a person has to choose."""
        asked = self._asked_about()
        under_way: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                await self._raise_cancelled()
                for step in self._ready(under_way):
                    chosen = choice if step is asked else ""
                    under_way[step.name] = asyncio.create_task(self._one(run, step, aftermath, chosen))
                if not under_way:
                    break
                pause_s = _LOOK_S if self._doing else aftermath.pause_s
                await asyncio.wait(under_way.values(), timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
                for name in [name for name, task in under_way.items() if task.done()]:
                    under_way.pop(name).result()
        except (_Stopped, _Unsure) as error:
            unsure = await self._settle(under_way, error)
            if unsure is not None:
                await self._interrupt(unsure)
            # Who cancelled when the last step was done already ends only the watching.
            if not self._done():
                raise
        finally:
            await _ended(under_way.values())
        failed = self._failed()
        if failed is not None:
            self._fail(failed)
        waiting = next((s for s in self._journal.steps if s.state not in _OVER | {StepState.FAILED}), None)
        if waiting is not None:
            await self._approval(waiting, choice if waiting is asked else "")
            await self._steps(run, aftermath, "")
        elif all(step.state is StepState.FAILED for step in self._journal.steps):
            self._fail(self._journal.steps[-1])
        else:
            await aftermath.lift()

    def _done(self) -> bool:
        return all(step.state in (StepState.DONE, StepState.SKIPPED) for step in self._journal.steps)

    def _asked_about(self) -> Step | None:
        """The step about which a person was asked, else the one at which it was cut off."""
        states = (StepState.UNKNOWN, StepState.RUNNING)
        return next((s for state in states for s in self._journal.steps if s.state is state), None)

    def _failed(self) -> Step | None:
        """The step for which it ends."""
        bad = (s for s in self._journal.steps if s.state is StepState.FAILED)
        return next((s for s in bad if s.name not in self._defs or not self._defs[s.name].optional), None)

    def _ready(self, under_way: Collection[str]) -> Iterator[Step]:
        """Those that may begin now. Where one failed already only what was cut off is brought to an end."""
        over = {s.name for s in self._journal.steps if s.state in _OVER | {StepState.FAILED}}
        failed, before = self._failed() is not None, set[str]()
        for step in list(self._journal.steps):
            known = self._defs.get(step.name)
            needs = before if known is None or known.needs is None else before.intersection(known.needs)
            begins = step.state in _CUT or (not failed and needs <= over)
            waits = known is not None and known.approval
            if step.name not in over and step.name not in under_way and begins and not waits:
                yield step
            before.add(step.name)

    async def _one(self, run: Run, step: Step, aftermath: Aftermath, choice: str) -> None:
        """One step, from its time on. Raises _Stopped where it ends the action, and _Unsure."""
        known = self._defs.get(step.name)
        if known is None and choice == "skip":
            await self._over(step, StepState.SKIPPED, "taken as done, as was chosen")
            return
        if known is None:
            await self._raise_unsure(step, "this agent doesn't know it")
        if step.state is StepState.PENDING and step.due_at is not None:
            await self._until(step.due_at, aftermath)
            later = await aftermath.superseded()
            if later:
                await self._over(step, StepState.SKIPPED, f"its effect was {later} meanwhile")
                return
        run = replace(run, now=await self._journal.now())
        after = await self._step(self._told(run, step), step, known, choice)
        await aftermath.put()
        if after.state is StepState.FAILED and not known.optional:
            self._fail(after)

    async def _settle(
        self, under_way: Mapping[str, asyncio.Task[None]], error: _Stopped | _Unsure
    ) -> Step | None:
        """Brings what runs beside it to an end: at once what may be cut off. The step, if any, of which nobody can say
        whether it has happened."""
        self._stopping.set()
        if isinstance(error, _Stopped):
            self._cut = str(error)
            for name, doing in self._doing.items():
                if self._defs[name].cuttable:
                    doing.cancel()
        unsure = error.step if isinstance(error, _Unsure) else None
        for end in await asyncio.gather(*under_way.values(), return_exceptions=True):
            if isinstance(end, _Unsure):
                unsure = unsure or end.step
            elif end is not None and not isinstance(end, _Stopped):
                raise end
        self._stopping.clear()
        return unsure

    async def _approval(self, step: Step, choice: str) -> None:
        """A second person agrees before it goes on. Raises _Ended as long as nobody has."""
        if choice == "skip":
            await self._over(step, StepState.DONE, f"{self._action.approved_by} agreed")
            return
        known, started_at = self._defs[step.name], step.started_at or await self._journal.now()
        text = f"waits for a second person: {known.approval}"
        await self._journal.write(step, state=StepState.RUNNING, started_at=started_at, text=text)
        await self._journal.interrupt(known.approval, approval=True)
        raise _Ended

    async def _step(self, run: Run, step: Step, known: StepDef, choice: str) -> Step:
        """One step until it is over. Raises _Unsure when a person has to choose."""
        if step.state in _CUT and choice == "skip":
            return await self._over(step, StepState.SKIPPED, "taken as done, as was chosen")
        attempt, repeats = step.attempt, known.harmless or known.repeats
        if step.state in _CUT and choice != "again" and not repeats:
            found = await happened(run, known, step.before, patient=False)
            if found:
                return await self._over(step, StepState.DONE, "it had happened when the agent was cut off")
            if found is None:
                await self._raise_unsure(step, "it was cut off")
        tries = attempt + known.retries
        while True:
            sent = self._journal.sent(step.name)
            try:
                before = "" if known.before is None else await known.before(run)
                started_at = await self._journal.now()
                step = await self._journal.begin(
                    step, attempt=attempt + 1, started_at=started_at, text="", before=before
                )
                return await self._over(step, StepState.DONE, await self._do(run, step, known))
            except (Fenced, _Stopped):
                raise
            except (Refused, Failed) as error:
                return await self._over(step, StepState.FAILED, str(error))
            except _CutOff:
                return await self._cut_off(run, step, known)
            except Exception as error:
                if not isinstance(error, TradexError | TimeoutError):
                    log.exception("action %d, step %s", self._action.id, step.name)
                why = _why(error, known)
                unsure = not (
                    isinstance(error, SourceFailed) or repeats or self._journal.sent(step.name) == sent
                )
            if unsure:
                found = await happened(run, known, step.before, patient=True)
                if found:
                    return await self._over(step, StepState.DONE, f"it has happened, though {why}")
                if found is None:
                    await self._raise_unsure(step, why)
                why = f"it has not happened: {why}"
            if attempt >= tries:
                return await self._over(step, StepState.FAILED, why)
            self._journal.say(step.name, [f"again in a moment: {why}"], "note")
            pause_s = min(_BACKOFF_S * 2 ** (attempt - tries + known.retries), _LONGEST_BACKOFF_S)
            if await self._stops(pause_s):
                if not self._cut:
                    # A person is asked about another step: this one is taken up again after that.
                    raise _Stopped(ActionState.INTERRUPTED, why)
                return await self._over(step, StepState.CANCELLED, f"{self._cut}; before that {why}")
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
            return await self._over(step, StepState.DONE, f"it had happened when it was cut off: {self._cut}")
        return await self._over(step, StepState.CANCELLED, f"cut off: {self._cut}")

    async def _over(self, step: Step, state: StepState, text: str) -> Step:
        return await self._journal.write(step, state=state, ended_at=await self._journal.now(), text=text)

    async def _until(self, due_at: datetime, aftermath: Aftermath) -> None:
        """Meanwhile what was done so far is watched."""
        while (left := (due_at - await self._journal.now()).total_seconds()) > 0:
            await aftermath.prove()
            if await self._stops(min(left, aftermath.pause_s)):
                raise _Stopped(ActionState.FAILED, self._cut)

    async def _stops(self, seconds: float) -> bool:
        """Waits; whether it is to end meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _raise_cancelled(self) -> None:
        """Ends it where somebody asked for that."""
        now = await self._journal.read()
        if now.cancelled_by:
            raise _Stopped(ActionState.CANCELLED, f"{now.cancelled_by} cancelled it")

    async def _raise_unsure(self, step: Step, why: str) -> NoReturn:
        raise _Unsure(await self._journal.write(step, state=StepState.UNKNOWN, text=why))

    def _fail(self, step: Step) -> NoReturn:
        raise _Stopped(ActionState.FAILED, f"{step.title}: {step.text}")

    async def _act(self, name: str, kind: str, target: str, params: Mapping[str, str]) -> str:
        """Another action, to its end; how that was. Where the step was cut off the same one is waited for. Raises
        Failed and Refused."""
        cause = f"action {self._action.id}, {name}"
        made = await self._journal.caused(cause)
        if made is None or (made.state.final and made.state is not ActionState.DONE):
            request = Request(0, kind, target, params, f"part of action {self._action.id}")
            plan = await plan_of(self._journal.store, self._around, request)
            number, refusal = await self._journal.act(
                kind, target, params, reason=request.reason, cause=cause, plan=plan
            )
            made = await self._journal.caused(cause)
            if made is None or made.id != number:
                raise Failed(refusal)
        told = False
        while not made.state.final:
            if made.state is ActionState.PLANNED and not told:
                self._journal.say(name, [f"action {made.id} waits for somebody to confirm it"], "note")
                told = True
            await asyncio.sleep(_LOOK_S)
            made = await self._journal.caused(cause) or made
        words = f"action {made.id} is {made.state}: {made.words}"
        if made.state is not ActionState.DONE:
            raise Failed(words)
        return words

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
                try:
                    step = await self._step(self._told(run, step), step, undo, choice)
                except _Unsure as unsure:
                    await self._interrupt(unsure.step)
            (bad if step.state is StepState.FAILED else good).append(step)
        told = f"taken back: {', '.join(s.title for s in good)}" if good and not bad else ""
        if bad:
            told = f"NOT ALL of it was taken back: {', '.join(f'{s.title}: {s.text}' for s in bad)}"
        return "; ".join(filter(None, (told, self._stays()))) if good or bad else ""

    def _stays(self) -> str:
        """What can't be taken back this time, such as a migration that drops something."""
        over = (StepState.DONE, StepState.SKIPPED, StepState.UNKNOWN)
        left = [s.title for s in self._journal.steps if s.state in over and self._stands(s.name)]
        return f"NOT taken back, and nothing can: {', '.join(left)}" if left else ""

    def _stands(self, name: str) -> bool:
        return name in self._defs and self._defs[name].stays

    def _told(self, run: Run, step: Step) -> Run:
        """With what its steps said so far; what it does is this step's."""
        command = partial(self._journal.command, step.name)
        return replace(
            run,
            told={f"{s.name}_said": s.text for s in self._journal.steps},
            say=partial(self._journal.say, step.name),
            sending=command,
            changes=self._around.changes.traced(command),
            act=partial(self._act, step.name),
        )

    async def _interrupt(self, step: Step) -> NoReturn:
        """Raises _Ended: a person chooses."""
        place = f"step {step.seq} of {len(self._journal.steps)} ({step.title})"
        await self._journal.interrupt(
            f"{place}: {step.text}; nobody can say whether it has happened: "
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


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancels what still runs, and waits for that."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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
