"""Runs slow things beside a tick: each at most once at a time, each waited for as long as the tick has patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Running(Generic[K, V]):
    """What was started and has not ended. One that outlives a tick goes on; it is not started a second time."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._tasks

    async def run(self, jobs: Mapping[K, Callable[[], Awaitable[V]]], patience_s: float | None) -> dict[K, V]:
        """Start those that don't run yet, wait for at most `patience_s`, return what has ended by then.

        Jobs don't raise. When the caller is cancelled, all of them are.
        """
        for key, job in jobs.items():
            if key not in self._tasks:
                self._tasks[key] = asyncio.ensure_future(_as_coroutine(job))
        if self._tasks:
            try:
                await asyncio.wait(self._tasks.values(), timeout=patience_s)
            except asyncio.CancelledError:
                self.cancel()
                raise
        ended = {key: task for key, task in self._tasks.items() if task.done()}
        for key in ended:
            del self._tasks[key]
        return {key: task.result() for key, task in ended.items() if not task.cancelled()}

    def cancel(self) -> None:
        """End everything that still runs."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()


async def _as_coroutine(job: Callable[[], Awaitable[V]]) -> V:
    return await job()
