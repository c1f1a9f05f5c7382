"""`tradex incident`: its steps, what is linked to it, and what is to be done afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from console.cli import incident_words as words
from console.cli.connect import with_feed
from console.cli.incident_doing import (
    Number,
    alert_ids,
    change,
    found,
    given,
    json_option,
    number,
    say,
    surely,
)
from console.domain.book import Done, Marked
from console.domain.errors import Misuse, Refused
from console.domain.incident import Attached, Incident, incident_name
from console.domain.text import printable

if TYPE_CHECKING:
    from console.feed import LiveFeed


@click.command()
@number
@click.argument("step")
@click.option("--book", metavar="NAME", help="Of which runbook, where several are attached.")
@click.option("--skip", is_flag=True, help="It is not done, and won't be: --note says why.")
@click.option("--undo", is_flag=True, help="It is not done after all.")
@click.option("--note", default="", metavar="TEXT")
@json_option
@click.pass_obj
def tick(
    options: dict[str, Any],
    number: int,
    step: str,
    book: str | None,
    skip: bool,
    undo: bool,
    note: str,
    as_json: bool,
) -> None:
    """Tick a step of its runbook: STEP is its number, or words of it that no other step has."""
    if skip and undo:
        raise Misuse("--skip or --undo, not both")
    if skip and not note.strip():
        raise Misuse("--skip: --note says why")
    state = None if undo else Done.SKIPPED if skip else Done.DONE
    word = {None: "no longer done", Done.DONE: "done", Done.SKIPPED: "skipped"}[state]

    async def work(feed: LiveFeed) -> str:
        where, which = _step(await found(feed, number), step, book)
        await feed.desk.mark_step(number, where.id, which.place, state, note=note)
        return f"{word}: {which.place} {which.step.text}"

    change(options, number, work, "", as_json)


@click.command()
@number
@click.argument("alerts", metavar="ALERT...", nargs=-1, required=True)
@json_option
@click.pass_obj
def link(options: dict[str, Any], number: int, alerts: tuple[str, ...], as_json: bool) -> None:
    """Alerts (numbers or rules' names) that belong to it, whichever incident they belonged to before."""
    change(
        options,
        number,
        lambda feed: feed.desk.link_alerts(number, alert_ids(feed, alerts)),
        "linked",
        as_json,
    )


@click.command()
@number
@click.argument("alerts", metavar="ALERT...", nargs=-1, required=True)
@click.option("--title", required=True, callback=given, metavar="TEXT")
@json_option
@click.pass_obj
def split(options: dict[str, Any], number: int, alerts: tuple[str, ...], title: str, as_json: bool) -> None:
    """Make an incident of its own of some of its alerts. With --json: the new one."""

    async def work(feed: LiveFeed) -> Incident:
        await found(feed, number)
        ids = alert_ids(feed, alerts)
        made = await surely(lambda key: feed.desk.split_incident(number, ids, title, key=key))
        return await found(feed, made)

    one = with_feed(options, work)
    say(one, f"{incident_name(number)}: split off: {one.name}, {one.title}", as_json)


@click.command()
@number
@click.option("--into", "other", type=Number(), required=True, metavar="N", help="The one that goes on.")
@json_option
@click.pass_obj
def merge(options: dict[str, Any], number: int, other: int, as_json: bool) -> None:
    """Give all that is linked to it to another one."""
    said = f"merged into {incident_name(other)}"
    change(options, number, lambda feed: feed.desk.merge_incident(number, other), said, as_json)


@click.command()
@number
@click.argument("runbook")
@json_option
@click.pass_obj
def attach(options: dict[str, Any], number: int, runbook: str, as_json: bool) -> None:
    """Work through a runbook, too."""
    said = f"attached: {printable(runbook, 100)}"
    change(options, number, lambda feed: feed.desk.attach_runbook(number, runbook), said, as_json)


@click.command()
@number
@click.argument("entry", type=int)
@click.option("--off", is_flag=True, help="No longer.")
@json_option
@click.pass_obj
def pin(options: dict[str, Any], number: int, entry: int, off: bool, as_json: bool) -> None:
    """Keep an entry of the timeline in sight: ENTRY is its number, as `show` has it."""
    said = "no longer pinned" if off else "pinned"
    change(options, number, lambda feed: feed.desk.pin(number, entry, off=off), said, as_json)


@click.command()
@number
@click.argument("metric", required=False)
@click.option("--off", is_flag=True, help="No longer.")
@json_option
@click.pass_obj
def plot(options: dict[str, Any], number: int, metric: str | None, off: bool, as_json: bool) -> None:
    """The metric that everybody looks at."""
    if off == (metric is not None):
        raise Misuse("name a metric (`tradex metrics` lists them), or --off")

    async def work(feed: LiveFeed) -> str:
        known = feed.snapshot.metrics.specs
        if metric is not None and known and metric not in known:
            raise Refused(f"there is no metric {metric!r}: `tradex metrics` lists them")
        await feed.desk.pin_plot(number, metric or "")
        return f"plot: {metric or 'none'}"

    change(options, number, work, "", as_json)


@click.command("follow-up")
@click.argument("number", metavar="N|done")
@click.argument("text", metavar="TEXT|ID", callback=given)
@click.option("--owner", default="", metavar="PERSON")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def follow_up(options: dict[str, Any], number: str, text: str, owner: str, as_json: bool) -> None:
    """What is to be done afterwards: `follow-up 12 TEXT` adds it, `follow-up done ID` says that it is done."""
    if number == "done":
        if not text.isdecimal() or len(text) > 18:
            raise Misuse(f"follow-up done: expected the number of a follow-up, not {text!r}")
        if owner:
            raise Misuse("--owner is for one that is added")
        with_feed(options, lambda feed: feed.desk.end_follow_up(int(text)))
        click.echo(json.dumps({"id": int(text), "state": "done"}) if as_json else f"done: follow-up {text}")
        return
    which = Number().convert(number, None, None)

    async def work(feed: LiveFeed) -> tuple[int, Incident]:
        await found(feed, which)
        made = await surely(lambda key: feed.desk.add_follow_up(which, text, owner, key=key))
        return made, await found(feed, which)

    made, one = with_feed(options, work)
    if as_json:
        added = [words.follow_up_json(each) for each in one.follow_ups if each.id == made]
        click.echo(json.dumps(added[0] if added else {"id": made}, indent=2))
    else:
        click.echo(f"{one.name}: follow-up {made}")


def _step(one: Incident, wanted: str, book: str | None) -> tuple[Attached, Marked]:
    """The step of this number or with these words. Raises Refused for none, Misuse for several."""
    books = [each for each in one.runbooks if book in (None, each.name, each.title)]
    if not one.runbooks:
        raise Refused(f"{one.name} has no runbook: `tradex incident attach {one.id} NAME`")
    names = ", ".join(each.name for each in one.runbooks)
    if not books:
        raise Refused(f"--book: {book!r} is not attached to {one.name}: there is {names}")
    steps = [(each, step) for each in books for step in each.steps]
    if wanted.isdecimal():
        hits = [(each, step) for each, step in steps if step.place == int(wanted)]
    else:
        word = wanted.casefold()
        hits = [(each, step) for each, step in steps if word == step.step.text.casefold()]
        hits = hits or [(each, step) for each, step in steps if word in step.step.text.casefold()]
    if len(hits) == 1:
        return hits[0]
    if hits and len({each.id for each, _ in hits}) > 1:
        raise Misuse(f"step {wanted!r} is in several runbooks: --book says which of {names}")
    if hits:
        places = ", ".join(str(step.place) for _, step in hits)
        raise Misuse(f"{wanted!r} is in the steps {places}: say the number")
    raise Refused(f"no step {wanted!r}: `tradex incident show {one.id}` lists them")
