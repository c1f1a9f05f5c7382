"""`tradex config show`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from console.cli.connect import loaded
from console.places import config_file, state_dir


@click.group()
def config() -> None:
    """The effective settings and where each comes from."""


@config.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], as_json: bool) -> None:
    """Every setting with its value (secrets masked) and its origin."""
    settings = loaded(options)
    if as_json:
        click.echo(json.dumps([asdict(v) for v in settings.values], indent=2))
        return
    click.echo(f"# file   {settings.file or f'{config_file()} (absent)'}")
    click.echo(f"# state  {state_dir()}")
    width = max(len(v.name) for v in settings.values)
    for value in settings.values:
        click.echo(f"{value.name:<{width}}  {value.value or '-'}  ({value.origin})")
