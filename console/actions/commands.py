"""Commands of an action: one that ends badly has failed, as its step has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from console.actions.kind import Failed, Output
from console.processes import commands
from console.processes.commands import Room


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    clean: Callable[[object, int], str],
    say: Output,
    room: Room | None = None,
) -> str:
    """As `console.processes.commands.run`. Raises Failed."""
    try:
        return await commands.run(argv, env=env, cwd=cwd, clean=clean, say=say, room=room)
    except commands.CommandFailed as error:
        raise Failed(str(error)) from None
