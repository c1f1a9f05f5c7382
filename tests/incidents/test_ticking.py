"""Steps of runbooks that the agent ticks."""

from datetime import datetime, timedelta

from console.domain.book import Done, Runbook, Step
from console.domain.check import Outcome, passed, sourceless, warned
from console.incidents.ticking import Ticking
from console.store import alerts, books, incidents
from tests.incidents.rooms import fire, leading, look, told
from tests.store.alerting import resolved
from tests.store.stores import Place

BOOK = Runbook(
    name="slow",
    title="Slow",
    aliases=("Slow",),
    steps=(
        Step("Look", "immediate"),
        Step("Orders go through", "resolution", holds="error_rate < 1%"),
        Step("All is well", "resolution", evidence="health"),
    ),
)


async def test_what_holds_is_ticked_with_its_evidence_once_nothing_fires_and_people_have_the_last_word(
    room: Place,
) -> None:
    rate = 0.2
    asked: list[str] = []

    async def ask(step: Step, since: datetime, now: datetime) -> Outcome:
        assert since <= now
        asked.append(step.text)
        good = bool(step.holds) and rate < 1
        return passed(f"Error rate is {rate} %") if good else warned("it is not")

    ticking = Ticking(ask)
    async with room.open("alice") as alice, leading(room) as (store, lease):
        await books.publish(store, lease, [BOOK])
        (alert,) = await fire(store, lease, "Slow")
        number = await incidents.open_by_rule(store, lease, alert, runbook="slow", level=2)
        assert number is not None
        book = (await look(alice, number)).runbooks[0].id

        async def marks() -> list[tuple[str, bool, str] | None]:
            steps = (await look(alice, number)).runbooks[0].steps
            return [None if (m := step.mark) is None else (m.by, m.automatic, m.note) for step in steps]

        # While its alert fires, what is good is so from before, or between two waves.
        await ticking.round(store, lease, await store.now())
        assert await marks() == [None, None, None]
        moment = await store.now() + timedelta(seconds=1)
        assert await alerts.write(store, lease, cursor=moment, changes=[resolved("Slow")])
        rate = 2.5
        await ticking.round(store, lease, await store.now())
        assert await marks() == [None, None, None]
        rate = 0.1
        for _ in range(2):
            await ticking.round(store, lease, await store.now())
        assert await marks() == [None, ("auto", True, "Error rate is 0.1 %"), None]
        steps = [entry.event.text for entry in await told(alice, number) if entry.event.kind == "step"]
        assert steps == ["auto ticked step 2 of slow: Orders go through (Error rate is 0.1 %)"]
        assert (await look(alice, number)).acknowledged_at is None, "nobody works on it for that"
        # Whoever takes it back ticks it, if anybody does.
        await incidents.mark(alice, number, book, 2, None)
        await ticking.round(store, lease, await store.now())
        assert await marks() == [None, None, None]
        asked.clear()
        await ticking.round(store, lease, await store.now())
        assert asked == ["All is well"], "what is left to people is not tried over and over"
        await incidents.mark(alice, number, book, 2, Done.DONE, note="seen")
        assert await marks() == [None, ("alice", False, "seen"), None]
        await incidents.close(alice, number, "it went away")
        assert not await incidents.tick(store, lease, number, book, 3, "late")


async def test_what_holds_no_more_when_the_harm_comes_back_is_taken_back_and_ticked_again(
    room: Place,
) -> None:
    found = passed("Error rate is 0.2 %")

    async def ask(_step: Step, _since: datetime, _now: datetime) -> Outcome:
        return found

    ticking = Ticking(ask)
    async with room.open("alice") as alice, leading(room) as (store, lease):
        await books.publish(store, lease, [BOOK])
        (alert,) = await fire(store, lease, "Slow")
        number = await incidents.open_by_rule(store, lease, alert, runbook="slow", level=2)
        assert number is not None
        book = (await look(alice, number)).runbooks[0].id
        await incidents.mark(alice, number, book, 3, Done.DONE, note="seen")

        async def ticked() -> list[str | None]:
            await ticking.round(store, lease, await store.now())
            return [step.mark and step.mark.by for step in (await look(alice, number)).runbooks[0].steps]

        async def wave(over: bool) -> None:
            cursor = max(await store.now(), (await alerts.standing(store))[0] or await store.now())
            cursor += timedelta(seconds=1)
            if over:
                assert await alerts.write(store, lease, cursor=cursor, changes=[resolved("Slow")])
            else:
                assert await fire(store, lease, "Slow", at=cursor) == [alert]

        await wave(over=True)
        assert await ticked() == [None, "auto", "alice"]
        await wave(over=False)
        # It still holds, or nobody knows.
        assert await ticked() == [None, "auto", "alice"]
        found = sourceless("the last readings are 40 s old")
        assert await ticked() == [None, "auto", "alice"]
        found = warned("Error rate is 12 %, not under 1 %")
        assert await ticked() == [None, None, "alice"]
        steps = [entry.event for entry in await told(alice, number) if entry.event.kind == "step"]
        assert (steps[-1].actor, steps[-1].text) == (
            "auto",
            "auto took back step 2 of slow: Orders go through (Error rate is 12 %, not under 1 %)",
        )
        await wave(over=True)
        found = passed("Error rate is 0.3 %")
        assert await ticked() == [None, "auto", "alice"]


async def test_where_no_alert_tells_somebody_says_first_that_the_harm_has_stopped(room: Place) -> None:
    async def ask(_step: Step, _since: datetime, _now: datetime) -> Outcome:
        return passed("all is well")

    ticking = Ticking(ask)
    async with room.open("alice") as alice, leading(room) as (store, lease):
        await books.publish(store, lease, [BOOK])
        number = await incidents.open_by_hand(alice, "customers call", 2, runbook="slow")

        async def ticked() -> list[bool]:
            return [step.mark is not None for step in (await look(alice, number)).runbooks[0].steps]

        await ticking.round(store, lease, await store.now())
        assert await ticked() == [False, False, False]
        await incidents.mitigate(alice, number)
        await ticking.round(store, lease, await store.now())
        assert await ticked() == [False, True, True]
