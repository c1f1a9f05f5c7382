"""`tradex validate`: asks the platform whether it is as it should be. It needs the platform's secrets, so it runs where
the agent runs.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import loaded, opened, running
from console.cli.tables import GLYPH, STYLE, print_table, table
from console.domain.check import CheckReport, CheckStatus
from console.domain.errors import Misuse, TradexError
from console.places import state_dir

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from console.checks.check import Check
    from console.settings import Loaded
    from console.store.pool import Store

_OF_TABLES = {
    CheckStatus.PASSED: "ok",
    CheckStatus.WARNING: "warning",
    CheckStatus.FAILED: "critical",
    CheckStatus.MANUAL: "unknown",
}
"""How the tables of all commands show these."""


@click.command()
@click.option("--env", "occasion", flag_value="env", help="Tables, policies, procedures, functions.")
@click.option("--pre", "occasion", flag_value="pre", help="The 25 items before a deployment.")
@click.option("--post", "occasion", flag_value="post", help="The 8 validations after it.")
@click.option("--only", multiple=True, metavar="ID", help="Only this check; may be given again.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML too.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write Markdown too.")
@click.pass_obj
def validate(
    options: dict[str, Any],
    occasion: str | None,
    only: tuple[str, ...],
    as_json: bool,
    junit: Path | None,
    markdown: Path | None,
) -> None:
    """Check the platform; exit code 1 when a check failed. Nothing is changed but for a sign-in and a refused order."""
    from console.checks import rendering
    from console.checks.check import chosen
    from console.checks.registry import OCCASIONS

    if occasion is None:
        raise Misuse("expected --env, --pre or --post")
    checks = chosen(OCCASIONS[occasion], only)
    settings = _settings(options)
    report = asyncio.run(_run(options, settings, checks))
    name = f"tradex validate --{occasion}"
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print(report, rendering.summary(report))
    for file, render in ((junit, rendering.junit), (markdown, rendering.markdown)):
        if file is not None:
            _write(file, render(report, name))
    if report.overall == CheckStatus.FAILED:
        raise SystemExit(1)


def _settings(options: dict[str, Any]) -> Loaded:
    """Those with the platform's doors: of this person's config.toml, else of the agent of the demo that runs here."""
    from console.settings import load

    found = loaded(options)
    if found.settings.platform.base_url or found.settings.platform.database_url:
        return found
    file = state_dir() / "agent.toml"
    if running() is not None and file.exists() and not options.get("config"):
        return load(file=file, environment=options.get("environment"))
    raise Misuse(
        "no platform is configured here: `tradex validate` needs its secrets, so run it where the agent runs"
    )


async def _run(options: dict[str, Any], found: Loaded, checks: Sequence[Check]) -> CheckReport:
    from console.checks.check import STORE, Doors, run

    asked = any(STORE in check.needs for check in checks)
    async with _store(options, found) if asked else nullcontext() as store:
        doors = Doors.open(found.settings, store=store)
        try:
            return await run(doors, checks)
        finally:
            await doors.close()


@asynccontextmanager
async def _store(options: dict[str, Any], found: Loaded) -> AsyncIterator[Store | None]:
    """The console's own database, for what only it knows; None where there is none, or it is away."""
    chosen = {**options, "config": found.file} if found.file else options
    try:
        entered = opened(chosen, read_only=True)
        store = await entered.__aenter__()
    except TradexError as error:
        click.echo(f"tradex: {error}", err=True)
        yield None
        return
    try:
        yield store
    finally:
        await entered.__aexit__(None, None, None)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misuse(f"{file}: cannot be written: {error.strerror}") from None


def _print(report: CheckReport, summary: str) -> None:
    from rich.text import Text

    rows = table("", "check", "status", "ms", "evidence", right={"ms"}, wrap=("evidence",))
    for result in report.results:
        like = _OF_TABLES[result.status]
        style = STYLE[like]
        rows.add_row(
            Text(GLYPH[like], style=style),
            result.id,
            Text(str(result.status), style=style),
            f"{result.duration_ms:.0f}",
            Text(result.evidence),
        )
    print_table(rows, f"{report.overall}: {summary}")
