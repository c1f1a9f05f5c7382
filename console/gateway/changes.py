"""Everything that changes the platform, and what plans and proofs ask about it. Used by actions only.

Each call has a time-out and says what is known: it returns when the change has happened, raises SourceFailed when it
surely has not, and Unknown when it was sent and nobody can say.
"""

from __future__ import annotations

from typing import Any, Self

from console.domain.errors import SourceFailed
from console.gateway.accounts import Accounts
from console.gateway.blocklist import BlockList
from console.gateway.database import Database
from console.gateway.declared import Declared
from console.gateway.deployed import Deployed
from console.gateway.effects import TIMEOUT_S, Doors, Trace
from console.gateway.firewall import Firewall
from console.sections import PlatformSettings, plain

_READING_SESSIONS = 3
_NEEDED = {
    "database": ("ops_database_url",),
    "auth": ("auth_url", "service_key"),
    "ops": ("ops_url", "service_key"),
    "vercel": ("vercel_project", "vercel_token"),
    "supabase": ("supabase_project", "supabase_token"),
}


class Changes(BlockList, Firewall, Accounts, Declared, Deployed):
    """The only writer. One that is not configured answers with NoSource and the setting's name."""

    @classmethod
    def open(cls, settings: PlatformSettings, *, timeout_s: float = TIMEOUT_S) -> Self:
        """Without any I/O but reading the files of secrets; `timeout_s` is for each call that is given none. Raises
        Misuse for a file that can't be used."""
        resolved = settings.resolved()
        password = plain(resolved.ops_database_password)
        database = Database(resolved.ops_database_url, password, size=_READING_SESSIONS)
        return cls(Doors(resolved, database, timeout_s))

    def traced(self, trace: Trace) -> Self:
        """The same doors for one action: `trace` is told each effect before it is sent, the exact SQL or HTTP call
        in one line without secrets."""
        return type(self)(self._doors, trace)

    @property
    def configured(self) -> frozenset[str]:
        """Which doors this installation names: database, auth, ops, vercel, supabase."""
        return frozenset(
            door
            for door, names in _NEEDED.items()
            if all(getattr(self.settings, name) is not None for name in names)
        )

    async def close(self) -> None:
        """End all connections, those of all views."""
        await self._doors.database.close()
        await self._doors.http.close()
        await self._doors.management.close()

    async def set_flag(self, name: str, on: bool) -> bool:
        """A flag of the platform; returns how it was before. SourceFailed when there is no such flag."""
        rows = await self._write(
            (
                "WITH old AS (SELECT name, enabled FROM platform_flags WHERE name = $1 FOR NO KEY UPDATE), "
                "new AS (UPDATE platform_flags AS f SET enabled = $2, changed_at = now() FROM old "
                "WHERE f.name = old.name AND old.enabled <> $2) SELECT enabled FROM old",
                (name, on),
            )
        )
        if not rows[0]:
            raise SourceFailed(f"the platform has no flag {name}")
        return rows[0][0]["enabled"]

    async def flag(self, name: str) -> bool:
        """Raises SourceFailed when there is no such flag."""
        rows = await self._read("SELECT enabled FROM platform_flags WHERE name = $1", name)
        if not rows:
            raise SourceFailed(f"the platform has no flag {name}")
        return rows[0]["enabled"]

    async def ops(
        self, method: str, path: str, json: Any = None, *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """What this installation offers below ops_url, with the service key: the object it answers with.

        GET reads and is never Unknown.
        """
        url, key = f"{self._required('ops_url')}{path}", self._required("service_key")
        if method == "GET":
            data = await self._ask(url, key, timeout_s=timeout_s)
            if not isinstance(data, dict):
                raise SourceFailed(f"{path}: an object was expected")
            return data
        data = await self._change(method, url, key, json, timeout_s=timeout_s)
        return data if isinstance(data, dict) else {}
