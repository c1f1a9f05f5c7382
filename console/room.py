"""Incidents, as consoles read them and as people change them; a part of `Query` and of `Desk`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from console.domain.book import Done
    from console.domain.handover import Handover
    from console.domain.incident import Entry, Incident, Presence, Role
    from console.store.pool import Store


class Connected(Protocol):
    """Who has the store."""

    def now(self) -> datetime: ...

    async def connected(self) -> Store: ...


class RoomQuery(Protocol):
    """What is read of incidents on demand. Each call raises StoreAway when the store can't answer."""

    async def incident(self, incident_id: int) -> Incident | None:
        """One incident, however old; None where there is none of this number."""
        ...

    async def past_incidents(self, *, limit: int = 50) -> Sequence[Incident]:
        """All of them, the latest first."""
        ...

    async def incident_timeline(
        self, incident_id: int, *, before: tuple[datetime, int] | None = None, limit: int = 200
    ) -> Sequence[Entry]:
        """Entries newest first, by time and id; `before` is that of the last one of the page before. What happened on
        the platform from half an hour before it was detected until it was closed belongs to it, too."""
        ...

    async def present(self, incident_id: int) -> Sequence[Presence]:
        """Whose consoles have it open, heard of in the last half a minute, and those that went within ten minutes."""
        ...

    async def handovers(self, *, limit: int = 20) -> Sequence[Handover]:
        """The latest hand-overs, newest first."""
        ...

    async def handover(self, handover_id: int) -> Handover | None:
        """The hand-over of this number; None: there is none."""
        ...

    async def offered_handovers(self) -> Sequence[Handover]:
        """Those that wait for this person to sign, newest first."""
        ...

    async def last_seen(self) -> datetime | None:
        """When this person was here last, before this console; None: never."""
        ...

    async def first_came(self) -> datetime | None:
        """When this person's first visit began, while it lasts; None: it is not their first, or it has not begun."""
        ...

    async def postmortem(self, incident_id: int) -> str:
        """The post-mortem as Markdown: figures, timeline, plots as text, open follow-ups. Raises Refused where there is
        no such incident."""
        ...

    async def draft_update(self, incident_id: int, template: str) -> str:
        """A stakeholder update by this template, filled in from the incident, to be read and changed before it is
        recorded. What has no value yet stays as `{{ name }}`. Raises Refused for an unknown template or incident."""
        ...

    async def handover_text(self) -> str:
        """What somebody who takes over now has to know, as Markdown: open incidents and alerts, silences that end,
        running blocks, overdue items, odd trends."""
        ...


