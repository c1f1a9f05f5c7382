"""`tradex checklist`: the recurring checklists of screen 6, on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from console.cli import checklist_words as words
from console.cli.connect import with_feed
from console.cli.tables import print_table
from console.domain.book import Checklist, Done, Marked
from console.domain.duties import Past, Record, Run, Standing, record
from console.domain.errors import Misuse, Refused
from console.located import meant

if TYPE_CHECKING:
    from console.feed import LiveFeed

_NONE = "no checklist is published yet: the leading agent does it"
# A streak goes further back than the month that the share is of.
_STREAK, _MONTH = timedelta(days=400), timedelta(days=30)
# What is done before it is due counts as well.
_AHEAD = timedelta(days=400)


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Of the list.")
@click.pass_context
def checklist(ctx: click.Context, as_json: bool) -> None:
    """What comes back every day, week and month. Without a command: how each list stands."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@checklist.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(options: dict[str, Any], as_json: bool = False) -> None:
    """Every list: its run that is open or was the last one, and how reliably it was done in the last 30 days."""

    async def read(feed: LiveFeed) -> tuple[datetime, Sequence[Standing], Sequence[Past]]:
        now = feed.snapshot.at
        past = await feed.query.past_runs(since=now - _STREAK, until=now + _AHEAD)
        return now, feed.snapshot.checklists, past

    now, standings, past = with_feed(options, read)
    records: dict[str, Record] = {}
    for each in standings:
        own = [run for run in past if run.checklist == each.name]
        month = [run for run in own if run.due_at >= now - _MONTH]
        records[each.name] = Record(record(own, now).streak, record(month, now).on_time_pct)
    if as_json:
        found = [words.standing_json(each, records[each.name], now) for each in standings]
        click.echo(json.dumps(found, indent=2))
    elif standings:
        print_table(words.list_table(standings, records, now))
    else:
        click.echo(_NONE)


@checklist.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], name: str, as_json: bool) -> None:
    """The items of a list's open run, or of its last one: who ticked each, when, and their note; of one that never was
    open those that it will have."""

    async def read(feed: LiveFeed) -> tuple[datetime, Standing, Checklist | None]:
        standing = _find(feed, name)
        defined = await feed.query.checklists() if standing.run is None else ()
        return (
            feed.snapshot.at,
            standing,
            next((each for each in defined if each.name == standing.name), None),
        )

    now, standing, coming = with_feed(options, read)
    if coming is None:
        _say(_last_run(standing), now, "", as_json)
    elif as_json:
        click.echo(json.dumps(words.coming_json(standing, coming), indent=2))
    else:
        click.echo("\n".join(words.coming_lines(standing, coming)))


@checklist.command()
@click.argument("name")
@click.argument("item")
@click.option("--note", default="", metavar="TEXT", help="What was seen.")
@click.option("--json", "as_json", is_flag=True, help="The run afterwards.")
@click.pass_obj
def tick(options: dict[str, Any], name: str, item: str, note: str, as_json: bool) -> None:
    """An item of the open run is done: its number, or words that no other item has."""
    _mark(options, name, item, Done.DONE, note, "done", as_json)


@checklist.command()
@click.argument("name")
@click.argument("item")
@click.option("--json", "as_json", is_flag=True, help="The run afterwards.")
@click.pass_obj
def untick(options: dict[str, Any], name: str, item: str, as_json: bool) -> None:
    """An item is not done after all; a run that was done is open again, unless the next one is."""
    _mark(options, name, item, None, "", "no longer done", as_json)


@checklist.command()
@click.argument("name")
@click.argument("item")
@click.option("--note", required=True, metavar="TEXT", help="Why.")
@click.option("--json", "as_json", is_flag=True, help="The run afterwards.")
@click.pass_obj
def skip(options: dict[str, Any], name: str, item: str, note: str, as_json: bool) -> None:
    """An item of the open run is not done, and won't be."""
    if not note.strip():
        raise Misuse(f"--note: expected why, not {note!r}")
    _mark(options, name, item, Done.SKIPPED, note, "skipped", as_json)


@checklist.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The run.")
@click.pass_obj
def start(options: dict[str, Any], name: str, as_json: bool) -> None:
    """Open a list before its time; one that is open stays as it is."""

    async def work(feed: LiveFeed) -> tuple[datetime, Run, bool]:
        standing = _find(feed, name)
        number = await feed.desk.start_checklist(standing.name)
        known = standing.run is not None and standing.run.id == number
        return feed.snapshot.at, await _run(feed, number), known

    now, run, known = with_feed(options, work)
    if known:
        click.echo(f"{run.title} is open already", err=True)
    _say(run, now, "", as_json)


