"""What a step that a file declares does and how it is probed, with the parameters put in where they stand."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from console.actions import commands
from console.actions.kind import Run, StepDef
from console.domain.errors import Misuse, Refused, SourceFailed
from console.gateway.changes import Changes
from console.gateway.redaction import Redaction
from console.places import read_secret
from console.processes.commands import passed_on

HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
Values = Mapping[str, Any]
"""What parameters stand for: texts, numbers, flags; in a pipeline lists of texts, too."""


def filled(value: Any, values: Values) -> Any:
    """`value` with each `"{name}"` that stands alone replaced by that parameter's value."""
    if isinstance(value, Mapping):
        return {key: filled(one, values) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, values) for one in value]
    hole = HOLE.fullmatch(value) if isinstance(value, str) else None
    return value if hole is None else values.get(hole[1], "")


def titled(text: str, values: Values) -> str:
    """A title with the parameters it names."""
    return HOLE.sub(lambda found: " ".join(_words(values.get(found[1], ""))), text)


def _words(value: Any) -> list[str]:
    """A list stands for several words."""
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


class Deed(Protocol):
    """What a step does."""

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        """As `StepDef.do`."""
        ...


@dataclass(frozen=True, slots=True)
class Ops:
    """A call below ops_url."""

    method: str
    path: str
    body: Any

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        body = filled(self.body, values)
        answer = await run.changes.ops(self.method, self.path, body, timeout_s=timeout_s)
        return _shown(answer)


@dataclass(frozen=True, slots=True)
class Call:
    """A call to any place; `token` is the file of its bearer token."""

    method: str
    url: str
    body: Any
    token: Path | None

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        token = "" if self.token is None else secret_of(self.token)
        body = filled(self.body, values)
        answer = await run.changes.call(self.method, self.url, body, token=token, timeout_s=timeout_s)
        return _shown(answer)


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement in the platform's database."""

    statement: str
    values: tuple[Any, ...]

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        rows = await run.changes.execute(self.statement, *filled(self.values, values), timeout_s=timeout_s)
        return f"done, {rows:,} rows returned"


