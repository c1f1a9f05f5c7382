"""Pipelines: what a deployment and a rollback do, read from YAML; and the deeds and probes that only they have.

What is wrong is a Misuse with file and line.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import SecretStr

from console.actions.declaration import (
    argv_of,
    deed_of,
    flag,
    holes,
    one_of,
    retries_of,
    span,
    texts,
    title_of,
    value_of,
    whole,
)
from console.actions.kind import Failed, Run
from console.actions.kinds.declared_steps import Command, DeclaredStep, Deed, Values, filled
from console.actions.pipeline_deeds import Another, Approval, Tools
from console.domain.canary import Allowed, Watch
from console.domain.check import CheckReport, CheckResult, CheckStatus, Subject
from console.domain.errors import Misuse, SourceFailed
from console.domain.format import counted
from console.domain.snapshot import DEPLOYMENTS
from console.domain.text import printable
from console.gateway.changes import Changes
from console.gateway.repository import ROLLBACKS, Repository
from console.located import Table, read
from console.processes.commands import before_path

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
_DEEDS = ("command", "http", "sql", "ops", "wait", "back", "check", "tools", "action", "approve")
_STEP = (
    *_DEEDS,
    "title",
    "when",
    "needs",
    "layer",
    "probe",
    "undo",
    "timeout",
    "retries",
    "harmless",
    "cuttable",
)
_HARMLESS = ("wait", "check", "tools", "approve")
_PROBES = ("migrations", "taken_back", "functions", "frontend", "production")
_MOST = timedelta(hours=2)
_MOST_BEFORE = timedelta(hours=24)
_WORSE = {
    "error_rate": Allowed(more=1.0, times=2.0),
    "p95_execution_time": Allowed(times=1.5, over=400.0),
}
_USUAL = timedelta(minutes=10)


Validate = Callable[[str, Callable[[CheckResult], None], Subject], Awaitable[CheckReport]]


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


PipelineStep = DeclaredStep[Shown]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is done, and how it is watched afterwards."""

    title: str
    steps: tuple[PipelineStep, ...]
    watch: Watch
    file: Path = field(default=SHIPPED, compare=False)

    def wanted(self, values: Values) -> tuple[PipelineStep, ...]:
        """Those for which there is something to do. Who needs one that is left out waits for what that one needs."""
        needs: dict[str, tuple[str, ...] | None] = {}
        made: list[PipelineStep] = []
        for step in self.steps:
            own = step.needs
            if own is not None:
                # One that needs all before it stands for these.
                instead = [needs.get(name, (name,)) for name in own]
                own = None if None in instead else tuple(n for each in instead for n in each or ())
            if step.wanted(values):
                made.append(replace(step, needs=own))
            else:
                needs[step.name] = own
        return tuple(made)

    async def tools(self) -> str:
        """The versions of the programs that it asks for; "" where it asks for none. Raises Failed."""
        found = [await step.deed.found() for step in self.steps if isinstance(step.deed, Tools)]
        return ", ".join(found)


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
    before: dict[str, tuple[str, ...]] = {}
    for name in entries:
        steps.append(_step(name, entries.table(name), workshop, before))
        needs = steps[-1].needs
        before[name] = (
            tuple(before) if needs is None else (*needs, *(n for each in needs for n in before[each]))
        )
    if not steps:
        table.fail("steps", "at least one step")
    return Pipeline(table.text("title"), tuple(steps), _watch(table), file)


def _watch(table: Table) -> Watch:
    one = table.table("watch") if "watch" in table else Table(table.file, table.line)
    one.only(("for", "before", "orders", "worse"), "key of watch")
    worse = _WORSE
    if "worse" in one:
        entries = one.table("worse")
        entries.only(_WORSE, "metric that is watched")
        worse = {name: _allowed(entries, name) for name in entries}
    return Watch(
        length=span(one, "for", timedelta(minutes=5), _MOST),
        before=span(one, "before", timedelta(minutes=15), _MOST_BEFORE),
        orders=whole(one, "orders", 1, 1_000_000, 30),
        worse=worse,
    )


