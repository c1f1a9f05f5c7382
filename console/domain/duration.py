"""Durations as people write them: `2 minutes`, `90s`, `1h30m`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
_UNIT = "milliseconds?|ms|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s"
_ORDER = ("ms", "s", "m", "h", "d")
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNIT})(?![a-z_])", re.IGNORECASE | re.ASCII)
_LONGEST = timedelta(days=366)
# So much is read where whoever asks has a limit of their own, and says it better.
ANY_LENGTH = timedelta(days=99_999)

EXPECTED = "a duration such as 2m, 90s or 1h30m"


def parse(text: str, *, milliseconds: bool = False, longest: timedelta = _LONGEST) -> timedelta | None:
    """The duration, or None for what is none. Units: s, m, h and d (with `milliseconds` ms too), short or long, each at
    most once, largest first, at most `longest` (366 days) in all."""
    rest, total, last = text.strip(), 0.0, len(_ORDER)
    if not rest or len(rest) > 100:
        return None
    while rest:
        part = _PART.match(rest)
        if part is None:
            return None
        name = part[2].lower()
        unit = "ms" if name.startswith(("ms", "milli")) else name[0]
        if unit == "ms" and not milliseconds:
            return None
        rank = _ORDER.index(unit)
        if rank >= last:
            return None
        last = rank
        total += float(part[1]) * _UNITS[unit]
        rest = rest[part.end() :].lstrip()
    return timedelta(microseconds=round(total)) if total <= longest / timedelta(microseconds=1) else None


def written(span: timedelta) -> str:
    """`1h30m`, `2m`, `0.5s`: what `parse` reads back as the same duration."""
    left = span // timedelta(microseconds=1)
    parts = []
    for unit in "dhm":
        count, left = divmod(left, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    if left or not parts:
        parts.append(f"{left / 1_000_000:.6f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)
