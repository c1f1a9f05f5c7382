"""What rules would have done: against a naive reference, the worked examples, and the files it reads."""

import bisect
import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.domain.alert import Phase
from console.domain.errors import Misuse
from console.rules import file, samples
from console.rules.replay import Replay
from console.rules.samples import EPOCH, Sample, replayed
from tests.unit.rules.world import LOOKBACK, NAMES, SHIPPED, SPECS, WORDS, naive, ours, random_condition, rule

LOOKBACK_S, DAY_S = 300, 86400
STEP = timedelta(seconds=30)


def recorded(*points: tuple[float, str, Any]) -> list[Sample]:
    return [
        Sample(EPOCH + timedelta(seconds=t), name, value)
        for t, name, value in sorted(points, key=lambda p: p[0])
    ]


def told(replay: Replay) -> list[tuple[float, str, str]]:
    return [(samples.seconds(t.at), str(t.before), str(t.after)) for t in replay.transitions]


# --- the reference: no state is carried along, everything is looked up again ---


def naive_value(series: dict[str, list[tuple[int, float]]], name: str, at: int) -> float | None:
    seen = [value for t, value in series[name] if at - LOOKBACK_S <= t <= at]
    return seen[-1] if seen else None


def naive_phases(times: list[int], truths: list[bool | None], for_s: int, keep_s: int) -> list[str]:
    phases: list[str] = []
    k = 0
    while k < len(times):
        if truths[k] is not True:
            phases.append("inactive")
            k += 1
            continue
        end = next((i for i in range(k, len(times)) if truths[i] is not True), len(times))
        fires = next((i for i in range(k, end) if times[i] - times[k] >= for_s), None)
        phases += ["pending"] * ((end if fires is None else fires) - k)
        if fires is None:
            k = end
            continue
        ends = next(
            (i for i in range(fires + 1, len(times)) if _over(times, truths, fires, i, keep_s)), len(times)
        )
        phases += ["firing"] * (ends - fires)
        phases += ["inactive"] * (ends < len(times))
        k = ends + 1
    return phases


def _over(times: list[int], truths: list[bool | None], fires: int, i: int, keep_s: int) -> bool:
    """Whether what fires since `fires` ends at `i`."""
    if truths[i] is not False:
        return False
    last_true = max(j for j in range(fires, i) if truths[j] is True)
    first_false = next(j for j in range(last_true, i + 1) if truths[j] is False)
    return times[i] - times[first_false] >= keep_s


def random_series(randomly: random.Random, span_s: int) -> dict[str, list[tuple[int, float]]]:
    """Irregular samples with gaps, some longer than the look-back, some exactly as long."""
    found: dict[str, list[tuple[int, float]]] = {}
    for name in NAMES:
        t, found[name] = randomly.choice((0, 0, 15, 400)), []
        while t <= span_s:
            value = randomly.choice((float(randomly.randint(-2, 6)),) * 9 + (float("nan"),))
            found[name].append((t, value))
            t += randomly.choice((15, 30, 30, 30, 30, 60, 300, 301, 700))
    return found


@settings(deadline=None)
@given(st.integers())
def test_against_a_naive_reference(seed: int) -> None:
    randomly = random.Random(seed)
    series = random_series(randomly, 3600)
    step_s = randomly.choice((10, 30, 30, 60, 300))
    for_s, keep_s = (randomly.choice((0, 0, 30, 60, 100, 300)) for _ in range(2))
    node = random_condition(randomly)
    points = [(t, name, value) for name, values in series.items() for t, value in values]
    first, last = min(t for t, _, _ in points), max(t for t, _, _ in points)
    times = list(range(first, last + 1, step_s))
    truths = [naive(node, lambda name, _, at=at: naive_value(series, name, at)) for at in times]
    phases = ["inactive", *naive_phases(times, truths, for_s, keep_s)]
    expected = [
        (at, before, after)
        for at, before, after in zip(times, phases, phases[1:], strict=False)
        if before != after
    ]
    text = f"{ours(node)} for {for_s}s keep_firing_for {keep_s}s"
    done = replayed([rule(text)], recorded(*points), SPECS, lookback=LOOKBACK, step=timedelta(seconds=step_s))
    assert told(done) == expected, text
    assert done.evaluations == len(times)


