"""`tradex incident`: what screen 5 shows and does, on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli import incident_handover, incident_updates, incident_watch, incident_work
from console.cli import incident_words as words
from console.cli.connect import with_feed
from console.cli.how import reason as _reason
from console.cli.incident_doing import (
    alert_ids,
    change,
    found,
    given,
    json_option,
    not_here,
    number,
    say,
    surely,
)
from console.cli.tables import print_table
from console.domain.errors import Misuse
from console.domain.incident import LEVELS, Incident, Role, incident_name
from console.domain.text import lines_of, printable

if TYPE_CHECKING:
    from console.domain.incident import Entry, Presence
    from console.feed import LiveFeed

_LAST = 20


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Of the list.")
@click.pass_context
def incident(ctx: click.Context, as_json: bool) -> None:
    """Incidents: who works on what, and what became of it. Without a command: the list of open ones."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@incident.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are over, the latest first.")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=50, help="With --all: at most so many.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(options: dict[str, Any], everything: bool = False, count: int = 50, as_json: bool = False) -> None:
    """Open incidents, the worst first."""

    async def read(feed: LiveFeed) -> tuple[datetime, list[Incident]]:
        past = await feed.query.past_incidents(limit=count) if everything else feed.snapshot.open_incidents
        return feed.snapshot.at, list(past)

    now, found = with_feed(options, read)
    if as_json:
        click.echo(json.dumps([words.incident_json(each) for each in found], indent=2))
    elif found:
        print_table(words.incident_table(found, now))
    else:
        click.echo("there was none yet" if everything else "no incident is open")


