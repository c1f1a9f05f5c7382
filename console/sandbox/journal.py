"""What the service writes down beside the orders: function and auth logs, refusals. Written in batches."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from datetime import UTC, datetime
from typing import Any

from console.domain.text import printable
from console.sandbox.database import Database
from console.sandbox.replies import ApiError

_COLUMNS = {
    "function_logs": ("at", "function", "level", "message", "user_id", "request_id"),
    "auth_logs": ("at", "level", "message", "user_id", "ip_address", "request_id"),
    "auth_audit_log": ("user_id", "action", "ip_address", "created_at"),
    "sandbox.effect_log": ("at", "effect", "target", "detail"),
}
_EVERY_S = 0.5
# While the database is away so many entries are kept.
_MOST_ROWS = 5000


class Journal:
    """Collects rows and copies them into their tables twice a second; never raises."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: dict[str, deque[tuple[Any, ...]]] = {
            table: deque(maxlen=_MOST_ROWS) for table in _COLUMNS
        }
        self._blocked: dict[tuple[str, str], int] = {}

    def function(
        self,
        name: str,
        level: str,
        message: str,
        *,
        user_id: str | None = None,
        request_id: str | None = None,
    ) -> None:
        row = (datetime.now(UTC), name, level, printable(message), user_id, request_id)
        self._rows["function_logs"].append(row)

    def auth(
        self, level: str, message: str, *, user_id: str | None, address: str, request_id: str | None = None
    ) -> None:
        self._rows["auth_logs"].append((datetime.now(UTC), level, message, user_id, address, request_id))

    def audit(self, action: str, *, user_id: str | None, address: str) -> None:
        self._rows["auth_audit_log"].append((user_id, action, address, datetime.now(UTC)))

    def effect(self, effect: str, target: str, detail: dict[str, Any]) -> None:
        plain = {k: printable(v) if isinstance(v, str) else v for k, v in detail.items()}
        row = (datetime.now(UTC), effect, printable(target, 200), json.dumps(plain))
        self._rows["sandbox.effect_log"].append(row)

    def blocked(self, address: str, layer: str) -> None:
        self._blocked[address, layer] = self._blocked.get((address, layer), 0) + 1

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            with contextlib.suppress(ApiError):
                await self.flush()

    async def flush(self) -> None:
        """Write what was collected; raises ApiError while the database is away, and keeps the rows."""
        if not self._blocked and not any(self._rows.values()):
            return
        async with self._database.connection() as connection:
            for table, rows in self._rows.items():
                batch = tuple(rows)
                rows.clear()
                if not batch:
                    continue
                try:
                    schema, _, name = table.rpartition(".")
                    await connection.copy_records_to_table(
                        name, records=batch, columns=_COLUMNS[table], schema_name=schema or "public"
                    )
                except BaseException:
                    rows.extendleft(reversed(batch))
                    raise
            if self._blocked:
                counts, self._blocked = self._blocked, {}
                await connection.execute(
                    "INSERT INTO blocked_requests (ip_address, layer, requests) "
                    "SELECT * FROM unnest($1::inet[], $2::text[], $3::int[])",
                    [a for a, _ in counts], [layer for _, layer in counts], list(counts.values()),
                )  # fmt: skip
