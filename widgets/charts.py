"""Small pictures of numbers as rows of cells: meters, one-row sparklines, braille areas. Pure functions."""

import math
from collections.abc import Sequence

from rich.segment import Segment

from widgets.cells import Cells
from widgets.look import Look

HEADROOM = 1.2
"""Charts with a limit run from 0 to this many times the limit: height means closeness to it."""

_LEFT_DOTS = (0x40, 0x04, 0x02, 0x01)
_RIGHT_DOTS = (0x80, 0x20, 0x10, 0x08)
_BRAILLE = 0x2800


def meter(fraction: float | None, width: int, look: Look, *, role: str = "s2") -> Cells:
    """A bar of `width` cells filled to `fraction` (0..1, clipped) in half cells."""
    glyphs = look.glyphs
    if width <= 0:
        return ()
    if fraction is None or not math.isfinite(fraction):
        return (Segment(glyphs["bar-rest"] * width, look("grid")),)
    halves = round(min(max(fraction, 0.0), 1.0) * width * 2)
    full, half = divmod(halves, 2)
    bar = glyphs["bar"] * full + glyphs["bar-half"] * half
    rest = glyphs["bar-rest"] * (width - full - half)
    return tuple(s for s in (Segment(bar, look(role)), Segment(rest, look("grid"))) if s.text)


def resample(values: Sequence[float | None], count: int) -> list[float | None]:
    """`values` in exactly `count` columns, newest last: means where there are too many, steps where too few.

    A column without a finite reading is None.
    """
    total = len(values)
    if count <= 0:
        return []
    if not total:
        return [None] * count
    columns: list[float | None] = []
    for i in range(count):
        first = i * total // count
        last = max((i + 1) * total // count, first + 1)
        known = [v for v in values[first:last] if v is not None and math.isfinite(v)]
        columns.append(sum(v / len(known) for v in known) if known else None)
    return columns


def resample_worst(
    values: Sequence[float | None], count: int, limit: float | None, *, floor: bool = False
) -> list[float | None]:
    """As `resample`, but a column with a value beyond the limit shows its worst: no peak is averaged away."""
    columns = resample(values, count)
    total = len(values)
    if limit is None or not total:
        return columns
    for i in range(count):
        first = i * total // count
        part = values[first : max((i + 1) * total // count, first + 1)]
        known = [v for v in part if v is not None and math.isfinite(v)]
        worst = (min(known) if floor else max(known)) if known else None
        if worst is not None and (worst < limit if floor else worst > limit):
            columns[i] = worst
    return columns


def beyond_roles(
    columns: Sequence[float | None], limit: float | None, role: str, *, floor: bool = False
) -> list[str | None]:
    """`role` for each column beyond the limit, None for the others."""
    if limit is None:
        return []
    return [role if v is not None and (v < limit if floor else v > limit) else None for v in columns]


def typical(values: Sequence[float | None]) -> float | None:
    """The median of the known values."""
    known = sorted(v for v in values if v is not None and math.isfinite(v))
    return known[len(known) // 2] if known else None


def spark(
    values: Sequence[float | None],
    width: int,
    look: Look,
    *,
    top: float,
    roles: Sequence[str | None] = (),
    role: str = "s1",
) -> Cells:
    """A row of eighth blocks from 0 to `top`, never full height, so that stacked rows don't touch.

    `roles` colours single columns (as many as `width`; None for the usual `role`): what was over a limit.
    """
    blocks = look.glyphs.blocks
    row: list[Segment] = []
    run, run_role = "", role
    for i, value in enumerate(resample(values, width)):
        if value is None:
            char = " "
        else:
            share = value / top if top > 0 else 0.0
            char = blocks[min(max(int(share * (len(blocks) + 1)), 0), len(blocks) - 1)]
        own = (roles[i] if i < len(roles) else None) or role
        if own != run_role and run:
            row.append(Segment(run, look(run_role)))
            run = ""
        run_role = own
        run += char
    if run:
        row.append(Segment(run, look(run_role)))
    return row


def area(
    values: Sequence[float | None],
    width: int,
    height: int,
    look: Look,
    *,
    low: float,
    high: float,
    roles: Sequence[str | None] = (),
    dotted: Sequence[int] = (0,),
    gradient: tuple[str, str] = ("accentlo", "accent"),
) -> list[list[Segment]]:
    """`height` rows of `width` cells, filled from the bottom, two columns and four steps a cell.

    `roles` colours columns of cells (`crit`, `warn`: what was over a limit), `dotted` names the rows that
    show a dotted line where they are empty.
    """
    columns = resample(values, width * 2)
    span = high - low
    steps = height * 4
    heights = [
        0 if v is None or span <= 0 else max(round(min((v - low) / span, 1.0) * steps), 1 if v >= low else 0)
        for v in columns
    ]
    rows: list[list[Segment]] = []
    for y in range(height):
        floor = (height - 1 - y) * 4
        step = height - 1 - y
        row: list[Segment] = []
        run, run_key = "", ""
        for x in range(width):
            left = min(max(heights[2 * x] - floor, 0), 4)
            right = min(max(heights[2 * x + 1] - floor, 0), 4)
            if left or right:
                key = (roles[x] if x < len(roles) else None) or ""
                char = _cell(left, right, look)
            else:
                key = "grid"
                char = look.glyphs["dot"] if y in dotted and x % 2 == 0 else " "
            if run and key != run_key:
                row.append(_area_run(run, run_key, step, height, look, gradient))
                run = ""
            run, run_key = run + char, key
        if run:
            row.append(_area_run(run, run_key, step, height, look, gradient))
        rows.append(row)
    return rows


def _cell(left: int, right: int, look: Look) -> str:
    if not look.glyphs.braille:
        return ":" if max(left, right) > 2 else "."
    return chr(_BRAILLE + sum(_LEFT_DOTS[:left]) + sum(_RIGHT_DOTS[:right]))


def _area_run(text: str, key: str, step: int, steps: int, look: Look, gradient: tuple[str, str]) -> Segment:
    if key == "grid":
        return Segment(text, look("grid"))
    low, high = (f"{key}lo", key) if key in ("crit", "warn") else gradient
    if key == "stale":
        return Segment(text, look("stale"))
    return Segment(text, look.mix(low, high, step, steps))
