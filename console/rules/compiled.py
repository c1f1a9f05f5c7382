"""Conditions made ready to be judged many times: each node becomes an object whose `truth` is one call.

Truths have three values, None is "no data": `A or B` is true if either is, and no data if one is unavailable and the
other false; `and` likewise, false wins. Arithmetic is IEEE 754's: dividing by zero gives an infinity or NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

from console.rules.condition import (
    COMPARE,
    All,
    Any,
    Arithmetic,
    Comparison,
    Condition,
    DayBefore,
    Failed,
    Not,
    Number,
    Operand,
    Reading,
    Scaled,
    Text,
)
from console.rules.rule import Rule


class Readings(Protocol):
    """What conditions are judged on, at one moment."""

    def now(self, name: str) -> float | str | None:
        """The last value that still counts; None is no data."""
        ...

    def day_before(self, name: str) -> float | None:
        """The metric's value 24 hours earlier."""
        ...

    def failure(self, name: str) -> str | None:
        """Why the metric could not be collected at this moment; None when it could."""
        ...


Value = float | str | None
Weighed = tuple[bool | None, Value, Value]
_Side = Callable[[Readings], Value]


class Leaf:
    """A comparison, with both of its sides. `metric` is the one on the left, None where that is calculated."""

    __slots__ = ("_compare", "_left", "_right", "condition", "low", "metric")

    def __init__(self, condition: Comparison) -> None:
        self.condition = condition
        self.metric = condition.left.metric if isinstance(condition.left, Reading) else None
        self.low = condition.op.low
        textual = isinstance(condition.right, Text)
        self._left = _text(condition.left) if textual else _numeric(condition.left)
        self._right = _constant(condition.right) if textual else _numeric(condition.right)
        self._compare = COMPARE[condition.op]

    def truth(self, readings: Readings) -> bool | None:
        return self.weigh(readings)[0]

    def weigh(self, readings: Readings) -> Weighed:
        """Its truth, and both sides."""
        left, right = self._left(readings), self._right(readings)
        return None if left is None or right is None else self._compare(left, right), left, right

    def holding(self, readings: Readings, wanted: bool) -> Iterator[tuple[Leaves, bool]]:
        """The leaves that make it `wanted`, and what they are."""
        if self.truth(readings) is wanted:
            yield self, wanted

    def leaves(self) -> Iterator[Leaves]:
        yield self


class AgainstNumber(Leaf):
    """The commonest comparison: one metric against a constant."""

    __slots__ = ("_limit", "_name")

    def __init__(self, condition: Comparison, name: str, limit: float) -> None:
        super().__init__(condition)
        self._name, self._limit = name, limit

    def weigh(self, readings: Readings) -> Weighed:
        value, limit = readings.now(self._name), self._limit
        if value is None or value.__class__ is str:
            return None, None, limit
        return self._compare(value, limit), value, limit


class FailureLeaf:
    """Whether a metric can't be collected: there is always an answer."""

    __slots__ = ("condition",)

    def __init__(self, condition: Failed) -> None:
        self.condition = condition

    def truth(self, readings: Readings) -> bool | None:
        return readings.failure(self.condition.metric) is not None

    def holding(self, readings: Readings, wanted: bool) -> Iterator[tuple[Leaves, bool]]:
        if self.truth(readings) is wanted:
            yield self, wanted

    def leaves(self) -> Iterator[Leaves]:
        yield self


Leaves = Leaf | FailureLeaf


class Several:
    """`and` (`decisive` is False: one false term decides) or `or` (`decisive` is True)."""

    __slots__ = ("_decisive", "_terms")

    def __init__(self, terms: tuple[Compiled, ...], *, decisive: bool) -> None:
        self._terms, self._decisive = terms, decisive

    def truth(self, readings: Readings) -> bool | None:
        decisive, unknown = self._decisive, False
        for term in self._terms:
            truth = term.truth(readings)
            if truth is decisive:
                return decisive
            if truth is None:
                unknown = True
        return None if unknown else not decisive

    def holding(self, readings: Readings, wanted: bool) -> Iterator[tuple[Leaves, bool]]:
        for term in self._terms:
            if term.truth(readings) is wanted:
                yield from term.holding(readings, wanted)

    def leaves(self) -> Iterator[Leaves]:
        for term in self._terms:
            yield from term.leaves()


class Negated:
    """`not`."""

    __slots__ = ("_term",)

    def __init__(self, term: Compiled) -> None:
        self._term = term

    def truth(self, readings: Readings) -> bool | None:
        truth = self._term.truth(readings)
        return None if truth is None else not truth

    def holding(self, readings: Readings, wanted: bool) -> Iterator[tuple[Leaves, bool]]:
        yield from self._term.holding(readings, not wanted)

    def leaves(self) -> Iterator[Leaves]:
        yield from self._term.leaves()


Compiled = Leaf | FailureLeaf | Several | Negated


@lru_cache(maxsize=8192)
def of_rule(rule: Rule) -> tuple[Compiled, Compiled | None]:
    """The rule's condition, and the one that makes it critical."""
    return compiled(rule.condition), None if rule.critical is None else compiled(rule.critical)


def compiled(condition: Condition) -> Compiled:
    match condition:
        case Comparison(left=Reading(metric=name), right=Number(value=limit)):
            return AgainstNumber(condition, name, limit)
        case Comparison():
            return Leaf(condition)
        case Failed():
            return FailureLeaf(condition)
        case All(terms=terms):
            return Several(tuple(map(compiled, terms)), decisive=False)
        case Any(terms=terms):
            return Several(tuple(map(compiled, terms)), decisive=True)
        case Not(term=term):
            return Negated(compiled(term))


def _text(operand: Operand) -> _Side:
    assert isinstance(operand, Reading)  # noqa: S101 - the parser lets nothing else be compared with a text
    name = operand.metric

    def text(readings: Readings) -> Value:
        value = readings.now(name)
        return value if isinstance(value, str) else None

    return text


def _constant(operand: Operand | Text) -> _Side:
    assert isinstance(operand, Text)  # noqa: S101
    value = operand.value
    return lambda _: value


def _numeric(operand: Operand | Text) -> Callable[[Readings], float | None]:
    match operand:
        case Number(value=value):
            return lambda _: value
        case Reading(metric=name):
            return lambda readings: _number(readings.now(name))
        case DayBefore(metric=name):
            return lambda readings: _number(readings.day_before(name))
        case Scaled(operand=inner, factor=factor):
            return _calculation(_times, _numeric(inner), lambda _: factor)
        case Arithmetic(op=op, left=left, right=right):
            return _calculation(_CALCULATE[op], _numeric(left), _numeric(right))
        case Text():
            return lambda _: None


def _number(value: float | str | None) -> float | None:
    return value if isinstance(value, int | float) else None


def _calculation(
    calculate: Callable[[float, float], float],
    left: Callable[[Readings], float | None],
    right: Callable[[Readings], float | None],
) -> Callable[[Readings], float | None]:
    def result(readings: Readings) -> float | None:
        a = left(readings)
        if a is None:
            return None
        b = right(readings)
        return None if b is None else calculate(float(a), float(b))

    return result


def _times(a: float, b: float) -> float:
    return a * b


def _divided(a: float, b: float) -> float:
    if b != 0:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


_CALCULATE: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": _times,
    "/": _divided,
}
