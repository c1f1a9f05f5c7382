"""`tradex security`: what screen 8 shows of attacks, on the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import with_feed
from console.cli.how import reason as _reason
from console.cli.tables import GLYPH, STYLE, print_table, table
from console.domain import duration
from console.domain.errors import Misuse
from console.domain.finding import Detector, Finding, FindingChange, FindingState
from console.domain.format import age, clock, iso, iso_or_none

if TYPE_CHECKING:
    from rich.table import Table

    from console.feed import LiveFeed

_STATES = [str(state) for state in FindingState]


def finding_json(finding: Finding) -> dict[str, Any]:
    """The documented shape of one finding."""
    return {
        "id": finding.id,
        "state": str(finding.state),
        "at": iso(finding.at),
        "severity": str(finding.severity),
        "kind": finding.kind,
        "address": finding.source,
        "summary": finding.summary,
        "count": finding.count,
        "peak": finding.peak,
        "threshold": finding.threshold,
        "window_s": finding.window.total_seconds(),
        "users": list(finding.users),
        "users_more": finding.users_more,
        "affected": list(finding.affected),
        "affected_more": finding.affected_more,
        "opened_at": iso(finding.opened_at),
        "since": iso(finding.since),
        "first_at": iso(finding.first_at),
        "attack_at": iso(finding.attack_at),
        "last_at": iso(finding.last_at),
        "blocked_until": iso_or_none(finding.blocked_until),
        "action": finding.action or None,
        "command": finding.command or None,
        "dismissed_by": finding.dismissed_by,
        "dismissed_at": iso_or_none(finding.dismissed_at),
        "dismissed_reason": finding.dismissed_reason or None,
    }


def _change_json(change: FindingChange) -> dict[str, Any]:
    return {
        "at": iso(change.at),
        "state": change.kind,
        "actor": change.actor,
        "text": change.text,
        "count": change.count,
    }


@click.group()
def security() -> None:
    """Attacks on the platform: what was found, and what to do about it."""


@security.command("findings")
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="Only these.")
@click.option("--all", "everything", is_flag=True, help="Also what was quiet or dismissed in the last day.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(options: dict[str, Any], states: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Attacks that go on or are blocked, the most urgent first."""

    async def read(feed: LiveFeed) -> tuple[datetime, Sequence[Finding], Sequence[Detector]]:
        return feed.snapshot.at, feed.snapshot.findings, feed.snapshot.detectors

    now, findings, detectors = with_feed(options, read)
    wanted = states or ([str(FindingState.OPEN), str(FindingState.BLOCKED)] if not everything else _STATES)
    found = [finding for finding in findings if str(finding.state) in wanted]
    _say_why(detectors)
    if as_json:
        click.echo(json.dumps([finding_json(finding) for finding in found], indent=2))
    elif found:
        print_table(_table(now, found))
        for finding in found:
            if finding.counts and finding.command:
                click.echo(f"to end {finding.id}:  {finding.command}")
    else:
        click.echo("no finding" + (f" is {' or '.join(states)}" if states else " is open"))


@security.command()
@click.argument("number", type=int)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], number: int, as_json: bool) -> None:
    """One finding (its number): who was tried, who got in, and what became of it."""

    async def read(feed: LiveFeed) -> tuple[datetime, Finding, Sequence[FindingChange]]:
        return feed.snapshot.at, await _one(feed, number), await feed.query.finding_history(number)

    now, one, history = with_feed(options, read)
    if as_json:
        history_json = [_change_json(change) for change in history]
        click.echo(json.dumps(finding_json(one) | {"history": history_json}, indent=2))
        return
    severity = str(one.severity)
    click.echo(
        f"{GLYPH[severity]} {severity.upper()}  {_kind(one)} from {one.source}  {str(one.state).upper()}  "
        f"(number {one.id})"
    )
    click.echo(f"found    {one.summary}")
    rule = f"{one.threshold} failures within {duration.written(one.window)}"
    click.echo(f"rule     {rule}, reached at {clock(one.attack_at)}")
    click.echo(f"failures from {clock(one.first_at)} to {clock(one.last_at)}, {age(now - one.last_at)} ago")
    if note := _note(one):
        click.echo(f"state    {note}")
    for title, names, more in (
        ("tried", one.users, one.users_more),
        ("logged in afterwards", one.affected, one.affected_more),
    ):
        click.echo(title)
        for name in names or ["nobody"]:
            click.echo(f"  {name}")
        if more:
            click.echo("  and others")
    click.echo("history")
    for change in history:
        click.echo(f"  {clock(change.at)}  {change.kind:<10} {change.actor}  {change.text}".rstrip())
    if one.command and one.state is not FindingState.BLOCKED:
        click.echo(f"to end it  {one.command}")


@security.command()
@click.argument("number", type=int)
@_reason
@click.pass_obj
def dismiss(options: dict[str, Any], number: int, reason: str) -> None:
    """Take a finding (its number) off the list of threats."""

    async def work(feed: LiveFeed) -> None:
        await _one(feed, number)
        await feed.desk.dismiss_finding(number, reason)

    with_feed(options, work)
    click.echo(f"dismissed: finding {number}")


async def _one(feed: LiveFeed, number: int) -> Finding:
    """The finding with this number. Raises Misuse where there is none."""
    found = await feed.query.finding(number)
    if found is None:
        raise Misuse(
            f"there is no finding {number}: `tradex security findings --all` shows those of the last day"
        )
    return found


def _say_why(detectors: Sequence[Detector]) -> None:
    """Why there may be attacks that nobody finds."""
    for detector in detectors:
        if detector.reason:
            click.echo(f"tradex: {detector.name}: {detector.reason}", err=True)
    if not detectors:
        click.echo("tradex: no agent has looked for attacks yet", err=True)


def _kind(finding: Finding) -> str:
    return finding.kind.replace("_", " ")


def _table(now: datetime, found: Sequence[Finding]) -> Table:
    from rich.text import Text

    rows = table(
        *("id", "address", "kind", "state", "failures", "peak", "users", "first", "last", "note"),
        right={"id", "failures", "peak", "users"},
    )
    for finding in found:
        severity = str(finding.severity)
        style = STYLE[severity] if finding.counts else "dim"
        rows.add_row(
            str(finding.id),
            Text(f"{GLYPH[severity]} {finding.source}", style=style),
            _kind(finding),
            str(finding.state),
            f"{finding.count:,}",
            f"{finding.peak:,}",
            finding.users_text,
            clock(finding.first_at),
            f"{age(now - finding.last_at)} ago",
            Text(_note(finding)),
        )
    return rows


def _note(finding: Finding) -> str:
    entered = f"{finding.affected_text} logged in afterwards" if finding.affected else ""
    match finding.state:
        case FindingState.BLOCKED:
            until = f" until {clock(finding.blocked_until)}" if finding.blocked_until else ""
            return "; ".join(part for part in (f"blocked{until}", entered) if part)
        case FindingState.DISMISSED:
            return f"{finding.dismissed_by}: {finding.dismissed_reason}"
    return entered
