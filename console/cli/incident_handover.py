"""`tradex incident handover`: what there is to know for who takes over, signed by both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from console.cli import incident_words as words
from console.cli.connect import with_feed
from console.cli.incident_doing import surely
from console.cli.tables import print_table
from console.domain.errors import Misuse, Refused
from console.domain.format import clock, iso
from console.domain.handover import meanwhile

if TYPE_CHECKING:
    from console.domain.handover import Handover
    from console.feed import LiveFeed

_MOST = 500


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Of the text.")
@click.pass_context
def handover(ctx: click.Context, as_json: bool) -> None:
    """Hand over a shift. Without a command: what there is to know now."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, as_json=as_json)


@handover.command()
@click.argument("handover_id", metavar="[ID]", type=int, required=False)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], handover_id: int | None = None, as_json: bool = False) -> None:
    """What there is to know now, as Markdown; with ID: what was handed over then."""
    if handover_id is not None:
        one, since = with_feed(options, lambda feed: _one(feed, handover_id))
        if as_json:
            click.echo(json.dumps(words.handover_json(one), indent=2))
            return
        click.echo(f"{one.giver} to {one.taker}, {iso(one.at)}: {since}\n")
        if one.note:
            click.echo(f"note of {one.giver}: {one.note}\n")
        click.echo(one.text, nl=False)
        return

    async def read(feed: LiveFeed) -> tuple[str, str]:
        return iso(feed.now()), await feed.query.handover_text()

    at, text = with_feed(options, read)
    click.echo(
        json.dumps({"id": None, "state": "draft", "at": at, "text": text}) if as_json else text, nl=as_json
    )


@handover.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(options: dict[str, Any], as_json: bool) -> None:
    """The last ones, and who signed them."""

    async def read(feed: LiveFeed) -> list[Handover]:
        return list(await feed.query.handovers())

    found = with_feed(options, read)
    if as_json:
        click.echo(json.dumps([words.handover_json(each) for each in found], indent=2))
    elif found:
        print_table(words.handover_table(found))
    else:
        click.echo("nobody has handed over yet")


@handover.command()
@click.argument("to", metavar="PERSON")
@click.option("--note", default="", metavar="TEXT", help="What you have to add.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def offer(options: dict[str, Any], to: str, note: str, as_json: bool) -> None:
    """Hand over to somebody, as things are now. You sign it by this; they sign when they take over."""

    async def work(feed: LiveFeed) -> dict[str, Any]:
        text = await feed.query.handover_text()
        made = await surely(lambda key: feed.desk.offer_handover(to, text, note=note, key=key))
        return {"id": made, "state": "offered", "at": iso(feed.now()), "taker": to, "text": text}

    made = with_feed(options, work)
    if as_json:
        click.echo(json.dumps(made, indent=2))
    else:
        click.echo(made["text"], nl=False)
        click.echo(f"\noffered to {to}, who takes over with: tradex incident handover sign {made['id']}")


@handover.command()
@click.argument("handover_id", metavar="[ID]", type=int, required=False)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def sign(options: dict[str, Any], handover_id: int | None, as_json: bool) -> None:
    """Take over: the one with this ID, else the only one that is offered to you."""

    async def work(feed: LiveFeed) -> tuple[Handover, str]:
        which = await _mine(feed) if handover_id is None else handover_id
        await feed.desk.sign_handover(which)
        return await _one(feed, which)

    one, since = with_feed(options, work)
    said = f"signed: it is yours now, as {one.giver} saw it at {clock(one.at, seconds=False)} UTC; {since}"
    click.echo(json.dumps({"id": one.id, "state": "signed"}) if as_json else said)


async def _one(feed: LiveFeed, handover_id: int) -> tuple[Handover, str]:
    """It, and what it does not say. Raises Refused where there is none."""
    one = await feed.query.handover(handover_id)
    if one is None:
        raise Refused(f"there is no hand-over {handover_id}: `tradex incident handover list` shows them")
    return one, meanwhile(one, await feed.query.events(limit=_MOST), feed.now())


async def _mine(feed: LiveFeed) -> int:
    """The only one that is offered to this person. Raises Refused for none, Misuse for several."""
    mine = await feed.query.offered_handovers()
    if len(mine) == 1:
        return mine[0].id
    if not mine:
        raise Refused("nothing is offered to you: `tradex incident handover list` shows what was")
    given = ", ".join(f"{each.id} (of {each.giver})" for each in mine)
    raise Misuse(f"several are offered to you, say which: {given}")
