"""What becomes of an action when answers are lost, steps fail, somebody cancels, or the agents change."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from console.actions.journal import Journal, Stale
from console.actions.kind import Kind, Run
from console.actions.kinds.declared import Declared
from console.actions.kinds.declared_steps import DeclaredStep, Values
from console.actions.proving import GETS_WORSE
from console.domain.action import ActionState, KindSpec, StepState
from console.domain.health import Check, Status
from console.domain.metric import MetricSpec, MetricValue
from console.store import actions, effects, ticks
from console.store import lease as leases

from .conftest import Stage, fresh_address
from .proxy import Proxy, proxy

OWN = """
actions:
  turn:
    title: Turn
    verb: Turn
    effect: true
    steps:
      - title: let functions log at debug level
        layer: platform
        ops: {method: PUT, path: /monitoring, json: {enhanced: true}}
  turn_twice:
    title: Turn twice
    verb: Turn twice
    steps:
      - title: let functions log at debug level
        ops: {method: PUT, path: /monitoring, json: {enhanced: true}}
        probe: {ops: /monitoring, equals: {enhanced: true}}
      - title: and not any more
        ops: {method: PUT, path: /monitoring, json: {enhanced: false}}
        probe: {ops: /monitoring, equals: {enhanced: false}}
        after: 1h
