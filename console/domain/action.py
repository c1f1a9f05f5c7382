"""What an action is: asked for, planned, confirmed, run step by step, proved; and what it leaves in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from console.domain.canary import Comparison


class ActionState(StrEnum):
    """Where an action is; in the order in which it goes through them."""

    PLANNING = "planning"
    """Asked for; the agent asks the platform what it would mean."""
    PLANNED = "planned"
    """The plan can be read; nothing is done before somebody confirms it."""
    CONFIRMED = "confirmed"
    """Confirmed; waits for a second person where it needs one, else for the agent."""
    APPROVED = "approved"
    RUNNING = "running"
    VERIFYING = "verifying"
    """All steps are done; its effect is watched."""
    INTERRUPTED = "interrupted"
    """Cut off at a step of which nobody can say whether it has happened: a person chooses how to go on."""
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """A guard said no when it was planned or begun; nothing was changed."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Nobody confirmed or approved it in time."""

    @property
    def final(self) -> bool:
        """Whether nothing more will become of it."""
        return self in _FINAL

    @property
    def runs(self) -> bool:
        """Whether it changes, or is just about to change, the platform."""
        return self in (ActionState.APPROVED, ActionState.RUNNING, ActionState.VERIFYING)


_FINAL = frozenset(
    {
        ActionState.DONE,
        ActionState.FAILED,
        ActionState.REFUSED,
        ActionState.CANCELLED,
        ActionState.EXPIRED,
    }
)


class StepState(StrEnum):
    """Where one step of an action is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It was sent and no answer came: it may have happened."""
    CANCELLED = "cancelled"


