"""`tradex validate`: asks the platform whether it is as it should be. It needs the platform's secrets, so it runs where
the agent runs.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import loaded, opened, running
from console.cli.tables import GLYPH, STYLE, print_table, table
from console.domain.check import CheckReport, CheckStatus
from console.domain.errors import Misuse, Refused, TradexError
from console.places import state_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.checks.check import Check
    from console.settings import Loaded, Settings
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
@click.option(
    "--release",
    metavar="COMMIT",
    help="With --pre: whose migrations are to be applied; by default the live one's.",
)
@click.option("--json", "as_json", is_flag=True)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML too.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write Markdown too.")
@click.pass_obj
def validate(
    options: dict[str, Any],
    occasion: str | None,
    only: tuple[str, ...],
    release: str | None,
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
    if release is not None and occasion != "pre":
        raise Misuse("--release goes with --pre")
    checks = chosen(OCCASIONS[occasion], only)
    settings = _settings(options)
    report = asyncio.run(_run(options, settings, checks, release))
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


async def _run(
    options: dict[str, Any], found: Loaded, checks: Sequence[Check], release: str | None
) -> CheckReport:
    from console.checks.check import STORE, Doors, run

    # What only the console's own database knows, and what only the repository does: nothing where these are away.
    store, migrations, compared = None, None, any(check.id == "db.migrations" for check in checks)
    async with AsyncExitStack() as stack:
        if any(STORE in check.needs for check in checks) or (compared and release is None):
            chosen = {**options, "config": found.file} if found.file else options
            try:
                store = await stack.enter_async_context(opened(chosen, read_only=True))
            except TradexError as error:
                click.echo(f"tradex: {error}", err=True)
        if compared:
            try:
                migrations = await _migrations(found.settings, store, release)
            except TradexError as error:
                if release is not None:
                    raise
                click.echo(f"tradex: {error}", err=True)
        doors = Doors.open(found.settings, store=store, migrations=migrations)
        stack.push_async_callback(doors.close)
        return await run(doors, checks)


async def _migrations(settings: Settings, store: Store | None, release: str | None) -> tuple[str, ...] | None:
    """The versions that this commit has, else the live one; None where none is known to be live. Raises Misuse and
    SourceFailed."""
    from console.domain.release import ReleaseState
    from console.gateway.repository import Repository
    from console.store import releases

    if release is None and store is not None:
        known = await releases.recent(store)
        release = next((each.commit for each in known if each.state is ReleaseState.LIVE), None)
    if release is None:
        return None
    repository = Repository.of(settings.deploy)
    await repository.fetch()
    try:
        return tuple(await repository.versions(await repository.resolve(release)))
    except Refused as error:
        raise Misuse(str(error)) from None


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
