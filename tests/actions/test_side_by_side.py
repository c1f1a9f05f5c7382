"""Steps that run at the same time, are cut off at once, wait for a second person, or are another action."""

import asyncio
import contextlib
import sys
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from console.actions import commands
from console.actions.kind import Context, Failed, Request, Run, StepDef, planned
from console.domain.action import Action, ActionState, Danger, KindSpec, Plan, Proof, StepState
from console.domain.errors import Refused, Unknown
from console.domain.text import printable
from console.store import actions

from .bare import Bare
from .conftest import Stage, fresh_address

Do = Callable[[Run], Awaitable[str]]


@dataclass
class Lanes(Bare):
    """The steps that a test gives it."""

    given: tuple[StepDef, ...]
    went: list[str] = field(default_factory=list)

    spec = KindSpec("lanes", "Lanes", "Drive", "actions start lanes", danger=Danger.LOW, freeze=False)

    async def plan(self, context: Context, request: Request) -> Plan:
        return Plan("Drive", planned(self.given, context.scale))

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        return self.given

    async def prove(self, run: Run) -> Proof:
        return Proof("proved", "it was driven")


class Gate:
    """A step that is seen to be under way, and goes on when it may."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, run: Run) -> str:
        run.sending("a call")
        self.reached.set()
        await self.go.wait()
        return "through"


def step(name: str, do: Do, **more: object) -> StepDef:
    return StepDef(name, f"the {name}", do, **{"timeout_s": 60.0, **more})  # type: ignore[arg-type]


async def quick(run: Run) -> str:
    return "quick"


async def begun(stage: Stage) -> Action:
    """Confirmed; only within `stage.agent()`."""
    asked = await stage.ask("lanes")
    await stage.confirm(asked)
    return asked


def lanes(stage: Stage, *steps: StepDef) -> Stage:
    stage.kinds = {"lanes": Lanes(steps)}
    return stage


async def states(stage: Stage, action: Action) -> dict[str, StepState]:
    return {s.name: s.state for s in await actions.steps(stage.alice, action.id)}


async def told(stage: Stage, action: Action) -> list[tuple[str, str]]:
    return [(line.step, line.text) for line in await actions.output(stage.alice, action.id)]


async def test_what_needs_nothing_runs_beside_the_others_and_what_needs_all_comes_last(stage: Stage) -> None:
    one, two = Gate(), Gate()
    lanes(stage, step("one", one), step("two", two, needs=()), step("last", quick))
    async with stage.agent():
        action = await begun(stage)
        async with asyncio.timeout(30):
            await one.reached.wait()
            await two.reached.wait()
        assert (await states(stage, action))["last"] is StepState.PENDING
        two.go.set()
        await stage.wait_for(lambda: _is(stage, action, "two", StepState.DONE))
        assert (await states(stage, action))["last"] is StepState.PENDING
        one.go.set()
        assert (await stage.ended(action.id)).state is ActionState.DONE
        assert sorted(await told(stage, action)) == [("one", "a call"), ("two", "a call")]


async def test_cancelled_cuts_off_at_once_what_may_be_and_lets_the_rest_end(stage: Stage) -> None:
    mark = f"mark-{uuid.uuid4()}"

    async def endless(run: Run) -> str:
        argv = [sys.executable, "-c", "import time; time.sleep(600)", mark]
        return await commands.run(argv, env={}, cwd=None, clean=printable, say=run.say)

    solid = Gate()
    lanes(
        stage,
        step("command", endless, cuttable=True),
        step("solid", solid, needs=(), undo=step("undo solid", quick)),
        step("last", quick),
    )
    async with stage.agent():
        action = await begun(stage)
        await stage.wait_for(lambda: _now(_running(mark) and solid.reached.is_set()))
        await actions.cancel(stage.bob, action.id, "wrong one")
        await stage.wait_for(lambda: _is(stage, action, "command", StepState.CANCELLED))
        assert not _running(mark)
        assert (await states(stage, action))["solid"] is StepState.RUNNING
        solid.go.set()
        ended = await stage.ended(action.id)
        assert ended.state is ActionState.CANCELLED
        assert ended.words == "bob cancelled it; taken back: the undo solid"
        assert (await states(stage, action)) == {
            "command": StepState.CANCELLED,
            "solid": StepState.DONE,
            "last": StepState.CANCELLED,
            "undo solid": StepState.DONE,
        }


async def test_what_fails_cuts_off_what_runs_beside_it(stage: Stage) -> None:
    beside = Gate()

    async def fails(run: Run) -> str:
        await beside.reached.wait()
        raise Failed("a hole in the road")

    lanes(stage, step("beside", beside, cuttable=True), step("bad", fails, needs=()))
    async with stage.agent():
        ended = await stage.ended((await begun(stage)).id)
        steps = {s.name: s for s in await actions.steps(stage.alice, ended.id)}
    assert ended.state is ActionState.FAILED and ended.words.startswith("the bad: a hole in the road")
    assert steps["beside"].state is StepState.CANCELLED
    assert steps["beside"].text == "cut off: the bad: a hole in the road"


async def test_nobody_is_asked_before_what_runs_beside_it_is_over(stage: Stage) -> None:
    beside = Gate()

    async def unseen(run: Run) -> str:
        await beside.reached.wait()
        run.sending("a call")
        raise Unknown("nobody saw it")

    lanes(stage, step("beside", beside, cuttable=True), step("dark", unseen, needs=()), step("last", quick))
    async with stage.agent():
        action = await begun(stage)
        await stage.wait_for(lambda: _is(stage, action, "dark", StepState.UNKNOWN))
        assert (await stage.until(action.id, lambda a: True)).state is ActionState.RUNNING
        beside.go.set()
        asks = await stage.until(action.id, lambda a: a.state is ActionState.INTERRUPTED)
        assert asks.question.startswith("step 2 of 3 (the dark): nobody saw it")
        assert (await states(stage, action))["beside"] is StepState.DONE
        await actions.resume(stage.alice, action.id, "skip")
        assert (await stage.ended(action.id)).state is ActionState.DONE
        assert (await states(stage, action))["dark"] is StepState.SKIPPED


async def test_a_second_person_agrees_in_the_middle(stage: Stage) -> None:
    lanes(stage, step("before", quick), step("agree", quick, approval="the door opens"), step("after", quick))
    async with stage.agent():
        action = await begun(stage)
        waits = await stage.until(action.id, lambda a: a.waits_for_approval)
        assert waits.state is ActionState.INTERRUPTED and waits.needs_approval == "the door opens"
        assert (await states(stage, action))["after"] is StepState.PENDING
    # Nobody has to run meanwhile.
    with pytest.raises(Refused, match="alice is a responder: an approval takes a commander"):
        await actions.approve(stage.alice, action.id, plan_hash=waits.plan_hash)
    with pytest.raises(Refused, match="it waits for a second person"):
        await actions.resume(stage.alice, action.id, "skip")
    await actions.approve(stage.bob, action.id, plan_hash=waits.plan_hash)
    async with stage.agent("a2"):
        ended = await stage.ended(action.id)
        steps = {s.name: s for s in await actions.steps(stage.alice, action.id)}
    assert ended.state is ActionState.DONE and ended.approved_by == "bob"
    assert steps["agree"].text == "bob agreed" and steps["after"].state is StepState.DONE


async def test_where_nobody_agrees_it_goes_back(stage: Stage) -> None:
    lanes(
        stage,
        step("before", quick, undo=step("undo before", quick)),
        step("agree", quick, approval="the door opens"),
    )
    async with stage.agent():
        action = await begun(stage)
        await stage.until(action.id, lambda a: a.waits_for_approval)
        await actions.resume(stage.alice, action.id, "stop", "not today")
        ended = await stage.ended(action.id)
    assert ended.state is ActionState.FAILED
    assert ended.words == "nobody agreed: the door opens; taken back: the undo before"


async def test_another_action_is_done_once_whoever_goes_on(stage: Stage) -> None:
    """By the platform's own count, and by the audit of the other action."""

    address = fresh_address()

    async def block(run: Run) -> str:
        assert run.act is not None
        return await run.act("block_ip", "", {"network": address})

    lanes(stage, step("block", block, repeats=True, retries=0))
    async with stage.agent():
        action = await begun(stage)
        other = await stage.wait_for(lambda: _caused(stage, action))
    async with stage.agent("a2"):
        ended = await stage.ended(action.id)
        (made,) = await actions.steps(stage.alice, action.id)
        assert ended.state is ActionState.DONE, ended.words
        assert made.text.startswith(f"action {other.id} is done")
        assert await stage.platform.effects("ip.insert", address) == 1
    asked = await stage.place.owner("SELECT id, origin, state FROM console.action WHERE kind = 'block_ip'")
    assert [tuple(row) for row in asked] == [(other.id, "automatic", "done")]


