"""What is read from the store on demand: windows, the past, what is behind an alert, logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from console.bookshelf import ShelfQuery, StoreShelfQuery
from console.domain.alert import AlertChange
from console.domain.event import Event, Severity
from console.domain.health import CheckPoint
from console.domain.metric import Series
from console.room import Connected, RoomQuery, StoreRoomQuery
from console.store import alerts, health, ticks, timeline

# What is only asked for later is loaded later: the first screen is there sooner.
if TYPE_CHECKING:
    from console.domain.action import Action, AuditEntry, OutputLine, Step
    from console.domain.check import CheckRun, Known
    from console.domain.diagnosis import Diagnosis
    from console.domain.finding import Finding, FindingChange
    from console.domain.forecast import Usual
    from console.domain.log import LogLine, LogSource

FiredPerHour = Sequence[tuple[datetime, Severity, int]]
"""The beginning of an hour, a severity, and how many alerts of it fired in that hour; only hours with any."""
ActionChanges = Sequence[tuple[datetime, str, str, str]]
"""What an action went through, oldest first: when, state, actor, text."""


class Query(RoomQuery, ShelfQuery, Protocol):
    """What is read on demand. Each call raises StoreAway when the store can't answer."""

    async def series(
        self, names: Sequence[str], window: timedelta, points: int, *, ago: timedelta = timedelta()
    ) -> Mapping[str, Series]:
        """Bucket means of the window that ended `ago` before now; every name has an entry."""
        ...

    async def checks(self, component: str, window: timedelta) -> Sequence[CheckPoint]:
        """One component's ticks of the last `window`, oldest first."""
        ...

    async def events(self, *, subject: str | None = None, limit: int = 50) -> Sequence[Event]:
        """The timeline, newest first."""
        ...

    async def changes_before(
        self, moment: datetime, window: timedelta, *, but: str | None = None
    ) -> Sequence[Event]:
        """What happened in the `window` before `moment`, the likeliest cause first; `but` leaves out one subject."""
        ...

    async def alert_history(self, alert_id: int, *, limit: int = 50) -> Sequence[AlertChange]:
        """What one alert went through, newest first."""
        ...

    async def fired_per_hour(self, hours: int) -> FiredPerHour:
        """The last `hours` whole hours and the present one."""
        ...

    async def diagnosis(self, alert_id: int) -> Diagnosis | None:
        """What the agent found out about an alert; None when it did not ask yet."""
        ...

    async def logs(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 500,
        sources: Sequence[str] | None = None,
        pattern: str | None = None,
        request: str | None = None,
        user: str | None = None,
    ) -> Sequence[LogLine]:
        """Lines of the platform's logs, oldest first: those that match everything that is given."""
        ...

    async def log_sources(self) -> Sequence[LogSource]:
        """Which logs are followed, and why one is not."""
        ...

    async def action(self, action_id: int) -> Action | None:
        """One action; None when there is none with this number."""
        ...

    async def action_steps(self, action_id: int) -> Sequence[Step]:
        """Its steps, in order; none before it runs."""
        ...

    async def action_output(self, action_id: int, *, after: int = 0) -> Sequence[OutputLine]:
        """Lines of its output after the line `after`, oldest first; at most 250 at once."""
        ...

    async def action_changes(self, action_id: int) -> ActionChanges:
        """What it went through."""
        ...

    async def usual(self, kind: str) -> Mapping[str, Usual]:
        """How the steps of the last actions of a kind that are done went, by name."""
        ...

    async def checklist(self, commit: str) -> CheckRun | None:
        """The last run of the checks before a deployment about this commit."""
        ...

    async def known_checks(self, names: Sequence[str]) -> Mapping[str, Known]:
        """What is known of these checks of the platform."""
        ...

    async def responders(self) -> Sequence[str]:
        """The logins of all who may respond, by name."""
        ...

    async def audit(
        self, *, before: int | None = None, limit: int = 200, action_id: int | None = None
    ) -> Sequence[AuditEntry]:
        """Entries of the audit before the entry `before`, newest first."""
        ...

    async def finding(self, finding_id: int) -> Finding | None:
        """One security finding, however old; None where there is none of this number."""
        ...

    async def finding_history(self, finding_id: int, *, limit: int = 50) -> Sequence[FindingChange]:
        """What one finding went through, newest first."""
        ...


