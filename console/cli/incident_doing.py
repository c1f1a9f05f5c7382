"""What all commands about incidents share: how they are named, and a change of one from asking to saying so."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from console.cli import incident_words as words
from console.cli.alerts import find
from console.cli.connect import with_feed
from console.domain.errors import Misuse, Refused, StoreAway
from console.domain.incident import Incident
from console.domain.text import printable

if TYPE_CHECKING:
    from console.feed import LiveFeed

T = TypeVar("T")
_NUMBER = re.compile(r"(?:INC-)?(\d{1,18})", re.IGNORECASE)


def given(_: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    """Raises Misuse for words that say nothing."""
    if text is not None and not text.strip():
        name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
        raise Misuse(f"{name}: expected words, not {text!r}")
    return text


class Number(click.ParamType):
    """`12` or `INC-12`."""

    name = "incident"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _NUMBER.fullmatch(str(value).strip())
        if found is None:
            raise Misuse(f"expected the number of an incident, such as 12 or INC-12, not {str(value)!r}")
        return int(found[1])


number = click.argument("number", metavar="N", type=Number())
json_option = click.option("--json", "as_json", is_flag=True, help="The incident afterwards, as one object.")


async def found(feed: LiveFeed, number: int) -> Incident:
    """The incident with this number. Raises Refused where there is none."""
    one = await feed.query.incident(number)
    if one is None:
        raise Refused(f"there is no incident {number}: `tradex incident list --all` shows them")
    return one


def change(
    options: dict[str, Any],
    number: int,
    work: Callable[[LiveFeed], Awaitable[str | None]],
    said: str,
    as_json: bool,
    *,
    ends: bool = False,
) -> None:
    """Do it to an incident that is there, and say so in the words that `work` returns, else `said`. `ends`: with what
    was left undone of its steps, which stops nobody."""

    async def run(feed: LiveFeed) -> tuple[str, Incident]:
        await found(feed, number)
        words_of_it = await work(feed)
        return words_of_it or said, await found(feed, number)

    told, one = with_feed(options, run)
    say(one, f"{one.name}: {told}", as_json)
    if ends and one.open_steps:
        click.echo(one.open_steps, err=True)


async def surely(call: Callable[[str], Awaitable[T]]) -> T:
    """`call` with a key of its own, and once more should the answer get lost: with the same key it is done once."""
    key = uuid.uuid4().hex
    try:
        return await call(key)
    except StoreAway:
        return await call(key)


def say(one: Incident, said: str, as_json: bool) -> None:
    click.echo(json.dumps(words.incident_json(one), indent=2) if as_json else printable(said, 1000))


def alert_ids(feed: LiveFeed, which: tuple[str, ...]) -> list[int]:
    """Their numbers. Only those of the last day have a name; of older ones it takes the number. Raises Refused."""
    try:
        return [
            int(each) if each.isdecimal() and len(each) <= 18 else find(feed.snapshot, each).id
            for each in which
        ]
    except Misuse as error:
        raise Refused(str(error)) from None


async def not_here(feed: LiveFeed, text: str) -> list[str]:
    """The names that a note calls by `@name` and that nobody has who may look here."""
    from console.domain.calling import called, unknown
    from console.store import presences

    return unknown(text, await presences.people(await feed.connected())) if called(text) else []