@checklist.command()
@click.argument("name", required=False)
@click.option("--days", type=click.IntRange(1, 4000), default=30, show_default=True, help="So far back.")
@click.option("--markdown", is_flag=True, help="Every item of every run, as a document.")
@click.option("--csv", is_flag=True, help="The same for a spreadsheet, an item a row.")
@click.option("--json", is_flag=True, help="The same for programs.")
@click.pass_obj
def history(options: dict[str, Any], name: str | None, days: int, **forms: bool) -> None:
    """How the runs of all lists, or of one, went: in time, late or missed."""
    wanted = [form for form, is_wanted in forms.items() if is_wanted]
    if len(wanted) > 1:
        raise Misuse(f"{' and '.join(f'--{form}' for form in sorted(wanted))}: expected one of them")
    form = next(iter(wanted), None)

    async def read(
        feed: LiveFeed,
    ) -> tuple[datetime, dict[str, str], Sequence[Past], list[Run]]:
        now = feed.snapshot.at
        known = feed.snapshot.checklists if name is None else [_find(feed, name)]
        only = None if name is None else known[0].name
        since = now - timedelta(days=days)
        past = await feed.query.past_runs(since=since, until=now + _AHEAD, checklist=only)
        titles = {each.name: each.title for each in known}
        # Also what is kept no more.
        titles |= {run.checklist: run.checklist for run in past if run.checklist not in titles}
        return now, titles, past, [await _run(feed, each.id) for each in past] if form else []

    now, titles, past, runs = with_feed(options, read)
    match form:
        case "json":
            click.echo(json.dumps([words.run_json(run, now) for run in runs], indent=2))
        case "csv":
            words.write_csv(runs, now, sys.stdout)
        case "markdown":
            click.echo("\n".join(words.markdown(runs, now)))
        case _ if titles:
            records = {each: record([run for run in past if run.checklist == each], now) for each in titles}
            click.echo("\n".join(words.strip_lines(titles, past, records, now)))
        case _:
            click.echo(_NONE)


# --- inside -----------------------------------------------------------------------------------------------------------


def _mark(
    options: dict[str, Any], name: str, item: str, state: Done | None, note: str, said: str, as_json: bool
) -> None:
    async def work(feed: LiveFeed) -> tuple[datetime, Run, Marked, bool]:
        standing = _find(feed, name)
        run = _last_run(standing)
        if state is not None and run.state(feed.snapshot.at).over:
            raise Refused(
                f"{standing.title} is not open: it is due next {words.when(standing.next_due_at)} UTC, "
                f"`tradex checklist start {standing.name}` opens it before"
            )
        which = _item(run, item)
        if state is None and which.mark is None:
            return feed.now(), run, which, True
        await feed.desk.mark_item(run.id, which.place, state, note=note)
        return feed.now(), await _run(feed, run.id), which, False

    now, run, which, as_before = with_feed(options, work)
    if as_before:
        said = "it was not ticked"
    told = f"{said}: {which.place} {which.step.text}; {run.done} of {len(run.items)} items of {run.title}"
    _say(run, now, told, as_json)


def _say(run: Run, now: datetime, told: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(words.run_json(run, now), indent=2))
    else:
        click.echo(told or "\n".join(words.run_lines(run, now)))


async def _run(feed: LiveFeed, number: int) -> Run:
    run = await feed.query.run_of(number)
    if run is None:
        raise Refused(f"there is no run {number} of a checklist any more")
    return run


def _find(feed: LiveFeed, name: str) -> Standing:
    """By its name or title, or words that no other list has. Raises Refused for none, Misuse for several."""
    lists, word = feed.snapshot.checklists, name.casefold()
    if not lists:
        raise Refused(_NONE)
    hits = [each for each in lists if word in (each.name.casefold(), each.title.casefold())]
    hits = hits or [each for each in lists if word in f"{each.name} {each.title}".casefold()]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise Misuse(f"{name!r} may be {' or '.join(each.name for each in hits)}")
    raise Refused(f"no checklist {name!r}; {meant(name, [each.name for each in lists])}")


def _last_run(standing: Standing) -> Run:
    """The one that is open, or was the last. Raises Refused."""
    if standing.run is None:
        raise Refused(
            f"{standing.title} was not open yet: it is due {words.when(standing.next_due_at)} UTC, "
            f"`tradex checklist start {standing.name}` opens it before"
        )
    return standing.run


def _item(run: Run, wanted: str) -> Marked:
    """By its number, its text, or words that no other item has. Raises Refused for none, Misuse for several."""
    if wanted.isdecimal():
        hits = [item for item in run.items if str(item.place) == wanted]
    else:
        word = wanted.casefold()
        hits = [item for item in run.items if word == item.step.text.casefold()]
        hits = hits or [item for item in run.items if word in item.step.text.casefold()]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise Misuse(
            f"{wanted!r} is in the items {', '.join(str(item.place) for item in hits)}: say the number"
        )
    raise Refused(f"no item {wanted!r}: `tradex checklist show {run.checklist}` lists them")
