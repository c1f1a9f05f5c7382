"""Recorded samples: a file of lines `{"t": seconds, "metric": name, "value": number, text or null}`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

from console.domain.errors import Misuse
from console.domain.metric import MetricSpec, MetricValue
from console.domain.text import printable
from console.rules.parser import suggested
from console.rules.replay import Replay
from console.rules.rule import Rule

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXPECTED = 'expected {"t": seconds, "metric": name, "value": number, text or null}'
_KEYS = {"t", "metric", "value"}
_FARTHEST_S = 6e10
_MOST_EVALUATIONS = 2_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading; None is a missing one."""

    at: datetime
    metric: str
    value: float | str | None


def seconds(at: datetime) -> float:
    """The `t` of a moment."""
    found = (at - EPOCH) / timedelta(seconds=1)
    return int(found) if found == int(found) else found


def read(path: Path, specs: Mapping[str, MetricSpec]) -> list[Sample]:
    """The file's samples in the order of their time. Raises Misuse with FILE:LINE for a line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{path}: cannot be read: {printable(error)}") from None
    found = [_sample(f"{path}:{i}", line.strip(), specs) for i, line in enumerate(lines, 1) if line.strip()]
    return sorted(found, key=lambda sample: sample.at)


def _sample(place: str, line: str, specs: Mapping[str, MetricSpec]) -> Sample:
    def fail(problem: str) -> NoReturn:
        raise Misuse(f"{place}: {problem}")

    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        fail(f"not JSON: {printable(error, 120)}; {_EXPECTED}")
    if not isinstance(said, dict):
        fail(f"{_EXPECTED}, not {printable(line, 60)}")
    unknown = sorted(set(said) - _KEYS)
    if unknown:
        fail(f"no such key: {printable(unknown[0], 60)}{suggested(unknown[0], _KEYS)}")
    at, name, value = said.get("t"), said.get("metric"), said.get("value")
    if not isinstance(at, int | float) or isinstance(at, bool) or not abs(at) <= _FARTHEST_S:
        fail(f"t: expected seconds, not {printable(json.dumps(at), 60)}")
    spec = specs.get(name) if isinstance(name, str) else None
    if spec is None:
        named = suggested(name, specs) if isinstance(name, str) else ""
        fail(f"metric: no such metric: {printable(json.dumps(name, ensure_ascii=False), 60)}{named}")
    if value is not None and not (isinstance(value, str) if spec.unit == "state" else _is_number(value)):
        kind = "a text" if spec.unit == "state" else "a number"
        fail(f"value: expected {kind} or null, not {printable(json.dumps(value), 60)}")
    return Sample(_moment(at), spec.name, _value(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(value: Any) -> float | str | None:
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value


def _moment(at: float) -> datetime:
    return EPOCH + timedelta(microseconds=round(at * 1_000_000))


def replayed(
    rules: Sequence[Rule],
    samples: Sequence[Sample],
    specs: Mapping[str, MetricSpec],
    *,
    lookback: timedelta,
    step: timedelta,
) -> Replay:
    """The rules over the samples, evaluated each `step` from the first sample's time to the last one's.

    Raises Misuse where that would be more than two million times.
    """
    replay = Replay(rules, specs, lookback=lookback)
    if not samples:
        return replay
    start, end = samples[0].at, samples[-1].at
    times = (end - start) // step + 1
    if times > _MOST_EVALUATIONS:
        raise Misuse(
            f"the samples span {(end - start) / timedelta(hours=1):.0f} h, which is {times:,} evaluations: "
            f"expected at most {_MOST_EVALUATIONS:,}, with a larger --step"
        )
    moments = _moments(samples)
    ahead = next(moments, None)
    for i in range(times):
        now = start + i * step
        while ahead is not None and ahead[0] <= now:
            replay.observe(*ahead)
            ahead = next(moments, None)
        replay.evaluate(now)
    return replay


def _moments(samples: Sequence[Sample]) -> Iterator[tuple[datetime, dict[str, MetricValue]]]:
    for at, several in groupby(samples, key=lambda sample: sample.at):
        yield at, {s.metric: MetricValue(s.metric, s.value, at) for s in several if s.value is not None}