def _allowed(table: Table, name: str) -> Allowed:
    """A number is how much more is allowed."""
    one = table[name]
    if not isinstance(one, Table):
        return Allowed(more=_least(table, name, 0))
    one.only(("more", "times", "over"), "limit of what is watched")
    if not one:
        table.fail(name, "a number, or at least one of more, times and over")
    given = {key: _least(one, key, 1 if key == "times" else 0) for key in one}
    return Allowed(**given)


def _least(table: Table, key: str, least: float) -> float:
    value = table.number(key)
    if value is None or value < least:
        table.fail(key, f"a number of at least {least:g}")
    return value


def _step(
    name: str, table: Table, workshop: Workshop, before: Mapping[str, Sequence[str]], *, undoes: bool = False
) -> PipelineStep:
    """`before` are the steps that stand before it, each with those that are over when it begins."""
    table.only(_STEP, "key of a step")
    key = one_of(table, _DEEDS)
    needs = _needs(table, before) if "needs" in table and not undoes else None
    over = before if needs is None else {*needs, *(n for each in needs for n in before[each])}
    names = {*NAMES, *(f"{each}_said" for each in over)}
    when = table.text("when", "")
    if when and when not in NAMES:
        table.fail("when", f"one of {', '.join(NAMES)}")
    for given in ("undo", "needs", "approve") if undoes else ():
        if given in table:
            table.fail(given, f"no {given} of an undo")
    undo = None
    if "undo" in table:
        undo = _step(f"undo {name}", table.table("undo"), workshop, before, undoes=True)
    harmless = flag(table, "harmless", key in _HARMLESS)
    deed = _deed(table, key, names, workshop)
    usual = _USUAL + deed.length if isinstance(deed, Wait) else _USUAL
    return DeclaredStep(
        name=name,
        title=title_of(table, names),
        layer=table.text("layer", ""),
        deed=deed,
        probe=_probe(table, names),
        timeout_s=span(table, "timeout", usual, _MOST).total_seconds(),
        # What another action did badly, that one has tried.
        retries=0 if key == "action" else retries_of(table, key),
        when=when,
        undo=undo,
        harmless=harmless,
        repeats=key == "action",
        needs=needs,
        cuttable=flag(table, "cuttable", harmless),
        approval=deed.text if isinstance(deed, Approval) else "",
        acts=deed.kind if isinstance(deed, Another) else "",
        kept=workshop.kept,
    )


def _needs(table: Table, before: Collection[str]) -> tuple[str, ...]:
    names = texts(table, "needs")
    for name in names:
        if name not in before:
            near = difflib.get_close_matches(name, before, 1)
            hint = f"did you mean {near[0]}?" if near else f"before it are {', '.join(before) or 'none'}"
            raise Misuse(f"{table.place('needs')}: needs: no step {printable(name, 60)} before it; {hint}")
    return names


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
        case "tools":
            return Tools(_versions(table.table("tools")), workshop.variables)
        case "action":
            one = table.table("action")
            one.only(("kind", "target", "with"), "key of an action")
            # As commands show it, or as the catalogue names it.
            kind = one.text("kind").replace("-", "_")
            target, params = one.text("target", ""), one.labels("with")
            if kind in DEPLOYMENTS:
                one.fail("kind", "another action than a deployment or a rollback")
            for text in (target, *params.values()):
                holes(table, "action", text, names)
            return Another(kind, target, params)
        case "approve":
            return Approval(table.text("approve"))
        case "back":
            return Back(value_of(table, "back", table["back"], names), workshop)
        case _:
            return deed_of(table, key, names)


def _versions(table: Table) -> dict[str, SpecifierSet]:
    found: dict[str, SpecifierSet] = {}
    for name in table:
        try:
            found[name] = SpecifierSet(table.text(name))
        except InvalidSpecifier:
            table.fail(name, 'versions as in ">=2.75,<4"')
    return found


def _probe(table: Table, names: set[str]) -> Shown | None:
    if "probe" not in table:
        return None
    one = table.table("probe")
    one.only(_PROBES, "key of a probe")
    if len(one) != 1:
        one.fail(None, f"exactly one of {', '.join(_PROBES)}")
    (what,) = one
    return Shown(what, value_of(one, what, one[what], names))
