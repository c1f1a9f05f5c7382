"""`tradex incident update`: a stakeholder update from a template, read before it is recorded."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli import prompt
from console.cli.connect import with_feed
from console.cli.how import pairs
from console.cli.incident_doing import found, number, surely
from console.cli.tables import print_table, table
from console.domain.book import unfilled
from console.domain.errors import Misuse, Refused, TradexError
from console.domain.format import iso
from console.domain.text import lines_of, printable

if TYPE_CHECKING:
    from console.domain.book import Template
    from console.feed import LiveFeed

_LONGEST = 100_000


@click.command()
@number
@click.argument("template", required=False)
@click.option("--text", "source", metavar="FILE|-", help="These words instead of the template's.")
@click.option("--set", "given", multiple=True, metavar="NAME=TEXT", help="What the template still waits for.")
@click.option("--dry-run", is_flag=True, help="Only show it.")
@click.option("--yes", "-y", is_flag=True, help="Record it without asking.")
@click.option("--json", "as_json", is_flag=True, help="One object at the end.")
@click.pass_obj
def update(
    options: dict[str, Any],
    number: int,
    template: str | None,
    source: str | None,
    given: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Write a stakeholder update by a TEMPLATE (without one: the list of them): it is shown, and recorded once you say
    so. Sending it is yours."""
    if template is None:
        _list(options, as_json)
        return
    if source == "-" and not (yes or dry_run):
        raise Misuse(
            "--text -: standard input can't be asked as well: --yes records it, --dry-run only shows it"
        )
    own, values = None if source is None else _read(source), pairs("--set", given)

    from console.incidents.updates import fill

    async def work(feed: LiveFeed) -> dict[str, Any]:
        one = await found(feed, number)
        known = await feed.query.templates()
        chosen = next((each for each in known if each.name == template), None)
        if chosen is None:
            raise Refused(f"there is no template {template!r}: `tradex incident update {number}` lists them")
        text = fill(await feed.query.draft_update(number, template) if own is None else own, values)
        click.echo(text, err=as_json)
        if dry_run:
            return {"id": None, "state": "draft", "at": None, "text": text}
        _whole(text)
        if not yes:
            await _ask(as_json)
        again = chosen.promises(one.level, feed.snapshot.link.time_scale)
        again_s = None if again is None else again.total_seconds()
        made = await surely(
            lambda key: feed.desk.record_update(number, template, text, key=key, again_s=again_s)
        )
        return {"id": made, "state": "recorded", "at": iso(feed.now()), "text": text}

    done = with_feed(options, work)
    if as_json:
        click.echo(json.dumps(done, indent=2))
    elif done["state"] == "recorded":
        click.echo(f"recorded: entry {done['id']} of the timeline")


def _list(options: dict[str, Any], as_json: bool) -> None:
    async def read(feed: LiveFeed) -> list[Template]:
        return list(await feed.query.templates())

    known = with_feed(options, read)
    if as_json:
        shown = [
            {
                "id": t.name,
                "state": t.kind,
                "at": None,
                "title": t.title,
                "audience": t.audience,
                "text": t.text,
            }
            for t in known
        ]
        click.echo(json.dumps(shown, indent=2))
        return
    if not known:
        click.echo("there is no template: no agent has published any yet")
        return
    rows = table("template", "audience", "kind", "title", right=set())
    for each in known:
        rows.add_row(each.name, each.audience, each.kind, each.title)
    print_table(rows)


def _whole(text: str) -> None:
    """Raises Misuse for a text that still waits for something."""
    if missing := unfilled(text):
        said = " ".join(f"--set {m}=TEXT" for m in missing)
        raise Misuse(
            f"it still has {', '.join(f'{{{{ {m} }}}}' for m in missing)}: {said} says so, or --text FILE in your words"
        )
    if not text.strip():
        raise Misuse("it says nothing")


async def _ask(as_json: bool) -> None:
    """Raises Misuse where nobody can be asked, TradexError where it is not wanted."""
    if not prompt.possible():
        raise Misuse("nobody can be asked here: --yes records it as it is, --dry-run only shows it")

    def shown(text: str, *, end: str = "\n") -> None:
        click.echo(f"{text}{end}", nl=False, err=as_json)

    if not await prompt.yes(shown, "record it?"):
        raise TradexError("not recorded")


def _read(source: str) -> str:
    """Raises Misuse for a file that can't be read as text."""
    if source == "-":
        return lines_of(sys.stdin.read(_LONGEST), _LONGEST)
    try:
        with Path(source).open(encoding="utf-8") as file:
            return lines_of(file.read(_LONGEST), _LONGEST)
    except UnicodeDecodeError:
        raise Misuse(f"--text {printable(source)}: expected text in UTF-8") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Misuse(f"--text {printable(source)}: {why}") from None
