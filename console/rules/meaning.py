"""What a parsed condition means: which of its parts are numbers, texts and truths, which metrics they read, and
whether their units fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any as Anything
from typing import NoReturn

from lark import Token, Tree

from console.domain.metric import MetricSpec
from console.domain.text import printable
from console.rules.condition import (
    All,
    Any,
    Arithmetic,
    Comparator,
    Comparison,
    Condition,
    DayBefore,
    Not,
    Number,
    Operand,
    Reading,
    Scaled,
    Text,
    number,
)
from console.rules.parser import Slip, suggested

_PREVIOUS = "previous_day"
_DEEPEST = 40
# Units of one kind are converted into each other: kind, and how much one of it is.
_KINDS = {
    "ms": ("a time", 1.0),
    "s": ("a time", 1000.0),
    "%": ("a percentage", 1.0),
    "score": ("a percentage", 1.0),
    "ratio": ("a percentage", 100.0),
}
_PRODUCT = "product"
"""The unit of a product of two units: it can only be compared with a bare number."""
_WRITTEN = ("%", "ms", "s")
_EXAMPLES = {"ms": "400ms", "s": "30s", "%": "5%", "score": "90%", "ratio": "5%"}
PROBE_STATES = ("up", "degraded", "down", "unknown")


@dataclass(frozen=True, slots=True)
class _Numeric:
    node: Operand
    unit: str | None
    """None for a bare number, which fits every unit."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Textual:
    """A quoted text, or a metric whose values are texts."""

    node: Text | Reading
    spec: MetricSpec | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Truth:
    node: Condition
    start: int
    end: int


_Meaning = _Numeric | _Textual | _Truth


def condition(tree: Tree[Token], text: str, specs: Mapping[str, MetricSpec]) -> Condition:
    """The condition that `tree` says. Raises Slip."""
    return _Reader(text, specs).truth(tree, 0).node


