"""The door of the checks: the platform as anybody on the internet has it, with the token that a check chooses and none
by default. It signs in and asks; whether something is changed is up to what is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from console.domain.errors import SourceFailed
from console.gateway.http import Http, Response
from console.gateway.reasons import NoSource
from console.gateway.redaction import Redaction
from console.sections import ChecksSettings, PlatformSettings, plain

# An address that a limit has just refused, be it for a burst of our own, is let in again after a moment.
_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in. The token lasts about an hour; `asked_at` is when they asked to be let in
    (monotonic, s)."""

    id: str
    email: str
    token: str = field(repr=False)
    asked_at: float


class Visitor:
    """Asks over HTTP. No answer repeats a secret of the settings or a token that a sign-in brought."""

    def __init__(self, settings: PlatformSettings, checks: ChecksSettings) -> None:
        """`settings` are resolved ones. Reads the files of secrets; raises Misuse."""
        self._settings = settings
        self._http = Http()
        self._key = plain(settings.api_key)
        self.expired_token = plain(None, checks.expired_token_file)
        self._passwords = {
            email: (name, plain(None, file))
            for name, email, file in (
                ("account", checks.account, checks.account_password_file),
                ("other_account", checks.other_account, checks.other_account_password_file),
            )
            if email is not None
        }
        self._people: dict[str, Person] = {}
        self._turns: dict[str, asyncio.Lock] = {email: asyncio.Lock() for email in self._passwords}
        self._secrets = [self._key, plain(settings.supabase_token), self.expired_token]
        self._secrets += [password for _, password in self._passwords.values()]
        self.redaction = Redaction(self._secrets)

    async def close(self) -> None:
        """End all connections."""
        await self._http.close()

    def hide(self, *secrets: str) -> None:
        """From now on these appear nowhere either."""
        self._secrets += secrets
        self.redaction = Redaction(self._secrets)

    async def person(self, email: str) -> Person:
        """This account of the settings, signed in once for all checks. Raises SourceFailed."""
        name, password = self._passwords[email]
        if password is None:
            raise NoSource(f"no source: checks.{name}_password_file is not set")
        async with self._turns[email]:
            if email not in self._people:
                self._people[email] = await self._sign_in(email, password)
            return self._people[email]

    async def _sign_in(self, email: str, password: str) -> Person:
        url, asked_at = f"{self._settings.auth_url}/token?grant_type=password", time.monotonic()
        answer = await self.ask("POST", url, json={"email": email, "password": password})
        if not answer.good:
            raise SourceFailed(f"sign-in of {email}: {answer.summary()}")
        data = answer.json()
        try:
            token, user_id = data["access_token"], data["user"]["id"]
        except (KeyError, TypeError):
            raise SourceFailed(f"sign-in of {email}: the answer has no access_token and user.id") from None
        self.hide(str(token))
        return Person(str(user_id), email, str(token), asked_at)

    async def ask(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 5.0,
        patient: bool = True,
    ) -> Response:
        """Any answer, without secrets. A `patient` one is asked again for as long as a rate limit says to wait a
        moment. Raises SourceFailed."""
        # Everybody's browser sends the project's public key; it says nothing about who asks.
        told = {**({"apikey": self._key} if self._key else {}), **(headers or {})}
        if token is not None:
            told["Authorization"] = f"Bearer {token}"
        while True:
            answer = await self._http.request(
                method, url, headers=told, json=json, content=content, timeout_s=timeout_s
            )
            wait_s = _wait_s(answer)
            if not patient or wait_s is None:
                return replace(answer, body=self.redaction.body(answer.body))
            await asyncio.sleep(wait_s)


def _wait_s(answer: Response) -> float | None:
    """How long the platform asks to wait, where that is but a moment."""
    said = answer.headers.get("retry-after", "")
    if answer.status != 429 or not (said.isascii() and said.isdigit()):
        return None
    return float(said) if 0 < float(said) <= _PATIENCE_S else None
