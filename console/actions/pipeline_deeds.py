"""Deeds that only a pipeline has beside commands and calls: another action, a look at the tools."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from console.actions import commands
from console.actions.kind import Failed, Run
from console.actions.kinds.declared_steps import Values, passed_on, titled
from console.domain.text import printable

_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Another:
    """Another action of the catalogue, to its end, with that one's own guards."""

    kind: str
    target: str
    params: Mapping[str, str]

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        if run.act is None:
            raise Failed("nothing else can be started from here")
        params = {name: titled(text, values) for name, text in self.params.items()}
        return await run.act(self.kind, titled(self.target, values), params)


@dataclass(frozen=True, slots=True)
class Tools:
    """Programs and the versions of them that will do, as their `--version` tells; `env` is what they are found by."""

    wanted: Mapping[str, SpecifierSet]
    env: Mapping[str, str]

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        return await self.found()

    async def found(self) -> str:
        """`npm 10.9.2, supabase 3.1.0`. Raises Failed with the first that is missing or will not do."""
        versions = await asyncio.gather(*(self._version(name) for name in self.wanted))
        for (name, wanted), version in zip(self.wanted.items(), versions, strict=True):
            if not wanted.contains(version, prereleases=True):
                raise Failed(f"{name} is {version}: this pipeline is for {name} {wanted}")
        return ", ".join(f"{name} {version}" for name, version in zip(self.wanted, versions, strict=True))

    async def _version(self, name: str) -> Version:
        lines: list[str] = []
        await commands.run(
            [name, "--version"], env=passed_on() | dict(self.env), cwd=None, clean=printable, say=lines.extend
        )
        found = _VERSION.search(" ".join(lines))
        if found is None:
            raise Failed(f"{name} --version tells none: {printable(' '.join(lines), 100)}")
        return Version(found[0])


@dataclass(frozen=True, slots=True)
class Approval:
    """Nothing: the step waits for a second person, and the action with it."""

    text: str

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        raise Failed("nobody was asked")
