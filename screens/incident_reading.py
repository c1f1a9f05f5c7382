"""Which incident the war-room shows, and what is read of it on demand. It draws nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from console.domain.alert import Alert
from console.domain.book import Runbook
from console.domain.event import Event
from console.domain.incident import Incident, Presence
from console.domain.metric import Series
from screens.alert_reading import BEFORE
from screens.base import Layout
from screens.incident_acting import IncidentActing
from screens.incident_entries import metric_of
from screens.incident_pages import Pages
from screens.incident_rows import Scene
from screens.incident_step_rows import found_said

_PAST = 50
_AROUND = timedelta(minutes=15)
"""So much before and after one that is over is plotted."""
_POINTS = 120


class IncidentReading(IncidentActing):
    """The one that was chosen, else the worst of those that are open. What is read is drawn by the `_draw_...` of the
    screen."""

    def __init__(self, *, number: int | None = None) -> None:
        super().__init__(number=number)
        self._chosen: int | None = None
        self._listing = False
        self._old: Incident | None = None
        self._past: Sequence[Incident] = ()
        self._books: Sequence[Runbook] = ()
        self._pages = Pages()
        self._changes: Sequence[Event] = ()
        self._present: Sequence[Presence] = ()
        self._metric = ""
        self._series: Mapping[str, Series] = {}
        self._timeline = self.follow(
            *(self._read_timeline, self._draw_timeline, "event"),
            what="the timeline",
            about=self._number,
            wanted=self._has_one,
        )
        self._before = self.follow(
            *(self._read_changes, self._draw_changes), what="what changed", about=self._number
        )
        self._company = self.follow(
            *(self._read_present, self._draw_head, "presence"),
            what="who is here",
            about=self._number,
            wanted=self._has_one,
        )
        self._shelf = self.follow(
            *(self._read_past, self._draw_past, "incident", "book"),
            what="the incidents",
            wanted=lambda: not self._has_one(),
        )

        self._checking = self.follow(
            *(self._read_checks, self._draw_checks, "check"),
            what="the checks",
            about=self._number,
            wanted=lambda: bool(self._check_names()),
        )

    def _draw_timeline(self) -> None:
        raise NotImplementedError

    def _draw_changes(self) -> None:
        raise NotImplementedError

    def _draw_head(self) -> None:
        raise NotImplementedError

    def _draw_past(self) -> None:
        raise NotImplementedError

    # What is in view

    @property
    def incident(self) -> Incident | None:
        if self._listing:
            return None
        if self._chosen is not None:
            known = self.snapshot.incident(self._chosen)
            old = self._old if self._old is not None and self._old.id == self._chosen else None
            return known or old
        return next(iter(self.snapshot.open_incidents), None)

    def _number(self) -> int | None:
        if self._listing:
            return None
        incident = self.incident
        return self._chosen if incident is None else incident.id

    def _has_one(self) -> bool:
        return self._number() is not None

    @property
    def _alerts(self) -> list[Alert]:
        incident = self.incident
        wanted = () if incident is None else incident.alerts
        return [alert for alert in self.snapshot.alerts if alert.id in wanted]

    def shown_metric(self) -> str:
        incident = self.incident
        return "" if incident is None else metric_of(incident, self._alerts, self._metric)

    def _scene(self) -> Scene:
        actions = {action.id: action for action in self.snapshot.actions}
        return Scene(
            self.look,
            self.now,
            compact=self.arrangement is Layout.COMPACT,
            wide=self.arrangement is Layout.WIDE,
            greyed=self.greyed,
            actions=actions,
            checks=self.checked,
            asking=self.asked,
            writes=self.writes,
        )

    # Reading

    async def _read_timeline(self) -> None:
        number = self._number()
        if number is None:
            return
        if self.snapshot.incident(number) is None:
            self._old = await self.feed.query.incident(number)
        await self._pages.read(self.feed.query, number)

    async def _read_changes(self) -> None:
        number = self._number()
        if number is None:
            return
        # The timeline may not have read an old one yet.
        incident = self.incident or await self.feed.query.incident(number)
        if incident is None:
            self._changes, self._series = (), {}
            return
        # The same half hour as that of the timeline, which no time scale changes.
        found = await self.feed.query.changes_before(incident.detected_at, BEFORE)
        # That other alerts fired is no change that anybody made; they stand in the timeline. An agent changes nothing.
        self._changes = [event for event in found if event.kind not in ("alert", "agent")]
        self._series = await self._then(incident)

    async def _then(self, incident: Incident) -> Mapping[str, Series]:
        """The metric of one that is over, at its time."""
        end, metric = incident.closed_at, self.shown_metric()
        if end is None or not metric:
            return {}
        window = end - incident.detected_at + 2 * _AROUND
        ago = max(self.now - end - _AROUND, timedelta())
        return await self.feed.query.series([metric], window, _POINTS, ago=ago)

    def _check_names(self) -> list[str]:
        """The checks that steps of the one in view name."""
        books = () if self.incident is None else self.incident.runbooks
        return sorted({marked.step.check for book in books for marked in book.steps} - {""})

    async def _read_checks(self) -> None:
        self.checked = await self.feed.query.known_checks(self._check_names())

    def _draw_checks(self) -> None:
        self.acted()
        for check, run in tuple(self.awaited.items()):
            found = self.checked.get(check)
            if found is None or found.run is None or found.run.id < run or found.awaited:
                continue
            del self.awaited[check]
            words, role = found_said(found, self.now)
            self.say(words, role=role, glyph="done" if role == "ok" else "warn")

    async def _read_present(self) -> None:
        number = self._number()
        if number is not None:
            self._present = await self.feed.query.present(number)

    async def _read_past(self) -> None:
        self._past = await self.feed.query.past_incidents(limit=_PAST)
        self._books = await self.feed.query.runbooks()
