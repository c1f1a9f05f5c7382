"""The collector: each source apart, reasons instead of values, nothing disturbed by what fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from console.domain.health import Check, CheckPoint, Status
from console.domain.metric import Level, MetricValue
from console.gateway.platform import Platform
from console.metrics import catalogue
from console.metrics.catalogue import Catalogue
from console.monitors.collector import Collector
from console.processes.postgres import EmbeddedPostgres
from tests.gateway import servers
from tests.gateway.servers import reply

Open = Callable[..., Platform]
START = datetime(2026, 3, 1, tzinfo=UTC)
LOADED = catalogue.load()


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], Catalogue]:
    def make(text: str) -> Catalogue:
        file = tmp_path / "own.yaml"
        file.write_text(text)
        return catalogue.load(file)

    return make


async def collected(
    collector: Collector, now: datetime = START, checks: tuple[Check, ...] = ()
) -> dict[str, MetricValue]:
    values = await collector.collect(now, checks)
    return {value.name: value for value in values}


def check(component: str, status: Status, latency_ms: float | None = 10.0, detail: str = "said") -> Check:
    return Check(component, status, latency_ms, detail, START)


async def test_one_value_per_metric_in_the_catalogues_order(reader: dict, open_platform: Open) -> None:
    values = await Collector(open_platform(**reader), LOADED, tick_s=30).collect(START, [])
    assert [v.name for v in values] == [s.name for s in LOADED.specs]
    for spec, value in zip(LOADED.specs, values, strict=True):
        assert (value.value is None) == (value.reason is not None), value
        assert value.level == spec.level(value.value)


async def test_without_any_door_everything_is_no_source(open_platform: Open) -> None:
    found = await collected(Collector(open_platform(), LOADED, tick_s=30))
    for value in found.values():
        assert value.value is None and value.reason is not None
    assert found["p95_execution_time"].reason == "no source: platform.database_url is not set"
    assert found["cpu_usage"].reason == "no source: platform.metrics_url is not set"
    assert found["redis_hit_pct"].reason == "no source: platform.cache_url is not set"
    assert found["uptime_s"].reason == "no source: platform.base_url is not set"
    assert found["network_latency_ms"].reason == "no source: no host of the platform is set"
    assert found["platform_status"].reason == "no source: platform is not configured"
    assert found["performance_score"].reason == "none of its parts has a value"


class TestDatabase:
    async def test_the_servers_own_figures_on_every_version(
        self, postgres_any: EmbeddedPostgres, new_database: Callable[..., str], open_platform: Open
    ) -> None:
        """A database without any table of the platform: what only the server knows is there all the same."""
        platform = open_platform(
            database_url=new_database(postgres_any), database_password=postgres_any.password
        )
        found = await collected(Collector(platform, LOADED, tick_s=30))
        for name in ("database_connections", "connection_pool_pct", "database_locks", "database_size_bytes"):
            assert found[name].value is not None, found[name]
        assert found["error_rate"].reason == "no source: the database has no orders"
        assert found["revenue_today"].reason == "no source: the database has no ledger_entries"

    async def test_a_day_that_is_still_being_counted_says_how_far_it_is(
        self, admin: asyncpg.Connection, reader: dict, open_platform: Open, own: Callable[[str], Catalogue]
    ) -> None:
        # One in which at least half of the day is over: it is counted by the hour.
        zone = await admin.fetchval(
            "SELECT zone FROM unnest(ARRAY['UTC', 'Asia/Tokyo', 'America/Phoenix']) AS zone "
            "ORDER BY extract(hour FROM now() AT TIME ZONE zone) DESC LIMIT 1"
        )
        slow = own(f"""
            time_zone: {zone}
            queries:
              day_created:
                sql: SELECT 1 AS orders, pg_sleep(CASE WHEN $1::timestamptz < $2::timestamptz THEN 0.25 END)
        """)
        collector = Collector(open_platform(**reader), slow, tick_s=1)
        reasons = []
        while not any(reason.startswith("counting the day so far, at ") for reason in reasons):
            found = await collected(collector, START + timedelta(seconds=len(reasons)))
            assert found["daily_orders"].value is None
            reasons.append(str(found["daily_orders"].reason))
            assert len(reasons) < 20, reasons
        collector.close()

    async def test_a_failing_query_costs_its_own_metrics_only(
        self, reader: dict, open_platform: Open, own: Callable[[str], Catalogue]
    ) -> None:
        good = await collected(Collector(open_platform(**reader), LOADED, tick_s=30))
        broken = own("queries: {sessions: {sql: 'SELECT 1/0 AS active'}, server: {sql: SELECT nonsense}}")
        bad = await collected(Collector(open_platform(**reader), broken, tick_s=30))
        assert bad["http_sessions"].reason == "division by zero"
        assert bad["database_connections"].reason == "no source: the database has no column nonsense"
        lost = {n for n in good if good[n].value is not None and bad[n].value is None}
        assert lost == {
            "http_sessions", "database_connections", "connection_pool_pct", "cache_hit_pct", "database_locks",
        }  # fmt: skip

    async def test_slow_queries_hold_up_no_other(
        self, reader: dict, open_platform: Open, own: Callable[[str], Catalogue]
    ) -> None:
        slow = own("""
            queries:
              sessions: {sql: "SELECT pg_sleep(60), 1 AS active", timeout: 700ms}
              server: {sql: "SELECT pg_sleep(60), 1 AS backends", timeout: 700ms}
              blocked_requests: {sql: "SELECT pg_sleep(60), 1 AS requests", timeout: 700ms}
        """)
        collector = Collector(open_platform(**reader), slow, tick_s=30)
        for tick in range(2):
            found = await collected(collector, START + timedelta(seconds=30 * tick))
            assert found["http_sessions"].reason == "timed out after 0.7 s"
            assert found["database_connections"].reason == "timed out after 0.7 s"
            assert found["blocked_requests_24h"].reason == "timed out after 0.7 s"
            assert found["p95_execution_time_1h"].value is not None
            assert found["daily_orders"].value is not None

    async def test_a_tick_does_not_wait_for_a_query_that_takes_longer(
        self, reader: dict, open_platform: Open, own: Callable[[str], Catalogue]
    ) -> None:
        slow = own('queries: {sessions: {sql: "SELECT pg_sleep(60), 1 AS active", timeout: 20s}}')
        collector = Collector(open_platform(**reader), slow, tick_s=4)
        # The first tick reads an hour; what it does not get ready in time is ready in a later one.
        for tick in range(20):
            found = await collected(collector, START + timedelta(seconds=4 * tick))
            assert str(found["http_sessions"].reason).startswith("no answer for ")
            if found["database_connections"].value is not None:
                break
        else:
            pytest.fail("the other queries never answered")
        collector.close()

    @pytest.mark.parametrize(
        ("sql", "reason"),
        [
            ("SELECT 'NaN'::float8 AS active", "column active is not a number (NaN)"),
            ("SELECT 'infinity'::float8 AS active", "column active is infinite"),
            ("SELECT 'many' AS active", "column active is no number"),
            ("SELECT 1 AS other", "the query gave no column active"),
            ("SELECT 1 AS active WHERE false", "the query gave no row"),
            ("SELECT NULL::float8 AS active", "no data"),
        ],
    )
    async def test_answers_that_are_no_number(
        self, reader: dict, open_platform: Open, own: Callable[[str], Catalogue], sql: str, reason: str
    ) -> None:
        loaded = own(f'queries: {{sessions: {{sql: "{sql}"}}}}')
        found = await collected(Collector(open_platform(**reader), loaded, tick_s=30))
        assert (found["http_sessions"].value, found["http_sessions"].reason) == (None, reason)

    @pytest.mark.parametrize(
        "columns",
        ["1 AS slice", "1 AS slice, 'x' AS outcome, 'no' AS bucket, 1 AS n, 1 AS total_ms, 1 AS under"],
    )
    async def test_bucket_rows_that_are_none(
        self, reader: dict, open_platform: Open, own: Callable[[str], Catalogue], columns: str
    ) -> None:
        sql = f"SELECT {columns} WHERE $1::timestamptz < $2::timestamptz AND $3::float8 > 0"
        loaded = own(f'queries: {{orders: {{sql: "{sql}"}}}}')
        found = await collected(Collector(open_platform(**reader), loaded, tick_s=30))
        assert str(found["error_rate"].reason).startswith("the query gave ")

    async def test_a_database_that_goes_away_and_comes_back(
        self, admin: asyncpg.Connection, reader: dict, open_platform: Open
    ) -> None:
        """As in the drill: log-ins refused, sessions ended. Kept figures don't outlive their source."""
        collector = Collector(open_platform(**reader), LOADED, tick_s=30)
        assert (await collected(collector))["daily_orders"].value is not None
        await admin.execute("ALTER ROLE platform_reader NOLOGIN")
        try:
            await admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'platform_reader'"
            )
            found = await collected(collector, START + timedelta(seconds=1))
            for name in ("daily_orders", "p95_execution_time", "http_sessions"):
                assert found[name].value is None
                assert "not permitted to log in" in str(found[name].reason)
        finally:
            await admin.execute("ALTER ROLE platform_reader LOGIN")
        found = await collected(collector, START + timedelta(seconds=2))
        assert found["daily_orders"].value is not None


