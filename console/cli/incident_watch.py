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
from console.cli.incident_doing import Number
from console.domain.errors import Refused

if TYPE_CHECKING:
    from console.domain.incident import Entry, Incident
    from console.store.pool import Store

_PAGE = 200
_POLL_S = 4.0


@click.command()
@click.argument("number", metavar="[N]", type=Number(), required=False)
@click.option("-n", "count", type=click.IntRange(0, 1000), default=20, help="Begin with so many of the last.")
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
@click.pass_obj
def watch(options: dict[str, Any], number: int | None, count: int, as_json: bool) -> None:
    """The timeline of an incident as it grows, until ctrl+c: one that is closed may be reopened. Without N: of the
    worst one that is open, and once that is over of the next. It changes nothing, and nobody is told that you look."""
    asyncio.run(_watch(options, number, _Teller(count, as_json)))


async def _watch(options: dict[str, Any], number: int | None, teller: _Teller) -> None:
    async with opened(options, read_only=True) as store:
        one = await _chosen(store, number, None)
        async with hints(store, "event") as wait:
            while True:
                await patiently(partial(teller.tell, store, one))
                # The one that is over makes room for the next at once.
                if number is not None or one is None or not one.state.over:
                    await wait(_POLL_S)
                one = await patiently(partial(_chosen, store, number, one))


async def _chosen(store: Store, number: int | None, before: Incident | None) -> Incident | None:
    """As it is now: the one with this number, else the one that was watched before, until it was seen to be over, else
    the worst that is open. Raises Refused where there is none with this number."""
    from console.store import incidents

    if number is None and before is not None and not before.state.over:
        number = before.id
    if number is not None:
        one = await incidents.one(store, number)
        if one is None:
            raise Refused(f"there is no incident {number}: `tradex incident list --all` shows them")
        return one
    current = await incidents.current(store, closed_since=await store.now())
    return next((each for each in current if not each.state.over), None)


class _Teller:
    """Prints each entry once, and how an incident stands where that is not what was printed last."""

    def __init__(self, count: int, as_json: bool) -> None:
        self._count, self._as_json = count, as_json
        self._told, self._about = "", 0
        # Entries of each incident by their numbers: what was written later may have happened before.
        self._seen: dict[int, set[int]] = {}

    async def tell(self, store: Store, one: Incident | None) -> None:
        """What is new of it; it was read before its entries are, so that its end is not told before they are."""
        from console.store import incidents

        if one is None:
            self._about = 0
            self._say("no incident is open")
            return
        if one.id in self._seen:
            fresh = await self._news(store, one.id)
        else:
            newest = await incidents.timeline(store, one.id, limit=max(self._count, _PAGE))
            self._seen[one.id] = {entry.event.id for entry in newest}
            fresh = newest[: self._count][::-1]
        if one.id != self._about:
            self._about = one.id
            self._say(words.headline(one))
        self._print(fresh)
        self._say(words.headline(one))

    async def _news(self, store: Store, number: int) -> list[Entry]:
        """Entries that were not seen, oldest first, and from now on are."""
        from console.store import incidents

        seen, before = self._seen[number], None
        fresh: list[Entry] = []
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

    def _say(self, line: str) -> None:
        if line != self._told and not self._as_json:
            click.echo(line)
        self._told = line

    def _print(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            for line in [json.dumps(words.entry_json(entry))] if self._as_json else words.entry_lines(entry):
                click.echo(line)
