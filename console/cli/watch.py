"""`tradex status --watch`: one plain line for every change, for logs and screen readers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import with_feed
from console.cli.status import status_json
from console.cli.tables import GLYPH
from console.domain.alert import Alert, AlertState
from console.domain.format import clock
from console.domain.snapshot import Snapshot

if TYPE_CHECKING:
    from console.feed import LiveFeed


def watch_status(options: dict[str, Any], *, as_json: bool) -> None:
    """Until interrupted. With `as_json` each change is the whole status as one line of JSON."""

    async def follow(feed: LiveFeed) -> None:
        before: Snapshot | None = None

        def changed(now: Snapshot, _sections: frozenset[str] = frozenset()) -> None:
            nonlocal before
            lines = list(_lines(before, now))
            before = now
            if lines and as_json:
                click.echo(json.dumps(status_json(now)))
            elif lines:
                click.echo("\n".join(lines))

        changed(feed.snapshot)
        feed.subscribe(changed)
        await feed.run()

    with_feed(options, follow)


def _lines(before: Snapshot | None, now: Snapshot) -> list[str]:
    """What is different, in words."""
    at = clock(now.at)
    lines: list[str] = []
    if before is None or now.link.away != before.link.away:
        if now.link.away is not None:
            lines.append(f"{at}  ? store away: {now.link.away}")
        elif before is not None:
            lines.append(f"{at}  ● store is back")
    if before is None or now.overall.verdict is not before.overall.verdict:
        verdict = str(now.overall.verdict)
        lines.append(f"{at}  {GLYPH[verdict]} {verdict}: {now.overall.reason}")
    known = {} if before is None else {alert.id: alert for alert in before.alerts}
    for alert in now.alerts:
        was = known.get(alert.id)
        if was is None and alert.state is AlertState.RESOLVED:
            continue
        if was is None or (was.state, was.severity, was.flaps) != (alert.state, alert.severity, alert.flaps):
            lines.append(f"{at}  {_words(alert)}")
    return lines


def _words(alert: Alert) -> str:
    by = {
        AlertState.ACKNOWLEDGED: f" by {alert.acknowledged_by}",
        AlertState.SILENCED: f" by {alert.silenced_by}",
        AlertState.INHIBITED: f" by {alert.inhibited_by}",
    }.get(alert.state, "")
    glyph = "✓" if alert.state is AlertState.RESOLVED else GLYPH[str(alert.severity)]
    said = f": {alert.summary}" if alert.state in (AlertState.FIRING, AlertState.PENDING) else ""
    return f"{glyph} {alert.severity} {alert.rule} {alert.state}{by}{said}"
