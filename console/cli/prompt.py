"""Questions on the terminal, asked inside the event loop, so that Ctrl-C and what else goes on are heard meanwhile."""

from __future__ import annotations

import asyncio
import sys
from typing import Protocol


class Say(Protocol):
    """Prints for a person."""

    def __call__(self, text: str, *, end: str = ...) -> None: ...


def possible() -> bool:
    """Whether somebody is there who can answer."""
    return sys.stdin.isatty()


async def yes(say: Say, question: str) -> bool:
    """Whether it was answered with y or yes; anything else is no."""
    return (await answer(say, f"{question} [y/N] ")).lower() in ("y", "yes")


async def answer(say: Say, question: str) -> str:
    """The line that was typed, without its ends; "" at the end of the input."""
    say(question, end="")
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(sys.stdin.fileno(), lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline().strip()
