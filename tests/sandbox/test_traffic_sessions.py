"""What the simulated people do when operators end their sessions, suspend them or reset their passwords."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.sandbox.platform import Platform


@pytest.fixture(scope="module")
def lively(cluster: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with traffic whose people renew their tokens all the time."""
    made = Platform(cluster, tmp_path_factory.mktemp("lively"), "lively_platform")
    made.config = replace(made.config, refresh_s=0.5)
    made.config_file.write_text(json.dumps(asdict(made.config)))
    asyncio.run(made.install(hours=0))
    made.start()
    traffic = made.spawn("traffic")
    yield made
    traffic.terminate()
    try:
        traffic.wait(10)
    except subprocess.TimeoutExpired:
        traffic.kill()
    made.stop()


async def busy_people(platform: Platform, count: int, wait_for: Any) -> list[str]:
    """Ids of people who have a session and have ordered."""
    query = (
        "SELECT array_agg(user_id::text) FROM (SELECT DISTINCT user_id FROM orders JOIN auth.sessions USING (user_id) "
        "JOIN profiles AS p ON p.id = user_id WHERE account_status = 'active' LIMIT $1) AS u"
    )

    async def enough() -> list[str] | None:
        found = await platform.value(query, count)
        return found if found and len(found) == count else None

    return await wait_for(enough, timeout=60)


async def test_who_loses_the_session_logs_in_again(lively: Platform, wait_for: Any) -> None:
    gone = await busy_people(lively, 60, wait_for)
    await lively.execute("DELETE FROM auth.sessions WHERE user_id = ANY ($1::uuid[])", gone)
    query = "SELECT count(DISTINCT user_id) FROM auth.sessions WHERE user_id = ANY ($1::uuid[])"

    async def back() -> bool:
        return await lively.value(query, gone) >= 10

    await wait_for(back, timeout=60)
    failures = (
        "SELECT count(*) FROM auth_audit_log "
        "WHERE action = 'authentication_failure' AND user_id = ANY ($1::uuid[])"
    )
    assert await lively.value(failures, gone) <= 2, "a mistyped password at most"


async def test_who_is_suspended_is_refused_and_does_not_insist(lively: Platform, wait_for: Any) -> None:
    out = await busy_people(lively, 40, wait_for)
    async with lively.sql() as connection, connection.transaction():
        await connection.execute(
            "UPDATE profiles SET account_status = 'suspended' WHERE id = ANY ($1::uuid[])", out
        )
        await connection.execute("DELETE FROM auth.sessions WHERE user_id = ANY ($1::uuid[])", out)
        since = await connection.fetchval("SELECT clock_timestamp()")
    # 15 s of traffic, by its own count.
    later = "SELECT count(*) FROM orders WHERE created_at > $1"

    async def went_on() -> bool:
        return await lively.value(later, since) >= 300

    await wait_for(went_on, timeout=90)
    executed = (
        "SELECT count(*) FROM orders "
        "WHERE user_id = ANY ($1::uuid[]) AND created_at > $2::timestamptz + interval '1 s'"
    )
    assert await lively.value(executed, out, since) == 0
    refused = """
        SELECT (SELECT count(*) FROM order_audit_log WHERE action = 'order_refused' AND user_id = ANY ($1::uuid[])
                AND created_at > $2)
             + (SELECT count(*) FROM auth_audit_log WHERE action = 'authentication_failure'
                AND user_id = ANY ($1::uuid[]) AND created_at > $2)
    """
    assert 1 <= await lively.value(refused, out, since) <= 2 * len(out)


async def test_whose_password_was_reset_follows_the_mail(lively: Platform, wait_for: Any) -> None:
    victims = await busy_people(lively, 30, wait_for)
    for user_id in victims:
        async with lively.client(token=lively.service_key) as client:
            path = f"/auth/v1/admin/users/{user_id}"
            email = (await client.get(path)).json()["email"]
            assert (await client.put(path, json={"password": "nobody knows"})).status_code == 200
            assert (await client.post("/auth/v1/recover", json={"email": email})).status_code == 200
    query = (
        "SELECT count(*) FROM sandbox.outbox JOIN auth.users ON email = recipient "
        "JOIN auth.sessions ON user_id = users.id WHERE used_at IS NOT NULL AND users.id = ANY ($1::uuid[])"
    )

    async def back() -> bool:
        return await lively.value(query, victims) >= 3

    await wait_for(back, timeout=90)
