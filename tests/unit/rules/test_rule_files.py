"""Rule files: the specification's own is read as it stands, and what is wrong in one is shown with its place."""

import random
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from console.domain.errors import Misuse
from console.domain.event import Severity
from console.rules import file
from console.rules.condition import written
from console.rules.rule import Rule
from tests.unit.rules.world import SHIPPED, SPECS, WORDS

SPECIFIED = (Path(__file__).parent / "specified.yaml").read_text(encoding="utf-8")
GOOD = """\
alert_rules:
  critical: []
  warning:
    - name: Slow
      condition: latency > 400ms for 2m
      severity: warning
      action: notify_team
      notification: [slack]
"""

Load = Callable[[str], tuple[Rule, ...]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(text: str) -> tuple[Rule, ...]:
        path = tmp_path / "rules.yaml"
        path.write_text(text, encoding="utf-8")
        return file.load(path, specs=SPECS, vocabulary=WORDS)

    return read


def test_the_block_of_the_specification_ships_byte_for_byte() -> None:
    assert file.SHIPPED.read_bytes().endswith(b"\n" + SPECIFIED.encode())
    assert all(
        line.startswith("#") or not line for line in file.SHIPPED.read_text()[: -len(SPECIFIED)].splitlines()
    )


def test_the_block_of_the_specification_loads(tmp_path: Path) -> None:
    path = tmp_path / "alert_rules.yaml"
    path.write_text(SPECIFIED, encoding="utf-8")
    rules = file.load(path, specs=SHIPPED, vocabulary=WORDS, time_scale=10)
    assert [
        (r.name, str(r.severity), r.type, written(r.condition), r.for_.total_seconds(), r.action, r.channels)
        for r in rules
    ] == [
        ("Order Execution Failure", "critical", "ORDER_EXECUTION_FAILURE", "error_rate > 5%", 12,
         "immediate_escalation", ("slack", "email", "sms")),
        ("Database Connection Failure", "critical", "DATABASE_FAILURE", "database_status == 'down'", 0,
         "immediate_escalation", ("slack", "email", "sms", "phone")),
        ("Security Breach Detection", "critical", "SECURITY_BREACH", "security_score < 90 or active_threats > 0", 0,
         "security_incident", ("security_team", "management")),
        ("High Order Latency", "warning", "PERFORMANCE_DEGRADATION", "avg_execution_time > 400ms", 30,
         "investigate_performance", ("slack", "email")),
        ("High Error Rate", "warning", "ERROR_RATE", "error_rate > 1%", 30, "investigate_errors", ("slack",)),
        ("Capacity Warning", "warning", "CAPACITY", "cpu_usage > 80% or memory_usage > 85%", 0,
         "scale_resources", ("slack",)),
        ("Deployment Success", "info", "DEPLOYMENT", "deployment_status == 'success'", 0,
         "notify_team", ("slack",)),
        ("Performance Improvement", "info", "PERFORMANCE_IMPROVEMENT", "performance_score > previous_day + 5", 0,
         "log_improvement", ("slack",)),
    ]  # fmt: skip
    assert rules[0].where == f"{path}:4"
    assert rules[0].text == "error_rate > 5% for 2 minutes"
    assert [r.name for r in rules if r.uses_day_before] == ["Performance Improvement"]


def test_durations_stand_behind_the_condition_or_as_keys(load: Load) -> None:
    behind = load(GOOD.replace("for 2m", "for 90s keep_firing_for 5m"))[0]
    keys = load(GOOD.replace(" for 2m", "\n      for: 90 seconds\n      keep_firing_for: 5m"))[0]
    assert (behind.for_, behind.keep_firing_for) == (timedelta(seconds=90), timedelta(minutes=5))
    assert (keys.for_, keys.keep_firing_for) == (behind.for_, behind.keep_firing_for)
    assert behind.definition == keys.definition


def test_a_type_of_its_own_and_a_runbook(load: Load) -> None:
    assert load(GOOD)[0].type == file.CUSTOM
    found = load(GOOD.replace("action:", "type: CAPACITY\n      runbook: Slow orders\n      action:"))[0]
    assert (found.type, found.runbook) == ("CAPACITY", "Slow orders")


def test_what_decides_the_state_is_the_definition(load: Load) -> None:
    first = load(GOOD)[0]
    same = load(
        GOOD.replace("notify_team", "scale_resources").replace("[slack]", "[email]").replace("400ms", "0.4s")
    )
    assert same[0].definition == first.definition
    for other in (
        GOOD.replace("400", "401"),
        GOOD.replace("2m", "3m"),
        GOOD.replace("2m", "2m keep_firing_for 1m"),
    ):
        assert load(other)[0].definition != first.definition


# What is changed in GOOD, by what, and what is said then: line, column, problem, what the carets stand under.
WRONG = [
    ("latency > 400ms", "latency > 5%", 5, 28, "5% (a percentage) can't be compared", "5%"),
    ("latency > 400ms for 2m", "'latncy > 400ms'", 5, 19, "no such metric: latncy; did you mean latency?", "latncy"),
    ("latency > 400ms", '"latency > 400ms', 5, 41, "not YAML", None),
    ("latency > 400ms for 2m", "'state == ''donw'' and a'", 5, 41, "expected a comparison", "a"),
    ("latency > 400ms for 2m", '"state == \\"down\\" and latncy > 3"', 5, 41, "no such metric", "latncy"),
    ("latency > 400ms for 2m", "|\n        a > 1 and\n        latncy > 3", 7, 9, "no such metric", "latncy"),
    ("latency > 400ms for 2m", ">-\n        a > 1\n        an b < 3", 7, 9, "did you mean and?", "an"),
    ("latency > 400ms for 2m", "a > 1 and\n        latncy > 3", 6, 9, "no such metric", "latncy"),
    ("for 2m", "for", 5, 37, "expected a duration", ""),
    ("severity: warning", "severity: critical", 6, 17, "expected warning, the group it is in", "critical"),
    ("severity: warning", "severity: warnign", 6, 17, "did you mean warning?", "warnign"),
    ("notify_team", "notify_taem", 7, 15, "no such action: notify_taem; did you mean notify_team?", "notify_taem"),
    ("notify_team", "[notify_team]", 7, 15, "expected actions such as", "[notify_team]"),
    ("[slack]", "[slack, emial]", 8, 29, "no such channel: emial; did you mean email?", "emial"),
    ("[slack]", "[slack, slack]", 8, 29, "slack is there twice", "slack"),
    ("[slack]", "slack", 8, 21, "expected a list such as [slack, email], not 'slack'", "slack"),
    ("condition:", "conditon:", 5, 7, "no such key of a rule: conditon; did you mean condition?", "conditon"),
    ("action: notify_team", "type: CAPACTY\n      action: notify_team", 7, 13, "did you mean CAPACITY?", "CAPACTY"),
    ("action: notify_team", "for: 1m\n      action: notify_team", 7, 7, "only one of them", "for"),
    ("for 2m", "\n      for: 30", 6, 12, "for: expected a duration such as 2m, 90s or 1h30m", "30"),
    ("      action: notify_team\n", "", 4, 7, "action is missing", "n"),
    ("name: Slow", "name: ''", 4, 13, "name: expected a text", "''"),
    ("name: Slow", "name: 'probe:x'", 4, 13, "belong to rules that no file declares", "'probe:x'"),
    ("name: Slow", 'name: "a\\e[1m"', 4, 13, "expected a printable name", '"a\\e[1m"'),
    ("  warning:\n", "  warnings:\n", 3, 3, "no such group: warnings; did you mean warning?", "warnings"),
    ("alert_rules", "alert_rule", 1, 1, "no such section: alert_rule; did you mean alert_rules?", "alert_rule"),
    ("critical: []", "critical: 3", 2, 13, "expected a list of rules, not 3", "3"),
    ("critical: []", "critical: [x]", 2, 14, "expected a rule with name and condition, not 'x'", "x"),
    ("critical: []", "critical: []\n  critical: []", 3, None, "critical is there twice", None),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "line", "column", "problem", "marked"), WRONG)
