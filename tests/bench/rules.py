"""What judging costs: conditions alone, and a whole tick of many rules."""

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from console.domain.event import Severity
from console.domain.metric import MetricSpec, MetricValue
from console.rules.compiled import of_rule
from console.rules.evaluator import Recent, Standing, advance, judge
from console.rules.parser import parse
from console.rules.rule import Rule

RULES, METRICS, TICKS = 500, 200, 60
FORMS = (
    "{a} > {limit}%",
    "{a} > {limit}% for 2m",
    "{a} > {limit}% or {b} > 85%",
    "{a} < {limit} and not {b} < 5",
    "({a} + {b}) / 2 > {limit}%",
    "state_{i} == 'down'",
)


def figures(_folder: Path) -> Iterator[tuple[str, float, float, str, bool]]:
    specs = _specs()
    rules = tuple(_rule(i, specs) for i in range(RULES))
    ticks, per_second = _measure(rules, specs)
    yield "conditions judged", per_second, 100_000.0, "/s", True
    yield f"tick of {RULES} rules on {METRICS} metrics", 1000 * statistics.median(ticks), 20.0, "ms", False


def _specs() -> dict[str, MetricSpec]:
    numbers = [
        MetricSpec(f"m_{i}", f"Metric {i}", "%", "g", "sql", "", decimals=2) for i in range(METRICS - 20)
    ]
    states = [MetricSpec(f"state_{i}", f"State {i}", "state", "g", "probe", "") for i in range(20)]
    return {spec.name: spec for spec in (*numbers, *states)}


def _rule(i: int, specs: dict[str, MetricSpec]) -> Rule:
    # One rule in ten is over its limit, as in a bad hour.
    limit = 10 if i % 10 == 0 else 80
    form = FORMS[i % len(FORMS)]
    text = form.format(a=f"m_{i % (METRICS - 20)}", b=f"m_{(i * 7) % (METRICS - 20)}", i=i % 20, limit=limit)
    found = parse(text, specs)
    return Rule(
        f"rule {i}", Severity.WARNING, found.condition, text, "CUSTOM", "notify_team", for_=found.for_ or timedelta()
    )  # fmt: skip


def _measure(rules: tuple[Rule, ...], specs: dict[str, MetricSpec]) -> tuple[list[float], float]:
    """Seconds of each tick (readings in, findings and standings out), and truths per second of conditions alone."""
    recent = Recent(timedelta(minutes=5))
    standing = {rule.name: Standing() for rule in rules}
    now, ticks = datetime(2026, 3, 10, tzinfo=UTC), []
    for tick in range(TICKS):
        now += timedelta(seconds=2)
        values = {
            name: MetricValue(name, "up" if spec.unit == "state" else 20 + (tick * 7 + i * 13) % 50, now)
            for i, (name, spec) in enumerate(specs.items())
        }
        begun = time.perf_counter()
        recent.observe(now, values, specs)
        for rule in rules:
            standing[rule.name] = advance(rule, standing[rule.name], judge(rule, recent, specs).truth, now)
        ticks.append(time.perf_counter() - begun)
    conditions = [of_rule(rule)[0] for rule in rules]
    begun, judged = time.perf_counter(), 0
    while time.perf_counter() - begun < 1.0:
        for condition in conditions:
            condition.truth(recent)
        judged += len(conditions)
    return ticks, judged / (time.perf_counter() - begun)
