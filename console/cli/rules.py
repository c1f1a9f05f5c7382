"""`tradex rules`: what a rule file says, and what it would have done."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.connect import loaded, opened
from console.cli.tables import GLYPH, STYLE, on_terminal, print_table, table
from console.domain import duration
from console.domain.alert import Phase
from console.domain.errors import Misuse
from console.domain.format import iso, reading
from console.domain.text import printable

if TYPE_CHECKING:
    from rich.text import Text

    from console.domain.metric import MetricSpec
    from console.rules.alerting_file import Alerting
    from console.rules.replay import Course, Replay
    from console.rules.rule import Rule
    from console.settings import Settings

_CELLS, _LEAST_CELLS = 60, 16
_BESIDE = 62
"""What the columns beside the strip take on a terminal."""
_STATES = {
    (Phase.FIRING, True): ("!", "bold red"),
    (Phase.FIRING, False): ("◇", "red"),
    (Phase.PENDING, True): ("◔", "yellow"),
    (Phase.INACTIVE, True): ("·", "dim"),
    (Phase.INACTIVE, False): ("?", "dim"),
}
_KEY = "! firing  ◔ pending  · not  ◇ firing, no data  ? no data"
_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def rules() -> None:
    """Alert rules: check a file, replay it over the past."""


@rules.command()
@_FILE
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def check(options: dict[str, Any], file: Path, as_json: bool) -> None:
    """Each rule as it is understood, or what is wrong and where (exit code 2)."""
    kit = _kit(loaded(options).settings)
    found = kit.load(file)
    if as_json:
        click.echo(json.dumps([_rule_json(rule) for rule in found], indent=2))
        return
    for rule in found:
        _print_rule(rule, kit.alerting)
    click.echo(f"{len(found)} {'rule' if len(found) == 1 else 'rules'} in {file}: good")


@rules.command()
@_FILE
@click.option(
    "--since", metavar="SPAN", help="How far back, over what the store has recorded: 24h by default."
)
@click.option(
    "--samples", type=click.Path(path_type=Path), help="Over recorded samples instead (JSON lines)."
)
@click.option(
    "--step",
    type=click.FloatRange(min=0.001, max=86400),
    help="Seconds between two evaluations: 30 over samples, each tick over the store.",
)
@click.option("--json", "as_json", is_flag=True, help="Every transition.")
@click.pass_obj
def replay(
    options: dict[str, Any],
    file: Path,
    since: str | None,
    samples: Path | None,
    step: float | None,
    as_json: bool,
) -> None:
    """What the rules of FILE would have done over the past."""
    if since is not None and samples is not None:
        raise click.UsageError("--since and --samples: expected only one of them")
    settings = loaded(options).settings
    if samples is not None:
        found = _over_samples(settings, file, samples, step or 30.0)
    else:
        found = asyncio.run(_over_store(options, settings, file, since, step))
    if as_json:
        click.echo(json.dumps(_transitions(found), indent=2))
    else:
        _print_replay(found)


@dataclass(frozen=True, slots=True)
class _Kit:
    """What a rule file is checked against."""

    specs: Mapping[str, MetricSpec]
    alerting: Alerting
    time_scale: float = 1.0

    def load(self, path: Path) -> tuple[Rule, ...]:
        from console.rules.file import load

        return load(path, specs=self.specs, vocabulary=self.alerting.vocabulary, time_scale=self.time_scale)


def _kit(settings: Settings) -> _Kit:
    """The configured catalogue and words, in unscaled time."""
    from console.metrics import catalogue
    from console.rules import alerting_file

    specs = {spec.name: spec for spec in catalogue.load(settings.platform.catalogue).specs}
    return _Kit(specs, alerting_file.load(settings.alerting.file))


# --- check ---


def _rule_json(rule: Rule) -> dict[str, Any]:
    from console.rules.condition import written

    return {
        "name": rule.name,
        "severity": str(rule.severity),
        "condition": written(rule.condition),
        "for_s": rule.for_.total_seconds(),
        "keep_firing_for_s": rule.keep_firing_for.total_seconds(),
        "type": rule.type,
        "action": rule.action,
        "notification": list(rule.channels),
        "metrics": sorted(rule.metrics),
        "runbook": rule.runbook or None,
        "where": rule.where,
    }


def _print_rule(rule: Rule, alerting: Alerting) -> None:
    from console.rules.condition import written

    severity = str(rule.severity)
    click.echo(f"{GLYPH[severity]} {severity:<8}  {rule.name}  ({rule.type})")
    parts = [written(rule.condition)]
    if rule.for_:
        parts.append(f"for {duration.written(rule.for_)}")
    if rule.keep_firing_for:
        parts.append(f"keep_firing_for {duration.written(rule.keep_firing_for)}")
    click.echo(f"    {'  '.join(parts)}")
    told = ", ".join(rule.channels) or "nobody is told"
    click.echo(f"    {rule.action}: {alerting.verbs[rule.action]}")
    click.echo(f"    {told}{f', runbook {rule.runbook}' if rule.runbook else ''}")


# --- replay ---


@dataclass(frozen=True, slots=True)
class _Replayed:
    """A replay with its span; `relative` for samples, whose times are seconds."""

    replay: Replay
    start: datetime | None
    end: datetime | None
    specs: Mapping[str, MetricSpec]
    relative: bool = False


def _over_samples(settings: Settings, file: Path, samples: Path, step: float) -> _Replayed:
    from console.rules.samples import read, replayed

    kit = _kit(settings)
    found = kit.load(file)
    recorded = read(samples, kit.specs)
    done = replayed(found, recorded, kit.specs, lookback=kit.alerting.lookback, step=timedelta(seconds=step))
    start, end = (recorded[0].at, recorded[-1].at) if recorded else (None, None)
    return _Replayed(done, start, end, kit.specs, relative=True)


async def _over_store(
    options: dict[str, Any], settings: Settings, file: Path, since: str | None, step: float | None
) -> _Replayed:
    from console.rules import alerting_file
    from console.rules.replay import Replay, warm_up
    from console.store import ticks

    back = duration.parse(since or "24h")
    if not back:
        raise Misuse(f"--since: expected {duration.EXPECTED}, not {printable(since, 60)}")
    async with opened(options, read_only=True) as store:
        link, latest, end = await store.link(), await ticks.latest(store), await store.now()
        if latest.at is None:
            raise Misuse("nothing is recorded yet: no agent has written a tick")
        alerting = alerting_file.load(settings.alerting.file, time_scale=link.time_scale)
        found = _Kit(latest.specs, alerting, link.time_scale).load(file)
        done = Replay(found, latest.specs, lookback=alerting.lookback)
        start = end - back
        warm = start - warm_up(alerting.lookback, day_before=done.uses_day_before)
        # An event lasts one tick, which a coarser step must not skip.
        every = None if done.events else step
        first, due = None, start
        async for tick in ticks.between(store, warm, end, step_s=every):
            if tick.at is None:
                continue
            done.observe(tick.at, tick.values)
            if tick.at >= due:
                done.evaluate(tick.at)
                first = first or tick.at
                due = tick.at + timedelta(seconds=step) if step else tick.at
        return _Replayed(done, first, end if first else None, latest.specs)


def _transitions(found: _Replayed) -> list[dict[str, Any]]:
    from console.rules.samples import seconds

    return [
        {
            "at": seconds(t.at) if found.relative else iso(t.at),
            "rule": t.rule,
            "from": str(t.before),
            "to": str(t.after),
            "value": t.value,
        }
        for t in found.replay.transitions
    ]


def _print_replay(found: _Replayed) -> None:
    from rich.text import Text

    start, end, courses = found.start, found.end, found.replay.courses
    if start is None or end is None:
        click.echo("nothing is recorded for that time" if not found.relative else "no samples")
        return
    cells = _cells()
    rows = table("rule", "past", "fired", "in all", "last", right={"fired", "in all", "last"})
    for course in courses:
        severity = str(course.rule.severity)
        rows.add_row(
            Text(f"{GLYPH[severity]} {course.rule.name}", style=STYLE[severity] if course.firings else ""),
            _strip(course, start, end, cells),
            f"{course.firings}x" if course.firings else "never",
            duration.written(_whole(course.lasted(Phase.FIRING, end))) if course.firings else "",
            _last(course, found.specs),
        )
    rows.add_row("", _axis(found, start, end, cells), "", "", "")
    fired = sum(1 for course in courses if course.firings)
    times = found.replay.evaluations
    print_table(
        rows,
        f"{len(courses)} {'rule' if len(courses) == 1 else 'rules'} over {duration.written(_whole(end - start))}, "
        f"{times:,} evaluations: {fired} would have fired\n{_KEY}",
    )


def _cells() -> int:
    if not on_terminal():
        return _CELLS
    return max(min(shutil.get_terminal_size().columns - _BESIDE, _CELLS), _LEAST_CELLS)


def _strip(course: Course, start: datetime, end: datetime, cells: int) -> Text:
    from rich.text import Text

    strip = Text()
    for state in course.strip(start, end, cells):
        glyph, style = _STATES.get(state, _STATES[Phase.INACTIVE, True])
        strip.append(glyph, style)
    return strip


def _axis(found: _Replayed, start: datetime, end: datetime, cells: int) -> Text:
    from rich.text import Text

    from console.rules.samples import seconds

    if found.relative:
        left, right = f"{seconds(start):g} s", f"{seconds(end):g} s"
    else:
        left, right = (at.strftime("%m-%d %H:%M") for at in (start, end))
    return Text(f"{left}{right:>{max(cells - len(left), 0)}}", style="dim")


def _whole(span: timedelta) -> timedelta:
    return timedelta(seconds=round(span.total_seconds()))


def _last(course: Course, specs: Mapping[str, MetricSpec]) -> str:
    value = course.last_value
    if value is None:
        return "no data"
    return printable(reading(specs.get(course.last_metric or ""), value), 30)
