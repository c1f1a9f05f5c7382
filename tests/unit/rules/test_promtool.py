"""The evaluator against Prometheus itself: random rules on random series with gaps, judged by `promtool test rules`.
A run of it is kept beside this module, so that its verdict counts also where promtool is not installed.

Prometheus knows two states where we know three: a firing alert whose series are gone is resolved there, and stale
here. So its truths are compared one by one, and its alerts with what we make of "no data" being false.
"""

import itertools
import json
import random
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console.domain.alert import Phase
from console.domain.metric import MetricValue
from console.rules.evaluator import Recent, Standing, advance, judge
from console.rules.replay import DAY
from tests.unit.rules.world import LOOKBACK, NAMES, SPECS, START, ours, promql, random_condition, rule

RULES, SERIES, EVALUATIONS = 30, 3, 60
RECORDED = Path(__file__).with_name("promtool_verdict.json")
"""Made by `python -m tests.unit.rules.record_promtool`: rules, series, and what Prometheus has at each step."""
DURATIONS_S = (0, 0, 30, 60, 100, 300)
Values = dict[str, list[float | None]]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: it is in Debian's package prometheus")
    return found


def random_values(randomly: random.Random, count: int, step_s: int) -> Values:
    """For each metric a value, or None for a gap, at each step; gaps are often as long as the look-back."""
    lookback = 300 // step_s
    found: Values = {}
    for name in NAMES:
        values: list[float | None] = []
        while len(values) < count:
            value = randomly.choice((*map(float, range(-1, 7)), float("nan"), float("inf")))
            values += [value] * randomly.choice((1, 1, 2, 3, 6))
            if randomly.random() < 0.3:
                values += [None] * randomly.choice((1, 2, lookback - 1, lookback, lookback + 1))
        found[name] = values[:count]
    return found


def random_rules(randomly: random.Random, *, day: bool) -> list[tuple[Any, int, int]]:
    return [
        (random_condition(randomly, day=day), randomly.choice(DURATIONS_S), randomly.choice(DURATIONS_S))
        for _ in range(RULES)
    ]


