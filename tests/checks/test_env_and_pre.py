"""The environment and the 25 items before a release: on a platform that is well, and with one fault at a time."""

import json
import os
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.checks.check import Check
from console.checks.registry import ENV, PRE
from console.processes.postgres import EmbeddedPostgres
from console.sandbox import people
from console.sandbox.edge import REF
from tests.checks.conftest import Asked, Fault, Reply, Stage, accepted, applied, at, by_id, failures, without
from tests.checks.shop import Shop

_ORDERS = "/functions/v1/execute-order"
_LISTED = f"/v1/projects/{REF}/functions"
_WAITING = {
    "db.backups": "by hand: restore not tested within 90 days",
    "fe.build": "no source: deploy.repository is not set",
    "fe.dependencies": "no source: deploy.repository is not set",
    "fe.error_boundaries": "by hand: tried for this release",
    "mon.metrics": "no source: store.url is not set",
    "mon.security": "no source: store.url is not set",
    "mon.dashboards": "no source: store.url is not set",
    "mon.incident": "no source: store.url is not set",
}
"""What nobody can be asked here, whatever the platform is like."""


def _but(*ids: str) -> tuple[Check, ...]:
    return tuple(check for check in PRE if check.id not in ids)


async def test_the_environment_is_told_with_its_evidence(stage: Stage) -> None:
    report = await stage.run(ENV)
    assert [r.status for r in report.results] == ["passed"] * 5, report.results
    found = by_id(report)
    assert found["env.tables"].evidence.startswith("14 public tables, with auth_audit_log")
    assert found["env.policies"].evidence == "row level security on all 14 public tables, 14 policies"
    assert found["env.procedures"].evidence.startswith("execute_order_atomic is there, 5 tests")
    assert "4 deployed: execute-order 1" in found["env.functions"].evidence
    assert found["env.health_check"].evidence == "POST health-check: HTTP 200"


async def test_a_database_that_is_not_the_platforms_lacks_its_tables_and_procedures(
    stage: Stage, cluster: EmbeddedPostgres
) -> None:
    found = failures(await stage.run(ENV, database_url=cluster.url("postgres", "platform_reader")))
    assert found == {
        "env.tables": "the database has no auth_audit_log, order_audit_log, orders, positions, profiles and 1 more",
        "env.policies": "the database has no public table",
        "env.procedures": "the database has no procedure execute_order_atomic, test_procedures",
    }


async def test_a_wrong_token_or_project_of_the_management_api_is_told(stage: Stage) -> None:
    assert failures(await stage.run(ENV, supabase_token="sbp_wrong")) == {
        "env.functions": "HTTP 401: Unauthorized"
    }
    assert failures(await stage.run(ENV, supabase_project="other")) == {
        "env.functions": "HTTP 404: Project not found"
    }
    unset = by_id(await stage.run(ENV, supabase_project=None))["env.functions"]
    assert (unset.status, unset.evidence) == ("warning", "no source: platform.supabase_project is not set")


async def test_all_25_items_are_there_and_what_nobody_knows_is_no_pass(stage: Stage) -> None:
    report = await stage.run(PRE, migrations=await applied(stage))
    assert len(report.results) == 25
    waiting = {r.id: r.evidence for r in report.results if r.status != "passed"}
    assert waiting.keys() == _WAITING.keys(), waiting
    for check, reason in _WAITING.items():
        assert reason in waiting[check]
    assert report.overall == "warning"
    assert by_id(report)["fe.error_boundaries"].status == "manual"
    assert by_id(report)["db.backups"].status == "manual"


def inside(asked: Asked, reply: Reply) -> None:
    if asked.body == b'{"symbol": ':
        reply.body = b"SyntaxError: Unexpected end\n    at JSON.parse (index.ts:12:3)"


def lenient(asked: Asked, reply: Reply) -> None:
    """Takes any quantity: only the money that is not there stops the order."""
    if asked.path == _ORDERS and b"1e+300" in asked.body:
        reply.status, reply.body = 422, b'{"error": {"code": "insufficient_funds", "message": "no funds"}}'


def listing(state: str | None) -> Fault:
    def fault(asked: Asked, reply: Reply) -> None:
        if asked.path == f"{_LISTED}/execute-order":
            reply.status, reply.body = 200, json.dumps({"status": state, "version": 3}).encode()

    return fault


def aged(asked: Asked, reply: Reply) -> None:
    if asked.path.endswith("/backups"):
        at = (datetime.now(UTC) - timedelta(hours=30)).isoformat()
        reply.body = json.dumps({"backups": [{"status": "COMPLETED", "inserted_at": at}]}).encode()


def stale_price(asked: Asked, reply: Reply) -> None:
    if asked.path == "/functions/v1/get-stock-price" and b"EURUSD" in asked.body:
        at = (datetime.now(UTC) - timedelta(minutes=3)).isoformat()
        reply.body = json.dumps({"price": 1.08, "source": "cache", "at": at}).encode()


