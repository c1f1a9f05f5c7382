"""A small seeded share of the long kill tests."""

import random
from pathlib import Path

import pytest

from .scenarios import SCENARIOS, Book, play


@pytest.mark.chaos
@pytest.mark.parametrize(("scenario", "seeds"), [("store", range(1, 7)), ("demo", range(1, 3))])
def test_nothing_survives_and_nothing_is_lost(scenario: str, seeds: range, tmp_path: Path) -> None:
    book = Book()
    for seed in seeds:
        play(SCENARIOS[scenario], tmp_path / "the state", random.Random(seed), book)
    assert book.marks == len(seeds)
