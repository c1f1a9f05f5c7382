"""Tokens that a platform must refuse: JWTs (RFC 7519) that nobody issued. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from typing import Any


def resigned(token: str, key: bytes | None = None) -> str:
    """The same claims, signed by somebody who doesn't know the platform's key. ValueError when it is no JWT."""
    header = _encoded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{header}.{_payload(token)}"
    signature = hmac.digest(key or secrets.token_bytes(32), signed.encode(), hashlib.sha256)
    return f"{signed}.{_encoded(signature)}"


def unsigned(token: str) -> str:
    """The same claims with `alg: none` (RFC 7519, section 6). ValueError when it is no JWT."""
    return f"{_encoded(json.dumps({'alg': 'none', 'typ': 'JWT'}).encode())}.{_payload(token)}."


def expires_at(token: str) -> datetime:
    """When it runs out, as it says itself; nothing is verified. ValueError when it does not say."""
    try:
        claims: Any = json.loads(_decoded(_payload(token)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (TypeError, KeyError, OverflowError, OSError, RecursionError) as error:
        raise ValueError(f"a token that says when it runs out was expected: {error!r}") from None


def _payload(token: str) -> str:
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("no JWT: three parts with dots between them were expected")
    return parts[1]


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from None