class Danger(StrEnum):
    """How much there is to lose: what colours a dialog, and whether the target is typed."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    """The target's name is typed to confirm."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a kind. `type` is text, integer, duration, network, account, choice or flag; `choices` are the
    words of a choice. The text a person gives is checked by the agent when it plans."""

    name: str
    title: str
    type: str = "text"
    required: bool = True
    default: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KindSpec:
    """What can be asked for, and under which conditions. `target` names the parameter an action is about ("" for
    none). `role` (responder or commander) may do it alone; whoever else may ask needs an approval. `second_person`:
    always two. `budget` is how many may be begun per hour. `freeze`: not in a freeze window. `undo` is the kind that
    takes it back. `exclusive` names a group of which one action may run at a time. `unavailable` says why this
    installation can't do it ("" when it can). `goes_back`: one that fails or is cancelled takes back itself what it
    did."""

    name: str
    title: str
    verb: str
    """The words of a button, the target after them: `Block`, `Suspend`."""
    command: str
    """The command of the equal command line: `block-ip`."""
    parameters: tuple[Parameter, ...] = ()
    target: str = ""
    role: str = "responder"
    danger: Danger = Danger.MEDIUM
    second_person: bool = False
    budget: int = 20
    freeze: bool = True
    undo: str = ""
    expires: bool = False
    exclusive: str = ""
    layers: tuple[str, ...] = ()
    unavailable: str = ""
    group: str = "other"
    goes_back: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a plan's blast radius: `users seen in 24 h`, `3`. `weight` is ok, info, warn or crit."""

    label: str
    value: str
    weight: str = "info"


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard's answer in words."""

    name: str
    passed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Something a person must decide before they confirm: `name` and the chosen word go with the confirmation."""

    name: str
    title: str
    options: tuple[tuple[str, str], ...]
    """Word and its meaning."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step as planned. `after_s` is how long after the start it is due at the earliest (0: at once); `probed`:
    whether the platform can be asked if it has happened."""

    name: str
    title: str
    layer: str = ""
    after_s: float = 0.0
    probed: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen, as the agent found out. `until` is when the effect ends by itself; `typed` is what must be
    typed to confirm ("" for nothing)."""

    title: str
    steps: tuple[PlannedStep, ...] = ()
    facts: tuple[Fact, ...] = ()
    guards: tuple[Guard, ...] = ()
    choices: tuple[Choice, ...] = ()
    notes: tuple[str, ...] = ()
    until: datetime | None = None
    typed: str = ""
    second_person: str = ""
    """Why this one needs a second person, whatever its kind says; "" when it doesn't."""
    command: str = ""
    """The equal command line."""
    pins: Mapping[str, str] = field(default_factory=dict)
    """What was found out and must be the same when it is done: the commit that a tag meant, what ran before. One
    named `undo:PARAMETER` is what the action that takes it back is given for that."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the platform showed after the deed. `verdict` is proved, unproved, worse or "" (nothing to show);
    `facts` are what was counted, `comparison` is that with what was before, of what is watched closely."""

    verdict: str = ""
    text: str = ""
    facts: tuple[Fact, ...] = ()
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One action with its present state. All text is printable; times are UTC."""

    id: int
    kind: str
    target: str
    params: Mapping[str, str]
    reason: str
    state: ActionState
    requested_by: str
    requested_at: datetime
    origin: str = "person"
    """person or automatic."""
    cause: str = ""
    """What it came from: `finding 3`, `action 12 expired`."""
    words: str = ""
    """Why it was refused, cancelled or failed, or how it ended."""
    plan: Plan | None = None
    plan_hash: str = ""
    planned_at: datetime | None = None
    plan_expires_at: datetime | None = None
    confirmed_by: str = ""
    confirmed_at: datetime | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    override: str = ""
    """The reason with which a commander overrode a freeze window or a budget."""
    needs_approval: str = ""
    """Why it needs a second person; "" when it doesn't."""
    approval_expires_at: datetime | None = None
    approved_by: str = ""
    approved_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    proof: Proof | None = None
    undo_of: int | None = None
    undone_by: int | None = None
    cancelled_by: str = ""
    question: str = ""
    """What a person has to decide while it is interrupted."""
    guards: tuple[Guard, ...] = ()
    """What the store's own guards said when it was confirmed; one that failed was overridden."""
    step: int = 0
    """How many of its steps are over."""
    steps: int = 0

    @property
    def since(self) -> datetime:
        """When its present state began, as far as that is kept."""
        return (
            self.ended_at
            or self.started_at
            or self.approved_at
            or self.confirmed_at
            or self.planned_at
            or self.requested_at
        )

    @property
    def all_guards(self) -> tuple[Guard, ...]:
        """The agent's, and the store's as they were when it was confirmed: one that was overridden held up nobody."""
        own = () if self.plan is None else self.plan.guards
        return (*own, *(replace(g, passed=g.passed or bool(self.override)) for g in self.guards))

    @property
    def only_planned(self) -> bool:
        """Whether it ended before anybody confirmed it: a guard refused its plan, it was withdrawn (as each dry run
        is), or nobody wanted it in time."""
        return self.state.final and self.confirmed_at is None

    @property
    def waits_for_approval(self) -> bool:
        """Whether a second person is waited for, before it begins or in its middle."""
        waits = self.state in (ActionState.CONFIRMED, ActionState.INTERRUPTED)
        return waits and bool(self.needs_approval) and not self.approved_by

    def no_approval(self, user: str, role: str) -> str:
        """Why this person can't approve it; "" when they can."""
        if not self.waits_for_approval:
            return f"it is {self.state}: there is nothing to approve"
        if user in (self.requested_by, self.confirmed_by):
            return "a second person is needed: not the one who asked for it or confirmed it"
        return "" if role == "commander" else f"{user} is a {role}: an approval takes a commander"


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it went. `attempt` counts from 1; `text` is its result or error in one line, `before` what it was
    before, in words, where that is needed to tell whether the step has happened."""

    seq: int
    name: str
    title: str
    layer: str
    state: StepState
    attempt: int = 0
    due_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    text: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One line of an action's output. `kind` is `command` (the exact call), `out` or `note`."""

    seq: int
    at: datetime
    step: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One place where an effect is in force, or is not. `state` is in force, failed, unknown, lifted or not
    configured."""

    name: str
    state: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an action left in force: a block, a suspension, maintenance. `kind` is the kind of the action that made
    it, `lifted_by` the action that took it back."""

    id: int
    kind: str
    target: str
    action_id: int
    reason: str
    author: str
    since: datetime
    expires_at: datetime | None
    layers: tuple[Layer, ...] = ()
    lifted_at: datetime | None = None
    lifted_by: int | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which kinds that mind it are refused, unless a commander overrides it with a reason."""

    id: int
    starts_at: datetime
    ends_at: datetime
    reason: str
    author: str
    ended_by: str = ""


@dataclass(frozen=True, slots=True)
class Glass:
    """Somebody broke the glass: until `ends_at` their actions need no second person."""

    id: int
    author: str
    reason: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry of the audit. `detail` is JSON text as stored; `hash` is hex."""

    seq: int
    at: datetime
    actor: str
    verb: str
    subject: str
    action_id: int | None
    detail: str
    hash: str


def worded(kind: str) -> str:
    """A kind's name as people read and type it: `block-ip` for `block_ip`."""
    return kind.replace("_", "-")


def remaining(effect: Effect, now: datetime) -> timedelta | None:
    """How long an effect still holds; None for one that does not end by itself."""
    return None if effect.expires_at is None else max(effect.expires_at - now, timedelta())
