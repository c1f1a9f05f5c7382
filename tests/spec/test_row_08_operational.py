"""Row 8, begun: connections, orders per minute, error rate, response times, capacity."""

from tests.demo import Demo

FIGURES = (
    "http_sessions",
    "websocket_connections",
    "database_connections",
    "orders_per_minute",
    "error_rate",
    "p95_execution_time",
    "api_response_time",
    "connection_pool_pct",
    "cpu_usage",
    "memory_usage",
    "disk_usage",
)


def test_every_operational_figure_has_a_value(demo: Demo) -> None:
    metrics = demo.until(
        lambda: m if all((m := demo.metrics())[n]["value"] is not None for n in FIGURES) else None
    )
    for name in FIGURES:
        assert metrics[name]["value"] >= 0
        assert metrics[name]["at"].endswith("Z")
        assert metrics[name]["unit"]
    assert metrics["error_rate"]["level"] in {"ok", "warning"}
    assert metrics["p95_execution_time"]["window_s"] == 30  # five minutes, ten times as fast


def test_a_value_that_cannot_be_had_is_null_with_its_reason(demo: Demo) -> None:
    for metric in demo.metrics().values():
        assert (metric["value"] is None) == (metric["reason"] is not None), metric


def test_an_unknown_metric_is_a_misuse_that_suggests_one(demo: Demo) -> None:
    done = demo.run("metrics", "eror_rate")
    assert done.returncode == 2
    assert "did you mean error_rate?" in done.stderr
