"""The duty about checklists on a real store, with a clock that is moved: what opens, what was missed, what is ticked by
itself, and what is told of it."""

import asyncio
from datetime import timedelta

import pytest

from console.domain.book import Done, Step
from console.domain.check import Outcome, passed, warned
from console.domain.duties import Run, RunState, Standing
from console.domain.errors import Fenced, Refused, StoreRefused
from console.runbooks.rounds import Rounds
from console.store import checklists
from console.store import lease as leases
from console.store.lease import Lease
from console.store.pool import Store
from tests.checklists.lists import at, daily, published, rounds
from tests.store.stores import Place


async def told(place: Place) -> list[tuple[str, str]]:
    found = await place.owner(
        "SELECT severity, subject, text FROM console.event WHERE kind = 'checklist' ORDER BY id"
    )
    assert {r["subject"] for r in found} <= {"Morning health", "Week"}
    return [(r["severity"], r["text"]) for r in found]


async def states(store: Store, now: str) -> list[tuple[str, RunState]]:
    """Day and state of every run."""
    past = await checklists.past(store, since=at("2020-01-01 00:00"), until=at("2099-01-01 00:00"))
    return [(f"{each.due_at:%m-%d %H:%M}", each.state(at(now))) for each in past]


async def only(store: Store) -> Standing:
    (found,) = await checklists.standing(store)
    return found


async def test_a_list_opens_in_its_time_is_told_overdue_once_and_is_missed_when_the_next_opens(
    place: Place,
) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = rounds()
        await published(store, lease, daily())
        # First read at 10:00: what was due an hour before existed for nobody.
        await agent.round(store, lease, at("2026-03-10 10:00"))
        new = await only(alice)
        assert (new.run, new.next_due_at, new.timezone) == (None, at("2026-03-11 09:00"), "UTC")
        await agent.round(store, lease, at("2026-03-11 04:59"))
        assert (await only(alice)).run is None
        await agent.round(store, lease, at("2026-03-11 05:00"))
        found = await only(alice)
        assert found.run is not None and found.next_due_at == at("2026-03-12 09:00")
        assert [item.step for item in found.run.items] == list(daily().items)
        assert (found.run.opens_at, found.run.late_at) == (at("2026-03-11 05:00"), at("2026-03-11 11:00"))
        await checklists.mark(alice, found.run.id, 1, Done.DONE)
        await agent.round(store, lease, at("2026-03-11 11:00"))
        assert await told(place) == []
        for _ in range(3):
            await agent.round(store, lease, at("2026-03-11 11:01"))
        # A leader that comes later tells it no second time.
        await rounds().round(store, lease, at("2026-03-11 11:02"))
        assert await told(place) == [
            ("info", "Morning health (due 11 Mar 09:00) is overdue: 1 of 3 items are done")
        ]
        await agent.round(store, lease, at("2026-03-12 05:00"))
        assert await states(alice, "2026-03-12 05:00") == [("03-11 09:00", "missed"), ("03-12 09:00", "open")]
        assert (await told(place))[1:] == [
            ("warning", "Morning health (due 11 Mar 09:00) was missed: 1 of 3 items were done")
        ]
        with pytest.raises(Refused, match="was missed: the next one is open"):
            await checklists.mark(alice, found.run.id, 2, Done.DONE)


async def test_after_two_days_without_an_agent_the_calendar_shows_them_and_one_line_says_so(
    place: Place,
) -> None:
    weekly = daily(name="week", title="Week", rule="FREQ=WEEKLY;BYDAY=MO", rhythm="weekly")
    async with place.leader() as (store, lease):
        await published(store, lease, daily(), weekly)
        await rounds().round(store, lease, at("2026-03-10 06:00"))
        await rounds().round(store, lease, at("2026-03-13 06:00"))
        past = await states(store, "2026-03-13 06:00")
        assert past == [
            ("03-10 09:00", "missed"),
            ("03-11 09:00", "missed"),
            ("03-12 09:00", "missed"),
            ("03-13 09:00", "open"),
        ]
        assert await told(place) == [
            ("warning", "Morning health (due 10 Mar 09:00) was missed: 0 of 3 items were done"),
            (
                "warning",
                "Morning health was missed 2 times (due 11 Mar 09:00 to due 12 Mar 09:00): no agent was there "
                "to open it",
            ),
        ]
        # Half a year later: not more than five weeks of it, and once.
        for _ in range(2):
            await rounds().round(store, lease, at("2026-09-13 06:00"))
        past = [due for due, _ in await states(store, "2026-09-13 06:00")]
        lists = [r["checklist"] for r in await place.owner("SELECT checklist FROM console.checklist_run")]
        assert (lists.count("morning"), lists.count("week")) == (4 + 36, 5)
        assert (past[4], past[-1]) == ("08-09 09:00", "09-13 09:00")
        assert [text.split(" (")[0] for _, text in (await told(place))[2:]] == [
            "Morning health",
            "Morning health was missed 35 times",
            "Week was missed 4 times",
            "Week",
        ]


