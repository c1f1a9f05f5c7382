"""Metric readings and specifications as the store keeps them, and back. Pure.

A tick holds two arrays in the order of its catalogue: numbers[i], and texts[i] for the text of a state metric. A
metric without a value has a null number, and U+0001 (U+0002 where its source failed) followed by the reason as its
text.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from datetime import datetime

from console.domain.health import Check, Status
from console.domain.metric import Direction, MetricSpec, MetricValue
from console.domain.text import printable

_ABSENT, _FAILED = "\x01", "\x02"
_REASONS = (_ABSENT, _FAILED)
# Sums of what is stored must stay finite, whatever a platform reports.
_LARGEST = 1e100
_UP = "up"
_FIELDS = {f.name for f in dataclasses.fields(MetricSpec)}


def encode(values: Iterable[MetricValue]) -> tuple[list[float | None], list[str | None]]:
    """Numbers and texts of one tick, each as long as `values`. NaN, infinity and numbers beyond 1e100 become
    "no value" with that reason."""
    numbers: list[float | None] = []
    texts: list[str | None] = []
    for reading in values:
        number, text = _encoded(reading)
        numbers.append(number)
        texts.append(text)
    return numbers, texts


def _encoded(reading: MetricValue) -> tuple[float | None, str | None]:
    value = reading.value
    if isinstance(value, str):
        return None, printable(value)
    if value is None:
        return None, (_FAILED if reading.failed else _ABSENT) + printable(reading.reason or "no value")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if abs(number) <= _LARGEST:  # false for NaN
        return number, None
    return None, f"{_FAILED}the source gave {number:g}, which is no usable number"


def decode(
    specs: Sequence[MetricSpec], at: datetime, numbers: Sequence[float | None], texts: Sequence[str | None]
) -> dict[str, MetricValue]:
    """The readings of one tick by name, with their levels. All text is printable."""
    values: dict[str, MetricValue] = {}
    for spec, number, text in zip(specs, numbers, texts, strict=True):
        if number is not None:
            values[spec.name] = MetricValue(spec.name, number, at, level=spec.level(number))
        elif text is None or text.startswith(_REASONS):
            reason = printable((text or "").lstrip("".join(_REASONS))) or "no value"
            failed = text is not None and text.startswith(_FAILED)
            values[spec.name] = MetricValue(spec.name, None, at, reason=reason, failed=failed)
        else:
            values[spec.name] = MetricValue(spec.name, printable(text), at)
    return values


def specs_to_json(specs: Sequence[MetricSpec]) -> str:
    """The catalogue as a JSON array."""
    return json.dumps([dataclasses.asdict(spec) for spec in specs], allow_nan=False)


def specs_from_json(text: str) -> tuple[MetricSpec, ...]:
    """A catalogue as `specs_to_json` wrote it. Fields this program does not know are passed over."""
    return tuple(_spec(entry) for entry in json.loads(text))


def _spec(entry: dict[str, object]) -> MetricSpec:
    known = {name: _safe(value) for name, value in entry.items() if name in _FIELDS}
    known["direction"] = Direction(known.get("direction", Direction.HIGH))
    return MetricSpec(**known)  # pyright: ignore[reportArgumentType]


def _safe(value: object) -> object:
    """Text line by line: a query keeps its lines."""
    if not isinstance(value, str):
        return value
    return "\n".join(printable(line) for line in value.split("\n")[:200])


def check_columns(checks: Sequence[Check]) -> tuple[list, list, list, list, list]:
    """Components, statuses, latencies in ms, details and times, as the store's functions take them."""
    latencies = [
        c.latency_ms if c.latency_ms is not None and abs(c.latency_ms) <= _LARGEST else None for c in checks
    ]
    return (
        [printable(c.component, 100) for c in checks],
        [c.status.value for c in checks],
        latencies,
        [printable(c.detail) for c in checks],
        [c.at for c in checks],
    )


def status_metric(component: str) -> str:
    """The name under which a component's status is a metric (the cache's is `redis_status`)."""
    return ("redis" if component == "cache" else _stem(component)) + "_status"


def latency_metric(component: str) -> str:
    """The name under which a component's latency in ms is a metric."""
    return _stem(component) + "_latency_ms"


def _stem(component: str) -> str:
    return component.replace("/", "_").replace("-", "_")


def status_from_text(text: str | None) -> Status | None:
    """The status a probe's metric tells; None when it has no value."""
    if text is None or text.startswith(_REASONS):
        return None
    try:
        return Status.OK if text == _UP else Status(text)
    except ValueError:
        return Status.UNKNOWN
