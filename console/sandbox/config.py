"""What the sandbox's processes are told by their starter: one JSON file, readable by its owner only."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field, fields
from pathlib import Path

from console.domain.errors import Misuse


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """`database_url` has no password in it; `database_password` is that of platform_app."""

    database_url: str
    database_password: str = field(repr=False)
    port: int
    cache_port: int
    jwt_secret: str = field(repr=False)
    control_token: str = field(repr=False)
    rate: float = 20.0
    """Orders per second of the traffic, above 0 and up to 127."""
    seed: int = 1
    refresh_s: float = 120.0
    """After so many seconds the traffic's people renew their access tokens."""
    state_file: str = ""
    """Where what operators have set is kept; `load` puts it beside the file of this where it says nothing. Empty: in
    memory only."""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def load(path: Path) -> SandboxConfig:
    """Read and check the file; raises Misuse with what is wrong in it."""
    try:
        data = json.loads(path.read_text())
        if not isinstance(data, dict):
            raise TypeError("an object is expected")
        unknown = set(data) - {f.name for f in fields(SandboxConfig)}
        if unknown:
            raise TypeError(f"unknown keys: {', '.join(sorted(unknown))}")
        data["state_file"] = data.get("state_file") or str(path.with_name(f"{path.stem}-state.json"))
        config = SandboxConfig(**data)
    except (OSError, ValueError, TypeError) as error:
        raise Misuse(f"{path}: {error}") from None
    if not 0 < config.rate <= 127:
        raise Misuse(f"{path}: rate is {config.rate}, expected more than 0 and at most 127 orders per second")
    return config


def derived_secret(app_password: str, purpose: str) -> str:
    """A secret that installer and service both know without telling each other: keyed by the app's password."""
    return hmac.new(app_password.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def supabase_token(app_password: str) -> str:
    """The access token of the simulated Management API, in the form that the CLI expects."""
    return f"sbp_{derived_secret(app_password, 'supabase access token')[:40]}"


def vercel_token(app_password: str) -> str:
    """The bearer token of the simulated Vercel, derived like the others."""
    return derived_secret(app_password, "vercel token")
