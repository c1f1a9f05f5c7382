"""The platform's two database servers, simulated on one: a primary that a drill can take down, and a replica that
operators can fail over to. While the serving one is down, the database really refuses everybody.
"""

from __future__ import annotations

import asyncio
from typing import Any

from console.sandbox.database import Database
from console.sandbox.operations import PRIMARY, REPLICA, Operations
from console.sandbox.replies import ApiError
from console.sandbox.roles import DatabaseControl


class Servers:
    def __init__(self, database: Database, control: DatabaseControl, operations: Operations) -> None:
        self._database = database
        self._control = control
        self._operations = operations
        self._lock = asyncio.Lock()
        self._primary_down = False
        database.server = operations.active

    def state(self) -> dict[str, Any]:
        return {
            "active": self._operations.active,
            PRIMARY: "down" if self._primary_down else "up",
            REPLICA: "up",
        }

    async def lose_primary(self) -> None:
        """Who is served by the primary is refused from now on, and running sessions end."""
        async with self._lock:
            self._primary_down = True
            await self._settle()

    async def regain_primary(self) -> None:
        """Raises what kept the database from being opened again."""
        async with self._lock:
            self._primary_down = False
            await self._settle()

    async def fail_over(self, to: str) -> bool:
        """Let `to` serve; open connections end, as they do when an alias moves. False when it did already.

        Raises ApiError 409 when that server is down.
        """
        async with self._lock:
            if to == PRIMARY and self._primary_down:
                raise ApiError(409, "server_down", "the primary is down")
            changed = self._operations.change(active=to)
            await self._settle()
            if changed:
                self._database.move(to)
            return changed

    async def _settle(self) -> None:
        if self._primary_down and self._operations.active == PRIMARY:
            await self._control.refuse()
        else:
            await self._control.allow()
