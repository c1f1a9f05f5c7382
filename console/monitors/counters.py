"""Counters of a scrape over time: how much they rose within a window, over restarts of what counts. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from console.domain.errors import SourceFailed
from console.gateway.scrape import Sample


class Counter:
    """All series that one term matches, added up."""

    def __init__(self, window_s: float | None) -> None:
        """`window_s`: how far back increases count; None: only between the last two scrapes."""
        self._window_s = window_s
        self._last: dict[tuple[tuple[str, str], ...], float] = {}
        self._last_at: float | None = None
        self._steps: deque[tuple[float, float, float]] = deque()

    def update(self, at: float, samples: Sequence[Sample]) -> None:
        """Take a scrape, `at` in seconds of any steady clock. SourceFailed for a value that is not finite.

        A counter that fell was started anew, and one that appears late has counted from zero.
        """
        for sample in samples:
            if not math.isfinite(sample.value):
                raise SourceFailed(f"{sample.name} is {sample.value}")
        rise = 0.0
        for sample in samples:
            before = self._last.get(sample.labels, 0.0)
            rise += sample.value - before if sample.value >= before else sample.value
            self._last[sample.labels] = sample.value
        if self._last_at is not None and at > self._last_at:
            self._steps.append((self._last_at, at, rise))
        self._last_at = at
        while len(self._steps) > 1 and self._steps[0][0] < at - self._reach:
            self._steps.popleft()

    @property
    def _reach(self) -> float:
        # Half a second of grace, lest a tick that came a little late drops a step that belongs to the window.
        return 0.0 if self._window_s is None else self._window_s + 0.5

    def increase(self) -> float | None:
        """The rise over the window; None before the second scrape."""
        return sum(rise for _, _, rise in self._steps) if self._steps else None

    def rate(self) -> float | None:
        """The rise per second over the window; None before the second scrape."""
        if not self._steps:
            return None
        return sum(rise for _, _, rise in self._steps) / (self._steps[-1][1] - self._steps[0][0])
