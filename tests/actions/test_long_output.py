"""A step of one's own pipeline that prints 50 MB: what the store keeps of it is bounded, says that it is cut, and has
its end."""

import sys
from itertools import pairwise
from pathlib import Path

import yaml

from console.domain.action import Action, ActionState, OutputLine
from console.sandbox.releases import ensure_repository
from console.sections import DeploySettings
from console.store import actions, releases
from tests import flood

from .conftest import Stage

MOST_BYTES = 10_000_000


def _pipelines(folder: Path, steps: dict[str, int]) -> Path:
    """A folder with a deploy.yaml whose steps each print so many bytes."""
    made = {
        name: {
            "title": f"print by {name}",
            "harmless": True,
            "command": {"argv": [sys.executable, flood.__file__, name, str(size)]},
        }
        for name, size in steps.items()
    }
    (folder / "deploy.yaml").write_text(yaml.safe_dump({"title": "Deploy", "steps": made}, sort_keys=False))
    return folder


async def _deployed(stage: Stage, folder: Path, steps: dict[str, int]) -> tuple[Action, list[OutputLine]]:
    """The deployment with these steps, and all of its output."""
    stage.deploy = DeploySettings(
        repository=str(ensure_repository(folder / "platform.git")),
        first="v2.8.1",
        folder=folder / "deployments",
        pipelines=_pipelines(folder, steps),
    )
    async with stage.agent(ttl_s=5):
        await stage.wait_for(lambda: releases.recent(stage.alice))
        planned = await stage.ask("deploy", "v2.9.0", release="v2.9.0")
        await stage.confirm(planned)
        ended = await stage.ended(planned.id, timeout=120)
    lines: list[OutputLine] = []
    while page := await actions.output(stage.alice, ended.id, after=lines[-1].seq if lines else 0):
        lines += page
    return ended, lines


def _bytes(lines: list[OutputLine]) -> int:
    return sum(len(line.text.encode()) + 1 for line in lines)


async def test_50_mb_are_cut_in_the_middle_and_the_end_is_there(stage: Stage, tmp_path: Path) -> None:
    ended, lines = await _deployed(stage, tmp_path, {"build": 50_000_000})
    assert ended.state is ActionState.DONE, ended.words
    out = [line for line in lines if line.kind == "out"]
    assert 0.9 * MOST_BYTES < _bytes(out) < 1.01 * MOST_BYTES
    assert out[0].text.startswith("build 0 ") and out[-1].text == "build: the very end"
    (cut,) = (i for i, line in enumerate(out) if "left out]" in line.text)
    # Nothing is missing but there.
    numbers = [int(line.text.split()[1]) for line in out if line.text.split()[1].isdigit()]
    left_out = int(out[cut].text.split()[0].strip("[").replace(",", ""))
    (gap,) = (later - before - 1 for before, later in pairwise(numbers) if later != before + 1)
    assert gap == left_out > 30_000


async def test_the_bound_is_that_of_the_action_and_each_step_has_its_end(
    stage: Stage, tmp_path: Path
) -> None:
    steps = dict.fromkeys(("build", "bundle", "upload"), 7_000_000)
    ended, lines = await _deployed(stage, tmp_path, steps)
    assert ended.state is ActionState.DONE, ended.words
    out = [line for line in lines if line.kind == "out"]
    for step in steps:
        assert f"{step}: the very end" in [line.text for line in out if line.step == step]
    assert _bytes(out) < 1.01 * MOST_BYTES