def test_what_is_wrong_is_shown(
    load: Load, before: str, after: str, line: int, column: int | None, problem: str, marked: str | None
) -> None:
    assert before in GOOD
    text = GOOD.replace(before, after, 1)
    with pytest.raises(Misuse) as caught:
        load(text)
    first, *rest = str(caught.value).split("\n")
    assert problem in first
    if marked is None:
        assert re.match(rf".*/rules\.yaml:{line}: ", first) or re.match(
            r".*/rules\.yaml:\d+: not YAML", first
        )
        return
    assert re.match(rf".*/rules\.yaml:{line}:{column}: ", first), first
    shown, carets = rest
    assert shown == f"    {text.splitlines()[line - 1]}"
    assert shown[carets.index("^") : carets.rindex("^") + 1] == marked


def test_two_rules_of_one_name(load: Load) -> None:
    again = GOOD + "\n".join(GOOD.splitlines()[3:]) + "\n"
    with pytest.raises(Misuse, match=r":9:13: there is a rule Slow already, at .*:4"):
        load(again)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read"):
        file.load(tmp_path / "none.yaml", specs=SPECS, vocabulary=WORDS)


def test_groups_without_rules(load: Load) -> None:
    assert load("alert_rules: {critical: [], info: }\n") == ()
    for text in ("", "alert_rules:\n", "alert_rules: []\n"):
        with pytest.raises(Misuse, match="with the groups critical, warning, info"):
            load(text)


