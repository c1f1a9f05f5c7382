"""The metric catalogue: what ships, how an own file overrides it, and what is said about a wrong one."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.domain.errors import Misuse
from console.domain.metric import Direction, Level, MetricSpec
from console.metrics import catalogue
from console.metrics.sources import FromProbe, FromSql, Nowhere, Probed

CONTRACT = """
error_rate avg_execution_time p50_execution_time p95_execution_time p99_execution_time success_under_500ms_pct
error_rate_1h avg_execution_time_1h p50_execution_time_1h p95_execution_time_1h p99_execution_time_1h
success_under_500ms_pct_1h orders_per_minute orders_per_second success_rate
database_query_time database_query_avg_ms slow_queries_pct connection_pool_pct database_connections cache_hit_pct
database_locks replication_lag_s database_size_bytes
api_response_time api_error_rate availability_pct redis_hit_pct websocket_connections http_sessions
network_latency_ms cpu_usage memory_usage disk_usage uptime_s
database_status redis_status external_apis_status edge_functions_status websocket_status platform_status
edge_functions_execute_order_status edge_functions_get_stock_price_status edge_functions_risk_monitoring_status
database_latency_ms cache_latency_ms external_apis_latency_ms edge_functions_latency_ms websocket_latency_ms
platform_latency_ms edge_functions_execute_order_latency_ms edge_functions_get_stock_price_latency_ms
edge_functions_risk_monitoring_latency_ms
performance_score blocked_requests_24h vulnerabilities_critical vulnerabilities_high vulnerabilities_medium
vulnerabilities_low daily_orders daily_volume active_users new_registrations avg_session_minutes
order_completion_pct commission_today avg_order_size revenue_today user_satisfaction
""".split()


def own(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "own.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def specs(path: Path | None = None, time_scale: float = 1.0) -> dict[str, MetricSpec]:
    return {spec.name: spec for spec in catalogue.load(path, time_scale=time_scale).specs}


def test_every_metric_of_the_contract_ships() -> None:
    assert set(CONTRACT) <= set(specs())


def test_every_metric_says_what_it_is() -> None:
    for spec in specs().values():
        assert spec.title and spec.group and spec.source and spec.help, spec.name
        assert len(spec.title) <= 34, spec.title


def test_names_are_unique_and_queries_all_used() -> None:
    loaded = catalogue.load(None)
    assert len({s.name for s in loaded.specs}) == len(loaded.specs)
    assert {e.source.query for e in loaded.entries if isinstance(e.source, FromSql)} < set(loaded.queries)


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("avg_execution_time", 400, Level.OK),
        ("avg_execution_time", 401, Level.WARNING),
        ("p95_execution_time", 501, Level.CRITICAL),
        ("error_rate", 1.01, Level.WARNING),
        ("error_rate", 5.01, Level.CRITICAL),
        ("database_query_time", 201, Level.WARNING),
        ("database_query_time", 501, Level.CRITICAL),
        ("connection_pool_pct", 86, Level.WARNING),
        ("connection_pool_pct", 96, Level.CRITICAL),
        ("cache_hit_pct", 90, Level.OK),
        ("cache_hit_pct", 89.9, Level.WARNING),
        ("redis_hit_pct", 79.9, Level.CRITICAL),
        ("cpu_usage", 81, Level.WARNING),
        ("cpu_usage", 96, Level.CRITICAL),
        ("memory_usage", 86, Level.WARNING),
        ("memory_usage", 96, Level.CRITICAL),
        ("api_response_time", 301, Level.WARNING),
        ("api_response_time", 1001, Level.CRITICAL),
        ("orders_per_second", 1, None),
        ("error_rate_1h", 60, None),
    ],
)
def test_thresholds(name: str, value: float, level: Level | None) -> None:
    assert specs()[name].level(value) is level


def test_windows_follow_the_time_scale() -> None:
    slow, fast = specs(), specs(time_scale=10)
    assert slow["error_rate"].window_s == 300
    assert slow["error_rate_1h"].window_s == 3600
    assert slow["orders_per_minute"].window_s == 60
    assert fast["error_rate"].window_s == 30
    assert slow["cpu_usage"].window_s is None
    assert "30 seconds" in fast["p95_execution_time"].source


def test_an_own_file_changes_only_the_keys_it_gives(tmp_path: Path) -> None:
    file = own(tmp_path, "metrics:\n  p95_execution_time: {warning: 250}\n")
    changed, shipped = specs(file), specs()
    assert changed["p95_execution_time"].warning == 250
    assert changed["p95_execution_time"].critical == shipped["p95_execution_time"].critical
    assert {n: s for n, s in changed.items() if n != "p95_execution_time"} == {
        n: s for n, s in shipped.items() if n != "p95_execution_time"
    }


def test_an_own_query_serves_the_shipped_metrics(tmp_path: Path) -> None:
    file = own(tmp_path, "queries:\n  sessions: {sql: SELECT 7 AS active}\n")
    assert catalogue.load(file).queries["sessions"].sql == "SELECT 7 AS active"
    assert catalogue.load(file).queries["sessions"].every_s == 10


def test_a_source_is_replaced_as_a_whole_and_new_metrics_come_last(tmp_path: Path) -> None:
    file = own(
        tmp_path,
        """
