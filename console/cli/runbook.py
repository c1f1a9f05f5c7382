"""`tradex runbook`: what is written down for incidents, and how far one is worked through, on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import loaded, with_feed
from console.cli.incident_doing import Number, found, given, surely
from console.cli.incident_words import headline, incident_json
from console.cli.incident_work import tick
from console.cli.tables import print_table, table
from console.domain import duration
from console.domain.book import Runbook, Rung, Step, Symptom
from console.domain.errors import Misuse, Refused, StoreAway
from console.domain.incident import Incident
from console.located import meant

if TYPE_CHECKING:
    from rich.table import Table

    from console.feed import LiveFeed
    from console.runbooks.reading import Vocabulary
    from console.settings import Settings

_NONE = "no runbook is published yet: the leading agent does it"


def runbook_json(book: Runbook) -> dict[str, Any]:
    """The documented shape of one runbook; a step's number is that which it has in an incident."""
    return {
        "name": book.name,
        "title": book.title,
        "summary": book.summary,
        "level": book.level,
        "customers": book.customers or None,
        "aliases": list(book.aliases),
        "place": book.place,
        "symptoms": [
            {"text": s.text, "rules": list(s.rules), "metrics": list(s.metrics)} for s in book.symptoms
        ],
        "steps": [
            {"id": number, "part": step.part, "text": step.text, "detail": step.detail or None}
            | {
                "does": None
                if (done := _does(step)) is None
                else dict(zip(("what", "name"), done, strict=True))
            }
            | {"params": dict(step.params)}
            for number, step in enumerate(book.steps, 1)
        ],
        "ladder": [
            {
                "who": rung.who,
                "after_s": rung.after.total_seconds(),
                "deadline_s": None if rung.deadline is None else rung.deadline.total_seconds(),
            }
            for rung in book.ladder
        ],
    }