CPU = """
node_cpu_seconds_total{cpu="0",mode="idle"} %f
node_cpu_seconds_total{cpu="0",mode="user"} %f
node_memory_MemTotal_bytes 1000
node_memory_MemAvailable_bytes %s
realtime_connections 36
http_requests_total{code="200",path="/api/positions"} %d
http_requests_total{code="200",path="/health"} 99999
http_request_duration_seconds_sum{path="/api/positions"} %f
http_request_duration_seconds_count{path="/api/positions"} %d
"""


class TestScrape:
    async def test_counters_need_two_scrapes_and_gauges_one(self, open_platform: Open) -> None:
        answers: dict[str, bytes | servers.Handler] = {
            "/metrics": reply((CPU % (100, 50, "250", 10, 2.0, 10)).encode())
        }
        async with servers.http(answers) as (base, _):
            collector = Collector(open_platform(base_url=base), LOADED, tick_s=30)
            found = await collected(collector)
            assert (found["cpu_usage"].value, found["cpu_usage"].reason) == (None, "needs two scrapes")
            assert found["api_response_time"].reason == "needs two scrapes"
            assert (found["memory_usage"].value, found["memory_usage"].level) == (75, Level.OK)
            assert found["websocket_connections"].value == 36
            assert found["disk_usage"].reason == "no sample node_filesystem_avail_bytes{mountpoint=/data}"
            answers["/metrics"] = reply(
                (CPU % (101, 53, "nan", 30, 5.0, 30)).encode()
                + b'http_requests_total{code="503",path="/api/positions"} 5\n'
            )
            found = await collected(collector, START + timedelta(seconds=30))
        assert found["cpu_usage"].value == pytest.approx(75)
        assert found["api_response_time"].value == pytest.approx(1000 * 3 / 20)
        assert found["api_error_rate"].value == pytest.approx(100 * 5 / 25)
        assert found["api_error_rate"].level is Level.CRITICAL
        assert found["memory_usage"].reason == "node_memory_MemAvailable_bytes is not a number (NaN)"

    async def test_no_request_in_the_window_is_no_data(self, open_platform: Open) -> None:
        answers = {"/metrics": reply((CPU % (100, 50, "250", 10, 2.0, 10)).encode())}
        async with servers.http(answers) as (base, _):  # type: ignore[arg-type]
            collector = Collector(open_platform(base_url=base), LOADED, tick_s=30)
            await collected(collector)
            found = await collected(collector, START + timedelta(seconds=30))
        assert found["api_error_rate"].reason == "no request in the window"

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (reply(b"<html>\n"), "line 1 is no metric: '<html>'"),
            (reply(b"\x1b]52;c;A\x07"), "line 1 is no metric: '␛]52;c;A␇'"),
            (reply(b"", status="503 Busy"), "HTTP 503"),
            (servers.endless, "body over 8 MB cut off"),
        ],
    )
    async def test_what_is_no_metrics_text(
        self, open_platform: Open, answer: bytes | servers.Handler, reason: str
    ) -> None:
        async with servers.http({"/metrics": answer, "/health": reply(b'{"uptime": 5}')}) as (base, _):
            found = await collected(Collector(open_platform(base_url=base), LOADED, tick_s=30))
        assert found["cpu_usage"].reason == reason
        assert found["uptime_s"].value == 5


