"""A small seeded share of the long kill tests."""

import random
from pathlib import Path

import pytest

from .scenarios import SCENARIOS, Book, play

ROUNDS = {"store": 1}


@pytest.mark.chaos
@pytest.mark.parametrize("scenario", [name for name in ROUNDS if name in SCENARIOS])
def test_nothing_survives_and_nothing_is_lost(scenario: str, tmp_path: Path) -> None:
    book = Book()
    for seed in range(ROUNDS[scenario]):
        play(SCENARIOS[scenario], tmp_path / "the state", random.Random(seed), book)
    assert book.marks == ROUNDS[scenario]