@click.group(invoke_without_command=True)
@click.pass_context
def runbook(ctx: click.Context) -> None:
    """Runbooks: what to do in an incident. Without a command: the list of them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@runbook.command("list")
@click.argument("words", nargs=-1)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(options: dict[str, Any], words: tuple[str, ...] = (), as_json: bool = False) -> None:
    """All runbooks, or those in which all of WORDS stand, wherever."""
    books = with_feed(options, lambda feed: feed.query.runbooks())
    fitting = [book for book in books if all(word.casefold() in _whole(book) for word in words)]
    if as_json:
        click.echo(json.dumps([runbook_json(book) for book in fitting], indent=2))
    elif fitting:
        print_table(_table(fitting))
    else:
        click.echo(f"no runbook has {' and '.join(words)} in it" if books else _NONE)


@runbook.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], name: str, as_json: bool) -> None:
    """One runbook, by its name or its title: symptoms, steps, and who is told when."""

    async def read(feed: LiveFeed) -> Runbook:
        return await _find(feed, name)

    book = with_feed(options, read)
    click.echo(json.dumps(runbook_json(book), indent=2) if as_json else "\n".join(_lines(book)))


@runbook.command()
@click.argument("name")
@click.option(
    "--incident", metavar="N", type=Number(), help="Attach it to this incident, instead of opening one."
)
@click.option(
    "--level", type=click.IntRange(1, 3), help="Of the new incident: 1 (worst) to 3; by default its own."
)
@click.option("--title", metavar="TEXT", callback=given, help="Of the new incident; by default its own.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def start(
    options: dict[str, Any],
    name: str,
    incident: int | None,
    level: int | None,
    title: str | None,
    as_json: bool,
) -> None:
    """Work through a runbook: opens an incident with it, or attaches it to one."""
    if incident is not None and (level is not None or title is not None):
        raise Misuse("--incident: expected without --level and --title, which are those of a new incident")

    async def work(feed: LiveFeed) -> Incident:
        book = await _find(feed, name)
        if incident is not None:
            await found(feed, incident)
            await feed.desk.attach_runbook(incident, book.name)
            return await found(feed, incident)
        made = await surely(
            lambda key: feed.desk.open_incident(
                title or book.title, level or book.level, runbook=book.name, key=key
            )
        )
        return await found(feed, made)

    one = with_feed(options, work)
    if as_json:
        click.echo(json.dumps(incident_json(one), indent=2))
        return
    click.echo(headline(one))
    for book in one.runbooks:
        click.echo(f"{book.title}  {book.done}/{len(book.steps)}: tradex runbook tick {one.name} STEP")


# The same command as that of incidents.
runbook.add_command(tick)


@runbook.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def check(options: dict[str, Any], paths: tuple[Path, ...], as_json: bool) -> None:
    """Files or folders of runbooks, checklists and templates: one line for each that is broken (exit code 2)."""
    from console.runbooks import library
    from console.store.books import kind_of

    words = _vocabulary(options)
    shelves = [library.check(path, words) for path in paths]
    good = [book for shelf in shelves for book in shelf.books]
    broken = [problem for shelf in shelves for problem in shelf.broken]
    if as_json:
        told = [{"kind": kind_of(book), "name": book.name, "title": book.title} for book in good]
        click.echo(json.dumps({"good": told, "broken": broken}, indent=2))
    else:
        for book in good:
            click.echo(f"{kind_of(book):<9}  {book.name}: good")
    for problem in broken:
        click.echo(problem, err=True)
    if broken:
        raise SystemExit(2)


# --- finding ----------------------------------------------------------------------------------------------------------


async def _find(feed: LiveFeed, name: str) -> Runbook:
    """By its name, title or another name that rules call it by. Raises Refused."""
    books = await feed.query.runbooks()
    for book in books:
        if name.casefold() in (each.casefold() for each in (book.name, book.title, *book.aliases)):
            return book
    if not books:
        raise Refused(_NONE)
    raise Refused(f"no runbook {name!r}; {meant(name, [book.name for book in books])}")


def _vocabulary(options: dict[str, Any]) -> Vocabulary:
    """What the console of this installation knows, where one runs; else what ships, with what the settings name."""
    from console.checks.registry import OCCASIONS
    from console.runbooks.reading import Vocabulary

    checks = frozenset(each.id for listed in OCCASIONS.values() for each in listed)

    async def read(feed: LiveFeed) -> Vocabulary:
        now = feed.snapshot
        return Vocabulary({kind.name: kind for kind in now.kinds}, checks, dict(now.metrics.specs))

    settings = loaded(options).settings
    try:
        found = with_feed(options, read)
        if found.kinds and found.specs:
            return found
    except StoreAway as error:
        click.echo(f"tradex: {error}; checked against what ships", err=True)
    except Misuse:
        # Nothing runs here, and no store is configured.
        pass
    return _shipped(settings, checks)


def _shipped(settings: Settings, checks: frozenset[str]) -> Vocabulary:
    import asyncio

    from console.actions.duties import Actions
    from console.metrics import catalogue
    from console.runbooks.reading import Vocabulary
    from console.sections import PlatformSettings

    async def kinds() -> Vocabulary:
        # Without the platform, whose secrets only the agent can read.
        actions = Actions(settings.model_copy(update={"platform": PlatformSettings()}))
        try:
            specs = {spec.name: spec for spec in catalogue.load(settings.platform.catalogue).specs}
            return Vocabulary({n: k.spec for n, k in actions.surroundings.kinds.items()}, checks, specs)
        finally:
            await actions.close()

    return asyncio.run(kinds())


# --- words ------------------------------------------------------------------------------------------------------------


def _whole(book: Runbook) -> str:
    """All of its words, to be searched."""
    parts = [book.name, book.title, book.summary, *book.aliases]
    for symptom in book.symptoms:
        parts += [symptom.text, *symptom.rules, *symptom.metrics]
    for step in book.steps:
        parts += [step.text, step.detail, *(_does(step) or ())]
    return "\n".join([*parts, *(rung.who for rung in book.ladder)]).casefold()


def _does(step: Step) -> tuple[str, str] | None:
    """What a step does by itself or opens, and its name."""
    for what in ("action", "check", "screen", "metric", "holds", "evidence"):
        if value := getattr(step, what):
            return what, str(value)
    return None


def _table(books: Sequence[Runbook]) -> Table:
    from rich.text import Text

    rows = table("name", "runbook", "level", "steps", "note", right={"level", "steps"})
    for book in books:
        steps = str(len(book.steps))
        rows.add_row(book.name, Text(book.title), str(book.level), steps, Text(book.summary))
    return rows


def _lines(book: Runbook) -> Iterator[str]:
    yield f"{book.title}  ({book.name}, level {book.level})"
    if book.summary:
        yield book.summary
    if book.symptoms:
        yield "symptoms"
        yield from map(_symptom, book.symptoms)
    part = ""
    for number, step in enumerate(book.steps, 1):
        if step.part != part:
            part = step.part
            yield part
        does = _does(step)
        params = "".join(f" {name}={value}" for name, value in step.params.items())
        yield f"  {number:>2}  {step.text}" + ("" if does is None else f"   [{does[0]} {does[1]}{params}]")
        yield from (f"      {line}".rstrip() for line in step.detail.splitlines())
    if book.ladder:
        yield "escalation"
        yield from map(_rung, book.ladder)


def _symptom(symptom: Symptom) -> str:
    shown = ", ".join((*symptom.rules, *symptom.metrics))
    return f"  {symptom.text}" + (f"   [{shown}]" if shown else "")


def _rung(rung: Rung) -> str:
    when = "at once" if not rung.after else f"after {duration.written(rung.after)}"
    by = "" if rung.deadline is None else f", by {duration.written(rung.deadline)}"
    return f"  {rung.who}: {when}{by}"
