"""`tradex db`: the console's own database."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import Target, loaded, target
from console.domain.errors import Misuse
from console.domain.format import iso

if TYPE_CHECKING:
    from console.store.migrate import MigrationState


@click.group()
def db() -> None:
    """The console's own database: upgrade, status."""


@db.command()
@click.pass_obj
def upgrade(options: dict[str, Any]) -> None:
    """Bring the store's schema to this program's. Log in as a role that owns the database."""
    from console.store import migrate

    settings = loaded(options)
    where = target(options, settings)
    environment = settings.settings.environment
    if not environment:
        raise Misuse(
            "which environment is this store for? Set `environment` in config.toml or use --env NAME"
        )
    names = asyncio.run(
        migrate.upgrade(
            where.url,
            where.password,
            user=where.user,
            environment=environment,
            time_scale=settings.settings.time_scale,
            tick_s=settings.settings.agent.tick_s,
        )
    )
    for name in names:
        click.echo(f"applied {name}")
    click.echo("the store is up to date" if not names else f"{len(names)} applied")


@db.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def status(options: dict[str, Any], as_json: bool) -> None:
    """Which migrations the store has. Exit code 1 when it is not exactly this program's."""
    from console.store import migrate

    where: Target = target(options, loaded(options))
    states = asyncio.run(migrate.status(where.url, where.password, user=where.user))
    if as_json:
        rows = [
            {
                "id": s.name,
                "state": _state(s),
                "at": iso(s.applied_at) if s.applied_at else None,
            }
            for s in states
        ]
        click.echo(json.dumps(rows, indent=2))
    else:
        for s in states:
            click.echo(f"{s.name}  {_state(s)}{f'  {iso(s.applied_at)}' if s.applied_at else ''}")
    if any(_state(s) != "applied" for s in states):
        raise SystemExit(1)


def _state(migration: MigrationState) -> str:
    if not migration.known:
        return "of a newer program"
    if migration.changed:
        return "changed since it was applied"
    return "applied" if migration.applied_at else "pending"
