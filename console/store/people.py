"""Logins of the store: people and agents, each in exactly one role."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import unicodedata
from typing import Literal

from console.domain.errors import StoreRefused
from console.domain.text import printable
from console.store.faults import place
from console.store.migrate import connected

Role = Literal["viewer", "responder", "commander", "agent"]
ROLES: tuple[Role, ...] = ("viewer", "responder", "commander", "agent")
_ITERATIONS = 4096
# An agent that stands still between BEGIN and COMMIT holds the lease for no longer than this. It is set on the
# login because settings of a role are not inherited by its members.
_AGENT_IDLE = "1500ms"


async def ensure_login(url: str, password: str | None, *, name: str, role: Role, login_password: str) -> None:
    """Make the login, or give an existing one this password and this role instead of its present one.

    `url` and `password` are a superuser's or those of somebody who may create roles. Raises StoreAway and
    StoreRefused, the latter also for a superuser's name.
    """
    if role not in ROLES:
        raise StoreRefused(f"no role {printable(role, 40)}: expected one of {', '.join(ROLES)}")
    async with connected(url, password) as connection:
        row = await connection.fetchrow("SELECT rolsuper, rolcanlogin FROM pg_roles WHERE rolname = $1", name)
        if row is not None and (row["rolsuper"] or not row["rolcanlogin"]):
            raise StoreRefused(f"{printable(name, 63)} is taken at {place(url)}: choose another name")
        statements = await connection.fetch(
            """
            SELECT format('%s ROLE %I LOGIN INHERIT PASSWORD %L',
                          CASE WHEN $2 THEN 'ALTER' ELSE 'CREATE' END, $1::text, $3::text)
            UNION ALL
            SELECT format('REVOKE %I FROM %I', r.rolname, $1)
            FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.roleid
            WHERE m.member = to_regrole(quote_ident($1)) AND r.rolname = ANY ($5) AND r.rolname <> $4
            UNION ALL
            SELECT format('GRANT %I TO %I', $4::text, $1)
            UNION ALL
            SELECT CASE WHEN $4 = 'console_agent'
                THEN format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', $1, $6::text)
                ELSE format('ALTER ROLE %I RESET idle_in_transaction_session_timeout', $1) END
            """,
            name,
            row is not None,
            scram_verifier(login_password),
            f"console_{role}",
            [f"console_{r}" for r in ROLES],
            _AGENT_IDLE,
        )
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement[0])


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of a password (RFC 5802, RFC 7677), computed here so that the server never sees, and
    never logs, the password itself."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac(
        "sha256", unicodedata.normalize("NFKC", password).encode(), salt, _ITERATIONS
    )
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    stored = hashlib.sha256(client).digest()

    def text(raw: bytes) -> str:
        return base64.b64encode(raw).decode()

    return f"SCRAM-SHA-256${_ITERATIONS}:{text(salt)}${text(stored)}:{text(server)}"