@dataclass(frozen=True, slots=True)
class Command:
    """A program of this machine, without a shell, that runs in `place`. `secrets` are variables and where their values
    are had from. `blank`: a parameter may be empty."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    secrets: Mapping[str, Callable[[], str]]
    place: Callable[[Values], Awaitable[Path | None]]
    blank: bool = True

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        argv = [word for given in self.argv for word in self._filled(given, values)]
        hidden = {name: secret() for name, secret in self.secrets.items()}
        own = Redaction(hidden.values())

        def clean(text: object, limit: int) -> str:
            return own(run.changes.redaction(text, limit), limit)

        place = await self.place(values)
        run.sending(clean(shlex.join(argv), 2000))
        return await commands.run(
            argv,
            env=passed_on() | dict(self.env) | hidden,
            cwd=place,
            clean=clean,
            say=run.say,
            room=run.room,
        )

    def _filled(self, given: str, values: Values) -> Sequence[str]:
        """The words that one of the file stands for. Raises Refused."""
        words = _words(filled(given, values))
        if words != [given] and any(word.startswith("-") for word in words):
            raise Refused(f"{given} may not begin with -, which {self.argv[0]} would take for an option")
        if not self.blank and not all(words or [""]):
            raise Refused(f"{given} may not be empty: {self.argv[0]} would take that for something else")
        return words


@dataclass(frozen=True, slots=True)
class Ask:
    """A statement that returns whether it has happened."""

    statement: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """How the platform is asked: GET of a path, of which `equals` are keys and values that it must show, or `changed`
    one key that must be another than before; or a statement."""

    asked: str | Ask
    equals: Mapping[str, Any] = field(default_factory=dict)
    changed: str = ""

    @property
    def compares(self) -> bool:
        return bool(self.changed)

    async def before(self, changes: Changes, values: Values) -> str:
        return _shown((await self.state(changes, values)).get(self.changed))

    async def state(self, changes: Changes, values: Values) -> dict[str, Any]:
        """The keys that matter, as they are now; nothing for a statement."""
        if isinstance(self.asked, Ask):
            return {}
        answer = await changes.ops("GET", self.asked)
        keys = (self.changed,) if self.changed else self._wanted(values)
        return {key: _at(answer, key) for key in keys}

    def _wanted(self, values: Values) -> dict[str, Any]:
        """A key is only looked up: parameters may stand anywhere in it."""
        return {titled(key, values): filled(value, values) for key, value in self.equals.items()}

    async def happened(self, changes: Changes, values: Values, before: str) -> bool | None:
        if isinstance(self.asked, Ask):
            found = await changes.ask(self.asked.statement, *filled(self.asked.values, values))
            return found if isinstance(found, bool) else None
        state = await self.state(changes, values)
        if self.changed:
            return _shown(state[self.changed]) != before
        return state == self._wanted(values)


class Look(Protocol):
    """How the platform is asked whether a step has happened. `compares`: with what it was before."""

    @property
    def compares(self) -> bool: ...

    async def before(self, changes: Changes, values: Values) -> str:
        """What is compared with. Raises SourceFailed."""
        ...

    async def happened(self, changes: Changes, values: Values, before: str) -> bool | None:
        """None: nobody can tell. Raises SourceFailed."""
        ...


L = TypeVar("L", bound=Look)


@dataclass(frozen=True, slots=True)
class DeclaredStep(Generic[L]):
    """One step of the file. `when` names the value without which it is left out; `kept` writes down elsewhere what a
    step of this title says. The rest is as in StepDef."""

    name: str
    title: str
    layer: str
    deed: Deed
    probe: L | None
    timeout_s: float
    retries: int
    after: timedelta = timedelta()
    optional: bool = False
    when: str = ""
    undo: DeclaredStep[L] | None = None
    harmless: bool = False
    repeats: bool = False
    needs: tuple[str, ...] | None = None
    cuttable: bool = False
    approval: str = ""
    acts: str = ""
    kept: Callable[[Run, str], Run] | None = None

    def wanted(self, values: Values) -> bool:
        """Whether there is anything for it to do."""
        return not self.when or bool(values.get(self.when))

    def definition(self, values: Values) -> StepDef:
        """The step with its parameters."""
        probe = self.probe

        async def do(run: Run) -> str:
            kept = run if self.kept is None else self.kept(run, self.title)
            return await self.deed.do(kept, {**values, **run.told}, self.timeout_s)

        async def happened(run: Run, before: str) -> bool | None:
            return None if probe is None else await probe.happened(run.changes, values, before)

        async def before(run: Run) -> str:
            return "" if probe is None else await probe.before(run.changes, values)

        return StepDef(
            self.name,
            titled(self.title, values),
            do,
            self.layer,
            probe=None if probe is None else happened,
            before=before if probe is not None and probe.compares else None,
            # The call has a time-out of its own, which says more than ours.
            timeout_s=self.timeout_s + 1.0,
            retries=self.retries,
            after=self.after,
            optional=self.optional,
            undo=self.undo.definition(values) if self.undo is not None and self.undo.wanted(values) else None,
            harmless=self.harmless,
            repeats=self.repeats,
            needs=self.needs,
            cuttable=self.cuttable,
            approval=titled(self.approval, values),
            stays=self.undo is not None and not self.undo.wanted(values),
            acts=self.acts,
        )


def _at(answer: Any, key: str) -> Any:
    """`routes.market-data-a` is a key of the mapping `routes`."""
    for part in key.split("."):
        if not isinstance(answer, Mapping) or part not in answer:
            return None
        answer = answer[part]
    return answer


def _shown(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)[:300]


def secret_of(file: Path) -> str:
    """The secret that a file holds. Raises SourceFailed."""
    try:
        return read_secret(file)
    except Misuse as error:
        raise SourceFailed(str(error)) from None
