"""The eight validations after a deployment, against a platform that is well and one that is not in just one way."""

import json
from collections.abc import Callable

import pytest

from console.checks.registry import POST
from console.sandbox import people
from tests.checks.conftest import OTHER, Asked, Fault, Reply, Stage, accepted, at, by_id, failures, without

_ORDERS = "/functions/v1/execute-order"
_PROFILE = "/api/user/profile"
_UNWELL = b'{"checks": {"redis": {"status": "error", "details": "gone"}}}'


async def test_a_platform_that_is_well_passes_all_eight_and_no_order_is_left(stage: Stage) -> None:
    orders = await stage.platform.value("SELECT count(*) FROM orders")
    report = await stage.run(POST)
    found = by_id(report)
    assert {r.id: r.evidence for r in report.results if r.status != "passed"} == {}
    assert report.overall == "passed"
    assert report.as_json()["summary"] == {
        "total": 8,
        "passed": 8,
        "failed": 0,
        "warnings": 0,
        "manual": 0,
        "success_rate_pct": 100.0,
    }
    assert "X-XSS-Protection (legacy)" in found["security_headers"].evidence
    assert f"reads 0 of the {await _owned(stage)} rows of {OTHER.email}" in found["authentication"].evidence
    assert "HTTP 429 within" in found["authentication"].evidence
    assert await stage.platform.value("SELECT count(*) FROM orders") == orders
    sent = [
        json.loads(a.body) for a in stage.front.asked if a.path == _ORDERS and b"idempotency_key" in a.body
    ]
    keys = {order["idempotency_key"] for order in sent if order["order_type"] == "market"}
    assert len(keys) == 1, "one key, however often it is sent"
    entries = "SELECT count(*) FROM order_audit_log WHERE details ->> 'idempotency_key' = $1"
    assert await stage.platform.value(entries, keys.pop()) == 1


async def _owned(stage: Stage) -> int:
    return await stage.platform.value(
        "SELECT (SELECT least(count(*), 50) FROM orders WHERE user_id = $1) "
        "+ (SELECT count(*) FROM positions WHERE user_id = $1 AND status = 'open')",
        OTHER.id,
    )


def executed(asked: Asked, reply: Reply) -> None:
    if b"market" in asked.body and asked.path == _ORDERS:
        reply.status, reply.body = 200, b'{"outcome": "executed"}'


def _seen_orders() -> Fault:
    """The refused order is in the history all the same."""
    sent: list[str] = []

    def fault(asked: Asked, reply: Reply) -> None:
        if asked.path == _ORDERS and b"market" in asked.body:
            sent.append(json.loads(asked.body)["idempotency_key"])
        if sent and asked.path == "/api/orders/history":
            reply.body = json.dumps({"orders": [{"id": "0f0f"}]}).encode()

    return fault


def _others_rows(path: str, name: str) -> Fault:
    """Whoever names another user gets two of that one's three rows."""

    def fault(asked: Asked, reply: Reply) -> None:
        known = "abc" if asked.path == path else "ab"
        if asked.path in (path, f"{path}?user_id={OTHER.id}") and reply.status == 200:
            reply.body = json.dumps({name: [{"id": each} for each in known]}).encode()

    return fault


def _unsigned(asked: Asked) -> bool:
    return asked.token.endswith(".")


def _signed(asked: Asked) -> bool:
    return asked.token.count(".") == 2 and not _unsigned(asked)