def large(asked: Asked, reply: Reply) -> None:
    if asked.path.startswith("/assets/"):
        reply.body = b"x" * 1_200_000


def foreign(asked: Asked, reply: Reply) -> None:
    if asked.headers.get("origin"):
        reply.status, reply.body = 204, b""


def unlimited(part: str) -> Fault:
    """No burst of this part is ever refused."""

    def fault(asked: Asked, reply: Reply) -> None:
        if reply.status == 429 and asked.path.startswith(part):
            reply.status, reply.body, reply.headers = 200, b"{}", {}

    return fault


@pytest.mark.parametrize(
    ("fault", "check", "evidence"),
    [
        (aged, "db.backups", "the newest backup is 1d old, 24h at most"),
        (listing("REMOVED"), "fn.execute_order", "execute-order: listed as REMOVED, expected ACTIVE"),
        (stale_price, "fn.get_stock_price", "get-stock-price: EURUSD 1.08 is 3m old, 1m at most"),
        (at("/functions/v1/risk-monitoring", status=503), "fn.health", "risk-monitoring: HTTP 503"),
        (inside, "fn.errors", "execute-order: HTTP 400 with a stack trace"),
        (without("x-frame-options"), "fe.headers", "GET /: no X-Frame-Options"),
        (large, "fe.performance", "the bundle is over its budget of 1 MB"),
        (accepted(_ORDERS, lambda asked: asked.token.endswith(".")), "sec.auth", "HTTP 200 with an unsigned token"),
        (lenient, "sec.input", "execute-order: HTTP 422: no funds for a huge quantity"),
        (foreign, "sec.csrf", "POST /logout from https://elsewhere.invalid: HTTP 204"),
        (unlimited("/functions/"), "fn.rate_limit", "execute-order: no HTTP 429 in a burst of 60 requests"),
        (unlimited("/api/"), "sec.rate_limit", "/api/user/profile: no HTTP 429 in a burst of 60 requests"),
    ],
)  # fmt: skip
async def test_a_fault_of_the_http_side_fails_just_its_item(
    stage: Stage, fault: Fault, check: str, evidence: str
) -> None:
    stage.front.fault = fault
    found = failures(await stage.run(PRE, migrations=await applied(stage)))
    assert found.keys() == {check}, found
    assert evidence in found[check]


@pytest.mark.parametrize(
    ("breaking", "mending", "check", "evidence"),
    [
        ("CREATE TABLE naked (id int)", "DROP TABLE naked", "db.rls", "no row level security on naked"),
        (
            "ALTER FUNCTION test_procedures RENAME TO tested",
            "ALTER FUNCTION tested RENAME TO test_procedures",
            "db.procedures",
            "the database has no procedure test_procedures",
        ),
        (
            "DROP INDEX positions_user_open",
            "CREATE INDEX positions_user_open ON positions (user_id, symbol) WHERE status = 'open'",
            "db.indexes",
            "open positions of a person: no index of positions serves it",
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'auth_logs_at'::regclass",
            "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'auth_logs_at'::regclass",
            "db.indexes",
            "invalid index auth_logs_at",
        ),
        (
            "CREATE FUNCTION lost() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; "
            "CREATE TRIGGER lost BEFORE INSERT ON auth_audit_log FOR EACH ROW EXECUTE FUNCTION lost()",
            "DROP TRIGGER lost ON auth_audit_log; DROP FUNCTION lost()",
            "sec.audit",
            f"auth_audit_log: the sign-in of {people.SYNTHETIC_EMAIL} is not in it after 0.5 s",
        ),
    ],
)
async def test_a_fault_of_the_database_fails_just_its_item(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    breaking: str,
    mending: str,
    check: str,
    evidence: str,
) -> None:
    monkeypatch.setattr("console.checks.people._AUDIT_WITHIN_S", 0.5)
    async with stage.broken(breaking, mending):
        found = failures(await stage.run(PRE, migrations=await applied(stage)))
    assert found.keys() == {check}, found
    assert evidence in found[check]


@pytest.mark.parametrize(
    ("fault", "mended", "check", "evidence"),
    [
        (at("/functions/v1/health-check", status=500), "", "env.health_check", "health-check: HTTP 500"),
        (at(_LISTED, status=200, body=b"[]"), "", "env.functions", "execute-order: not deployed"),
        (
            "ALTER TABLE profiles DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE profiles ENABLE ROW LEVEL SECURITY",
            "env.policies",
            "no row level security on profiles",
        ),
        (
            "REVOKE SELECT ON order_audit_log FROM platform_reader",
            "GRANT SELECT ON order_audit_log TO platform_reader",
            "env.tables",
            "permission denied for order_audit_log",
        ),
        (
            "ALTER FUNCTION test_procedures RENAME TO tested",
            "ALTER FUNCTION tested RENAME TO test_procedures",
            "env.procedures",
            "the database has no procedure test_procedures",
        ),
    ],
)
async def test_a_fault_of_the_environment_fails_just_its_check(
    stage: Stage, fault: Fault | str, mended: str, check: str, evidence: str
) -> None:
    async with AsyncExitStack() as stack:
        if isinstance(fault, str):
            await stack.enter_async_context(stage.broken(fault, mended))
        else:
            stage.front.fault = fault
        found = failures(await stage.run(ENV))
    assert found.keys() == {check}, found
    assert evidence in found[check]


