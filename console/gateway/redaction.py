"""Secrets are taken out of whatever comes from elsewhere: an other side may repeat what it was told."""

from __future__ import annotations

from collections.abc import Iterable

from console.domain.text import printable
from console.gateway.reasons import LONGEST
from console.settings import MASK


class Redaction:
    """Takes known secrets out of any text."""

    def __init__(self, secrets: Iterable[str | None]) -> None:
        # A secret that holds another one goes first.
        self._secrets = sorted({s for s in secrets if s}, key=len, reverse=True)

    def __call__(self, text: object, limit: int = LONGEST) -> str:
        """Printable and without secrets, at most `limit` characters."""
        clean = str(text)
        for secret in self._secrets:
            clean = clean.replace(secret, MASK)
        return printable(clean, limit)

    def body(self, raw: bytes) -> bytes:
        """The same for a body that is still to be read."""
        for secret in self._secrets:
            raw = raw.replace(secret.encode(), MASK.encode())
        return raw
