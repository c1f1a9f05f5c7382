"""Rules that follow from the catalogue, and the file of words and timings."""

from datetime import timedelta
from pathlib import Path

import pytest

from console.domain.errors import Misuse
from console.domain.event import Severity
from console.domain.metric import Direction
from console.rules import alerting_file, generated
from console.rules.condition import Failed, written
from console.rules.rule import Rule
from tests.unit.rules.world import SHIPPED, spec


def only(rules: tuple[Rule, ...]) -> Rule:
    (found,) = rules
    return found


def limits(rule: Rule) -> tuple[str, str, str | None]:
    return (
        str(rule.severity),
        written(rule.condition),
        None if rule.critical is None else written(rule.critical),
    )


def test_thresholds() -> None:
    both = spec("x", "%", warning=80, critical=95)
    low = spec("x", "score", warning=90, critical=80, direction=Direction.LOW)
    assert limits(only(generated.thresholds([both]))) == ("warning", "x > 80%", "x > 95%")
    assert limits(only(generated.thresholds([low]))) == ("warning", "x < 90", "x < 80")
    assert limits(only(generated.thresholds([spec("x", "ms", warning=400)]))) == (
        "warning",
        "x > 400ms",
        None,
    )
    assert limits(only(generated.thresholds([spec("x", critical=3)]))) == ("critical", "x > 3", None)
    assert generated.thresholds([spec("x"), spec("y", "state")]) == ()
    found = only(generated.thresholds([both]))
    assert (found.name, found.type, found.action) == ("threshold:x", "PERFORMANCE_THRESHOLD", "notify_team")
    assert found.for_ == timedelta()


def test_probes() -> None:
    states = [
        spec("db_status", "state", origin="probe:database"),
        spec("db_latency", "ms", origin="probe:database"),
        spec("edge_status", "state", origin="probe:edge_functions"),
        spec("one_status", "state", origin="probe:edge_functions/one"),
        spec("deployment", "state", event=True),
    ]
    found = generated.probes(states)
    assert [rule.name for rule in found] == ["probe:database", "probe:edge_functions/one"]
    assert limits(found[0]) == ("warning", "db_status != 'up'", "db_status == 'down'")
    assert {rule.type for rule in found} == {"PROBE_FAILURE"}
    assert [rule.name for rule in generated.probes(states[:3])] == ["probe:database", "probe:edge_functions"]


def test_collections() -> None:
    metrics = [
        spec("orders", origin="sql:orders"),
        spec("db_latency", "ms", origin="probe:database"),
        spec("score", "score", origin="derived"),
        spec("nowhere", origin=""),
    ]
    found = only(generated.collections(metrics, for_=timedelta(minutes=1)))
    assert (found.name, found.condition, found.type) == (
        "collection:orders",
        Failed("orders"),
        "COLLECTION_FAILURE",
    )
    assert (found.severity, found.for_) == (Severity.WARNING, timedelta(minutes=1))


def test_the_shipped_catalogue_gives_rules_of_different_names() -> None:
    specs = tuple(SHIPPED.values())
    rules = [*generated.thresholds(specs), *generated.probes(specs), *generated.collections(specs)]
    assert len({rule.name for rule in rules}) == len(rules)
    names = {rule.name for rule in rules}
    assert {
        "threshold:error_rate",
        "threshold:cpu_usage",
        "probe:database",
        "probe:cache",
        "collection:cpu_usage",
    } <= names
    assert "probe:edge_functions" not in names
    assert "threshold:orders_per_second" not in names


# --- alerting.yaml ---