@settings(max_examples=25, deadline=None)
@given(st.integers())
def test_the_day_before_against_a_naive_reference(seed: int) -> None:
    randomly = random.Random(seed)
    node = random_condition(randomly, day=True)
    series = {
        name: sorted(
            (start + t + randomly.choice((0, 0, 1, 299)), float(randomly.randint(0, 5)))
            for start in (0, DAY_S)
            for t in range(0, 3000, randomly.choice((120, 300, 600)))
        )
        for name in NAMES
    }
    times = list(range(0, DAY_S + 3000, 300))

    def at(moment: int, name: str, day: bool) -> float | None:
        return naive_value(series, name, moment - DAY_S if day else moment)

    truths = [naive(node, lambda name, day, t=t: at(t, name, day)) is True for t in times]
    points = [(t, name, value) for name, values in series.items() for t, value in values] + [
        (0, "a", None),
        (times[-1], "a", None),
    ]
    done = replayed(
        [rule(f"{ours(node)}")], recorded(*points), SPECS, lookback=LOOKBACK, step=timedelta(seconds=300)
    )
    (only,) = done.courses
    starts = [int(samples.seconds(start)) for start, _, _ in only.stretches]
    for t, truth in zip(times, truths, strict=True):
        _, phase, known = only.stretches[bisect.bisect_right(starts, t) - 1]
        assert (phase is Phase.FIRING and known) is truth, t


# --- worked examples ---


def outage(window_s: int) -> tuple[float, float]:
    """An hour at 1 order/s, for 10 minutes of it 60 % fail: when `error_rate > 5% for 2 minutes` over this window
    fires after the outage's begin, and when it resolves after its end. All in seconds."""
    begin, end, until = 3600, 4200, 3600 * 3
    failed = [0.6 if begin <= t < end else 0.002 for t in range(until)]
    points = [
        (float(t), "error_rate", 100 * sum(failed[t - window_s : t]) / window_s)
        for t in range(window_s, until, 30)
    ]
    rules = [
        r
        for r in file.load(file.SHIPPED, specs=SHIPPED, vocabulary=WORDS)
        if r.name == "Order Execution Failure"
    ]
    done = replayed(rules, recorded(*points), SHIPPED, lookback=LOOKBACK, step=STEP)
    _, fires, resolves = told(done)
    assert (fires[2], resolves[2]) == ("firing", "inactive")
    return fires[0] - begin, resolves[0] - end


def test_an_outage_of_ten_minutes() -> None:
    """FACTS: over 5 minutes it fires after 150 s and resolves after 300 s, over an hour after 420 and 3,330 s."""
    assert outage(300) == (150, 300)
    assert outage(3600) == pytest.approx((420, 3330), abs=30)


def test_a_firing_alert_outlives_its_data() -> None:
    done = replayed(
        [rule("a > 1"), rule("b > 1", "other")],
        recorded((0, "a", 5), (30, "a", None), (1000, "a", None), (1000, "b", None)),
        SPECS, lookback=LOOKBACK, step=STEP,
    )  # fmt: skip
    assert told(done) == [(0, "inactive", "firing")]
    firing, nothing = done.courses
    assert [(samples.seconds(at), known) for at, _, known in firing.stretches] == [(0, True), (330, False)]
    assert [(phase, known) for _, phase, known in nothing.stretches] == [(Phase.INACTIVE, False)]


def test_evaluations_begin_with_the_first_sample_and_end_with_the_last() -> None:
    done = replayed(
        [rule("a > 1")], recorded((7.5, "a", 5), (67.4, "a", None)), SPECS, lookback=LOOKBACK, step=STEP
    )
    assert done.evaluations == 2
    assert told(done) == [(7.5, "inactive", "firing")]


def test_an_event_between_two_evaluations_counts_at_the_next_and_only_there() -> None:
    points = ((0, "a", 1), (45, "deployed", "success"), (300, "a", 1))
    done = replayed([rule("deployed == 'success'")], recorded(*points), SPECS, lookback=LOOKBACK, step=STEP)
    assert told(done) == [(60, "inactive", "firing"), (90, "firing", "inactive")]


def test_of_two_samples_at_one_moment_the_later_line_counts(tmp_path: Path) -> None:
    path = lines(tmp_path, '{"t": 0, "metric": "a", "value": 5}', '{"t": 0, "metric": "a", "value": 0}')
    done = replayed([rule("a > 1")], samples.read(path, SPECS), SPECS, lookback=LOOKBACK, step=STEP)
    assert told(done) == []


