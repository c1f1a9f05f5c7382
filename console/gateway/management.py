"""Supabase's Management API (supabase.com/docs/reference/api): what is deployed and kept of one project. Reads only."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from console.domain.errors import SourceFailed
from console.domain.release import FunctionVersion
from console.domain.text import printable
from console.gateway.http import Http
from console.gateway.reasons import NoSource
from console.sections import PlatformSettings, plain


class Management:
    """`settings` are resolved ones. Nothing connects before the first question."""

    def __init__(self, settings: PlatformSettings, timeout_s: float = 5.0) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._http = Http(token=plain(settings.supabase_token), trusted=(settings.supabase_url,))

    async def close(self) -> None:
        """End all connections."""
        await self._http.close()

    async def get(self, path: str) -> Any:
        """The JSON of `GET /v1/projects/{ref}` + path. Raises SourceFailed."""
        for name in ("supabase_project", "supabase_token"):
            if getattr(self._settings, name) is None:
                raise NoSource(f"no source: platform.{name} is not set")
        project = quote(self._settings.supabase_project or "", safe="")
        url = f"{self._settings.supabase_url}/v1/projects/{project}{path}"
        answer = await self._http.request("GET", url, timeout_s=self._timeout_s)
        if not answer.good:
            raise SourceFailed(answer.summary())
        return answer.json()

    async def functions(self) -> dict[str, FunctionVersion]:
        """The edge functions that run, by name. Raises SourceFailed."""
        found = await self.get("/functions")
        if not isinstance(found, list):
            raise SourceFailed("the list of functions is no list")
        functions = [_function(entry) for entry in found]
        return {each.slug: each for each in functions if each is not None}


def _function(entry: Any) -> FunctionVersion | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("version"), int):
        return None
    sha = printable(entry.get("ezbr_sha256") or "", 100)
    return FunctionVersion(
        printable(entry.get("slug"), 60), entry["version"], sha, entry.get("status") == "ACTIVE"
    )
