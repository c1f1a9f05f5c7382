"""All that live screens show, at one moment: frozen, built by the feed, compared section by section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from console.domain.alert import Alert, Silence
from console.domain.event import Event
from console.domain.health import Check, Overall, Status, Verdict
from console.domain.metric import MetricSpec, MetricValue, Series

# The first screen is there without them.
if TYPE_CHECKING:
    from console.domain.action import Action, Effect, Freeze, Glass, KindSpec
    from console.domain.check import CheckRun
    from console.domain.duties import Standing
    from console.domain.finding import Detector, Finding
    from console.domain.incident import Incident
    from console.domain.release import Commit, Release

STALE_AFTER_TICKS = 3
RESOLVED_FOR = timedelta(hours=24)
LIFTED_FOR = timedelta(hours=1)
"""How long lists keep what is over, and what is no longer in force."""
MOST_ENDED = 200
"""At most so many actions that are over are listed, the latest."""
DEPLOYMENTS = ("deploy", "rollback")


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to the store, as the connection in use tells it (never configuration).

    `away` says in words why the store can't be read now; it is None while it can. `role` is `viewer`,
    `responder`, `commander` or `none`. `environment` is `""` until the store was read once.
    """

    environment: str = ""
    store: str = ""
    user: str = ""
    role: str = "none"
    read_only: bool = False
    time_scale: float = 1.0
    away: str | None = "connecting"
    away_since: datetime | None = None

    def why_not(self, takes: Literal["responder", "commander"] = "responder") -> str:
        """Why this person can change nothing here that takes this role; "" when they can."""
        if self.away is not None:
            return f"the store is away: {self.away}"
        if self.read_only:
            return "this console is read-only"
        if self.role not in ("responder", "commander"):
            return f"{self.user} is a {self.role} and may only look: that takes a {takes}"
        return (
            "" if self.role in (takes, "commander") else f"{self.user} is a {self.role}: that takes a {takes}"
        )


@dataclass(frozen=True, slots=True)
class AgentState:
    """Who watches. `leader` is None when nobody holds a valid lease; `since` is when that began. `judging` tells
    whether the rules were evaluated within the last three ticks."""

    leader: str | None = None
    fence: int = 0
    since: datetime | None = None
    tick_s: float = 30.0
    standby: tuple[str, ...] = ()
    judging: bool = True


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """A component now, since when its status holds, and its last hour.

    `latency` holds the mean latency in ms per bucket and `worst` the worst status per bucket, oldest first
    and of equal length; None where nothing was recorded. `error_pct` is the share of checks of the last hour
    that were not ok, 0..100, None without checks.
    """

    check: Check
    since: datetime
    latency: tuple[float | None, ...] = ()
    worst: tuple[Status | None, ...] = ()
    error_pct: float | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """The latest tick: `at` is None before the first one. Both mappings are keyed by metric name."""

    at: datetime | None = None
    specs: Mapping[str, MetricSpec] = field(default_factory=dict)
    values: Mapping[str, MetricValue] = field(default_factory=dict)


NO_DATA = Overall(Verdict.UNKNOWN, "no data yet")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`at` is the store's clock when this was built. `trends` holds the last hour of every numeric metric, `alerts`
    those that are open and those resolved in the last day (in the order of `domain.alert.order`), `silences` those
    in force.

    `actions` are those that are not over and those of the last day (the latest first), `kinds` what can be asked
    for, `effects` what is in force or was until an hour ago, `freezes` and `glass` those that are not over,
    `findings` the open and blocked ones and those of the last day, `detectors` who looks for them, `releases` the
    latest that were deployed, `candidates` the commits after the live one, `checklist` the last run of the checks
    before a deployment, `incidents` those that are not over (the worst level, then the latest, first) and those that
    were closed in the last day, `checklists` how each recurring one stands. They are read after the rest: `control`
    says whether they were.
    """

    at: datetime
    link: Link = Link()
    agent: AgentState = AgentState()
    overall: Overall = NO_DATA
    health: tuple[ComponentHealth, ...] = ()
    metrics: Metrics = Metrics()
    trends: Mapping[str, Series] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    alerts: tuple[Alert, ...] = ()
    silences: tuple[Silence, ...] = ()
    control: bool = False
    kinds: tuple[KindSpec, ...] = ()
    actions: tuple[Action, ...] = ()
    effects: tuple[Effect, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    glass: tuple[Glass, ...] = ()
    findings: tuple[Finding, ...] = ()
    detectors: tuple[Detector, ...] = ()
    releases: tuple[Release, ...] = ()
    candidates: tuple[Commit, ...] = ()
    checklist: CheckRun | None = None
    incidents: tuple[Incident, ...] = ()
    checklists: tuple[Standing, ...] = ()

    def without_the_past(self) -> Snapshot:
        """Without what has been over for too long by now: nobody tells that time passes."""
        day, hour = self.at - RESOLVED_FOR, self.at - LIFTED_FOR
        return replace(
            self,
            actions=tuple(a for a in self.actions if a.ended_at is None or a.ended_at >= day),
            effects=tuple(e for e in self.effects if e.lifted_at is None or e.lifted_at >= hour),
            findings=tuple(f for f in self.findings if f.state in ("open", "blocked") or f.at >= day),
            incidents=tuple(i for i in self.incidents if i.closed_at is None or i.closed_at >= day),
        )

    @property
    def deployment(self) -> Action | None:
        """The deployment or rollback that is under way, else the last one that anybody confirmed."""
        found = [a for a in self.actions if a.kind in DEPLOYMENTS and not a.only_planned]
        return next((a for a in found if not a.state.final), found[0] if found else None)

    @property
    def open_incidents(self) -> tuple[Incident, ...]:
        """Those that somebody has to work on, the worst first."""
        return tuple(incident for incident in self.incidents if not incident.state.over)

    def overdue(self, now: datetime) -> int:
        """How many checklists should have been done by now."""
        return sum(s.run is not None and s.run.state(now) == "overdue" for s in self.checklists)

    def incident(self, incident_id: int) -> Incident | None:
        """One of `incidents`; None where it is not among them."""
        return next((incident for incident in self.incidents if incident.id == incident_id), None)

    @property
    def open_findings(self) -> int:
        """How many are open threats that nothing contains."""
        return sum(finding.counts for finding in self.findings)

    def kind(self, name: str) -> KindSpec | None:
        """The kind of action of this name; None where the catalogue has none."""
        return next((kind for kind in self.kinds if kind.name == name), None)

    def command_of(self, kind: str) -> str:
        """What an action of this kind is called: as its command is, `block-ip`."""
        spec = self.kind(kind)
        command = "" if spec is None else spec.command.removeprefix("actions start ")
        return command or kind.replace("_", " ")

    def action(self, action_id: int) -> Action | None:
        """One of `actions`; None where it is not among them."""
        return next((action for action in self.actions if action.id == action_id), None)

    def data_age(self, now: datetime) -> timedelta | None:
        """How old the latest tick is, None before the first one."""
        return None if self.metrics.at is None else max(now - self.metrics.at, timedelta())

    def is_stale(self, at: datetime | None, now: datetime) -> bool:
        """Whether a reading taken at `at` is older than three ticks."""
        return at is None or (now - at).total_seconds() > STALE_AFTER_TICKS * self.agent.tick_s
