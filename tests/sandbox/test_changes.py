"""The console's writing door against the running platform: each change is asked of the platform, over HTTP, and
counted in its own log of effects."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from console.domain.errors import SourceFailed, Unknown
from console.domain.network import Network
from console.gateway.blocklist import ACTIVITY
from console.gateway.changes import Changes
from console.sandbox import people
from console.sandbox.edge import REF
from console.sandbox.firewall import PROJECT, TEAM
from console.sections import PlatformSettings
from tests.gateway import servers
from tests.sandbox.platform import Platform, order, somebody
from tests.sandbox.test_gotrue import log_in, renew

_V6 = iter(range(1, 100))


def settings_of(platform: Platform, **changes: Any) -> PlatformSettings:
    return PlatformSettings.model_validate(
        {
            "base_url": platform.config.base_url,
            "ops_database_url": platform.cluster.url(platform.database, "platform_ops"),
            "ops_database_password": SecretStr(platform.ops_password),
            "service_key": SecretStr(platform.service_key),
            "vercel_url": platform.config.base_url,
            "vercel_project": PROJECT,
            "vercel_team": TEAM,
            "vercel_token": SecretStr(platform.vercel_token),
            "supabase_url": platform.config.base_url,
            "supabase_project": REF,
            "supabase_token": SecretStr(platform.supabase_token),
            "deploy_database_url": platform.cluster.url(platform.database, "platform_deploy"),
            "deploy_database_password": SecretStr(platform.deploy_password),
        }
        | changes
    )


@pytest.fixture
async def lines() -> list[str]:
    return []


@pytest.fixture
async def changes(platform: Platform, lines: list[str]) -> AsyncIterator[Changes]:
    made = Changes.open(settings_of(platform))
    yield made.traced(lines.append)
    await made.close()


def fresh_network() -> Network:
    return ipaddress.ip_network(f"2001:db8:abcd:{next(_V6):x}::/64")


def later(hours: float = 24) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


async def status(platform: Platform, network: Network, path: str) -> int:
    async with platform.client(token=platform.anon, address=str(network[5])) as client:
        return (await client.get(path)).status_code


async def test_a_block_blocks_twice_is_one_row_and_its_undo_lets_in_again(
    platform: Platform, changes: Changes, lines: list[str], wait_for: Any
) -> None:
    network = fresh_network()
    assert await changes.is_blocked(network) is None
    first = await changes.block(network, "it's an attack", later(1))
    end = later(2)
    again = await changes.block(network, "still", end)
    assert (again.created_at, again.reason, again.expires_at) == (first.created_at, "still", end)
    assert await platform.value("SELECT count(*) FROM blocked_ips WHERE network = $1", network) == 1
    query = "SELECT count(*) FROM sandbox.effect_log WHERE target = $1 AND (detail ->> 'changed')::boolean"
    assert await platform.value(query, str(network)) == 1

    async def refused() -> bool:
        return await status(platform, network, "/health") == 403

    await wait_for(refused, timeout=5)
    assert await status(platform, network, "/status") == 200, "the edge is Vercel's"
    assert await changes.is_blocked(ipaddress.ip_network(f"{network[9]}/128")) == again
    assert await changes.unblock(network) == 1 and await changes.unblock(network) == 0

    async def taken() -> bool:
        return await status(platform, network, "/health") == 200

    await wait_for(taken, timeout=5)
    assert len(lines) == 4 and "'it''s an attack'" in lines[0] and lines[0].startswith("BEGIN; ")
    assert lines[2] == f"DELETE FROM blocked_ips WHERE network = '{network}' RETURNING id"


async def test_a_block_ends_by_itself(platform: Platform, changes: Changes, wait_for: Any) -> None:
    network = fresh_network()
    await changes.block(network, "short", datetime.now(UTC) + timedelta(seconds=3))

    async def is_now(code: int) -> bool:
        return await status(platform, network, "/health") == code

    await wait_for(lambda: is_now(403), timeout=5)
    await wait_for(lambda: is_now(200), timeout=10)
    assert await changes.is_blocked(network) is None


async def test_ten_who_block_the_same_at_once_leave_one_row(platform: Platform, changes: Changes) -> None:
    network = fresh_network()
    await asyncio.gather(*(changes.block(network, f"reason {n}", later()) for n in range(10)))
    assert await platform.value("SELECT count(*) FROM blocked_ips WHERE network = $1", network) == 1
    await changes.unblock(network)


async def test_vercel_denies_once_and_allows_again(
    platform: Platform, changes: Changes, lines: list[str]
) -> None:
    network = fresh_network()
    rule = await changes.deny(network, "note")
    assert await changes.deny(network, "other note") == rule
    assert await platform.effects("ip.insert", str(network)) == 1
    inside = ipaddress.ip_network(f"{network[3]}/128")
    assert [(d.id, d.network, d.notes) for d in await changes.denied(inside)] == [(rule, network, "note")]
    assert await status(platform, network, "/status") == 403
    assert await status(platform, network, "/health") == 200, "the functions are the platform's"
    assert await changes.allow(network) == 1 and await changes.allow(network) == 0
    assert await status(platform, network, "/status") == 200
    single = ipaddress.ip_network("198.18.200.1/32")
    await changes.deny(single, "one")
    assert await changes.allow(single) == 1
    assert lines[0] == (
        f"PATCH {platform.config.base_url}/v1/security/firewall/config?projectId={PROJECT}&teamId={TEAM} "
        '{"action": "ip.insert", "id": null, "value": '
        f'{{"ip": "{network}", "hostname": "*", "action": "deny", "notes": "note"}}}}'
    )


async def test_suspending_in_all_its_parts_and_back(platform: Platform, changes: Changes) -> None:
    person = somebody()
    session = (await log_in(platform, person)).json()

    async def place() -> tuple[int, Any]:
        async with platform.client(token=session["access_token"]) as client:
            answer = await client.post("/functions/v1/execute-order", json=order())
        return answer.status_code, answer.json().get("error", {}).get("code")

    assert (await place())[0] == 200
    until = await changes.ban(person.id, timedelta(hours=24))
    assert until is not None and until == await changes.banned_until(person.id)
    assert await changes.session_count(person.id) == 1
    ended = await changes.delete_sessions(person.id)
    assert (ended.deleted, ended.ended) == (1, 1) and await changes.session_count(person.id) == 0
    assert (await renew(platform, session["refresh_token"])).status_code == 400
    assert (await place())[0] == 200, "the token lives on until the status is set"
    assert await changes.set_account_status(person.id, "suspended") == "active"
    assert await changes.set_account_status(person.id, "suspended") == "suspended"
    assert await platform.effects("account_status", person.id) == 1
    assert await changes.account_status(person.id) == "suspended"
    assert await place() == (403, "account_suspended")
    assert (await log_in(platform, person)).status_code == 403
    assert await changes.ban(person.id, None) is None and await changes.banned_until(person.id) is None
    await changes.set_account_status(person.id, "active")
    assert (await place())[0] == 200 and (await log_in(platform, person)).status_code == 200


async def test_a_password_is_reset_and_the_owner_gets_mail(
    platform: Platform, changes: Changes, lines: list[str]
) -> None:
    person = somebody()
    session = (await log_in(platform, person)).json()
    assert await changes.recovery_sent_at(person.id) is None
    await changes.reset_password(person.id, person.email)
    assert await changes.recovery_sent_at(person.id) is not None
    assert (await log_in(platform, person)).status_code == 400
    assert (await renew(platform, session["refresh_token"])).status_code == 400
    assert await platform.effects("recover", person.email) == 1
    assert [line.rpartition(" {")[2] for line in lines] == [
        '"password": "********"}', f'"email": "{person.email}"}}'
    ]  # fmt: skip


async def test_flags_and_maintenance(platform: Platform, changes: Changes, wait_for: Any) -> None:
    token = platform.token(somebody())

    async def answers(code: int) -> bool:
        async with platform.client(token=token) as client:
            return (await client.get("/api/positions")).status_code == code

    before = await platform.effects("flag", "maintenance")
    assert await changes.set_flag("maintenance", True) is False
    assert await changes.set_flag("maintenance", True) is True
    try:
        assert await changes.flag("maintenance") is True

        await wait_for(lambda: answers(503), timeout=5)
    finally:
        assert await changes.set_flag("maintenance", False) is True
    await wait_for(lambda: answers(200), timeout=5)
    assert await platform.effects("flag", "maintenance") == before + 2
    with pytest.raises(SourceFailed, match="no flag nothing"):
        await changes.set_flag("nothing", True)


async def test_what_the_installation_offers_is_called_with_the_service_key(
    platform: Platform, changes: Changes, lines: list[str]
) -> None:
    assert (await changes.ops("GET", "/compute"))["size"] == "medium" and not lines
    assert (await changes.ops("PUT", "/compute", {"size": "large"}))["changed"] is True
    assert (await changes.ops("PUT", "/compute", {"size": "medium"}))["size"] == "medium"
    with pytest.raises(SourceFailed, match="HTTP 422: size: one of"):
        await changes.ops("PUT", "/compute", {"size": "huge"})
    with pytest.raises(SourceFailed, match="HTTP 404"):
        await changes.ops("GET", "/nothing")


async def test_what_a_plan_asks_about_an_address(platform: Platform, changes: Changes, wait_for: Any) -> None:
    network, begun = fresh_network(), await changes.now()
    buyer, reader = somebody(), somebody()
    for person, address in ((buyer, str(network[1])), (reader, str(network[2]))):
        password = people.password(platform.config.database_password, person.email)
        async with platform.client(address=address) as client:
            for plain in ("wrong", "wrong again", password):
                answer = await client.post(
                    "/auth/v1/token?grant_type=password", json={"email": person.email, "password": plain}
                )
                assert answer.status_code == (200 if plain == password else 400)
        if person is buyer:
            token = answer.json()["access_token"]
            async with platform.client(address=address, token=token) as client:
                for _ in range(2):
                    placed = await client.post("/functions/v1/execute-order", json=order())
                    assert placed.status_code == 200
    async with platform.client(address=str(network[3])) as client:
        await client.post(
            "/auth/v1/token?grant_type=password", json={"email": "no@one.example", "password": "x"}
        )
    seen = await changes.activity(network)
    assert [(s.email, s.orders, s.successes) for s in seen.users] == [
        (buyer.email, 2, 1),
        (reader.email, 0, 1),
    ]
    assert (seen.user_count, seen.orders, seen.failures, seen.successes, seen.users_succeeded) == (
        2,
        2,
        5,
        2,
        2,
    )
    assert seen.refused == {}
    assert await changes.failures_since(network, begun) == 5
    assert await changes.failures_since(network, await changes.now()) == 0
    single = await changes.activity(ipaddress.ip_network(f"{network[1]}/128"))
    assert (single.user_count, single.orders) == (1, 2)
    nobody = await changes.activity(fresh_network())
    assert (nobody.users, nobody.user_count, nobody.orders, nobody.refused) == ((), 0, 0, {})

    await changes.block(network, "t", later())
    await changes.deny(network, "t")
    await status(platform, network, "/status")

    async def both_layers() -> bool:
        await status(platform, network, "/health")
        return set(await changes.refused_since(network, begun)) == {"platform", "vercel"}

    await wait_for(both_layers)
    assert (await changes.activity(network)).refused == await changes.refused_since(network, begun)
    await changes.unblock(network)
    await changes.allow(network)


async def test_what_a_plan_asks_about_an_account(platform: Platform, changes: Changes) -> None:
    person = somebody()
    session = (await log_in(platform, person)).json()
    async with platform.client(token=session["access_token"]) as client:
        await client.post("/functions/v1/execute-order", json=order("AAPL"))
        await client.post("/functions/v1/execute-order", json=order("MSFT", order_type="limit", price=1.0))
    found = await changes.account(person.email)
    assert found is not None and found == await changes.account(person.id)
    assert found == await changes.account(f" {person.email.upper()} "), "an address has no upper case"
    async with platform.sql() as connection:
        row = await connection.fetchrow(
            "SELECT full_name, equity::float8, "
            "(SELECT count(*) FROM positions WHERE user_id = p.id AND status = 'open') AS positions, "
            "(SELECT count(*) FROM orders WHERE user_id = p.id AND status = 'pending') AS pending "
            "FROM profiles AS p WHERE id = $1",
            person.id,
        )
    assert row is not None and row["pending"] >= 1 and row["positions"] >= 1
    assert (found.name, found.equity, found.open_positions, found.pending_orders) == tuple(
        row[k] for k in ("full_name", "equity", "positions", "pending")
    )
    assert (found.status, found.sessions, found.staff) == ("active", 1, False)
    assert found.last_address is not None and found.last_address.startswith("2001:db8:ffff:")
    assert await changes.account("nobody@nowhere.example") is None


async def test_staff_and_who_is_the_last_of_them(platform: Platform) -> None:
    (first, _), (second, _) = people.STAFF
    trader = somebody()
    changes = Changes.open(settings_of(platform))
    try:
        found = await changes.account(first)
        assert found is not None and (found.tier, found.staff, found.last_staff) == ("staff", True, False)
        await platform.execute("UPDATE profiles SET account_status = 'suspended' WHERE email = $1", second)
        try:
            found = await changes.account(first)
            assert found is not None and found.last_staff
        finally:
            await platform.execute("UPDATE profiles SET account_status = 'active' WHERE email = $1", second)
    finally:
        await changes.close()
    named = Changes.open(settings_of(platform, staff=(trader.email.title(),)))
    try:
        found = await named.account(trader.id)
        assert found is not None and found.staff and not found.last_staff
    finally:
        await named.close()


async def test_the_plan_of_a_wide_range_is_quick_work_for_the_database(
    platform: Platform, changes: Changes
) -> None:
    network = ipaddress.ip_network("198.51.100.0/24")
    await changes.activity(network)
    async with platform.sql() as connection:
        undone = connection.transaction()
        await undone.start()
        try:
            # There are so few rows here that the day alone is as good a way to them, and no index is worth it.
            await connection.execute("DROP INDEX order_audit_log_created_at")
            await connection.execute("SET LOCAL enable_seqscan = off")
            rows = await connection.fetch(f"EXPLAIN {ACTIVITY}", network, timedelta(days=1), 50)
        finally:
            await undone.rollback()
    plan = "\n".join(r[0] for r in rows)
    assert "order_audit_log_address" in plan and "Index Scan using auth_audit_log_created_at" in plan


async def test_nothing_happened_when_the_platforms_database_is_down(
    platform: Platform, changes: Changes
) -> None:
    network = fresh_network()
    async with platform.drill("db-down"):
        with pytest.raises(SourceFailed, match="not permitted to log in"):
            await changes.block(network, "x", later())
        await changes.deny(network, "the other layer takes it")
        assert await status(platform, network, "/") == 403
    await changes.allow(network)
    assert await changes.is_blocked(network) is None


async def test_a_statement_that_waits_too_long_is_a_sure_failure(
    platform: Platform, changes: Changes
) -> None:
    person = somebody()
    async with platform.sql() as connection, connection.transaction():
        await connection.execute("SELECT FROM profiles WHERE id = $1 FOR UPDATE", person.id)
        hurried = Changes.open(settings_of(platform), timeout_s=0.6)
        with pytest.raises(SourceFailed, match="timeout"):
            await hurried.set_account_status(person.id, "suspended")
        await hurried.close()
    assert await changes.account_status(person.id) == "active"


class _Relay:
    """Stands between the console and the real database; after a message that contains `cut_after` no answer comes
    back any more."""

    def __init__(self, port: int, cut_after: bytes) -> None:
        self._port = port
        self._cut_after = cut_after

    async def serve(self, reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self._port)
        silent = False

        async def back() -> None:
            while data := await their_reader.read(65536):
                if not silent:
                    writer.write(data)

        returning = asyncio.create_task(back())
        try:
            while data := await reader.read(65536):
                silent = silent or self._cut_after in data
                their_writer.write(data)
        finally:
            returning.cancel()
            their_writer.close()


async def test_a_commit_whose_answer_never_comes_is_unknown(platform: Platform, wait_for: Any) -> None:
    network = fresh_network()
    relay = _Relay(await platform.value("SELECT inet_server_port()"), b"COMMIT")
    async with servers.tcp(relay.serve) as relayed:
        url = f"postgresql://platform_ops@127.0.0.1:{relayed}/{platform.database}?sslmode=disable"
        changes = Changes.open(settings_of(platform, ops_database_url=url), timeout_s=1)
        with pytest.raises(Unknown, match=r"sent, and no sure answer: timed out after 1 s"):
            await changes.block(network, "x", later())
        await changes.close()

    async def happened() -> bool:
        return await platform.value("SELECT count(*) FROM blocked_ips WHERE network = $1", network) == 1

    await wait_for(happened)
    await platform.execute("DELETE FROM blocked_ips WHERE network = $1", network)


async def test_a_transaction_that_was_not_committed_surely_did_not_happen(platform: Platform) -> None:
    network = fresh_network()
    relay = _Relay(await platform.value("SELECT inet_server_port()"), b"INSERT INTO blocked_ips")
    async with servers.tcp(relay.serve) as relayed:
        url = f"postgresql://platform_ops@127.0.0.1:{relayed}/{platform.database}?sslmode=disable"
        changes = Changes.open(settings_of(platform, ops_database_url=url), timeout_s=1)
        with pytest.raises(SourceFailed, match="timed out"):
            await changes.block(network, "x", later())
        await changes.close()
    assert await platform.value("SELECT count(*) FROM blocked_ips WHERE network = $1", network) == 0


async def test_a_right_that_is_missing_is_a_sure_failure(platform: Platform) -> None:
    url = platform.cluster.url(platform.database, "platform_reader")
    reader = Changes.open(
        settings_of(platform, ops_database_url=url, ops_database_password=SecretStr(platform.reader_password))
    )
    with pytest.raises(SourceFailed, match=r"permission denied|read-only"):
        await reader.block(fresh_network(), "x", later())
    await reader.close()


@pytest.mark.parametrize("status_word", ["nonsense", "closed; DROP TABLE profiles"])
async def test_values_are_bound(platform: Platform, changes: Changes, status_word: str) -> None:
    person = somebody()
    with pytest.raises(SourceFailed, match="check constraint"):
        await changes.set_account_status(person.id, status_word)
    assert await changes.account_status(person.id) == "active"
    with pytest.raises(SourceFailed, match="no account id"):
        await changes.ban("../../settings", timedelta(hours=1))
