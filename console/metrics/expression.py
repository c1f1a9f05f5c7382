"""Small arithmetic over named values, for derived metrics and for the columns of a query. Pure.

Allowed: names, numbers, + - * /, parentheses, min(...), max(...). Nothing is ever given to eval.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

from console.domain.errors import Misuse
from console.domain.text import printable

_LONGEST = 500
_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SIGNS: dict[type[ast.AST], Callable[[float], float]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_FUNCTIONS: dict[str, Callable[..., float]] = {"min": min, "max": max}


class Expression:
    """A parsed expression. `names` are the values it needs."""

    __slots__ = ("_tree", "names", "text")

    def __init__(self, text: str) -> None:
        """Raises Misuse that says what is not allowed in it."""
        self.text = " ".join(text.split())
        if len(self.text) > _LONGEST:
            raise Misuse(f"expected an expression of at most {_LONGEST} characters")
        try:
            self._tree = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise Misuse(
                f"expected an expression such as 100 * hits / (hits + misses), not {printable(self.text, 80)!r}"
            ) from None
        found: set[str] = set()
        _check(self._tree, found)
        self.names = frozenset(found)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def value(self, values: Mapping[str, float | None]) -> float | None:
        """The result; None when a name has no value, when it divides by zero or when the result is not finite."""
        try:
            result = _value(self._tree, values)
        except (ZeroDivisionError, OverflowError):
            return None
        return result if result is not None and math.isfinite(result) else None


def _check(node: ast.AST, names: set[str]) -> None:
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            return
        case ast.Name(id=name) if name not in _FUNCTIONS:
            names.add(name)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left, names)
            _check(right, names)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            _check(operand, names)
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as args, keywords=[]) if name in _FUNCTIONS:
            for arg in args:
                _check(arg, names)
        case _:
            raise Misuse(
                f"{printable(ast.unparse(node), 60)!r} is not allowed in an expression: "
                "expected names, numbers, + - * /, parentheses, min() and max()"
            )


def _value(node: ast.AST, values: Mapping[str, float | None]) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            found = values.get(name)
            return None if found is None else float(found)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left, values), _value(right, values)
            return None if a is None or b is None else _OPERATORS[type(op)](a, b)
        case ast.UnaryOp(op=op, operand=operand):
            a = _value(operand, values)
            return None if a is None else _SIGNS[type(op)](a)
        case ast.Call(func=ast.Name(id=name), args=args):
            parts = [_value(arg, values) for arg in args]
            known = [p for p in parts if p is not None]
            return _FUNCTIONS[name](known) if len(known) == len(parts) else None
    raise AssertionError(f"unchecked node {node!r}")
