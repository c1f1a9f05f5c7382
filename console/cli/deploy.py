"""`tradex deploy`, `tradex rollback`, `tradex releases`, `tradex pipeline`."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import loaded, with_store
from console.cli.doing import start
from console.cli.how import How, answers
from console.cli.how import reason as _reason
from console.cli.tables import print_table, table
from console.domain.duration import written
from console.domain.errors import Misuse
from console.domain.format import iso, iso_or_none

if TYPE_CHECKING:
    from console.domain.check import CheckRun
    from console.domain.release import Commit, Release
    from console.store.pool import Store


@click.command()
@click.argument("release")
@_reason
@answers
@click.pass_obj
def deploy(options: dict[str, Any], release: str, reason: str, how: How) -> None:
    """Deploy a commit (a tag, or the beginning of its hash): what goes wrong is taken back by itself."""
    start(options, "deploy", {"release": release}, reason, how)


@click.command()
@click.argument("release", required=False)
@_reason
@answers
@click.pass_obj
def rollback(options: dict[str, Any], release: str | None, reason: str, how: How) -> None:
    """Go back to an earlier release; without one, to the last that was good."""
    start(options, "rollback", {"to": release}, reason, how)


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def releases(context: click.Context, as_json: bool) -> None:
    """What was deployed, the latest first."""
    if context.invoked_subcommand is None:
        _list(context.obj, as_json=as_json)
    elif as_json:
        raise Misuse(f"--json stands at the end: tradex releases {context.invoked_subcommand} ... --json")


def _list(options: dict[str, Any], *, as_json: bool) -> None:
    async def read(store: Store) -> list[Release]:
        from console.store import releases as stored

        return await stored.recent(store)

    found = with_store(options, read)
    if as_json:
        click.echo(json.dumps([_json(each) for each in found], indent=2))
        return
    if not found:
        click.echo("nothing was deployed yet")
        return
    from rich.text import Text

    rows = table("id", "version", "state", "commit", "at", "by", "action", "note", right={"id", "action"})
    for r in found:
        action = "" if r.action_id is None else str(r.action_id)
        cells = (str(r.id), r.version, str(r.state), r.commit[:8], iso(r.at), r.by, action, r.words)
        rows.add_row(*map(Text, cells))
    print_table(rows)


@releases.command()
@click.argument("release")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], release: str, as_json: bool) -> None:
    """One release (a version, or the beginning of its commit), and how it was validated."""

    async def read(store: Store) -> tuple[Release, list[CheckRun]]:
        from console.store import checks
        from console.store import releases as stored

        found = await stored.named(store, release)
        return found, [] if found.action_id is None else await checks.of_action(store, found.action_id)

    found, runs = with_store(options, read)
    if as_json:
        click.echo(json.dumps({**_json(found), "validation": [_run_json(each) for each in runs]}, indent=2))
        return
    facts = {
        "version": found.version,
        "state": str(found.state),
        "commit": found.commit,
        "at": f"{iso(found.at)} by {found.by}",
        "action": "" if found.action_id is None else str(found.action_id),
        "functions": ", ".join(f"{f.slug} {f.version}" for f in found.functions),
        "migrations": ", ".join(found.migrations),
        "frontend": found.frontend,
        "note": found.words,
    }
    for name, value in facts.items():
        if value:
            click.echo(f"{name:<11} {value}")
    if not runs:
        click.echo("it was not validated from here")
        return
    from console.checks.rendering import summary
    from console.cli.validate import print_report

    for each in runs:
        click.echo()
        ended = "not over yet" if each.ended_at is None else iso(each.ended_at)
        click.echo(": ".join(filter(None, (f"validate --{each.occasion}, {ended}", each.words))))
        print_report(each.report, summary(each.report))


@releases.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def coming(options: dict[str, Any], as_json: bool) -> None:
    """The commits that are not live yet, the newest first, and what each touches."""

    async def read(store: Store) -> list[Commit]:
        from console.store import releases as stored

        return await stored.candidates(store)

    found = with_store(options, read)
    if as_json:
        click.echo(json.dumps([{**asdict(each), "at": iso(each.at)} for each in found], indent=2))
        return
    if not found:
        click.echo("no commit is known that is not live")
        return
    from rich.text import Text

    rows = table("release", "at", "by", "files", "migrations", "functions", "subject", right={"files"})
    for c in found:
        touched = (", ".join(c.migrations), ", ".join(c.functions))
        rows.add_row(*map(Text, (c.name, iso(c.at), c.author, str(c.files), *touched, c.subject)))
    print_table(rows)


def _run_json(run: CheckRun) -> dict[str, Any]:
    return {
        "occasion": run.occasion,
        "by": run.by,
        "started_at": iso_or_none(run.started_at),
        "ended_at": iso_or_none(run.ended_at),
        "words": run.words,
        **run.report.as_json(),
    }


def _json(release: Release) -> dict[str, Any]:
    return {
        "id": release.id,
        "version": release.version,
        "state": str(release.state),
        "at": iso(release.at),
        "commit": release.commit,
        "by": release.by,
        "action": release.action_id,
        "functions": [{"name": f.slug, "version": f.version, "sha": f.sha} for f in release.functions],
        "migrations": list(release.migrations),
        "frontend": release.frontend,
        "words": release.words,
    }


@click.group()
def pipeline() -> None:
    """What deployments and rollbacks do, step by step."""


@pipeline.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def check(options: dict[str, Any], file: Path) -> None:
    """Whether a pipeline is well-formed; what is wrong is told with its line."""
    from console.actions import catalogue, pipelines
    from console.actions.kinds.deploy import kinds
    from console.actions.workshop import Workshop
    from console.gateway.repository import Repository

    nowhere = Workshop(Repository(None, "main", Path()), Path(), (), {}, {})
    forward, back = (pipelines.load(name, None, nowhere) for name in ("deploy", "rollback"))
    own = loaded(options).settings.actions.file
    known = catalogue.load(own, (), kinds((), forward, back, nowhere, ""))
    found = pipelines.parse(file, replace(nowhere, kinds=known))
    for number, step in enumerate(found.steps, 1):
        back = "" if step.undo is None else f" (back: {step.undo.title})"
        needs = "" if step.needs is None else f" (after {', '.join(step.needs) or 'nothing'})"
        click.echo(f"{number}. {step.title}{needs}{back}")
    watch = found.watch
    click.echo(
        f"good: {len(found.steps)} steps, watched for {written(watch.length)} by {', '.join(watch.worse)}"
    )
