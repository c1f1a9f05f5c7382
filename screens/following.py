"""Together: where this console is, told to the others; who calls it by `@name`; and seeing what the commander sees.

What fails here is silent: nobody's work waits for it, and the next beat is seconds away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from console.domain.calling import called
from console.domain.errors import TradexError
from console.domain.snapshot import Snapshot
from screens.base import ConsoleScreen, Host, in_front
from widgets.live_table import LiveTable

if TYPE_CHECKING:
    from textual.app import App

    from console.domain.incident import Entry, Incident, Presence

_INCIDENT = 5
_ROOM_EVERY_S, _HERE_EVERY_S = 10, 60
_NEWEST = 20
_NUMBER = re.compile(r"INC-(\d+)")


def calls(text: str, person: str) -> bool:
    """Whether a note calls somebody: `@nora.k, look`."""
    return person.casefold() in {name.casefold() for name in called(text)}


class Ringing(Protocol):
    """Rings the bell, where that is wanted."""

    def __call__(self) -> None: ...


class Following:
    """Of one app. `room` is the incident that its war-room shows; `called` the one that it is to show next."""

    def __init__(self, app: App[None], host: Host, ring: Ringing) -> None:
        self._app, self._host, self._ring = app, host, ring
        self.room: int | None = None
        self.called: int | None = None
        self.active = True
        self.leader = ""
        self._leads: int | None = None
        self._seconds = _HERE_EVERY_S
        self._told: tuple[int | None, int, str] | None = None
        self._beating = False
        self._looking = self._look_again = False
        self._seen_event: int | None = None
        self._applied: tuple[int, str] | None = None
        self._wanted: tuple[int, str] | None = None
        self._ends: Callable[[], None] | None = None

    @property
    def _screen(self) -> ConsoleScreen | None:
        return in_front(self._app)

    @property
    def _snapshot(self) -> Snapshot:
        return self._host.feed.snapshot

    def begin(self) -> None:
        """Hear who comes, goes, and moves about."""
        self._ends = self._host.feed.watch("presence", self._look)

    # Where this console is

    def _place(self) -> tuple[int | None, int, str]:
        screen = self._screen
        number = 0 if screen is None else screen.number
        room = None if self.room is None else self._snapshot.incident(self.room)
        mine = room is not None and room.commander == self._snapshot.link.user
        stays = (
            room is not None and not room.state.over and (number == _INCIDENT or mine or bool(self.leader))
        )
        return (self.room if stays else None), number, selection_of(screen)

    def second(self) -> None:
        """A second has passed."""
        self._seconds += 1
        self._apply()
        link = self._snapshot.link
        if link.away is not None or not link.user or link.read_only or self._beating:
            return
        place = self._place()
        told = self._told
        every = _HERE_EVERY_S if place[0] is None else _ROOM_EVERY_S
        # Whoever is in a room is seen to move; elsewhere nobody looks.
        moved = told is None or place[0] != told[0] or (place[0] is not None and place != told)
        if moved or self._seconds >= every:
            self._beating, self._seconds, self._told = True, 0, place
            self._app.run_worker(self._beat(*place), group="presence", exit_on_error=False)

    async def _beat(self, incident: int | None, number: int, selection: str) -> None:
        active, self.active = self.active, False
        try:
            await self._host.feed.desk.beat(incident, screen=number, selection=selection, active=active)
        except TradexError:
            self.active |= active
        finally:
            self._beating = False

    # Who calls

    def listen(self, snapshot: Snapshot, changed: frozenset[str]) -> None:
        """The snapshot has changed."""
        if self.leader and not self._can_follow():
            self.stop("there is nobody to follow any more")
        if "events" not in changed or not snapshot.link.user:
            return
        before = self._seen_event
        self._seen_event = max((event.id for event in snapshot.events), default=before or 0)
        if before is None:
            return
        notes = [e for e in snapshot.events if e.id > before and e.kind == "note"]
        rooms = {int(found[1]) for e in notes if (found := _NUMBER.search(f"{e.subject} {e.text}"))}
        fresh = {event.id for event in notes if event.actor != snapshot.link.user}
        if fresh and rooms:
            work = self._read_calls(sorted(rooms), fresh, snapshot.link.user)
            self._app.run_worker(work, group="calls", exit_on_error=False)

    async def _read_calls(self, rooms: Sequence[int], fresh: set[int], user: str) -> None:
        """The whole notes: only their first lines are events."""
        for room in rooms:
            entries: Sequence[Entry] = ()
            with suppress(TradexError):
                entries = await self._host.feed.query.incident_timeline(room, limit=_NEWEST)
            for entry in entries:
                lines = (entry.body or entry.event.text).splitlines()
                line = next((line.strip() for line in lines if calls(line, user)), None)
                if entry.event.id in fresh and line is not None:
                    self._called(room, entry.event.actor, line)
                    return

    def _called(self, room: int, by: str, line: str) -> None:
        self._ring()
        screen = self._screen
        there = screen is not None and screen.number == _INCIDENT and self.room == room
        # Whoever works on another incident is not taken away from it.
        self.called = None if there else room
        if screen is not None:
            way = "" if there else f"; {_INCIDENT} shows it"
            screen.say(f"{by} calls you in INC-{room}{way}: {line}", role="accent")

    # Seeing what the commander sees

    def _can_follow(self) -> bool:
        room = self._incident()
        return room is not None and not room.state.over and room.commander == self.leader

    def _incident(self) -> Incident | None:
        return None if self._leads is None else self._snapshot.incident(self._leads)

    def toggle(self) -> None:
        """Begin, or stop."""
        screen = self._screen
        if screen is None:
            return
        if self.leader:
            self.stop(f"{self.leader} is not followed any more")
            return
        room = None if self.room is None else self._snapshot.incident(self.room)
        if room is None or room.state.over:
            screen.say("no incident is open here: 5 shows those that are")
        elif not room.commander:
            screen.say(f"{room.name} has no commander yet: o takes the role")
        elif room.commander == self._snapshot.link.user:
            screen.say(f"you lead {room.name}: the others follow you")
        else:
            self.leader, self._leads, self._applied = room.commander, room.id, None
            screen.say(f"following {self.leader}: f stops", role="ok", glyph="done")
            self._look()

    def stop(self, words: str) -> None:
        """Follow nobody."""
        self.leader, self._leads, self._wanted = "", None, None
        if (screen := self._screen) is not None:
            screen.say(words)

    def _look(self) -> None:
        if not self.leader:
            return
        self._look_again = True
        if not self._looking:
            self._looking = True
            self._app.run_worker(self._find(), group="presence", exit_on_error=False)

    async def _find(self) -> None:
        try:
            while self._look_again and self._leads is not None:
                self._look_again = False
                present: Sequence[Presence] = await self._host.feed.query.present(self._leads)
                theirs = [each for each in present if each.person == self.leader]
                if theirs:
                    latest = max(theirs, key=lambda each: each.seen_at)
                    self._go_to((latest.screen, latest.selection))
        except TradexError:
            # The next hint, or the store's return, looks again.
            self._look_again = False
        finally:
            self._looking = False

    def _go_to(self, place: tuple[int, str]) -> None:
        if place == self._applied or not self.leader:
            return
        self._applied = self._wanted = place
        self._apply()

    def _apply(self) -> None:
        """Go where the commander is, unless a dialog is in front: what somebody writes is not taken from them."""
        if self._wanted is None or self._app.screen is not self._screen:
            return
        number, selection = self._wanted
        screen = self._screen
        if screen is not None and number and screen.number != number:
            self._host.go(number)
            screen = self._screen
        if screen is None or select(screen, selection):
            self._wanted = None


def selection_of(screen: ConsoleScreen | None) -> str:
    """What is under the cursor: `alerts 12`, the table and its row; "" for nothing."""
    focused: Any = None if screen is None else screen.focused
    if isinstance(focused, LiveTable) and focused.id and focused.selected:
        return f"{focused.id} {focused.selected}"
    return ""


def select(screen: ConsoleScreen, selection: str) -> bool:
    """Put the cursor there; False while the table is not filled yet."""
    name, _, key = selection.partition(" ")
    if not name:
        return True
    found = [table for table in screen.query(LiveTable) if table.id == name]
    if not found:
        # A detail that only they have open.
        return screen.is_attached and bool(screen.query(LiveTable))
    if key not in found[0].keys:
        return bool(found[0].keys)
    found[0].select(key)
    found[0].focus()
    return True
