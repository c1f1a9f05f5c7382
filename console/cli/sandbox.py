"""`tradex sandbox`: look into the simulated platform by hand."""

from __future__ import annotations

import os
import shutil

import click

from console.cli.connect import running
from console.cli.local import secret_file
from console.domain.errors import Misuse, TradexError
from console.places import read_secret, state_dir

POSTGRES_SECRET = "postgres"  # noqa: S105 - the name of a file, not the password


@click.group()
def sandbox() -> None:
    """Look into the simulated platform."""


@sandbox.command(context_settings={"ignore_unknown_options": True})
@click.argument("database", type=click.Choice(["platform", "console"]), default="platform")
@click.argument("psql_args", nargs=-1, type=click.UNPROCESSED)
def psql(database: str, psql_args: tuple[str, ...]) -> None:
    """A psql shell on the sandbox's PLATFORM or CONSOLE database, for checking figures by hand.

    What follows the database's name is passed to psql: `tradex sandbox psql platform -c 'SELECT 1'`.
    """
    from console.processes.installations import installations

    here = running()
    if here is None or here.platform_database_url is None:
        raise Misuse("no sandbox runs in the state folder: `tradex demo` starts one")
    url = here.platform_database_url if database == "platform" else here.store_url
    base, _, _ = url.rpartition("/")
    host = base.rpartition("@")[2]
    program = next((p / "psql" for p in installations().values() if (p / "psql").exists()), None)
    found = program or shutil.which("psql")
    if found is None:
        raise TradexError("no psql found: it comes with PostgreSQL's client package")
    environment = {
        **os.environ,
        "PGPASSWORD": read_secret(secret_file(state_dir(), POSTGRES_SECRET)),
        "PGOPTIONS": "-c search_path=console,public",
    }
    argv = ["psql", f"postgresql://postgres@{host}/{database}", *psql_args]
    os.execve(found, argv, environment)  # noqa: S606 - an argv list, no shell