@pytest.mark.parametrize(
    ("fault", "check", "evidence"),
    [
        (at("/functions/v1/risk-monitoring", status=404), "edge_functions", "risk-monitoring: HTTP 404"),
        (
            at("/functions/v1/health-check", status=503, body=_UNWELL),
            "edge_functions",
            "health-check: HTTP 503: redis: gone",
        ),
        (at("/api/health", status=500), "api_endpoints", "GET /api/health: HTTP 500"),
        (accepted(_PROFILE, lambda a: not a.token), "authentication", f"GET {_PROFILE}: HTTP 200 without a token"),
        (accepted(_PROFILE, _unsigned), "authentication", f"GET {_PROFILE}: HTTP 200 with an unsigned token"),
        (accepted(_ORDERS, _signed), "authentication", "execute-order: HTTP 200 with a forged token"),
        (
            accepted(_ORDERS, lambda a: not a.token and b"limit" in a.body),
            "order_execution",
            "execute-order: HTTP 200 without a token",
        ),
        (executed, "order_execution", "HTTP 200 for an order without funds, expected 422 insufficient_funds"),
        (
            at("/rest/v1/orders", status=200, body=b'[{"id": "1"}, {"id": "2"}]'),
            "authentication",
            f"GET /rest/v1/orders: {people.SYNTHETIC_EMAIL} reads 2 rows of {OTHER.email}",
        ),
        (
            _others_rows("/api/positions", "positions"),
            "authentication",
            f"GET /api/positions: {people.SYNTHETIC_EMAIL} reads 2 rows of other people's positions",
        ),
        (_seen_orders(), "order_execution", f"in the history of {people.SYNTHETIC_EMAIL} as 0f0f"),
        (without("strict-transport-security"), "security_headers", "no Strict-Transport-Security"),
        (without("x-xss-protection"), "security_headers", "GET /: no X-XSS-Protection"),
        (at("/metrics", status=500), "monitoring", "GET /metrics: HTTP 500"),
    ],
)  # fmt: skip
async def test_a_fault_of_the_http_side_fails_just_its_check(
    stage: Stage, fault: Fault, check: str, evidence: str
) -> None:
    stage.front.fault = fault
    report = await stage.run(POST)
    found = failures(report)
    assert found.keys() == {check}, found
    assert evidence in found[check]
    assert report.overall == "failed"


async def test_an_expired_token_that_is_let_in_is_named(stage: Stage) -> None:
    expired = (stage.settings().checks.expired_token_file or stage.folder).read_text()
    stage.front.fault = accepted(_PROFILE, lambda asked: asked.token == expired)
    assert failures(await stage.run(POST)) == {
        "authentication": f"GET {_PROFILE}: HTTP 200 with an expired token"
    }


@pytest.mark.parametrize(
    ("breaking", "mending", "check", "evidence"),
    [
        (
            "CREATE TABLE naked (id int)",
            "DROP TABLE naked",
            "database_connectivity",
            "no row level security on naked",
        ),
        (
            "CREATE TABLE mute (id int); ALTER TABLE mute ENABLE ROW LEVEL SECURITY",
            "DROP TABLE mute",
            "database_connectivity",
            "no policy on mute",
        ),
        (
            "REVOKE SELECT ON profiles FROM platform_reader",
            "GRANT SELECT ON profiles TO platform_reader",
            "database_connectivity",
            "permission denied for profiles",
        ),
        (
            "ALTER FUNCTION order_refusal RENAME TO refusal",
            "ALTER FUNCTION refusal RENAME TO order_refusal",
            "database_connectivity",
            "order_refusal",
        ),
        (
            "ALTER FUNCTION execute_order_atomic RENAME TO execute_order",
            "ALTER FUNCTION execute_order RENAME TO execute_order_atomic",
            "database_connectivity",
            "no procedure execute_order_atomic",
        ),
        (
            "CREATE POLICY leak ON profiles FOR SELECT TO authenticated USING (true)",
            "DROP POLICY leak ON profiles",
            "authentication",
            "GET /api/user/profile: synthetic.check@trade-x.example reads somebody else's profile",
        ),
    ],
)
async def test_a_fault_of_the_database_fails_just_its_check(
    stage: Stage, breaking: str, mending: str, check: str, evidence: str
) -> None:
    async with stage.broken(breaking, mending):
        found = failures(await stage.run(POST))
    # Without its procedure no order can be taken either.
    also = {"order_execution"} if "RENAME" in breaking else set()
    assert found.keys() == {check} | also, found
    assert evidence in found[check]


async def test_a_websocket_that_is_down_fails_and_health_that_says_so_is_a_warning(stage: Stage) -> None:
    async with stage.platform.drill("websocket-down"):
        report = await stage.run(POST)
    assert failures(report).keys() == {"real_time_updates"}
    assert "/realtime: HTTP 503" in failures(report)["real_time_updates"]
    assert by_id(report)["monitoring"].status == "warning"
    assert "websocket: the websocket takes no connections" in by_id(report)["monitoring"].evidence


async def test_a_burst_without_a_refusal_is_a_warning_and_no_pass(stage: Stage) -> None:
    stage.front.many = True
    report = await stage.run(POST)
    assert by_id(report)["authentication"].status == "warning"
    assert by_id(report)["authentication"].evidence == f"{_PROFILE}: no HTTP 429 in a burst of 60 requests"
    assert report.overall == "warning"


