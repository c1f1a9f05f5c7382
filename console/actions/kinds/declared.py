"""One kind that actions.yaml declares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from console.actions.kind import Context, Request, Run, StepDef, Usual, duration_of, planned
from console.actions.kinds.declared_steps import DeclaredStep, Probe, Values, titled
from console.actions.proving import GETS_WORSE
from console.actions.wording import equal_command
from console.domain.action import Danger, Fact, Guard, KindSpec, Parameter, Plan, Proof
from console.domain.asking import value_of
from console.domain.errors import Misuse, Refused
from console.domain.text import printable
from console.gateway.changes import Changes

_LEAST, _MOST = timedelta(minutes=1), timedelta(days=90)
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Declared(Usual):
    """`effect`: whether it leaves one in force; `lifts` the kind whose effect it takes back."""

    spec: KindSpec
    declared_steps: tuple[DeclaredStep[Probe], ...]
    effect: bool
    lifts: str
    notes: tuple[str, ...]

    watches = tuple(GETS_WORSE)

    @property
    def puts(self) -> bool:
        return self.effect

    def target(self, request: Request) -> str:
        if not self.spec.target:
            return ""
        parameter = next(p for p in self.spec.parameters if p.name == self.spec.target)
        return str(self._value(parameter, request))

    async def names(self, changes: Changes, request: Request) -> tuple[str, ...]:
        return (self.target(request),)

    def length(self, request: Request) -> timedelta | None:
        if not self.spec.expires or not request.params.get("length", "").strip():
            return None
        return duration_of(request, "length", timedelta(), least=_LEAST, most=_MOST)

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        """Its parameters, and that accounts exist."""
        self._values(request)
        for parameter in self.spec.parameters:
            who = request.params.get(parameter.name, "")
            if parameter.type == "account" and who and await context.changes.account(who) is None:
                raise Refused(f"there is no account {printable(who, 60)}")
        return (Guard("parameters", True, "complete and well-formed"),) if self.spec.parameters else ()

    async def plan(self, context: Context, request: Request) -> Plan:
        guards, values = await self.check(context, request), self._values(request)
        facts: list[Fact] = []
        for step in self.declared_steps:
            if step.probe is not None:
                state = await step.probe.state(context.changes, values)
                # What is told by a counter that goes on has no state, only a past.
                when = "so far" if step.probe.changed else "now"
                facts += [Fact(f"{key} {when}", printable(value, 100)) for key, value in state.items()]
        target, length = self.target(request), self.length(request)
        return Plan(
            title=" ".join(part for part in (self.spec.verb, target) if part),
            steps=planned(self.steps(request), context.scale),
            facts=tuple(dict.fromkeys(facts)),
            guards=guards,
            notes=tuple(titled(note, values) for note in self.notes),
            until=None if length is None else context.now + length / context.scale,
            typed=(target or self.spec.name) if self.spec.danger is Danger.HIGH else "",
            command=equal_command(self.spec, request, target),
        )

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        values = self._values(request)
        return tuple(step.definition(values) for step in self.declared_steps)

    async def prove(self, run: Run) -> Proof:
        """What the probes show."""
        values, facts, good, asked = self._values(run.request), [], True, False
        for step in self.declared_steps:
            if step.probe is None:
                continue
            asked = True
            state = await step.probe.state(run.changes, values)
            facts += [Fact(key, printable(value, 100)) for key, value in state.items()]
            # What is compared with before has been seen when the step was done.
            if not step.probe.changed and not await step.probe.happened(run.changes, values, ""):
                good = False
        if not asked:
            return Proof("unproved", "nothing here can be asked whether it worked")
        if good:
            return Proof("proved", "the platform shows it", tuple(facts))
        return Proof("unproved", "the platform does not show it", tuple(facts))

    def _values(self, request: Request) -> Values:
        """Each parameter as its type wants it. Raises Refused."""
        return {parameter.name: self._value(parameter, request) for parameter in self.spec.parameters}

    def _value(self, parameter: Parameter, request: Request) -> str | int | bool:
        given = request.params.get(parameter.name, "").strip()
        if not given and parameter.name == self.spec.target:
            given = request.target.strip()
        given = given or parameter.default
        if not given:
            if parameter.required:
                raise Refused(f"{parameter.name} is missing: {parameter.title}")
            return ""
        if len(given) > _LONGEST:
            raise Refused(f"{parameter.name}: at most {_LONGEST} characters")
        try:
            return value_of(parameter, given)
        except Misuse as error:
            raise Refused(str(error)) from None
