"""What a rule says at one moment, and where it stands after it."""

import math
from datetime import timedelta
from typing import Any

import pytest

from console.domain.alert import Phase
from console.domain.event import Severity
from console.domain.metric import MetricValue
from console.rules.condition import Failed
from console.rules.evaluator import Finding, Recent, Standing, advance, judge
from console.rules.parser import parse
from console.rules.rule import Rule
from tests.unit.rules.world import LOOKBACK, SPECS, START, rule

SECOND = timedelta(seconds=1)
T, F, N = True, False, None


def readings(day_before: dict[str, float] | None = None, **values: Any) -> Recent:
    found = Recent(LOOKBACK, previous_day=lambda name, _: (day_before or {}).get(name))
    found.observe(START, {n: MetricValue(n, v, START) for n, v in values.items()}, SPECS)
    return found


def said(text: str, day_before: dict[str, float] | None = None, **values: Any) -> Finding:
    return judge(rule(text), readings(day_before, **values), SPECS)


# --- truth ---


@pytest.mark.parametrize(("a", "b", "both", "either"), [
    (T, T, T, T), (T, F, F, T), (F, F, F, F), (T, N, N, T), (F, N, F, N), (N, N, N, N),
])  # fmt: skip
def test_three_valued_logic(a: Any, b: Any, both: Any, either: Any) -> None:
    values = {name: float(truth) for name, truth in (("a", a), ("b", b)) if truth is not None}
    for one, other in (("a > 0", "b > 0"), ("b > 0", "a > 0")):
        assert said(f"{one} and {other}", **values).truth is both
        assert said(f"{one} or {other}", **values).truth is either
        assert said(f"not ({one} and {other})", **values).truth is (None if both is None else not both)


@pytest.mark.parametrize("op", [">", ">=", "<", "<=", "==", "!="])
def test_nan_fulfils_no_comparison(op: str) -> None:
    assert said(f"a {op} 1", a=math.nan).truth is False
    assert said(f"1 {op} a", a=math.nan).truth is False
    assert said(f"a {op} b", a=1.0, b=math.nan).truth is False


@pytest.mark.parametrize(
    ("text", "values", "truth"),
    [
        ("a / b > 5", {"a": 1.0, "b": 0.0}, True),
        ("a / b < 5", {"a": -1.0, "b": 0.0}, True),
        ("a / b > 5", {"a": 0.0, "b": 0.0}, False),
        ("a / b > 5", {"a": 1.0}, None),
        ("latency > uptime", {"latency": 1500.0, "uptime": 1.0}, True),
        ("share > 5%", {"share": 0.06}, True),
        ("state == 'down'", {"state": "down"}, True),
        ("state != 'up'", {"state": "up"}, False),
        ("state != 'up'", {}, None),
        ("state == 'down'", {"state": 5.0}, None),
        ("a > 1", {"a": "text"}, None),
        ("a > 1", {"a": None}, None),
    ],
)
def test_comparisons(text: str, values: dict[str, Any], truth: bool | None) -> None:
    assert said(text, **values).truth is truth


def test_the_day_before() -> None:
    assert said("score > previous_day + 5%", {"score": 80}, score=85.1).truth is True
    assert said("score > previous_day + 5%", {"score": 80}, score=85.0).truth is False
    nothing = said("score > previous_day + 5%", score=85.0)
    assert (nothing.truth, nothing.because) == (None, "Score: no data 24 hours earlier")


# --- what is told ---


@pytest.mark.parametrize(
    ("text", "values", "sentence"),
    [
        ("rate > 5%", {"rate": 6.214}, "Rate is 6.21 %, over 5 %"),
        ("rate > 5%", {"rate": 5.0004}, "Rate is 5.0004 %, over 5 %"),
        ("latency >= 0.4s", {"latency": 1234.0}, "Latency is 1,234 ms, at least 400 ms"),
        ("score < 90%", {"score": 81.04}, "Score is 81.0, under 90"),
        ("volume <= 1500000", {"volume": 1000000.0}, "Volume is $1.0M, at most $1.5M"),
        ("uptime < 600", {"uptime": 300.0}, "Uptime is 5m, under 10m"),
        ("a == 3", {"a": 3.0}, "A is 3, exactly 3"),
        ("a != 3", {"a": 4.0}, "A is 4, other than 3"),
        ("state == 'down'", {"state": "down"}, "State is down"),
        ("state != 'up'", {"state": "degraded"}, "State is degraded, not up"),
        ("not state == 'up'", {"state": "down"}, "State is down, not up"),
        ("not a < 3", {"a": 4.0}, "A is 4, not under 3"),
        ("not (a < 3 or b < 3)", {"a": 4.0, "b": 5.0}, "A is 4, not under 3, and B is 5, not under 3"),
        ("a > 1 and b > 1", {"a": 2.0, "b": 3.0}, "A is 2, over 1, and B is 3, over 1"),
        ("a > 1 or b > 1 or c > 1", {"a": 0.0, "b": 3.0}, "B is 3, over 1"),
        ("a / b > 1", {"a": 3.0, "b": 2.0}, "a / b is 1.50, over 1"),
        ("a / b > 1", {"a": 3.0, "b": 0.0}, "a / b is infinite, over 1"),
        ("a > 1 or latency > uptime or b > 1", {"a": 0.0}, "B, Latency, Uptime: no data"),
        ("a > 1 and b > 1", {"a": 2.0}, "B: no data"),
        ("a > 1", {"a": 1.0}, ""),
    ],
)
def test_the_sentence(text: str, values: dict[str, Any], sentence: str) -> None:
    assert said(text, **values).because == sentence


