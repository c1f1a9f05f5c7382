"""`tradex alerts`: what screen 4 shows and does, on the command line."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import with_feed
from console.cli.how import reason as _reason
from console.cli.tables import GLYPH, STYLE, print_table, table
from console.domain import duration, matchers
from console.domain.alert import LABELS, Alert, AlertChange, AlertState, Matcher, Silence, remaining, title_of
from console.domain.errors import Misuse, TradexError
from console.domain.format import age, amount, clock, counted, iso, iso_or_none, reading
from console.domain.snapshot import Snapshot

if TYPE_CHECKING:
    from console.feed import LiveFeed

_STATES = [str(state) for state in AlertState]


def alert_json(alert: Alert) -> dict[str, Any]:
    """The documented shape of one alert."""
    return {
        "id": alert.id,
        "state": str(alert.state),
        "at": iso(alert.at),
        "rule": alert.rule,
        "type": alert.type,
        "severity": str(alert.severity),
        "action": alert.action,
        "condition": alert.condition,
        "summary": alert.summary,
        "metric": alert.metric,
        "value": alert.value,
        "peak": alert.peak,
        "limit": alert.limit,
        "unit": alert.unit,
        "phase": str(alert.phase),
        "pending_at": iso(alert.pending_at),
        "fired_at": iso_or_none(alert.fired_at),
        "resolved_at": iso_or_none(alert.resolved_at),
        "resolution": alert.resolution or None,
        "stale": alert.stale,
        "flaps": alert.flaps,
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at": iso_or_none(alert.acknowledged_at),
        "silence": alert.silence,
        "silenced_by": alert.silenced_by,
        "silenced_until": iso_or_none(alert.silenced_until),
        "inhibited_by": alert.inhibited_by,
    }


def silence_json(silence: Silence) -> dict[str, Any]:
    """The documented shape of one silence."""
    return {
        "id": silence.id,
        "state": "active",
        "at": iso(silence.starts_at),
        "until": iso(silence.ends_at),
        "author": silence.author,
        "reason": silence.reason,
        "matchers": [str(matcher) for matcher in silence.matchers],
    }


def _change_json(change: AlertChange) -> dict[str, Any]:
    return {
        "at": iso(change.at),
        "state": change.kind,
        "actor": change.actor,
        "text": change.text,
        "value": change.value,
    }


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Of the list.")
@click.pass_context
def alerts(ctx: click.Context, as_json: bool) -> None:
    """What fires, who is on it, and what was quietened. Without a command: the list of open alerts."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@alerts.command("list")
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="Only these.")
@click.option("--all", "resolved", is_flag=True, help="Also what was resolved in the last day.")
@click.option("--silences", "of_silences", is_flag=True, help="The silences in force instead.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(
    options: dict[str, Any],
    states: tuple[str, ...] = (),
    resolved: bool = False,
    of_silences: bool = False,
    as_json: bool = False,
) -> None:
    """Open alerts, the most urgent first. Exit code 1 when nobody evaluates the rules."""

    async def read(feed: LiveFeed) -> Snapshot:
        return feed.snapshot

    now = with_feed(options, read)
    if of_silences:
        _print_silences(now, as_json)
        return
    found = [
        a
        for a in now.alerts
        if (str(a.state) in states if states else resolved or a.state is not AlertState.RESOLVED)
    ]
    if as_json:
        click.echo(json.dumps([alert_json(a) for a in found], indent=2))
    elif found:
        # What another alert explains is counted, and told one by one only to who asks for it.
        hidden = [] if states else [a for a in found if a.state is AlertState.INHIBITED]
        print_table(_alert_table(now, [a for a in found if a not in hidden]))
        for by, count in Counter(a.inhibited_by for a in hidden).most_common():
            click.echo(f"    and {count} explained by {by}: --state inhibited lists them")
    else:
        click.echo("no alert" + (f" is {' or '.join(states)}" if states else " is open"))
    if now.is_stale(now.metrics.at, now.at) or not now.agent.judging:
        leader = f"{now.agent.leader} leads" if now.agent.leader else "no agent leads"
        since = "" if now.metrics.at is None else f", this is how it was at {clock(now.metrics.at)} UTC"
        raise TradexError(f"no rule is evaluated now ({leader}){since}")


