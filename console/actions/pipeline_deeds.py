"""Deeds that only a pipeline has beside commands and calls, and how the platform is asked whether one has happened."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from console.actions import commands
from console.actions.kind import Failed, Run
from console.actions.kinds.declared_steps import Values, filled, titled
from console.actions.workshop import Workshop
from console.domain.check import CheckResult, CheckStatus, Subject
from console.domain.errors import SourceFailed
from console.domain.format import counted
from console.domain.text import printable
from console.gateway.changes import Changes
from console.gateway.repository import ROLLBACKS
from console.processes.commands import passed_on

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


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing, for a while."""

    length: timedelta

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        await asyncio.sleep(self.length.total_seconds() / run.scale)
        return "waited"


@dataclass(frozen=True, slots=True)
class Validation:
    """The checks of an occasion: env, pre or post. One that fails fails the step."""

    occasion: str
    workshop: Workshop

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        if self.workshop.validate is None:
            raise SourceFailed("no source: this agent has no checks")

        def tell(result: CheckResult) -> None:
            run.say([f"{result.status:<8} {result.id}: {result.evidence}"])

        about = Subject(str(values.get("commit", "")), str(values.get("version", "")), run.request.id)
        report = await self.workshop.validate(self.occasion, tell, about)
        bad = [f"{each.id}: {each.evidence}" for each in report.results if each.status is CheckStatus.FAILED]
        if bad:
            raise Failed(f"{len(bad)} of {counted(len(report.results), 'check')} failed: {'; '.join(bad)}")
        return f"{report.count(CheckStatus.PASSED)} of {counted(len(report.results), 'check')} passed"


@dataclass(frozen=True, slots=True)
class Back:
    """Migrations taken back by the files that their commit has for that, the last first, each in one transaction."""

    versions: Any
    workshop: Workshop

    async def do(self, run: Run, values: Values, timeout_s: float) -> str:
        wanted = sorted(filled(self.versions, values), reverse=True)
        applied = set(await run.changes.applied())
        for version in wanted:
            if version in applied:
                file = f"{ROLLBACKS}/rollback-{version}.sql"
                sql = await self.workshop.repository.show(str(values["back_from"]), file)
                await run.changes.take_back(sql, timeout_s=timeout_s)
                run.say([f"{file} was run"])
        return f"taken back: {', '.join(wanted)}"


@dataclass(frozen=True, slots=True)
class Shown:
    """Whether the platform shows what a step did. `what` is migrations, taken_back, functions, frontend or production;
    `of` the migrations or functions that are meant, or the mark (or id) of the frontend's deployment."""

    what: str
    of: Any

    @property
    def compares(self) -> bool:
        return self.what == "functions"

    async def before(self, changes: Changes, values: Values) -> str:
        """The functions' versions."""
        running = await changes.functions()
        wanted = sorted(filled(self.of, values))
        return " ".join(f"{name}:{running[name].version if name in running else 0}" for name in wanted)

    async def happened(self, changes: Changes, values: Values, before: str) -> bool | None:
        of = filled(self.of, values)
        match self.what:
            case "migrations":
                return set(of) <= set(await changes.applied())
            case "taken_back":
                return set(of).isdisjoint(await changes.applied())
            case "functions":
                was = dict(part.split(":") for part in before.split())
                now = dict(part.split(":") for part in (await self.before(changes, values)).split())
                return bool(was) and all(int(now[name]) > int(version) for name, version in was.items())
            case "frontend":
                return await changes.frontend_of(str(of)) is not None
            case _:
                live, made = await changes.production(), await changes.frontend_of(str(of))
                return live is not None and live.id in (of, None if made is None else made.id)
