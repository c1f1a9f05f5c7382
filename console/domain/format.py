"""Values, ages and times as people read them (LOOK section 7): one form for each, here and nowhere else."""

import math
from datetime import UTC, datetime, timedelta

from console.domain.metric import MetricSpec

NO_VALUE = "–"
_UNITS = {"count": "", "score": "", "ratio": "", "state": "", "money": "", "bytes": ""}


def number(value: float, decimals: int) -> str:
    """`1,234.50`: thousands with comma, a fixed number of decimals."""
    return f"{value:,.{decimals}f}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 order`, `1,200 orders`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


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


def reading(spec: MetricSpec | None, value: float | str | None) -> str:
    """The same where it is not certain that the catalogue still has the metric."""
    return amount(value, "") if spec is None else metric(spec, value)


def amount(value: float | str | None, unit: str) -> str:
    """A number that no catalogue describes, with as many digits as it needs: `1,234`, `45.0 %`, `512 ms`, `0.4 ms`."""
    if value is None or isinstance(value, str):
        return NO_VALUE if value is None else value
    return " ".join(part for part in number_and_unit(value, unit) if part)


def number_and_unit(value: float, unit: str) -> tuple[str, str]:
    """The two parts of `amount`: `("1,234", "")`, `("45.0", "%")`, `("512", "ms")`, `("0.4", "ms")`."""
    if unit == "money":
        return f"${number(value, 2)}", ""
    if unit == "%":
        return number(value, 1), unit
    whole = value == int(value) or (unit == "ms" and abs(value) >= 10)
    return number(value, 0 if whole else 1 if unit == "ms" else 2), _UNITS.get(unit, unit)


def age(span: timedelta) -> str:
    """`4s`, `17m`, `1h`, `4d`: one unit, rounded down, never negative."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def took(span: timedelta) -> str:
    """How long something took: below ten seconds with one decimal (`0.4s`), else as an `age`."""
    seconds = max(span.total_seconds(), 0.0)
    return f"{int(seconds * 10) / 10}s" if seconds < 10 else age(span)


def clock(at: datetime, *, seconds: bool = True) -> str:
    """`03:12:47` in UTC."""
    return at.astimezone(UTC).strftime("%H:%M:%S" if seconds else "%H:%M")


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(at: datetime | None) -> str | None:
    """The same for JSON, where what never was is null."""
    return None if at is None else iso(at)