async def test_another_action_that_is_refused_fails_the_step(stage: Stage) -> None:
    async def block(run: Run) -> str:
        assert run.act is not None
        return await run.act("block_ip", "127.0.0.1", {"network": "127.0.0.1"})

    lanes(stage, step("block", block, repeats=True, retries=0))
    async with stage.agent():
        ended = await stage.ended((await begun(stage)).id)
    assert ended.state is ActionState.FAILED and "127.0.0.1" in ended.words


async def test_what_nothing_takes_back_is_named_and_what_was_seen_is_not_there_any_more(stage: Stage) -> None:
    async def fails(run: Run) -> str:
        raise Failed("a hole in the road")

    lanes(
        stage,
        step("drop", quick, stays=True),
        step("before", quick, undo=step("undo before", quick)),
        step("bad", fails),
    )
    async with stage.agent():
        ended = await stage.ended((await begun(stage)).id)
        notes = [line.text for line in await actions.output(stage.alice, ended.id) if line.kind == "note"]
    assert ended.words == (
        "the bad: a hole in the road; taken back: the undo before; NOT taken back, and nothing can: the drop"
    )
    assert notes == ["it does not go on: the bad: a hole in the road"]


async def test_nobody_gets_round_a_second_person_by_a_step(stage: Stage) -> None:
    lanes(stage, step("close", quick, acts="maintenance_on"))
    async with stage.agent():
        planned = await stage.ask("lanes")
        assert planned.plan is not None
        assert planned.plan.second_person == "maintenance-on, a step of it, takes a commander"
        await stage.confirm(planned)
        assert (await stage.until(planned.id, lambda a: True)).waits_for_approval
        await actions.cancel(stage.alice, planned.id)
        stage.kinds["lanes"].given = (step("odd", quick, acts="maintenanc_on"),)  # type: ignore[attr-defined]
        refused = await stage.ask("lanes")
    assert refused.state is ActionState.REFUSED
    assert refused.words == "the odd: there is no action maintenanc-on"


async def _now(value: object) -> object:
    return value


async def _is(stage: Stage, action: Action, name: str, state: StepState) -> bool:
    return (await states(stage, action)).get(name) is state


async def _caused(stage: Stage, action: Action) -> Action | None:
    return await actions.caused(stage.alice, f"action {action.id}, block")


def _running(mark: str) -> list[Path]:
    """Processes with this word in their command line."""
    found: list[Path] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in file.read_bytes():
                found.append(file)
    return found
