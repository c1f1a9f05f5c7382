"""Which layer keeps whom out of what: the platform's block list, Vercel's firewall, the pause; and Vercel's API."""

from typing import Any

import httpx
import pytest

from console.sandbox.firewall import PROJECT, TEAM
from tests.sandbox.platform import Platform

CONFIG = "/v1/security/firewall/config"
QUERY = {"projectId": PROJECT, "teamId": TEAM}
EDGE = ("/", "/status", "/api/health")
INSIDE = ("/health", "/auth/v1/user")


async def patch(
    platform: Platform, verb: str, rule_id: str | None = None, value: Any = None
) -> httpx.Response:
    body = {"action": verb, "id": rule_id, "value": value}
    async with platform.client(token=platform.vercel_token) as client:
        return await client.patch(CONFIG, params=QUERY, json=body)


async def deny(platform: Platform, ip: str, **changes: Any) -> str:
    """The new rule's id."""
    value = {"ip": ip, "hostname": "*", "action": "deny", "notes": "t"} | changes
    answer = await patch(platform, "ip.insert", value=value)
    assert answer.status_code == 200, answer.text
    return next(rule["id"] for rule in answer.json()["ips"] if rule["ip"] == ip)


async def codes(platform: Platform, address: str) -> dict[str, str | None]:
    """What each path says to this address: the code of a 403, None for anything else."""
    said: dict[str, str | None] = {}
    async with platform.client(token=platform.anon, address=address) as client:
        for path in (*EDGE, *INSIDE):
            answer = await client.get(path)
            said[path] = answer.json()["error"]["code"] if answer.status_code == 403 else None
    return said


@pytest.mark.parametrize(
    ("rule", "address"), [("198.18.7.0/24", "198.18.7.9"), ("2001:db8:dddd::5", "2001:db8:dddd::5")]
)
async def test_the_firewall_denies_at_the_edge_and_nowhere_else(
    platform: Platform, rule: str, address: str, wait_for: Any
) -> None:
    rule_id = await deny(platform, rule)
    assert await codes(platform, address) == dict.fromkeys(EDGE, "denied_by_firewall") | dict.fromkeys(INSIDE)
    query = "SELECT sum(requests) FROM blocked_requests WHERE ip_address = $1::inet AND layer = 'vercel'"

    async def counted() -> bool:
        return await platform.value(query, address) == len(EDGE)

    await wait_for(counted)
    assert (await patch(platform, "ip.remove", rule_id)).status_code == 200
    assert set((await codes(platform, address)).values()) == {None}
    assert await platform.effects("ip.insert", rule) == await platform.effects("ip.remove", rule_id) == 1


async def test_the_block_list_refuses_inside_and_not_at_the_edge(platform: Platform, wait_for: Any) -> None:
    address = "198.18.8.8"
    await platform.execute(
        "INSERT INTO blocked_ips (network, reason) VALUES ($1::inet::cidr, 'test')", address
    )
    expected = dict.fromkeys(INSIDE, "address_blocked") | dict.fromkeys(EDGE)

    async def refused() -> bool:
        return await codes(platform, address) == expected

    await wait_for(refused, timeout=5)
    query = "SELECT count(*) FROM blocked_requests WHERE ip_address = $1::inet AND layer = 'platform'"

    async def counted() -> bool:
        return await platform.value(query, address) > 0

    await wait_for(counted)
    assert await platform.effects("block", f"{address}/32") == 1


async def test_only_rules_that_deny_keep_somebody_out(platform: Platform) -> None:
    rule_id = await deny(platform, "198.18.9.9", action="log")
    assert set((await codes(platform, "198.18.9.9")).values()) == {None}
    await patch(platform, "ip.remove", rule_id)


async def test_the_active_configuration_has_vercels_shape(platform: Platform) -> None:
    rule_id = await deny(platform, "198.18.10.0/24")
    async with platform.client(token=platform.vercel_token) as client:
        config = (await client.get(f"{CONFIG}/active", params=QUERY)).json()
    assert set(config) == {
        "ownerId", "projectKey", "id", "version", "updatedAt", "firewallEnabled", "crs", "rules", "ips", "changes",
    }  # fmt: skip
    rule = next(r for r in config["ips"] if r["id"] == rule_id)
    assert rule == {"id": rule_id, "ip": "198.18.10.0/24", "hostname": "*", "action": "deny", "notes": "t"}
    await patch(platform, "ip.remove", rule_id)
    assert (await patch(platform, "ip.remove", rule_id)).status_code == 404


@pytest.mark.parametrize(
    "changes",
    [{"ip": "nonsense"}, {"ip": "1.2.3.4/99"}, {"ip": 7}, {"action": "allow"}, {"hostname": None}, {"notes": 1}],
)  # fmt: skip
async def test_an_unsound_rule_is_refused(platform: Platform, changes: dict[str, Any]) -> None:
    value = {"ip": "198.18.11.1", "hostname": "*", "action": "deny", "notes": ""} | changes
    answer = await patch(platform, "ip.insert", value=value)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"
    assert (await patch(platform, "rules.burn")).status_code == 400


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST"])
async def test_vercel_knows_its_own_token_project_and_team(platform: Platform, method: str) -> None:
    path = {"GET": f"{CONFIG}/active", "PATCH": CONFIG, "POST": f"/v1/projects/{PROJECT}/pause"}[method]
    for token in (None, platform.service_key, "x"):
        async with platform.client(token=token) as client:
            answer = await client.request(method, path, params=QUERY, json={})
            assert answer.status_code == 403 and answer.json()["error"]["code"] == "forbidden"
    async with platform.client(token=platform.vercel_token) as client:
        foreign = await client.request(method, path, params=QUERY | {"teamId": "team_other"}, json={})
        assert foreign.status_code == 403
        other = path.replace(PROJECT, "prj_other")
        missing = await client.request(method, other, params=QUERY | {"projectId": "prj_other"}, json={})
        assert missing.status_code == 404


async def test_a_paused_project_serves_nothing_at_the_edge(platform: Platform) -> None:
    async with platform.client(token=platform.vercel_token) as vercel, platform.client() as client:
        assert (await vercel.post(f"/v1/projects/{PROJECT}/pause")).status_code == 200
        try:
            assert (await vercel.get(f"/v9/projects/{PROJECT}")).json()["paused"] is True
            answer = await client.get("/status")
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "deployment_paused")
            assert (await client.get("/health")).status_code == 200
        finally:
            await vercel.post(f"/v1/projects/{PROJECT}/unpause")
        assert (await client.get("/status")).status_code == 200
        assert (await vercel.get(f"/v9/projects/{PROJECT}")).json()["paused"] is False


async def test_vercel_works_while_the_platforms_database_is_down(platform: Platform, wait_for: Any) -> None:
    async with platform.drill("db-down"):
        rule_id = await deny(platform, "198.18.12.1")
        assert (await codes(platform, "198.18.12.1"))["/"] == "denied_by_firewall"
    await patch(platform, "ip.remove", rule_id)

    async def counted() -> bool:
        return await platform.effects("ip.insert", "198.18.12.1") == 1

    await wait_for(counted)