"""


@pytest.fixture
async def between(stage: Stage, tmp_path: Path) -> AsyncIterator[Proxy]:
    """The stage's agents know the kinds of `OWN`, and reach the platform's HTTP side through this."""
    stage.file = tmp_path / "actions.yaml"
    stage.file.write_text(OWN)
    async with proxy(stage.platform.config.base_url) as made:
        yield made


def through(between: Proxy) -> dict[str, Any]:
    return {"vercel_url": between.url, "ops_url": f"{between.url}/ops/v1"}


async def step_states(stage: Stage, number: int) -> list[tuple[StepState, int]]:
    return [(step.state, step.attempt) for step in await actions.steps(stage.alice, number)]


@pytest.mark.parametrize(
    ("fate", "attempts"), [("swallow", 1), ("drop", 2), ("502", 2), ("503", 2), ("400", 2)]
)
async def test_a_call_without_a_sure_answer_is_repeated_only_when_it_has_not_happened(
    stage: Stage, between: Proxy, fate: str, attempts: int
) -> None:
    address = fresh_address()
    between.fate = fate
    async with stage.agent(**through(between)):
        action = await stage.done("block_ip", address, network=address)
        assert await step_states(stage, action.id) == [(StepState.DONE, 1), (StepState.DONE, attempts)]
    assert await stage.platform.effects("ip.insert", address) == 1
    assert await stage.status(address, "/status") == 403


@pytest.mark.parametrize("choice", ["again", "skip", "stop"])
async def test_where_nobody_can_say_a_person_chooses(stage: Stage, between: Proxy, choice: str) -> None:
    counted = await stage.platform.effects("monitoring")
    between.fate = "swallow"
    async with stage.agent(**through(between)):
        planned = await stage.ask("turn")
        assert planned.plan is not None and not planned.plan.steps[0].probed
        await stage.confirm(planned)
        stuck = await stage.until(planned.id, lambda a: a.state is ActionState.INTERRUPTED)
        assert "step 1 of 1 (let functions log at debug level)" in stuck.question
        assert "nobody can say whether it has happened" in stuck.question
        assert await step_states(stage, planned.id) == [(StepState.UNKNOWN, 1)]
        assert await stage.platform.effects("monitoring") == counted + 1
        await actions.resume(stage.alice, planned.id, choice)
        ended = await stage.ended(planned.id)
    expected = {
        "again": (ActionState.DONE, StepState.DONE, 2),
        "skip": (ActionState.DONE, StepState.SKIPPED, 1),
        "stop": (ActionState.FAILED, StepState.UNKNOWN, 1),
    }[choice]
    assert (ended.state, *(await step_states(stage, planned.id))[0]) == expected
    assert await stage.platform.effects("monitoring") == counted + (2 if choice == "again" else 1)
    # What was taken as done is in force as well.
    left = [(e.kind, e.action_id) for e in await effects.current(stage.alice)]
    assert left == ([] if choice == "stop" else [("turn", planned.id)])


@dataclass(frozen=True)
class Reading:
    """A deed that comes to grief as often as `trouble` says, before it has sent anything or `after`."""

    trouble: Callable[[], Awaitable[None]]
    after: bool = False
    left: list[int] = field(default_factory=lambda: [2])

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        if self.after:
            run.sending("something")
        if self.left[0]:
            self.left[0] -= 1
            await self.trouble()
        return "done"


async def forever() -> None:
    await asyncio.Event().wait()


async def fault() -> None:
    raise ZeroDivisionError


async def stale() -> None:
    raise Stale("nothing is sent so long after the last sign of the lease")


def reading(deed: Reading) -> dict[str, Kind]:
    step = DeclaredStep("step_1", "read", "", cast(Any, deed), None, -0.9, 2, timedelta(), optional=False)
    spec = KindSpec("reading", "Read", "Read", "actions start reading")
    return {"reading": Declared(spec, (step,), effect=False, lifts="", notes=())}


@pytest.mark.parametrize("trouble", [forever, fault, stale])
async def test_where_nothing_was_sent_nobody_is_asked_and_it_is_done_again(
    stage: Stage, trouble: Callable[[], Awaitable[None]]
) -> None:
    stage.kinds = reading(Reading(trouble))
    async with stage.agent():
        action = await stage.done("reading")
        assert await step_states(stage, action.id) == [(StepState.DONE, 3)]
        # And not for ever.
        stage.kinds["reading"].declared_steps[0].deed.left[0] = 99  # pyright: ignore
        planned = await stage.ask("reading")
        await stage.confirm(planned)
        failed = await stage.ended(planned.id)
        assert failed.state is ActionState.FAILED and "nothing was done" in failed.words
        assert await step_states(stage, planned.id) == [(StepState.FAILED, 3)]


@pytest.mark.parametrize("trouble", [forever, fault, stale])
async def test_where_something_was_sent_a_person_is_asked(
    stage: Stage, trouble: Callable[[], Awaitable[None]]
) -> None:
    stage.kinds = reading(Reading(trouble, after=True))
    async with stage.agent():
        planned = await stage.ask("reading")
        await stage.confirm(planned)
        await stage.until(planned.id, lambda a: a.state is ActionState.INTERRUPTED)
        assert await step_states(stage, planned.id) == [(StepState.UNKNOWN, 1)]


async def test_only_a_write_under_the_fence_is_a_sign_of_the_lease(stage: Stage) -> None:
    async with stage.place.open("auto") as store:
        lease = await leases.acquire(store, "a1", 30)
        assert lease is not None
        journal = Journal(store, lease, 1)
        await journal.now()
        with pytest.raises(Stale):
            journal.command("", "a call")
        async with journal.writing():

            def is_fresh() -> bool:
                with contextlib.suppress(Stale):
                    journal.command("", "a call")
                return journal.sent("") > 0

            await stage.wait_for(is_fresh)


async def test_what_surely_does_not_happen_fails_after_its_tries_and_says_so(
    stage: Stage, between: Proxy
) -> None:
    between.fate, between.once = "503", False
    async with stage.agent(**through(between)):
        planned = await stage.ask("turn")
        await stage.confirm(planned)
        failed = await stage.ended(planned.id)
    assert failed.state is ActionState.FAILED and "HTTP 503" in failed.words
    assert "nothing was done" in failed.words
    assert between.changes == 3 and await step_states(stage, planned.id) == [(StepState.FAILED, 3)]


async def test_cancelled_while_it_waits_it_ends_and_says_what_is_done(stage: Stage, between: Proxy) -> None:
    async with stage.agent(**through(between)):
        planned = await stage.ask("turn_twice")
        await stage.confirm(planned)

        async def first() -> bool:
            states = await step_states(stage, planned.id)
            return states == [(StepState.DONE, 1), (StepState.PENDING, 0)]

        await stage.wait_for(first)
        await actions.cancel(stage.bob, planned.id, "enough")
        ended = await stage.ended(planned.id)
        assert ended.state is ActionState.CANCELLED and ended.words.startswith("bob cancelled it")
        assert "done, and not undone: let functions log at debug level (1 of 2)" in ended.words
        assert (await step_states(stage, planned.id))[1] == (StepState.CANCELLED, 0)
        # What was done is seen while it waited.
        assert ended.proof is not None


async def test_who_takes_over_goes_on_with_the_journal(stage: Stage, between: Proxy) -> None:
    counted = await stage.platform.effects("monitoring")
    stage.scale = 1000.0
    async with stage.agent("a1", **through(between)):
        planned = await stage.ask("turn_twice")
        await stage.confirm(planned)

        async def first() -> bool:
            return (await step_states(stage, planned.id))[:1] == [(StepState.DONE, 1)]

        await stage.wait_for(first)
    async with stage.agent("a2", **through(between)):
        ended = await stage.ended(planned.id)
    assert await step_states(stage, planned.id) == [(StepState.DONE, 1)] * 2
    # The first step's probe says that it is not so any more, and the second one made that so.
    assert ended.state is ActionState.FAILED and "not so any more" in ended.words
    assert await stage.platform.effects("monitoring") == counted + 2


async def test_when_the_error_rate_rises_it_says_so_and_offers_the_undo(stage: Stage) -> None:
    address = fresh_address()
    spec = MetricSpec("error_rate", "Error rate", "%", "orders", "sql", "SELECT 1", decimals=2)
    async with stage.agent() as lease, stage.place.open("auto") as store:
        catalogue = await ticks.ensure_catalogue(store, lease, [spec])

        async def tick(value: float, ago: timedelta = timedelta()) -> None:
            at = await store.now() - ago
            await ticks.write_tick(
                store, lease, at=at, catalogue_id=catalogue,
                values=[MetricValue("error_rate", value, at)],
                checks=[Check("platform", Status.OK, None, "", at)],
            )  # fmt: skip

        await tick(0.4, timedelta(seconds=5))
        planned = await stage.ask("block_ip", address, network=address)
        await stage.confirm(planned)
        await stage.until(planned.id, lambda a: a.state is ActionState.VERIFYING)
        await tick(9.5)
        ended = await stage.ended(planned.id)
    assert ended.state is ActionState.DONE and ended.proof is not None
    assert ended.proof.verdict == "worse" and "error rate 0.40 % before, 9.50 % now" in ended.words
    assert f"tradex actions undo {ended.id} takes it back" in ended.words


@pytest.mark.parametrize(
    ("name", "warning", "was", "is_", "bad"),
    [
        ("error_rate", 1, 0.4, 1.8, True),
        ("error_rate", 1, 0.4, 1.7, False),
        ("orders_per_minute", None, 20, 9, True),
        ("orders_per_minute", None, 20, 10, False),
        ("orders_per_minute", None, 19, 0, False),
        ("p95_execution_time", 400, 190, 410, True),
        ("p95_execution_time", 400, 250, 500, False),
        ("p95_execution_time", 400, 100, 399, False),
        ("p95_execution_time", None, 100, 900, False),
    ],
)
def test_from_which_values_a_metric_is_worse(
    name: str, warning: float | None, was: float, is_: float, bad: bool
) -> None:
    spec = MetricSpec(name, name, "ms", "orders", "sql", "SELECT 1", warning=warning)
    assert GETS_WORSE[name](spec, was, is_) is bad


async def test_fewer_and_slower_orders_are_worse_where_they_are_no_aim(stage: Stage) -> None:
    specs = [
        MetricSpec("orders_per_minute", "Orders per minute", "/min", "orders", "sql", "SELECT 1"),
        MetricSpec(
            "p95_execution_time", "Order latency, p95", "ms", "orders", "sql", "SELECT 1", warning=400
        ),
    ]
    async with stage.agent() as lease, stage.place.open("auto") as store:
        catalogue = await ticks.ensure_catalogue(store, lease, specs)

        async def tick(*values: float, ago: timedelta = timedelta()) -> None:
            at = await store.now() - ago
            await ticks.write_tick(
                store, lease, at=at, catalogue_id=catalogue,
                values=[MetricValue(spec.name, value, at) for spec, value in zip(specs, values, strict=True)],
                checks=[Check("platform", Status.OK, None, "", at)],
            )  # fmt: skip

        await tick(120, 150, ago=timedelta(seconds=5))
        planned = await stage.ask("security_protocols_on")
        address = fresh_address()
        block = await stage.ask("block_ip", address, network=address)
        await stage.confirm(planned)
        await stage.confirm(block)
        await stage.until(planned.id, lambda a: a.state is ActionState.VERIFYING)
        await stage.until(block.id, lambda a: a.state is ActionState.VERIFYING)
        await tick(40, 900)
        ended, blocked = await stage.ended(planned.id), await stage.ended(block.id)
        await stage.done("security_protocols_off")
    fewer, slower = (
        "orders per minute 120 /min before, 40 /min now",
        "order latency, p95 150 ms before, 900 ms now",
    )
    assert ended.proof is not None and ended.proof.verdict == "worse"
    assert f"{fewer}, {slower}" in ended.words and "takes it back" in ended.words
    assert blocked.proof is not None and blocked.proof.verdict == "worse"
    assert slower in blocked.words and "orders per minute" not in blocked.words


async def test_an_effect_that_somebody_else_removed_is_found_at_the_end(stage: Stage) -> None:
    address = fresh_address()
    async with stage.agent():
        planned = await stage.ask("block_ip", address, network=address)
        await stage.confirm(planned)
        await stage.until(planned.id, lambda a: a.state is ActionState.VERIFYING)
        await stage.platform.execute("DELETE FROM blocked_ips WHERE network = $1::text::inet::cidr", address)
        ended = await stage.ended(planned.id)
    assert ended.state is ActionState.FAILED and "not so any more" in ended.words


async def test_a_platform_that_is_away_is_said_in_the_refusal_of_the_plan(stage: Stage) -> None:
    async with stage.agent(ops_database_url="postgresql://nobody@127.0.0.1:1/none"):
        # Whether it is somebody of the staff is asked there.
        refused = await stage.ask("suspend_account", "somebody@example.com", account="somebody@example.com")
    assert refused.state is ActionState.REFUSED
    assert "could not be planned" in refused.words and "connection refused" in refused.words


async def test_a_plan_that_waits_for_the_platform_holds_up_no_other(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with stage.agent(ops_url=f"http://127.0.0.1:{silent.getsockname()[1]}"):
            slow = await actions.request(
                stage.bob, kind="scale_resources", target="large", params={"size": "large"}, reason="a test's"
            )
            address = fresh_address()
            quick = await stage.ask("block_ip", address, network=address)
            assert quick.state is ActionState.PLANNED
            waiting = await actions.one(stage.alice, slow.id)
            assert waiting is not None and waiting.state is ActionState.PLANNING
            refused = await stage.ended(slow.id)
    assert refused.state is ActionState.REFUSED and "could not be planned" in refused.words
