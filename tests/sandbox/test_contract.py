"""What each endpoint of the platform does: status, shape, headers, and what it refuses."""

from datetime import timedelta
from typing import Any

import pytest

from console.sandbox import people
from console.sandbox.tokens import user_token
from tests.sandbox.platform import Platform, fresh_address, many, order, somebody

SECURITY_HEADERS = {
    "x-content-type-options", "x-frame-options", "x-xss-protection", "strict-transport-security",
}  # fmt: skip
FUNCTIONS = ("execute-order", "get-stock-price", "risk-monitoring", "health-check")
USER_ENDPOINTS = ("/api/user/profile", "/api/orders/history", "/api/positions", "/auth/v1/user")
PUBLIC = ("/", "/health", "/metrics", "/status", "/api/health", "/api/survey", "/providers/market-data-a")


@pytest.mark.parametrize("path", PUBLIC)
async def test_public_endpoints_answer_200_without_a_token(platform: Platform, path: str) -> None:
    async with platform.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert set(answer.headers) >= SECURITY_HEADERS


@pytest.mark.parametrize("path", USER_ENDPOINTS)
async def test_user_endpoints_answer_the_person_who_is_signed_in(platform: Platform, path: str) -> None:
    async with platform.client(token=platform.token(somebody())) as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert isinstance(answer.json(), dict)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("body", [{"test": "health_check"}, {"test": "validation"}])
async def test_every_function_says_whether_it_works_without_doing_anything(
    platform: Platform, name: str, body: dict[str, Any]
) -> None:
    before = await platform.value("SELECT count(*) FROM orders")
    async with platform.client(token=platform.anon) as client:
        answer = await client.post(f"/functions/v1/{name}", json=body)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok" and answer.json()["function"] == name
    assert await platform.value("SELECT count(*) FROM orders") == before


def _bad_tokens(platform: Platform) -> dict[str, str | None]:
    person = somebody()
    sound = platform.token(person)
    head, payload, signature = sound.split(".")
    return {
        "missing": None,
        "expired": platform.token(person, lifetime=timedelta(seconds=-30)),
        "forged": f"{head}.{payload}.{signature[:-4]}AAAA",
        "unsigned": f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.",
        "other secret": user_token(
            "x" * 64, person.id, person.email, now=_now(), lifetime=timedelta(hours=1)
        ),
        "garbage": "not-a-token",
    }


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


@pytest.mark.parametrize("kind", ["missing", "expired", "forged", "unsigned", "other secret", "garbage"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", p) for p in USER_ENDPOINTS] + [("POST", f"/functions/v1/{f}") for f in FUNCTIONS],
)
async def test_a_token_that_proves_nothing_gets_401(
    platform: Platform, method: str, path: str, kind: str
) -> None:
    async with platform.client(token=_bad_tokens(platform)[kind]) as client:
        answer = await client.request(method, path, json=order() if method == "POST" else None)
    assert answer.status_code == 401
    _assert_error_shape(answer, "not_authenticated")


async def test_the_public_key_signs_nobody_in(platform: Platform) -> None:
    async with platform.client(token=platform.anon) as client:
        assert (await client.post("/functions/v1/execute-order", json=order())).status_code == 401
        assert (await client.get("/api/user/profile")).status_code == 401


def _assert_error_shape(answer: Any, code: str | None = None) -> None:
    body = answer.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message", "request_id"}
    assert body["error"]["request_id"] == answer.headers["x-request-id"]
    if code is not None:
        assert body["error"]["code"] == code
    assert set(answer.headers) >= SECURITY_HEADERS
    assert "Traceback" not in answer.text and ".py" not in answer.text


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/nothing/here", "GET", 404), ("/health", "POST", 405), ("/functions/v1/execute-order", "GET", 405),
     ("/functions/v1/no-such-function", "POST", 404), ("/providers/nobody", "GET", 404)],
)  # fmt: skip
async def test_what_does_not_exist_is_refused_in_the_one_error_shape(
    platform: Platform, path: str, method: str, status: int
) -> None:
    async with platform.client(token=platform.anon) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    _assert_error_shape(answer)


@pytest.mark.parametrize(
    "content", [b"{", b"[1, 2]", b'"text"', b"\xff\xfe", b'{"quantity": NaN}', b"[" * 5000, b"null"]
)
@pytest.mark.parametrize("path", ["/functions/v1/execute-order", "/auth/v1/token?grant_type=password"])
async def test_malformed_json_is_400_in_the_error_shape(
    platform: Platform, path: str, content: bytes
) -> None:
    async with platform.client(token=platform.token(somebody())) as client:
        answer = await client.post(path, content=content)
    assert answer.status_code == 400
    _assert_error_shape(answer, "invalid_json")


