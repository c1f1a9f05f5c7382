"""One action from where its journal says it is to its end or to a question for a person: its guards, its steps, the
watch over its effect, and the way back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NoReturn, TypeVar

from console.actions.aftermath import Aftermath, Verdict
from console.actions.journal import Journal
from console.actions.kind import Kind, Request, Run, StepDef
from console.actions.steps import BACKOFF_S, CUT, OVER, Steps, Stopped, Unsure, fail
from console.actions.surroundings import Surroundings
from console.domain.action import Action, ActionState, Proof, Step, StepState
from console.domain.errors import Refused, SourceFailed
from console.processes.commands import Room

T = TypeVar("T")

_CHECKS = 3


class _Ended(Exception):
    """The action is final, or waits for a person: nothing is left to do for now."""


class Course:
    """One action from where its journal says it is."""

    def __init__(self, journal: Journal, action: Action, around: Surroundings) -> None:
        self._journal = journal
        self._action = action
        self._around = around
        self._steps = Steps(journal, around)

    async def run(self) -> None:
        """To its end or its interruption. Raises Fenced."""
        question, waited = self._action.question, self._action.waits_for_approval
        choice = await self._journal.start()
        if choice is None:
            return
        self._action = await self._journal.read()
        await self._journal.read_steps()
        with contextlib.suppress(_Ended):
            async with self._journal.writing():
                kind = await self._kind()
                run = await self._begin(kind)
                self._steps.defs = {step.name: step for step in kind.steps(run.request)}
                names = await self._names(kind, run.request)
                aftermath = Aftermath(self._journal, self._around, kind, run, names)
                try:
                    try:
                        self._raise_going_back()
                        if choice == "stop":
                            await self._give_up(question, waited=waited)
                        verdict = await self._forward(run, aftermath, choice)
                    except Stopped as stopped:
                        verdict = await self._back(run, stopped, choice)
                except Unsure as unsure:
                    await self._interrupt(unsure.step)
                await self._record(kind, run, verdict)
                await self._end(*verdict)

    async def _give_up(self, question: str, *, waited: bool) -> NoReturn:
        """A person chose that it goes no further; `waited`: for a second one."""
        asked = self._steps.asked_about()
        if waited and asked is not None:
            await self._steps.over(asked, StepState.CANCELLED, "nobody agreed")
        why = "nobody agreed" if waited else "given up where it was cut off"
        raise Stopped(ActionState.FAILED, f"{why}: {question}")

    async def _forward(self, run: Run, aftermath: Aftermath, choice: str) -> Verdict:
        """Its steps and the watch. Raises Stopped where it is to go back."""
        if self._action.state is not ActionState.VERIFYING:
            asked = self._steps.asked_about()
            while (waiting := await self._steps.all(run, aftermath, choice)) is not None:
                await self._approval(waiting, choice if waiting is asked else "")
                choice = ""
            await aftermath.lift()
            await self._journal.watch()
        verdict = await aftermath.verify(self._steps.defs)
        if verdict.state is ActionState.FAILED and any(self._way_back()):
            raise Stopped(verdict.state, verdict.words, verdict.proof)
        return verdict

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

    async def _approval(self, step: Step, choice: str) -> None:
        """A second person agrees before it goes on. Raises _Ended as long as nobody has."""
        if choice == "skip":
            await self._steps.over(step, StepState.DONE, f"{self._action.approved_by} agreed")
            return
        known, started_at = self._steps.defs[step.name], step.started_at or await self._journal.now()
        text = f"waits for a second person: {known.approval}"
        await self._journal.write(step, state=StepState.RUNNING, started_at=started_at, text=text)
        await self._journal.interrupt(known.approval, approval=True)
        raise _Ended

    # --- the way back -------------------------------------------------------------------------------------------------

    async def _back(self, run: Run, stopped: Stopped, choice: str) -> Verdict:
        self._journal.say("", [f"it does not go on: {stopped.words}"], "note")
        back, proof = await self._go_back(run, choice), stopped.proof
        if back and proof is not None:
            # What was seen then is not there any more.
            proof = replace(proof, facts=())
        return Verdict(stopped.state, f"{stopped.words}; {back or self._so_far()}", proof)

    def _way_back(self) -> Iterator[tuple[Step, StepDef]]:
        """Steps that may have left something behind, the last first, and how each is taken back."""
        for step in reversed(self._journal.steps):
            undo = self._steps.defs[step.name].undo if step.name in self._steps.defs else None
            if undo is not None and step.state is not StepState.PENDING:
                yield step, undo

    def _raise_going_back(self) -> None:
        """Who takes it over goes on on the way back, if that is where it was."""
        if not any(step.name == undo.name for _, undo in self._way_back() for step in self._journal.steps):
            return
        for step in self._journal.steps:
            known = self._steps.defs.get(step.name)
            if step.state is StepState.FAILED and known is not None and not known.optional:
                fail(step)
        if self._action.cancelled_by:
            raise Stopped(ActionState.CANCELLED, f"{self._action.cancelled_by} cancelled it")
        proof = self._action.proof
        raise Stopped(ActionState.FAILED, "it was given up" if proof is None else proof.text, proof)

    async def _go_back(self, run: Run, choice: str) -> str:
        """What was done is taken back; that in words, "" where no step says how. `choice` is that of a person about the
        step that was cut off."""
        good, bad = [], []
        for _, undo in list(self._way_back()):
            step = next((s for s in self._journal.steps if s.name == undo.name), None)
            if step is None:
                number = len(self._journal.steps) + 1
                step = await self._journal.add(
                    Step(number, undo.name, undo.title, undo.layer, StepState.PENDING)
                )
            if step.state in CUT and choice == "stop":
                step = await self._steps.over(step, StepState.FAILED, "given up where it was cut off")
            elif step.state not in OVER and step.state is not StepState.FAILED:
                step = await self._steps.one(run, step, undo, choice)
            (bad if step.state is StepState.FAILED else good).append(step)
        told = f"taken back: {', '.join(s.title for s in good)}" if good and not bad else ""
        if bad:
            told = f"NOT ALL of it was taken back: {', '.join(f'{s.title}: {s.text}' for s in bad)}"
        return "; ".join(filter(None, (told, self._stays()))) if good or bad else ""

    def _stays(self) -> str:
        """What can't be taken back this time, such as a migration that drops something."""
        over = (StepState.DONE, StepState.SKIPPED, StepState.UNKNOWN)
        defs = self._steps.defs
        steps = (s for s in self._journal.steps if s.name in defs and defs[s.name].stays)
        left = [s.title for s in steps if s.state in over]
        return f"NOT taken back, and nothing can: {', '.join(left)}" if left else ""

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
        done = [
            s.title for s in over if s.name not in self._steps.defs or not self._steps.defs[s.name].harmless
        ]
        if not done:
            return "nothing was changed" if over else "nothing was done"
        return f"done, and not undone: {', '.join(done)} ({len(done)} of {len(steps)})"


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """What the platform answers, which is asked a few times. Raises what `work` raises."""
    for attempt in range(_CHECKS - 1):
        try:
            return await work()
        except SourceFailed:
            await asyncio.sleep(BACKOFF_S * 2**attempt)
    return await work()
