"""`tradex validate`: asks the platform whether it is as it should be. It needs the platform's secrets, so it runs where
the agent runs.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import loaded, opened, running, with_store
from console.cli.tables import GLYPH, STYLE, print_table, table
from console.domain.check import LASTING, TICKED, CheckReport, CheckStatus
from console.domain.errors import Misuse, TradexError
from console.places import state_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.checks.check import Check
    from console.domain.check import Subject, Tick
    from console.gateway.repository import Repository
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
@click.option(
    "--release",
    metavar="COMMIT",
    help="With --pre: what is to be deployed; without it, its migrations are the live one's. "
    "With --tick: of which release it is true.",
)
@click.option("--tick", metavar="ID", help="Say of a check that only a person can answer that it passed.")
@click.option("--note", metavar="TEXT", help="With --tick: what was tried, and how it went.")
@click.option("--for", "length", metavar="DURATION", help="With --tick: how long that holds; at most 90d.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML too.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write Markdown too.")
@click.pass_obj
def validate(
    options: dict[str, Any],
    occasion: str | None,
    only: tuple[str, ...],
    release: str | None,
    tick: str | None,
    note: str | None,
    length: str | None,
    as_json: bool,
    junit: Path | None,
    markdown: Path | None,
) -> None:
    """Check the platform; exit code 1 when a check failed. Nothing is changed but for a sign-in and a refused order."""
    if tick is not None:
        if occasion is not None or only or junit or markdown:
            raise Misuse("--tick stands alone: it runs no check")
        _tick(options, tick, note or "", release, length, as_json=as_json)
        return
    from console.checks import rendering
    from console.checks.check import chosen
    from console.checks.registry import OCCASIONS

    if occasion is None:
        raise Misuse("expected --env, --pre, --post or --tick")
    if release is not None and occasion != "pre":
        raise Misuse("--release goes with --pre or --tick")
    if note is not None or length is not None:
        raise Misuse("--note and --for go with --tick")
    checks = chosen(OCCASIONS[occasion], only)
    settings = _settings(options)
    report = asyncio.run(_run(options, settings, checks, release, kept=occasion == "pre" and not only))
    name = f"tradex validate --{occasion}"
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        print_report(report, rendering.summary(report))
    for file, render in ((junit, rendering.junit), (markdown, rendering.markdown)):
        if file is not None:
            _write(file, render(report, name))
    if report.overall == CheckStatus.FAILED:
        raise SystemExit(1)


def _tick(
    options: dict[str, Any], check: str, note: str, release: str | None, length: str | None, *, as_json: bool
) -> None:
    """A person's word for a check, kept in the store."""
    from console.checks.check import chosen
    from console.checks.registry import PRE
    from console.domain import duration
    from console.domain.format import iso, iso_or_none
    from console.store import checks, releases

    chosen(PRE, (check,))
    if not note.strip():
        raise Misuse("a tick needs a note: what was tried, and how it went")
    if check in TICKED and check != LASTING and release is None:
        raise Misuse(f"{check} is ticked for one release: which one?")
    span = None if length is None else duration.parse(length, longest=duration.ANY_LENGTH)
    if length is not None and span is None:
        raise Misuse(f"--for: expected {duration.EXPECTED}")

    async def put(store: Store) -> Tick:
        commit = "" if release is None else await releases.commit_of(store, release)
        return await checks.tick(store, check, note, commit=commit, length=span)

    made = with_store(options, put)
    if as_json:
        data = {"check": made.check, "by": made.by, "at": iso(made.at), "note": made.note}
        click.echo(json.dumps({**data, "commit": made.commit, "until": iso_or_none(made.until)}, indent=2))
    else:
        click.echo(f"{made.check} is ticked: {made.words}")


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
    options: dict[str, Any], found: Loaded, checks: Sequence[Check], release: str | None, *, kept: bool
) -> CheckReport:
    """`kept`: in the store, where this login may."""
    from console.checks.check import STORE, run
    from console.checks.duty import opened as doors_of
    from console.domain.check import Subject
    from console.gateway.repository import Repository
    from console.store import checks as stored

    repository, about, store = Repository.of(found.settings.deploy), Subject(), None
    if release is not None:
        about = await _resolved(repository, release)
    # What only the console's own database knows: nothing where that is away.
    asks = any(STORE in each.needs or each.id in TICKED for each in checks)
    asks = asks or (release is None and any(each.id == "db.migrations" for each in checks))
    async with AsyncExitStack() as stack:
        if asks:
            try:
                store = await stack.enter_async_context(opened(options, read_only=None if kept else True))
            except TradexError as error:
                _complain(str(error))
        doors = await stack.enter_async_context(
            doors_of(
                found.settings, repository, about.commit, wanted=tuple(checks), store=store, told=_complain
            )
        )
        begun = time.monotonic()
        report = await run(doors, checks)
        if kept and store is not None:
            took = timedelta(seconds=time.monotonic() - begun)
            try:
                if await stored.may_keep(store):
                    await stored.keep(
                        store, "pre", report.results, took=took, commit=about.commit, version=about.version
                    )
            except TradexError as error:
                _complain(str(error))
        return report


async def _resolved(repository: Repository, release: str) -> Subject:
    """The commit of the repository that this names. Raises Refused and SourceFailed."""
    from console.domain.check import Subject

    await repository.fetch()
    commit = await repository.commit(await repository.resolve(release))
    return Subject(commit.sha, commit.name)


def _complain(words: str) -> None:
    click.echo(f"tradex: {words}", err=True)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misuse(f"{file}: cannot be written: {error.strerror}") from None


def print_report(report: CheckReport, summary: str) -> None:
    """A table with its sum above it."""
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
