"""What runs: edge functions over Supabase's Management API, the frontend over Vercel's REST API, and the migrations
that the database says it has. Deploying itself is done by the vendors' own programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from console.domain.errors import SourceFailed
from console.domain.release import FunctionVersion
from console.domain.text import printable
from console.gateway.effects import Caller

_MOST = 20


@dataclass(frozen=True, slots=True)
class Frontend:
    """One deployment of the frontend: an immutable copy, which may or may not be what everybody gets."""

    id: str
    url: str
    ready: bool
    commit: str = ""


class Deployed(Caller):
    async def functions(self) -> dict[str, FunctionVersion]:
        """The edge functions that run, by name. Raises SourceFailed."""
        return await self._doors.management.functions()

    async def production(self) -> Frontend | None:
        """The frontend that everybody gets; None where there is none yet. Raises SourceFailed."""
        project = self._required("vercel_project")
        found = await self._ask(
            self._vercel(f"/v9/projects/{quote(project)}"), self._required("vercel_token")
        )
        targets = found.get("targets") if isinstance(found, dict) else None
        if not isinstance(targets, dict):
            raise SourceFailed("the project has no mapping `targets`")
        return _frontend(targets.get("production"))

    async def frontend_of(self, mark: str) -> Frontend | None:
        """The newest deployment that was made with `--meta tradex=MARK`. Raises SourceFailed."""
        asked = {"projectId": self._required("vercel_project"), "limit": str(_MOST)}
        found = await self._ask(self._vercel("/v6/deployments", **asked), self._required("vercel_token"))
        entries = found.get("deployments") if isinstance(found, dict) else None
        if not isinstance(entries, list):
            raise SourceFailed("the list of deployments has no list `deployments`")
        marked = (entry for entry in entries if _meta(entry).get("tradex") == mark)
        return next((made for entry in marked if (made := _frontend(entry)) is not None), None)

    async def applied(self) -> tuple[str, ...]:
        """The versions of the migrations that the database has, in order. Raises SourceFailed."""
        rows = await self._read("SELECT version FROM supabase_migrations.schema_migrations ORDER BY version")
        return tuple(printable(row["version"], 40) for row in rows)

    async def take_back(self, sql: str, *, timeout_s: float) -> None:
        """Run the script that takes a migration back, its entry in the history with it. Raises SourceFailed and
        Unknown."""
        await self._write((sql, None), door="deploy", timeout_s=timeout_s)

    async def signed_in(self) -> int:
        """How many people have a session now. Raises SourceFailed."""
        rows = await self._read(
            "SELECT count(DISTINCT user_id) AS n FROM user_sessions WHERE status = 'active'"
        )
        return rows[0]["n"]


def _frontend(entry: Any) -> Frontend | None:
    if not isinstance(entry, dict):
        return None
    name = entry.get("id") or entry.get("uid")
    if not isinstance(name, str):
        return None
    commit = _meta(entry).get("githubCommitSha") or _meta(entry).get("gitCommitSha")
    state = entry.get("readyState") or entry.get("state")
    return Frontend(
        printable(name, 100),
        printable(entry.get("url") or "", 200),
        state == "READY",
        printable(commit or "", 64),
    )


def _meta(entry: Any) -> dict[str, Any]:
    found = entry.get("meta") if isinstance(entry, dict) else None
    return found if isinstance(found, dict) else {}
