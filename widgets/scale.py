"""Axis ranges and ticks that stay put while the data moves: round numbers that hold the limit. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from console.domain.format import number

_TINIEST = 1e-6
_STEADY = 0.02
"""What moves less than this share of itself is shown from zero: a zoomed line would tremble."""
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Axis:
    """A y axis from `low` to `high` with `ticks`; `decimals` is how its labels are written."""

    low: float
    high: float
    ticks: Sequence[float]
    decimals: int

    def label(self, value: float) -> str:
        """A value as the axis writes it, with the decimals it needs (a limit between two ticks needs more)."""
        places = self.decimals
        while places < 3 and abs(value - round(value, places)) > 1e-9:
            places += 1
        return compact(value, places)


def compact(value: float, decimals: int) -> str:
    """A label of few cells: `1300`, `0.16`, `12k`, `3.4M`."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if suffix == "k" else size)
            return f"{number(scaled, 0 if scaled == int(scaled) else 1)}{suffix}"
    return f"{value:.{decimals}f}"


def nice_step(rough: float) -> float:
    """The next round number at or above `rough`."""
    if rough <= 0 or not math.isfinite(rough):
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(n * power for n in _NICE if n * power >= rough * 0.999999)


def axis(
    values: Sequence[float | None],
    *,
    limit: float | None = None,
    ticks: int = 5,
    decimals: int = 0,
    zoom: float = 0.5,
    ceiling: float | None = None,
) -> Axis:
    """A linear axis that holds all values and the limit.

    `zoom`: begin above 0 when the smallest value is more than this share of the largest (1: never).
    `ceiling`: never go beyond this (100 for percentages).
    """
    known = [v for v in values if v is not None and math.isfinite(v)]
    held: list[float] = known if limit is None else [*known, limit * 1.1]
    top: float = 1.02 * max(held) if held else 1.0
    if ceiling is not None:
        top = min(top, max([ceiling, *known]))
    bottom: float = min(known if limit is None else [*known, limit]) if held else 0.0
    if top < _TINIEST and bottom >= 0:
        top = 1.0
    top = max(top, bottom + _TINIEST)
    low = 0.0
    if bottom < 0:
        low = bottom
    elif bottom > top * zoom and (not known or max(known) - min(known) > max(known) * _STEADY):
        low = max(bottom - (top - bottom) * 0.1, 0.0)
    step = max(nice_step((top - low) / max(ticks - 1, 1)), 10.0**-decimals)
    low = round(math.floor(low / step + 1e-9) * step, 9)
    high = round(math.ceil(top / step - 1e-9) * step, 9)
    if ceiling is not None and high > ceiling >= top:
        high = ceiling
    if high <= low:
        high = low + step
    places = max(decimals if step < 1 else 0, _places(step))
    marks = []
    value = low
    while value <= high + step * 1e-6:
        marks.append(round(value, 9))
        value += step
    if marks[-1] < high:
        marks.append(high)
    return Axis(low, high, tuple(marks), places)


def log_axis(values: Sequence[float | None], *, limit: float | None = None) -> Axis:
    """A logarithmic axis (base 10) with ticks at 1, 2 and 5; values that are not positive have no place on it."""
    known = [v for v in values if v is not None and math.isfinite(v) and v > 0]
    if limit is not None and limit > 0:
        known.append(limit)
    low, high = (min(known), max(known)) if known else (1.0, 10.0)
    marks = [
        m * 10.0**e
        for e in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        for m in (1, 2, 5)
    ]
    first = max(i for i, m in enumerate(marks) if m <= low)
    last = min(i for i, m in enumerate(marks) if m >= high)
    kept = tuple(marks[first : max(last, first + 1) + 1])
    return Axis(kept[0], kept[-1], kept, max(0, -math.floor(math.log10(kept[0]))))


def _places(step: float) -> int:
    places = 0
    while places < 6 and abs(step - round(step, places)) > step * 1e-6:
        places += 1
    return places
