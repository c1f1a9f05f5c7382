"""Logging in, as GoTrue does it (supabase.com/docs/reference/self-hosting-auth): sessions with refresh tokens, the
mail for who has lost a password, and the admin endpoints, which need the service key.

What GoTrue itself refuses has its shape {code, error_code, msg}; the password log-in, tokens and bodies that are no
JSON are refused by the platform before it, in the platform's shape.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.sandbox import people
from console.sandbox.api import own_profile
from console.sandbox.identity import (
    address_of,
    person_of,
    refuse_in_maintenance,
    request_id_of,
    require_service_key,
    service_of,
)
from console.sandbox.replies import ApiError, json_object
from console.sandbox.service import Service
from console.sandbox.tokens import LIFETIME, user_token

# Go's time.ParseDuration, without a sign.
_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)"
_PARTS, _DURATION = re.compile(_PART, re.ASCII), re.compile(f"(?:{_PART})+", re.ASCII)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# An int64 of nanoseconds holds no more.
_LONGEST_S = 2**63 / 1e9
_SHORTEST_PASSWORD = 6


class GoTrueError(ApiError):
    """A refusal in GoTrue's own shape."""

    def response(self, request_id: str) -> Response:
        body = {"code": self.status, "error_code": self.code, "msg": self.message}
        return JSONResponse(body, status_code=self.status, headers=self.headers)


async def token(request: Request) -> Response:
    """grant_type=password or refresh_token: a session with an access token (valid for an hour whatever happens to
    the session) and a refresh token (valid once, as long as the session is there)."""
    grant = request.query_params.get("grant_type")
    if grant not in ("password", "refresh_token"):
        raise ApiError(400, "unsupported_grant_type", "grant_type=password or refresh_token is expected")
    service = service_of(request)
    refuse_in_maintenance(service)
    data = await json_object(request)
    return await (_log_in if grant == "password" else _refresh)(request, service, data)


async def _log_in(request: Request, service: Service, data: dict[str, Any]) -> Response:
    """A session, 400 or 403, or 429 where the security protocols say so; every attempt is in auth_audit_log."""
    address, email, plain = address_of(request), data.get("email"), data.get("password")
    if (
        not isinstance(email, str)
        or not isinstance(plain, str)
        or len(email) > 200
        or len(plain) > 200
        or "\0" in email
    ):
        raise ApiError(400, "invalid_credentials", "email and password are expected")
    if service.operations.security_protocols and service.failed_logins.too_many(address, time.monotonic()):
        service.rate_limited += 1
        service.journal.audit("rate_limit_exceeded", user_id=None, address=address)
        raise ApiError(
            429,
            "too_many_failures",
            "too many failed log-ins from this address",
            headers={"Retry-After": "60"},
        )
    async with service.database.connection() as connection:
        user = await connection.fetchrow(
            "SELECT u.id, salt, digest, banned_until > now() AS banned, account_status <> 'active' AS inactive "
            "FROM auth.users AS u JOIN profiles USING (id) WHERE u.email = $1",
            email,
        )
        sound = user is not None and hmac.compare_digest(people.digest(user["salt"], plain), user["digest"])
        user_id = str(user["id"]) if user is not None else None
        refresh_token = None
        if user is not None and sound and not (user["banned"] or user["inactive"]):
            refresh_token = await _open_session(connection, str(user_id), address)
        else:
            await connection.execute(
                "INSERT INTO auth_audit_log (user_id, action, ip_address) "
                "VALUES ($1::uuid, 'authentication_failure', $2::inet)",
                user_id, address,
            )  # fmt: skip
    log = service.journal.auth
    if not sound:
        service.failed_logins.note(address, time.monotonic())
        log("warning", "log-in refused: wrong e-mail or password", user_id=user_id, address=address)
        raise ApiError(400, "invalid_credentials", "wrong e-mail or password")
    if refresh_token is None:
        log("warning", "log-in refused: the account is suspended", user_id=user_id, address=address)
        raise ApiError(403, "account_suspended", "this account is suspended")
    log("info", "log-in", user_id=user_id, address=address, request_id=request_id_of(request))
    return _session(service, str(user_id), email, refresh_token)