@alerts.command()
@click.argument("alert")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], alert: str, as_json: bool) -> None:
    """One alert (its number, or its rule's name): why it fires, what was done, what changed before it."""

    async def read(feed: LiveFeed) -> tuple[Snapshot, Alert, Any, Any, Any]:
        one = find(feed.snapshot, alert)
        window = timedelta(minutes=30) / feed.snapshot.link.time_scale
        return (
            feed.snapshot,
            one,
            await feed.query.alert_history(one.id),
            await feed.query.changes_before(one.pending_at, window, but=one.rule),
            await feed.query.diagnosis(one.id),
        )

    now, one, history, changes, diagnosis = with_feed(options, read)
    if as_json:
        found = alert_json(one) | {
            "history": [_change_json(c) for c in history],
            "changes_before": [{"at": iso(e.at), "kind": e.kind, "text": e.text} for e in changes],
            "diagnosis": None
            if diagnosis is None
            else {
                "kind": diagnosis.kind,
                "at": iso(diagnosis.at),
                "sections": [
                    {"title": s.title, "columns": s.columns, "rows": s.rows, "reason": s.reason}
                    for s in diagnosis.sections
                ],
            },
        }
        click.echo(json.dumps(found, indent=2))
        return
    severity = str(one.severity)
    click.echo(
        f"{GLYPH[severity]} {severity.upper()}  {one.rule}  {str(one.state).upper()}  (number {one.id})"
    )
    click.echo(f"rule     {one.condition}")
    click.echo(f"why      {one.summary}")
    spec = now.metrics.specs.get(one.metric or "")
    peak = (
        ""
        if one.peak is None or one.peak_at is None
        else f"   peak {reading(spec, one.peak)} at {clock(one.peak_at)}"
    )
    click.echo(f"value    {reading(spec, one.value)}{peak}")
    for title, rows in (
        ("history", [f"{clock(c.at)}  {c.kind:<14} {c.actor}  {c.text}" for c in history]),
        ("changed before", [f"{clock(e.at)}  {e.kind:<14} {e.text}" for e in changes[:8]]),
    ):
        click.echo(title)
        for row in rows or ["nothing"]:
            click.echo(f"  {row.rstrip()}")
    for section in diagnosis.sections if diagnosis else ():
        click.echo(section.title)
        for row in section.rows[:5]:
            click.echo(
                "  " + "  ".join(amount(cell, unit) for cell, unit in zip(row, section.units, strict=False))
            )
        if section.reason:
            click.echo(f"  {section.reason}")


@alerts.command()
@click.argument("which", nargs=-1, required=True)
@click.option("--note", default="", help="What you are doing about it.")
@click.pass_obj
def ack(options: dict[str, Any], which: tuple[str, ...], note: str) -> None:
    """Say that you are on it: numbers or rules' names."""

    async def work(feed: LiveFeed) -> list[Alert]:
        found = [find(feed.snapshot, each) for each in which]
        await feed.desk.acknowledge([a.id for a in found], note)
        return found

    for one in with_feed(options, work):
        click.echo(f"acknowledged: {one.rule}")


@alerts.command()
@click.argument("which", nargs=-1, required=True)
@click.pass_obj
def unack(options: dict[str, Any], which: tuple[str, ...]) -> None:
    """Take an acknowledgement back."""

    async def work(feed: LiveFeed) -> list[Alert]:
        found = [find(feed.snapshot, each) for each in which]
        await feed.desk.unacknowledge([a.id for a in found])
        return found

    for one in with_feed(options, work):
        click.echo(f"no longer acknowledged: {one.rule}")


