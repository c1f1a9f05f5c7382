"""Changes that an installation declares for itself: one SQL statement, or one HTTP call to a place of its own."""

from __future__ import annotations

from typing import Any

from console.gateway.effects import Caller


class Declared(Caller):
    async def execute(self, sql: str, *args: Any, timeout_s: float | None = None) -> int:
        """One statement with its values bound; how many rows it returned. Raises SourceFailed and Unknown."""
        rows = await self._write((sql, args), timeout_s=timeout_s)
        return len(rows[0])

    async def ask(self, sql: str, *args: Any) -> Any:
        """The first value of a statement that reads, None without a row. Raises SourceFailed."""
        rows = await self._read(sql, *args)
        return rows[0][0] if rows else None

    async def call(
        self, method: str, url: str, json: Any = None, *, token: str = "", timeout_s: float | None = None
    ) -> Any:
        """What a call answers, None for an empty answer. GET reads and is never Unknown. Raises SourceFailed and
        Unknown."""
        if method == "GET":
            return await self._ask(url, token, timeout_s=timeout_s)
        return await self._change(method, url, token, json, timeout_s=timeout_s)
