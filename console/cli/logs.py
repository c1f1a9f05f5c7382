"""`tradex logs`: the platform's logs of the last minutes, and live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import hints, opened, patiently
from console.cli.tables import GLYPH, on_terminal
from console.domain import duration
from console.domain.errors import Misuse
from console.domain.format import clock, iso
from console.domain.log import LEVELS, LogLine, LogSource
from console.domain.log_lines import LineGroup, LogFilter, grouped, pattern

if TYPE_CHECKING:
    from console.store.pool import Store

_LAST = 200
_PAGE = 5000
_POLL_S = 4.0
_GLYPHS = {"error": GLYPH["critical"], "warning": GLYPH["warning"], "info": GLYPH["info"], "debug": "·"}
_COLOURS = {"error": "red", "warning": "yellow"}


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is wanted: which lines, of what time, how many, and how they are shown."""

    wanted: LogFilter
    since: timedelta | None
    count: int | None
    as_json: bool

    @property
    def sources(self) -> list[str] | None:
        return None if self.wanted.source is None else [self.wanted.source]


@click.command()
@click.option("--source", metavar="NAME", help="One log only: functions, auth, orders.")
@click.option("--level", type=click.Choice(LEVELS[::-1]), default="debug", help="This bad or worse.")
@click.option("--grep", metavar="RE", default="", help="Lines with this regular expression, in any case.")
@click.option("--since", metavar="SPAN", help="The last 30s, 10m ... (by default the last 200 lines).")
@click.option("-n", "count", type=click.IntRange(1, 100_000), help="At most so many lines, the newest.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--group", is_flag=True, help="Count lines that say the same.")
@click.option("--json", "as_json", is_flag=True, help="An array; with --follow one object a line.")
@click.pass_obj
def logs(
    options: dict[str, Any],
    source: str | None,
    level: str,
    grep: str,
    since: str | None,
    count: int | None,
    follow: bool,
    group: bool,
    as_json: bool,
) -> None:
    """The platform's logs of the last minutes: functions, sign-ins, order errors."""
    length = duration.parse(since) if since is not None else None
    if since is not None and length is None:
        raise Misuse(f"--since: expected a span such as 30s, 10m or 1h, not {since!r}")
    if follow and group:
        raise Misuse("--group counts what is there: it can't be followed")
    if count is None and length is None and not group:
        count = _LAST
    ask = _Ask(LogFilter(source, level, pattern(grep)), length, count, as_json)
    asyncio.run(_run(options, ask, follow=follow, group=group))


async def _run(options: dict[str, Any], ask: _Ask, *, follow: bool, group: bool) -> None:
    async with opened(options) as store:
        from console.store import logs as stored

        known = await stored.sources(store)
        if ask.wanted.source is not None and known and ask.wanted.source not in [s.name for s in known]:
            raise Misuse(f"no log {ask.wanted.source!r}: choose one of {', '.join(s.name for s in known)}")
        begin = 0
        if follow:
            newest = await stored.recent(store, limit=1)
            begin = newest[-1].id if newest else 0
        found = await _last(store, ask, below=begin + 1 if follow else None)
        _explain(known, ask, nothing=not found)
        if group:
            _print_groups(grouped(found), as_json=ask.as_json)
        elif ask.as_json and not follow:
            click.echo(json.dumps([line_json(line) for line in found], indent=2))
        else:
            _print(found, ask)
        if follow:
            await _follow(store, ask, begin)


async def _last(store: Store, ask: _Ask, *, below: int | None) -> list[LogLine]:
    """The newest lines that are wanted, oldest first: read backwards, a page at a time."""
    from console.store import logs as stored

    start: datetime | None = None if ask.since is None else await store.now() - ask.since
    pages: list[list[LogLine]] = []
    total = 0
    while True:
        limit = _PAGE if ask.count is None or ask.wanted != LogFilter(ask.wanted.source) else ask.count
        page = await stored.recent(store, before=below, start=start, sources=ask.sources, limit=limit)
        kept = [line for line in page if ask.wanted.passes(line)]
        pages.append(kept)
        total += len(kept)
        if len(page) < limit or (ask.count is not None and total >= ask.count):
            break
        below = page[0].id
    lines = [line for page in reversed(pages) for line in page]
    return lines if ask.count is None else lines[-ask.count :]


async def _follow(store: Store, ask: _Ask, last: int) -> None:
    """What comes after the line of this id. A store that is away is told and waited for."""
    from console.store import logs as stored

    async with hints(store, "log") as wait:
        while True:
            page = await patiently(partial(stored.recent, store, after=last, limit=_PAGE))
            _print([line for line in page if ask.wanted.passes(line)], ask)
            last = page[-1].id if page else last
            if len(page) < _PAGE:
                await wait(_POLL_S)


def line_json(line: LogLine) -> dict[str, Any]:
    """The documented shape of one line."""
    return {
        "id": line.id,
        "at": iso(line.at),
        "source": line.source,
        "level": line.level,
        "origin": line.origin,
        "text": line.text,
        "user": line.user or None,
        "request": line.request or None,
    }


def _explain(known: Sequence[LogSource], ask: _Ask, *, nothing: bool) -> None:
    """Why a log that was asked for brings nothing."""
    for source in known:
        if source.reason and (source.name == ask.wanted.source or (nothing and ask.wanted.source is None)):
            click.echo(f"tradex: {source.name}: {source.reason}", err=True)
    if nothing and not known:
        click.echo("tradex: no agent has read a log yet", err=True)


def _print(lines: Sequence[LogLine], ask: _Ask) -> None:
    for line in lines:
        if ask.as_json:
            click.echo(json.dumps(line_json(line)))
        else:
            click.echo(_row(line))


def _print_groups(groups: Sequence[LineGroup], *, as_json: bool) -> None:
    if as_json:
        shown = [
            {**line_json(group.newest), "count": group.count, "template": group.key.template}
            for group in groups
        ]
        click.echo(json.dumps(shown, indent=2))
        return
    for group in groups:
        line = group.newest
        if group.key.origin != line.origin:
            line = replace(line, origin="(several)")
        click.echo(f"{group.count:>7,} x  {_row(line)}")


def _row(line: LogLine) -> str:
    row = (
        f"{clock(line.at)} {_GLYPHS.get(line.level, '?')} {line.level:<7} {line.source:<9} "
        f"{line.origin:<16} {line.text}"
    )
    colour = _COLOURS.get(line.level)
    return click.style(row, fg=colour) if colour and on_terminal() else row
