"""Writes `promtool_verdict.json`: `python -m tests.unit.rules.record_promtool`, with promtool on the PATH.

What Prometheus has at each step is taken from its own words: a test that expects nothing fails with all it got.
"""

import json
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.unit.rules.test_promtool import (
    EVALUATIONS,
    RECORDED,
    SERIES,
    Values,
    letter_of_alert,
    letter_of_truth,
    notation,
    random_rules,
    random_values,
    rule_file,
    unit_test,
)

_RULES, _STEP_S = 12, 30
_ANSWER = re.compile(r"expr: (?P<expr>.*), time: (?P<at>\w+),\s*\n\s*exp: .*\n\s*got: *(?P<got>.*)")
_TRUTH = re.compile(r'\{__name__="(truth_r\d+)"\} ([^,\s]+)')
_ALERT = re.compile(r'alertname="(r\d+)", alertstate="(\w+)"\}')
_UNITS_S = {"h": 3600, "m": 60, "s": 1}


def seconds(text: str) -> int:
    """A duration as Prometheus writes it, such as 1m30s."""
    return sum(int(n) * _UNITS_S[unit] for n, unit in re.findall(r"(\d+)([hms])", text))


def answers(promtool: str, rules: list[tuple[Any, int, int]], values: Values) -> str:
    test = unit_test(rules, values, _STEP_S, lambda _: True)
    for check in test["promql_expr_test"]:
        check["exp_samples"] = [{"labels": "nothing", "value": 0.5}]
    whole = {"rule_files": ["rules.yml"], "evaluation_interval": f"{_STEP_S}s", "tests": [test]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.yml").write_text(rule_file(rules, _STEP_S))
        (folder / "test.yml").write_text(json.dumps(whole))
        argv = [promtool, "test", "rules", "test.yml"]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def recorded(promtool: str, randomly: random.Random) -> dict[str, Any]:
    rules = random_rules(randomly, day=False)[:_RULES]
    values = random_values(randomly, EVALUATIONS, _STEP_S)
    truths: dict[int, dict[str, float]] = {}
    alerts: dict[int, list[tuple[str, str]]] = {}
    for answer in _ANSWER.finditer(answers(promtool, rules, values)):
        step = seconds(answer["at"]) // _STEP_S
        if "truth" in answer["expr"]:
            truths[step] = {name: float(value) for name, value in _TRUTH.findall(answer["got"])}
        else:
            alerts[step] = _ALERT.findall(answer["got"])
    steps = range(EVALUATIONS)
    assert truths.keys() == alerts.keys() == set(steps), "promtool's words were not understood"
    return {
        "step_s": _STEP_S,
        "rules": rules,
        "series": {name: notation(each) for name, each in values.items()},
        "truths": ["".join(letter_of_truth(i, truths[s]) for s in steps) for i in range(_RULES)],
        "alerts": ["".join(letter_of_alert(i, alerts[s]) for s in steps) for i in range(_RULES)],
    }


def main() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        raise SystemExit("promtool is in Debian's package prometheus")
    cases = [recorded(promtool, random.Random(seed)) for seed in range(20, 20 + SERIES)]
    RECORDED.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
