"""Every table of a diagnosis against SQL written here, on a platform's database that holds still."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from console.domain.alert import Alert, Phase
from console.domain.diagnosis import Diagnosis, Sample, Section, matches, narrowing
from console.domain.errors import Misuse
from console.domain.event import Severity
from console.gateway.platform import Platform
from console.monitors.diagnosis import Diagnostician
from console.store.diagnoses import LARGEST, encode

Open = Callable[..., Platform]
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# 1,200 orders of the last four minutes (inside the window) and 800 of the six before it (outside).
ORDERS = """
    INSERT INTO orders (user_id, symbol, order_type, side, quantity, status, execution_time, failure_reason,
                        created_at, executed_at)
    SELECT (SELECT id FROM profiles ORDER BY id OFFSET n % 11 LIMIT 1),
           (ARRAY['EURUSD', 'AAPL', 'BTCUSD', 'GBPUSD', 'TSLA'])[1 + n % 5], 'market', 'buy', 1 + n % 7, status,
           CASE WHEN n % 300 = 4 THEN 'NaN'::float8 WHEN status <> 'cancelled' THEN 50 + (n * 7919) % 900 END,
           CASE WHEN status = 'failed'
                THEN (ARRAY['venue timeout', 'venue timeout', 'insufficient funds', ''])[1 + n % 4] END,
           at, CASE WHEN status <> 'cancelled' THEN at END
    FROM (
        SELECT n,
               CASE WHEN n % 9 IN (1, 2) THEN 'failed' WHEN n % 31 = 5 THEN 'cancelled' ELSE 'executed' END AS status,
               now() - CASE WHEN n <= 1200 THEN n * interval '0.2 seconds'
                       ELSE interval '7 minutes' + (n - 1200) * interval '0.4 seconds' END AS at
        FROM generate_series(1, 2000) AS n
    ) AS made
"""
LOGS = """
    INSERT INTO function_logs (at, function, level, message, user_id, request_id)
    SELECT executed_at + interval '3 milliseconds', 'execute-order',
           CASE WHEN failure_reason = 'venue timeout' THEN 'error' ELSE 'warning' END,
           'order failed: buy 1 ' || symbol || ', ' || failure_reason, user_id, 'r-' || id
    FROM orders WHERE status = 'failed'
    UNION ALL
    SELECT executed_at, 'execute-order', 'info', 'order executed: buy 1 EURUSD in ' || round(execution_time) || ' ms',
           user_id, NULL
    FROM orders WHERE status = 'executed' AND execution_time < 'infinity'
    UNION ALL
    SELECT now() - n * interval '10 seconds', 'get-stock-price', 'warning',
           'market-data-b: no answer in ' || n || ' ms', NULL, NULL
    FROM generate_series(1, 12) AS n;
    INSERT INTO order_audit_log (order_id, user_id, action, details, ip_address, created_at)
    SELECT id, user_id, 'order_failed', jsonb_build_object('code', 'venue_error', 'reason', failure_reason),
           '203.0.113.9', executed_at
    FROM orders WHERE status = 'failed'
"""


@pytest.fixture
async def filled(admin: asyncpg.Connection) -> asyncpg.Connection:
    await admin.execute("DELETE FROM orders; DELETE FROM function_logs; DELETE FROM order_audit_log")
    await admin.execute(ORDERS)
    await admin.execute(LOGS)
    return admin


@pytest.fixture
async def diagnostician(reader: dict, open_platform: Open) -> AsyncIterator[Callable[..., Diagnostician]]:
    made: list[Diagnostician] = []

    def make(*args: object, **more: object) -> Diagnostician:
        settings = {**reader, **{k: v for k, v in more.items() if k == "database_url"}}
        made.append(
            Diagnostician(
                open_platform(**settings),
                *args,  # pyright: ignore[reportArgumentType]
                **{k: v for k, v in more.items() if k not in settings},  # pyright: ignore[reportArgumentType]
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.close()


def alert(pending_at: datetime | None = None) -> Alert:
    at = pending_at or datetime.now(UTC)
    return Alert(
        7, "High Error Rate", "ERROR_RATE", Severity.WARNING, "investigate_errors", Phase.FIRING,
        "error_rate > 5%", "error rate is 6.21 %, over 5 %", at, at,
    )  # fmt: skip


def own(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    return file


def table(found: Diagnosis, title: str) -> Section:
    return next(section for section in found.sections if section.title.startswith(title))


async def rows_of(admin: asyncpg.Connection, sql: str) -> list[tuple]:
    return [
        tuple(v if v is None or isinstance(v, str) else pytest.approx(float(v)) for v in row)
        for row in await admin.fetch(sql)
    ]


FAILED = """
    SELECT {by}, count(*), 100.0 * count(*) / (SELECT count(*) FROM failed), {last}
    FROM failed AS f GROUP BY {by} ORDER BY 2 DESC, 1 LIMIT 12
