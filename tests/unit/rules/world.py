"""A small catalogue, and random conditions in three languages: ours, PromQL, and plain Python."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from console.domain.event import Severity
from console.domain.metric import Direction, MetricSpec
from console.metrics import catalogue
from console.rules import alerting_file
from console.rules.parser import parse
from console.rules.rule import Rule

START = datetime(2026, 3, 10, 3, tzinfo=UTC)
SHIPPED = {spec.name: spec for spec in catalogue.load().specs}
WORDS = alerting_file.load().vocabulary
NAMES = ("a", "b", "c")
LOOKBACK = timedelta(minutes=5)

Node = tuple[Any, ...]


def spec(name: str, unit: str = "count", **more: Any) -> MetricSpec:
    """A metric that only has to have a name and a unit."""
    return MetricSpec(name, more.pop("title", name.upper()), unit, "group", "sql", "", **more)


SPECS = {
    s.name: s
    for s in (
        *map(spec, NAMES),
        spec("rate", "%", title="Rate", decimals=2, warning=1, critical=5, origin="sql:orders"),
        spec("latency", "ms", title="Latency", warning=400, origin="sql:orders"),
        spec("uptime", "s", title="Uptime"),
        spec("share", "ratio", title="Share", decimals=2),
        spec("score", "score", title="Score", decimals=1, direction=Direction.LOW, critical=80),
        spec("volume", "money", title="Volume"),
        spec("state", "state", title="State", origin="probe:thing"),
        spec("deployed", "state", title="Deployment", event=True),
        spec("restarts", title="Restarts", event=True),
    )
}


def rule(text: str, name: str = "r", **more: Any) -> Rule:
    """A rule of this condition on SPECS; durations behind it count."""
    found = parse(text, more.pop("specs", SPECS))
    return Rule(
        name, more.pop("severity", Severity.WARNING), found.condition, text, "CUSTOM", "notify_team",
        for_=found.for_ or timedelta(), keep_firing_for=found.keep_firing_for or timedelta(), **more,
    )  # fmt: skip


# --- random conditions: nodes are (operator, *operands), leaves are numbers and names ---


def random_number(randomly: random.Random, *, day: bool, deep: int = 2) -> Node | str | float:
    """An expression that reads at least one metric."""
    name = randomly.choice(NAMES)
    if deep == 0 or randomly.random() < 0.6:
        return name
    left = random_number(randomly, day=day, deep=deep - 1)
    right = randomly.choice((random_number(randomly, day=day, deep=deep - 1), float(randomly.randint(1, 4))))
    return randomly.choice("+-*/"), left, right


def random_condition(randomly: random.Random, *, day: bool = False, deep: int = 2) -> Node:
    if deep == 0 or randomly.random() < 0.45:
        return _random_comparison(randomly, day=day)
    kind = randomly.choice(("and", "or", "not", "and", "or"))
    count = 1 if kind == "not" else randomly.randint(2, 3)
    return kind, *(random_condition(randomly, day=day, deep=deep - 1) for _ in range(count))


def _random_comparison(randomly: random.Random, *, day: bool) -> Node:
    op = randomly.choice((">", ">=", "<", "<=", "==", "!="))
    if day and randomly.random() < 0.6:
        name = randomly.choice(NAMES)
        return op, name, ("+", ("day", name), float(randomly.randint(-2, 2)))
    left = random_number(randomly, day=day)
    constant = randomly.randint(-1, 6) / randomly.choice((1, 1, 2))
    right = randomly.choice((constant, constant, random_number(randomly, day=day, deep=1)))
    return (op, right, left) if randomly.random() < 0.2 else (op, left, right)


_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq}


def ours(node: Any) -> str:
    """In the language of rule files, with every parenthesis."""
    match node:
        case float():
            return f"{node:g}"
        case str():
            return node
        case "day", _:
            return "previous_day"
        case "not", term:
            return f"not ({ours(term)})"
        case ("and" | "or") as word, *terms:
            return f" {word} ".join(f"({ours(term)})" for term in terms)
    op, left, right = node
    text = f"{ours(left)} {op} {ours(right)}"
    return text if op in _COMPARE or op == "!=" else f"({text})"


def promql(node: Any) -> str:
    """A truth of three values: 1, 0 and, for no data, 0.5. The least of two is `and`, the greatest `or`."""
    match node:
        case float():
            return f"{node:g}"
        case str():
            return node
        case "day", name:
            return f"({name} offset 24h)"
        case "not", term:
            return f"(1 - {promql(term)})"
        case ("and" | "or") as word, first, *more:
            whole = promql(first)
            for term in map(promql, more):
                whole = f"({whole} {'<' if word == 'and' else '>'} {term} or {term})"
            return whole
    op, left, right = node
    if op not in _COMPARE and op != "!=":
        return f"({promql(left)} {op} {promql(right)})"
    a, b = promql(left), promql(right)
    # Prometheus finds NaN different from everything.
    truth = f"({a} > bool {b}) + ({a} < bool {b})" if op == "!=" else f"({a} {op} bool {b})"
    return f"({truth} or vector(0.5))"


def naive(node: Any, value: Callable[[str, bool], float | None]) -> Any:
    """Its value: True, False, a number, or None without data. `value(name, day_before)` looks a metric up."""
    match node:
        case float():
            return node
        case str():
            return value(node, False)
        case "day", name:
            return value(name, True)
        case "not", term:
            truth = naive(term, value)
            return None if truth is None else not truth
        case ("and" | "or") as word, *terms:
            truths = [naive(term, value) for term in terms]
            decisive = word == "or"
            return decisive if decisive in truths else None if None in truths else not decisive
    op, left, right = node[0], naive(node[1], value), naive(node[2], value)
    if left is None or right is None:
        return None
    if op in _COMPARE:
        return _COMPARE[op](left, right)
    if op == "!=":
        return left < right or left > right
    if op == "/" and right == 0:
        return (
            math.nan
            if left == 0 or math.isnan(left)
            else math.copysign(math.inf, left) * math.copysign(1, right)
        )
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / (right or math.nan)}[op]