@incident.command()
@number
@click.option("-n", "count", type=click.IntRange(0, 1000), default=_LAST, help="Entries of the timeline.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], number: int, count: int, as_json: bool) -> None:
    """One incident: clocks, roles, steps, what is left to do, and the last entries of its timeline."""

    async def read(
        feed: LiveFeed,
    ) -> tuple[datetime, Incident, list[Entry], dict[int, str], Sequence[Presence]]:
        one = await found(feed, number)
        entries = await feed.query.incident_timeline(number, limit=count) if count else []
        names = {alert.id: alert.rule for alert in feed.snapshot.alerts}
        return feed.snapshot.at, one, list(entries)[::-1], names, await feed.query.present(number)

    now, one, entries, names, present = with_feed(options, read)
    if as_json:
        more = {
            "presence": [words.presence_json(each) for each in present],
            "timeline": [words.entry_json(each) for each in entries],
        }
        click.echo(json.dumps(words.incident_json(one) | more, indent=2))
        return
    for line in words.lines(one, names, present, now):
        click.echo(line)
    if entries:
        click.echo("timeline")
    for line in words.numbered_lines(entries):
        click.echo(f"  {line}")


@incident.command("open")
@click.argument("title", callback=given)
@click.option("--level", type=click.IntRange(LEVELS[0], LEVELS[-1]), default=2, help="1 (worst) to 3.")
@click.option("--alert", "alerts", multiple=True, metavar="ALERT", help="Of these alerts.")
@click.option("--runbook", default="", metavar="NAME", help="Work through this one.")
@click.option("--note", default="", metavar="TEXT")
@json_option
@click.pass_obj
def open_(
    options: dict[str, Any],
    title: str,
    level: int,
    alerts: tuple[str, ...],
    runbook: str,
    note: str,
    as_json: bool,
) -> None:
    """Open an incident by hand."""

    async def work(feed: LiveFeed) -> Incident:
        ids = alert_ids(feed, alerts)
        made = await surely(
            lambda key: feed.desk.open_incident(title, level, alerts=ids, runbook=runbook, note=note, key=key)
        )
        return await found(feed, made)

    one = with_feed(options, work)
    say(one, f"opened: {one.name}, level {one.level}, {one.title}", as_json)


@incident.command()
@number
@click.argument("text", callback=given)
@json_option
@click.pass_obj
def note(options: dict[str, Any], number: int, text: str, as_json: bool) -> None:
    """Write something down; `-` reads it from standard input, as many lines as it has."""
    written = lines_of(sys.stdin.read(), 100_000) if text == "-" else text
    if not written.strip():
        raise Misuse("standard input: expected a note, not nothing")

    missed: list[str] = []

    async def work(feed: LiveFeed) -> None:
        await surely(lambda key: feed.desk.add_note(number, written, key=key))
        missed.extend(await not_here(feed, written))

    change(options, number, work, "noted", as_json)
    for name in missed:
        click.echo(f"nobody is called {name} here", err=True)


@incident.command()
@number
@json_option
@click.pass_obj
def ack(options: dict[str, Any], number: int, as_json: bool) -> None:
    """Say that you are on it, and on its alerts: nobody else is told any more."""
    change(options, number, lambda feed: feed.desk.acknowledge_incident(number), "acknowledged", as_json)


@incident.command()
@number
@click.option("--note", default="", metavar="TEXT")
@click.option("--back", is_flag=True, help="It has not, after all.")
@json_option
@click.pass_obj
def mitigate(options: dict[str, Any], number: int, note: str, back: bool, as_json: bool) -> None:
    """Say that the harm has stopped."""
    said = "no longer mitigated" if back else "mitigated"
    change(
        options,
        number,
        lambda feed: feed.desk.mitigate(number, note, back=back),
        said,
        as_json,
        ends=not back,
    )


@incident.command()
@number
@click.option("--resolution", required=True, callback=given, metavar="TEXT", help="What it was.")
@json_option
@click.pass_obj
def close(options: dict[str, Any], number: int, resolution: str, as_json: bool) -> None:
    """It is over."""
    change(
        options,
        number,
        lambda feed: feed.desk.close_incident(number, resolution),
        "closed",
        as_json,
        ends=True,
    )


@incident.command()
@number
@_reason
@json_option
@click.pass_obj
def reopen(options: dict[str, Any], number: int, reason: str, as_json: bool) -> None:
    """It was not over."""
    change(options, number, lambda feed: feed.desk.reopen_incident(number, reason), "open again", as_json)


@incident.command()
@number
@click.argument("level", type=click.IntRange(LEVELS[0], LEVELS[-1]))
@_reason
@json_option
@click.pass_obj
def level(options: dict[str, Any], number: int, level: int, reason: str, as_json: bool) -> None:
    """How bad it is, 1 (worst) to 3."""
    change(
        options, number, lambda feed: feed.desk.set_level(number, level, reason), f"level {level}", as_json
    )


@incident.command()
@number
@click.argument("title", callback=given)
@json_option
@click.pass_obj
def rename(options: dict[str, Any], number: int, title: str, as_json: bool) -> None:
    """What it is called."""
    change(options, number, lambda feed: feed.desk.rename_incident(number, title), "renamed", as_json)


@incident.command()
@number
@click.argument("role", type=click.Choice([str(role) for role in Role]))
@click.argument("person", required=False)
@click.option("--nobody", is_flag=True, help="Give it up.")
@json_option
@click.pass_obj
def role(
    options: dict[str, Any], number: int, role: str, person: str | None, nobody: bool, as_json: bool
) -> None:
    """Who is what (by default you)."""
    if nobody and person is not None:
        raise Misuse("--nobody, or a person")

    async def work(feed: LiveFeed) -> str:
        who = "" if nobody else person or feed.snapshot.link.user
        await feed.desk.set_role(number, Role(role), who)
        return f"{role}: {who or 'nobody'}"

    change(options, number, work, "", as_json)


@incident.command()
@number
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.pass_obj
def export(options: dict[str, Any], number: int, output: Path | None) -> None:
    """The post-mortem as Markdown, as of now, into FILE or to standard output."""
    from console.cli.audit import written

    async def read(feed: LiveFeed) -> str:
        await found(feed, number)
        return await feed.query.postmortem(number)

    if output is None:
        click.echo(with_feed(options, read), nl=False)
        return
    with written(output) as out:
        out.write(with_feed(options, read))
    click.echo(f"{incident_name(number)} in {printable(output)}")


for _command in (
    *(incident_work.tick, incident_work.attach, incident_work.link, incident_work.split, incident_work.merge),
    *(incident_work.pin, incident_work.plot, incident_work.follow_up),
    *(incident_updates.update, incident_watch.watch, incident_handover.handover),
):
    incident.add_command(_command)
