"""An action whose steps say how they are taken back: what fails, is cancelled or makes the platform worse goes back."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from console.actions.kind import Context, Failed, Request, Run, StepDef, planned
from console.domain.action import ActionState, Danger, KindSpec, Plan, Proof, StepState
from console.domain.errors import Unknown
from console.domain.release import Released, ReleaseState
from console.store import actions, releases

from .bare import Bare
from .conftest import Stage


@dataclass
class Stairs(Bare):
    """Three steps up, each with one down; `went` is what was done. `trouble` is what happens at the third."""

    trouble: str = ""
    went: list[str] = field(default_factory=list)
    verdict: str = "proved"
    at_third: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    spec = KindSpec(
        "stairs", "Stairs", "Climb", "actions start stairs", danger=Danger.LOW, freeze=False, goes_back=True
    )

    async def plan(self, context: Context, request: Request) -> Plan:
        return Plan("Climb", planned(self.steps(request), context.scale), pins={"to": "the attic"})

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        return tuple(self._step(number) for number in (1, 2, 3))

    def _step(self, number: int) -> StepDef:
        async def up(run: Run) -> str:
            assert run.request.pins == {"to": "the attic"}
            assert run.told.get("up_1_said", "") == ("" if number == 1 else "stood on 1")
            run.sending(f"up {number}")
            self.went.append(f"up {number}")
            if number == 3:
                self.at_third.set()
                match self.trouble:
                    case "fails":
                        raise Failed("a slippery one")
                    case "unknown":
                        raise Unknown("nobody saw it")
                    case "waits":
                        await self.go.wait()
            return f"stood on {number}"

        async def down(run: Run) -> str:
            run.sending(f"down {number}")
            self.went.append(f"down {number}")
            if self.trouble == "fails" and number == 2 and self.verdict == "worse":
                raise Failed("the banister is off")
            if self.trouble == "dies" and number == 2 and not self.go.is_set():
                await asyncio.Event().wait()
            return f"left {number}"

        undo = StepDef(f"undo up_{number}", f"go down {number}", down, "house")
        return StepDef(f"up_{number}", f"go up {number}", up, "house", undo=None if number == 1 else undo)

    async def prove(self, run: Run) -> Proof:
        return Proof(self.verdict, "it was watched")

    async def released(self, run: Run, state: ActionState, words: str) -> Released | None:
        good = ReleaseState.LIVE if state is ActionState.DONE else ReleaseState.FAILED
        return Released("v2", "c0ffee", good, words=words)


UP = ["up 1", "up 2", "up 3"]


async def climb(stage: Stage) -> int:
    wanted = await stage.ask("stairs")
    await stage.confirm(wanted)
    return wanted.id


async def test_what_is_good_stays_and_is_a_release(stage: Stage) -> None:
    stairs = Stairs()
    stage.kinds = {"stairs": stairs}
    async with stage.agent():
        done = await stage.done("stairs")
    assert done.state is ActionState.DONE and stairs.went == UP
    (release,) = await releases.recent(stage.alice)
    assert (release.version, release.state, release.action_id) == ("v2", ReleaseState.LIVE, done.id)
    assert (release.by, release.words) == ("alice", "it was watched")


async def test_what_fails_goes_back_the_last_step_first(stage: Stage) -> None:
    stairs = Stairs("fails")
    stage.kinds = {"stairs": stairs}
    async with stage.agent():
        failed = await stage.ended(await climb(stage))
        steps = await actions.steps(stage.alice, failed.id)
    assert failed.state is ActionState.FAILED
    assert failed.words == "go up 3: a slippery one; taken back: go down 3, go down 2"
    assert stairs.went == [*UP, "down 3", "down 2"]
    assert [s.name for s in steps] == ["up_1", "up_2", "up_3", "undo up_3", "undo up_2"]
    assert [s.state for s in steps[2:]] == [StepState.FAILED, StepState.DONE, StepState.DONE]
    (release,) = await releases.recent(stage.alice)
    assert release.state is ReleaseState.FAILED


async def test_what_can_not_be_taken_back_is_said_loudly(stage: Stage) -> None:
    stairs = Stairs("fails", verdict="worse")
    stage.kinds = {"stairs": stairs}
    async with stage.agent():
        failed = await stage.ended(await climb(stage))
    assert failed.words.endswith("NOT ALL of it was taken back: go down 2: the banister is off")


async def test_what_makes_it_worse_goes_back(stage: Stage) -> None:
    stairs = Stairs(verdict="worse")
    stage.kinds = {"stairs": stairs}
    async with stage.agent():
        failed = await stage.ended(await climb(stage))
    assert failed.state is ActionState.FAILED
    assert failed.words == "it was watched; taken back: go down 3, go down 2"
    assert failed.proof is not None and failed.proof.verdict == "worse"


async def test_what_never_goes_back_for_it_stays_and_says_that_it_got_worse(stage: Stage) -> None:
    stairs = Stairs(verdict="worse")
    stairs.spec = replace(Stairs.spec, goes_back=False)
    stage.kinds = {"stairs": stairs}
    async with stage.agent():
        done = await stage.done("stairs")
    assert stairs.went == UP
    assert done.words == "done, and it got worse since: it was watched"


async def test_what_is_cancelled_goes_back_after_the_step_it_is_at(stage: Stage) -> None:
    stairs = Stairs("waits")
    stage.kinds = {"stairs": stairs}
    async with stage.agent():
        number = await climb(stage)
        await stairs.at_third.wait()
        await actions.cancel(stage.bob, number, "enough")
        stairs.go.set()
        ended = await stage.ended(number)
    # It was at its last step: what was cancelled is the watching.
    assert ended.state is ActionState.DONE and "bob ended the watching" in ended.words


@pytest.mark.parametrize(("choice", "back"), [("stop", ["down 3", "down 2"]), ("skip", [])])
async def test_a_person_may_choose_to_go_back(stage: Stage, choice: str, back: list[str]) -> None:
    stairs = Stairs("unknown")
    stage.kinds = {"stairs": stairs}
    async with stage.agent():
        number = await climb(stage)
        stuck = await stage.until(number, lambda a: a.state is ActionState.INTERRUPTED)
        assert stuck.question.endswith("or stop here and go back")
        await actions.resume(stage.alice, number, choice)
        ended = await stage.ended(number)
    assert stairs.went == [*UP, *back]
    assert ended.state is (ActionState.FAILED if back else ActionState.DONE)
    if back:
        assert ended.words.startswith("given up where it was cut off: step 3 of 3 (go up 3): nobody saw it")
        assert ended.words.endswith("taken back: go down 3, go down 2")


@pytest.mark.parametrize(
    ("choice", "twice", "words"),
    [
        ("again", ["down 2"], "taken back: go down 3, go down 2"),
        ("skip", [], "taken back: go down 3, go down 2"),
        ("stop", [], "NOT ALL of it was taken back: go down 2: given up where it was cut off"),
    ],
)
async def test_who_takes_over_on_the_way_back_goes_on_back(
    stage: Stage, choice: str, twice: list[str], words: str
) -> None:
    stairs = Stairs("dies", verdict="worse")
    stage.kinds = {"stairs": stairs}
    async with stage.agent("a1"):
        number = await climb(stage)
        await stage.wait_for(lambda: stairs.went[-1:] == ["down 2"])
    stairs.go.set()
    async with stage.agent("a2"):
        # It was sent, and no probe can say whether it has happened.
        await stage.until(number, lambda a: a.state is ActionState.INTERRUPTED)
        await actions.resume(stage.alice, number, choice)
        ended = await stage.ended(number)
    assert stairs.went == [*UP, "down 3", "down 2", *twice]
    assert ended.words == f"it was watched; {words}"
