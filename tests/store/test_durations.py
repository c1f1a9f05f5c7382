"""How long steps took: the median of the last actions of a kind that are done, and of nothing else."""

from datetime import timedelta

from console.domain.action import ActionState, Step, StepState
from console.domain.forecast import WATCH, Usual
from console.store import actions, durations
from console.store.lease import Lease
from console.store.pool import Store
from tests.store.acting import KINDS, planned
from tests.store.stores import Place

Took = dict[str, tuple[float, float, StepState]]
"""By the name of a step: from when to when, in seconds after the beginning, and how it ended."""


async def went(
    place: Place, person: Store, agent: Store, lease: Lease, number: int, took: Took, ended: float, state: str
) -> None:
    """One action of a kind, as long ago as its number is small."""
    action = await planned(person, agent, lease, "unblock_ip", f"203.0.113.{number}", network="-")
    await actions.confirm(person, action.id, plan_hash=action.plan_hash)
    assert await actions.start(agent, lease, action.id) is not None
    begun = (await agent.now()) - timedelta(days=30 - number)
    steps = [
        Step(
            i, name, name, "", each, 1,
            started_at=begun + timedelta(seconds=start), ended_at=begun + timedelta(seconds=end),
        )
        for i, (name, (start, end, each)) in enumerate(took.items(), 1)
    ]  # fmt: skip
    await actions.write_steps(agent, lease, action.id, steps)
    await actions.finish(agent, lease, action.id, ActionState(state), "over")
    times = (
        f"started_at = '{begun.isoformat()}', ended_at = '{(begun + timedelta(seconds=ended)).isoformat()}'"
    )
    await place.owner(f"UPDATE console.action SET {times} WHERE id = {action.id}")


async def test_the_median_of_the_last_ten_that_are_done(place: Place) -> None:
    done, failed, skipped = StepState.DONE, StepState.FAILED, StepState.SKIPPED
    async with place.leader() as (store, lease), place.open("alice") as alice:
        await actions.publish_kinds(store, lease, KINDS)
        assert await durations.usual(alice, "unblock_ip") == {}

        async def of(number: int, took: Took, ended: float, state: str = "done") -> None:
            await went(place, alice, store, lease, number, took, ended, state)

        # Too long ago.
        for number in range(2):
            await of(number, {"build": (0, 900, done), "ship": (900, 950, done)}, 2000)
        for number in range(2, 12):
            # 62, 63 .. 71 seconds.
            build = 60.0 + number
            ship = (build, build + 10, skipped if number % 2 else done)
            await of(number, {"build": (0, build, done), "ship": ship}, build + 310)
        # What failed tells nothing of how long it takes.
        await of(12, {"build": (0, 4, done), "ship": (4, 500, failed)}, 600, "failed")
        usual = await durations.usual(alice, "unblock_ip")
        other = await durations.usual(alice, "block_ip")

    def second(begins: float, takes: float) -> Usual:
        return Usual(timedelta(seconds=begins), timedelta(seconds=takes))

    assert usual == {"build": second(0, 66.5), "ship": second(66, 10), WATCH: second(76.5, 300)}
    assert other == {}
    async with place.open("vera") as vera:
        assert (await durations.usual(vera, "unblock_ip", limit=1))["build"] == second(0, 71)
