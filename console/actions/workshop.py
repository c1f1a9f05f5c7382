"""Where the commands of a pipeline run: checkouts, secrets by name, a log of this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from console.actions.kind import Kind, Run
from console.domain.check import CheckReport, CheckResult, Subject
from console.domain.errors import SourceFailed
from console.gateway.repository import Repository
from console.processes.commands import before_path

Validate = Callable[[str, Callable[[CheckResult], None], Subject], Awaitable[CheckReport]]


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where commands of a pipeline run: checkouts of the commits in `folder`, `path` before the usual PATH, the secrets
    that a step may name, and `env`, which all of them get. `kinds` are the actions that a step may be, where they are
    known."""

    repository: Repository
    folder: Path
    path: tuple[Path, ...]
    secrets: Mapping[str, SecretStr]
    env: Mapping[str, str]
    validate: Validate | None = None
    kinds: Mapping[str, Kind] | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What each command gets beside those of the agent's that it may see."""
        return {"PATH": before_path(self.path), **self.env}

    async def tree(self, sha: str) -> Path:
        """A checkout of this commit. Raises SourceFailed."""
        return await self.repository.tree(sha, self.folder / sha)

    def kept(self, run: Run, title: str) -> Run:
        """The same run, whose commands and their output are in a log of this machine, too."""
        log = partial(self.log, run.request.id)

        def say(lines: Sequence[str]) -> None:
            log(lines)
            run.say(lines)

        def sending(line: str) -> None:
            run.sending(line)
            log([f"$ {line}"])

        log([f"# {run.now:%Y-%m-%d %H:%M:%S} UTC, {title}"])
        return replace(run, say=say, sending=sending)

    def log(self, action_id: int, lines: Iterable[str]) -> None:
        """Append to `deployment-ID.log`, for whoever has this machine and no store. A disk that is full stops nothing:
        the store has the same lines."""
        file = self.folder / f"deployment-{action_id}.log"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as log:
                log.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            logging.getLogger("tradex.deployments").warning("%s: %s", file, error.strerror)

    def secret(self, name: str) -> str:
        """In clear. Raises SourceFailed."""
        if name not in self.secrets:
            raise SourceFailed(f"no source: platform.{name} is not set")
        return self.secrets[name].get_secret_value()