class RoomDesk(Protocol):
    """What people change. Each call raises Refused when a guard says no, StoreAway and StoreRefused."""

    async def open_incident(
        self,
        title: str,
        level: int,
        *,
        alerts: Sequence[int] = (),
        runbook: str = "",
        note: str = "",
        key: str = "",
    ) -> int:
        """Open one by hand; its number. Refused for an alert that belongs to another one that is not over. The same
        `key` again is the same one, here and below: so it may be sent again when nobody knows whether it arrived."""
        ...

    async def acknowledge_incident(self, incident_id: int) -> None:
        """Somebody works on it: the ladder stops."""
        ...

    async def mitigate(self, incident_id: int, note: str = "", *, back: bool = False) -> None:
        """The harm has stopped; `back`: it has not, after all."""
        ...

    async def close_incident(self, incident_id: int, resolution: str) -> None:
        """It is over, and what it was."""
        ...

    async def reopen_incident(self, incident_id: int, reason: str) -> None:
        """It was not over, nor is it mitigated."""
        ...

    async def set_level(self, incident_id: int, level: int, reason: str) -> None:
        """How bad it is, 1 (worst) to 3."""
        ...

    async def rename_incident(self, incident_id: int, title: str) -> None:
        """What it is called."""
        ...

    async def set_role(self, incident_id: int, role: Role, person: str) -> None:
        """Who is what; "" for nobody."""
        ...

    async def link_alerts(self, incident_id: int, alerts: Sequence[int]) -> None:
        """These alerts belong to it, whichever they belonged to before."""
        ...

    async def split_incident(
        self, incident_id: int, alerts: Sequence[int], title: str, *, key: str = ""
    ) -> int:
        """These alerts become an incident of their own; its number."""
        ...

    async def merge_incident(self, incident_id: int, into: int) -> None:
        """All that is linked to it belongs to the other one, which goes on."""
        ...

    async def attach_runbook(self, incident_id: int, name: str) -> None:
        """Work through this one, too."""
        ...

    async def mark_step(
        self,
        incident_id: int,
        book: int,
        place: int,
        state: Done | None,
        *,
        note: str = "",
        action_id: int | None = None,
    ) -> None:
        """A step of an attached runbook is done, skipped (which takes a note), or None: not done after all. What
        somebody else said already is refused, with their name."""
        ...

    async def add_note(self, incident_id: int, text: str, *, key: str) -> int:
        """A note, Markdown of several lines; the event's number."""
        ...

    async def pin(self, incident_id: int, event_id: int, *, off: bool = False) -> None:
        """Keep an entry of the timeline in sight."""
        ...

    async def pin_plot(self, incident_id: int, metric: str) -> None:
        """The metric that everybody looks at; "" for none."""
        ...

    async def add_follow_up(self, incident_id: int, text: str, owner: str = "", *, key: str = "") -> int:
        """What is to be done afterwards; its number."""
        ...

    async def end_follow_up(self, follow_up: int) -> None:
        """It is done."""
        ...

    async def record_update(
        self, incident_id: int, template: str, text: str, *, key: str, again_s: float | None = None
    ) -> int:
        """A stakeholder update as it goes out, by this template; `again_s` seconds from now the next one is promised.
        The event's number."""
        ...

    async def beat(
        self, incident_id: int | None, *, screen: int, selection: str = "", active: bool = True
    ) -> None:
        """This console is here: of an incident (the first beat is a join), or None: just here. `active`: a key was
        pressed since the last one."""
        ...

    async def offer_handover(self, to: str, text: str, *, note: str = "", key: str = "") -> int:
        """Hand over to somebody, who is to sign it; its number."""
        ...

    async def sign_handover(self, handover: int) -> None:
        """Take over."""
        ...


class StoreRoomQuery:
    """`RoomQuery` over a store."""

    _source: Connected

    async def incident(self, incident_id: int) -> Incident | None:
        from console.store import incidents

        return await incidents.one(await self._source.connected(), incident_id)

    async def past_incidents(self, *, limit: int = 50) -> Sequence[Incident]:
        from console.store import incidents

        return await incidents.latest(await self._source.connected(), limit=limit)

    async def incident_timeline(
        self, incident_id: int, *, before: tuple[datetime, int] | None = None, limit: int = 200
    ) -> Sequence[Entry]:
        from console.store import incidents

        store = await self._source.connected()
        return await incidents.timeline(store, incident_id, before=before, limit=limit)

    async def present(self, incident_id: int) -> Sequence[Presence]:
        from console.store import presences

        return await presences.present(await self._source.connected(), incident_id)

    async def handovers(self, *, limit: int = 20) -> Sequence[Handover]:
        from console.store import handovers

        return await handovers.latest(await self._source.connected(), limit=limit)

    async def handover(self, handover_id: int) -> Handover | None:
        from console.store import handovers

        return await handovers.one(await self._source.connected(), handover_id)

    async def offered_handovers(self) -> Sequence[Handover]:
        from console.store import handovers

        return await handovers.offered(await self._source.connected())

    async def last_seen(self) -> datetime | None:
        from console.store import presences

        return await presences.last_seen(await self._source.connected())

    async def first_came(self) -> datetime | None:
        from console.store import presences

        return await presences.first_came(await self._source.connected())

    async def postmortem(self, incident_id: int) -> str:
        from console.incidents import postmortem

        return await postmortem.of(await self._source.connected(), incident_id, now=self._source.now())

    async def draft_update(self, incident_id: int, template: str) -> str:
        from console.incidents import updates

        store = await self._source.connected()
        return await updates.draft(store, incident_id, template, now=self._source.now())

    async def handover_text(self) -> str:
        from console.incidents import handing_over

        return await handing_over.text(await self._source.connected(), now=self._source.now())


