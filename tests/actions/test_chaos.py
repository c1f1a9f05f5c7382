"""A small seeded share of `python -m tests.chaos --scenario actions`; a command without its agent."""

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from console.domain.action import ActionState, StepState
from console.store import actions
from tests.chaos import actions as chaos
from tests.chaos import deployments
from tests.processes.test_commands import Quiet

from .conftest import Stage

ROUNDS = 2


@pytest.mark.chaos
async def test_nothing_happens_twice_when_agents_are_killed_and_stopped(stage: Stage) -> None:
    told = await chaos.share(stage.platform, stage.place, random.Random(7), ROUNDS)
    assert told.startswith(f"{ROUNDS} rounds")


@pytest.mark.chaos
async def test_nothing_is_half_deployed_when_agents_are_killed_and_stopped(
    stage: Stage, tmp_path: Path
) -> None:
    told = await deployments.share(stage.platform, stage.place, tmp_path, random.Random(3), 1)
    assert told.startswith("1 rounds")


@pytest.mark.chaos
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_command_ends_with_its_agent_and_a_person_is_asked(
    number: int, stage: Stage, tmp_path: Path, wait_for: Any
) -> None:
    beats, file, config = tmp_path / "beats", tmp_path / "actions.yaml", tmp_path / "agent.json"
    beats.touch()
    script = f"while :; do echo beat >> {beats}; sleep 0.02; done"
    file.write_text(
        "actions: {own: {title: Own, steps: [{title: beat for ever, timeout: 1h, "
        f"command: {{argv: [sh, -c, {json.dumps(script)}]}}}}]}}}}"
    )
    config.write_text(json.dumps({"time_scale": 1000, "actions": {"file": str(file)}}))
    agents = chaos.Agents(stage.place, config)
    try:
        first = agents.start("first")
        await wait_for(lambda: actions.kinds(stage.alice))
        planned = await stage.ask("own")
        await stage.confirm(planned)
        await wait_for(lambda: beats.stat().st_size > 100)
        first.send_signal(number)
        agents.start("second")
        stuck = await stage.until(planned.id, lambda a: a.state is ActionState.INTERRUPTED)
        # Whoever takes over can rely on it: the command has ended by then.
        there = beats.stat().st_size
        assert "beat for ever" in stuck.question and "it was cut off" in stuck.question
        await wait_for(Quiet(beats).still)
        assert beats.stat().st_size == there
        first.send_signal(signal.SIGCONT)
        await actions.resume(stage.alice, planned.id, "skip")
        ended = await stage.ended(planned.id)
        assert ended.state is ActionState.DONE
        assert [s.state for s in await actions.steps(stage.alice, planned.id)] == [StepState.SKIPPED]
        await wait_for(Quiet(beats).still)
        assert beats.stat().st_size == there
    finally:
        agents.end()