def own(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_words_and_timings() -> None:
    found = alerting_file.load()
    assert found.vocabulary.verbs >= {"immediate_escalation", "notify_team", "log_improvement"}
    assert found.vocabulary.channels == {"slack", "email", "sms", "phone", "security_team", "management"}
    assert found.vocabulary.types["Capacity Warning"] == "CAPACITY"
    assert found.lookback == timedelta(minutes=5)
    assert (found.flap_window, found.acknowledgement_idle) == (timedelta(minutes=10), timedelta(minutes=30))
    assert found.collection_for == timedelta(minutes=1)


def test_durations_follow_the_time_scale() -> None:
    assert alerting_file.load(time_scale=10).lookback == timedelta(seconds=30)


def test_which_alerts_are_diagnosed() -> None:
    find = alerting_file.load().diagnosis
    assert find("investigate_errors", {"cpu_usage"}) == "errors"
    assert find("investigate_performance", {"error_rate"}) == "performance"
    assert find("immediate_escalation", {"error_rate"}) == "errors"
    assert find("notify_team", {"p95_execution_time"}) == "performance"
    assert find("scale_resources", {"cpu_usage"}) is None


def test_an_own_file_is_merged_entry_by_entry(tmp_path: Path) -> None:
    path = own(
        tmp_path,
        """
verbs: {page_me: wakes me up}
channels: {pager: my pager}
types: {High Error Rate: MINE}
timings: {lookback: 2m}
inhibitions:
  platform down:
  mine:
    source: {rule: "A*", severity: [critical, warning]}
    target: [{metric: b}, {type: C}]
diagnoses: {errors: {metrics: [b]}, performance: null}
""",
    )
    found, shipped = alerting_file.load(path), alerting_file.load()
    assert found.vocabulary.verbs == shipped.vocabulary.verbs | {"page_me"}
    assert "pager" in found.vocabulary.channels
    assert found.vocabulary.types == {**shipped.vocabulary.types, "High Error Rate": "MINE"}
    assert (found.lookback, found.flap_window) == (timedelta(minutes=2), shipped.flap_window)
    names = [inhibition.name for inhibition in found.inhibitions]
    assert names == ["database down", "maintenance", "cache down", "mine"]
    assert found.inhibitions[-1].sources[0].patterns == (
        ("rule", ("A*",)),
        ("severity", ("critical", "warning")),
    )
    assert len(found.inhibitions[-1].targets) == 2
    assert found.diagnosis("investigate_errors", {"b"}) == "errors"
    assert found.diagnosis("investigate_performance", {"p95_execution_time"}) is None


def test_the_same_file_is_the_same_thing(tmp_path: Path) -> None:
    assert alerting_file.load() == alerting_file.load()
    assert alerting_file.load(own(tmp_path, "timings: {lookback: 1m}\n")) != alerting_file.load()


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("verb: {}", 1, "no such section: verb; did you mean verbs?"),
        ("timings:\n  lokback: 1m", 2, "no such timing: lokback; did you mean lookback?"),
        ("timings:\n  lookback: 5", 2, "lookback: expected a text, not 5"),
        (
            "timings:\n  lookback: soon",
            2,
            "lookback: expected a duration such as 2m, 90s or 1h30m, not 'soon'",
        ),
        ("timings:\n  lookback: 0s", 2, "expected a duration"),
        ("verbs:\n  x: 3", 2, "x: expected a text"),
        ('verbs:\n  x: "\\e[1m"', 2, "x: expected printable text"),
        ("verbs: 3", 1, "verbs: expected a mapping"),
        ("inhibitions:\n  x: {source: {rule: a}}", 2, "target: expected"),
        (
            "inhibitions:\n  x: {source: {rul: a}, target: {rule: b}}",
            2,
            "no such label: rul; did you mean rule?",
        ),
        (
            "inhibitions:\n  x: {source: {rule: 3}, target: {rule: b}}",
            2,
            "rule: expected a text or a list of texts",
        ),
        ("inhibitions:\n  x: {source: [], target: {rule: b}}", 2, "source: expected at least one mapping"),
        (
            "inhibitions:\n  x: {sauce: {rule: a}}",
            2,
            "no such key of an inhibition: sauce; did you mean source?",
        ),
        ("diagnoses:\n  speed: {}", 2, "no such kind of diagnosis: speed"),
        (
            "diagnoses:\n  errors: {action: [a]}",
            2,
            "no such key of a diagnosis: action; did you mean actions?",
        ),
        ("types: [", 1, "not YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    path = own(tmp_path, text)
    with pytest.raises(Misuse) as caught:
        alerting_file.load(path)
    assert problem in str(caught.value)
    assert str(caught.value).startswith((f"{path}:{line}: ", f"{path}:{line + 1}: "))
