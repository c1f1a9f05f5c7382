"""Pipelines: what a deployment and a rollback do, read from YAML.

What is wrong is a Misuse with file and line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

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
from console.actions.kind import Kind
from console.actions.kinds.declared_steps import Command, DeclaredStep, Deed, Values
from console.actions.pipeline_deeds import Another, Approval, Back, Shown, Tools, Validation, Wait
from console.actions.workshop import Workshop
from console.domain.action import worded
from console.domain.canary import Allowed, Watch
from console.domain.errors import Misuse
from console.domain.snapshot import DEPLOYMENTS
from console.domain.text import printable
from console.located import Table, meant, read

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
            raise Misuse(
                f"{table.place('needs')}: needs: no step {printable(name, 60)} before it; {meant(name, before)}"
            )
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
            if workshop.kinds is not None:
                _require(one, kind, workshop.kinds)
            for text in (target, *params.values()):
                holes(table, "action", text, names)
            return Another(kind, target, params)
        case "approve":
            return Approval(table.text("approve"))
        case "back":
            return Back(value_of(table, "back", table["back"], names), workshop)
        case _:
            return deed_of(table, key, names)


def _require(table: Table, kind: str, kinds: Mapping[str, Kind]) -> None:
    """Raises Misuse for an action that there is not, and for a parameter that it hasn't got."""
    if kind not in kinds:
        hint = meant(worded(kind), map(worded, kinds))
        raise Misuse(f"{table.place('kind')}: no such action: {printable(worded(kind), 60)}; {hint}")
    if "with" in table:
        names = (parameter.name for parameter in kinds[kind].spec.parameters)
        table.table("with").only(names, f"parameter of {worded(kind)}")


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