def test_the_sentence_of_a_moving_limit() -> None:
    found = said("score > previous_day + 5%", {"score": 80}, score=92.13)
    assert found.because == "Score is 92.1, over 85.0 (previous_day + 5)"
    assert found.limit == 85


def test_hostile_values_are_told_printable() -> None:
    sentence = said("state != 'up'", state="\x1b[31m\u202edown\n").because
    assert sentence == "State is ␛[31m\ufffddown␊, not up"
    assert len(said("state != 'up'", state="x" * 10_000).because) <= 500


@pytest.mark.parametrize(
    ("text", "values", "value", "metric", "limit", "low"),
    [
        ("a > 1", {"a": 2.0}, 2.0, "a", 1.0, False),
        ("1 > a", {"a": 0.5}, 0.5, "a", 1.0, True),
        ("a > 1 or b <= 7", {"a": 0.0, "b": 5.0}, 5.0, "b", 7.0, True),
        ("a > 1 or b > 7", {"a": 0.0, "b": 5.0}, 0.0, "a", 1.0, False),
        ("a > 1 or b > 7", {"b": 5.0}, 5.0, "b", 7.0, False),
        ("not (a < 1 and b < 7)", {"a": 0.0, "b": 8.0}, 8.0, "b", 7.0, True),
        ("a * 2 > 1", {"a": 2.0}, 4.0, None, 1.0, False),
        ("state == 'down'", {"state": "down"}, "down", "state", None, False),
        ("a / b > 1", {"a": 2.0, "b": 0.0}, None, None, 1.0, False),
        ("a > 1", {"a": math.nan}, None, "a", 1.0, False),
        ("a > 1", {}, None, "a", 1.0, False),
    ],
)
def test_the_comparison_that_decides(
    text: str, values: dict[str, Any], value: Any, metric: str | None, limit: float | None, low: bool
) -> None:
    found = said(text, **values)
    assert (found.value, found.metric, found.limit, found.low) == (value, metric, limit, low)


def test_two_limits() -> None:
    both = rule("a > 10", critical=parse("a > 20", SPECS).condition)
    mild, bad, none = (judge(both, readings(a=a), SPECS) for a in (15.0, 25.0, 5.0))
    assert (mild.severity, mild.limit) == (Severity.WARNING, 10)
    assert (bad.severity, bad.limit, bad.because) == (Severity.CRITICAL, 20, "A is 25, over 20")
    assert (none.truth, none.severity) == (False, Severity.WARNING)


def test_what_cannot_be_collected() -> None:
    failing = Rule("x", Severity.WARNING, Failed("rate"), "", "COLLECTION_FAILURE", "notify_team")
    found = Recent(LOOKBACK)
    found.observe(START, {"rate": MetricValue("rate", None, START, reason="time-out", failed=True)}, SPECS)
    assert judge(failing, found, SPECS)[:3] == (True, Severity.WARNING, None)
    assert judge(failing, found, SPECS).because == "Rate can't be collected: time-out"
    found.observe(START + SECOND, {"rate": MetricValue("rate", None, START, reason="nothing there")}, SPECS)
    assert judge(failing, found, SPECS).truth is False


# --- the last readings ---


def test_a_reading_counts_until_it_is_as_old_as_the_look_back() -> None:
    found = readings(a=1.0)
    found.observe(START + LOOKBACK, {"a": MetricValue("a", None, START)}, SPECS)
    assert found.now("a") == 1.0
    found.observe(START + LOOKBACK + timedelta(microseconds=1), {}, SPECS)
    assert found.now("a") is None


