"""`tradex status` and `tradex metrics`: what the screens show, on the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import with_feed
from console.cli.tables import CRITICAL_EXIT, GLYPH, STYLE, print_table, table
from console.domain.alert import counts
from console.domain.format import age, iso, metric
from console.domain.health import Check, Status, Verdict
from console.domain.metric import MetricValue
from console.domain.snapshot import ComponentHealth, Snapshot

if TYPE_CHECKING:
    from rich.table import Table

    from console.feed import LiveFeed


def snapshot(options: dict[str, Any]) -> Snapshot:
    """What the store says now. Raises StoreAway, StoreRefused, Misuse."""

    async def read(feed: LiveFeed) -> Snapshot:
        return feed.snapshot

    return with_feed(options, read)


def _present(now: Snapshot, check: Check) -> Check:
    """The check as it stands now: one that is older than three ticks says nothing of the present."""
    if not now.is_stale(check.at, now.at):
        return check
    detail = f"not checked for {age(now.at - check.at)}; then {check.status}: {check.detail}"
    return replace(check, status=Status.UNKNOWN, detail=detail)


def _components(now: Snapshot) -> list[ComponentHealth]:
    return [replace(c, check=_present(now, c.check)) for c in now.health]


def status_json(now: Snapshot) -> dict[str, Any]:
    """The documented shape of `status --json`."""
    firing = counts(now.alerts)
    data_age = now.data_age(now.at)
    return {
        "environment": now.link.environment,
        "overall": str(now.overall.verdict),
        "reason": now.overall.reason,
        "at": iso(now.at),
        "components": [
            {
                "name": c.check.component,
                "status": str(c.check.status),
                "latency_ms": c.check.latency_ms,
                "detail": c.check.detail,
                "at": iso(c.check.at),
                "since": iso(c.since),
            }
            for c in _components(now)
        ],
        "alerts": {"critical": firing.critical, "warning": firing.warning, "info": firing.info},
        "agent": {
            "leader": now.agent.leader,
            "fence": now.agent.fence,
            "data_age_s": None if data_age is None else round(data_age.total_seconds(), 3),
        },
    }


def _level(now: Snapshot, value: MetricValue) -> str | None:
    """How the value stands now; what was read more than three ticks ago stands nowhere."""
    stale = now.is_stale(now.metrics.at, now.at)
    return None if stale or value.level is None else str(value.level)


def metrics_json(now: Snapshot, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The documented shape of `metrics --json`, in the order of the catalogue."""
    return [
        {
            "name": name,
            "value": value.value,
            "unit": now.metrics.specs[name].unit,
            "window_s": now.metrics.specs[name].window_s,
            "level": _level(now, value),
            "at": iso(value.at),
            "reason": value.reason,
            "title": now.metrics.specs[name].title,
            "group": now.metrics.specs[name].group,
            "source": now.metrics.specs[name].source_kind,
        }
        for name, value in now.metrics.values.items()
        if not names or name in names
    ]


@click.command()
@click.option("--watch", is_flag=True, help="A line for every change, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def status(options: dict[str, Any], watch: bool, as_json: bool) -> None:
    """Health of the platform and its components. Exit code 3 when something critical is firing, 1 when nobody knows."""
    if watch:
        from console.cli.watch import watch_status

        watch_status(options, as_json=as_json)
        return
    now = snapshot(options)
    if as_json:
        click.echo(json.dumps(status_json(now), indent=2))
    else:
        print_table(_status_table(now), _headline(now))
    if now.overall.verdict in (Verdict.CRITICAL, Verdict.DOWN):
        raise SystemExit(CRITICAL_EXIT)
    if now.overall.verdict is Verdict.UNKNOWN:
        raise SystemExit(1)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def metrics(options: dict[str, Any], names: tuple[str, ...], as_json: bool) -> None:
    """Every metric with its value and level, or those that are named."""
    now = snapshot(options)
    unknown = [n for n in names if n not in now.metrics.specs]
    if unknown and now.metrics.specs:
        import difflib

        near = difflib.get_close_matches(unknown[0], now.metrics.specs, 1)
        raise click.UsageError(f"no metric {unknown[0]!r}" + (f"; did you mean {near[0]}?" if near else ""))
    if as_json:
        click.echo(json.dumps(metrics_json(now, names), indent=2))
    else:
        print_table(
            _metrics_table(now, names), "" if now.metrics.at else "no data yet: no agent has written a tick"
        )


def _headline(now: Snapshot) -> str:
    data_age = now.data_age(now.at)
    leader = f"lead {now.agent.leader}" if now.agent.leader else "no agent leads"
    data = "no data yet" if data_age is None else f"data {age(data_age)} old"
    verdict = str(now.overall.verdict)
    return (
        f"{GLYPH[verdict]} {verdict.upper()}  {now.overall.reason}\n{now.link.environment}  {leader}  {data}"
    )


def _status_table(now: Snapshot) -> Table:
    from rich.text import Text

    rows = table("component", "state", "latency", "age", "detail", right={"latency", "age"})
    for c in _components(now):
        state = str(c.check.status)
        rows.add_row(
            Text(f"{GLYPH[state]} {c.check.component}", style="" if state == "ok" else STYLE[state]),
            Text(state, style=STYLE[state]),
            "–" if c.check.latency_ms is None else f"{c.check.latency_ms:.0f} ms",
            age(now.at - c.check.at),
            Text(c.check.detail),
        )
    return rows


def _metrics_table(now: Snapshot, names: Sequence[str]) -> Table:
    from rich.text import Text

    rows = table("metric", "value", "level", "limits", "note", right={"value", "limits"})
    data_age = now.data_age(now.at)
    stale = now.is_stale(now.metrics.at, now.at)
    old = f"{age(data_age)} old: " if stale and data_age is not None else ""
    for name, value in now.metrics.values.items():
        if names and name not in names:
            continue
        spec = now.metrics.specs[name]
        limits = [metric(spec, bound) for bound in (spec.warning, spec.critical) if bound is not None]
        level = _level(now, value) or ""
        rows.add_row(
            name,
            metric(spec, value.value),
            Text(f"{GLYPH[level]} {level}" if level else "", style=STYLE.get(level, "")),
            " / ".join(limits),
            Text(f"{old}{value.reason or spec.title}", style="dim"),
        )
    return rows
