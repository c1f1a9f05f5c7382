"""All checks by occasion: the environment, before a release (FACTS section 9), after it (the specification's eight)."""

from __future__ import annotations

from console.checks import database, orders, people, release, services, watching
from console.checks.check import STORE, Check, Doors
from console.domain.check import Outcome, by_hand

_API = "platform.base_url"
_DATABASE = "platform.database_url"
_FUNCTIONS = "platform.functions_url"
_ACCOUNT = "checks.account"
_ORDERS_S = 15.0
_AUDIT_S = 12.0
_PROJECT = ("platform.supabase_project", "platform.supabase_token")


async def _error_boundaries(doors: Doors) -> Outcome:
    return by_hand("tried for this release, and ticked with a note")


ENV = (
    Check("env.tables", "Tables", "environment", database.tables, (_DATABASE,)),
    Check("env.policies", "Row level security", "environment", database.policies, (_DATABASE,)),
    Check("env.procedures", "Procedures", "environment", database.procedures, (_DATABASE,)),
    Check("env.functions", "Deployed functions", "environment", services.listed_functions, _PROJECT),
    Check(
        "env.health_check", "POST health-check", "environment", services.health_function,
        (_FUNCTIONS, "platform.health_function"), timeout_s=services.FUNCTION_S,
    ),
)  # fmt: skip

PRE = (
    Check("db.migrations", "Migrations applied", "database", database.migrations, (_DATABASE,)),
    Check("db.rls", "Row level security active", "database", database.policies, (_DATABASE,)),
    Check("db.procedures", "Procedures tested", "database", database.procedures, (_DATABASE,)),
    Check("db.indexes", "Indexes in use", "database", database.indexes, (_DATABASE,)),
    Check("db.backups", "Backup of the last day", "database", database.backups, _PROJECT),
    Check(
        "fn.execute_order", "execute-order deployed and tested", "functions", orders.deployed,
        (*_PROJECT, _FUNCTIONS, _ACCOUNT), timeout_s=_ORDERS_S,
    ),
    Check(
        "fn.get_stock_price", "get-stock-price operational", "functions", services.price,
        (_FUNCTIONS, _ACCOUNT), timeout_s=services.FUNCTION_S,
    ),
    Check(
        "fn.health", "All functions healthy", "functions", services.functions, (_FUNCTIONS,),
        timeout_s=services.FUNCTION_S,
    ),
    Check(
        "fn.rate_limit", "Functions' rate limit", "functions", people.function_limit, (_FUNCTIONS, _ACCOUNT),
        after=("fn.execute_order", "fn.get_stock_price", "fn.health", "fn.errors", "sec.auth", "sec.input"),
        timeout_s=services.FUNCTION_S,
    ),
    Check(
        "fn.errors", "Errors without insides", "functions", services.errors, (_FUNCTIONS, _ACCOUNT),
        timeout_s=services.FUNCTION_S,
    ),
    Check("fe.build", "Build of the commit", "frontend", release.build, timeout_s=release.BUILD_S),
    # npm is at work in the same folder before.
    Check(
        "fe.dependencies", "Dependencies", "frontend", release.dependencies, after=("fe.build",), timeout_s=60.0
    ),
    Check("fe.headers", "Security headers", "frontend", services.headers, (_API,)),
    # Alone, since it is about time.
    Check(
        "fe.performance", "First page and its bundle", "frontend", services.page, (_API,),
        after=("fn.rate_limit", "sec.rate_limit", "sec.csrf", "db.indexes", "mon.metrics", "fe.dependencies"),
        timeout_s=20.0,
    ),
    Check("fe.error_boundaries", "Error boundaries", "frontend", _error_boundaries),
    Check(
        "sec.auth", "Authentication and authorization", "security", people.access,
        (_API, _FUNCTIONS, _ACCOUNT), timeout_s=services.FUNCTION_S,
    ),
    Check(
        "sec.input", "Input validation", "security", orders.nonsense, (_API, _FUNCTIONS, _ACCOUNT),
        timeout_s=_ORDERS_S,
    ),
    # Where it is let through it ends the account's sessions, though not its token.
    Check("sec.csrf", "Foreign origins refused", "security", people.foreign_origin, (_API, _ACCOUNT)),
    Check(
        "sec.rate_limit", "API's rate limit", "security", people.api_limit, (_API, _ACCOUNT),
        after=("fe.headers", "sec.auth", "sec.input"), timeout_s=services.FUNCTION_S,
    ),
    Check(
        "sec.audit", "Audit log", "security", people.audited, (_API, _DATABASE, _ACCOUNT), timeout_s=_AUDIT_S
    ),
    Check("mon.metrics", "Metrics collected", "monitoring", watching.metrics, (STORE,)),
    Check("mon.security", "Detectors run", "monitoring", watching.detectors, (STORE,)),
    Check("mon.rules", "Alert rules", "monitoring", watching.rules),
    Check("mon.dashboards", "Dashboards readable", "monitoring", watching.dashboards, (STORE,)),
    Check("mon.incident", "Incident response", "monitoring", watching.response, (STORE,)),
)  # fmt: skip

POST = (
    Check(
        "database_connectivity", "Database", "validation", database.connectivity, (_DATABASE,), timeout_s=10.0
    ),
    Check(
        "edge_functions", "Edge functions", "validation", services.functions, (_FUNCTIONS,),
        timeout_s=services.FUNCTION_S,
    ),
    Check(
        "api_endpoints", "API", "validation", services.endpoints, (_API, _ACCOUNT), timeout_s=services.FUNCTION_S
    ),
    # The burst at its end uses up what the others need.
    Check(
        "authentication", "Authentication and rate limit", "validation", people.authentication,
        (_API, _FUNCTIONS, _ACCOUNT), after=("api_endpoints", "order_execution", "security_headers"),
        timeout_s=_ORDERS_S,
    ),
    Check(
        "order_execution", "Order execution", "validation", orders.execution, (_API, _FUNCTIONS, _ACCOUNT),
        timeout_s=_ORDERS_S,
    ),
    Check(
        "real_time_updates", "Websocket", "validation", services.realtime, ("platform.websocket_url",),
        timeout_s=services.API_S + 1,
    ),
    Check("security_headers", "Security headers", "validation", services.headers, (_API,), timeout_s=10.0),
    Check("monitoring", "Monitoring", "validation", services.monitoring, (_API,)),
)  # fmt: skip

OCCASIONS = {"env": ENV, "pre": PRE, "post": POST}
"""What `validate --env | --pre | --post` runs."""
