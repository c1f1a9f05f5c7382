"""Whatever two people do one after the other in one incident: both see the same, and it is what they did."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from console.domain.book import Done
from console.domain.errors import Refused
from console.domain.incident import IncidentState, Role
from console.store import incidents
from console.store.pool import Store
from tests.incidents.rooms import ORDERS, look, published, told
from tests.store.stores import Place, password_of

WHO = st.sampled_from(["alice", "bob"])
PLACE = st.integers(1, len(ORDERS.steps))
NOTE = st.sampled_from(["", "why"])


@dataclass
class Model:
    """What is to be seen."""

    marks: dict[int, tuple[Done, str, str]] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    roles: dict[Role, str] = field(default_factory=dict)
    acknowledged_by: str | None = None
    mitigated_by: str | None = None
    closed_by: str | None = None
    level: int = 2
    told: int = 1

    @property
    def state(self) -> IncidentState:
        if self.closed_by:
            return IncidentState.CLOSED
        return IncidentState.MITIGATED if self.mitigated_by else IncidentState.OPEN


class Room(RuleBasedStateMachine):
    def __init__(self, runner: asyncio.Runner, stores: dict[str, Store]) -> None:
        super().__init__()
        self.runner, self.stores = runner, stores
        self.model = Model()
        self.number = runner.run(incidents.open_by_hand(stores["alice"], "A", 2, runbook=ORDERS.name))
        self.book = self._seen("alice").runbooks[0].id

    def _seen(self, who: str):
        return self.runner.run(look(self.stores[who], self.number))

    def _does(self, act: Awaitable[object], *, allowed: bool) -> object:
        async def run() -> object:
            return await act

        if allowed and self.model.closed_by is None:
            self.model.told += 1
            return self.runner.run(run())
        with pytest.raises(Refused):
            self.runner.run(run())
        return None

    def _works(self, who: str) -> None:
        if self.model.acknowledged_by is None:
            self.model.acknowledged_by = who
            self.model.told += 1

    @rule(who=WHO, place=PLACE, state=st.sampled_from(list(Done)), note=NOTE)
    def mark(self, who: str, place: int, state: Done, note: str) -> None:
        before, now = self.model.marks.get(place), (state, who, note)
        good = (before is None or before[1] == who) and not (state is Done.SKIPPED and not note)
        open_ = self.model.closed_by is None
        self._does(
            incidents.mark(self.stores[who], self.number, self.book, place, state, note=note), allowed=good
        )
        if good and open_:
            if before == now:
                self.model.told -= 1
                return
            self.model.marks[place] = now
            self._works(who)

    @rule(who=WHO, place=PLACE)
    def take_back(self, who: str, place: int) -> None:
        good = place in self.model.marks
        self._does(incidents.mark(self.stores[who], self.number, self.book, place, None), allowed=good)
        if good and self.model.closed_by is None:
            del self.model.marks[place]

    @rule(who=WHO, key=st.sampled_from(["k1", "k2", "k3"]))
    def note(self, who: str, key: str) -> None:
        event = self.runner.run(incidents.add_note(self.stores[who], self.number, f"note {key}", key=key))
        self.model.told += key not in self.model.notes
        assert self.model.notes.setdefault(key, event) == event

    @rule(who=WHO, role=st.sampled_from(list(Role)[:2]), person=st.sampled_from(["alice", "bob", ""]))
    def role(self, who: str, role: Role, person: str) -> None:
        before = self.model.roles.get(role)
        good = bool(person) or before is not None
        self._does(incidents.set_role(self.stores[who], self.number, role, person), allowed=good)
        if not good or self.model.closed_by is not None:
            return
        if before == person:
            self.model.told -= 1
        elif person:
            self.model.roles[role] = person
            self._works(who)
        else:
            del self.model.roles[role]

    @rule(who=WHO)
    def acknowledge(self, who: str) -> None:
        good = self.model.acknowledged_by is None
        self._does(incidents.acknowledge(self.stores[who], self.number), allowed=good)
        if good and self.model.closed_by is None:
            self.model.acknowledged_by = who

    @rule(who=WHO, back=st.booleans())
    def mitigate(self, who: str, back: bool) -> None:
        good = (self.model.mitigated_by is not None) == back
        self._does(incidents.mitigate(self.stores[who], self.number, back=back), allowed=good)
        if good and self.model.closed_by is None:
            self.model.mitigated_by = None if back else who
            if not back:
                self._works(who)

    @rule(who=WHO, level=st.integers(1, 3))
    def set_level(self, who: str, level: int) -> None:
        good = level != self.model.level
        self._does(incidents.set_level(self.stores[who], self.number, level, "so"), allowed=good)
        if good and self.model.closed_by is None:
            self.model.level = level

    @rule(who=WHO)
    def close(self, who: str) -> None:
        open_ = self.model.closed_by is None
        self._does(incidents.close(self.stores[who], self.number, "over"), allowed=True)
        if open_:
            self._works(who)
            self.model.closed_by = who

    @rule(who=WHO)
    def reopen(self, who: str) -> None:
        closed, self.model.closed_by = self.model.closed_by, None
        self._does(incidents.reopen(self.stores[who], self.number, "not over"), allowed=closed is not None)

    @invariant()
    def both_see_the_same_and_what_was_done(self) -> None:
        seen = self._seen("alice")
        assert seen == self._seen("bob")
        entries = self.runner.run(told(self.stores["alice"], self.number))
        assert entries == self.runner.run(told(self.stores["bob"], self.number))
        assert len(entries) == self.model.told
        model = self.model
        marks = {s.place: (s.mark.state, s.mark.by, s.mark.note) for s in seen.runbooks[0].steps if s.mark}
        assert (marks, dict(seen.roles), seen.level) == (model.marks, model.roles, model.level)
        assert (seen.state, seen.acknowledged_by) == (model.state, model.acknowledged_by)
        assert (seen.mitigated_by, seen.closed_by) == (model.mitigated_by, model.closed_by)
        # Each clock is the time of an entry.
        times = {entry.event.at for entry in entries}
        clocks = {seen.opened_at, seen.acknowledged_at, seen.mitigated_at, seen.closed_at} - {None}
        assert clocks <= times


def test_two_people_do_anything_in_any_order(room: Place) -> None:
    with asyncio.Runner() as runner:
        runner.run(published(room))

        async def connect() -> dict[str, Store]:
            return {
                name: await Store.open(room.url_of(name), password=password_of(name))
                for name in ("alice", "bob")
            }

        stores = runner.run(connect())
        try:
            run_state_machine_as_test(
                lambda: Room(runner, stores),  # pyright: ignore[reportArgumentType]
                settings=settings(
                    max_examples=12,
                    stateful_step_count=25,
                    deadline=None,
                    derandomize=True,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )
        finally:
            for store in stores.values():
                runner.run(store.close())
