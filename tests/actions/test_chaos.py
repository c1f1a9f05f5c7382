"""A small seeded share of `python -m tests.chaos --scenario actions`."""

import random

import pytest

from tests.chaos import actions as chaos

from .conftest import Stage

ROUNDS = 3


@pytest.mark.chaos
async def test_nothing_happens_twice_when_agents_are_killed_and_stopped(stage: Stage) -> None:
    told = await chaos.share(stage.platform, stage.place, random.Random(7), ROUNDS)
    assert told.startswith(f"{ROUNDS} rounds")