"""
OF_ALL = "100.0 * count(*) / (SELECT count(*) FROM finished AS o WHERE o.{by} = f.{by})"
WITH = """
    WITH finished AS (
        SELECT symbol, user_id::text, status, CASE failure_reason WHEN '' THEN 'no reason given' ELSE failure_reason END
                   AS reason
        FROM orders WHERE executed_at >= now() - interval '5 minutes' AND status <> 'cancelled'
    ), failed AS (SELECT * FROM finished WHERE status = 'failed')
"""


async def test_errors(filled: asyncpg.Connection, diagnostician: Callable[..., Diagnostician]) -> None:
    found = await diagnostician().diagnose(alert(), "errors", datetime.now(UTC))
    assert found.kind == "errors" and found.alert_id == 7
    for title, by, last in (
        ("Failures by reason", "reason", "count(DISTINCT user_id)"),
        ("Failures by symbol", "symbol", OF_ALL.format(by="symbol")),
        ("Failures by user", "user_id", OF_ALL.format(by="user_id")),
    ):
        wanted = await rows_of(filled, WITH + FAILED.format(by=by, last=last))
        assert list(table(found, title).rows) == wanted, title
        assert len(wanted) > 1 and table(found, title).reason is None and not table(found, title).more
    assert list(table(found, "Reported by function").rows) == await rows_of(
        filled,
        """
        WITH l AS (SELECT * FROM function_logs WHERE at >= now() - interval '5 minutes' AND level <> 'info')
        SELECT function, level, count(*), 100.0 * count(*) / (SELECT count(*) FROM l)
        FROM l GROUP BY function, level ORDER BY 3 DESC
        """,
    )


async def test_the_samples_are_the_newest_of_each_reason_with_their_log_lines(
    filled: asyncpg.Connection, diagnostician: Callable[..., Diagnostician]
) -> None:
    found = await diagnostician().diagnose(alert(), "errors", datetime.now(UTC))
    ids = [sample.field("id") for sample in found.samples]
    wanted = await filled.fetch("""
        SELECT id::text FROM (
            SELECT *, row_number() OVER (PARTITION BY failure_reason ORDER BY executed_at DESC) AS n FROM orders
            WHERE status = 'failed') AS o
        ORDER BY n, executed_at DESC LIMIT 40
    """)
    assert len(ids) == 40 and set(ids) == {row["id"] for row in wanted}
    times = [str(sample.field("at")) for sample in found.samples]
    assert times == sorted(times, reverse=True) and times[0].endswith("Z")
    assert (found.samples_title, found.samples_reason, found.log_reason) == ("Failed orders", None, None)
    for sample in found.samples:
        own_lines = [line for line in sample.log if line.request == f"r-{sample.field('id')}"]
        assert [line.source for line in own_lines] == ["functions"]
        assert own_lines[0].user == sample.field("user")
        audit = [line for line in sample.log if line.source == "orders"]
        assert [(line.origin, line.level) for line in audit] == [("203.0.113.9", "warning")]
        assert audit[0].text.startswith("order failed, venue_error")
        assert [line.at for line in sample.log] == sorted(line.at for line in sample.log)
        assert len(sample.log) <= 15
    assert len(encode(found).encode()) < LARGEST
    section = table(found, "Failures by reason")
    for row in section.rows:
        by = narrowing(section, row, found.samples)
        assert by is not None and any(matches(sample, *by) for sample in found.samples)


async def test_performance(filled: asyncpg.Connection, diagnostician: Callable[..., Diagnostician]) -> None:
    await filled.execute("""
        DROP EXTENSION IF EXISTS pg_stat_statements;
        CREATE TABLE pg_stat_statements (dbid oid, query text, calls bigint, total_exec_time float8);
        INSERT INTO pg_stat_statements SELECT oid, query, calls, total FROM pg_database, (VALUES
            ('SELECT *
                FROM orders WHERE id = $1', 100, 900.0), ('UPDATE profiles SET equity = $1', 10, 3000.0),
            ('  select 1', 1000, 100.0), ('ALTER ROLE x PASSWORD ''secret''', 1, 9000.0)) AS v (query, calls, total)
            WHERE datname = current_database();
        GRANT SELECT ON pg_stat_statements TO platform_reader
    """)
    found = await diagnostician().diagnose(alert(), "performance", datetime.now(UTC))
    assert table(found, "Slowest queries").rows == (
        ("UPDATE profiles SET equity = $1", 10, pytest.approx(300), pytest.approx(75)),
        ("SELECT * FROM orders WHERE id = $1", 100, pytest.approx(9), pytest.approx(22.5)),
        ("select 1", 1000, pytest.approx(0.1), pytest.approx(2.5)),
    )
    assert list(table(found, "Latency by symbol").rows) == await rows_of(
        filled,
        """
        SELECT symbol, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY execution_time),
               percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_time)
        FROM orders WHERE executed_at >= now() - interval '5 minutes' AND status = 'executed'
            AND execution_time <> 'NaN' GROUP BY symbol ORDER BY 4 DESC
        """,
    )
    functions = {row[0]: row[1:] for row in table(found, "Slowest functions").rows}
    (wanted,) = await rows_of(
        filled,
        """
        SELECT count(*), avg(round(execution_time)), percentile_cont(0.95) WITHIN GROUP (ORDER BY round(execution_time))
        FROM orders WHERE executed_at >= now() - interval '5 minutes' AND status = 'executed'
            AND execution_time <> 'NaN'
        """,
    )
    assert functions["execute-order"] == wanted
    assert functions["get-stock-price"] == (12, pytest.approx(6.5), pytest.approx(11.45))
    slowest = await filled.fetch("""
        SELECT id::text FROM orders WHERE executed_at >= now() - interval '5 minutes' AND status = 'executed'
            AND execution_time <> 'NaN' ORDER BY execution_time DESC, id LIMIT 30
    """)
    assert {sample.field("id") for sample in found.samples} == {row["id"] for row in slowest}


async def test_latency_by_hour_reads_a_bounded_share_of_each(
    filled: asyncpg.Connection, diagnostician: Callable[..., Diagnostician]
) -> None:
    await filled.execute("""
        INSERT INTO orders (user_id, symbol, order_type, side, quantity, status, execution_time, executed_at)
        SELECT (SELECT id FROM profiles LIMIT 1), 'EURUSD', 'market', 'buy', 1, 'executed',
               CASE WHEN n <= 1000 THEN h ELSE 9000 END,
               date_trunc('hour', now(), 'UTC') - h * interval '1 hour' + interval '59 minutes'
                   - n * interval '1 second'
        FROM generate_series(3, 30, 9) AS h, generate_series(1, 1500) AS n
    """)
    found = await diagnostician().diagnose(alert(), "performance", datetime.now(UTC))
    by_hour = {str(row[0]): row[1:] for row in table(found, "Latency by hour").rows}
    hour = await filled.fetchval("SELECT date_trunc('hour', now() AT TIME ZONE 'UTC')")
    for back in (3, 12, 21):
        assert by_hour[f"{hour - timedelta(hours=back):%d %b %H:00}"] == (back, back)
    assert f"{hour - timedelta(hours=30):%d %b %H:00}" not in by_hour
    assert len(by_hour) <= 25


async def test_the_window_begins_before_the_alert_was_pending_and_is_an_hour_at_most(
    filled: asyncpg.Connection, diagnostician: Callable[..., Diagnostician]
) -> None:
    # The agent's clock is not the platform's: windows are as long on both.
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    for minutes, scale, start, failed in (
        (0, 1, 5, "5 minutes"),
        (4, 1, 9, "9 minutes"),
        (0, 10, 0.5, "30 seconds"),
        (300, 1, 60, "60 minutes"),
    ):
        found = await diagnostician(time_scale=scale).diagnose(
            alert(now - timedelta(minutes=minutes)), "errors", now
        )
        assert (found.at, found.start) == (now, now - timedelta(minutes=start))
        total = sum(row[1] for row in table(found, "Failures by reason").rows)  # type: ignore[misc]
        # The boundary lies between two orders, and moves with the clock.
        wanted = await filled.fetchval(
            "SELECT count(*) FROM orders WHERE status = 'failed' AND executed_at > now() - $1::text::interval",
            failed,
        )
        assert wanted <= total <= wanted + 20, minutes


async def test_a_missing_table_is_no_source_for_its_own_section_only(
    filled: asyncpg.Connection, diagnostician: Callable[..., Diagnostician]
) -> None:
    await filled.execute("DROP TABLE function_logs")
    found = await diagnostician().diagnose(alert(), "errors", datetime.now(UTC))
    assert table(found, "Reported by function").reason == "no source: the database has no function_logs"
    assert table(found, "Reported by function").rows == ()
    assert all(s.rows for s in found.sections if s.title != "Reported by function")
    assert found.log_reason == "no source: the database has no function_logs"
    assert {line.source for sample in found.samples for line in sample.log} == {"orders"}
    await filled.execute("DROP TABLE order_audit_log; ALTER TABLE orders DROP COLUMN failure_reason")
    found = await diagnostician().diagnose(alert(), "errors", datetime.now(UTC))
    assert table(found, "Failures by reason").reason == "no source: the database has no column failure_reason"
    assert table(found, "Failures by symbol").rows
    assert (
        found.samples == () and found.samples_reason == "no source: the database has no column failure_reason"
    )


async def test_statements_without_the_extension_and_an_empty_window_say_so(
    admin: asyncpg.Connection, diagnostician: Callable[..., Diagnostician]
) -> None:
    await admin.execute(
        "DELETE FROM orders; DELETE FROM function_logs; DROP EXTENSION IF EXISTS pg_stat_statements"
    )
    found = await diagnostician().diagnose(alert(), "performance", datetime.now(UTC))
    assert {s.title.split()[-1]: s.reason for s in found.sections} == {
        "functions": "no function's log tells how long it took",
        "began": "no source: the database has no pg_stat_statements",
        "symbol": "no order was executed in the window",
        "each": "no order was executed in the last 24 hours",
    }
    assert (found.samples, found.samples_reason) == ((), "no order was executed in the window")


SLOW = """
diagnoses:
  errors:
    sections:
      symbol:
        timeout: 100ms
        sql: SELECT pg_sleep(20)::text AS symbol, 1 AS failures, 1 AS share, 1 AS "fail rate"
      user: {none: users are nobody's business here}
      extra:
        title: Extra
        columns: {what: "", how many: count, money: money}
        limit: 2
        sql: SELECT 'x' || n AS what, n AS "how many", 'NaN'::numeric AS money FROM generate_series(1, 9) AS n
"""


async def test_a_slow_query_times_out_alone_and_an_own_file_changes_single_entries(
    filled: asyncpg.Connection, diagnostician: Callable[..., Diagnostician], tmp_path: Path
) -> None:
    found = await diagnostician(own(tmp_path, SLOW)).diagnose(alert(), "errors", datetime.now(UTC))
    assert [section.title for section in found.sections] == [
        "Failures by reason",
        "Failures by symbol",
        "Reported by function",
        "Failures by user",
        "Extra",
    ]
    assert table(found, "Failures by symbol").reason == "timed out after 0.1 s"
    assert table(found, "Failures by user").reason == "no source: users are nobody's business here"
    assert table(found, "Failures by reason").rows and table(found, "Reported by function").rows
    extra = table(found, "Extra")
    assert (extra.rows, extra.more) == ((("x1", 1.0, None), ("x2", 2.0, None)), True)
    assert found.samples


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT 1 AS other", "the query gave no column reason"),
        ("SELECT 'x' AS reason, 'many' AS failures, 1 AS share, 1 AS users", "column failures is no number"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1 AS reason; DROP TABLE orders", 'syntax error at or near ";"'),
        ("DELETE FROM orders RETURNING 1", "syntax error"),
    ],
)
async def test_a_wrong_statement_is_the_reason_of_its_section(
    filled: asyncpg.Connection,
    diagnostician: Callable[..., Diagnostician],
    tmp_path: Path,
    sql: str,
    reason: str,
) -> None:
    file = own(tmp_path, f"diagnoses: {{errors: {{sections: {{reason: {{sql: {sql!r}}}}}}}}}")
    if "'" in sql:
        file = own(tmp_path, f'diagnoses: {{errors: {{sections: {{reason: {{sql: "{sql}"}}}}}}}}')
    found = await diagnostician(file).diagnose(alert(), "errors", datetime.now(UTC))
    assert str(table(found, "Failures by reason").reason).startswith(reason)
    assert table(found, "Failures by symbol").rows


async def test_a_database_that_is_away_or_not_configured_is_the_reason_of_everything(
    diagnostician: Callable[..., Diagnostician],
) -> None:
    for url, reason in (
        ("postgresql://x@127.0.0.1:1/x", "connection refused"),
        (None, "no source: platform.database_url is not set"),
    ):
        found = await diagnostician(database_url=url).diagnose(alert(), "performance", datetime.now(UTC))
        assert [section.reason for section in found.sections] == [reason] * 4
        assert (found.samples, found.samples_reason) == ((), reason)


async def test_hostile_names_are_printable_and_bounded(
    filled: asyncpg.Connection, diagnostician: Callable[..., Diagnostician]
) -> None:
    nasty = "\x1b]52;c;x\x07[/] [@click=app.quit]\u202e" + "y" * 3000
    await filled.execute("UPDATE orders SET failure_reason = $1 WHERE status = 'failed'", nasty)
    await filled.execute("UPDATE function_logs SET message = $1, function = $1, request_id = $1", nasty)
    found = await diagnostician().diagnose(alert(), "errors", datetime.now(UTC))
    (row,) = table(found, "Failures by reason").rows
    assert str(row[0]).startswith("␛]52;c;x␇[/] [@click=app.quit]�yyy") and len(str(row[0])) == 200
    texts = [text for sample in found.samples for _, text in sample.fields]
    texts += [
        t for sample in found.samples for line in sample.log for t in (line.text, line.origin, line.request)
    ]
    assert texts and not any(UNSAFE.search(text) or len(text) > 500 for text in texts)
    assert len(encode(found).encode()) <= LARGEST


async def test_a_cancelled_diagnosis_leaves_nothing_running(
    filled: asyncpg.Connection, diagnostician: Callable[..., Diagnostician], tmp_path: Path, wait_for
) -> None:
    made = diagnostician(own(tmp_path, SLOW.replace("100ms", "9s")))
    task = asyncio.create_task(made.diagnose(alert(), "errors", datetime.now(UTC)))
    asked = """
        SELECT count(*) FROM pg_stat_activity
        WHERE query LIKE '%pg_sleep(20)%' AND state = 'active' AND pid <> pg_backend_pid()
    """

    async def running() -> bool:
        return await filled.fetchval(asked) == 1

    async def ended() -> bool:
        return await filled.fetchval(asked) == 0

    await wait_for(running)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await wait_for(ended)
    # The driver's own request to cancel may end a moment after the query.
    await wait_for(lambda: len(asyncio.all_tasks()) <= 2)


def test_samples_know_their_fields() -> None:
    assert Sample((("a", "1"),)).field("b") is None


async def test_an_unknown_kind_is_named(diagnostician: Callable[..., Diagnostician]) -> None:
    made = diagnostician()
    assert made.kinds == {"errors", "performance"}
    with pytest.raises(Misuse, match="no diagnosis weather; there are errors, performance"):
        await made.diagnose(alert(), "weather", datetime.now(UTC))