_PIECES = (*"'\":-[]{}#|%(!\n\t\x1b\u2028", "&a ", "*a", "> ", "  ", " for 2m", "or")


def _mutated(randomly: random.Random, text: str) -> str:
    """The text with some of its lines and characters changed."""
    for _ in range(randomly.randint(1, 4)):
        lines = text.split("\n")
        at = randomly.randrange(len(lines))
        i = randomly.randrange(len(text) + 1)
        match randomly.randrange(6):
            case 0:
                del lines[at]
                text = "\n".join(lines)
            case 1:
                lines.insert(randomly.randrange(len(lines)), lines[at])
                text = "\n".join(lines)
            case 2:
                text = text[:i] + text[i + randomly.randint(1, 5) :]
            case 3:
                text = text[:i] + randomly.choice(_PIECES) + text[i:]
            case 4:
                text = (
                    text[:i]
                    + chr(randomly.choice((randomly.randrange(32, 127), randomly.randrange(160, 0x3000))))
                    + text[i + 1 :]
                )
            case _:
                lines[at] = " " * randomly.randint(0, 8) + lines[at].lstrip()
                text = "\n".join(lines)
    return text or "x"


@settings(deadline=None)
@given(st.integers(), st.booleans())
def test_no_change_of_a_file_loses_a_rule_or_a_word_about_it(
    tmp_path_factory: pytest.TempPathFactory, seed: int, large: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    text = _mutated(random.Random(seed), SPECIFIED if large else GOOD)
    path.write_text(text, encoding="utf-8")
    try:
        found = file.load(path, specs=SHIPPED | SPECS, vocabulary=WORDS)
    except Misuse as error:
        first, *shown = str(error).split("\n")
        place = re.escape(str(path))
        assert re.match(rf"{place}(:\d+|: not YAML: .* position \d+)", first), first
        assert len(shown) in (0, 2)
        assert not shown or set(shown[1].strip()) == {"^"}
        return
    declared = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["alert_rules"]
    assert [(r.name, r.severity) for r in found] == [
        (rule["name"], Severity(group)) for group, rules in declared.items() for rule in rules or ()
    ]