class _Reader:
    def __init__(self, text: str, specs: Mapping[str, MetricSpec]) -> None:
        self._text = text
        self._specs = specs

    def truth(self, tree: Tree[Token], depth: int) -> _Truth:
        found = self._read(tree, None, depth)
        if not isinstance(found, _Truth):
            self._not_compared(found)
        return found

    def _not_compared(self, found: _Numeric | _Textual) -> NoReturn:
        example = "error_rate > 5%"
        if isinstance(found.node, Reading):
            spec = self._specs[found.node.metric]
            limit = _EXAMPLES.get(spec.unit, "'up'" if isinstance(found, _Textual) else "5")
            example = f"{found.node.metric} {'!=' if isinstance(found, _Textual) else '>'} {limit}"
        self._fail(f"expected a comparison, such as {example}", found)

    def _read(self, tree: Tree[Token], day_of: str | None, depth: int) -> _Meaning:
        """`day_of` is the metric that previous_day means here."""
        if depth > _DEEPEST:
            self._slip(f"expected a condition nested at most {_DEEPEST} deep", *_place(tree))
        match tree.data, tree.children:
            case "group", [inner]:
                found = self._read(subtree(inner), day_of, depth + 1)
                return type(found)(**{**_fields(found), "start": _place(tree)[0], "end": _place(tree)[1]})
            case (("either" | "both" | "comparison" | "sum" | "product"), [inner]):
                return self._read(subtree(inner), day_of, depth)
            case (("either" | "both"), children):
                terms = tuple(self.truth(subtree(c), depth + 1).node for c in children if isinstance(c, Tree))
                return _Truth((Any if tree.data == "either" else All)(terms), *_place(tree))
            case "negated", [_, inner]:
                return _Truth(Not(self.truth(subtree(inner), depth + 1).node), *_place(tree))
            case "comparison", children:
                return self._comparison(children, depth, *_place(tree))
            case (("sum" | "product"), children):
                return self._chain(children, day_of, depth)
            case (("negative" | "positive"), [sign, inner]):
                found = self._number(subtree(inner), day_of, depth)
                if sign == "-":
                    minus = _Numeric(Number(-1), None, found.start, found.start)
                    found = self._combined("*", minus, found)
                return _Numeric(found.node, found.unit, *_place(tree))
            case "quantity", [token]:
                return self._quantity(str(token), *_place(tree))
            case "string", [token]:
                return _Textual(Text(str(token)[1:-1]), None, *_place(tree))
        return self._name(str(tree.children[0]), day_of, *_place(tree))

    def _quantity(self, token: str, start: int, end: int) -> _Numeric:
        digits = token.rstrip("%msMS \t\r\n\v\f")
        unit = token[len(digits) :].strip().lower() or None
        value = float(digits)
        if not math.isfinite(value):
            self._slip("expected a number of ordinary size", start, end)
        return _Numeric(Number(value, unit or ""), unit, start, end)

    def _name(self, name: str, day_of: str | None, start: int, end: int) -> _Meaning:
        if name == _PREVIOUS:
            if day_of is None:
                self._slip(
                    f"{_PREVIOUS} is the value of the metric on the left, 24 hours earlier: "
                    f"expected one metric there, such as performance_score > {_PREVIOUS} + 5%",
                    start, end,
                )  # fmt: skip
            return _Numeric(DayBefore(day_of), self._specs[day_of].unit, start, end)
        spec = self._specs.get(name)
        if spec is None:
            if name.lower() in PROBE_STATES:
                self._slip(f"no such metric: {name}; a text stands in quotes: '{name}'", start, end)
            self._slip(
                f"no such metric: {printable(name, 60)}{suggested(name, [*self._specs, _PREVIOUS])}",
                start, end,
            )  # fmt: skip
        if spec.unit == "state":
            return _Textual(Reading(name), spec, start, end)
        return _Numeric(Reading(name), spec.unit, start, end)

    # --- comparisons ---

    def _comparison(self, children: list[Anything], depth: int, start: int, end: int) -> _Truth:
        if len(children) > 3:
            self._slip(
                "one comparison at a time: write a > 1 and a < 5",
                children[3].start_pos, children[3].end_pos,
            )  # fmt: skip
        op = Comparator(str(children[1]))
        day_of = self._day_of(children[0]) or self._day_of(children[2])
        sides = [self._read(side, day_of, depth + 1) for side in (children[0], children[2])]
        for side in sides:
            if isinstance(side, _Truth):
                self._fail("expected a number or a metric to compare, not a condition", side)
        left, right = sides
        if isinstance(left.node, Number | Text):
            left, right, op = right, left, op.mirrored
        if isinstance(left, _Textual) or isinstance(right, _Textual):
            return _Truth(self._of_texts(left, op, right, children[1]), start, end)
        assert isinstance(left, _Numeric) and isinstance(right, _Numeric)  # noqa: S101 - the truths are gone
        if isinstance(left.node, Number):
            self._slip("expected a metric on one side of the comparison", start, end)
        right = self._fitted(right, left, "compared with")
        return _Truth(Comparison(left.node, op, right.node), start, end)

    def _day_of(self, side: Tree[Token]) -> str | None:
        """The one metric that a side of a comparison reads."""
        found = {
            str(token)
            for token in side.scan_values(lambda t: isinstance(t, Token) and t.type == "NAME")
            if str(token) != _PREVIOUS
        }
        spec = self._specs.get(next(iter(found))) if len(found) == 1 else None
        return spec.name if spec is not None and spec.unit != "state" else None

    def _of_texts(self, left: _Meaning, op: Comparator, right: _Meaning, token: Token) -> Comparison:
        for one, other in ((left, right), (right, left)):
            if isinstance(one, _Textual) and isinstance(one.node, Reading) and isinstance(other, _Numeric):
                self._fail(f"{one.node.metric} is a text: expected one in quotes, such as 'down'", other)
            if isinstance(one, _Textual) and isinstance(one.node, Text) and isinstance(other, _Numeric):
                what = other.node.metric if isinstance(other.node, Reading) else "this"
                example = _EXAMPLES.get(other.unit or "", "5")
                self._fail(f"{what} is a number: expected one to compare it with, such as {example}", one)
        assert isinstance(left, _Textual) and isinstance(right, _Textual)  # noqa: S101
        if not isinstance(left.node, Reading) or left.spec is None:
            self._fail("expected a metric on one side of the comparison", left)
        if not isinstance(right.node, Text):
            self._fail("expected a text in quotes, such as 'down'", right)
        if not right.node.value:
            self._fail("expected a text that is not empty, such as 'down'", right)
        if printable(right.node.value) != right.node.value:
            self._fail("expected a printable text, such as 'down'", right)
        if op not in (Comparator.EQUAL, Comparator.DIFFERENT):
            self._slip(
                f"{left.spec.name} is a text: expected == or !=", token.start_pos or 0, token.end_pos or 0
            )
        if left.spec.source_kind == "probe" and right.node.value not in PROBE_STATES:
            value = printable(right.node.value, 40)
            self._fail(f"{left.spec.name} is never '{value}'{suggested(value, PROBE_STATES)}", right)
        return Comparison(left.node, op, right.node)

    # --- arithmetic ---

    def _number(self, tree: Tree[Token], day_of: str | None, depth: int) -> _Numeric:
        found = self._read(tree, day_of, depth + 1)
        if isinstance(found, _Textual):
            what = f"{found.node.metric} is a text" if isinstance(found.node, Reading) else "this is a text"
            self._fail(f"{what}: expected a number, or a metric that is one", found)
        if isinstance(found, _Truth):
            self._fail("expected a number or a metric to calculate with, not a condition", found)
        return found

    def _chain(self, children: list[Anything], day_of: str | None, depth: int) -> _Numeric:
        if len(children) > 2 * _DEEPEST:
            self._slip(f"expected at most {_DEEPEST} terms", *_place(children[2 * _DEEPEST]))
        found = self._number(children[0], day_of, depth)
        for op, operand in zip(children[1::2], children[2::2], strict=True):
            found = self._combined(str(op), found, self._number(operand, day_of, depth))
        return found

    def _combined(self, op: str, left: _Numeric, right: _Numeric) -> _Numeric:
        if op == "/" and right.node == Number(0, getattr(right.node, "unit", "")):
            self._fail("expected something else than zero to divide by", right)
        unit: str | None
        if op in "+-":
            if isinstance(left.node, Number):
                left = self._fitted(left, right, "added to")
            right = self._fitted(right, left, "added to" if op == "+" else "subtracted from")
            unit = left.unit or right.unit
        else:
            left, right, unit = self._scaling(op, left, right)
        node = Arithmetic(op, left.node, right.node)
        if isinstance(left.node, Number) and isinstance(right.node, Number):
            node = Number(self._folded(op, left, right), unit if unit in _WRITTEN else "")
        return _Numeric(node, unit, left.start, right.end)

    def _scaling(self, op: str, left: _Numeric, right: _Numeric) -> tuple[_Numeric, _Numeric, str | None]:
        """Both sides of a product or a quotient, and its unit. 120% of something is 1.2 times that."""
        if left.unit and right.unit and op == "/" and _kind(left.unit) == _kind(right.unit):
            return left, self._fitted(right, left, "divided by"), None
        if left.unit and right.unit == "%" and isinstance(right.node, Number):
            return left, _share(right), left.unit
        if op == "*" and right.unit and left.unit == "%" and isinstance(left.node, Number):
            return _share(left), right, right.unit
        # So many times something is of its unit, and so is a share of it.
        counted = [side.unit if side.unit != "count" else None for side in (left, right)]
        if counted[1] and (counted[0] or op == "/"):
            return left, right, _PRODUCT
        return left, right, counted[0] or counted[1] or left.unit or right.unit

    def _folded(self, op: str, left: _Numeric, right: _Numeric) -> float:
        assert isinstance(left.node, Number) and isinstance(right.node, Number)  # noqa: S101
        a, b = left.node.value, right.node.value
        value = {"+": a + b, "-": a - b, "*": a * b}[op] if op != "/" else a / b
        if not math.isfinite(value):
            self._slip("expected a number of ordinary size", left.start, right.end)
        return value

    def _fitted(self, one: _Numeric, other: _Numeric, verb: str) -> _Numeric:
        """`one` in the unit of `other`."""
        if other.unit is None or one.unit == other.unit:
            return one
        unit = other.unit if other.unit in _WRITTEN else ""
        if one.unit is None:
            node = Number(one.node.value, unit) if isinstance(one.node, Number) else one.node
            return _Numeric(node, other.unit, one.start, one.end)
        if _kind(one.unit) != _kind(other.unit):
            self._fail(self._mismatch(one, other, verb), one)
        factor = _KINDS[one.unit][1] / _KINDS[other.unit][1]
        if isinstance(one.node, Number):
            node = Number(one.node.value * factor, unit)
        else:
            node = one.node if factor == 1 else Scaled(one.node, factor)
        return _Numeric(node, other.unit, one.start, one.end)

    def _mismatch(self, one: _Numeric, other: _Numeric, verb: str) -> str:
        """`5ms is a time, error_rate is in %: ...; did you mean 5%?`"""
        told = f"{_told(one, self._text)} can't be {verb} {_told(other, self._text)}"
        if not isinstance(one.node, Number):
            return told
        meant = f"{number(one.node.value)}{'%' if _kind(other.unit or '') == 'a percentage' else other.unit}"
        if one.unit == "%" and verb in ("added to", "subtracted from"):
            return f"{told}; did you mean * {number(1 + one.node.value / 100)}?"
        if other.unit in _EXAMPLES:
            return f"{told}; did you mean {meant}?"
        return f"{told}; expected a bare number: did you mean {number(one.node.value)}?"

    # --- what is wrong ---

    def _fail(self, problem: str, where: _Meaning) -> NoReturn:
        self._slip(problem, where.start, where.end)

    def _slip(self, problem: str, start: int, end: int) -> NoReturn:
        raise Slip(problem, self._text, start, end)


def _told(one: _Numeric, text: str) -> str:
    name = printable(" ".join(text[one.start : one.end].split()), 60)
    if one.unit == _PRODUCT:
        return f"{name} (a product of two units)"
    if isinstance(one.node, Number):
        return f"{name} ({_kind(one.unit or '')})"
    return f"{name} (in {one.unit})"


def _kind(unit: str) -> str:
    return _KINDS[unit][0] if unit in _KINDS else unit


def _share(percentage: _Numeric) -> _Numeric:
    assert isinstance(percentage.node, Number)  # noqa: S101
    return _Numeric(Number(percentage.node.value / 100), None, percentage.start, percentage.end)


def subtree(node: Tree[Token] | Token) -> Tree[Token]:
    """A child that the grammar makes a tree."""
    assert isinstance(node, Tree)  # noqa: S101 - the grammar has no token in these places
    return node


def _place(tree: Tree[Token]) -> tuple[int, int]:
    return tree.meta.start_pos, tree.meta.end_pos


def _fields(found: _Meaning) -> dict[str, Anything]:
    return {name: getattr(found, name) for name in type(found).__slots__}
