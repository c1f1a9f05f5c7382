"""`tradex incident handover`: what there is to know for who takes over, signed by both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from console.cli import incident_words as words
from console.cli.connect import with_feed
from console.cli.tables import print_table
from console.domain.format import iso

if TYPE_CHECKING:
    from console.domain.handover import Handover
    from console.feed import LiveFeed


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Of the text.")
@click.pass_context
def handover(ctx: click.Context, as_json: bool) -> None:
    """Hand over a shift. Without a command: what there is to know now."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, as_json=as_json)


@handover.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], as_json: bool = False) -> None:
    """What there is to know now, as Markdown."""

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
        made = await feed.desk.offer_handover(to, text, note=note)
        return {"id": made, "state": "offered", "at": iso(feed.now()), "taker": to, "text": text}

    made = with_feed(options, work)
    if as_json:
        click.echo(json.dumps(made, indent=2))
    else:
        click.echo(made["text"], nl=False)
        click.echo(f"\noffered to {to}, who takes over with: tradex incident handover sign {made['id']}")


@handover.command()
@click.argument("handover_id", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def sign(options: dict[str, Any], handover_id: int, as_json: bool) -> None:
    """Take over."""
    with_feed(options, lambda feed: feed.desk.sign_handover(handover_id))
    click.echo(json.dumps({"id": handover_id, "state": "signed"}) if as_json else "signed: it is yours now")
