"""Since you were last here: said once at the start in one line with counts, and listed with `h`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.errors import TradexError
from console.domain.event import Event, tally
from console.domain.snapshot import Snapshot
from screens.base import ConsoleScreen, Host, in_front
from screens.following import calls
from screens.timeline import event_columns, event_entries
from widgets.cells import cells, restyle
from widgets.live_table import Deferred, Entry, Group, LiveTable, Note, Row
from widgets.panel import set_title

if TYPE_CHECKING:
    from textual.app import App

    from widgets.look import Look

_MOST = 500
"""Entries that are read; whoever was away for longer has the audit and the incidents."""
_INCIDENT, _SHELF = 5, 6
_ROOM = re.compile(r"INC-(\d+)")
_VISIT = "five minutes without a console end a visit"


def counted(events: Sequence[Event]) -> str:
    """`2 critical, 1 warning, 3 actions, 1 incident of 24 entries`"""
    words = tally(events)
    total = "500 entries or more" if len(events) >= _MOST else fmt.counted(len(events), "entry", "entries")
    return f"{words} in {total}" if words else f"{total}, nothing of weight"


def room_of(event: Event) -> int | None:
    """The incident that an entry is about."""
    found = _ROOM.fullmatch(event.subject)
    return int(found[1]) if found else None


def by_day(events: Sequence[Event], look: Look, called: Collection[int] = ()) -> list[Entry]:
    """Newest first, under the day on which it happened; notes with incident and author. `called` are the entries that
    call this person."""
    entries: list[Entry] = []
    day = ""
    told = [_signed(event) if event.kind == "note" else event for event in events]
    for event, row in zip(events, event_entries(told, look), strict=True):
        if (name := f"{event.at.astimezone(UTC):%a %d %b}") != day:
            day = name
            entries.append(Group(day))
        if event.id in called and isinstance(row, Deferred):
            row = Deferred(row.key, partial(_calling, row, look))
        entries.append(row)
    return entries


def _signed(event: Event) -> Event:
    """`INC-1 bob: venue refuses`"""
    about = f"{event.subject} " if room_of(event) else ""
    return replace(event, text=f"{about}{event.actor}: {event.text}")


def _calling(row: Deferred, look: Look) -> Row:
    built = row.build()
    *before, text = built.cells
    return replace(built, cells=(*before, restyle(text, look("accent", bold=True))))


class Since:
    """Of one app: it looks back once, as soon as the store answers. `at` is when the visit before this one ended; of
    the first visit, which starts of the console within five minutes go on with, when that began. None where this one
    has only begun, or nobody knows yet."""

    def __init__(self, app: App[None], host: Host) -> None:
        self._app, self._host = app, host
        self._looked = False
        self.at: datetime | None = None
        self.first = False
        self.known = False
        self._offers: set[int] = set()
        self._calls: dict[int, bool] = {}

    def listen(self, snapshot: Snapshot, changed: frozenset[str]) -> None:
        """The snapshot has changed."""
        if not self._looked and snapshot.link.away is None and snapshot.control:
            self._looked = True
            self._app.run_worker(self._look_back(), group="since", exit_on_error=False)

    async def _look_back(self) -> None:
        try:
            query = self._host.feed.query
            self.at = await query.last_seen()
            if self.at is None:
                self.at = await query.first_came()
                self.first = True
            self.known = True
            events, offered = await self.events(), await self._offered()
        except TradexError:
            # It is tried again with the next change: nobody waits for it.
            self._looked = False
            return
        happened = f"{self.words(self._host.feed.now())}: {counted(events)}; h shows them"
        self._say(happened if events and self.at is not None else "", offered)
        self._host.feed.watch("handover", self._hear)

    def _hear(self) -> None:
        self._app.run_worker(self._tell_offered(), group="since", exit_on_error=False)

    async def _tell_offered(self) -> None:
        with suppress(TradexError):
            self._say(await self._offered())

    async def _offered(self) -> str:
        """Who hands over to this person, and was not told yet; "" for nobody, or where it is seen anyway."""
        waiting = await self._host.feed.query.offered_handovers()
        fresh = [h.giver for h in waiting if h.id not in self._offers]
        self._offers |= {h.id for h in waiting}
        screen = in_front(self._app)
        if not fresh or (screen is not None and screen.number == _SHELF):
            return ""
        return f"{', '.join(fresh)} hand{'s' if len(fresh) == 1 else ''} over to you: {_SHELF} shows it"

    def _say(self, *words: str) -> None:
        screen = in_front(self._app)
        if (said := "; ".join(filter(None, words))) and screen is not None:
            screen.say(said, role="info")

    def words(self, now: datetime) -> str:
        """`since you were last here, 2h ago`; "" where that is not known."""
        if self.at is None:
            return ""
        when = fmt.age(now - self.at)
        return f"your first visit began {when} ago" if self.first else f"since you were last here, {when} ago"

    async def events(self) -> Sequence[Event]:
        """What happened since then, newest first."""
        if self.at is None:
            return ()
        return [e for e in await self._host.feed.query.events(limit=_MOST) if e.at > self.at]

    async def calling(self, events: Sequence[Event]) -> set[int]:
        """Those of these notes that call this person by `@name`, also below their first line."""
        feed = self._host.feed
        user = feed.snapshot.link.user
        # What somebody wrote stays as it is.
        fresh = {e.id: e for e in events if e.kind == "note" and e.id not in self._calls}
        found = {e.id: calls(e.text, user) for e in fresh.values()}
        for room in {room for e in fresh.values() if (room := room_of(e)) is not None}:
            for entry in await feed.query.incident_timeline(room):
                if entry.event.id in fresh:
                    found[entry.event.id] |= calls(entry.body, user)
        self._calls |= found
        return {id for id, calls_me in self._calls.items() if calls_me}


class SinceScreen(ConsoleScreen):
    """What happened meanwhile."""

    TITLE: ClassVar[str | None] = "Since you were last here"
    AUTO_FOCUS: ClassVar[str | None] = "#since"
    DEFAULT_CSS = "SinceScreen #since { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,h", "app.pop_screen", "back", key_display="esc", id="detail.back"),
    ]

    def __init__(self, since: Since, *, number: int) -> None:
        super().__init__(number=number)
        self._since = since
        self._events: Sequence[Event] = ()
        self._called: Collection[int] = ()
        self._reading = self.follow(self._read, self._draw, "event", what="what happened", rest_s=1.0)

    def compose_body(self) -> Iterable[Widget]:
        yield LiveTable(id="since", header=False, empty="", newest_first=True)

    async def _read(self) -> None:
        events = await self._since.events()
        self._called = await self._since.calling(events)
        self._events = events

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        """The incident that the entry is about."""
        event.stop()
        chosen = next((each for each in self._events if str(each.id) == event.key), None)
        if chosen is None or (room := room_of(chosen)) is None:
            self.say("it belongs to no incident: there is no more to open")
            return
        from screens.incident_opening import show

        show(self, room, "")

    def update(self, changed: frozenset[str]) -> None:
        self._draw()

    def _draw(self) -> None:
        table, at = self.query_one("#since", LiveTable), self._since.at
        empty = "nothing has happened since then"
        if at is None:
            empty = "this is your first visit" if self._since.known else ""
        entries = by_day(self._events, self.look, self._called)
        if entries:
            entries.insert(0, Note(cells(_VISIT, self.look("faint"))))
        table.show(event_columns(seconds=True), entries, empty=self._reading.empty(empty))
        when = "" if at is None else f", {at.astimezone(UTC):%a %d %b %H:%M} UTC"
        title = "Since your first visit began" if self._since.first and at is not None else self.TITLE
        set_title(table, f"{title}{when}", subtitle=counted(self._events) if self._events else "")