def ours_of(
    rules: list[tuple[Any, int, int]], values: Values, step_s: int
) -> Iterator[tuple[dict[str, float], dict[tuple[str, str], float]]]:
    """At each step: the truths by rule (none for no data), and the alerts by rule and state."""
    compiled = [
        rule(f"{ours(node)} for {for_s}s keep_firing_for {keep_s}s", f"r{i}")
        for i, (node, for_s, keep_s) in enumerate(rules)
    ]
    step = timedelta(seconds=step_s)
    recent = Recent(
        LOOKBACK, previous_day=lambda name, at: day_before(values[name], (at - START) // step, step_s)
    )
    standing = {each.name: Standing() for each in compiled}
    for i in range(len(values["a"])):
        now = START + i * step
        recent.observe(now, {n: MetricValue(n, v[i], now) for n, v in values.items()}, SPECS)
        truths: dict[str, float] = {}
        for each in compiled:
            truth = judge(each, recent, SPECS).truth
            if truth is not None:
                truths[f"truth_{each.name}"] = float(truth)
            standing[each.name] = advance(each, standing[each.name], truth is True, now)
        alerts = {
            (name, str(one.phase)): 1.0 for name, one in standing.items() if one.phase is not Phase.INACTIVE
        }
        yield truths, alerts


def day_before(values: list[float | None], i: int, step_s: int) -> float | None:
    back = i - DAY // timedelta(seconds=step_s)
    window = values[max(back - 300 // step_s, 0) : back + 1] if back >= 0 else []
    return next((value for value in reversed(window) if value is not None), None)


def rule_file(rules: list[tuple[Any, int, int]], step_s: int) -> str:
    groups = [
        *({"record": f"truth_r{i}", "expr": f"{promql(node)} != 0.5"} for i, (node, _, _) in enumerate(rules)),
        *(
            {"alert": f"r{i}", "expr": f"truth_r{i} == 1", "for": f"{for_s}s", "keep_firing_for": f"{keep_s}s"}
            for i, (node, for_s, keep_s) in enumerate(rules)
        ),
    ]  # fmt: skip
    return json.dumps({"groups": [{"name": "g", "interval": f"{step_s}s", "rules": groups}]})


def unit_test(
    rules: list[tuple[Any, int, int]], values: Values, step_s: int, wanted: Callable[[int], bool]
) -> dict[str, Any]:
    """One of promtool's tests: the series, and what we say of them at each step."""
    checks = []
    for i, (truths, alerts) in enumerate(ours_of(rules, values, step_s)):
        if not wanted(i):
            continue
        states = {f'ALERTS{{alertname="{r}",alertstate="{state}"}}': 1.0 for (r, state) in alerts}
        for expr, samples in (('{__name__=~"truth_.+"}', truths), ("ALERTS", states)):
            exp = [{"labels": labels, "value": value} for labels, value in samples.items()]
            checks.append({"expr": expr, "eval_time": f"{i * step_s}s", "exp_samples": exp})
    series = [{"series": name, "values": notation(each)} for name, each in values.items()]
    return {"interval": f"{step_s}s", "input_series": series, "promql_expr_test": checks}


def notation(values: list[float | None]) -> str:
    """As promtool reads a series."""
    return " ".join("_" if v is None else f"{v:g}".replace("inf", "Inf") for v in values)


def agree(
    promtool: str, folder: Path, rules: list[tuple[Any, int, int]], tests: list[Any], step_s: int
) -> None:
    (folder / "rules.yml").write_text(rule_file(rules, step_s))
    whole = {"rule_files": ["rules.yml"], "evaluation_interval": f"{step_s}s", "tests": tests}
    (folder / "test.yml").write_text(json.dumps(whole))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    said = f"{done.stdout[:3000]}{done.stderr[:3000]}"
    conditions = "\n".join(f"r{i}: {ours(node)}" for i, (node, _, _) in enumerate(rules) if f'"r{i}"' in said)
    assert done.returncode == 0, f"{said}\n{conditions}"
    assert "SUCCESS" in said


@pytest.mark.parametrize("case", json.loads(RECORDED.read_text()))
def test_what_promtool_has_said(case: dict[str, Any]) -> None:
    rules = [(as_node(node), for_s, keep_s) for node, for_s, keep_s in case["rules"]]
    values = {
        name: [None if word == "_" else float(word) for word in words.split()]
        for name, words in case["series"].items()
    }
    steps = list(ours_of(rules, values, case["step_s"]))
    assert len(steps) == len(case["truths"][0]) == EVALUATIONS
    for i, (node, for_s, keep_s) in enumerate(rules):
        told = f"r{i}: {ours(node)} for {for_s}s keep_firing_for {keep_s}s"
        assert "".join(letter_of_truth(i, truths) for truths, _ in steps) == case["truths"][i], told
        assert "".join(letter_of_alert(i, alerts) for _, alerts in steps) == case["alerts"][i], told


def test_what_promtool_has_said_is_of_every_kind() -> None:
    cases = json.loads(RECORDED.read_text())
    assert len(cases) == SERIES
    assert {letter for case in cases for row in case["truths"] for letter in row} == {"0", "1", "."}
    assert {letter for case in cases for row in case["alerts"] for letter in row} == {"p", "f", "."}


def as_node(read: Any) -> Any:
    """A condition as JSON gives it back: its tuples are lists there."""
    return tuple(map(as_node, read)) if isinstance(read, list) else read


def letter_of_truth(i: int, truths: dict[str, float]) -> str:
    """0, 1, or a dot for no data."""
    truth = truths.get(f"truth_r{i}")
    return "." if truth is None else f"{truth:.0f}"


def letter_of_alert(i: int, alerts: Collection[tuple[str, str]]) -> str:
    """p for pending, f for firing, or a dot for neither."""
    return next((state[0] for state in ("pending", "firing") if (f"r{i}", state) in alerts), ".")


@pytest.mark.parametrize("seed", range(3))
def test_rules_on_series_with_gaps(promtool: str, tmp_path: Path, seed: int) -> None:
    randomly = random.Random(seed)
    step_s = (30, 60, 15)[seed % 3]
    rules = random_rules(randomly, day=False)
    tests = [
        unit_test(rules, random_values(randomly, EVALUATIONS, step_s), step_s, lambda _: True)
        for _ in range(SERIES)
    ]
    agree(promtool, tmp_path, rules, tests, step_s)


def test_the_day_before(promtool: str, tmp_path: Path) -> None:
    randomly, step_s = random.Random(4), 300
    rules = [(node, for_s * 5, keep_s * 5) for node, for_s, keep_s in random_rules(randomly, day=True)[:12]]
    steps = DAY // timedelta(seconds=step_s)
    values = random_values(randomly, steps + 60, step_s)
    agree(promtool, tmp_path, rules, [unit_test(rules, values, step_s, lambda i: i >= steps - 5)], step_s)


def test_a_disagreement_would_be_seen(promtool: str, tmp_path: Path) -> None:
    rules = [((">", "a", 3.0), 0, 0)]
    values: Values = {name: list(itertools.repeat(5.0, 4)) for name in NAMES}
    test = unit_test(rules, values, 30, lambda _: True)
    test["promql_expr_test"][0]["exp_samples"][0]["value"] = 0.0
    with pytest.raises(AssertionError, match="truth_r0"):
        agree(promtool, tmp_path, rules, [test], 30)
