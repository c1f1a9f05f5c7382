"""What an action leaves in force, and how it is watched for a while after its last step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from console.actions.canary import Canary, Span
from console.actions.journal import Journal
from console.actions.kind import Kind, Run, StepDef
from console.actions.proving import happened, proof_of, worse
from console.actions.surroundings import Surroundings
from console.domain.action import ActionState, Layer, Proof, Step, StepState

_PAUSE_S, _LEAST_PAUSE_S = 5.0, 0.25
# What a person took as done stands as well.
_STANDS = frozenset({StepState.DONE, StepState.SKIPPED})


class Verdict(NamedTuple):
    """How an action ends."""

    state: ActionState
    words: str
    proof: Proof | None


class Aftermath:
    """That of one action."""

    def __init__(
        self, journal: Journal, around: Surroundings, kind: Kind, run: Run, names: Sequence[str]
    ) -> None:
        """`names` are the ways in which the target may be written, that of an effect first."""
        self._journal = journal
        self._around = around
        self._kind = kind
        self._run = run
        self._names = names
        self._canary: Canary | None = None

    @property
    def pause_s(self) -> float:
        """Between two looks."""
        return max(_LEAST_PAUSE_S, _PAUSE_S / self._around.scale)

    @property
    def _ends_at(self) -> datetime | None:
        length = self._kind.length(self._run.request)
        return None if length is None else self._run.later(length)

    async def put(self) -> None:
        """The effect as it stands, as soon as one layer has it."""
        done = any(step.state in _STANDS for step in self._journal.steps)
        if self._kind.puts and done and not await self.superseded():
            layers = _layers(self._kind, self._journal.steps, "in force")
            await self._journal.put_effect(self._kind.spec.name, self._names[0], self._ends_at, layers)

    async def lift(self) -> None:
        """What it takes back is not in force any more; in part, it still is."""
        if self._kind.lifts and not self._in_part():
            layers = _layers(self._kind, self._journal.steps, "lifted")
            for name in self._names:
                await self._journal.lift_effect(self._kind.lifts, name, layers)

    async def superseded(self) -> str:
        """Which later action made this one's effect another one, in words; "" when it stands."""
        begun, number = self._run.begun, self._journal.action_id
        if self._kind.puts:
            found = await self._journal.effects(self._kind.spec.name, self._names, begun)
            mine = [effect for effect in found if effect.action_id == number]
            if mine and all(effect.lifted_at for effect in mine):
                return f"taken back by action {mine[0].lifted_by}"
        elif self._kind.lifts:
            found = await self._journal.effects(self._kind.lifts, self._names, begun)
            again = [e for e in found if e.lifted_at is None and e.action_id > number]
            if again:
                return f"put in force again by action {again[0].action_id}"
        return ""

    async def prove(self) -> Proof:
        """What is seen now, written down."""
        run = await self._looking()
        proof = await proof_of(self._kind, run)
        canary, store = self._canary, self._journal.store
        names, comparison, reasons = self._kind.watches, None, ""
        if canary is not None:
            names = canary.others
            comparison, reasons = await self._journal.insist(lambda: canary.look(store))
            proof = replace(proof, facts=(*proof.facts, *canary.facts), comparison=comparison)
        facts, others = await self._journal.insist(lambda: worse(store, names, run.begun))
        reason = ", ".join(filter(None, (reasons, others)))
        if facts:
            proof = replace(proof, facts=(*proof.facts, *facts))
        if reason:
            # One that goes back by itself for that is not said to have worked as well.
            text = reason if self._kind.spec.goes_back else f"{reason}; {proof.text}"
            proof = replace(proof, verdict="worse", text=text)
        await self._journal.prove(proof)
        return proof

    async def verify(self, defs: Mapping[str, StepDef]) -> Verdict:
        """Watches the effect for a while; one that is there in part only is final at once."""
        await self.put()
        in_part = self._in_part()
        ends = [s.ended_at for s in self._journal.steps if s.due_at is None and s.ended_at is not None]
        until = max(ends, default=self._run.begun) + self._kind.watched_for / self._run.scale
        self._canary = self._held_against(defs, until)
        shown = (await self._journal.read()).proof
        while True:
            proof = await self.prove()
            later = await self.superseded()
            if later:
                # What is seen now is the later one's effect; what was seen of this one before stays.
                proof = proof if shown is None else replace(shown, text=f"{shown.text}; {later}")
                return Verdict(ActionState.DONE, f"{later} while it was watched", proof)
            # The later one's effect can be there a moment before it is known.
            shown = proof if shown is None or proof.verdict != "unproved" else shown
            back = self._kind.spec.goes_back and any(step.undo for step in defs.values())
            if proof.verdict == "worse" and back:
                return Verdict(ActionState.FAILED, proof.text, proof)
            if in_part:
                return Verdict(ActionState.FAILED, f"{in_part}; {proof.text}{self._way_back(proof)}", proof)
            by = (await self._journal.read()).cancelled_by
            if by:
                words = f"{by} ended the watching when all was done: {proof.text}"
                return Verdict(ActionState.DONE, words, proof)
            now = await self._journal.now()
            if now >= until:
                break
            await asyncio.sleep(min((until - now).total_seconds(), self.pause_s))
        if self._canary is not None and self._canary.doubt:
            proof = replace(proof, text="; ".join(filter(None, (proof.text, self._canary.doubt))))
        gone = await self._gone(defs)
        if gone and self._ends_at is not None and await self._journal.now() >= self._ends_at:
            return Verdict(ActionState.DONE, "its time was over while it was watched", proof)
        if gone:
            proof = replace(proof, verdict="unproved", text=f"not so any more: {', '.join(gone)}")
            return Verdict(ActionState.FAILED, proof.text, proof)
        return Verdict(ActionState.DONE, self._last_words(proof), proof)

    def _held_against(self, defs: Mapping[str, StepDef], until: datetime) -> Canary | None:
        """The watch over what it released, which took over with the last step that changed something; None for a kind
        that releases nothing."""
        watch, orders = self._kind.watch, self._around.orders
        if watch is None or orders is None:
            return None
        ends = [
            step.ended_at
            for step in self._journal.steps
            if step.ended_at is not None
            and step.state in _STANDS
            and step.name in defs
            and not defs[step.name].harmless
        ]
        begun = self._run.begun
        return Canary(orders, watch, Span(begun, max(ends, default=begun), until, self._run.scale))

    def _in_part(self) -> str:
        """Which layers it didn't reach and which it did, in words; "" when it reached all that are configured."""
        good = "lifted" if self._kind.lifts else "in force"
        layers = _layers(self._kind, self._journal.steps, good)
        failed = [layer for layer in layers if layer.state == "failed"]
        if not failed:
            return ""
        said = [f"{layer.name} failed ({layer.text})" for layer in failed]
        said += [f"{layer.name} {good}" for layer in layers if layer.state == good]
        return f"in part: {', '.join(said)}; ask again when it answers"

    def _last_words(self, proof: Proof) -> str:
        failed = [s for s in self._journal.steps if s.state is StepState.FAILED]
        words = "; ".join([proof.text or "done", *(f"{s.title}: {s.text}" for s in failed)])
        if proof.verdict == "worse":
            return f"done, and it got worse since: {words}{self._way_back(proof)}"
        return words if proof.verdict == "proved" else f"done, not proved: {words}"

    def _way_back(self, proof: Proof) -> str:
        """How it is taken back where it got worse."""
        if proof.verdict != "worse" or not self._kind.spec.undo:
            return ""
        return f": tradex actions undo {self._journal.action_id} takes it back"

    async def _gone(self, defs: Mapping[str, StepDef]) -> list[str]:
        """Steps that were done and, as their probes say, are not any more."""
        run, found = await self._looking(), []
        for step in self._journal.steps:
            known = defs.get(step.name)
            # A probe that compares with what was before can only say that something happened.
            if known is None or known.before is not None or step.state is not StepState.DONE:
                continue
            if await happened(run, known, "", patient=True) is False:
                found.append(step.title)
        return found

    async def _looking(self) -> Run:
        """Reading only: nothing of it belongs into the command log."""
        return replace(self._run, now=await self._journal.now(), changes=self._around.changes)


def _layers(kind: Kind, steps: Sequence[Step], good: str) -> tuple[Layer, ...]:
    """Each layer of the kind as its steps left it."""
    found: list[Layer] = []
    for name in kind.spec.layers:
        own = [step for step in steps if step.layer == name]
        over = [step for step in own if step.state in _STANDS]
        failed = [step for step in own if step.state is StepState.FAILED]
        if not own:
            found.append(Layer(name, "not configured"))
        elif over:
            found.append(Layer(name, good, over[0].text))
        elif failed:
            found.append(Layer(name, "failed", failed[0].text))
        else:
            found.append(Layer(name, "unknown"))
    return tuple(found)
