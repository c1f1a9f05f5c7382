"""Derived expressions: what is allowed, what it gives, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.domain.errors import Misuse
from console.metrics.expression import Expression


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", 6),
        ("100 * a / (a + b)", 75),
        ("-a + +b", -4),
        ("max(a, b, 3) - min(a, b)", 4),
        ("2 * (a - b)\n / 4", 2),
        ("1e3", 1000),
    ],
)
def test_arithmetic(text: str, expected: float) -> None:
    assert Expression(text).value({"a": 6, "b": 2}) == pytest.approx(expected)


def test_division_by_zero_is_no_value() -> None:
    assert Expression("a / b").value({"a": 1, "b": 0}) is None


def test_a_name_without_a_value_makes_no_value() -> None:
    assert Expression("a + b").value({"a": 1, "b": None}) is None
    assert Expression("max(a, b)").value({"a": 1}) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_what_is_not_finite_is_no_value(value: float) -> None:
    assert Expression("a * a").value({"a": value}) is None


def test_names() -> None:
    assert Expression("100 * hits / (hits + misses)").names == {"hits", "misses"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a +",
        "a ** 2",
        "a if b else c",
        "a.b",
        "a[0]",
        "__import__('os').system('id')",
        "(lambda: 1)()",
        "'text'",
        "True",
        "a == b",
        "[1, 2]",
        "min",
        "min()",
        "min(a, key=b)",
        "print(a)",
        "a; b",
        "x := 3",
        "f'{a}'",
        "1 + " * 200 + "1",
    ],
)
def test_everything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(Misuse, match="expected"):
        Expression(text)


@given(st.text(max_size=80))
def test_any_text_is_an_expression_or_a_misuse(text: str) -> None:
    try:
        expression = Expression(text)
    except Misuse:
        return
    expression.value(dict.fromkeys(expression.names, 2.0))