async def test_another_time_or_zone_gives_no_day_a_second_run(place: Place) -> None:
    async with place.leader() as (store, lease):
        await published(store, lease, daily(timezone="Europe/London"))
        agent = rounds()
        await agent.round(store, lease, at("2026-03-10 06:00"))
        # The ninth hour in Tokyo, and then in New York: today's run stays as it opened.
        await published(store, lease, daily(timezone="Asia/Tokyo"))
        await agent.round(store, lease, at("2026-03-10 07:00"))
        assert (await only(store)).next_due_at == at("2026-03-11 00:00")
        await published(store, lease, daily(timezone="America/New_York", at="10:30"))
        await agent.round(store, lease, at("2026-03-10 13:00"))
        found = await only(store)
        assert (found.timezone, found.next_due_at) == ("America/New_York", at("2026-03-11 14:30"))
        assert found.run is not None and found.run.due_at == at("2026-03-10 09:00")
        await agent.round(store, lease, at("2026-03-11 10:30"))
        assert await states(store, "2026-03-11 10:30") == [("03-10 09:00", "missed"), ("03-11 14:30", "open")]
        # A definition that says nothing changes nothing, and is no end of the others.
        await published(store, lease, daily(timezone="Mars/Olympus"), daily(name="week", title="Week"))
        await agent.round(store, lease, at("2026-03-12 05:00"))
        assert await states(store, "2026-03-12 05:00") == [
            ("03-10 09:00", "missed"),
            ("03-11 14:30", "overdue"),
            ("03-12 09:00", "open"),
        ]
        # One that is kept no more is neither listed nor overdue.
        await published(store, lease, daily(name="week", title="Week"))
        assert [each.name for each in await checklists.standing(store)] == ["week"]
        late = await checklists.overdue(store, since=at("2026-03-12 00:00"))
        assert [each.title for each in late] == ["Week"]


class World:
    """What holds, by the condition of an item."""

    def __init__(self) -> None:
        self.holds: dict[str, Outcome] = {}
        self.asked = 0

    async def ask(self, step: Step, run: Run, now: object) -> Outcome:
        self.asked += 1
        return self.holds[step.holds or step.evidence]


async def test_items_that_hold_are_ticked_with_their_evidence_and_stay_so_unless_a_person_takes_it_back(
    place: Place,
) -> None:
    items = (Step("Errors", holds="errors < 1"), Step("Health", evidence="health"), Step("By hand"))
    world = World()
    world.holds = {"errors < 1": passed("Errors is 0.06 %, under 1 %"), "health": warned("degraded: cache")}
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Rounds(world.ask)
        await published(store, lease, daily(items=items))

        async def marks(now: str) -> list[str]:
            await agent.round(store, lease, at(now))
            run = (await only(alice)).run
            assert run is not None
            return [f"{i.mark.by}: {i.mark.note}" if i.mark else f"waits: {i.waits}" for i in run.items]

        errors = "auto: Errors is 0.06 %, under 1 %"
        assert await marks("2026-03-10 06:00") == [errors, "waits: degraded: cache", "waits: "]
        # Other numbers are written once a minute, not at every look.
        world.holds = {"errors < 1": warned("Errors is 7 %"), "health": warned("degraded: cache, 2nd")}
        asked = world.asked
        assert await marks("2026-03-10 06:00:05") == [errors, "waits: degraded: cache", "waits: "]
        assert world.asked == asked
        assert (await marks("2026-03-10 06:00:30"))[1] == "waits: degraded: cache"
        assert (await marks("2026-03-10 06:02:00"))[1] == "waits: degraded: cache, 2nd"
        run = (await only(alice)).run
        assert run is not None and run.items[0].mark is not None
        assert run.items[0].mark.automatic and run.items[0].mark.at == at("2026-03-10 06:00")
        with pytest.raises(Refused, match=r"^the agent ticked it \d+ .* ago: untick it first$"):
            await checklists.mark(alice, run.id, 1, Done.SKIPPED, note="really?")
        await checklists.mark(alice, run.id, 1, None)
        world.holds = {"errors < 1": passed("Errors is 0 %"), "health": passed("all answer")}
        asked = world.asked
        taken = "waits: taken back by alice: yours to tick"
        assert await marks("2026-03-10 06:03:00") == [taken, "auto: all answer", "waits: "]
        assert world.asked == asked + 1, "the agent asks no more of what is alice's"
        await checklists.mark(alice, run.id, 1, Done.DONE, note="looked\nmyself")
        assert (await checklists.ticked_by(alice, since=at("2026-03-10 00:00"))) == [
            ("alice", 1),
            ("auto", 1),
        ]
        await checklists.mark(alice, run.id, 3, Done.SKIPPED, note="no time")
        ended = await checklists.one(alice, run.id)
        assert ended is not None and ended.ended_at is not None and ended.done == 3
        assert (await told(place))[-1][1] == (
            "Morning health (due 10 Mar 09:00) is done late: 3 of 3 items, 1 of them skipped"
        )
        assert await checklists.opened(store) == []


