"""`tradex deploy`, `tradex rollback`, `tradex releases`, `tradex pipeline`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import with_store
from console.cli.doing import start
from console.cli.how import How, answers
from console.cli.how import reason as _reason
from console.cli.tables import print_table, table
from console.domain.duration import written
from console.domain.format import iso

if TYPE_CHECKING:
    from console.domain.release import Release
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


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def releases(options: dict[str, Any], as_json: bool) -> None:
    """What was deployed, the latest first."""

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
def check(file: Path) -> None:
    """Whether a pipeline is well-formed; what is wrong is told with its line."""
    from console.actions import pipelines
    from console.gateway.repository import Repository

    nowhere = pipelines.Workshop(Repository(None, "main", Path()), Path(), (), {}, {})
    found = pipelines.parse(file, nowhere)
    for number, step in enumerate(found.steps, 1):
        back = "" if step.undo is None else f" (back: {step.undo.title})"
        click.echo(f"{number}. {step.title}{back}")
    click.echo(
        f"good: {len(found.steps)} steps, watched for {written(found.watched_for)} by {', '.join(found.metrics)}"
    )
