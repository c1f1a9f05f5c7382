"""Why a condition holds, in one sentence with the numbers: `Error rate is 6.21 %, over 5 %`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from console.domain import format
from console.domain.metric import MetricSpec
from console.domain.text import printable
from console.rules.compiled import FailureLeaf, Leaves, Readings, Value
from console.rules.condition import (
    Comparator,
    Comparison,
    Number,
    Operand,
    Reading,
    Scaled,
    Text,
    written,
)
from console.rules.rule import Rule

_WORDS = {
    Comparator.OVER: "over",
    Comparator.AT_LEAST: "at least",
    Comparator.UNDER: "under",
    Comparator.AT_MOST: "at most",
    Comparator.EQUAL: "exactly",
    Comparator.DIFFERENT: "other than",
}
_PLAIN = ("count", "score", "ratio")
_MOST_DECIMALS = 6
_LONGEST = 500


def sentence(
    holding: Iterable[tuple[Leaves, bool]], readings: Readings, specs: Mapping[str, MetricSpec]
) -> str:
    """What all of these comparisons say; printable, at most 500 characters."""
    found = [_of(leaf, wanted, readings, specs) for leaf, wanted in holding]
    return printable(", and ".join(dict.fromkeys(found)), _LONGEST)


def without_data(rule: Rule, readings: Readings, specs: Mapping[str, MetricSpec]) -> str:
    """`Error rate: no data`, of all that has none."""
    names = sorted(rule.metrics)
    missing = [name for name in names if readings.now(name) is None]
    when = " 24 hours earlier" if not missing and rule.uses_day_before else ""
    titles = [specs[name].title if name in specs else name for name in missing or names]
    return printable(f"{', '.join(titles)}: no data{when}", _LONGEST)


def _of(leaf: Leaves, wanted: bool, readings: Readings, specs: Mapping[str, MetricSpec]) -> str:
    if isinstance(leaf, FailureLeaf):
        return _of_failure(leaf, readings, specs)
    condition = leaf.condition
    spec = specs.get(condition.left.metric) if isinstance(condition.left, Reading) else None
    _, left, right = leaf.weigh(readings)
    title = spec.title if spec else written(condition.left)
    if isinstance(condition.right, Text):
        return f"{title} is {left}" if _says_it(condition, wanted) else f"{title} is {left}, not {right}"
    limit = _limit(spec, right)
    if not isinstance(condition.right, Number):
        # A limit that is calculated has as many digits as chance gives it.
        limit = f"{_shown(spec, right, spec.decimals if spec else 2)} ({_written(condition.right)})"
    return f"{title} is {_value(spec, left, right)}, {'' if wanted else 'not '}{_WORDS[condition.op]} {limit}"


def _says_it(condition: Comparison, wanted: bool) -> bool:
    return (condition.op is Comparator.EQUAL) is wanted


def _of_failure(leaf: FailureLeaf, readings: Readings, specs: Mapping[str, MetricSpec]) -> str:
    reason = readings.failure(leaf.condition.metric)
    spec = specs.get(leaf.condition.metric)
    if spec is None:
        return reason or ""
    return (
        f"{spec.title} can't be collected: {reason}" if reason is not None else f"{spec.title} is collected"
    )


def _value(spec: MetricSpec | None, value: Value, limit: Value) -> str:
    """With more decimals than usual where it would look like the limit otherwise."""
    decimals = spec.decimals if spec else 2
    if isinstance(value, float) and isinstance(limit, int | float) and value != limit:
        while decimals < _MOST_DECIMALS and abs(value - limit) * 10**decimals < 1:
            decimals += 1
    return _shown(spec, value, decimals)


def _limit(spec: MetricSpec | None, value: Value) -> str:
    """A limit as somebody would write it: with as many decimals as it has."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return _shown(spec, value, 0)
    decimals = next((d for d in range(_MOST_DECIMALS) if round(value, d) == value), _MOST_DECIMALS)
    return _shown(spec, value, decimals)


def _shown(spec: MetricSpec | None, value: Value, decimals: int) -> str:
    if isinstance(value, int | float) and not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite" if value > 0 else "minus infinite"
    if spec is None:
        return format.number(value, decimals) if isinstance(value, int | float) else str(value)
    text, unit = format.value_and_unit(spec, value)
    if decimals != spec.decimals and isinstance(value, int | float) and (unit or spec.unit in _PLAIN):
        text = text if spec.unit == "bytes" else format.number(value, decimals)
    return f"{text} {unit}" if unit else text


def _written(operand: Operand) -> str:
    while isinstance(operand, Scaled):
        operand = operand.operand
    return written(operand)