class StoreRoomDesk:
    """`RoomDesk` over a store."""

    _source: Connected

    async def open_incident(
        self,
        title: str,
        level: int,
        *,
        alerts: Sequence[int] = (),
        runbook: str = "",
        note: str = "",
        key: str = "",
    ) -> int:
        from console.store import incidents

        store = await self._source.connected()
        return await incidents.open_by_hand(
            store, title, level, alerts=alerts, runbook=runbook, note=note, key=key
        )

    async def acknowledge_incident(self, incident_id: int) -> None:
        from console.store import incidents

        await incidents.acknowledge(await self._source.connected(), incident_id)

    async def mitigate(self, incident_id: int, note: str = "", *, back: bool = False) -> None:
        from console.store import incidents

        await incidents.mitigate(await self._source.connected(), incident_id, note, back=back)

    async def close_incident(self, incident_id: int, resolution: str) -> None:
        from console.store import incidents

        await incidents.close(await self._source.connected(), incident_id, resolution)

    async def reopen_incident(self, incident_id: int, reason: str) -> None:
        from console.store import incidents

        await incidents.reopen(await self._source.connected(), incident_id, reason)

    async def set_level(self, incident_id: int, level: int, reason: str) -> None:
        from console.store import incidents

        await incidents.set_level(await self._source.connected(), incident_id, level, reason)

    async def rename_incident(self, incident_id: int, title: str) -> None:
        from console.store import incidents

        await incidents.rename(await self._source.connected(), incident_id, title)

    async def set_role(self, incident_id: int, role: Role, person: str) -> None:
        from console.store import incidents

        await incidents.set_role(await self._source.connected(), incident_id, role, person)

    async def link_alerts(self, incident_id: int, alerts: Sequence[int]) -> None:
        from console.store import incidents

        await incidents.link(await self._source.connected(), incident_id, alerts)

    async def split_incident(
        self, incident_id: int, alerts: Sequence[int], title: str, *, key: str = ""
    ) -> int:
        from console.store import incidents

        return await incidents.split(await self._source.connected(), incident_id, alerts, title, key=key)

    async def merge_incident(self, incident_id: int, into: int) -> None:
        from console.store import incidents

        await incidents.merge(await self._source.connected(), incident_id, into)

    async def attach_runbook(self, incident_id: int, name: str) -> None:
        from console.store import incidents

        await incidents.attach(await self._source.connected(), incident_id, name)

    async def mark_step(
        self,
        incident_id: int,
        book: int,
        place: int,
        state: Done | None,
        *,
        note: str = "",
        action_id: int | None = None,
    ) -> None:
        from console.store import incidents

        store = await self._source.connected()
        await incidents.mark(store, incident_id, book, place, state, note=note, action_id=action_id)

    async def add_note(self, incident_id: int, text: str, *, key: str) -> int:
        from console.store import incidents

        return await incidents.add_note(await self._source.connected(), incident_id, text, key=key)

    async def pin(self, incident_id: int, event_id: int, *, off: bool = False) -> None:
        from console.store import incidents

        await incidents.pin(await self._source.connected(), incident_id, event_id, off=off)

    async def pin_plot(self, incident_id: int, metric: str) -> None:
        from console.store import incidents

        await incidents.pin_plot(await self._source.connected(), incident_id, metric)

    async def add_follow_up(self, incident_id: int, text: str, owner: str = "", *, key: str = "") -> int:
        from console.store import incidents

        store = await self._source.connected()
        return await incidents.add_follow_up(store, incident_id, text, owner, key=key)

    async def end_follow_up(self, follow_up: int) -> None:
        from console.store import incidents

        await incidents.end_follow_up(await self._source.connected(), follow_up)

    async def record_update(
        self, incident_id: int, template: str, text: str, *, key: str, again_s: float | None = None
    ) -> int:
        from console.store import incidents

        store = await self._source.connected()
        return await incidents.record_update(store, incident_id, template, text, key=key, again_s=again_s)

    async def beat(
        self, incident_id: int | None, *, screen: int, selection: str = "", active: bool = True
    ) -> None:
        from console.store import presences

        store = await self._source.connected()
        await presences.beat(store, incident_id, screen=screen, selection=selection, active=active)

    async def offer_handover(self, to: str, text: str, *, note: str = "", key: str = "") -> int:
        from console.store import handovers

        return await handovers.offer(await self._source.connected(), to, text, note=note, key=key)

    async def sign_handover(self, handover: int) -> None:
        from console.store import handovers

        await handovers.sign(await self._source.connected(), handover)