async def _open_session(connection: asyncpg.Connection, user_id: str, address: str) -> str:
    """The refresh token of a new session; the person's visit before it has ended."""
    refresh_token = secrets.token_urlsafe(12)
    await connection.execute(
        """
        WITH old AS (UPDATE user_sessions SET status = 'ended', ended_at = now()
                     WHERE user_id = $1::uuid AND status = 'active'),
             audit AS (INSERT INTO auth_audit_log (user_id, action, ip_address)
                       VALUES ($1::uuid, 'authentication_success', $2::inet)),
             visit AS (INSERT INTO user_sessions (user_id, status, ip_address)
                       VALUES ($1::uuid, 'active', $2::inet)),
             session AS (INSERT INTO auth.sessions (user_id, ip) VALUES ($1::uuid, $2::inet) RETURNING id)
        INSERT INTO auth.refresh_tokens (token, session_id) SELECT $3, id FROM session
        """,
        user_id, address, refresh_token,
    )  # fmt: skip
    return refresh_token


async def _refresh(request: Request, service: Service, data: dict[str, Any]) -> Response:
    """A new pair of tokens for a refresh token that was not used yet and whose session is there; else 400."""
    old = data.get("refresh_token")
    if not isinstance(old, str) or not 1 <= len(old) <= 200 or not old.isprintable():
        raise GoTrueError(400, "validation_failed", "refresh_token is expected")
    async with service.database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT u.id, u.email, u.banned_until > now() AS banned FROM auth.refresh_tokens AS t "
            "JOIN auth.sessions AS s ON s.id = t.session_id JOIN auth.users AS u ON u.id = s.user_id "
            "WHERE t.token = $1",
            old,
        )
        if row is not None and row["banned"]:
            raise GoTrueError(400, "user_banned", "Invalid Refresh Token: User Banned")
        new = await connection.fetchval(
            "UPDATE auth.refresh_tokens SET token = $2, updated_at = now() WHERE token = $1 RETURNING token",
            old, secrets.token_urlsafe(12),
        )  # fmt: skip
    if row is None or new is None:
        raise GoTrueError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
    return _session(service, str(row["id"]), row["email"], new)


def _session(service: Service, user_id: str, email: str, refresh_token: str) -> Response:
    access = user_token(service.config.jwt_secret, user_id, email, now=datetime.now(UTC))
    return JSONResponse(
        {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": int(LIFETIME.total_seconds()),
            "refresh_token": refresh_token,
            "user": {"id": user_id, "email": email},
        }
    )


async def log_out(request: Request) -> Response:
    user_id = person_of(request)
    async with service_of(request).database.connection() as connection:
        await connection.execute(
            "WITH gone AS (DELETE FROM auth.sessions WHERE user_id = $1::uuid) "
            "UPDATE user_sessions SET status = 'ended', ended_at = now() "
            "WHERE user_id = $1::uuid AND status = 'active'",
            user_id,
        )
    return Response(status_code=204)


async def who_am_i(request: Request) -> Response:
    user_id = person_of(request)
    async with service_of(request).database.as_person(user_id) as connection:
        row = await own_profile(connection)
    return JSONResponse({"id": str(row["id"]), "email": row["email"]})


async def change_own(request: Request) -> Response:
    """{"password": NEW} of the person who is signed in."""
    user_id = person_of(request)
    plain = _new_password(await json_object(request))
    async with service_of(request).database.connection() as connection:
        await _set_password(connection, user_id, plain)
        row = await _find(connection, user_id)
    assert row is not None  # noqa: S101 - whoever has a token has an account
    return JSONResponse(_user(row))


async def recover(request: Request) -> Response:
    """{"email": E}: send the mail by which a new password is set; the same answer where there is no such account."""
    service, data = service_of(request), await json_object(request)
    email = data.get("email")
    if not isinstance(email, str) or not 3 <= len(email) <= 200 or not email.isprintable():
        raise GoTrueError(400, "validation_failed", "Password recovery requires an email")
    async with service.database.connection() as connection:
        found = await connection.fetchval(
            "WITH known AS (UPDATE auth.users SET recovery_sent_at = now() WHERE email = $1 RETURNING id) "
            "INSERT INTO sandbox.outbox (recipient, kind, token) SELECT $1, 'recovery', $2 FROM known "
            "RETURNING recipient",
            email, secrets.token_urlsafe(24),
        )  # fmt: skip
    await service.record("recover", email, changed=found is not None)
    return JSONResponse({})