class TestHttp:
    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (reply(b'{"uptime": 12.5}'), None),
            (reply(b'{"uptime": 12.5}', status="503 Sick"), None),
            (reply(b'{"up": 1}'), "nothing at /uptime of the answer"),
            (reply(b'{"uptime": "2 days"}'), "/uptime is no number"),
            (reply(b'{"uptime": NaN}'), "not JSON: NaN is no JSON, begins with '{\"uptime\": NaN}'"),
            (reply(b'{"uptime": 1e999}'), "/uptime is infinite"),
            (reply(b"", status="500 No"), "HTTP 500"),
            (reply(b"", status="404 No"), "no source: /health is not found (HTTP 404)"),
        ],
    )
    async def test_a_number_in_a_document(
        self, open_platform: Open, answer: bytes, reason: str | None
    ) -> None:
        async with servers.http({"/health": answer}) as (base, _):
            found = await collected(Collector(open_platform(base_url=base), LOADED, tick_s=30))
        assert found["uptime_s"].reason == reason
        assert found["uptime_s"].value == (12.5 if reason is None else None)

    async def test_a_survey_is_asked_only_now_and_then(self, open_platform: Open) -> None:
        answers: dict[str, bytes | servers.Handler] = {"/api/survey": reply(b'{"satisfaction": 4.8}')}
        async with servers.http(answers) as (base, asked):
            collector = Collector(open_platform(base_url=base), LOADED, tick_s=10)
            for second in (0, 10, 20, 30, 40):
                found = await collected(collector, START + timedelta(seconds=second))
                assert found["user_satisfaction"].value == 4.8
            assert sum(path == "/api/survey" for path, _ in asked) == 2
            assert found["user_satisfaction"].at == START + timedelta(seconds=30)

    async def test_a_silent_server_costs_a_tick_no_more_than_its_patience(self, open_platform: Open) -> None:
        async with servers.silent() as port:
            collector = Collector(open_platform(base_url=f"http://127.0.0.1:{port}"), LOADED, tick_s=0.5)
            found = await collected(collector)
            assert found["uptime_s"].reason == "no answer for 0.2 s so far"
            assert found["network_latency_ms"].value is not None
            collector.close()


