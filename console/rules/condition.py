"""What a condition is: a frozen tree of comparisons over metrics. How it is written is the parser's business, what it
says at some moment the evaluator's."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


def _different(a: float | str, b: float | str) -> bool:
    # NaN differs from everything by IEEE 754, but it fulfils no condition; nor does an event that is none.
    return a != b and a == a and b == b and a != ""


class Comparator(StrEnum):
    """How two values are compared."""

    OVER = ">"
    AT_LEAST = ">="
    UNDER = "<"
    AT_MOST = "<="
    EQUAL = "=="
    DIFFERENT = "!="

    @property
    def mirrored(self) -> Comparator:
        """What stands between the same two values the other way round."""
        return _MIRRORED.get(self, self)

    @property
    def low(self) -> bool:
        """Whether it is fulfilled by values below the limit."""
        return self in (Comparator.UNDER, Comparator.AT_MOST)


_MIRRORED = {
    Comparator.OVER: Comparator.UNDER,
    Comparator.UNDER: Comparator.OVER,
    Comparator.AT_LEAST: Comparator.AT_MOST,
    Comparator.AT_MOST: Comparator.AT_LEAST,
}
COMPARE: dict[Comparator, Callable[..., bool]] = {
    Comparator.OVER: operator.gt,
    Comparator.AT_LEAST: operator.ge,
    Comparator.UNDER: operator.lt,
    Comparator.AT_MOST: operator.le,
    Comparator.EQUAL: operator.eq,
    Comparator.DIFFERENT: _different,
}
"""NaN and "" fulfil none of them, also not `!=`."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant, in the unit of what it is compared with; `unit` is how that is written: `%`, `ms`, `s` or ""."""

    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric's value now."""

    metric: str


@dataclass(frozen=True, slots=True)
class DayBefore:
    """The same metric's value 24 hours earlier: `previous_day`."""

    metric: str


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right`, op one of + - * /."""

    op: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Scaled:
    """`operand` in another unit of the same kind: seconds as milliseconds, a ratio as per cent."""

    operand: Operand
    factor: float


@dataclass(frozen=True, slots=True)
class Text:
    """What a metric of unit `state` is compared with."""

    value: str


Operand = Number | Reading | DayBefore | Arithmetic | Scaled


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left op right`; only the right side may be a constant."""

    left: Operand
    op: Comparator
    right: Operand | Text


@dataclass(frozen=True, slots=True)
class All:
    """Every term holds."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one term holds."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The term does not hold."""

    term: Condition


@dataclass(frozen=True, slots=True)
class Failed:
    """The metric could not be collected. No rule file can say it."""

    metric: str


Condition = Comparison | All | Any | Not | Failed


def leaves(condition: Condition) -> Iterator[Comparison | Failed]:
    """The comparisons, from left to right."""
    match condition:
        case All(terms=terms) | Any(terms=terms):
            for term in terms:
                yield from leaves(term)
        case Not(term=term):
            yield from leaves(term)
        case _:
            yield condition


def metrics(condition: Condition) -> frozenset[str]:
    """The metrics that it reads, those of the day before included."""
    return frozenset(name for name, _ in _names(condition))


def day_before(condition: Condition) -> frozenset[str]:
    """The metrics whose value 24 hours earlier it reads."""
    return frozenset(name for name, earlier in _names(condition) if earlier)


def _names(condition: Condition) -> Iterator[tuple[str, bool]]:
    for leaf in leaves(condition):
        if isinstance(leaf, Failed):
            yield leaf.metric, False
        else:
            yield from _operand_names(leaf.left)
            yield from _operand_names(leaf.right)


def _operand_names(operand: Operand | Text) -> Iterator[tuple[str, bool]]:
    match operand:
        case Reading(metric=name):
            yield name, False
        case DayBefore(metric=name):
            yield name, True
        case Arithmetic(left=left, right=right):
            yield from _operand_names(left)
            yield from _operand_names(right)
        case Scaled(operand=inner):
            yield from _operand_names(inner)


_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2}


def written(node: Condition | Operand | Text) -> str:
    """The condition as it was understood, in the language of rule files; parsing that gives the same tree."""
    match node:
        case Number(value=value, unit=unit):
            return f"{number(value)}{unit}"
        case Reading(metric=name):
            return name
        case DayBefore():
            return "previous_day"
        case Scaled(operand=operand):
            return written(operand)
        case Arithmetic(op=op, left=left, right=right):
            return f"{_bound(left, _BINDING[op])} {op} {_bound(right, _BINDING[op] + 1)}"
        case Text(value=value):
            return f'"{value}"' if "'" in value else f"'{value}'"
        case Comparison(left=left, op=op, right=right):
            return f"{written(left)} {op} {written(right)}"
        case All(terms=terms):
            return " and ".join(f"({written(t)})" if isinstance(t, All | Any) else written(t) for t in terms)
        case Any(terms=terms):
            return " or ".join(f"({written(t)})" if isinstance(t, Any) else written(t) for t in terms)
        case Not(term=term):
            return f"not ({written(term)})"
        case Failed(metric=name):
            return f"{name} can't be collected"


def _bound(operand: Operand, binding: int) -> str:
    inner = operand
    while isinstance(inner, Scaled):
        inner = inner.operand
    text = written(operand)
    return f"({text})" if isinstance(inner, Arithmetic) and _BINDING[inner.op] < binding else text


def number(value: float) -> str:
    """The shortest text that reads back as this number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
