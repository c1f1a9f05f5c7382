"""The platform's bearer tokens: HS256 JWTs as GoTrue issues them (RFC 7519)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

ISSUER = "trade-x-pro"
LIFETIME = timedelta(hours=1)
# Project keys are long-lived and fixed, like those that Supabase issues with a project.
_KEYS_FROM = datetime(2025, 1, 1, tzinfo=UTC)
_KEYS_UNTIL = datetime(2045, 1, 1, tzinfo=UTC)


class BadToken(Exception):
    """The token is missing, forged, expired or not one of ours; the text says which."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token speaks for: `role` is anon, authenticated or service_role; `user_id` only for people."""

    role: str
    user_id: str | None = None
    email: str | None = None


def _project_key(jwt_secret: str, role: str) -> str:
    claims = {"iss": ISSUER, "role": role, "iat": _KEYS_FROM, "exp": _KEYS_UNTIL}
    return jwt.encode(claims, jwt_secret, algorithm="HS256")


def anon_token(jwt_secret: str) -> str:
    """The project's public key: may call functions and read what is public."""
    return _project_key(jwt_secret, "anon")


def service_token(jwt_secret: str) -> str:
    """The project's service key: past row level security."""
    return _project_key(jwt_secret, "service_role")


def user_token(
    jwt_secret: str, user_id: str, email: str, *, now: datetime, lifetime: timedelta = LIFETIME
) -> str:
    """A person's access token, valid from `now` for `lifetime` (a negative one makes an expired token)."""
    claims = {
        "iss": ISSUER, "aud": "authenticated", "role": "authenticated", "sub": user_id, "email": email,
        "iat": min(now, now + lifetime), "exp": now + lifetime,
    }  # fmt: skip
    return jwt.encode(claims, jwt_secret, algorithm="HS256")


def verify(jwt_secret: str, token: str) -> Identity:
    """The identity a token proves; raises BadToken."""
    try:
        claims = jwt.decode(
            token,
            jwt_secret,
            algorithms=["HS256"],
            issuer=ISSUER,
            options={"require": ["exp", "iat"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise BadToken("the token has expired") from None
    except jwt.InvalidTokenError:
        raise BadToken("the token is not valid") from None
    role = claims.get("role")
    if role not in ("anon", "authenticated", "service_role") or (role == "authenticated") != (
        "sub" in claims
    ):
        raise BadToken("the token names no role of this platform")
    return Identity(role, claims.get("sub"), claims.get("email"))
