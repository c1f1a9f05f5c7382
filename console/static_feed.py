"""A feed that holds still: for pictures and pilot tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn

from console.desk import Desk
from console.domain.action import Action, AuditEntry, OutputLine, Step
from console.domain.alert import AlertChange
from console.domain.book import Checklist, Runbook, Template
from console.domain.check import CheckRun, Known
from console.domain.diagnosis import Diagnosis
from console.domain.duties import Past, Run
from console.domain.errors import Refused
from console.domain.event import Event
from console.domain.finding import Finding, FindingChange
from console.domain.forecast import Usual
from console.domain.handover import Handover
from console.domain.health import CheckPoint
from console.domain.incident import Entry, Incident, Presence
from console.domain.log import LogLine, LogSource
from console.domain.metric import Series
from console.domain.snapshot import Snapshot
from console.feed import Hints, Listener, Listeners
from console.query import ActionChanges, FiredPerHour, Query
from console.store.actions import Preview


async def _closed(*_given: Any, **_more: Any) -> NoReturn:
    raise Refused("nothing can be changed here")


class ClosedDesk:
    """Refuses everything."""

    acknowledge = unacknowledge = silence = end_silence = _closed
    request = confirm = approve = withdraw = cancel = resume = _closed
    freeze = end_freeze = break_glass = mend_glass = dismiss_finding = _closed
    ask_checks = tick = _closed
    open_incident = acknowledge_incident = mitigate = close_incident = reopen_incident = _closed
    set_level = rename_incident = set_role = link_alerts = split_incident = merge_incident = _closed
    attach_runbook = mark_step = add_note = pin = pin_plot = add_follow_up = end_follow_up = _closed
    record_update = offer_handover = sign_handover = mark_item = start_checklist = _closed

    async def beat(
        self, incident_id: int | None, *, screen: int, selection: str = "", active: bool = True
    ) -> None:
        """Nobody is told."""

    async def preview(self, action_id: int) -> Preview:
        return Preview((), "")


class StaticFeed:
    """`publish` shows another snapshot, `hint` tells watchers what a store would tell. What is asked on demand is
    answered from what was given."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        now: datetime,
        series: Mapping[str, Series] | None = None,
        checks: Mapping[str, Sequence[CheckPoint]] | None = None,
        history: Mapping[int, Sequence[AlertChange]] | None = None,
        fired: FiredPerHour = (),
        diagnoses: Mapping[int, Diagnosis] | None = None,
        changes: Sequence[Event] = (),
        lines: Sequence[LogLine] = (),
        sources: Sequence[LogSource] = (),
        steps: Mapping[int, Sequence[Step]] | None = None,
        output: Mapping[int, Sequence[OutputLine]] | None = None,
        action_changes: Mapping[int, ActionChanges] | None = None,
        usual: Mapping[str, Usual] | None = None,
        audit: Sequence[AuditEntry] = (),
        finding_history: Mapping[int, Sequence[FindingChange]] | None = None,
        timeline: Mapping[int, Sequence[Entry]] | None = None,
        present: Sequence[Presence] = (),
        handovers: Sequence[Handover] = (),
        runbooks: Sequence[Runbook] = (),
        templates: Sequence[Template] = (),
        definitions: Sequence[Checklist] = (),
        past_runs: Sequence[Past] = (),
        runs: Sequence[Run] = (),
        ticked: Sequence[tuple[str, int]] = (),
        texts: Mapping[str, str] | None = None,
        known: Mapping[str, Known] | None = None,
        last_seen: datetime | None = None,
        first_came: datetime | None = None,
        responders: Sequence[str] = (),
        desk: Desk | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.desk: Desk = desk or ClosedDesk()
        self.lines = list(lines)
        self.sources = list(sources)
        self.diagnoses = dict(diagnoses or {})
        self._now = now
        self._series = series if series is not None else snapshot.trends
        self._checks = checks or {}
        self._history = history or {}
        self._fired = fired
        self._changes = changes
        self.steps = dict(steps or {})
        self.output = dict(output or {})
        self._action_changes = action_changes or {}
        self._usual = usual or {}
        self._audit = audit
        self._finding_history = finding_history or {}
        self.timeline = dict(timeline or {})
        self._present = present
        self._handovers = handovers
        self._runbooks = runbooks
        self._templates = templates
        self._definitions = definitions
        self._past_runs = past_runs
        self._runs = runs
        self._ticked = ticked
        self._texts = texts or {}
        self.known = dict(known or {})
        self._last_seen = last_seen
        self._first_came = first_came
        self._responders = responders
        self._listeners = Listeners()
        self._hints = Hints()

    @property
    def query(self) -> Query:
        return self

    def now(self) -> datetime:
        return self._now

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._listeners.add(listener)

    def watch(self, hint: str, callback: Callable[[], None]) -> Callable[[], None]:
        return self._hints.add(hint, callback)

    def hint(self, what: str) -> None:
        self._hints.tell(what)

    def publish(self, snapshot: Snapshot, *, now: datetime | None = None) -> None:
        before, self.snapshot = self.snapshot, snapshot
        self._now = now or self._now
        self._listeners.publish(before, snapshot)

    async def run(self) -> None:
        """Nothing changes by itself."""

    def refresh(self) -> None:
        """There is nothing to read."""

    async def series(
        self, names: Sequence[str], window: timedelta, points: int, *, ago: timedelta = timedelta()
    ) -> Mapping[str, Series]:
        step = window.total_seconds() / points
        nothing = Series(self._now - window - ago, step, (None,) * points)
        return {name: self._series.get(name, nothing) for name in names}

    async def checks(self, component: str, window: timedelta) -> Sequence[CheckPoint]:
        return self._checks.get(component, ())

    async def events(self, *, subject: str | None = None, limit: int = 50) -> Sequence[Event]:
        return [e for e in self.snapshot.events if subject in (None, e.subject)][:limit]

    async def changes_before(
        self, moment: datetime, window: timedelta, *, but: str | None = None
    ) -> Sequence[Event]:
        return self._changes

    async def alert_history(self, alert_id: int, *, limit: int = 50) -> Sequence[AlertChange]:
        return self._history.get(alert_id, ())[:limit]

    async def fired_per_hour(self, hours: int) -> FiredPerHour:
        return self._fired

    async def diagnosis(self, alert_id: int) -> Diagnosis | None:
        return self.diagnoses.get(alert_id)

    async def logs(self, *, after: int | None = None, limit: int = 500, **more: Any) -> Sequence[LogLine]:
        """Of the filters only `after`, `sources`, `request` and `limit` count."""
        sources, request = more.get("sources"), more.get("request")
        found = [
            line
            for line in self.lines
            if (after is None or line.id > after)
            and (sources is None or line.source in sources)
            and (request is None or line.request == request)
        ]
        return found[:limit] if after is not None else found[-limit:]

    async def log_sources(self) -> Sequence[LogSource]:
        return self.sources

    async def action(self, action_id: int) -> Action | None:
        return self.snapshot.action(action_id)

    async def action_steps(self, action_id: int) -> Sequence[Step]:
        return self.steps.get(action_id, ())

    async def action_output(self, action_id: int, *, after: int = 0) -> Sequence[OutputLine]:
        return [line for line in self.output.get(action_id, ()) if line.seq > after]

    async def action_changes(self, action_id: int) -> ActionChanges:
        return self._action_changes.get(action_id, ())

    async def usual(self, kind: str) -> Mapping[str, Usual]:
        return self._usual

    async def checklist(self, commit: str) -> CheckRun | None:
        run = self.snapshot.checklist
        return run if run is not None and run.commit == commit else None

    async def known_checks(self, names: Sequence[str]) -> Mapping[str, Known]:
        return {name: self.known.get(name, Known(name)) for name in names}

    async def audit(
        self, *, before: int | None = None, limit: int = 200, action_id: int | None = None
    ) -> Sequence[AuditEntry]:
        found = [
            entry
            for entry in self._audit
            if (before is None or entry.seq < before) and action_id in (None, entry.action_id)
        ]
        return found[:limit]

    async def finding(self, finding_id: int) -> Finding | None:
        return next((finding for finding in self.snapshot.findings if finding.id == finding_id), None)

    async def finding_history(self, finding_id: int, *, limit: int = 50) -> Sequence[FindingChange]:
        return self._finding_history.get(finding_id, ())[:limit]

    async def incident(self, incident_id: int) -> Incident | None:
        return self.snapshot.incident(incident_id)

    async def past_incidents(self, *, limit: int = 50) -> Sequence[Incident]:
        return sorted(self.snapshot.incidents, key=lambda incident: -incident.id)[:limit]

    async def incident_timeline(
        self, incident_id: int, *, before: tuple[datetime, int] | None = None, limit: int = 200
    ) -> Sequence[Entry]:
        found = [
            entry
            for entry in self.timeline.get(incident_id, ())
            if before is None or (entry.event.at, entry.event.id) < before
        ]
        return found[:limit]

    async def present(self, incident_id: int) -> Sequence[Presence]:
        return self._present

    async def handovers(self, *, limit: int = 20) -> Sequence[Handover]:
        return self._handovers[:limit]

    async def handover(self, handover_id: int) -> Handover | None:
        return next((each for each in self._handovers if each.id == handover_id), None)

    async def offered_handovers(self) -> Sequence[Handover]:
        user = self.snapshot.link.user
        return [each for each in self._handovers if each.taker == user and each.signed_at is None]

    async def last_seen(self) -> datetime | None:
        return self._last_seen

    async def first_came(self) -> datetime | None:
        return self._first_came

    async def responders(self) -> Sequence[str]:
        return self._responders

    async def postmortem(self, incident_id: int) -> str:
        return self._texts.get("postmortem", "")

    async def draft_update(self, incident_id: int, template: str) -> str:
        return self._texts.get(template, "")

    async def handover_text(self) -> str:
        return self._texts.get("handover", "")

    async def runbooks(self) -> Sequence[Runbook]:
        return self._runbooks

    async def templates(self) -> Sequence[Template]:
        return self._templates

    async def checklists(self) -> Sequence[Checklist]:
        return self._definitions

    async def run_of(self, run_id: int) -> Run | None:
        current = [s.run for s in self.snapshot.checklists if s.run is not None]
        return next((run for run in (*current, *self._runs) if run.id == run_id), None)

    async def past_runs(
        self, *, since: datetime, until: datetime | None = None, checklist: str | None = None
    ) -> Sequence[Past]:
        return [p for p in self._past_runs if p.due_at >= since and checklist in (None, p.checklist)]

    async def ticked_by(self, *, since: datetime) -> Sequence[tuple[str, int]]:
        return self._ticked
