"""What an incident is: who works on it in which role, when it went through what, and what is linked to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from console.domain.book import Marked, Rung
from console.domain.event import Event
from console.domain.format import counted

LEVELS = (1, 2, 3)
"""1 is the worst: customers lose money or data; 2: many notice; 3: few notice, or nobody yet."""


class IncidentState(StrEnum):
    """Where it stands. MERGED: another one goes on with what was linked to it."""

    OPEN = "open"
    MITIGATED = "mitigated"
    CLOSED = "closed"
    MERGED = "merged"

    @property
    def over(self) -> bool:
        """Whether nobody works on it any more."""
        return self in (IncidentState.CLOSED, IncidentState.MERGED)


class Role(StrEnum):
    """What somebody is in an incident; one person each."""

    COMMANDER = "commander"
    TECHNICAL = "technical"
    DATABASE = "database"
    SECURITY = "security"
    COMMUNICATIONS = "communications"
    DOCUMENTATION = "documentation"


@dataclass(frozen=True, slots=True)
class Attached:
    """A runbook as it was when it was attached: what is ticked stays, whatever becomes of its file."""

    id: int
    name: str
    title: str
    steps: tuple[Marked, ...] = ()
    ladder: tuple[Rung, ...] = ()
    """Durations are the clock's: the time scale is in them."""

    @property
    def done(self) -> int:
        """How many steps are done or skipped."""
        return sum(step.mark is not None for step in self.steps)


@dataclass(frozen=True, slots=True)
class Pin:
    """A fact that stays in sight: an entry of the timeline."""

    event_id: int
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What is left to do afterwards. `owner` "": nobody yet."""

    id: int
    text: str
    owner: str
    by: str
    at: datetime
    done_by: str | None = None
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """A stakeholder update that was written (sending is another matter): the template's name, audience and kind, and
    the text as it went out."""

    id: int
    template: str
    audience: str
    kind: str
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Presence:
    """Whose console has the incident open: last heard of at `seen_at`, last key at `active_at`; `screen` is where they
    are, `selection` what is under their cursor there (`alert 12`), "" for nothing."""

    person: str
    seen_at: datetime
    active_at: datetime
    screen: int = 5
    selection: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it stands. `detected_at` is when the first of its alerts fired, else when it was opened; the
    other clocks are None until it got there. `opened_by` is a person, or the agent for one that a rule opened. `alerts`
    are ids. `plot` is the metric that everybody looks at, "" for none."""

    id: int
    title: str
    level: int
    opened_at: datetime
    opened_by: str
    detected_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    mitigated_at: datetime | None = None
    mitigated_by: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    resolution: str = ""
    merged_into: int | None = None
    roles: Mapping[Role, str] = field(default_factory=dict)
    alerts: tuple[int, ...] = ()
    runbooks: tuple[Attached, ...] = ()
    pins: tuple[Pin, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    updates: tuple[Update, ...] = ()
    next_update_at: datetime | None = None
    plot: str = ""
    present: int = 0
    """How many consoles have it open, as of the last look."""

    @property
    def name(self) -> str:
        """`INC-12`."""
        return incident_name(self.id)

    @property
    def state(self) -> IncidentState:
        """Where it stands."""
        if self.merged_into is not None:
            return IncidentState.MERGED
        if self.closed_at is not None:
            return IncidentState.CLOSED
        return IncidentState.OPEN if self.mitigated_at is None else IncidentState.MITIGATED

    @property
    def standing(self) -> str:
        """Where it stands, in the words that people read everywhere."""
        match self.state:
            case IncidentState.OPEN:
                return "nobody is on it" if self.acknowledged_at is None else "being worked on"
            case IncidentState.MERGED:
                return f"merged into {incident_name(self.merged_into or 0)}"
            case state:
                return str(state)

    @property
    def commander(self) -> str:
        """Who leads; "" for nobody."""
        return self.roles.get(Role.COMMANDER, "")

    @property
    def worked_on(self) -> str:
        """`INC-12, alice`: who leads it, else who has acknowledged it; "" as long as nobody has."""
        return (
            "" if self.acknowledged_at is None else f"{self.name}, {self.commander or self.acknowledged_by}"
        )

    @property
    def open_steps(self) -> str:
        """`3 of 13 steps are neither done nor skipped`; "" where none is left, or there never was one."""
        steps = sum(len(book.steps) for book in self.runbooks)
        left = steps - sum(book.done for book in self.runbooks)
        return (
            f"{left} of {counted(steps, 'step')} {'is' if left == 1 else 'are'} neither done nor skipped"
            if left
            else ""
        )

    def next_rung(self, now: datetime) -> tuple[Rung, datetime] | None:
        """Who is told next by the ladders of its runbooks, and when; None once somebody has acknowledged it, or when
        everybody was told."""
        if self.acknowledged_at is not None or self.state.over:
            return None
        due = [(self.detected_at + rung.after, rung) for book in self.runbooks for rung in book.ladder]
        coming = [(at, rung) for at, rung in due if at > now]
        if not coming:
            return None
        at, rung = min(coming, key=lambda each: each[0])
        return rung, at


@dataclass(frozen=True, slots=True)
class Timings:
    """How long it took, None where it did not get there."""

    to_acknowledge: timedelta | None
    to_mitigate: timedelta | None
    to_resolve: timedelta | None


def timings(incident: Incident) -> Timings:
    """From detection to each of its clocks."""

    def took(at: datetime | None) -> timedelta | None:
        return None if at is None else max(at - incident.detected_at, timedelta())

    return Timings(took(incident.acknowledged_at), took(incident.mitigated_at), took(incident.closed_at))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an incident's timeline: an event, of this incident or of the platform at that time. `body` is what a
    note or an update says in whole, printable Markdown of several lines; "" where the event's text says everything."""

    event: Event
    incident_id: int | None = None
    """None: it happened while the incident was open, and is not about it alone."""
    body: str = ""

    @property
    def more(self) -> str:
        """`body`, where it says more than the event's text; else ""."""
        return "" if self.event.text.endswith(self.body) else self.body


KINDS = ("incident", "note", "step", "role", "join", "comms")
"""Kinds of events that incidents write; they explain no alert."""


def incident_name(number: int) -> str:
    """`INC-12`, as people say it."""
    return f"INC-{number}"
