"""What a kind of action is in code: what it asks before it is done, its steps, and how it is seen to have worked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from console.actions.guards import Protected
from console.domain.action import Action, ActionState, Guard, KindSpec, Plan, PlannedStep, Proof
from console.domain.canary import Watch
from console.domain.check import CheckRun
from console.domain.duration import ANY_LENGTH, EXPECTED, written
from console.domain.duration import parse as parse_duration
from console.domain.errors import Refused, TradexError
from console.domain.release import Release, Released, ReleaseState
from console.domain.text import printable
from console.gateway.changes import Changes
from console.gateway.reasons import timed_out
from console.processes.commands import Room

T = TypeVar("T")
Output = Callable[[Sequence[str]], None]
EARLIER = timedelta(seconds=30)
"""So much earlier than it was meant to, something may end and still be ours: clocks differ, and ends are rounded."""
# A plan has a little more time than that.
_PATIENCE_S = 3.0
_DOORS = {
    "database": "platform.ops_database_url is",
    "auth": "platform.service_key is",
    "ops": "platform.ops_url and platform.service_key are",
}


WATCHED_FOR = timedelta(minutes=2)
"""So long an action's effect is watched, where its kind says nothing else."""


class Failed(TradexError):
    """A step that was done and came out badly: it is not tried again."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. `params` are texts as a person gave them; `people` are the logins of those who asked for it
    and agreed to it."""

    id: int
    kind: str
    target: str
    params: Mapping[str, str]
    reason: str
    people: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    """Who answers for it."""
    pins: Mapping[str, str] = field(default_factory=dict)
    """What was pinned when it was planned."""

    @classmethod
    def of(cls, action: Action) -> Request:
        """That of an action as it stands in the store."""
        persons = (action.requested_by, action.confirmed_by, action.approved_by)
        asked = tuple(dict.fromkeys(name for name in persons if name))
        return cls(
            id=action.id,
            kind=action.kind,
            target=action.target,
            params=action.params,
            reason=action.reason,
            people=asked if action.origin == "person" else (),
            choices=action.choices,
            by=action.confirmed_by or action.requested_by,
            pins={} if action.plan is None else action.plan.pins,
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What a kind may ask while it plans or checks. `now` is the store's clock; on it lengths run `scale` times as
    fast. `in_force` is what actions left in force: kind and target."""

    changes: Changes
    protected: Protected
    now: datetime
    scale: float
    in_force: frozenset[tuple[str, str]] = frozenset()
    releases: tuple[Release, ...] = ()
    """The latest first."""
    checked: Callable[[str], Awaitable[CheckRun | None]] | None = None
    """The last run of the checks before a deployment about this commit."""

    @property
    def live(self) -> Release | None:
        """The one that runs, as far as anybody knows."""
        return next((each for each in self.releases if each.state is ReleaseState.LIVE), None)


@dataclass(frozen=True, slots=True)
class Run:
    """One action that runs. `changes` writes each call to the action's command log; `begun` is when it was started
    first, by whichever agent. `say` takes lines of output, `sending` a call that `changes` doesn't make, before it is
    made."""

    request: Request
    changes: Changes
    begun: datetime
    now: datetime
    scale: float
    say: Output
    sending: Callable[[str], None]
    told: Mapping[str, str] = field(default_factory=dict)
    """The results of the steps that are over, by name."""
    act: Act | None = None
    room: Room = field(default_factory=Room)
    """How much of what its commands write is kept."""

    def later(self, length: timedelta) -> datetime:
        """The end of a length that is counted from the beginning."""
        return self.begun + length / self.scale


Act = Callable[[str, str, Mapping[str, str]], Awaitable[str]]
"""Does another action (kind, target, parameters) to its end; how that was. Raises Failed and Refused."""
Do = Callable[[Run], Awaitable[str]]
Look = Callable[[Run], Awaitable[str]]
Probe = Callable[[Run, str], Awaitable[bool | None]]


@dataclass(frozen=True, slots=True)
class StepDef:
    """One step. `do` changes the platform and returns its result in one line; it raises SourceFailed when it surely did
    not happen, Failed when it ended badly and Unknown when nobody knows. `probe` asks the platform whether it has
    happened (None: can't tell); it is given what `before` said before the first try. `after` is how long after the
    start of the action it is due. `optional`: when it fails, the rest is done all the same. `undo` takes it back when
    the action fails after it, is cancelled, or makes the platform worse. `harmless`: it changes nothing on the
    platform. `repeats`: where it was cut off it is just done again, and so is what is harmless. `needs` are the steps
    that must be over before (None: all before it). `cuttable`: it may be cut off at once when the action is cancelled
    or another step fails. `approval` is what a second person has to agree to, instead of a deed."""

    name: str
    title: str
    do: Do
    layer: str = ""
    probe: Probe | None = None
    before: Look | None = None
    timeout_s: float = 10.0
    retries: int = 2
    after: timedelta = timedelta()
    optional: bool = False
    undo: StepDef | None = None
    harmless: bool = False
    repeats: bool = False
    needs: tuple[str, ...] | None = None
    cuttable: bool = False
    approval: str = ""
    stays: bool = False
    """Nothing takes it back this time, though its like can be."""
    acts: str = ""
    """The kind of the other action that it is."""


class Kind(Protocol):
    """One kind of action, good for any number of actions at a time: it keeps nothing between calls."""

    @property
    def spec(self) -> KindSpec:
        """What can be asked for."""
        ...

    @property
    def puts(self) -> bool:
        """Whether it leaves an effect in force."""
        ...

    @property
    def lifts(self) -> str:
        """The kind whose effect it takes back; "" for none."""
        ...

    @property
    def watches(self) -> tuple[str, ...]:
        """Metrics that must not get worse by it, of `proving.GETS_WORSE`."""
        ...

    @property
    def watch(self) -> Watch | None:
        """The rule by which a release is held against the one before, instead of that; None for what is none."""
        ...

    @property
    def watched_for(self) -> timedelta:
        """How long its effect is watched after the last step, not scaled."""
        ...

    def target(self, request: Request) -> str:
        """What it is about, in the one way in which it is written. Raises Refused for parameters that are wrong."""
        ...

    async def names(self, changes: Changes, request: Request) -> tuple[str, ...]:
        """All ways in which that may be written, the one by which an effect is known first. Raises Refused and
        SourceFailed."""
        ...

    def length(self, request: Request) -> timedelta | None:
        """How long its effect lasts, not scaled; None for one that does not end by itself. Raises Refused."""
        ...

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        """The guards that it passes. Raises Refused with the first that it doesn't, SourceFailed when that can't be
        known."""
        ...

    async def plan(self, context: Context, request: Request) -> Plan:
        """What will happen; asks the platform. Raises Refused and SourceFailed."""
        ...

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        """What is done, in order."""
        ...

    async def prove(self, run: Run) -> Proof:
        """What the platform shows of it now; asked again and again. Raises SourceFailed."""
        ...

    async def released(self, run: Run, state: ActionState, words: str) -> Released | None:
        """What it made of a release, about to end so; None for what deploys nothing."""
        ...


class Usual:
    """What most kinds do about releases, and how long they are watched."""

    watch: Watch | None = None
    watched_for = WATCHED_FOR

    async def released(self, run: Run, state: ActionState, words: str) -> Released | None:
        """It deploys nothing."""
        return None


async def in_time(asked: Awaitable[T]) -> T:
    """What a plan is told that can do without it. Raises SourceFailed, also when that takes so long that the plan would
    be late."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await asked
    except TimeoutError:
        raise timed_out(_PATIENCE_S) from None


def planned(steps: Sequence[StepDef], scale: float) -> tuple[PlannedStep, ...]:
    """Steps as a plan shows them; their delays on the clock."""
    return tuple(
        PlannedStep(
            s.name, s.title, s.layer, s.after.total_seconds() / scale, s.probe is not None or s.harmless
        )
        for s in steps
    )


def missing(doors: Collection[str], *needed: str) -> str:
    """Why it can't be done where these doors of the platform are configured; "" when all that it needs are."""
    return next((f"no source: {_DOORS[door]} not set" for door in needed if door not in doors), "")


def duration_of(
    request: Request, name: str, default: timedelta, *, least: timedelta, most: timedelta
) -> timedelta:
    """The length that a parameter gives. Raises Refused."""
    text = request.params.get(name, "").strip()
    if not text:
        return default
    length = parse_duration(text, longest=ANY_LENGTH)
    if length is None:
        raise Refused(f"{name}: expected {EXPECTED}, not {printable(text, 40)!r}")
    if not least <= length <= most:
        limit = f"short: at least {written(least)}" if length < least else f"long: at most {written(most)}"
        raise Refused(f"{name}: {printable(text, 40)} is too {limit}")
    return length