async def test_one_that_is_opened_early_is_the_next_one_and_a_deposed_agent_opens_nothing(
    place: Place,
) -> None:
    async with place.leader() as (store, lease), place.open("alice") as alice:
        with pytest.raises(Refused, match="there is no checklist morning"):
            await checklists.start(alice, "morning")
        now = await store.now()
        # Whatever the hour is, it is none at which one is open.
        await published(store, lease, daily(at=f"{now + timedelta(hours=12):%H:%M}"))
        with pytest.raises(Refused, match="is new: the agent has not worked out"):
            await checklists.start(alice, "morning")
        agent = rounds()
        await agent.round(store, lease, now - timedelta(days=3))
        due = (await only(alice)).next_due_at
        number = await checklists.start(alice, "morning")
        assert await checklists.start(alice, "morning") == number
        run = await checklists.one(alice, number)
        assert run is not None and run.due_at == due
        for place_of in (1, 2, 3):
            await checklists.mark(alice, number, place_of, Done.DONE)
        with pytest.raises(Refused, match="was done, and the agent has not worked out yet"):
            await checklists.start(alice, "morning")
        await agent.round(store, lease, now - timedelta(days=3))
        assert (await only(alice)).next_due_at == run.due_at + timedelta(days=1)
        await agent.round(store, lease, run.due_at + timedelta(hours=1))
        assert len(await states(alice, "2099-01-01 00:00")) == 1
        await leases.release(store, lease)
        newer = await leases.acquire(store, "a2", 300)
        assert isinstance(newer, Lease)
        with pytest.raises(Fenced):
            await agent.round(store, lease, run.due_at + timedelta(days=1))
        await agent.round(store, newer, run.due_at + timedelta(days=1))
        assert len(await states(alice, "2099-01-01 00:00")) == 2


async def test_what_holds_before_its_day_ticks_nothing_of_one_that_was_begun_early(place: Place) -> None:
    world = World()
    world.holds = {"errors < 1": passed("few")}
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent, now = Rounds(world.ask), await store.now()
        # Due in twelve hours, it opens by itself in nine.
        items = (Step("Errors", holds="errors < 1"), Step("By hand"))
        due = f"{now + timedelta(hours=12):%H:%M}"
        await published(store, lease, daily(at=due, opens=timedelta(hours=3), items=items))
        await agent.round(store, lease, now)
        number = await checklists.start(alice, "morning")
        await agent.round(store, lease, now + timedelta(minutes=1))
        run = await checklists.one(alice, number)
        assert run is not None and (run.done, world.asked) == (0, 0)
        opens = run.due_at - timedelta(hours=3)
        assert run.items[0].waits == f"the agent looks from {opens:%d %b %H:%M} UTC on"
        await agent.round(store, lease, opens)
        run = await checklists.one(alice, number)
        assert run is not None and run.items[0].mark is not None and run.items[0].mark.note == "few"


async def test_a_round_that_the_store_cut_short_is_made_up_for_by_the_next(place: Place) -> None:
    world = World()
    world.holds = {"errors < 1": passed("few")}
    async with place.leader() as (store, lease):
        agent = Rounds(world.ask)
        await published(store, lease, daily(items=(Step("Errors", holds="errors < 1"), Step("By hand"))))
        for function in ("know_checklists", "open_runs", "tick_items"):
            await place.owner(f"REVOKE EXECUTE ON FUNCTION console.{function} FROM console_agent")
            with pytest.raises(StoreRefused):
                await agent.round(store, lease, at("2026-03-10 06:00"))
            await place.owner(f"GRANT EXECUTE ON FUNCTION console.{function} TO console_agent")
        await agent.round(store, lease, at("2026-03-10 06:00"))
        run = (await only(store)).run
        assert run is not None and run.done == 1 and (await only(store)).next_due_at == at("2026-03-11 09:00")


async def test_ticks_that_come_while_the_next_one_opens_count_or_are_refused(place: Place) -> None:
    many = tuple(Step(f"Item {i}") for i in range(40))
    async with place.leader() as (store, lease), place.open("alice") as alice, place.open("bob") as bob:
        agent = rounds()
        await published(store, lease, daily(items=many))
        await agent.round(store, lease, at("2026-03-10 06:00"))
        (before,) = await checklists.opened(store)
        ticks = [
            checklists.mark((alice, bob)[i % 2], before.id, i, Done.DONE) for i in range(1, len(many) + 1)
        ]
        opening = agent.round(store, lease, at("2026-03-11 06:00"))
        said = await asyncio.gather(*ticks[:20], opening, *ticks[20:], return_exceptions=True)
        refused = [each for each in said if each is not None]
        assert all(isinstance(e, Refused) and "was missed: the next one is open" in str(e) for e in refused)
        missed = await checklists.one(alice, before.id)
        assert missed is not None and missed.done == len(many) - len(refused)
        # All were heard before it opened: then it was done, and nobody missed it.
        assert missed.missed == bool(refused)
        assert missed.missed != (missed.ended_at is not None)
        (after,) = await checklists.opened(store)
        assert after.due_at == at("2026-03-11 09:00") and after.done == 0