async def test_a_body_that_is_too_large_is_413(platform: Platform) -> None:
    async with platform.client(token=platform.token(somebody())) as client:
        answer = await client.post("/functions/v1/execute-order", content=b" " * 70_000 + b"{}")
    assert answer.status_code == 413
    _assert_error_shape(answer)


BAD_ORDERS: list[tuple[dict[str, Any], str]] = [
    ({"quantity": -1}, "invalid_quantity"), ({"quantity": 0}, "invalid_quantity"),
    ({"quantity": 10**400}, "invalid_quantity"), ({"quantity": 1e308}, "invalid_quantity"),
    ({"quantity": "5"}, "invalid_quantity"), ({"quantity": True}, "invalid_quantity"),
    ({"quantity": None}, "invalid_quantity"), ({"price": -3}, "invalid_price"),
    ({"symbol": "NOSUCH"}, "unknown_symbol"), ({"symbol": "<script>alert(1)</script>"}, "invalid_symbol"),
    ({"symbol": "EURUSD'; DROP TABLE orders; --"}, "invalid_symbol"), ({"symbol": 7}, "invalid_symbol"),
    ({"symbol": ""}, "invalid_symbol"), ({"side": "hold"}, "invalid_side"),
    ({"order_type": "magic"}, "invalid_order_type"), ({"order_type": "limit"}, "invalid_price"),
    ({"idempotency_key": "<script>"}, "invalid_idempotency_key"),
    ({"idempotency_key": "x" * 81}, "invalid_idempotency_key"),
    ({"idempotency_key": "\x1b]52;c;x\x07"}, "invalid_idempotency_key"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code"), BAD_ORDERS)
async def test_unsound_orders_are_refused_and_leave_no_order(
    platform: Platform, changes: dict[str, Any], code: str
) -> None:
    person = somebody()
    async with platform.client(token=platform.token(person)) as client:
        answer = await client.post("/functions/v1/execute-order", json=order(**changes))
    assert answer.status_code == 422
    _assert_error_shape(answer, code)
    assert await platform.value("SELECT count(*) FROM orders WHERE user_id = $1", person.id) == 0


@pytest.mark.parametrize("path", ["/functions/v1/execute-order", "/auth/v1/token?grant_type=password"])
async def test_a_change_from_a_foreign_origin_is_403(platform: Platform, path: str) -> None:
    async with platform.client(token=platform.token(somebody()), Origin="https://evil.example") as client:
        answer = await client.post(path, json=order())
    assert answer.status_code == 403
    _assert_error_shape(answer, "foreign_origin")


@pytest.mark.parametrize("origin", ["https://app.trade-x.example", None])
async def test_the_frontends_origin_and_none_are_taken(platform: Platform, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    async with platform.client(token=platform.anon, **headers) as client:
        answer = await client.post("/functions/v1/get-stock-price", json={"symbol": "EURUSD"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/functions/v1/get-stock-price"), ("GET", "/api/user/profile"), ("POST", "/auth/v1/logout")],
)
async def test_a_burst_from_one_address_gets_429_and_others_do_not(
    platform: Platform, method: str, path: str
) -> None:
    address, token = fresh_address(), platform.token(somebody())
    async with platform.client(token=token, address=address) as client:
        answers = await many(60, lambda n: client.request(method, path, json={"symbol": "EURUSD"}))
    refused = [a for a in answers if a.status_code == 429]
    assert refused and all(a.status_code in (200, 204, 429) for a in answers)
    assert int(refused[0].headers["retry-after"]) >= 1
    _assert_error_shape(refused[0], "rate_limited")
    async with platform.client(token=token) as other:
        assert (await other.request(method, path, json={"symbol": "EURUSD"})).status_code in (200, 204)


async def test_refusals_for_their_rate_are_in_the_audit_log(platform: Platform, wait_for: Any) -> None:
    address = fresh_address()
    async with platform.client(token=platform.anon, address=address) as client:
        answers = await many(60, lambda n: client.get("/api/user/profile"))
    refused = sum(a.status_code == 429 for a in answers)
    query = (
        "SELECT count(*) FROM auth_audit_log WHERE action = 'rate_limit_exceeded' AND ip_address = $1::inet"
    )

    async def all_written() -> bool:
        return await platform.value(query, address) == refused

    assert refused > 0
    await wait_for(all_written)


@pytest.mark.parametrize("path", ["/health", "/metrics", "/status", "/api/health"])
async def test_what_watchers_ask_is_never_limited(platform: Platform, path: str) -> None:
    async with platform.client() as client:
        answers = [await client.get(path) for _ in range(50)]
    assert {a.status_code for a in answers} == {200}


@pytest.mark.parametrize("network", ["2001:db8:aaaa::/64", "203.0.113.250/32"])
async def test_a_blocked_address_gets_403_within_seconds_and_is_counted(
    platform: Platform, network: str, wait_for: Any
) -> None:
    inside = network.split("/")[0].replace("::", "::7")
    async with platform.client(token=platform.anon, address=inside) as client:
        assert (await client.get("/health")).status_code == 200
        await platform.execute("INSERT INTO blocked_ips (network, reason) VALUES ($1::cidr, 'test')", network)

        async def refused() -> bool:
            return (await client.get("/health")).status_code == 403

        await wait_for(refused, timeout=5)
        answer = await client.get("/health")
        _assert_error_shape(answer, "address_blocked")

        async def counted() -> bool:
            query = "SELECT sum(requests) FROM blocked_requests WHERE ip_address <<= $1::cidr::inet"
            return (await platform.value(query, network) or 0) >= 2

        await wait_for(counted)
        async with platform.client() as other:
            assert (await other.get("/health")).status_code == 200
        await platform.execute("DELETE FROM blocked_ips WHERE network = $1::cidr", network)

        async def taken() -> bool:
            return (await client.get("/health")).status_code == 200

        await wait_for(taken, timeout=5)


async def test_an_expired_block_blocks_nobody(platform: Platform, wait_for: Any) -> None:
    await platform.execute(
        "INSERT INTO blocked_ips (network, reason, expires_at) VALUES "
        "('2001:db8:bbbb::/64', 'over', now() - interval '1 s'), "
        "('2001:db8:cccc::/64', 'in force', now() + interval '1 h')"
    )
    async with platform.client(address="2001:db8:cccc::1") as client:

        async def refused() -> bool:
            return (await client.get("/health")).status_code == 403

        await wait_for(refused, timeout=5)
    async with platform.client(address="2001:db8:bbbb::1") as client:
        assert (await client.get("/health")).status_code == 200


async def test_a_suspended_account_is_refused_everywhere(platform: Platform) -> None:
    person = somebody()
    await platform.execute("UPDATE profiles SET account_status = 'suspended' WHERE id = $1", person.id)
    async with platform.client(token=platform.token(person)) as client:
        placed = await client.post("/functions/v1/execute-order", json=order())
        read = await client.get("/api/orders/history")
        password = people.password(platform.config.database_password, person.email)
        signed_in = await client.post(
            "/auth/v1/token?grant_type=password", json={"email": person.email, "password": password}
        )
    for answer in (placed, read, signed_in):
        assert answer.status_code == 403
        _assert_error_shape(answer, "account_suspended")
    assert await platform.value("SELECT count(*) FROM orders WHERE user_id = $1", person.id) == 0


async def test_a_banned_user_cannot_log_in(platform: Platform) -> None:
    person = somebody()
    await platform.execute(
        "UPDATE auth.users SET banned_until = now() + interval '1 hour' WHERE id = $1", person.id
    )
    password = people.password(platform.config.database_password, person.email)
    async with platform.client() as client:
        answer = await client.post(
            "/auth/v1/token?grant_type=password", json={"email": person.email, "password": password}
        )
    assert answer.status_code == 403


async def test_maintenance_is_503_for_people_and_not_for_watchers(platform: Platform, wait_for: Any) -> None:
    async with platform.client(token=platform.token(somebody())) as client:
        await platform.execute("UPDATE platform_flags SET enabled = true WHERE name = 'maintenance'")
        try:

            async def closed() -> bool:
                return (await client.get("/status")).json()["status"] == "maintenance"

            await wait_for(closed, timeout=5)
            for method, path in (("POST", "/functions/v1/execute-order"), ("GET", "/api/positions")):
                answer = await client.request(method, path, json=order())
                assert answer.status_code == 503 and answer.headers["retry-after"]
                _assert_error_shape(answer, "maintenance")
            assert (await client.get("/health")).status_code == 200
            assert (await client.get("/metrics")).status_code == 200
        finally:
            await platform.execute("UPDATE platform_flags SET enabled = false WHERE name = 'maintenance'")

        async def open_again() -> bool:
            return (await client.get("/api/positions")).status_code == 200

        await wait_for(open_again, timeout=5)


async def test_a_forwarded_address_that_is_none_counts_as_the_caller(platform: Platform) -> None:
    async with platform.client(address="<script>") as client:
        assert (await client.get("/api/health")).status_code == 200
