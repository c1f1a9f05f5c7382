"""Values, ages and times as people read them (LOOK section 7): one form for each, here and nowhere else."""

import math
import re
from datetime import UTC, datetime, timedelta

from console.domain.metric import MetricSpec

NO_VALUE = "–"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS = {"count": "", "score": "", "ratio": "", "state": "", "money": "", "bytes": ""}


def number(value: float, decimals: int) -> str:
    """`1,234.50`: thousands with comma, a fixed number of decimals."""
    return f"{value:,.{decimals}f}"


def _short(value: float, steps: tuple[str, ...], base: float) -> tuple[float, str]:
    for step in steps:
        if abs(value) < base:
            return value, step
        value /= base
    return value, steps[-1]


def value_and_unit(spec: MetricSpec, value: float | str | None) -> tuple[str, str]:
    """`("356", "ms")`, `("$12.5M", "")`, `("1.2", "GB")`; `("–", "")` without a value."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NO_VALUE, ""
    if isinstance(value, str):
        return value, ""
    if spec.unit == "money":
        amount, suffix = _short(value, ("", "K", "M", "B"), 1000.0)
        return f"${number(amount, 1 if suffix else spec.decimals)}{suffix}", ""
    if spec.unit == "bytes":
        amount, suffix = _short(value, ("B", "kB", "MB", "GB", "TB"), 1000.0)
        return number(amount, 0 if suffix == "B" else 1), suffix
    if spec.unit == "s" and value >= 120:
        return age(timedelta(seconds=value)), ""
    return number(value, spec.decimals), _UNITS.get(spec.unit, spec.unit)


def metric(spec: MetricSpec, value: float | str | None) -> str:
    """`356 ms` in one string."""
    return " ".join(part for part in value_and_unit(spec, value) if part)


def age(span: timedelta) -> str:
    """`4s`, `17m`, `1h`, `4d`: one unit, rounded down, never negative."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def span(text: str) -> timedelta | None:
    """`30s`, `5m`, `1h30m`, `24 h` as a duration; None for anything else, and for nothing at all."""
    found = _SPAN.findall(text)
    if not found or _SPAN.sub("", text.strip()):
        return None
    try:
        return timedelta(seconds=sum(float(amount) * _SECONDS[unit] for amount, unit in found)) or None
    except OverflowError:
        return None


def clock(at: datetime, *, seconds: bool = True) -> str:
    """`03:12:47` in UTC."""
    return at.astimezone(UTC).strftime("%H:%M:%S" if seconds else "%H:%M")


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