def test_how_often_and_how_long() -> None:
    points = [(t, "a", 5 if 60 <= t < 120 or t >= 240 else 0) for t in range(0, 301, 30)]
    done = replayed([rule("a > 1")], recorded(*points), SPECS, lookback=LOOKBACK, step=STEP)
    (course,) = done.courses
    start, end = EPOCH, EPOCH + timedelta(seconds=300)
    assert (course.firings, course.lasted(Phase.FIRING, end)) == (2, timedelta(seconds=120))
    assert "".join("!" if p is Phase.FIRING else "." for p, _ in course.strip(start, end, 10)) == "..!!....!!"
    assert "".join("!" if p is Phase.FIRING else "." for p, _ in course.strip(start, end, 5)) == ".!..!"


@settings(max_examples=50, deadline=None)
@given(st.integers(), st.integers(1, 70))
def test_a_strip_has_the_worst_of_each_cell(seed: int, cells: int) -> None:
    randomly = random.Random(seed)
    points = [
        (float(t), "a", float(randomly.randint(0, 1))) for t in range(0, 3000, randomly.choice((30, 90, 400)))
    ]
    done = replayed([rule("a > 0 for 60s")], recorded(*points), SPECS, lookback=LOOKBACK, step=STEP)
    (course,) = done.courses
    end = recorded(*points)[-1].at
    strip = course.strip(EPOCH, end, cells)
    assert len(strip) == cells
    assert any(p is Phase.FIRING for p, _ in strip) == (course.firings > 0)


# --- files of samples ---


def lines(folder: Path, *text: str) -> Path:
    path = folder / "samples.jsonl"
    path.write_text("\n".join(text), encoding="utf-8")
    return path


def test_samples_are_read_in_the_order_of_their_time(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        '{"t": 60, "metric": "a", "value": 5}', "", '{"t": 0.5, "metric": "state", "value": "down"}',
        '{"t": 30, "metric": "b"}', '{"t": 90, "metric": "c", "value": null}', '{"t": 99, "metric": "c", "value": NaN}',
    )  # fmt: skip
    found = samples.read(path, SPECS)
    assert [(samples.seconds(s.at), s.metric, s.value) for s in found][:4] == [
        (0.5, "state", "down"), (30, "b", None), (60, "a", 5.0), (90, "c", None),
    ]  # fmt: skip
    assert found[4].value != found[4].value


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[1]", 'expected {"t": seconds'),
        ('{"t": "1", "metric": "a", "value": 1}', 't: expected seconds, not "1"'),
        ('{"t": true, "metric": "a", "value": 1}', "t: expected seconds, not true"),
        ('{"t": NaN, "metric": "a", "value": 1}', "t: expected seconds, not NaN"),
        ('{"t": 1e300, "metric": "a", "value": 1}', "t: expected seconds"),
        ('{"metric": "a", "value": 1}', "t: expected seconds, not null"),
        ('{"t": 1, "metric": "rat", "value": 1}', 'no such metric: "rat"; did you mean rate?'),
        ('{"t": 1, "metric": ["a"], "value": 1}', "no such metric"),
        ('{"t": 1, "value": 1}', "no such metric: null"),
        ('{"t": 1, "metric": "a", "value": "x"}', 'value: expected a number or null, not "x"'),
        ('{"t": 1, "metric": "a", "value": true}', "value: expected a number or null, not true"),
        ('{"t": 1, "metric": "state", "value": 1}', "value: expected a text or null, not 1"),
        ('{"t": 1, "metric": "a", "vaule": 1}', "no such key: vaule; did you mean value?"),
        pytest.param("[" * 100_000, "not JSON", id="nested"),
    ],
)
def test_a_line_that_is_no_sample(tmp_path: Path, line: str, problem: str) -> None:
    path = lines(tmp_path, '{"t": 0, "metric": "a", "value": 1}', line)
    with pytest.raises(Misuse) as caught:
        samples.read(path, SPECS)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_too_large_is_infinite(tmp_path: Path) -> None:
    path = lines(tmp_path, json.dumps({"t": 0, "metric": "a", "value": -(10**400)}))
    assert samples.read(path, SPECS)[0].value == float("-inf")


def test_a_span_that_would_take_for_ever_is_refused() -> None:
    with pytest.raises(Misuse, match="with a larger --step"):
        replayed([], recorded((0, "a", 1), (1.7e9, "a", 1)), SPECS, lookback=LOOKBACK, step=STEP)


def test_no_samples_no_transitions(tmp_path: Path) -> None:
    done = replayed(
        [rule("a > 1")], samples.read(lines(tmp_path), SPECS), SPECS, lookback=LOOKBACK, step=STEP
    )
    assert done.transitions == []
    with pytest.raises(Misuse, match="cannot be read"):
        samples.read(tmp_path / "none", SPECS)
