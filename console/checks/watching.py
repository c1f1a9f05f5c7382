"""Whether the watch itself works: an agent leads and measures, the detectors run, the rules load, viewers may read."""

from __future__ import annotations

from datetime import timedelta

from console.checks.check import Doors
from console.domain.check import Outcome, failed, passed, together, warned
from console.domain.errors import Misuse
from console.domain.event import Severity
from console.domain.format import age, counted
from console.domain.snapshot import STALE_AFTER_TICKS
from console.metrics import catalogue
from console.rules import alerting_file
from console.rules import file as rule_file
from console.store import books, findings, ticks
from console.store import lease as leases
from console.store.pool import Store

DETECTORS = 5
_TICK_S = 30.0
_MOST_NAMED = 3
# What the screens read first.
_DASHBOARDS = "tick catalogue health alert event lease finding action log_line".split()


async def metrics(doors: Doors) -> Outcome:
    """An agent leads, and every metric that has a source was read within three ticks."""
    store = _store(doors)
    state, latest, now = await leases.agent_state(store), await ticks.latest(store), await store.now()
    if state.leader is None:
        return failed("no agent leads")
    if latest.at is None:
        return failed(f"{state.leader} has written no tick")
    limit = _patience(state.tick_s)
    if now - latest.at > limit:
        return failed(f"{state.leader}: the last tick is {age(now - latest.at)} old, {age(limit)} at most")
    bad = [f"{value.name}: {value.reason}" for value in latest.values.values() if value.failed]
    if bad:
        more = f" and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
        return failed("; ".join(bad[:_MOST_NAMED]) + more)
    read = sum(value.value is not None for value in latest.values.values())
    return passed(f"{state.leader} leads, {counted(read, 'metric')} read {age(now - latest.at)} ago")


async def detectors(doors: Doors) -> Outcome:
    """All detectors ran within three ticks."""
    store = _store(doors)
    state, known, now = await leases.agent_state(store), await findings.detectors(store), await store.now()
    limit = _patience(state.tick_s)
    faults = []
    for each in known:
        if each.reason:
            faults.append(failed(f"{each.name}: {each.reason}"))
        elif each.ran_at is None or now - each.ran_at > limit:
            since = "never ran" if each.ran_at is None else f"ran {age(now - each.ran_at)} ago"
            faults.append(failed(f"{each.name}: {since}, {age(limit)} at most"))
    if not known:
        faults.append(failed("no detector ever ran"))
    elif len(known) < DETECTORS:
        told = ", ".join(each.name for each in known)
        faults.append(warned(f"{told} ran; {DETECTORS - len(known)} of the {DETECTORS} detectors: no source"))
    return together(faults) if faults else passed(f"{', '.join(each.name for each in known)} ran")


async def rules(doors: Doors) -> Outcome:
    """The rule file loads, and has the eight rules that are shipped."""
    settings = doors.settings
    specs = {spec.name: spec for spec in catalogue.load(settings.platform.catalogue).specs}
    words = alerting_file.load(settings.alerting.file).vocabulary
    shipped = {rule.name for rule in rule_file.load(rule_file.SHIPPED, specs=specs, vocabulary=words)}
    file = settings.alerting.rules or rule_file.SHIPPED
    try:
        found = {rule.name for rule in rule_file.load(file, specs=specs, vocabulary=words)}
    except Misuse as error:
        return failed(str(error).partition("\n")[0])
    if missing := sorted(shipped - found):
        return failed(f"{file}: no rule {', '.join(missing)}")
    return passed(f"{file}: {counted(len(found), 'rule')}, the {len(shipped)} shipped ones among them")


async def dashboards(doors: Doors) -> Outcome:
    """Viewers may read what the screens show. Whether one can log in, nobody but a viewer can say."""
    names = [f"console.{table}" for table in _DASHBOARDS]
    rows = await _store(doors).fetch(
        "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL "
        "OR NOT has_table_privilege('console_viewer', to_regclass(name), 'SELECT')",
        names,
    )
    if rows:
        return failed(f"viewers may not read {', '.join(row['name'] for row in rows)}")
    return warned(
        f"viewers may read {counted(len(names), 'table')}; a log-in: no source: no viewer's password is kept"
    )


async def response(doors: Doors) -> Outcome:
    """Runbooks are there for every rule that opens an incident. Nobody tells yet who is on call, and no contact is
    tested."""
    found = await books.runbooks(_store(doors))
    if not found:
        return failed("no runbook is published")
    settings = doors.settings
    specs = {spec.name: spec for spec in catalogue.load(settings.platform.catalogue).specs}
    words = alerting_file.load(settings.alerting.file).vocabulary
    known = rule_file.load(settings.alerting.rules or rule_file.SHIPPED, specs=specs, vocabulary=words)
    bare = [
        rule.name
        for rule in known
        if rule.severity is Severity.CRITICAL
        and not any(
            rule.runbook in (book.name, *book.aliases) or book.shows(rule.name, None) for book in found
        )
    ]
    if bare:
        return failed(f"no runbook names {', '.join(bare)}")
    return warned(
        f"{counted(len(found), 'runbook')}, one for each critical rule; on call and contacts: no source: there is no "
        "schedule yet"
    )


def _store(doors: Doors) -> Store:
    assert doors.store is not None  # noqa: S101 - these checks need store.url
    return doors.store


def _patience(tick_s: float | None) -> timedelta:
    return timedelta(seconds=STALE_AFTER_TICKS * (tick_s or _TICK_S))