class TestProbed:
    async def test_checks_as_metrics(self, open_platform: Open) -> None:
        found = await collected(
            Collector(open_platform(), LOADED, tick_s=30),
            checks=(
                check("database", Status.OK, 250.0),
                check("cache", Status.DOWN, None, "connection refused"),
                check("edge_functions/execute-order", Status.DEGRADED, 1200.0),
                check("websocket", Status.UNKNOWN, None, "not answered yet"),
            ),
        )
        assert (found["database_status"].value, found["database_latency_ms"].value) == ("up", 250.0)
        assert (found["database_query_time"].value, found["database_query_time"].level) == (
            250.0,
            Level.WARNING,
        )
        assert (found["redis_status"].value, found["cache_latency_ms"].reason) == (
            "down",
            "connection refused",
        )
        assert found["edge_functions_execute_order_status"].value == "degraded"
        assert found["websocket_status"].value == "unknown"
        assert found["platform_status"].value is None

    async def test_availability_is_the_share_of_ticks_that_were_not_down(self, open_platform: Open) -> None:
        collector = Collector(open_platform(), LOADED, tick_s=30)
        statuses = [Status.OK, Status.DEGRADED, Status.DOWN, Status.UNKNOWN, Status.OK]
        for n, status in enumerate(statuses):
            found = await collected(
                collector, START + timedelta(seconds=30 * n), (check("platform", status),)
            )
        assert found["availability_pct"].value == 75
        assert found["availability_covered_pct"].value == pytest.approx(100 * 4 * 30 / 3600)

    async def test_availability_forgets_what_left_the_window_and_knows_the_past(
        self, open_platform: Open
    ) -> None:
        past = [
            CheckPoint(START - timedelta(minutes=70), Status.DOWN, None),
            CheckPoint(START - timedelta(minutes=50), Status.DOWN, None),
            CheckPoint(START - timedelta(minutes=40), None, None),
            CheckPoint(START - timedelta(minutes=30), Status.OK, 3.0),
        ]
        collector = Collector(open_platform(), LOADED, tick_s=30, past=past)
        found = await collected(collector, START, (check("platform", Status.OK),))
        assert found["availability_pct"].value == pytest.approx(100 * 2 / 3)

    async def test_what_the_cache_says(self, open_platform: Open) -> None:
        info = b"keyspace_hits:187\r\nkeyspace_misses:13\r\n"

        async def cache(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
            while said := await reader.read(1000):
                for word in said.split(b"\r\n"):
                    if word.upper() == b"INFO":
                        writer.write(b"$%d\r\n%s\r\n" % (len(info), info))
                    elif word.upper() in (b"CLIENT", b"HELLO"):
                        writer.write(b"+OK\r\n")
                await writer.drain()

        async with servers.tcp(cache) as port:
            found = await collected(
                Collector(open_platform(cache_url=f"redis://127.0.0.1:{port}"), LOADED, tick_s=30)
            )
        assert found["redis_hit_pct"].value == pytest.approx(93.5)
        assert found["redis_hit_pct"].level is Level.OK


async def test_derived_metrics_say_what_they_lack(
    reader: dict, open_platform: Open, own: Callable[[str], Catalogue]
) -> None:
    loaded = own("""
        metrics:
          twice: {title: Twice, unit: count, group: own, source: {derived: database_connections * 2}}
          lacking: {title: Lacking, unit: count, group: own, source: {derived: twice + uptime_s}}
          mood: {title: Mood, unit: count, group: own, source: {derived: platform_status + 1}}
    """)
    found = await collected(
        Collector(open_platform(**reader), loaded, tick_s=30), checks=(check("platform", Status.OK),)
    )
    connections = found["database_connections"].value
    assert isinstance(connections, float) and found["twice"].value == 2 * connections
    assert found["lacking"].reason == "needs uptime_s: no source: platform.base_url is not set"
    assert found["mood"].reason == "needs platform_status: it is no number"


async def test_the_performance_score_is_re_weighted_over_what_there_is(open_platform: Open) -> None:
    found = await collected(
        Collector(open_platform(), LOADED, tick_s=30), checks=(check("database", Status.OK, 275.0),)
    )
    assert found["performance_score"].value == pytest.approx(50)


async def test_reasons_are_printable(open_platform: Open) -> None:
    evil = "\x1b]52;c;AAAA\x07[@click=app.quit]\u202e[/]"
    body = json.dumps({"error": {"message": evil}}).encode()
    async with servers.http({"/health": reply(body, status="500 No")}) as (base, _):
        found = await collected(
            Collector(open_platform(base_url=base), LOADED, tick_s=30),
            checks=(check("cache", Status.DOWN, None, "␛ was made printable by the probe"),),
        )
    for value in found.values():
        assert value.reason is None or not any(ord(c) < 32 or c in "\x7f\u202e" for c in value.reason), value


async def test_cancelling_a_tick_leaves_nothing_behind(reader: dict, open_platform: Open, wait_for) -> None:
    async with servers.silent() as port:
        collector = Collector(open_platform(base_url=f"http://127.0.0.1:{port}"), LOADED, tick_s=30)
        before = asyncio.all_tasks()
        tick = asyncio.create_task(collector.collect(START, []))
        await wait_for(lambda: len(asyncio.all_tasks()) > len(before) + 2)
        tick.cancel()
        with pytest.raises(asyncio.CancelledError):
            await tick
        ours = "console/"
        await wait_for(lambda: not [t for t in asyncio.all_tasks() - before if ours in str(t.get_coro())])


class TestReport:
    """Vulnerabilities from the file that `platform.vulnerability_report` names."""

    LEVELS = ("critical", "high", "medium", "low")

    async def read(self, open_platform: Open, **settings: object) -> dict[str, MetricValue]:
        collector = Collector(open_platform(**settings), catalogue.load(), tick_s=30)
        found = await collected(collector, START)
        return {level: found[f"vulnerabilities_{level}"] for level in self.LEVELS}

    async def test_counts_by_level(self, open_platform: Open, tmp_path: Path) -> None:
        report = tmp_path / "audit.json"
        counts = {"info": 9, "low": 8, "moderate": 2, "high": 1, "critical": 0, "total": 20}
        report.write_text(json.dumps({"auditReportVersion": 2, "metadata": {"vulnerabilities": counts}}))
        found = await self.read(open_platform, vulnerability_report=report)
        assert [found[level].value for level in self.LEVELS] == [0, 1, 2, 8]

    async def test_no_report_is_no_source(self, open_platform: Open) -> None:
        for value in (await self.read(open_platform)).values():
            assert value.value is None
            assert "platform.vulnerability_report is not set" in (value.reason or "")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [("{", "audit.json is not JSON"), ("{}", "nothing at /metadata"), ('{"metadata": []}', "nothing at")],
    )
    async def test_a_bad_report_is_said_in_one_line(
        self, open_platform: Open, tmp_path: Path, text: str, reason: str
    ) -> None:
        report = tmp_path / "audit.json"
        report.write_text(text)
        for value in (await self.read(open_platform, vulnerability_report=report)).values():
            assert value.value is None
            assert reason in (value.reason or "")

    async def test_a_report_that_is_gone(self, open_platform: Open, tmp_path: Path) -> None:
        found = await self.read(open_platform, vulnerability_report=tmp_path / "audit.json")
        assert found["high"].reason == "audit.json can't be read: No such file or directory"