metrics:
  revenue_today:
    source: {none: no ledger here}
  queue_length:
    title: Queue
    unit: count
    group: own
    warning: 5
    direction: low
    source: {derived: orders_per_minute - orders_per_second}
""",
    )
    loaded = catalogue.load(file)
    entries = {entry.spec.name: entry for entry in loaded.entries}
    assert entries["revenue_today"].source == Nowhere("no source: no ledger here")
    assert loaded.specs[-1].name == "queue_length"
    assert loaded.specs[-1].direction is Direction.LOW
    assert "queue_length" in loaded.derived


def test_derived_metrics_come_after_those_they_need(tmp_path: Path) -> None:
    file = own(
        tmp_path,
        """
metrics:
  first_of_two: {title: A, unit: count, group: own, source: {derived: second_of_two + 1}}
  second_of_two: {title: B, unit: count, group: own, source: {derived: performance_score / 2}}
""",
    )
    order = catalogue.load(file).derived
    assert order.index("performance_score") < order.index("second_of_two") < order.index("first_of_two")


def test_status_metrics_are_named_after_their_components() -> None:
    for entry in catalogue.load(None).entries:
        if isinstance(entry.source, FromProbe) and entry.source.what is Probed.STATUS:
            component = entry.source.component.replace("/", "_").replace("-", "_")
            assert entry.spec.name == f"{'redis' if component == 'cache' else component}_status"
            assert entry.spec.unit == "state"


WRONG = [
    ("metrics:\n  a: b: c\n", "2", "not YAML"),
    ("- a\n- b\n", "1", "expected a mapping"),
    ("metricks: {}\n", "1", "did you mean metrics"),
    ("metrics: 3\n", "1", "a mapping"),
    ("\nmetrics:\n  p95_execution_time: {warnung: 3}\n", "3", "did you mean warning"),
    ("metrics:\n  p95_execution_time:\n    warning: high\n", "3", "a number"),
    ("metrics:\n  p95_execution_time:\n    warning: .nan\n", "3", "a number"),
    ("metrics:\n  p95_execution_time:\n    warning: true\n", "3", "a number"),
    ("metrics:\n  p95_execution_time:\n    warning: 900\n", "3", "critical above warning"),
    ("metrics:\n  cache_hit_pct:\n    critical: 99\n", "3", "critical below warning"),
    ("metrics:\n  p95_execution_time:\n    window: 5 parsecs\n", "3", "a duration such as"),
    ("metrics:\n  p95_execution_time:\n    unit: furlongs\n", "3", "one of ms"),
    ("metrics:\n  p95_execution_time:\n    decimals: 1.5\n", "3", "a whole number"),
    ("metrics:\n  p95_execution_time: {source: {}}\n", "2", "exactly one of buckets"),
    ("metrics:\n  p95_execution_time: {source: {sqll: {}}}\n", "2", "did you mean sql"),
    ("metrics:\n  x:\n    source: {sql: {query: nowhere, value: a}}\n", "3", "one of server"),
    ("metrics:\n  x:\n    source: {sql: {query: sessions, value: 'a ** 2'}}\n", "3", "not allowed"),
    (
        "metrics:\n  x:\n    title: X\n    unit: count\n    group: g\n    source: {derived: nothing + 1}\n",
        "6",
        "nothing",
    ),
    (
        "metrics:\n  x:\n    title: X\n    unit: count\n    group: g\n    source: {derived: x + 1}\n",
        "6",
        "no circle",
    ),
    ("metrics:\n  x:\n    source: {http: {path: health, pointer: /a}}\n", "3", "starts with /"),
    ("metrics:\n  x:\n    source: {probe: {component: cache, what: mood}}\n", "3", "one of status"),
    (
        "metrics:\n  x:\n    source:\n      scrape: {terms: {a: {sample: s, labels: {l: '~('}}}, value: a}\n",
        "4",
        "a regular",
    ),
    (
        "metrics:\n  x:\n    source:\n      scrape: {terms: {a: {sample: s}}, value: b}\n",
        "4",
        "there is no b",
    ),
    ("metrics:\n  X-1: {}\n", "2", "a name of a-z"),
    ("metrics:\n  x: {title: 1}\n  x: {title: 2}\n", "3", "there twice"),
    ("metrics:\n  x: {1: 2}\n", "2", "a text as key"),
    ("queries:\n  orders: {sql: SELECT 1}\n", "2", "$1, $2, $3"),
    ("queries:\n  q: {sql: 'SELECT $1'}\n", "2", "a window such as 24h, or day"),
    ("queries:\n  q: {sql: SELECT 1, timeout: 10h}\n", "2", "at most 25s"),
    ("time_zone: Middle/Earth\n", "1", "a time zone such as"),
]


@pytest.mark.parametrize(("text", "line", "said"), WRONG)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, line: str, said: str) -> None:
    file = own(tmp_path, text)
    with pytest.raises(Misuse) as caught:
        catalogue.load(file)
    message = str(caught.value)
    assert message.startswith(f"{file}:{line}:") and said in message, message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read"):
        catalogue.load(tmp_path / "nowhere.yaml")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_any_text_loads_or_is_a_misuse(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("own") / "own.yaml"
    file.write_text(text, encoding="utf-8", errors="replace", newline="")
    try:
        catalogue.load(file)
    except Misuse as error:
        assert str(file) in str(error)
