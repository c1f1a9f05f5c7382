"""Make the simulated platform's database ready: roles, schema, people, symbols and a past up to now."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from importlib import resources
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from console.sandbox import market, people, seeding
from console.sandbox.roles import ensure_roles


async def install(
    database_url: str,
    password: str | None,
    *,
    app_password: str,
    reader_password: str,
    ops_password: str | None = None,
    deploy_password: str | None = None,
    now: datetime,
    hours: int = 26,
) -> None:
    """Bring the platform's database to the state that `serve` needs; a superuser's URL and password.

    The database is created when it is missing. On the first run `hours` of history are made up, later only what
    is missing since the last order (at most `hours`). Roles get the passwords given; without `ops_password` or
    `deploy_password` these can't log in. Raises asyncpg's errors.
    """
    await _ensure_database(database_url, password)
    connection = await asyncpg.connect(database_url, password=password, timeout=10)
    try:
        await connection.execute("SET synchronous_commit = off; SET client_min_messages = warning")
        await ensure_roles(
            connection,
            app_password=app_password,
            reader_password=reader_password,
            ops_password=ops_password,
            deploy_password=deploy_password,
        )
        async with connection.transaction():
            # Two starters on one database: the second waits and finds everything done.
            await connection.execute("SELECT pg_advisory_xact_lock(7305221)")
            fresh = await connection.fetchval("SELECT to_regclass('public.orders') IS NULL")
            if fresh:
                await connection.execute(_sql("schema.sql"))
            await connection.execute(_sql("operations.sql"))
            await _ensure_people(connection, app_password, now)
            await _ensure_symbols(connection)
            last = None if fresh else await connection.fetchval("SELECT max(created_at) FROM orders")
            start = max(last or now - timedelta(hours=hours), now - timedelta(hours=hours))
            await seeding.seed(connection, start=start, now=now, first=fresh)
            if fresh:
                await connection.execute(_sql("indexes.sql"))
        await connection.execute("ANALYZE orders, profiles, user_sessions, auth_audit_log")
    finally:
        await connection.close()


async def _ensure_database(database_url: str, password: str | None) -> None:
    parts = urlsplit(database_url)
    name = parts.path.lstrip("/")
    connection = await asyncpg.connect(
        urlunsplit(parts._replace(path="/postgres")), password=password, timeout=10
    )
    try:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            quoted = '"' + name.replace('"', '""') + '"'
            await connection.execute(f"CREATE DATABASE {quoted} ENCODING 'UTF8' TEMPLATE template0")
    finally:
        await connection.close()


async def _ensure_people(connection: asyncpg.Connection, app_password: str, now: datetime) -> None:
    """Everybody exists with their present password, unless they have changed it; a few have opened their account
    within the last day."""
    everybody = people.everybody()
    salt = secrets.token_hex(8)
    emails = [p.email for p in everybody]
    digests = [people.digest(salt, people.password(app_password, email)) for email in emails]
    joined = [now - timedelta(minutes=31 * p.index + 7) for p in everybody]
    await connection.execute(
        """
        INSERT INTO auth.users (id, email, salt, digest, created_at)
        SELECT id, email, $3, digest, joined
        FROM unnest($1::uuid[], $2::text[], $4::text[], $5::timestamptz[]) AS p (id, email, digest, joined)
        ON CONFLICT (id) DO UPDATE SET salt = excluded.salt, digest = excluded.digest
        WHERE users.password_changed_at IS NULL
        """,
        [p.id for p in everybody], emails, salt, digests, joined,
    )  # fmt: skip
    await connection.execute(
        """
        INSERT INTO profiles (id, email, full_name, account_tier, balance, equity, created_at)
        SELECT id, email, name, CASE WHEN n % 9 = 0 THEN 'premium' ELSE 'standard' END, balance, balance, joined
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::float8[]::numeric[])
             WITH ORDINALITY AS p (id, email, name, joined, balance, n)
        ON CONFLICT (id) DO NOTHING
        """,
        [p.id for p in everybody], emails, [p.name for p in everybody], joined,
        [20_000 + (p.index * 7919) % 180_000 for p in everybody],
    )  # fmt: skip
    # An account that owns nothing, for checking in production that an order without funds is refused; and the
    # platform's own staff, who don't trade.
    others = (
        (people.SYNTHETIC_EMAIL, "Synthetic Check", "synthetic"),
        *((m, n, "staff") for m, n in people.STAFF),
    )
    for index, (email, name, tier) in enumerate(others, people.POPULATION):
        who = people.person(index).id
        plain = people.password(app_password, email)
        await connection.execute(
            "INSERT INTO auth.users (id, email, salt, digest, created_at) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (id) DO UPDATE SET salt = excluded.salt, digest = excluded.digest "
            "WHERE users.password_changed_at IS NULL",
            who, email, salt, people.digest(salt, plain), now - timedelta(days=90),
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO profiles (id, email, full_name, account_tier, created_at) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (id) DO NOTHING",
            who, email, name, tier, now - timedelta(days=90),
        )  # fmt: skip


async def _ensure_symbols(connection: asyncpg.Connection) -> None:
    await connection.executemany(
        """
        INSERT INTO symbols (symbol, rank, name, asset_class, provider, base_price, leverage, max_notional, halted)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 50000, $8) ON CONFLICT (symbol) DO NOTHING
        """,
        [
            (
                s.symbol,
                s.rank,
                s.name,
                s.asset_class,
                s.provider,
                s.base_price,
                s.leverage,
                s.symbol == market.HALTED,
            )
            for s in market.SYMBOLS
        ],
    )


def _sql(name: str) -> str:
    return resources.files("console.sandbox").joinpath(name).read_text()
