"""Orders and log-ins: what they leave in the database, and what row level security keeps apart."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from console.sandbox import market, people
from tests.sandbox.platform import Platform, order, somebody


async def test_an_order_is_executed_with_position_ledger_and_audit(platform: Platform) -> None:
    person = somebody()
    async with platform.client(token=platform.token(person)) as client:
        answer = await client.post("/functions/v1/execute-order", json=order("AAPL", quantity=2))
    assert answer.status_code == 200
    result = answer.json()
    async with platform.sql() as connection:
        row = await connection.fetchrow("SELECT * FROM orders WHERE id = $1", result["order_id"])
        position = await connection.fetchrow(
            "SELECT * FROM positions WHERE order_id = $1", result["order_id"]
        )
        kinds = await connection.fetch(
            "SELECT kind FROM ledger_entries WHERE order_id = $1 ORDER BY kind", result["order_id"]
        )
        audit = await connection.fetchval(
            "SELECT action FROM order_audit_log WHERE order_id = $1", result["order_id"]
        )
        held = await connection.fetchval("SELECT margin_used FROM profiles WHERE id = $1", person.id)
    assert row is not None and position is not None
    assert row["status"] == "executed" and row["symbol"] == "AAPL" and row["failure_reason"] is None
    assert row["execution_time"] == pytest.approx(result["execution_time"])
    assert row["executed_at"] > row["created_at"]
    assert (row["executed_at"] - row["created_at"]).total_seconds() * 1000 == pytest.approx(
        row["execution_time"], abs=0.01
    )
    assert position["side"] == "long" and position["status"] == "open" and held == position["margin_used"]
    assert [k["kind"] for k in kinds] == ["commission", "spread"]
    assert audit == "order_executed"


async def test_the_opposite_order_closes_the_position(platform: Platform) -> None:
    person = somebody()
    async with platform.client(token=platform.token(person)) as client:
        for side in ("buy", "sell"):
            answer = await client.post("/functions/v1/execute-order", json=order("MSFT", side=side))
            assert answer.status_code == 200, answer.text
    async with platform.sql() as connection:
        rows = await connection.fetch("SELECT status, closed_at FROM positions WHERE user_id = $1", person.id)
        held = await connection.fetchval("SELECT margin_used FROM profiles WHERE id = $1", person.id)
    assert [r["status"] for r in rows] == ["closed"] and rows[0]["closed_at"] is not None and held == 0


async def test_the_same_key_twice_at_once_makes_one_order(platform: Platform) -> None:
    person = somebody()
    async with platform.client(token=platform.token(person)) as client:
        body = order(idempotency_key="once-only")
        answers = await asyncio.gather(
            *(client.post("/functions/v1/execute-order", json=body) for _ in range(4))
        )
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["order_id"] for a in answers}) == 1
    assert sorted(a.json()["duplicate"] for a in answers) == [False, True, True, True]
    assert await platform.value("SELECT count(*) FROM orders WHERE user_id = $1", person.id) == 1


FAILING: list[tuple[dict[str, Any], str, str]] = [
    ({"symbol": "BTCUSD", "quantity": 900.0}, "insufficient_funds", "insufficient funds"),
    ({"symbol": "EURUSD", "quantity": 90_000.0}, "risk_limit", "risk limit exceeded"),
    ({"symbol": "EURUSD", "price": 0.5}, "price_moved", "price moved beyond the limit"),
    ({"symbol": market.HALTED, "quantity": 1.0}, "symbol_halted", f"trading halted for {market.HALTED}"),
]


@pytest.mark.parametrize(("changes", "code", "reason"), FAILING)
async def test_orders_that_fail_are_kept_with_their_reason(
    platform: Platform, changes: dict[str, Any], code: str, reason: str
) -> None:
    person = somebody()
    owned = "SELECT count(*) FROM positions WHERE user_id = $1"
    async with platform.sql() as connection:
        before = await connection.fetchval(owned, person.id)
        async with platform.client(token=platform.token(person)) as client:
            answer = await client.post("/functions/v1/execute-order", json=order(**changes))
        assert answer.status_code == 422 and answer.json()["error"]["code"] == code
        row = await connection.fetchrow(
            "SELECT * FROM orders WHERE user_id = $1 ORDER BY created_at DESC LIMIT 1", person.id
        )
        assert await connection.fetchval(owned, person.id) == before
    assert row is not None and row["status"] == "failed" and row["failure_reason"] == reason
    assert row["executed_at"] is not None and row["execution_time"] > 0


async def test_a_limit_order_rests_and_can_be_cancelled_by_its_owner_only(platform: Platform) -> None:
    owner, other = somebody(), somebody()
    body = order("NVDA", order_type="limit", price=1.0)
    async with platform.client(token=platform.token(owner)) as client:
        resting = (await client.post("/functions/v1/execute-order", json=body)).json()
        assert resting["outcome"] == "pending"
        async with platform.client(token=platform.token(other)) as stranger:
            path = f"/api/orders/{resting['order_id']}/cancel"
            assert (await stranger.post(path)).status_code == 404
        assert (await client.post("/api/orders/not-an-id/cancel")).status_code == 404
        assert (await client.post(path)).status_code == 200
        assert (await client.post(path)).status_code == 404
    status = await platform.value("SELECT status FROM orders WHERE id = $1", resting["order_id"])
    assert status == "cancelled"


async def test_the_synthetic_account_is_refused_and_leaves_one_audit_entry_per_key(
    platform: Platform,
) -> None:
    password = people.password(platform.config.database_password, people.SYNTHETIC_EMAIL)
    async with platform.client() as client:
        session = await client.post(
            "/auth/v1/token?grant_type=password", json={"email": people.SYNTHETIC_EMAIL, "password": password}
        )
        assert session.status_code == 200, session.text
        headers = {"Authorization": f"Bearer {session.json()['access_token']}"}
        body = order(quantity=0.01, idempotency_key="validation-1")
        answers = [
            await client.post("/functions/v1/execute-order", json=body, headers=headers) for _ in range(2)
        ]
    user_id = session.json()["user"]["id"]
    assert [a.status_code for a in answers] == [422, 422]
    assert answers[0].json()["error"]["code"] == "insufficient_funds"
    assert await platform.value("SELECT count(*) FROM orders WHERE user_id = $1", user_id) == 0
    refused = "SELECT count(*) FROM order_audit_log WHERE user_id = $1 AND action = 'order_refused'"
    assert await platform.value(refused, user_id) == 1


async def test_one_person_reads_no_row_of_another(platform: Platform) -> None:
    mine, other = somebody(), somebody()
    for person in (mine, other):
        async with platform.client(token=platform.token(person)) as client:
            assert (await client.post("/functions/v1/execute-order", json=order())).status_code == 200
    async with platform.client(token=platform.token(mine)) as client:
        assert len((await client.get("/api/orders/history")).json()["orders"]) == 1
        assert len((await client.get("/api/positions")).json()["positions"]) == 1
        assert (await client.get("/api/user/profile")).json()["id"] == mine.id
    async with platform.sql() as connection, connection.transaction():
        await connection.execute(
            "SELECT set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
            json.dumps({"sub": mine.id}),
        )
        for table in ("orders", "positions", "user_sessions", "order_audit_log", "ledger_entries"):
            found = await connection.fetchval(f"SELECT count(*) FROM {table} WHERE user_id = $1", other.id)
            assert found == 0, table
        assert await connection.fetchval("SELECT count(*) FROM profiles") == 1
        assert await connection.fetchval("SELECT count(*) FROM blocked_ips") == 0


async def test_every_public_table_has_row_level_security_and_a_policy(platform: Platform) -> None:
    async with platform.sql() as connection:
        rows = await connection.fetch(
            "SELECT c.relname, c.relrowsecurity, count(p.polname) AS policies FROM pg_class AS c "
            "LEFT JOIN pg_policy AS p ON p.polrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace "
            "AND c.relkind = 'r' GROUP BY 1, 2"
        )
    assert len(rows) >= 14
    assert [r["relname"] for r in rows if not r["relrowsecurity"] or not r["policies"]] == []


async def test_the_readers_role_reads_everything_and_writes_nothing(platform: Platform) -> None:
    async with platform.sql("platform_reader") as connection:
        assert await connection.fetchval("SELECT count(*) FROM orders") > 0
        assert await connection.fetchval("SELECT count(*) FROM supabase_migrations.schema_migrations") > 0
        checks = await connection.fetch("SELECT * FROM test_procedures()")
        assert len(checks) == 5 and all(c["ok"] for c in checks)
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("UPDATE profiles SET balance = 0")
        await connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM orders")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT digest FROM auth.users")


async def test_a_log_in_opens_a_session_and_a_log_out_ends_it(platform: Platform, wait_for: Any) -> None:
    person = somebody()
    password = people.password(platform.config.database_password, person.email)
    async with platform.client() as client:
        answer = await client.post(
            "/auth/v1/token?grant_type=password", json={"email": person.email, "password": password}
        )
        assert answer.status_code == 200 and answer.json()["token_type"] == "bearer"
        state = "SELECT status FROM user_sessions WHERE user_id = $1"
        assert await platform.value(state, person.id) == "active"
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert (await client.get("/auth/v1/user", headers=headers)).json()["email"] == person.email
        assert (await client.post("/auth/v1/logout", headers=headers)).status_code == 204
        assert await platform.value(state, person.id) == "ended"
    logged = "SELECT count(*) FROM auth_logs WHERE user_id = $1 AND message = 'log-in'"

    async def written() -> bool:
        return await platform.value(logged, person.id) == 1

    await wait_for(written)


@pytest.mark.parametrize(("known", "plain"), [(True, "wrong"), (False, "wrong"), (True, "")])
async def test_a_failed_log_in_is_400_and_in_the_audit_log(
    platform: Platform, known: bool, plain: str
) -> None:
    from tests.sandbox.platform import fresh_address

    person, address = somebody(), fresh_address()
    email = person.email if known else "nobody@mail.example"
    async with platform.client(address=address) as client:
        answer = await client.post(
            "/auth/v1/token?grant_type=password", json={"email": email, "password": plain}
        )
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid_credentials"
    async with platform.sql() as connection:
        row = await connection.fetchrow(
            "SELECT action, user_id FROM auth_audit_log WHERE ip_address = $1::inet", address
        )
    assert row is not None and row["action"] == "authentication_failure"
    assert (row["user_id"] is not None) == known


async def test_an_export_is_in_the_audit_log(platform: Platform, wait_for: Any) -> None:
    person = somebody()
    async with platform.client(token=platform.token(person)) as client:
        answer = await client.get("/api/orders/history?format=csv")
        assert answer.headers["content-type"].startswith("text/csv")
        assert (await client.get("/api/orders/history?limit=999")).status_code == 422
    query = "SELECT count(*) FROM auth_audit_log WHERE action = 'data_export' AND user_id = $1"

    async def written() -> bool:
        return await platform.value(query, person.id) == 1

    await wait_for(written)


async def test_risk_monitoring_tells_people_their_own_exposure(platform: Platform) -> None:
    person = somebody()
    async with platform.client(token=platform.token(person)) as client:
        await client.post("/functions/v1/execute-order", json=order("KO", quantity=3))
        risk = (await client.post("/functions/v1/risk-monitoring", json={})).json()
    # Somebody may have positions from the time before.
    query = "SELECT count(*) FROM positions WHERE user_id = $1 AND status = 'open'"
    assert risk["open_positions"] == await platform.value(query, person.id) > 0
    assert risk["exposure"] > 0 and risk["margin_level_pct"] > 100