async def verify(request: Request) -> Response:
    """{"type": "recovery", "email": E, "token": T}: a session for who has read the mail; each token works once."""
    service, data = service_of(request), await json_object(request)
    email, mailed = data.get("email"), data.get("token")
    if (
        data.get("type") != "recovery"
        or not isinstance(email, str)
        or not isinstance(mailed, str)
        or not (email + mailed).isprintable()
    ):
        raise GoTrueError(400, "validation_failed", "Verify requires a type, an email and a token")
    async with service.database.connection() as connection, connection.transaction():
        user = await connection.fetchrow(
            "WITH mail AS (UPDATE sandbox.outbox SET used_at = now() WHERE recipient = $1 AND token = $2 "
            "AND used_at IS NULL AND at > now() - interval '1 hour' RETURNING recipient) "
            "SELECT u.id, banned_until > now() AS banned, account_status <> 'active' AS inactive "
            "FROM mail JOIN auth.users AS u ON u.email = recipient JOIN profiles USING (id)",
            email, mailed,
        )  # fmt: skip
        if user is None:
            raise GoTrueError(403, "otp_expired", "Token has expired or is invalid")
        if user["banned"] or user["inactive"]:
            raise GoTrueError(403, "user_banned", "User is banned")
        refresh_token = await _open_session(connection, str(user["id"]), address_of(request))
    return _session(service, str(user["id"]), email, refresh_token)


async def admin_user(request: Request) -> Response:
    """GET one user; PUT {"ban_duration": "24h" | "none", "password": NEW} changes what is named."""
    _require_admin(request)
    user_id = _uuid(request.path_params["user_id"])
    service = service_of(request)
    data = await json_object(request) if request.method == "PUT" else {}
    unknown = set(data) - {"ban_duration", "password"}
    if unknown:
        raise GoTrueError(400, "validation_failed", f"not simulated: {', '.join(sorted(unknown))[:80]}")
    banned_for = _ban_duration(data["ban_duration"]) if "ban_duration" in data else None
    plain = _new_password(data) if "password" in data else None
    async with service.database.connection() as connection, connection.transaction():
        if "ban_duration" in data:
            await connection.execute(
                "UPDATE auth.users SET banned_until = now() + $2::interval WHERE id = $1::uuid", user_id, banned_for
            )  # fmt: skip
        if plain is not None:
            await _set_password(connection, user_id, plain)
            # Who knew the old one shall not stay.
            await connection.execute("DELETE FROM auth.sessions WHERE user_id = $1::uuid", user_id)
        row = await _find(connection, user_id)
    if row is None:
        raise GoTrueError(404, "user_not_found", "User not found")
    if data:
        shown = {"fields": sorted(data)} | {k: v for k, v in data.items() if k == "ban_duration"}
        await service.record("auth_user", user_id, **shown)
    return JSONResponse(_user(row))


def _require_admin(request: Request) -> None:
    try:
        require_service_key(request)
    except ApiError:
        raise GoTrueError(403, "not_admin", "User not allowed") from None


async def _find(connection: asyncpg.Connection, user_id: str) -> asyncpg.Record | None:
    return await connection.fetchrow(
        "SELECT id, email, created_at, banned_until, recovery_sent_at FROM auth.users WHERE id = $1::uuid",
        user_id,
    )


async def _set_password(connection: asyncpg.Connection, user_id: str, plain: str) -> None:
    salt = secrets.token_hex(8)
    await connection.execute(
        "UPDATE auth.users SET salt = $2, digest = $3, password_changed_at = now() WHERE id = $1::uuid",
        user_id, salt, people.digest(salt, plain),
    )  # fmt: skip


def _new_password(data: dict[str, Any]) -> str:
    plain = data.get("password")
    if not isinstance(plain, str) or not _SHORTEST_PASSWORD <= len(plain) <= 200:
        raise GoTrueError(
            422, "weak_password", f"Password should be at least {_SHORTEST_PASSWORD} characters."
        )
    return plain


def _ban_duration(text: object) -> timedelta | None:
    """`24h`, `1h30m`, or None for `none`; raises GoTrueError 400 for what Go does not take for a duration."""
    if text == "none":
        return None
    if not isinstance(text, str) or len(text) > 60 or _DURATION.fullmatch(text) is None:
        raise GoTrueError(
            400,
            "validation_failed",
            f"invalid format for ban duration: time: invalid duration {str(text)[:60]!r}",
        )
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))
    if seconds >= _LONGEST_S:
        raise GoTrueError(400, "validation_failed", "invalid format for ban duration: time: invalid duration")
    return timedelta(seconds=seconds)


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise GoTrueError(404, "validation_failed", "user_id must be an UUID") from None


def _user(row: asyncpg.Record) -> dict[str, Any]:
    """A user as GoTrue gives it: times that were never are left out."""
    times = {k: row[k].isoformat() for k in ("created_at", "banned_until", "recovery_sent_at") if row[k]}
    return {
        "id": str(row["id"]),
        "aud": "authenticated",
        "role": "authenticated",
        "email": row["email"],
        "app_metadata": {"provider": "email"},
        "user_metadata": {},
        **times,
    }
