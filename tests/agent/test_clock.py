"""A platform whose clock is ten seconds ahead of the store's: windows follow the platform, ticks the store."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from console.processes.postgres import EmbeddedPostgres
from console.sandbox import install
from tests.agent.conftest import Watch

READER = "of the reader"
AHEAD = timedelta(seconds=10)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the platform's own: its roles are the whole server's."""
    server = EmbeddedPostgres(tmp_path / "platform")
    server.start()
    yield server
    server.stop()


def test_a_platform_clock_that_is_ahead_loses_no_order(
    watch: Watch, elsewhere: EmbeddedPostgres, until: Callable[..., Any]
) -> None:
    url = elsewhere.url("platform")
    asyncio.run(_platform(elsewhere, url))
    secret = watch.folder / "reader"
    secret.write_text(READER)
    secret.chmod(0o600)
    reader = url.replace("postgres@", "platform_reader@")
    watch.extra = f'[platform]\ndatabase_url = "{reader}"\ndatabase_password_file = "{secret}"\n'
    watch.agent("a1")

    def rate() -> float | None:
        rows = watch.sql(
            """
            SELECT t.at, t.numbers[array_position(c.names, 'error_rate')] AS rate,
                   t.numbers[array_position(c.names, 'avg_execution_time')] AS mean
            FROM console.tick AS t JOIN console.catalogue AS c ON c.id = t.catalogue_id ORDER BY t.at DESC LIMIT 1
            """
        )
        if not rows or rows[0]["rate"] is None:
            return None
        assert rows[0]["at"] <= datetime.now(UTC) + timedelta(seconds=1), "a tick is of the store's clock"
        assert rows[0]["mean"] == 200.0
        return rows[0]["rate"]

    assert until(rate, 30) == 25.0


async def _platform(postgres: EmbeddedPostgres, url: str) -> None:
    """Orders of just now by a clock that is ahead, as the reader's own now() says too."""
    await install.install(
        url, postgres.password, app_password="x", reader_password=READER, now=datetime.now(UTC), hours=0
    )
    connection = await asyncpg.connect(url, password=postgres.password)
    try:
        await connection.execute(
            """
            CREATE SCHEMA ahead;
            CREATE FUNCTION ahead.now() RETURNS timestamptz LANGUAGE sql STABLE
                AS $$ SELECT pg_catalog.now() + interval '10 seconds' $$;
            GRANT USAGE ON SCHEMA ahead TO platform_reader;
            """
        )
        database = url.rpartition("/")[2]
        await connection.execute(
            f'ALTER ROLE platform_reader IN DATABASE "{database}" SET search_path = ahead, pg_catalog, public'
        )
        await connection.executemany(
            """
            INSERT INTO orders
                (user_id, symbol, order_type, side, quantity, status, execution_time, created_at, executed_at)
            SELECT p.id, s.symbol, 'market', 'buy', 1, $1, 200, $2, $2
            FROM (SELECT id FROM profiles LIMIT 1) AS p, (SELECT symbol FROM symbols LIMIT 1) AS s
            """,
            [
                (status, datetime.now(UTC) + AHEAD)
                for status in ("executed", "executed", "executed", "failed")
            ],
        )
    finally:
        await connection.close()
