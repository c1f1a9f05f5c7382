"""The platform's repository for checks: its releases, the stand-in for npm, and commits of a test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from console.gateway.repository import Repository
from console.sandbox import releases
from console.sandbox.edge import REF
from console.sandbox.firewall import TEAM
from console.sandbox.tools import tools_folder, variables
from console.sections import DeploySettings

_ALONE = {
    **os.environ,
    "GIT_AUTHOR_NAME": "Mei",
    "GIT_AUTHOR_EMAIL": "mei@x.example",
    "GIT_COMMITTER_NAME": "Mei",
    "GIT_COMMITTER_EMAIL": "mei@x.example",
}


class Shop:
    """In `folder`."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.source = releases.ensure_repository(folder / "platform.git")
        self.settings = DeploySettings(
            repository=str(self.source),
            folder=folder / "deployments",
            path=(tools_folder(folder, base_url),),
            env=variables(folder, project=REF, team=TEAM),
        )
        self.repository = Repository.of(self.settings)
        self._work = folder / "work"

    async def commit(self, tag: str) -> str:
        """The hash of a release."""
        await self.repository.fetch()
        return await self.repository.resolve(tag)

    def edited(self, tag: str, edits: Mapping[str, tuple[str, str]]) -> str:
        """The hash of a commit of its own after a release: file -> (old, new)."""
        self._git("clone", "--quiet", str(self.source), str(self._work), where=self._work.parent)
        self._git("checkout", "--quiet", "-b", "test", tag)
        for name, (old, new) in edits.items():
            text = (self._work / name).read_text()
            assert old in text
            (self._work / name).write_text(text.replace(old, new, 1))
        self._git("commit", "--quiet", "--all", "-m", "of a test")
        self._git("push", "--quiet", "origin", "test")
        return self._git("rev-parse", "HEAD").strip()

    def left(self) -> list[str]:
        """Checkouts that checks left behind."""
        place = self.settings.place / "checks"
        return [each.name for each in place.iterdir()] if place.exists() else []

    def _git(self, *args: str, where: Path | None = None) -> str:
        return subprocess.run(
            ["git", *args], cwd=where or self._work, env=_ALONE, check=True, capture_output=True, text=True, timeout=30
        ).stdout  # fmt: skip