async def test_no_order_is_sent_for_an_account_with_money(stage: Stage) -> None:
    funds = "UPDATE profiles SET balance = {} WHERE email = '{}'"
    async with stage.broken(
        funds.format(250, people.SYNTHETIC_EMAIL), funds.format(0, people.SYNTHETIC_EMAIL)
    ):
        report = await stage.run(tuple(check for check in POST if check.id == "order_execution"))
    assert by_id(report)["order_execution"].status == "warning"
    assert "has a balance of 250.00, expected 0" in by_id(report)["order_execution"].evidence
    assert not [asked for asked in stage.front.asked if b"market" in asked.body]


async def test_what_is_not_set_is_no_source_and_never_a_pass(stage: Stage) -> None:
    report = await stage.run(POST, dict.fromkeys(("account", "other_account"), None))
    unknown = {r.id: r.evidence for r in report.results if r.status == "warning"}
    assert unknown == dict.fromkeys(
        ("api_endpoints", "authentication", "order_execution"), "no source: checks.account is not set"
    )
    assert not failures(report)
    report = await stage.run(POST, {"expired_token_file": None, "other_account": None})
    assert by_id(report)["authentication"].status == "warning"
    assert "no source: checks.expired_token_file is not set" in by_id(report)["authentication"].evidence
    assert "no source: checks.other_account is not set" in by_id(report)["authentication"].evidence


async def test_an_address_that_is_blocked_is_told_as_that(
    stage: Stage, wait_for: Callable[..., object]
) -> None:
    network = stage.front.address
    async with stage.broken(
        f"INSERT INTO blocked_ips (network, reason) VALUES ('{network}', 'a test')",
        f"DELETE FROM blocked_ips WHERE network = '{network}'",
    ):

        async def blocked() -> bool:
            async with stage.platform.client(address=network) as client:
                return (await client.get("/auth/v1/user")).status_code == 403

        await wait_for(blocked)  # type: ignore[misc]
        found = failures(await stage.run(POST))
    assert "HTTP 403: requests from this address are refused" in found["edge_functions"]
    assert found["authentication"].startswith(f"sign-in of {people.SYNTHETIC_EMAIL}: HTTP 403")
    assert "database_connectivity" not in found


async def test_no_secret_is_in_any_evidence_even_when_the_platform_repeats_it(stage: Stage) -> None:
    password = people.password(stage.platform.config.database_password, people.SYNTHETIC_EMAIL)

    def echo(asked: Asked, reply: Reply) -> None:
        if asked.path != "/auth/v1/token?grant_type=password":
            told = f"{asked.headers.get('authorization', '')} {asked.headers.get('apikey', '')} {password}"
            reply.status, reply.body = 418, json.dumps({"message": told}).encode()

    stage.front.fault = echo
    report = await stage.run(POST)
    told = json.dumps(report.as_json())
    assert "HTTP 418: Bearer ******** ********" in told
    tokens = {asked.token for asked in stage.front.asked if asked.token}
    own = {token for token in tokens if token.split(".")[2]}
    for secret in (password, stage.platform.anon, *own):
        assert secret not in told

    def refuse(asked: Asked, reply: Reply) -> None:
        reply.status, reply.body = 400, json.dumps({"message": f"\x1b[31mno: {password}"}).encode()

    stage.front.fault = refuse
    told = failures(await stage.run(POST))["authentication"]
    assert password not in told
    assert told == f"sign-in of {people.SYNTHETIC_EMAIL}: HTTP 400: ␛[31mno: ********"


async def test_an_order_without_a_token_is_told_even_when_nobody_can_sign_in(stage: Stage) -> None:
    def fault(asked: Asked, reply: Reply) -> None:
        if asked.path.startswith("/auth/"):
            reply.status, reply.body = 500, b"{}"
        accepted(_ORDERS, lambda a: not a.token)(asked, reply)

    stage.front.fault = fault
    assert failures(await stage.run(POST))["order_execution"] == (
        f"execute-order: HTTP 200 without a token; sign-in of {people.SYNTHETIC_EMAIL}: HTTP 500"
    )


async def test_nobody_there_fails_every_check_with_the_reason(stage: Stage) -> None:
    gone = {"base_url": "http://127.0.0.1:1", "websocket_url": "ws://127.0.0.1:1/realtime"}
    gone["database_url"] = "postgresql://reader@127.0.0.1:1/platform"
    report = await stage.run(POST, **gone)
    found = failures(report)
    assert len(found) == 8
    assert all("connection refused" in evidence for evidence in found.values()), found
