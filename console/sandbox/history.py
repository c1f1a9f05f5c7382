"""The past as a watcher would have recorded it, for the store's seeded history.

Order and business figures are counted from the seeded rows; the host's come from the curves that the live
`/metrics` is drawn from. What nobody could know is left out with the reason "not seeded".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import asyncpg

from console.domain.metric import MetricSpec, MetricValue
from console.metrics.scores import PERFORMANCE, performance_score
from console.sandbox import baseline
from console.sandbox.past import STEP_S, Past, Window, read

NOT_SEEDED = "not seeded"
Figure = Callable[[int], float | str | None]


async def ticks(
    database_url: str,
    password: str | None,
    specs: Sequence[MetricSpec],
    now: datetime,
    *,
    hours: float = 26,
    since: datetime | None = None,
) -> list[tuple[datetime, list[MetricValue]]]:
    """One tick every 30 s from `hours` ago (or `since`) up to `now`, oldest first; values in the order of `specs`,
    without levels.

    Any role that may read the platform's tables will do. Raises asyncpg's errors.
    """
    end = int(now.timestamp() // STEP_S)
    start = end - int(hours * 3600 / STEP_S)
    if since is not None:
        start = max(start, int(since.timestamp() // STEP_S) + 1)
    connection = await asyncpg.connect(database_url, password=password, timeout=10)
    try:
        short = [w for s in specs if _is_of_orders(s.name) and (w := s.window_s) is not None and w < STEP_S]
        past = await read(connection, start, end, tail_s=max(short, default=0))
    finally:
        await connection.close()
    # Pure computing from here on: kept out of the event loop of whoever waits.
    return await asyncio.to_thread(_build, past, specs, start, end)


def _build(
    past: Past, specs: Sequence[MetricSpec], start: int, end: int
) -> list[tuple[datetime, list[MetricValue]]]:
    windows = {spec.name: past.window(spec.window_s or 300) for spec in specs if _is_of_orders(spec.name)}
    figures = {spec.name: _figure(past, spec) for spec in specs}
    distinct = list({id(w): w for w in windows.values()}.values())
    scored = [part.metric for part in PERFORMANCE]
    rows = []
    for slot in range(start, end + 1):
        for window in distinct:
            window.advance(slot)
        at = datetime.fromtimestamp(slot * STEP_S, UTC)
        numbers = {
            spec.name: _order_figure(spec, windows[spec.name])
            if spec.name in windows
            else figures[spec.name](slot)
            for spec in specs
        }
        if "performance_score" in numbers:
            numbers["performance_score"] = performance_score(
                {name: _number(numbers, name) for name in scored}
            )
        rows.append((at, [_value(spec, numbers[spec.name], at) for spec in specs]))
    return rows


def _number(numbers: Mapping[str, float | str | None], name: str) -> float | None:
    value = numbers.get(name)
    return value if isinstance(value, float) else None


def _value(spec: MetricSpec, value: float | str | None, at: datetime) -> MetricValue:
    if value is None:
        return MetricValue(spec.name, None, at, reason=NOT_SEEDED)
    return MetricValue(spec.name, value, at)


_OF_ORDERS = {
    "error_rate", "success_rate", "avg_execution_time", "p50_execution_time", "p95_execution_time",
    "p99_execution_time", "success_under_500ms_pct", "orders_per_minute", "orders_per_second",
}  # fmt: skip


def _is_of_orders(name: str) -> bool:
    return name.removesuffix("_1h") in _OF_ORDERS


def _order_figure(spec: MetricSpec, window: Window) -> float | None:
    name = spec.name.removesuffix("_1h")
    if name in ("orders_per_minute", "orders_per_second"):
        return window.per_second * (60 if name == "orders_per_minute" else 1)
    finished = window.executed.count + window.failed
    if not finished:
        return None
    if name == "error_rate":
        return 100 * window.failed / finished
    if name == "success_rate":
        return 100 * window.executed.count / finished
    if name == "success_under_500ms_pct":
        return 100 * window.executed.under / finished
    if name == "avg_execution_time":
        return window.executed.mean()
    return window.executed.quantile(int(name[1:3]) / 100)


# Mean and spread of what the probes of a quiet sandbox measure, in the metric's unit.
_QUIET = {
    "database_query_time": (1.6, 0.5), "api_response_time": (108.0, 5.0), "network_latency_ms": (0.2, 0.05),
    "redis_hit_pct": (98.3, 0.3), "cache_hit_pct": (99.6, 0.15), "database_latency_ms": (1.6, 0.5),
    "cache_latency_ms": (1.3, 0.4), "external_apis_latency_ms": (26.0, 6.0), "edge_functions_latency_ms": (7.0, 1.5),
    "edge_functions_execute_order_latency_ms": (5.5, 1.5), "edge_functions_get_stock_price_latency_ms": (5.5, 1.5),
    "edge_functions_risk_monitoring_latency_ms": (5.5, 1.5), "websocket_latency_ms": (6.0, 1.5),
    "platform_latency_ms": (30.0, 6.0),
}  # fmt: skip
_STEADY = {
    "api_error_rate": 0.0, "availability_pct": 100.0, "websocket_connections": 36.0, "database_locks": 0.0,
}  # fmt: skip
_CURVES: Mapping[str, Callable[[float], float]] = {
    "cpu_usage": lambda at: baseline.cpu_pct(at) * (1 - baseline.IOWAIT_SHARE),
    "memory_usage": baseline.memory_pct,
    "disk_usage": baseline.disk_pct,
}


def _figure(past: Past, spec: MetricSpec) -> Figure:
    """How one metric was at a slot; one that says None where it is not known."""
    name = spec.name
    if name in past.figures:
        return past.figures[name]
    if name in _CURVES:
        curve = _CURVES[name]
        return lambda slot: curve(slot * STEP_S)
    if name in _QUIET:
        (mean, spread), channel = _QUIET[name], sum(name.encode()) % 97
        return lambda slot: baseline.near(slot * STEP_S, mean, spread, channel)
    if name.endswith("_status") and not spec.event:
        return lambda slot: "up"
    steady = _STEADY.get(name)
    return lambda slot: steady
