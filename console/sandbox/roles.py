"""The platform's database roles, and the superuser-free way to shut the platform's database for a while."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import asyncpg

from console.sandbox.config import derived_secret

APP = "platform_app"
READER = "platform_reader"
OPS = "platform_ops"
DEPLOY = "platform_deploy"
CONTROL = "platform_control"
# The roles that Supabase's API switches into for a request.
_REQUEST_ROLES = ("anon", "authenticated", "service_role")


def control_password(app_password: str) -> str:
    """platform_control's password: installer and service derive it, so that no further secret is passed on."""
    return derived_secret(app_password, CONTROL)


def scram_verifier(password: str, iterations: int = 4096) -> str:
    """What PostgreSQL stores of a password (RFC 5803): the password itself never reaches the server's log."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    stored = hashlib.sha256(client).digest()
    parts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"


async def ensure_roles(
    connection: asyncpg.Connection,
    *,
    app_password: str,
    reader_password: str,
    ops_password: str | None,
    deploy_password: str | None = None,
) -> None:
    """Create what is missing and set passwords and log-in rights; needs a superuser's connection.

    Without `ops_password` or `deploy_password` these roles keep what they have, at first none.
    """
    known = {r["rolname"] for r in await connection.fetch("SELECT rolname FROM pg_roles")}
    for role in _REQUEST_ROLES:
        if role not in known:
            await connection.execute(f"CREATE ROLE {role} NOLOGIN")
    for role, password, attributes in (
        (APP, app_password, "BYPASSRLS"),
        (READER, reader_password, "BYPASSRLS"),
        (OPS, ops_password, "BYPASSRLS"),
        (DEPLOY, deploy_password, "BYPASSRLS"),
        (CONTROL, control_password(app_password), ""),
    ):
        verb = "ALTER" if role in known else "CREATE"
        secret = f"PASSWORD '{scram_verifier(password)}'" if password is not None else ""
        await connection.execute(f"{verb} ROLE {role} LOGIN {attributes} {secret}")
    await connection.execute(f"""
        GRANT anon, authenticated TO {APP};
        GRANT pg_monitor TO {READER};
        ALTER ROLE {READER} SET default_transaction_read_only = on;
        ALTER ROLE {READER} SET statement_timeout = '5s';
        ALTER ROLE {OPS} SET statement_timeout = '10s';
        -- The platform is a simulation: losing its last commits in a crash of the machine is no loss.
        ALTER ROLE {APP} SET synchronous_commit = off;
        ALTER ROLE {APP} SET statement_timeout = '10s'
    """)


class DatabaseControl:
    """Shuts and opens the database for the gateway's and the service's roles, through a role of its own."""

    def __init__(self, database_url: str, app_password: str) -> None:
        self._url = database_url
        self._password = control_password(app_password)

    async def refuse(self) -> None:
        """New log-ins are refused, running sessions ended."""
        connection = await self._connect()
        try:
            await connection.execute("SELECT control.refuse_logins()")
            await connection.execute("SELECT control.end_sessions()")
        finally:
            await connection.close()

    async def allow(self) -> None:
        """Open again; does nothing when it was open."""
        connection = await self._connect()
        try:
            await connection.execute("SELECT control.allow_logins()")
        finally:
            await connection.close()

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._url, user=CONTROL, password=self._password, timeout=5, command_timeout=5
        )