def test_an_event_is_true_for_one_tick_and_then_nothing_has_happened() -> None:
    happened = rule("deployed == 'success'")
    found = readings(deployed="success", restarts=3.0)
    assert judge(happened, found, SPECS).truth is True
    assert said("restarts > 2", restarts=3.0).truth is True
    found.observe(START + SECOND, {}, SPECS)
    assert judge(happened, found, SPECS)[:3] == (False, Severity.WARNING, None)
    for text in ("deployed != 'success'", "restarts > 2", "restarts < 2", "restarts != 2"):
        assert judge(rule(text), found, SPECS).truth is False
    found.observe(START + 2 * SECOND, {"deployed": MetricValue("deployed", "failed", START)}, SPECS)
    assert judge(rule("deployed != 'success'"), found, SPECS).truth is True


def test_two_parts_of_one_tick_are_one_tick() -> None:
    found = readings(deployed="success", a=1.0)
    found.observe(START, {"b": MetricValue("b", 2.0, START)}, SPECS)
    assert [found.now(name) for name in ("deployed", "a", "b")] == ["success", 1.0, 2.0]


# --- where it stands ---


def course(each: Rule, truths: list[bool | None], step: timedelta = 30 * SECOND) -> list[Standing]:
    standing, found = Standing(), []
    for i, truth in enumerate(truths):
        standing = advance(each, standing, truth, START + i * step)
        found.append(standing)
    return found


def phases(text: str, truths: list[bool | None]) -> str:
    """One letter per evaluation: inactive, Pending, Firing, stale."""
    letters = {Phase.INACTIVE: "i", Phase.PENDING: "P", Phase.FIRING: "F"}
    return "".join("s" if s.stale else letters[s.phase] for s in course(rule(text), truths))


@pytest.mark.parametrize(
    ("durations", "truths", "expected"),
    [
        ("", [F, T, T, F, T], "iFFiF"),
        ("for 60s", [T, T, T, T, F], "PPFFi"),
        ("for 60s", [T, T, F, T, T, T, F], "PPiPPFi"),
        ("for 60s", [T, T, N, T, T, T], "PPiPPF"),
        ("for 61s", [T, T, T, T], "PPPF"),
        ("for 20s", [T, T], "PF"),
        ("", [N, T, N, N, T, N, F], "iFssFsi"),
        ("keep_firing_for 60s", [T, F, F, F, F], "FFFii"),
        ("keep_firing_for 60s", [T, F, F, T, F, F, F], "FFFFFFi"),
        ("keep_firing_for 60s", [T, F, N, N, F], "FFssi"),
        ("keep_firing_for 60s", [T, N, F, F, F], "FsFFi"),
        ("for 30s keep_firing_for 30s", [T, T, F, F, T, T], "PFFiPF"),
    ],
)
def test_phases(durations: str, truths: list[bool | None], expected: str) -> None:
    assert phases(f"a > 1 {durations}", truths) == expected


def test_what_is_remembered() -> None:
    step = 30 * SECOND
    first, second, third, fourth, fifth, _ = course(
        rule("a > 1 for 30s keep_firing_for 60s"), [T, T, F, F, T, F]
    )
    assert first == Standing(Phase.PENDING, START)
    assert second == Standing(Phase.FIRING, START, START + step)
    assert (third.false_since, fourth.false_since) == (START + 2 * step, START + 2 * step)
    assert (fifth.false_since, fifth.since, fifth.fired_at) == (None, START, START + step)


def test_nothing_new_is_the_same_object() -> None:
    """So that a tick that changes nothing has nothing to write."""
    one = rule("a > 1 for 1h")
    pending = advance(one, Standing(), True, START)
    assert advance(one, pending, True, START + SECOND) is pending
    firing = advance(one, pending, True, START + timedelta(hours=1))
    assert advance(one, firing, True, START + timedelta(hours=2)) is firing


@pytest.mark.parametrize("resumed_at", range(9))
def test_a_restart_at_any_moment_changes_nothing(resumed_at: int) -> None:
    one, truths = rule("a > 1 for 90s keep_firing_for 60s"), [T, T, T, T, F, N, F, T, F]
    undisturbed = course(one, truths)
    standing = undisturbed[resumed_at]
    saved = Standing(standing.phase, standing.since, standing.fired_at, standing.false_since, standing.stale)
    for i in range(resumed_at + 1, len(truths)):
        saved = advance(one, saved, truths[i], START + i * 30 * SECOND)
        assert saved == undisturbed[i]
