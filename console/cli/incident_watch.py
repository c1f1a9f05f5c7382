"""`tradex incident watch`: what happens in an incident, a plain line each, for the big screen and for logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from console.cli import incident_words as words
from console.cli.connect import hints, opened, patiently
from console.cli.incident_doing import number
from console.domain.errors import Misuse

if TYPE_CHECKING:
    from console.domain.incident import Entry
    from console.store.pool import Store

_PAGE = 200
_POLL_S = 4.0


@click.command()
@number
@click.option("-n", "count", type=click.IntRange(0, 1000), default=20, help="Begin with so many of the last.")
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
@click.pass_obj
def watch(options: dict[str, Any], number: int, count: int, as_json: bool) -> None:
    """Its timeline as it grows, until it is over. It changes nothing, and nobody is told that you look."""
    asyncio.run(_watch(options, number, count, as_json))


async def _watch(options: dict[str, Any], number: int, count: int, as_json: bool) -> None:
    async with opened(options, read_only=True) as store:
        from console.store import incidents

        one = await incidents.one(store, number)
        if one is None:
            raise Misuse(f"there is no incident {number}: `tradex incident list --all` shows them")
        async with hints(store, "event") as wait:
            newest = await incidents.timeline(store, number, limit=max(count, _PAGE))
            # By their numbers: what was written later may have happened before.
            seen = {entry.event.id for entry in newest}
            told = words.headline(one)
            if not as_json:
                click.echo(told)
            _print(newest[:count][::-1], as_json)
            while not one.state.over:
                await wait(_POLL_S)
                # First whether it is over, then the rest of what happened until then.
                one = await patiently(partial(incidents.one, store, number)) or one
                _print(await patiently(partial(_news, store, number, seen)), as_json)
                if not as_json and told != words.headline(one):
                    told = words.headline(one)
                    click.echo(told)


async def _news(store: Store, number: int, seen: set[int]) -> list[Entry]:
    """Entries that are not among `seen`, oldest first, and from now on are."""
    from console.store import incidents

    fresh: list[Entry] = []
    before = None
    while True:
        page = await incidents.timeline(store, number, before=before, limit=_PAGE)
        new = [entry for entry in page if entry.event.id not in seen]
        fresh += new
        # A page with one that is known joins what was read before.
        if len(new) < len(page) or len(page) < _PAGE:
            break
        before = (page[-1].event.at, page[-1].event.id)
    seen.update(entry.event.id for entry in fresh)
    return fresh[::-1]


def _print(entries: Iterable[Entry], as_json: bool) -> None:
    for entry in entries:
        for line in [json.dumps(words.entry_json(entry))] if as_json else words.entry_lines(entry):
            click.echo(line)