@alerts.command()
@click.argument("which", required=False)
@click.option(
    "--match", "terms", multiple=True, metavar="LABEL=VALUE", help=f"Of {', '.join(LABELS)}; = != =~ !~."
)
@click.option("--for", "length", required=True, metavar="DURATION", help="30m, 2h, 1d.")
@_reason
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def silence(
    options: dict[str, Any],
    which: str | None,
    terms: tuple[str, ...],
    length: str,
    reason: str,
    as_json: bool,
) -> None:
    """Keep an alert, or all that match, quiet for a while."""
    wanted = duration.parse(length)
    if not wanted:
        raise Misuse(f"--for: expected a duration such as 30m, 2h or 1d, not {length!r}")
    if (which is None) == (not terms):
        raise Misuse("name one alert, or say with --match which ones")

    async def work(feed: LiveFeed) -> tuple[Silence, int]:
        wanted_ones = (
            [Matcher("rule", "=", find(feed.snapshot, which).rule)]
            if which is not None
            else [matchers.single(term) for term in terms]
        )
        made = await feed.desk.silence(wanted_ones, wanted, reason)
        now = await feed.read()
        return made, sum(alert.silence == made.id for alert in now.alerts)

    made, held = with_feed(options, work)
    if as_json:
        click.echo(json.dumps(silence_json(made), indent=2))
    else:
        words = ", ".join(map(str, made.matchers))
        click.echo(f"silence {made.id} until {iso(made.ends_at)}: {words}")
        click.echo(f"it holds {counted(held, 'alert')} of now")


@alerts.command()
@click.argument("number", type=int)
@click.pass_obj
def unsilence(options: dict[str, Any], number: int) -> None:
    """Lift a silence (its number) before its time."""
    with_feed(options, lambda feed: feed.desk.end_silence(number))
    click.echo(f"silence {number} is lifted")


def find(now: Snapshot, which: str) -> Alert:
    """By number, else the first of the list whose rule has this name, else the first that screens call so. Raises
    Misuse."""
    for alert in now.alerts:
        if which in (str(alert.id), alert.rule):
            return alert
    for alert in now.alerts:
        if which == title_of(alert, now.metrics.specs):
            return alert
    names = [a.rule for a in now.alerts]
    near = difflib.get_close_matches(which, names, 1)
    hint = (
        f"; did you mean {near[0]!r}?" if near else ": `tradex alerts list --all` shows those of the last day"
    )
    raise Misuse(f"no alert {which!r}{hint}")


def _alert_table(now: Snapshot, found: Sequence[Alert]) -> Any:
    from rich.text import Text

    rows = table("id", "alert", "state", "value", "for", "note", right={"id", "value", "for"})
    for alert in found:
        severity = str(alert.severity)
        style = STYLE[severity] if alert.counts else "dim"
        spec = now.metrics.specs.get(alert.metric or "")
        rows.add_row(
            str(alert.id),
            Text(f"{GLYPH[severity]} {alert.rule}", style=style),
            str(alert.state),
            Text(reading(spec, alert.value)),
            age(now.at - alert.since),
            Text(_note(alert, now)),
        )
    return rows


def _note(alert: Alert, now: Snapshot) -> str:
    match alert.state:
        case AlertState.ACKNOWLEDGED:
            return f"{alert.acknowledged_by}, {clock(alert.acknowledged_at)}" if alert.acknowledged_at else ""
        case AlertState.SILENCED:
            return (
                f"by {alert.silenced_by} until {clock(alert.silenced_until)}" if alert.silenced_until else ""
            )
        case AlertState.INHIBITED:
            return f"explained by {alert.inhibited_by}"
        case AlertState.PENDING:
            left = remaining(alert, now.at)
            return f"fires in {age(left)}" if left is not None else ""
        case AlertState.RESOLVED:
            return alert.resolution
    return alert.summary


def _print_silences(now: Snapshot, as_json: bool) -> None:
    from rich.text import Text

    if as_json:
        click.echo(json.dumps([silence_json(s) for s in now.silences], indent=2))
        return
    if not now.silences:
        click.echo("no silence is in force")
        return
    rows = table("id", "until", "author", "matches", "note", right={"id"})
    for each in now.silences:
        matchers = Text(", ".join(map(str, each.matchers)))
        rows.add_row(str(each.id), clock(each.ends_at), each.author, matchers, Text(each.reason))
    print_table(rows)
