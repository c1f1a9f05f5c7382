"""Pipelines: what a deployment and a rollback do, read from YAML; and the deeds and probes that only they have.

What is wrong is a Misuse with file and line.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from console.actions.declaration import (
    argv_of,
    deed_of,
    flag,
    one_of,
    retries_of,
    span,
    texts,
    title_of,
    value_of,
)
from console.actions.kind import Failed, Run
from console.actions.kinds.declared_steps import Command, DeclaredStep, Deed, Values, filled
from console.actions.proving import GETS_WORSE
from console.domain.check import CheckReport, CheckResult, CheckStatus
from console.domain.errors import SourceFailed
from console.domain.format import counted
from console.gateway.changes import Changes
from console.gateway.repository import ROLLBACKS, Repository
from console.located import Table, read

SHIPPED = Path(__file__).resolve().parent.parent / "defaults" / "pipelines"
NAMES = (
    *(
        "action",
        "mark",
        "commit",
        "back_from",
        "version",
        "previous_commit",
        "previous_version",
        "previous_frontend",
    ),
    *("migrations", "rollbacks", "functions", "project", "database_url"),
)
SECRETS = ("supabase_token", "vercel_token", "deploy_database_password", "service_key", "api_key")
_STEP = ("title", "when", "layer", "command", "http", "sql", "ops", "wait", "back", "check", "probe", "undo", "timeout",
         "retries", "harmless")  # fmt: skip
_DEEDS = ("command", "http", "sql", "ops", "wait", "back", "check")
_PROBES = ("migrations", "taken_back", "functions", "frontend", "production")
_MOST = timedelta(hours=2)
_USUAL = timedelta(minutes=10)


Validate = Callable[[str, Callable[[CheckResult], None]], Awaitable[CheckReport]]


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where commands of a pipeline run: checkouts of the commits in `folder`, `path` before the usual PATH, the secrets
    that a step may name, and `env`, which all of them get."""

    repository: Repository
    folder: Path
    path: tuple[Path, ...]
    secrets: Mapping[str, SecretStr]
    env: Mapping[str, str]
    validate: Validate | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What each command gets beside those of the agent's that it may see."""
        folders = (*map(str, self.path), os.environ.get("PATH", os.defpath))
        return {"PATH": os.pathsep.join(folders), **self.env}

    async def tree(self, sha: str) -> Path:
        """A checkout of this commit. Raises SourceFailed."""
        folder = self.folder / sha
        try:
            await self.repository.check_out(sha, folder)
        except SourceFailed:
            # An agent that goes on with what another one planned may not have it yet.
            await self.repository.fetch()
            await self.repository.check_out(sha, folder)
        return folder

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

        report = await self.workshop.validate(self.occasion, tell)
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


PipelineStep = DeclaredStep[Shown]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is done, and how long and by which metrics it is watched afterwards."""

    title: str
    steps: tuple[PipelineStep, ...]
    watched_for: timedelta
    metrics: tuple[str, ...]
    file: Path = field(default=SHIPPED, compare=False)


def load(name: str, folder: Path | None, workshop: Workshop) -> Pipeline:
    """The pipeline `name`: an installation's own file where its folder has one, else the shipped one. Raises Misuse."""
    own = None if folder is None else folder / f"{name}.yaml"
    return parse(own if own is not None and own.exists() else SHIPPED / f"{name}.yaml", workshop)


def parse(file: Path, workshop: Workshop) -> Pipeline:
    """Raises Misuse."""
    table = read(file)
    table.only(("title", "watch", "steps"), "key of a pipeline")
    steps: list[PipelineStep] = []
    entries = table.table("steps")
    for name in entries:
        entry = entries.table(name)
        steps.append(_step(name, entry, workshop, [each.name for each in steps]))
    if not steps:
        table.fail("steps", "at least one step")
    watch = table.table("watch") if "watch" in table else Table(file, table.line)
    watch.only(("for", "metrics"), "key of watch")
    metrics = texts(watch, "metrics") or ("error_rate",)
    if not GETS_WORSE.keys() >= set(metrics):
        watch.fail("metrics", f"some of {', '.join(GETS_WORSE)}")
    return Pipeline(
        table.text("title"), tuple(steps), span(watch, "for", timedelta(minutes=5), _MOST), metrics, file
    )


def _step(
    name: str, table: Table, workshop: Workshop, earlier: Sequence[str], *, undoes: bool = False
) -> PipelineStep:
    table.only(_STEP, "key of a step")
    key = one_of(table, _DEEDS)
    names = {*NAMES, *(f"{each}_said" for each in earlier)}
    when = table.text("when", "")
    if when and when not in NAMES:
        table.fail("when", f"one of {', '.join(NAMES)}")
    if undoes and "undo" in table:
        table.fail("undo", "no undo of an undo")
    undo = None
    if "undo" in table:
        undo = _step(f"undo {name}", table.table("undo"), workshop, earlier, undoes=True)
    deed = _deed(table, key, names, workshop)
    usual = _USUAL + deed.length if isinstance(deed, Wait) else _USUAL
    return DeclaredStep(
        name=name,
        title=title_of(table, names),
        layer=table.text("layer", ""),
        deed=deed,
        probe=_probe(table, names),
        timeout_s=span(table, "timeout", usual, _MOST).total_seconds(),
        retries=retries_of(table, key),
        when=when,
        undo=undo,
        harmless=flag(table, "harmless", isinstance(deed, Wait | Validation)),
        kept=workshop.kept,
    )


def _deed(table: Table, key: str, names: set[str], workshop: Workshop) -> Deed:
    match key:
        case "command":
            one = table.table("command")
            one.only(("argv", "env", "secrets", "tree"), "key of a command")
            secrets = one.labels("secrets")
            for variable, setting in secrets.items():
                if setting not in SECRETS:
                    one.table("secrets").fail(variable, f"one of {', '.join(SECRETS)}")
            tree = one.choice("tree", ("candidate", "previous"), "candidate")
            commit = "previous_commit" if tree == "previous" else "commit"

            async def place(values: Values) -> Path:
                return await workshop.tree(str(values[commit]))

            return Command(
                argv_of(one, names),
                {**workshop.variables, **one.labels("env")},
                {variable: partial(workshop.secret, setting) for variable, setting in secrets.items()},
                place,
                blank=False,
            )
        case "wait":
            return Wait(span(table, "wait", timedelta(), _MOST))
        case "check":
            return Validation(table.choice("check", ("env", "pre", "post")), workshop)
        case "back":
            return Back(value_of(table, "back", table["back"], names), workshop)
        case _:
            return deed_of(table, key, names)


def _probe(table: Table, names: set[str]) -> Shown | None:
    if "probe" not in table:
        return None
    one = table.table("probe")
    one.only(_PROBES, "key of a probe")
    if len(one) != 1:
        one.fail(None, f"exactly one of {', '.join(_PROBES)}")
    (what,) = one
    return Shown(what, value_of(one, what, one[what], names))
