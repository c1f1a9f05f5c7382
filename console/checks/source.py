"""What a release is made of: a commit of the platform's repository for the time of one run, in a folder of its own, and
what npm makes of that.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from console.domain.text import printable
from console.gateway.repository import Repository
from console.processes.commands import before_path, passed_on, run
from console.sections import DeploySettings

_LEFT_BEHIND_S = 7200.0


class Source:
    """One commit. Nothing is checked out before somebody wants it; `close` it at the end."""

    def __init__(self, repository: Repository, commit: str, settings: DeploySettings) -> None:
        self.commit = commit
        self._repository = repository
        self._settings = settings
        self._folder: Path | None = None
        self._turn = asyncio.Lock()

    async def npm(self, *words: str, lines: list[str] | None = None) -> str:
        """Run `npm` there, without any secret; the last line that it says. `lines` gets all of them. Raises
        SourceFailed and CommandFailed."""
        return await run(
            ["npm", *words],
            env={**passed_on(), "PATH": before_path(self._settings.path), **self._settings.env},
            cwd=await self._tree(),
            clean=printable,
            say=([] if lines is None else lines).extend,
        )

    async def _tree(self) -> Path:
        async with self._turn:
            if self._folder is None:
                self._folder = await asyncio.to_thread(_fresh, self._settings.place / "checks")
                await self._repository.tree(self.commit, self._folder / "tree")
            return self._folder / "tree"

    async def close(self) -> None:
        """Without the checkout."""
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None


def _fresh(place: Path) -> Path:
    """A new folder; what was left behind by runs that were killed is removed."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in place.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND_S:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=place))
