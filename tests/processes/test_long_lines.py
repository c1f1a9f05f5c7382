"""A command that writes a line without an end: it comes in pieces, and no secret is cut in two by that."""

import os
import sys

import pytest

from console.gateway.redaction import Redaction
from console.processes.commands import run
from console.settings import MASK

SECRET = "planted-secret-of-a-command"


@pytest.mark.parametrize("before", [1950, 1980, 1990, 1999, 3980, 5985])
async def test_a_secret_is_not_cut_in_two(before: int) -> None:
    heard: list[str] = []
    program = f"import sys\nsys.stdout.write('x' * {before} + '{SECRET}' + ' y' * 5000)"
    last = await run(
        [sys.executable, "-c", program],
        env=dict(os.environ),
        cwd=None,
        clean=Redaction([SECRET]),
        say=heard.extend,
    )
    text = "".join(heard)
    assert MASK in text and "plant" not in text and "command" not in text
    assert text.count("x") == before and text.count("y") == 5000
    assert max(map(len, heard)) <= 2000 and heard[-1] == last


async def test_what_looks_like_a_secret_is_hidden_however_long_it_is() -> None:
    heard: list[str] = []
    program = "import sys\nsys.stdout.write('token=' + 'z' * 300_000 + ' and more')"
    env = dict(os.environ)
    last = await run(
        [sys.executable, "-c", program], env=env, cwd=None, clean=Redaction([]), say=heard.extend
    )
    assert heard == [f"token={MASK} and more"] == [last]