class StoreQuery(StoreRoomQuery, StoreShelfQuery):
    """`Query` over a store."""

    def __init__(self, source: Connected) -> None:
        self._source = source

    async def series(
        self, names: Sequence[str], window: timedelta, points: int, *, ago: timedelta = timedelta()
    ) -> Mapping[str, Series]:
        end = self._source.now() - ago
        store = await self._source.connected()
        return await ticks.series(store, names, start=end - window, end=end, points=points)

    async def checks(self, component: str, window: timedelta) -> Sequence[CheckPoint]:
        end = self._source.now()
        return await health.checks(await self._source.connected(), component, start=end - window, end=end)

    async def events(self, *, subject: str | None = None, limit: int = 50) -> Sequence[Event]:
        return await timeline.recent(await self._source.connected(), subject=subject, limit=limit)

    async def changes_before(
        self, moment: datetime, window: timedelta, *, but: str | None = None
    ) -> Sequence[Event]:
        from console.domain.causes import ranked

        store = await self._source.connected()
        found = await timeline.between(store, start=moment - window, end=moment)
        return ranked(found, moment, window, but=but)

    async def alert_history(self, alert_id: int, *, limit: int = 50) -> Sequence[AlertChange]:
        return await alerts.history(await self._source.connected(), alert_id=alert_id, limit=limit)

    async def fired_per_hour(self, hours: int) -> FiredPerHour:
        now = self._source.now()
        start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)
        return await alerts.fired_per_hour(await self._source.connected(), start=start, end=now)

    async def diagnosis(self, alert_id: int) -> Diagnosis | None:
        from console.store import diagnoses

        return await diagnoses.read(await self._source.connected(), alert_id)

    async def logs(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 500,
        sources: Sequence[str] | None = None,
        pattern: str | None = None,
        request: str | None = None,
        user: str | None = None,
    ) -> Sequence[LogLine]:
        from console.store import logs

        return await logs.recent(
            await self._source.connected(),
            after=after,
            before=before,
            start=start,
            end=end,
            limit=limit,
            sources=sources,
            pattern=pattern,
            request=request,
            user=user,
        )

    async def log_sources(self) -> Sequence[LogSource]:
        from console.store import logs

        return await logs.sources(await self._source.connected())

    async def finding(self, finding_id: int) -> Finding | None:
        from console.store import findings

        return await findings.show(await self._source.connected(), finding_id)

    async def finding_history(self, finding_id: int, *, limit: int = 50) -> Sequence[FindingChange]:
        from console.store import findings

        return await findings.history(await self._source.connected(), finding_id, limit=limit)

    async def action(self, action_id: int) -> Action | None:
        from console.store import actions

        return await actions.one(await self._source.connected(), action_id)

    async def action_steps(self, action_id: int) -> Sequence[Step]:
        from console.store import actions

        return await actions.steps(await self._source.connected(), action_id)

    async def action_output(self, action_id: int, *, after: int = 0) -> Sequence[OutputLine]:
        from console.store import actions

        # So few that a key is heard between two pages.
        return await actions.output(await self._source.connected(), action_id, after=after, limit=250)

    async def action_changes(self, action_id: int) -> ActionChanges:
        from console.store import actions

        return await actions.changes(await self._source.connected(), action_id)

    async def usual(self, kind: str) -> Mapping[str, Usual]:
        from console.store import durations

        return await durations.usual(await self._source.connected(), kind)

    async def checklist(self, commit: str) -> CheckRun | None:
        from console.store import checks

        return await checks.latest(await self._source.connected(), "pre", commit=commit)

    async def known_checks(self, names: Sequence[str]) -> Mapping[str, Known]:
        from console.store import checks

        store = await self._source.connected()
        return await checks.known(store, names)

    async def responders(self) -> Sequence[str]:
        from console.store import presences

        return await presences.responders(await self._source.connected())

    async def audit(
        self, *, before: int | None = None, limit: int = 200, action_id: int | None = None
    ) -> Sequence[AuditEntry]:
        from console.store import audit

        store = await self._source.connected()
        return await audit.recent(store, before=before, limit=limit, action_id=action_id)