async def test_a_commit_with_a_pending_file_or_that_does_not_build_or_brings_a_hole_fails_just_its_item(
    stage: Stage, tmp_path: Path
) -> None:
    shop, known = Shop(tmp_path, stage.platform.config.base_url), await applied(stage)
    broken = await shop.commit("v2.12.0")
    lock = {
        "package-lock.json": (
            '"node_modules/cookie": {',
            '"node_modules/loader-utils": {"version": "1.4.0"},\n    "node_modules/cookie": {',
        )
    }
    holed = shop.edited("v2.9.0", lock)
    for commit, migrations, check, evidence in (
        (holed, (*known, "20200101000000"), "db.migrations", "pending 20200101000000"),
        (broken, known, "fe.build", f'{broken[:8]}: npm run build: npm ended with 1: frontend/src/orders.ts (1:9): '
                                    '"formatMoney" is not exported'),
        (holed, known, "fe.dependencies", "1 critical, 0 high, 2 moderate, 1 low vulnerabilities: loader-utils"),
    ):  # fmt: skip
        checks = PRE if check != "db.migrations" else _but("fe.dependencies")
        found = failures(await stage.run(checks, migrations=migrations, shop=shop, commit=commit))
        assert found.keys() == {check}, found
        assert evidence in found[check]
    assert shop.left() == []


async def test_where_npm_or_its_registry_is_missing_nobody_can_say(stage: Stage, tmp_path: Path) -> None:
    shop = Shop(tmp_path, stage.platform.config.base_url)
    checks = tuple(check for check in PRE if check.id in ("fe.build", "fe.dependencies"))
    commit = await shop.commit("v2.9.0")
    npm = tmp_path / "tools" / "npm"
    npm.write_text(
        "#!/bin/sh\necho 'npm warn x'; echo '{'; echo '  \"message\": \"no registry\"'; echo '}'; exit 1\n"
    )
    found = by_id(await stage.run(checks, shop=shop, commit=commit))
    assert (found["fe.dependencies"].status, found["fe.dependencies"].evidence) == (
        "warning",
        "no source: npm audit --json: no registry",
    )
    # What a run that was killed left behind goes, what another one may be at stays.
    for name, at_s in (("old", 1.0), ("new", time.time())):
        (shop.settings.place / "checks" / name / "tree").mkdir(parents=True)
        os.utime(shop.settings.place / "checks" / name, (at_s, at_s))
    npm.write_text("#!/bin/sh\necho npm: a bug; exit 1\n")
    found = by_id(await stage.run(checks, shop=shop, commit=commit))
    assert found["fe.dependencies"].evidence == "no source: npm audit --json: npm: a bug"
    assert found["fe.build"].evidence == f"{commit[:8]}: npm ci: npm ended with 1: npm: a bug"
    assert shop.left() == ["new"]


async def test_migrations_that_are_pending_or_without_a_file_are_named(stage: Stage) -> None:
    known = await applied(stage)
    checks = tuple(check for check in PRE if check.id == "db.migrations")
    files = (*known[1:], "20991231000000")
    report = await stage.run(checks, migrations=files)
    assert (
        failures(report)["db.migrations"]
        == f"pending 20991231000000; applied, but without a file: {known[0]}"
    )
    assert by_id(await stage.run(checks))["db.migrations"].status == "warning"


async def test_the_report_of_npm_audit_is_read(stage: Stage, tmp_path: Path) -> None:
    checks = tuple(check for check in PRE if check.id == "fe.dependencies")
    counts = {"critical": 1, "high": 0, "moderate": 2, "low": 8}
    report = {
        "metadata": {"vulnerabilities": counts},
        "vulnerabilities": {"left-pad": {"severity": "critical"}},
    }
    file = tmp_path / "audit.json"
    file.write_text(json.dumps(report))
    found = failures(await stage.run(checks, vulnerability_report=file))
    assert found["fe.dependencies"] == "1 critical, 0 high, 2 moderate, 8 low vulnerabilities: left-pad"
    file.write_text(json.dumps({"metadata": {"vulnerabilities": counts | {"critical": 0}}}))
    assert not failures(await stage.run(checks, vulnerability_report=file))
    file.write_text("[]")
    assert (
        "not the output of npm audit"
        in failures(await stage.run(checks, vulnerability_report=file))["fe.dependencies"]
    )
